/** How the verdict between dbt and hvm turns as the VM exit gets cheaper: one set of counts, priced with each generation's exit. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import { workload } from "../workloads.js";
import { ASPLOS_PROFILE, nanoJob } from "./asplos.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable, ShownCell } from "./model.js";
import { asRatio, reprice, shortName, statusOf } from "./pricing.js";
import { publication } from "./published.js";
import { nanoBenchmark, turnsOf } from "./nano-kernel.js";
import { SOSP_PROFILE } from "./sosp.js";

/** VM entry, and accesses to the VMCS, as ASPLOS 2006 measured them (table 1) on the two processors beside their exits of 1,931 and 1,186. */
const NETBURST = { exit: 1931, entry: 2409, read: 178, write: 171 }, CORE = { exit: 1186, entry: 937, read: 52, write: 44 };
const HOWS: readonly How[] = ["dbt", "hvm-shadow", "hvm"];
const NANO = ["syscall", "in", "pgfault", "divzero", "ptemod"];
/** Column to workload: the stand-ins of asplos06-forkwait and -compile, and two of our own. */
const WHOLE: Readonly<Record<string, string>> = { forkwait: "fork", "ctxsw-2p-0k": "ctxsw-2p-0k", pagefault: "pagefault", compile: "make" };
/** First in the table with nested paging; before it a column of hvm on EPT says nothing. */
const FIRST_WITH_EPT = 2010;

/** A unit cost that somebody measured: cycles of a page-fault exit, by processor. */
function exits(): [name: string, exit: number][] {
  return Object.entries(publication("vmexit-generations").tables["exit"]!.rows).map(([name, row]) => [name, row[0]!]);
}

/** The profile of 2006 with nothing changed but how long the processor takes to leave the guest and to enter it. */
export function generationProfile(base: CostProfile, name: string, exit: number): CostProfile {
  const kin = name.startsWith("Prescott") ? NETBURST : CORE;
  const { citation } = publication("vmexit-generations");
  const entry = Math.round(exit * kin.entry / kin.exit);
  const io = base.costs["vmexit.io_instruction"]!;
  const measured = { "vmexit.*": exit, vmentry: entry, "vmcs.read": kin.read, "vmcs.write": kin.write };
  const source = `${citation} Entry in its proportion to the exit in ASPLOS 2006, table 1, and VMCS accesses from there.`;
  return {
    ...base, name, title: `${base.title} with the exits of ${name}`,
    costs: {
      ...base.costs, ...Object.fromEntries(Object.entries(measured).map(([event, cycles]) => [event, { cycles, source }])),
      "vmexit.io_instruction": { ...io, cycles: io.cycles - base.costs["vmexit.*"]!.cycles + exit },
    },
  };
}

export function generationJobs(): FigureJob[] {
  return HOWS.flatMap((how) => [...NANO.map((name) => nanoJob(name, how)), ...Object.values(WHOLE).map((name): FigureJob => ({ kind: "workload", name, how, profile: SOSP_PROFILE }))]);
}

export function generationTable(runs: Runs, base: CostProfile, profile: CostProfile): FigureTable {
  const { citation, provenance } = publication("vmexit-generations");
  const cells = exits().flatMap(([name, exit]) => {
    const priced = generationProfile(profile, name, exit);
    const ept = Number(name.slice(-4)) >= FIRST_WITH_EPT;
    const rows: readonly (readonly [string, How])[] = [[name, "hvm-shadow"], ...(ept ? [[`${name}, EPT`, "hvm"] as const] : [])];
    return rows.flatMap(([mode, how]) => [...NANO, ...Object.keys(WHOLE)].map((column): ShownCell => {
      const [hvm, dbt] = [counted(runs, column, how), counted(runs, column, "dbt")];
      const [slow, fast] = [hvm, dbt].map((cell) => cell.failed === undefined ? reprice(cell, NANO.includes(column) ? profile : base, priced) : null);
      const busy = (of: typeof slow): number => of === null || of === undefined ? NaN : of.cycles - of.idleCycles;
      const ours = slow && fast ? busy(slow) / busy(fast) : null;
      const published = name.startsWith("Prescott") ? publishedRatio(column) : null;
      return asRatio({
        mode, column, published, ours, status: published !== null && fitted(profile, column) ? "calibrated" : "predicted",
        ...(slow ? { bar: { counted: { ...slow, cycles: busy(slow), idleCycles: 0 }, operations: operationsOf(column), profile: priced } } : {}),
      });
    }));
  });
  return {
    id: "vmexit-generations", title: "cycles under hvm for one cycle under dbt, as the VM exit gets cheaper", unit: "hvm / dbt", citation, provenance: provenance["exit"]!, profile: ASPLOS_PROFILE, cells, missing: [],
    notes: [
      "Below 1 the hardware wins. The counts are those of asplos06-nano, -forkwait and -compile and of two workloads, on shadow page tables; only exit, entry and VMCS accesses change, so a faster processor or a better monitor is not in it. Waiting is left out.",
      "Published, for the first row: the hardware VMM's figure by the software VMM's, ASPLOS 2006. pagefault is the guest's demand-zero fault; pgfault the nanobenchmark.",
    ],
    chart: "none", originals: {},
  };
}

function counted(runs: Runs, column: string, how: How): ReturnType<Runs["cell"]> {
  return runs.cell(NANO.includes(column) ? nanoJob(column, how) : { kind: "workload", name: WHOLE[column]!, how, profile: SOSP_PROFILE });
}

function operationsOf(column: string): number {
  const nano = NANO.includes(column) ? nanoBenchmark(column) : undefined;
  return nano ? nano.unrolled * turnsOf(nano) : workload(WHOLE[column]!)!.operations;
}

function publishedRatio(column: string): number | null {
  const { tables } = publication("asplos06");
  const table = column === "forkwait" || column === "compile" ? tables[column]! : NANO.includes(column) ? tables["nanobenchmarks"]! : undefined;
  if (!table) return null;
  const at = table.columns.length === 1 ? 0 : table.columns.findIndex((name) => shortName(name) === column);
  return table.rows["hardware VMM"]![at]! / table.rows["software VMM"]![at]!;
}

/** Whether one of the two cells that the ratio is made of was fitted. */
function fitted(profile: CostProfile, column: string): boolean {
  const table = NANO.includes(column) ? "asplos06-nano" : `asplos06-${column}`;
  return ["hardware VMM", "software VMM"].some((row) => statusOf(profile, table, row, column) === "calibrated");
}
