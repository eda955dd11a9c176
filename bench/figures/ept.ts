/** What EPT gains over shadow page tables on one processor. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import { workload } from "../workloads.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable, ShownCell } from "./model.js";
import { nanoBenchmark, turnsOf } from "./nano-kernel.js";
import { asRatio } from "./pricing.js";
import { publication, valueOf } from "./published.js";

export const EPT_PROFILE = "nehalem-2008";
const HOWS: readonly How[] = ["hvm-shadow", "hvm"];
/** Columns by what they are: small programs that do nothing but memory management, whole programs, and the price of a TLB miss. */
const MICRO = ["forkwait", "forkexec", "ctxsw-2p-0k", "ctxsw-8p-16k", "pagefault", "mmap"], MICRO_NANO = ["ptemod", "pgfault"];
const WHOLE = ["make", "compute"], SWEEPS = ["tlb-4k", "tlb-4m"];
const isNano = (name: string): boolean => [...MICRO_NANO, ...SWEEPS].includes(name);

export function eptJobs(): FigureJob[] {
  return [...MICRO, ...MICRO_NANO, ...WHOLE, ...SWEEPS].flatMap((name) => HOWS.map((how): FigureJob => ({ kind: isNano(name) ? "nano" : "workload", name, how, profile: EPT_PROFILE })));
}

export function eptTable(runs: Runs, profile: CostProfile): FigureTable {
  const { citation, provenance, tables } = publication("ept");
  const gainOf = (name: string): ShownCell => {
    const [shadow, ept] = HOWS.map((how) => runs.cell({ kind: isNano(name) ? "nano" : "workload", name, how, profile: EPT_PROFILE }));
    const busy = [shadow!, ept!].map((cell) => cell.cycles - cell.idleCycles);
    const nano = isNano(name) ? nanoBenchmark(name)! : undefined;
    const operations = nano ? nano.unrolled * turnsOf(nano) : workload(name)!.operations;
    const failed = shadow!.failed ?? ept!.failed;
    return asRatio({
      mode: "hvm", column: name, published: null, ours: failed === undefined ? busy[0]! / busy[1]! : null, status: "predicted",
      bar: { counted: { ...shadow!, cycles: busy[0]!, idleCycles: 0 }, operations, profile }, ...(failed === undefined ? {} : { failed }),
    });
  };
  const cells = [...MICRO, ...MICRO_NANO, ...WHOLE, ...SWEEPS].map(gainOf);
  const most = (names: readonly string[], column: string): ShownCell => {
    const best = cells.filter((cell) => names.includes(cell.column)).sort((a, b) => (b.ours ?? 0) - (a.ours ?? 0))[0]!;
    const published = valueOf(tables["findings"]!, column, "gain");
    return asRatio({ mode: "hvm", column, published: published === null ? null : 1 + published, ours: best.ours, status: "predicted", says: `the most is ${best.column}'s`, ...(best.bar ? { bar: best.bar } : {}) });
  };
  return {
    id: "ept-vs-shadow", title: "speed with EPT for one on shadow page tables", unit: "shadow / EPT", citation, provenance: provenance["findings"]!, profile: profile.name,
    cells: [most(WHOLE, "MMU-intensive benchmarks"), most(MICRO, "MMU-intensive microbenchmarks"), ...cells], missing: [],
    notes: [
      "Above 1 EPT is faster; a bar's events are those on shadow page tables. Published: the most that was seen in each class (gains of 48% and 600%, here 1.48 and 7). Counted under this profile by runs of their own, since its TLB is larger. Waiting is left out.",
      "ptemod and pgfault are single operations: beside them, not among the microbenchmarks that the largest gain is taken of.",
      "tlb-4k loads a word from each of 1,024 small pages, tlb-4m the same words through one large page: the first misses the TLB each time, and with EPT walks in two dimensions. A large page has one entry in the TLB; under EPT, whose own pages are 2 MB, a page is as large as the smaller of the two, and on shadow page tables every page is small.",
    ],
    chart: "log", originals: { hvm: "EPT by shadow" },
  };
}
