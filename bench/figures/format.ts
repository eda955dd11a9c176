/** The tables on a terminal. */
import { significant } from "../numbers.js";
import { explainMiss, percent } from "./explain.js";
import { type FigureTable, type ShownCell, statistics } from "./model.js";

export function formatFigures(tables: readonly FigureTable[]): string {
  return tables.map(formatTable).join("\n");
}

export function formatTable(table: FigureTable): string {
  const { id, title, citation, provenance, profile, missing, notes } = table;
  return [
    `${id}: ${title}`, `  ${citation}`, `  published values: ${provenance}${profile === "" ? "" : `; priced by ${profile}`}`, "",
    ...(id === "popek-goldberg" ? instructionRows(table) : comparedRows(table)), "",
    ...verdict(table), ...missing.map(({ column, reason }) => `  ${column}: ${reason}`), ...notes.map((note) => `  * ${note}`), "",
  ].join("\n");
}

/** A number as the original prints them; "-" for none. */
export function figure(value: number | null): string {
  if (value === null) return "-";
  return Math.abs(value) >= 1000 ? Math.round(value).toString() : significant(value);
}

export function signed(error: number | null): string {
  return error === null ? "" : `${error >= 0 ? "+" : "-"}${percent(Math.abs(error))}`;
}

function comparedRows({ cells, unit }: FigureTable): string[] {
  const rows = cells.map((cell, i) => [
    cells[i - 1]?.column === cell.column ? "" : cell.column, cell.mode, figure(cell.published), cell.failed === undefined ? figure(cell.ours) : "failed",
    figure(cell.ratioPublished), figure(cell.ratioOurs), signed(cell.error), cell.status === "calibrated" ? "calibrated" : "",
  ]);
  return align([["", "", `published`, `ours (${unit})`, "ratio", "ours", "error", ""], ...rows], 2);
}

function instructionRows({ cells }: FigureTable): string[] {
  const modes = [...new Set(cells.map(({ mode }) => mode))], columns = [...new Set(cells.map(({ column }) => column))];
  const text = (cell: ShownCell | undefined): string => cell === undefined ? "" : `${cell.says!.split(":")[0]!}${cell.ours === 1 ? " !" : ""}`;
  const rows = columns.map((column) => [column, ...modes.map((mode) => text(cells.find((cell) => cell.column === column && cell.mode === mode)))]);
  return [...align([["", ...modes], ...rows], modes.length + 1), "", "  ! the guest could tell"];
}

/** How good the predictions are, and what the worst of them miss. */
export function verdict(table: FigureTable): string[] {
  const { predictions, calibrated, median, worst, within25, within2x, ordered, pairs } = statistics(table.cells);
  if (predictions === 0) return [];
  return [
    `  ${predictions} predictions: median error ${percent(median!)}, worst ${signed(worst[0]!.error)}; ${within25} within 25%, ${within2x} within a factor of 2. ${calibrated} calibrated cells.${pairs === 0 ? "" : ` ${ordered} of ${pairs} orderings right.`}`,
    ...worst.map((cell) => `  - ${explainMiss(table, cell)}`),
  ];
}

function align(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, column) => column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("  ").trimEnd()}`);
}
