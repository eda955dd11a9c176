/** A table's cells as bars on a logarithmic axis: for each mode the published bar above ours. */
import { element } from "../report/markup.js";
import { figure } from "./format.js";
import { type FigureTable, labelOf, type ShownCell } from "./model.js";

export interface ChartShape {
  readonly width: number;
  /** Width of the labels' column; 0 puts a label above its bars. */
  readonly labels: number;
}

export const WIDE: ChartShape = { width: 1080, labels: 240 }, NARROW: ChartShape = { width: 360, labels: 0 };
const TOP = 30, BAR = 11, GAP = 12, PAIR_GAP = 3, LABEL = 18, RIGHT = 84, FONT = 12;
const MODE_CLASS: Readonly<Record<string, string>> = { "hvm-shadow": "hvm-shadow" };
export const ALONE = "svg{background:#fff}.grid{stroke:#d9dde2}.axis{stroke:#4a535f}.tick{fill:#4a535f}.value{fill:#1d232b;font-size:11px}.label{fill:#1d232b}.published{fill-opacity:.35}" +
  ".native{fill:#6f7885}.dbt{fill:#0072b2}.paravirt{fill:#009e73}.hvm{fill:#d55e00}.hvm-shadow{fill:#b0599a}.hvm-pv{fill:#a08a1c}";

/** What a bar shows: a nanobenchmark its cycles, everything else its ratio to native. */
const lengths = (table: FigureTable, cell: ShownCell): readonly [published: number | null, ours: number | null] =>
  table.id === "asplos06-nano" ? [cell.published, cell.ours] : [cell.ratioPublished, cell.ratioOurs];

const shown = (table: FigureTable): readonly ShownCell[] => table.id === "asplos06-nano" ? table.cells : table.cells.filter(({ mode }) => mode !== "native");

export function logChart(table: FigureTable, shape: ChartShape, alone = false): string {
  const cells = shown(table);
  const columns = [...new Set(cells.map(({ column }) => column))];
  const values = cells.flatMap((cell) => lengths(table, cell)).filter((value): value is number => value !== null && value > 0);
  const low = 10 ** Math.floor(Math.log10(Math.min(1, ...values))), high = 10 ** Math.ceil(Math.log10(Math.max(10, ...values)));
  const span = shape.width - shape.labels - RIGHT;
  const x = (value: number): number => shape.labels + span * Math.log10(value / low) / Math.log10(high / low);
  let y = TOP;
  const groups = columns.map((column) => {
    const own = cells.filter((cell) => cell.column === column);
    const parts: string[] = [];
    if (shape.labels === 0) parts.push(element("text", { x: 0, y: y + 13, class: "label" }, escapeText(labelOf(table, column))));
    const first = y + (shape.labels === 0 ? LABEL : 0);
    let at = first;
    for (const cell of own) {
      const [published, ours] = lengths(table, cell);
      if (published !== null) {
        parts.push(bar(x, low, published, at, `${classOf(cell)} published`, `${column}, ${cell.mode}, published: ${figure(published)}`));
        at += BAR + 1;
      }
      if (ours !== null) {
        parts.push(bar(x, low, ours, at, classOf(cell), `${column}, ${cell.mode}, ours: ${figure(ours)}`));
        at += BAR;
      }
      at += PAIR_GAP;
    }
    if (shape.labels > 0) parts.push(element("text", { x: shape.labels - 12, y: (first + at) / 2 + 2, "text-anchor": "end", class: "label" }, escapeText(labelOf(table, column))));
    y = at + GAP;
    return element("g", {}, parts);
  });
  const ticks: string[] = [];
  for (let tick = low; tick <= high * 1.01; tick *= 10) {
    ticks.push(element("line", { x1: x(tick), x2: x(tick), y1: TOP - 8, y2: y, class: tick === 1 ? "axis" : "grid" }),
      element("text", { x: x(tick), y: TOP - 13, "text-anchor": x(tick) < FONT ? "start" : "middle", class: "tick" }, figure(Number(tick.toPrecision(3)))));
  }
  const legend = alone ? [...new Set(cells.map(classOf))].map((mode, i) => element("g", { transform: `translate(${shape.labels + i * 110} ${y})` }, [
    element("rect", { x: 0, y: 4, width: 10, height: 10, class: mode }), element("text", { x: 15, y: 13, class: "label" }, mode)])) : [];
  const height = y + (alone ? 40 : 4);
  return element("svg", {
    viewBox: `0 0 ${shape.width} ${height}`, width: shape.width, height, role: "img", "aria-label": table.title, xmlns: "http://www.w3.org/2000/svg", "font-family": "system-ui, sans-serif", "font-size": FONT,
  }, [...(alone ? [element("style", {}, ALONE)] : []), ...ticks, ...groups, ...legend,
    ...(alone ? [element("text", { x: shape.labels, y: height - 6, class: "tick" }, "pale: published; full: trivisor")] : [])]);
}

const classOf = ({ mode }: ShownCell): string => MODE_CLASS[mode] ?? mode;

export function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

function bar(x: (value: number) => number, low: number, value: number, y: number, name: string, title: string): string {
  const from = x(low), to = Math.max(x(Math.max(value, low)), from + 1);
  return element("rect", { x: from, y, width: to - from, height: BAR, rx: 2, class: `bar ${name}` }, element("title", {}, escapeText(title))) +
    element("text", { x: to + 4, y: y + BAR - 1, class: "value" }, figure(value));
}

/** One line a cell. */
export function csv({ cells, standIns = {} }: FigureTable): string {
  const quoted = (text: string): string => /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  const number = (value: number | null): string => value === null ? "" : String(Number(value.toPrecision(6)));
  const rows = cells.map((cell) => [cell.column, cell.mode, number(cell.published), number(cell.ours), number(cell.ratioPublished), number(cell.ratioOurs), number(cell.error), cell.status, cell.says ?? standIns[cell.column] ?? ""]);
  return [["column", "mode", "published", "ours", "ratioPublished", "ratioOurs", "error", "status", "says"], ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
}
