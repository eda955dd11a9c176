/** The tables on a terminal. */
import { ratio, significant } from "../numbers.js";
import { explainMiss, percent } from "./explain.js";
import { type FigureTable, labelOf, type ShownCell, statistics } from "./model.js";

const LMBENCH = new Set(["sosp03-table3", "sosp03-table4", "sosp03-table5", "sosp03-table6"]);

export function formatFigures(tables: readonly FigureTable[]): string {
  return [...tables.map(formatTable), ...together(tables)].join("\n");
}

/** The lmbench tables and ttcp taken together, when there is more than one of them. */
export function together(tables: readonly FigureTable[]): string[] {
  const measured = tables.filter(({ id }) => LMBENCH.has(id));
  if (measured.length < 2) return [];
  const { predictions, within25, within2x, pairs, ordered, median } = statistics(measured.flatMap(({ cells }) => cells));
  if (predictions === 0) return [];
  const share = (part: number, of: number): string => `${part} of ${of} (${percent(part / of)})`;
  return [`${measured.map(({ id }) => id).join(", ")} together: ${predictions} predictions, median error ${percent(median!)}; ${share(within25, predictions)} within 25%, ${share(within2x, predictions)} within a factor of 2; ${share(ordered, pairs)} orderings right.\n`];
}

export function formatTable(table: FigureTable): string {
  const { id, title, citation, provenance, profile, missing, notes, standIns = {} } = table;
  return [
    `${id}: ${title}`, `  ${citation}`, `  published values: ${provenance}${profile === "" ? "" : `; priced by ${profile}`}`, "",
    ...rowsOf(table), "",
    ...verdict(table), ...missing.map(({ column, reason }) => `  ${column}: ${reason}`), ...Object.entries(standIns).map(([column, what]) => `  † ${column}: ${what}`), ...notes.map((note) => `  * ${note}`), "",
  ].join("\n");
}

/** A number as the original prints them; "-" for none. */
export function figure(value: number | null): string {
  if (value === null) return "-";
  return Math.abs(value) >= 1000 ? Math.round(value).toString() : significant(value);
}

/** A ratio with two decimals, small ones with three digits. */
export function times(value: number | null): string {
  return value === null ? "-" : value < 0.1 ? significant(value) : ratio(value);
}

export function signed(error: number | null): string {
  if (error === null) return "";
  const text = percent(Math.abs(error));
  return text === "0%" ? text : `${error > 0 ? "+" : "-"}${text}`;
}

function rowsOf(table: FigureTable): string[] {
  switch (table.id) {
    case "popek-goldberg": return instructionRows(table);
    case "vmexit-generations": return verdictRows(table);
    default: return comparedRows(table);
  }
}

/** One line a processor; what was published of it on the next. */
function verdictRows({ cells }: FigureTable): string[] {
  const modes = [...new Set(cells.map(({ mode }) => mode))], columns = [...new Set(cells.map(({ column }) => column))];
  const line = (mode: string, of: (cell: ShownCell) => string): string[] => columns.map((column) => of(cells.find((cell) => cell.mode === mode && cell.column === column)!));
  const rows = modes.flatMap((mode) => [
    [mode, ...line(mode, ({ ours }) => times(ours))],
    ...(cells.some((cell) => cell.mode === mode && cell.published !== null) ? [["  published", ...line(mode, ({ published }) => times(published))], ["  error", ...line(mode, ({ error, status }) => signed(error) + (status === "calibrated" ? " c" : ""))]] : []),
  ]);
  return align([["", ...columns], ...rows], 1);
}

function comparedRows(table: FigureTable): string[] {
  const { cells, unit } = table;
  const rows = cells.map((cell, i) => [
    cells[i - 1]?.column === cell.column ? "" : labelOf(table, cell.column), cell.mode, figure(cell.published), cell.failed === undefined ? figure(cell.ours) : "failed",
    times(cell.ratioPublished), times(cell.ratioOurs), signed(cell.error), cell.status === "calibrated" ? "calibrated" : "",
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
