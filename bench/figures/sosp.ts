/** Tables 3 to 6 of "Xen and the Art of Virtualization": the columns that the guest's workloads measure. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { Cell } from "../cell.js";
import { SOSP_COLUMNS, workload } from "../workloads.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable, Missing } from "./model.js";
import { compareToNative, statusOf } from "./pricing.js";
import { publication, valueOf } from "./published.js";

export const SOSP_PROFILE = "xeon-2003";
export const SOSP_ROWS: Readonly<Partial<Record<How, string>>> = { native: "L-UP", paravirt: "Xen", dbt: "VMW" };
const HOWS: readonly How[] = ["native", "paravirt", "dbt", "hvm-shadow", "hvm"];

interface Original {
  readonly id: string;
  readonly table: string;
  /** Column to workload. */
  readonly columns: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  /** Of a rate: what the guest's cycles are in the table's unit, at a clock in Hz; else cycles become microseconds. */
  readonly rate?: (cycles: number, hz: number) => number;
  readonly unit?: string;
  /** Workload to the one that lmbench measures apart and subtracts. */
  readonly less?: Readonly<Record<string, string>>;
}

const ORIGINALS: readonly Original[] = [
  {
    id: "sosp03-table3", table: "table3", columns: SOSP_COLUMNS.table3,
    notes: ["fork proc, exec proc and sh proc: what is bound and touched is sized by glibc and bash (guest/README.md), but our kernel, and what a shell does beside that, are a fraction of theirs: absolute times are shorter, so it is the ratio that can be compared."],
  },
  {
    id: "sosp03-table4", table: "table4", columns: SOSP_COLUMNS.table4,
    less: {
      "ctxsw-2p-0k": "pipe-0k", "ctxsw-2p-16k": "pipe-16k", "ctxsw-2p-64k": "pipe-64k", "ctxsw-8p-16k": "pipe-16k", "ctxsw-8p-64k": "pipe-64k",
      "ctxsw-16p-16k": "pipe-16k", "ctxsw-16p-64k": "pipe-64k",
    },
    notes: ["As lat_ctx does, what one process takes to pass the token through a pipe to itself and to sum its array is measured apart and subtracted, event by event."],
  },
  {
    id: "sosp03-table5", table: "table5", columns: SOSP_COLUMNS.table5,
    notes: ["prot fault: ours includes the signal and its return."],
  },
  {
    id: "sosp03-table6", table: "table6", unit: "Mb/s", rate: ttcpRate,
    columns: { "TCP MTU 1500 TX": "ttcp-tx-1500", "TCP MTU 1500 RX": "ttcp-rx-1500", "TCP MTU 500 TX": "ttcp-tx-500", "TCP MTU 500 RX": "ttcp-rx-500" },
    notes: ["A gigabit link to a far host that answers in no time of its own; larger is better. Native is the RTL8139 driven at the link's rate, where theirs was a gigabit card with checksums in hardware."],
  },
];

/** ttcp's value, which is cycles for a KB, in Mb/s at a clock in Hz. */
export function ttcpRate(cycles: number, hz: number): number {
  return 8192 * hz / cycles / 1e6;
}

export const SOSP_IDS: readonly string[] = ORIGINALS.map(({ id }) => id);

/** The workloads behind a column: what is measured, and what of it is taken off. */
export function sospWorkloads(id: string, column: string): string[] {
  const name = columnsOf(id)[column], overhead = name === undefined ? undefined : original(id).less?.[name];
  return [name, overhead].filter((one) => one !== undefined);
}

const original = (id: string): Original => ORIGINALS.find((one) => one.id === id)!;

/** Columns whose workloads the guest has. */
function columnsOf(id: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(original(id).columns).filter(([, name]) => workload(name) !== undefined));
}

export function sospJobs(id: string): FigureJob[] {
  const columns = columnsOf(id), { less = {} } = original(id);
  return [...Object.values(columns), ...Object.values(less)].flatMap((name) => HOWS.map((how): FigureJob => ({ kind: "workload", name, how, profile: SOSP_PROFILE })));
}

export function sospTable(id: string, runs: Runs, profile: CostProfile): FigureTable {
  const { table, notes, less = {}, unit = "µs", rate: higher, rate = (cycles: number, hz: number): number => cycles / hz * 1e6 } = original(id);
  const columns = columnsOf(id);
  const { citation, provenance, tables } = publication("sosp03");
  const printed = tables[table]!;
  const cells = Object.entries(columns).flatMap(([column, name]) => HOWS.map((how) => {
    const cell = lessOverhead(name, less[name], how, runs);
    const ours = cell.failed === undefined && cell.value !== null ? rate(cell.value, profile.hz) : null;
    return {
      mode: how, column, published: valueOf(printed, SOSP_ROWS[how], column), ours, status: statusOf(profile, id, SOSP_ROWS[how], column),
      ...(ours === null ? {} : { bar: { counted: cell, operations: workload(name)!.operations, profile } }), ...(cell.failed === undefined ? {} : { failed: cell.failed }),
    };
  }));
  const missing = printed.columns.filter((column) => !(column in columns)).map((column): Missing => ({ column, reason: "not reproduced: the guest has no workload for it" }));
  return {
    id, title: printed.title, unit, citation, provenance: provenance[table]!, profile: profile.name, cells: compareToNative(cells), missing,
    notes: [...notes, "hvm did not exist in 2003: its rows take this machine's clock and the exits of the first processor that had them."], chart: "log", ...(higher === undefined ? {} : { higherIsBetter: true }), originals: { ...SOSP_ROWS },
  };
}

/** The cell less what another workload counts, each operation alike. */
function lessOverhead(name: string, overhead: string | undefined, how: How, runs: Runs): Cell {
  const cell = runs.cell({ kind: "workload", name, how, profile: SOSP_PROFILE });
  if (overhead === undefined || cell.value === null) return cell;
  const other = runs.cell({ kind: "workload", name: overhead, how, profile: SOSP_PROFILE });
  if (other.value === null) return other;
  const { operations } = workload(name)!, share = operations / workload(overhead)!.operations;
  const events = { ...cell.events };
  for (const [event, count] of Object.entries(other.events)) events[event] = (events[event] ?? 0) - count * share;
  return {
    ...cell, value: cell.value - other.value, cycles: cell.cycles - other.cycles * share, idleCycles: cell.idleCycles - other.idleCycles * share,
    instructions: cell.instructions - other.instructions * share, events,
  };
}
