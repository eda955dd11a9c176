import { suite } from "uvu";
import * as assert from "uvu/assert";
import { breakDown, KINDS, priceEvents } from "../../bench/breakdown.js";
import type { Cell } from "../../bench/cell.js";
import { chooseModes, chooseWorkloads, compare, compareRow, failures } from "../../bench/compare.js";
import { formatTable } from "../../bench/table.js";
import { workload, WORKLOADS } from "../../bench/workloads.js";
import { cellsOf } from "../../hypervisor/ledger.js";
import { loadProfile, MODES, profileNames, UsageError } from "../../index.js";

const test = suite("comparison");
const profile = loadProfile();
const some = { workloads: ["syscall", "ptemod"], profile };

test("two comparisons are the same bytes, whatever ran first", async () => {
  const [first, second] = [await compare(some), await compare({ ...some, workloads: ["ptemod", "syscall"] })];
  assert.is(JSON.stringify(first), JSON.stringify(second));
  assert.is(first.schema, "trivisor/compare@1");
  assert.equal(first.workloads.map((row) => row.name), ["syscall", "ptemod"]);
  assert.equal(failures(first), []);
  for (const row of first.workloads) {
    assert.equal(Object.keys(row.modes), [...MODES]);
    assert.is(row.modes.native!.ratio, 1);
    for (const mode of MODES) if (mode !== "classic") assert.is(row.modes[mode]!.checksum, row.modes.native!.checksum);
  }
});

test("the guest's own figure is what was counted between its readings", async () => {
  const { workloads } = await compare({ workloads: ["syscall", "pagefault", "compute"], modes: ["native", "dbt", "hvm"], profile });
  for (const { name, modes } of workloads) {
    const { operations } = workload(name)!;
    for (const cell of Object.values(modes)) assert.ok(Math.abs(cell.cycles / operations / cell.value! - 1) < 0.01, name);
  }
});

test("all of a cell's cycles are explained by its events", async () => {
  const { workloads } = await compare({ workloads: ["forkwait", "disk"], profile });
  for (const { name, modes } of workloads) {
    for (const mode of MODES) {
      const cell = modes[mode]!, events = priceEvents(cell, profile);
      const sum = events.reduce((total, event) => total + event.cycles, 0);
      assert.ok(Math.abs(sum - cell.cycles) < 1e-6 * cell.cycles, `${name} in ${mode}: ${sum} of ${cell.cycles}`);
      const kinds = breakDown(events);
      assert.equal(kinds.map(({ kind }) => kind), KINDS.map(({ id }) => id));
      assert.is(kinds.at(-1)!.cycles, 0, `${name} in ${mode} has costs of no known kind`);
    }
  }
});

const CELL: Cell = { value: 100, checksum: "00000001", cycles: 1000, idleCycles: 0, instructions: 500, events: {} };

test("ratios are to native, and a cell that computed something else has none", () => {
  const row = compareRow(workload("syscall")!, MODES, [CELL, { ...CELL, checksum: "bad" }, { ...CELL, value: 250 }, { ...CELL, checksum: "00000002" }, { ...CELL, failed: "crashed: x" }], profile);
  assert.is(row.modes.dbt!.ratio, 2.5);
  assert.match(row.modes.classic!.failed!, /computed bad, not 00000001/);
  assert.is(row.modes.classic!.ratio, null);
  assert.match(row.modes.paravirt!.failed!, /computed 00000002/);
  const comparison = { schema: "trivisor/compare@1", profile: "x", workloads: [row] } as const;
  assert.equal(failures(comparison), ["syscall in paravirt: computed 00000002, not 00000001 as native did", "syscall in hvm: crashed: x"]);
  assert.match(formatTable(comparison), /wrong \[1\] +2\.50x +wrong \[2\] +wrong \[3\]\n\n\[1\] syscall in classic: computed bad/);
});

test("without a native cell there are no ratios", () => {
  const row = compareRow(workload("syscall")!, ["dbt"], [CELL], profile);
  assert.is(row.modes.dbt!.ratio, null);
  assert.match(formatTable({ schema: "trivisor/compare@1", profile: "x", workloads: [row] }), /^workload +unit +dbt\nsyscall .* 100\n$/);
});

test("names are checked before anything runs", () => {
  assert.throws(() => chooseWorkloads(["syscall", "quake"]), (e: unknown) => e instanceof UsageError && e.message.includes("quake"));
  assert.throws(() => chooseModes(["kvm"]), (e: unknown) => e instanceof UsageError && e.message.includes("kvm"));
  assert.equal(chooseWorkloads([]), WORKLOADS);
  assert.equal(chooseModes(["hvm", "native"]), ["native", "hvm"]);
});

test("every profile is whole and every cost has its source", () => {
  for (const name of profileNames()) {
    const { costs, tlb, cyclesPerInstruction } = loadProfile(name);
    for (const [event, { source }] of [...Object.entries(costs), ["tlb", tlb], ["instruction", cyclesPerInstruction]] as const) assert.ok(source.length > 8, `${name}: ${event}`);
    for (const [event, cost] of Object.entries(costs)) {
      for (const cell of cellsOf(cost)) assert.match(cell, /^[a-z0-9-]+, .+, .+$/, `${name}: ${event} names a cell`);
    }
  }
});

test.run();
