/** ttcp in an unmodified guest through the emulated card and through Xen's ring, against the ported guest. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import { workload } from "../workloads.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable, ShownCell } from "./model.js";
import { times } from "./format.js";
import { compareToNative, type Raw } from "./pricing.js";
import { publication } from "./published.js";
import { SOSP_PROFILE, ttcpRate } from "./sosp.js";

export const PV_ON_HVM_ID = "pv-on-hvm";
const HOWS: readonly How[] = ["native", "hvm", "hvm-pv", "paravirt"];
const COLUMNS = { TX: "ttcp-tx-1500", RX: "ttcp-rx-1500" } as const;
/** Mb/s: the slide's axis. */
const AXIS = 1000;
/** Where "far below" ends and "close to" begins: nobody gave numbers, so these are ours. */
const FAR_BELOW = 0.5, CLOSE = 0.8;

const jobOf = (name: string, how: How): FigureJob => ({ kind: "workload", name, how, profile: SOSP_PROFILE });

export function pvOnHvmJobs(): FigureJob[] {
  return Object.values(COLUMNS).flatMap((name) => HOWS.map((how) => jobOf(name, how)));
}

export function pvOnHvmTable(runs: Runs, profile: CostProfile): FigureTable {
  const { citation, provenance, tables } = publication("pv-on-hvm");
  const cells = compareToNative(Object.entries(COLUMNS).flatMap(([column, name]) => HOWS.map((how): Raw => {
    const cell = runs.cell(jobOf(name, how));
    return {
      mode: how, column, published: null, ours: cell.failed === undefined && cell.value !== null ? ttcpRate(cell.value, profile.hz) : null, status: "predicted",
      ...(cell.failed === undefined ? { bar: { counted: cell, operations: workload(name)!.operations, profile } } : { failed: cell.failed }),
    };
  })));
  return {
    id: PV_ON_HVM_ID, title: tables["ttcp"]!.title, unit: "Mb/s", citation, provenance: provenance["ttcp"]!, profile: profile.name, cells, missing: [], chart: "grouped", axis: AXIS, higherIsBetter: true,
    originals: {},
    notes: [
      "The slide has no values, so there is no error: what is checked is its order, the emulated card (ioemu) far below PV-on-HVM, and that close to PV.",
      ...Object.keys(COLUMNS).map((column) => orderOf(column, cells)),
      `hvm drives the emulated RTL8139 by port accesses, each an exit; hvm-pv is the same kernel binary with Xen's network ring, by way of hypercalls; paravirt is the kernel that is ported to Xen. Native drives the card itself and is beside them for the ratio. Priced by ${profile.name}, the one profile with prices for the host's path (host.*) and for grants: a processor of 2003 that had no VT-x, with the exits of the first that did.`,
    ],
  };
}

/** Whether the slide's order is ours, with the two factors. */
function orderOf(column: string, cells: readonly ShownCell[]): string {
  const [emulated, ring, ported] = ["hvm", "hvm-pv", "paravirt"].map((mode) => cells.find((cell) => cell.mode === mode && cell.column === column)!.ours);
  if (emulated == null || ring == null || ported == null) return `${column}: a cell is missing, so the order is not known.`;
  const below = emulated / ring, close = ring / ported;
  return `${column}: the emulated card reaches ${times(below)} of PV-on-HVM (${below < FAR_BELOW ? "far below holds" : below < 1 ? "below, but not far" : "the order does not hold"}), PV-on-HVM ${times(close)} of PV (${close >= CLOSE ? "close holds" : "not close"}).`;
}
