/** Counts priced anew, and cells compared with the published ones. */
import { cellsOf, type CostProfile, costOf } from "../../hypervisor/ledger.js";
import type { Counted } from "../cell.js";
import type { Bar, ShownCell, Status } from "./model.js";

/**
 * What the same counts cost by another profile. Waiting is time of the outside world, so its cycles go with the clock. Two
 * things a run of its own would do differently stay as they were: ticks of the guest's timer, and TLB misses (so the two
 * profiles have to have TLBs of one size).
 */
export function reprice(counted: Counted, from: CostProfile, to: CostProfile): Counted {
  if (from === to) return counted;
  if (from.tlb.data !== to.tlb.data || from.tlb.instruction !== to.tlb.instruction) throw new Error(`${from.name} and ${to.name} have different TLBs: counts of one are not counts of the other`);
  const idleCycles = counted.idleCycles * to.hz / from.hz;
  const events = Object.entries(counted.events).reduce((sum, [name, count]) => sum + count * costOf(to, name), 0);
  return { ...counted, idleCycles, cycles: counted.instructions * to.cyclesPerInstruction.cycles + events + idleCycles };
}

/** Whether a profile's constants name this cell, so were fitted to it. */
export function statusOf(profile: CostProfile, table: string, row: string | undefined, column: string): Status {
  if (row === undefined) return "predicted";
  const cell = `${table}, ${row}, ${shortName(column)}`;
  return Object.values(profile.costs).some((cost) => cellsOf(cost).includes(cell)) ? "calibrated" : "predicted";
}

/** A column's name without its remark: `in (port 0x80)` is `in`. */
export function shortName(column: string): string {
  return column.replace(/ \(.*\)$/, "");
}

export interface Raw {
  readonly mode: string;
  readonly column: string;
  readonly published: number | null;
  readonly ours: number | null;
  readonly status: Status;
  readonly bar?: Bar;
  readonly says?: string;
  readonly failed?: string;
}

/** Ratios to the native cell of the same column, and their errors. */
export function compareToNative(cells: readonly Raw[]): ShownCell[] {
  return cells.map((cell) => {
    const native = cells.find(({ mode, column }) => mode === "native" && column === cell.column);
    const ratioPublished = divide(cell.published, native?.published), ratioOurs = divide(cell.ours, native?.ours);
    const error = cell.mode === "native" ? null : errorOf(ratioOurs, ratioPublished);
    return { ...cell, ratioPublished, ratioOurs, error };
  });
}

/** Performance relative to native, larger being better: of a column that holds times it is native's by the mode's. */
export function relativePerformance(cells: readonly Raw[], isTime: (column: string) => boolean): ShownCell[] {
  const performance = (value: number | null, column: string): number | null => isTime(column) ? divide(1, value) : value;
  const compared = compareToNative(cells.map((cell) => ({ ...cell, published: performance(cell.published, cell.column), ours: performance(cell.ours, cell.column) })));
  return compared.map((cell, i) => ({ ...cell, published: cells[i]!.published, ours: cells[i]!.ours }));
}

/** Values that are ratios already. */
export function asRatio(cell: Raw): ShownCell {
  return { ...cell, ratioPublished: cell.published, ratioOurs: cell.ours, error: errorOf(cell.ours, cell.published) };
}

function errorOf(ours: number | null, published: number | null): number | null {
  const ratio = divide(ours, published);
  return ratio === null ? null : ratio - 1;
}

function divide(a: number | null, b: number | null | undefined): number | null {
  return a === null || b === null || b === undefined || b === 0 ? null : a / b;
}
