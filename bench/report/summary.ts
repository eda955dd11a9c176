/** The table at the top of the report: one row a workload, one column a mode, shaded by how much slower it is. */
import { MODES, type Mode } from "../../vm/options.js";
import type { ComparedCell, Comparison } from "../compare.js";
import { ratio, short, time } from "../numbers.js";
import { cellId } from "./cells.js";
import { element, escape } from "./markup.js";

/** Shades of a cell, by powers of two from native's speed on. */
const SHADES = 6;

export function summaryTable(comparison: Comparison): string {
  const modes = MODES.filter((mode) => comparison.workloads.some((row) => row.modes[mode]));
  const head = element("tr", {}, [element("th", { scope: "col" }, "workload"), ...modes.map((mode) => element("th", { scope: "col" }, mode))]);
  const rows = comparison.workloads.map((row) => element("tr", {}, [
    element("th", { scope: "row" }, element("a", { href: `#${row.name}` }, escape(row.name))),
    ...modes.map((mode) => summaryCell(row.name, mode, row.modes[mode]!)),
  ]));
  return element("table", { class: "summary" }, [element("thead", {}, head), element("tbody", {}, rows)]);
}

function summaryCell(name: string, mode: Mode, cell: ComparedCell): string {
  const link = (text: string): string => element("a", { href: `#${cellId(name, mode)}` }, text);
  if (cell.failed !== undefined) return element("td", { class: "failed" }, link("wrong"));
  if (mode === "native") return element("td", { class: "base" }, link(`${short(cell.value!)}<small>${time(cell.seconds!)}</small>`));
  if (cell.ratio === null) return element("td", {}, link(short(cell.value!)));
  const shade = Math.max(0, Math.min(SHADES, Math.round(Math.log2(cell.ratio))));
  return element("td", { class: `heat${shade}` }, link(`${ratio(cell.ratio)}×`));
}
