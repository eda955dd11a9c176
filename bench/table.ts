/** The comparison on a terminal. */
import { MODES } from "../vm/options.js";
import type { ComparedCell, Comparison } from "./compare.js";
import { grouped, ratio, time } from "./numbers.js";

/** The table in plain text: native's value and time, then the other modes as ratios to it, then what went wrong. */
export function formatTable(comparison: Comparison): string {
  const modes = MODES.filter((mode) => comparison.workloads.some((row) => row.modes[mode]));
  const notes: string[] = [];
  const others = modes.filter((mode) => mode !== "native");
  const withNative = modes.includes("native");
  const header = ["workload", "unit", ...(withNative ? ["native", "time"] : []), ...others];
  const rows = comparison.workloads.map(({ name, unit, modes: cells }) => [
    name, unit, ...(withNative ? nativeColumns(cells.native!) : []),
    ...others.map((mode) => otherColumn(cells[mode]!, withNative, notes, `${name} in ${mode}`)),
  ]);
  return [...align([header, ...rows], 2), ...notes.map((note, i) => `${i === 0 ? "\n" : ""}[${i + 1}] ${note}`)].join("\n") + "\n";
}

function nativeColumns(cell: ComparedCell): string[] {
  return cell.value === null ? ["failed", ""] : [grouped(cell.value), time(cell.seconds!)];
}

function otherColumn(cell: ComparedCell, asRatio: boolean, notes: string[], where: string): string {
  if (cell.failed !== undefined) {
    const text = `${where}: ${cell.failed}`;
    notes.push(text);
    return `wrong [${notes.length}]`;
  }
  if (asRatio && cell.ratio !== null) return `${ratio(cell.ratio)}x`;
  return cell.value === null ? "-" : grouped(cell.value);
}

/** Columns as wide as their widest cell; the first `left` of them flush left. */
function align(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("  ").trimEnd());
}
