import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generationProfile } from "../../bench/figures/generations.js";
import { factor, type ShownCell, statistics } from "../../bench/figures/model.js";
import { compareToNative, reprice, shortName, statusOf } from "../../bench/figures/pricing.js";
import { publication, valueOf } from "../../bench/figures/published.js";
import { loadProfile } from "../../index.js";
import { cellsOf, type Cost, type CostProfile, priceKey } from "../../hypervisor/ledger.js";
import { instructionEvent } from "../../translator/interpreter/bind.js";
import { ROWS } from "../../translator/isa/opcodes.js";
import { profileNames } from "../../vm/profiles.js";

const test = suite("figures: prices and errors");
const xeon = loadProfile("xeon-2003"), p4 = loadProfile("p4-2006"), nehalem = loadProfile("nehalem-2008");
const COUNTED = { cycles: 1e6, idleCycles: 2400, instructions: 1000, events: { "vmexit.hlt": 10, "instruction.div": 3, unknown: 7 } };

test("counts are priced by the new profile, and waiting takes as long in seconds", () => {
  const priced = reprice(COUNTED, xeon, p4);
  assert.is(priced.idleCycles, 3800);
  assert.ok(Math.abs(priced.cycles - (1000 * 1.4 + 10 * 1931 + 3 * 80 + 3800)) < 1e-6);
  assert.equal(priced.events, COUNTED.events);
  assert.is(reprice(COUNTED, xeon, xeon), COUNTED);
});

test("counts of another TLB are not priced", () => {
  assert.throws(() => reprice(COUNTED, xeon, nehalem), /different TLBs/);
});

test("a cell is calibrated where a constant names it, and nowhere else", () => {
  assert.is(statusOf(xeon, "sosp03-table3", "L-UP", "null call"), "calibrated");
  assert.is(statusOf(xeon, "sosp03-table3", "Xen", "null call"), "predicted");
  assert.is(statusOf(p4, "asplos06-nano", "native", "in (port 0x80)"), "calibrated");
  assert.is(statusOf(p4, "asplos06-nano", "software VMM", "divzero"), "predicted");
  assert.is(statusOf(p4, "asplos06-nano", undefined, "divzero"), "predicted");
  assert.is(shortName("in (port 0x80)"), "in");
});

test("every cell that a constant was fitted to exists", () => {
  const sosp = publication("sosp03"), asplos = publication("asplos06");
  for (const profile of [xeon, p4, nehalem, loadProfile("core2-2006")]) {
    for (const [event, cost] of Object.entries(profile.costs)) {
      for (const cell of cellsOf(cost)) {
        const [id, row, column] = cell.split(", ") as [string, string, string];
        const table = id === "asplos06-nano" ? asplos.tables["nanobenchmarks"]! : id.startsWith("asplos06-") ? asplos.tables[id.replace("asplos06-", "")]! : sosp.tables[id.replace("sosp03-", "")]!;
        const full = table.columns.find((name) => shortName(name) === column);
        assert.ok(full !== undefined && valueOf(table, row, full) !== null, `${profile.name}: ${event}: ${cell}`);
      }
    }
  }
});

/** Whose measurements a price may cite. */
const CITED = /InstLatx64\/InstLatx64, Genuine|A\. Fog, Instruction tables, 2021|Adams and Agesen, ASPLOS 2006|ASPLOS 2006, table 1|Bugnion, Nieh, Tsafrir 2017|Sugerman, Venkitachalam, Lim, USENIX 2001|Intel Technology Journal 12\(3\), 2008|O\. Agesen, J\. Mattson.*USENIX ATC 2012, table 1|V\. Weaver, S\. McKee.*deater\/deterministic|D\. Patterson, J\. Hennessy, Computer Organization and Design, 5th edition, 2013, figure 1\.18/;
/** A price of nothing: what it would cost is in another price. */
const ELSEWHERE = /^(counted )?in (the|dbt)|^the interface's time is in the disk's|^counted in/;

/** Cells that a price comes from in the end, by way of what it is taken over from; a sum has those of all its parts. Throws where a part has no origin. */
function originOf(cost: Cost, profile: CostProfile, passed: readonly Cost[] = []): readonly string[] {
  assert.not(passed.includes(cost), `${profile.name}: ${cost.as} leads back to itself`);
  if (cost.as !== undefined) {
    const [name, events] = cost.as.split("/") as [string, string], from = loadProfile(name);
    return [...new Set(events.split("+").flatMap((event) => originOf(from.costs[event]!, from, [...passed, cost])))];
  }
  if (cost.calibrated !== undefined) {
    assert.type(cost.calibrated, "string", `${profile.name}: ${cost.source}: what is fitted is fitted to one cell`);
    return cellsOf(cost);
  }
  assert.ok(cost.cycles === 0 ? ELSEWHERE.test(cost.source) : CITED.test(cost.source), `${profile.name}: ${cost.source}: neither measured by somebody who is cited, nor fitted to a cell`);
  return [];
}

test("every price is measured and cited, fitted to one cell, or taken over from such, whose cells it names (docs/figures.md, Method)", () => {
  for (const profile of profileNames().map((name) => loadProfile(name))) {
    for (const [event, cost] of Object.entries(profile.costs)) {
      assert.equal(cellsOf(cost), originOf(cost, profile), `${profile.name}: ${event} names the cells that its origins were fitted to`);
      assert.not.match(cost.source, /not measured/, `${profile.name}: ${event}`);
    }
    assert.match(profile.cyclesPerInstruction.source, CITED, `${profile.name}: cycles of an instruction`);
    if (profile.farCall !== undefined) assert.match(profile.farCall.source, CITED, `${profile.name}: a far CALL`);
  }
});

test("every system instruction that is measured is counted by a name of its own, the rest by their family", () => {
  for (const profile of profileNames().map((name) => loadProfile(name))) {
    for (const name of Object.keys(profile.costs).filter((key) => key.startsWith("instruction.system."))) {
      assert.ok(name.endsWith(".*") || ROWS.some((row) => row.cost === "system" && instructionEvent(row) === name), `${profile.name}: ${name}`);
    }
    for (const row of ROWS) if (row.cost === "system") assert.ok(priceKey(profile, instructionEvent(row)) !== undefined, row.mnemonic);
  }
});

test("a generation changes the exit and nothing else", () => {
  const haswell = generationProfile(p4, "Haswell 2013", 512);
  const changed = Object.keys(p4.costs).filter((event) => p4.costs[event]!.cycles !== haswell.costs[event]!.cycles);
  assert.equal(changed.sort(), ["vmcs.read", "vmcs.write", "vmentry", "vmexit.*", "vmexit.io_instruction"]);
  assert.is(haswell.costs["vmexit.*"]!.cycles, 512);
});

const raw = (mode: string, published: number | null, ours: number | null, status: "predicted" | "calibrated" = "predicted") => ({ mode, column: "c", published, ours, status });

test("ratios are to native, errors are of the ratios, and what is fitted is no prediction", () => {
  const cells = compareToNative([raw("native", 10, 20), raw("dbt", 50, 200), raw("hvm", 20, 20), raw("paravirt", 20, 40, "calibrated"), raw("hvm-shadow", null, 60)]);
  assert.equal(cells.map(({ error }) => error), [null, 1, -0.5, 0, null]);
  assert.equal(cells.map(({ ratioOurs }) => ratioOurs), [1, 10, 1, 2, 3]);
  const { predictions, calibrated, median, worst, within25, within2x, pairs, ordered } = statistics(cells);
  assert.equal([predictions, calibrated, median, within25, within2x], [2, 1, 0.75, 0, 2]);
  assert.is(factor(worst[0]!), 2);
  // hvm against native, and hvm against paravirt: one is a tie of ours, the other is not told apart by the paper.
  assert.equal([pairs, ordered], [5, 4]);
});

test("without predictions there is nothing to say", () => {
  const none: readonly ShownCell[] = [];
  assert.equal(statistics(none).worst, []);
  assert.is(statistics(none).median, null);
});

test.run();
