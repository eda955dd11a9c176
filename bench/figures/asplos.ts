/** Adams and Agesen's nanobenchmarks, fork and wait, and kernel compilation. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { Cell, Counted } from "../cell.js";
import { workload } from "../workloads.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable } from "./model.js";
import { nanoBenchmark, turnsOf } from "./nano-kernel.js";
import { compareToNative, type Raw, reprice, shortName, statusOf } from "./pricing.js";
import { publication, valueOf } from "./published.js";
import { SOSP_PROFILE } from "./sosp.js";

export const ASPLOS_PROFILE = "p4-2006";
export const ASPLOS_IDS = ["asplos06-nano", "asplos06-forkwait", "asplos06-compile"] as const;
export type AsplosId = (typeof ASPLOS_IDS)[number];
const ROWS: Readonly<Partial<Record<How, string>>> = { native: "native", dbt: "software VMM", "hvm-shadow": "hardware VMM" };
const HOWS: readonly How[] = ["native", "dbt", "hvm-shadow", "hvm"];
const CR8 = "CR8 is 64-bit mode's, and this machine has none. The same register is written by LOCK MOV CR0, which is how AMD's processors give it to 32-bit code (APM vol. 3, MOV CRn). " +
  "What it becomes in each mode is what MOV CR8 becomes: the local APIC's TPR; an inlined store on the virtual CPU; a store in VT-x's virtual-APIC page (TPR shadow). No processor has both AMD's encoding and VT-x, and natively it is priced as any system instruction.";
const FORKS = 40_000;
/** What the two tables of whole programs run. */
const WHOLE: Readonly<Record<Exclude<AsplosId, "asplos06-nano">, string>> = { "asplos06-forkwait": "fork", "asplos06-compile": "make" };

/** Counted under the profile of the other tables, and priced anew. */
const workloadJob = (name: string, how: How): FigureJob => ({ kind: "workload", name, how, profile: SOSP_PROFILE });
export const nanoJob = (name: string, how: How, profile = ASPLOS_PROFILE): FigureJob => ({ kind: "nano", name, how, profile });

const nanoColumns = (): string[] => publication("asplos06").tables["nanobenchmarks"]!.columns.filter((column) => nanoBenchmark(shortName(column)) !== undefined);

export function asplosJobs(id: AsplosId): FigureJob[] {
  switch (id) {
    case "asplos06-nano": return nanoColumns().flatMap((column) => HOWS.map((how) => nanoJob(shortName(column), how)));
    case "asplos06-forkwait": case "asplos06-compile": return HOWS.map((how) => workloadJob(WHOLE[id], how));
    default: return id satisfies never;
  }
}

/** Name of the job that fills a column. */
export function asplosJobName(id: AsplosId, column: string): string {
  return id === "asplos06-nano" ? column : WHOLE[id];
}

export function asplosTable(id: AsplosId, runs: Runs, base: CostProfile, profile: CostProfile): FigureTable {
  switch (id) {
    case "asplos06-nano": return nano(runs, profile);
    case "asplos06-forkwait": return whole(id, "forkwait", runs, base, profile, (counted, operations) => counted.cycles / operations * FORKS / profile.hz, [
      "40,000 times what one fork, exit and wait takes here, of the program that shares its C library, as a C program of theirs did: the pages and page tables that fork copies are what it costs, and a program that stands alone has a handful. Ours still has fewer than Linux's had, so it is the ratio that can be compared, and that a switch of shadow tables (shadow.switch) is fitted to.",
    ]);
    case "asplos06-compile": return whole(id, "compile", runs, base, profile, (counted) => (counted.cycles - counted.idleCycles) / profile.hz, [
      "Stand-in: the guest's workload make, as for the build of sosp03-figure3: for each source a shell, a driver, a compiler and an assembler, each forked, executed and linked to a shared library. Waiting for the disk is left out, since -j8 keeps the processor busy meanwhile. Ours takes milliseconds: only the ratio can be compared.",
    ]);
    default: return id satisfies never;
  }
}

function nano(runs: Runs, profile: CostProfile): FigureTable {
  const { citation, provenance, tables } = publication("asplos06");
  const printed = tables["nanobenchmarks"]!;
  const cells = nanoColumns().flatMap((column) => HOWS.map((how): Raw => {
    const benchmark = nanoBenchmark(shortName(column))!;
    const cell = runs.cell(nanoJob(benchmark.name, how));
    return {
      mode: how, column, published: valueOf(printed, ROWS[how], column), ours: cell.value, status: statusOf(profile, "asplos06-nano", ROWS[how], column),
      ...barOf(cell, benchmark.unrolled * turnsOf(benchmark), profile), ...(cell.failed === undefined ? {} : { failed: cell.failed }),
    };
  }));
  return {
    id: "asplos06-nano", title: printed.title, unit: "cycles", citation, provenance: provenance["nanobenchmarks"]!, profile: profile.name, cells: compareToNative(cells),
    missing: [], standIns: { cr8wr: CR8 },
    notes: ["Each is a kernel of its own, some dozens of instructions with the one operation in a loop, as theirs were. What is calibrated in this table is calibrated by it; hvm on EPT is ours alone, since that processor had none."],
    chart: "log", originals: { ...ROWS },
  };
}

function whole(id: keyof typeof WHOLE, printedAs: string, runs: Runs, base: CostProfile, profile: CostProfile, seconds: (counted: Counted, operations: number) => number, notes: readonly string[]): FigureTable {
  const { citation, provenance, tables } = publication("asplos06");
  const printed = tables[printedAs]!;
  const name = WHOLE[id], { operations } = workload(name)!;
  const cells = HOWS.map((how): Raw => {
    const cell = runs.cell(workloadJob(name, how));
    const counted = reprice(cell, base, profile);
    return {
      mode: how, column: printedAs, published: valueOf(printed, ROWS[how], printedAs), ours: cell.failed === undefined ? seconds(counted, operations) : null,
      status: statusOf(profile, id, ROWS[how], printedAs), ...barOf({ ...cell, ...counted, ...(printedAs === "compile" ? { idleCycles: 0 } : {}) }, operations, profile), ...(cell.failed === undefined ? {} : { failed: cell.failed }),
    };
  });
  return { id, title: printed.title, unit: "s", citation, provenance: provenance[printedAs]!, profile: profile.name, cells: compareToNative(cells), missing: [], notes, chart: "log", originals: { ...ROWS } };
}

function barOf(cell: Cell, operations: number, profile: CostProfile): Pick<Raw, "bar"> {
  return cell.failed === undefined ? { bar: { counted: cell, operations, profile } } : {};
}
