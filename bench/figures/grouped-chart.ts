/** A table's cells as upright bars in groups, as figure 3 of the original has them: beside each published bar ours. */
import { element } from "../report/markup.js";
import { ALONE, type ChartShape, escapeText } from "./chart.js";
import { figure, times } from "./format.js";
import type { FigureTable, ShownCell } from "./model.js";

interface Bar {
  readonly mode: string;
  readonly kind: "published" | "ours";
  readonly value: number;
  readonly title: string;
}

const TOP = 22, PLOT = 190, LABELS = 44, LEFT = 42, ROW_GAP = 14, LEGEND = 40;
const WIDEST_BAR = 26, GROUP_GAP = 0.22, STEPS = 5, GROUP_AT_LEAST = 150, FONT = 12;

/** Groups go on in a second row where the shape is too narrow for all of them. */
export function groupedChart(table: FigureTable, shape: ChartShape, alone = false): string {
  const columns = [...new Set(table.cells.map(({ column }) => column))];
  const groups = columns.map((column) => table.cells.filter((cell) => cell.column === column).flatMap((cell) => barsOf(table, cell)));
  const top = table.axis ?? Math.max(1, Math.ceil(Math.max(...groups.flat().map(({ value }) => value)) * STEPS) / STEPS);
  const perRow = Math.min(columns.length, Math.max(1, Math.floor((shape.width - LEFT) / GROUP_AT_LEAST)));
  const rows = Math.ceil(columns.length / perRow), span = (shape.width - LEFT) / perRow, rowHeight = TOP + PLOT + LABELS + ROW_GAP;
  const parts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const base = row * rowHeight + TOP + PLOT;
    parts.push(...axis(top, base, shape.width, table.axis === undefined));
    columns.slice(row * perRow, (row + 1) * perRow).forEach((column, i) => parts.push(group(column, groups[row * perRow + i]!, LEFT + i * span, span, base, top, table.axis === undefined)));
  }
  const bottom = rows * rowHeight - ROW_GAP, height = bottom + (alone ? LEGEND : 0);
  return element("svg", {
    viewBox: `0 0 ${shape.width} ${height}`, width: shape.width, height, role: "img", "aria-label": table.title, xmlns: "http://www.w3.org/2000/svg", "font-family": "system-ui, sans-serif", "font-size": FONT,
  }, [...(alone ? [element("style", {}, ALONE)] : []), ...parts, ...(alone ? legend(table, bottom) : [])]);
}

function barsOf({ axis, unit }: FigureTable, cell: ShownCell): Bar[] {
  const { mode, column, published, ours } = cell;
  const bar = (kind: Bar["kind"], value: number | null, printed: number | null): Bar[] => value === null ? [] :
    [{ mode, kind, value, title: `${column}, ${mode}, ${kind}: ${axis === undefined ? `${times(value)}${kind === "published" ? ` (${figure(printed)})` : ""}` : `${figure(value)} ${unit}`}` }];
  if (axis !== undefined) return [...bar("published", published, published), ...bar("ours", ours, ours)];
  // Native is 1 in both: one bar.
  return mode === "native" ? bar("ours", cell.ratioOurs, ours) : [...bar("published", cell.ratioPublished, published), ...bar("ours", cell.ratioOurs, ours)];
}

function axis(top: number, base: number, width: number, ratios: boolean): string[] {
  const steps = ratios ? Math.round(top * STEPS) : STEPS;
  return Array.from({ length: steps + 1 }, (_, i) => {
    const value = top * i / steps, y = base - PLOT * i / steps;
    return element("line", { x1: LEFT - 4, x2: width, y1: y, y2: y, class: i === 0 ? "axis" : "grid" }) +
      element("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end", class: "tick" }, ratios ? value.toFixed(1) : figure(value));
  });
}

function group(column: string, bars: readonly Bar[], left: number, span: number, base: number, top: number, ratios: boolean): string {
  const width = Math.min(WIDEST_BAR, span * (1 - GROUP_GAP) / bars.length), first = left + (span - width * bars.length) / 2;
  const drawn = bars.map(({ mode, kind, value, title }, i) => {
    const x = first + i * width, height = Math.max(1, PLOT * Math.min(value, top) / top);
    return element("rect", { x: x + 1, y: base - height, width: width - 2, height, class: `bar ${mode}${kind === "published" ? " published" : ""}` }, element("title", {}, escapeText(title))) +
      element("text", { x: x + width / 2, y: base - height - 4, "text-anchor": "middle", class: "value", style: "font-size:10px" }, ratios ? times(value).replace(/^0\./, ".").replace(/\.00$/, "") : figure(value));
  });
  const [, name, remark] = /^(.*?)(?: \((.*)\))?$/.exec(column)!;
  const label = (text: string, y: number, kind: string): string => element("text", { x: left + span / 2, y, "text-anchor": "middle", class: kind }, escapeText(text));
  return element("g", {}, [...drawn, label(name!, base + 18, "label"), ...(remark === undefined ? [] : [label(remark, base + 34, "tick")])]);
}

function legend({ cells }: FigureTable, y: number): string[] {
  const modes = [...new Set(cells.map(({ mode }) => mode))];
  return [
    ...modes.map((mode, i) => element("g", { transform: `translate(${LEFT + i * 110} ${y})` }, [element("rect", { x: 0, y: 4, width: 10, height: 10, class: mode }), element("text", { x: 15, y: 13, class: "label" }, mode)])),
    ...(cells.some(({ published }) => published !== null) ? [element("text", { x: LEFT, y: y + 32, class: "tick" }, "pale: published; full: trivisor")] : []),
  ];
}
