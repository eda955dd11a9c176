/** What `figures` makes: tables of cells, each with its published twin and the events behind ours. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { Counted } from "../cell.js";

export type Status = "predicted" | "calibrated";

/** A cell as `figures --json` writes it. */
export interface FigureCell {
  /** A mode; `hvm` runs on EPT, `hvm-shadow` on shadow page tables. In vmexit-generations a processor. */
  readonly mode: string;
  readonly column: string;
  readonly published: number | null;
  readonly ours: number | null;
  readonly ratioPublished: number | null;
  readonly ratioOurs: number | null;
  /** ratioOurs by ratioPublished, less one; null where either is missing, and for native itself. */
  readonly error: number | null;
  readonly status: Status;
}

/** What a bar opens into. */
export interface Bar {
  readonly counted: Counted;
  readonly operations: number;
  readonly profile: CostProfile;
}

export interface ShownCell extends FigureCell {
  readonly bar?: Bar;
  /** In words, where a number says too little. */
  readonly says?: string;
  /** Why ours is missing. */
  readonly failed?: string;
}

export interface Missing {
  readonly column: string;
  readonly reason: string;
}

export interface FigureTable {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly citation: string;
  readonly provenance: string;
  /** Name of the profile the counts were priced by; empty where nothing was priced. */
  readonly profile: string;
  readonly cells: readonly ShownCell[];
  /** Columns of the original that this guest and machine cannot give. */
  readonly missing: readonly Missing[];
  /** What was measured in place of a column's own operation, by column; marked wherever the column is printed. */
  readonly standIns?: Readonly<Record<string, string>>;
  /** What a reader has to know. */
  readonly notes: readonly string[];
  /** Bars on a logarithmic axis, or upright in groups; a table that is not a chart has none. */
  readonly chart: "log" | "grouped" | "none";
  /** Grouped bars are of values up to this; of ratios to native where it is missing. */
  readonly axis?: number;
  /** Values are rates: an error above zero is too fast. */
  readonly higherIsBetter?: boolean;
  /** Rows' names in the original, by mode. */
  readonly originals: Readonly<Record<string, string>>;
}

/** `figures --json`; the same bytes each time. */
export function toJson(tables: readonly FigureTable[]): unknown {
  return {
    schema: "trivisor/figures@1",
    tables: tables.map(({ id, title, unit, cells, missing }) => ({
      id, title, unit,
      cells: cells.map(({ mode, column, published, ours, ratioPublished, ratioOurs, error, status }) => ({ mode, column, published, ours: round(ours), ratioPublished: round(ratioPublished), ratioOurs: round(ratioOurs), error: round(error), status })),
      notReproduced: missing,
    })),
  };
}

/** Six significant digits: what the model is good for, and more. */
function round(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(6));
}

export interface Statistics {
  readonly predictions: number;
  readonly calibrated: number;
  readonly median: number | null;
  /** Largest first: by the factor that ours is off, up or down. */
  readonly worst: readonly ShownCell[];
  /** Predictions within 25% and within a factor of two. */
  readonly within25: number;
  readonly within2x: number;
  /** Pairs of modes in one column that the original tells apart by over 20%, and how many of them we order the same way. */
  readonly pairs: number;
  readonly ordered: number;
}

/** By how much a cell is off, as a factor above one. */
export function factor({ error }: FigureCell): number {
  return error === null ? 1 : Math.max(1 + error, 1 / Math.max(1 + error, 1e-9));
}

const APART = 1.2, WORST = 3;

export function statistics(cells: readonly ShownCell[]): Statistics {
  const predicted = cells.filter((cell) => cell.error !== null && cell.status === "predicted");
  const errors = predicted.map((cell) => Math.abs(cell.error!)).sort((a, b) => a - b);
  const middle = errors.length >> 1;
  let pairs = 0, ordered = 0;
  for (const column of new Set(cells.map((cell) => cell.column))) {
    const row = cells.filter((cell) => cell.column === column && cell.published !== null && cell.ours !== null);
    row.forEach((a, i) => row.slice(i + 1).forEach((b) => {
      if (Math.max(a.published! / b.published!, b.published! / a.published!) <= APART) return;
      pairs++;
      if (Math.sign(a.published! - b.published!) === Math.sign(a.ours! - b.ours!)) ordered++;
    }));
  }
  return {
    predictions: predicted.length, calibrated: cells.filter((cell) => cell.status === "calibrated").length,
    median: errors.length === 0 ? null : errors.length % 2 === 1 ? errors[middle]! : (errors[middle - 1]! + errors[middle]!) / 2,
    worst: [...predicted].sort((a, b) => factor(b) - factor(a)).slice(0, WORST),
    within25: errors.filter((error) => error <= 0.25).length, within2x: predicted.filter((cell) => factor(cell) <= 2).length, pairs, ordered,
  };
}

/** A column's name as it is printed: a stand-in has its mark. */
export function labelOf({ standIns }: FigureTable, column: string): string {
  return standIns?.[column] === undefined ? column : `${column} †`;
}
