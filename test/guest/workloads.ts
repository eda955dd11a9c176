import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCell } from "../../bench/cell.js";
import { SOSP_COLUMNS, workload } from "../../bench/workloads.js";
import { loadProfile } from "../../index.js";

const test = suite("the guest's workloads of the papers' tables");
const profile = loadProfile("xeon-2003");

/** Small counts: what is computed, not how long it takes. Each stands for its like. */
const SIZES: Readonly<Record<string, number>> = { "null-io": 20, "create-10k": 20, "fault-file": 512, sh: 2, make: 1, "osdb-oltp": 10, dbench: 1 };

for (const [name, size] of Object.entries(SIZES)) {
  test(`${name} computes the same on a bare PC and under Xen (guest/README.md: a checksum depends on what was computed only)`, () => {
    const small = { ...workload(name)!, size, operations: size };
    const [bare, xen] = (["native", "paravirt"] as const).map((mode) => runCell(small, mode, profile));
    for (const cell of [bare!, xen!]) assert.is(cell.failed, undefined);
    assert.match(bare!.checksum!, /^[0-9a-f]{8}$/);
    assert.is(xen!.checksum, bare!.checksum);
  });
}

test("the guest's own test of its kernel, loader and shell passes on a bare PC and under Xen", () => {
  const selftest = { name: "selftest", unit: "", shows: "", size: 1, operations: 1 };
  for (const mode of ["native", "paravirt"] as const) assert.is(runCell(selftest, mode, profile).failed, undefined, mode);
});

test("each column of tables 3 to 5 and figure 3 has a workload that exists", () => {
  for (const columns of Object.values(SOSP_COLUMNS)) for (const name of Object.values(columns)) assert.ok(workload(name), name);
});

test.run();
