/** Figure 3 of "Xen and the Art of Virtualization": six applications, each by a program of the guest with the same mix. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { Cell } from "../cell.js";
import { SOSP_COLUMNS, workload } from "../workloads.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable } from "./model.js";
import { type Raw, relativePerformance, shortName, statusOf } from "./pricing.js";
import { publication, valueOf } from "./published.js";
import { SOSP_PROFILE, SOSP_ROWS } from "./sosp.js";

export const APPLICATIONS_ID = "sosp03-figure3";
const HOWS: readonly How[] = ["native", "paravirt", "dbt", "hvm"];
/** The one column in which less is better. */
const TIMED = "make";

/** Why each stands for the original, by workload. */
const STAND_INS: Readonly<Record<string, string>> = {
  specint: "compression, cheapest ways, a game's search and a parser with its table of names, as in the suite's gzip, mcf, crafty and gcc: nearly all of it in user mode, and the kernel only for first touches and the timer",
  make: "for each source a shell, a driver, a compiler and an assembler, forked, executed and linked to a shared library, with files made and removed between: the build's mix of computing in user mode with processes, memory and files",
  "osdb-ir": "a server process with a B-tree and a pool of buffers above the kernel's cache, and a client behind pipes: rows are read and nothing changes, so it is system calls and switches, as in PostgreSQL",
  "osdb-oltp": "the same store, where three in four requests change a row and have its log record on the disk before the answer: synchronous commits",
  dbench: "four clients' script of stat, create, write, read, rewrite and unlink on files of 1 to 48 KB: a file server's load without its network, which is what dbench leaves out",
  specweb: "four worker processes answer a far end that asks in SPECweb99's mix, four classes of files and three in ten answers made for the asker, through TCP and the network card",
};

const nameOf = (column: string): string => SOSP_COLUMNS.figure3[column]!;

export function applicationJobs(): FigureJob[] {
  return Object.values(SOSP_COLUMNS.figure3).flatMap((name) => HOWS.map((how): FigureJob => ({ kind: "workload", name, how, profile: SOSP_PROFILE })));
}

export function applicationTable(runs: Runs, profile: CostProfile): FigureTable {
  const { citation, provenance, tables } = publication("sosp03");
  const printed = tables["figure3"]!;
  const cells = printed.columns.flatMap((column) => HOWS.map((how): Raw => {
    const name = nameOf(column), cell = runs.cell({ kind: "workload", name, how, profile: SOSP_PROFILE });
    return {
      mode: how, column, published: valueOf(printed, SOSP_ROWS[how], column), ours: scoreOf(name, cell, profile.hz), status: statusOf(profile, APPLICATIONS_ID, SOSP_ROWS[how], column),
      ...(cell.failed === undefined ? { bar: { counted: cell, operations: workload(name)!.operations, profile } } : { failed: cell.failed }),
    };
  }));
  return {
    id: APPLICATIONS_ID, title: printed.title, unit: "score; build in s", citation, provenance: provenance["figure3"]!, profile: profile.name,
    cells: relativePerformance(cells, (column) => nameOf(column) === TIMED), missing: [], chart: "grouped", higherIsBetter: true, originals: { ...SOSP_ROWS },
    notes: [
      "A ratio is relative performance as the figure draws it: 1 is native and larger is better, so of the build, whose time is printed, it is native's time by this mode's. Our scores are runs, queries, transactions or requests in a second, of programs that are smaller than the originals: only the ratios can be compared. No price was fitted to any of these cells.",
      "User-Mode Linux, the original's fourth row, is none of the strategies here. hvm did not exist in 2003: it takes this machine's clock and the exits of the first processor that had them.",
      ...printed.columns.map((column) => `${shortName(column)}: ${nameOf(column)} stands for it: ${STAND_INS[nameOf(column)]!}.`),
    ],
  };
}

/** Seconds for the build; for the others how many in a second. Null where there is no value. */
function scoreOf(name: string, { failed, value }: Cell, hz: number): number | null {
  if (failed !== undefined || value === null) return null;
  return name === TIMED ? value / hz : hz / value;
}
