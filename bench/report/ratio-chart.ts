/** The ratios of all workloads as grouped bars on a logarithmic axis, drawn as SVG. */
import { MODES, type Mode } from "../../vm/options.js";
import type { Comparison } from "../compare.js";
import { ratio } from "../numbers.js";
import { element } from "./markup.js";

export interface ChartShape {
  /** Width of the drawing in pixels; the height follows. */
  readonly width: number;
  /** Width of the labels' column; 0 puts each label above its bars. */
  readonly labels: number;
  readonly bar: number;
}

export const WIDE: ChartShape = { width: 1080, labels: 120, bar: 11 };
export const NARROW: ChartShape = { width: 360, labels: 0, bar: 11 };

const LEGEND_HEIGHT = 26, TOP = 30, RIGHT = 56, GROUP_GAP = 12, LABEL_LINE = 18, FONT = 12;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** Colours of a chart that stands alone, for light and dark pages. */
const ALONE = `.grid{stroke:#8884}.axis{stroke:#888}.tick,.value{fill:#888}.value{font-size:11px}.label{fill:#777}.failed{fill:#c33}` +
  `.classic{fill:#d08700}.dbt{fill:#4b83e0}.paravirt{fill:#1f9d6b}.hvm{fill:#9a5fd0}`;

/** The chart as an SVG file, with a legend of its own. */
export function standaloneChart(comparison: Comparison): string {
  const modes = MODES.filter((mode) => mode !== "native" && comparison.workloads.some((row) => row.modes[mode]));
  const legend = modes.map((mode, i) => element("g", { transform: `translate(${WIDE.labels + i * 96} 0)` }, [
    element("rect", { x: 0, y: 4, width: 10, height: 10, rx: 2, class: mode }), element("text", { x: 15, y: 13, class: "label" }, mode),
  ]));
  const style = element("style", {}, ALONE);
  return ratioChart(comparison, WIDE, [style, element("g", { transform: "translate(0 -22)" }, legend)], LEGEND_HEIGHT);
}

/** Bars grow from the line of native to the right where the mode is slower, to the left where it is faster. */
export function ratioChart(comparison: Comparison, shape: ChartShape, before: readonly string[] = [], room = 0): string {
  const modes = MODES.filter((mode) => mode !== "native" && comparison.workloads.some((row) => row.modes[mode]));
  const axis = createAxis(comparison, modes, shape);
  const rowHeight = modes.length * (shape.bar + 2) + GROUP_GAP + (shape.labels === 0 ? LABEL_LINE : 0);
  const height = TOP + comparison.workloads.length * rowHeight + 4;
  const groups = comparison.workloads.map((row, r) => group(row, modes, axis, shape, TOP + r * rowHeight));
  const picture = [...before, ...gridLines(axis, shape, height), ...groups];
  return element("svg", {
    viewBox: `0 ${-room} ${shape.width} ${height + room}`, width: shape.width, height: height + room, role: "img", "aria-label": "cycles relative to native, by workload and mode",
    xmlns: "http://www.w3.org/2000/svg", "font-family": "system-ui, sans-serif", "font-size": FONT,
  }, picture);
}

interface Axis {
  readonly ticks: readonly number[];
  x(value: number): number;
}

function createAxis(comparison: Comparison, modes: readonly Mode[], shape: ChartShape): Axis {
  const values = comparison.workloads.flatMap((row) => modes.map((mode) => row.modes[mode]?.ratio ?? 1)).filter((value) => value > 0);
  const low = TICKS.findLast((tick) => tick <= Math.min(...values, 0.9)) ?? TICKS[0]!;
  const high = TICKS.find((tick) => tick >= Math.max(...values, 2)) ?? TICKS.at(-1)!;
  const left = shape.labels, span = shape.width - left - RIGHT;
  const x = (value: number): number => left + span * (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low));
  const all = TICKS.filter((tick) => tick >= low && tick <= high);
  const room = Math.max(3, Math.floor(span / 44));
  const ticks = all.length <= room ? all : all.filter((tick) => /^0?\.?0*1/.test(String(tick)));
  return { ticks, x };
}

function gridLines(axis: Axis, shape: ChartShape, height: number): string[] {
  return axis.ticks.flatMap((tick) => [
    element("line", { x1: axis.x(tick), x2: axis.x(tick), y1: TOP - 8, y2: height, class: tick === 1 ? "axis" : "grid" }),
    element("text", { x: axis.x(tick), y: TOP - 13, "text-anchor": "middle", class: "tick" }, `${tick}×`),
  ]);
}

function group(row: Comparison["workloads"][number], modes: readonly Mode[], axis: Axis, shape: ChartShape, y: number): string {
  const above = shape.labels === 0;
  const first = y + (above ? LABEL_LINE : 0);
  const label = above
    ? element("text", { x: 0, y: y + 13, class: "label" }, row.name)
    : element("text", { x: shape.labels - 12, y: y + modes.length * (shape.bar + 2) / 2 + 4, "text-anchor": "end", class: "label" }, row.name);
  return element("g", {}, [label, ...modes.map((mode, m) => bar(row, mode, axis, shape, first + m * (shape.bar + 2)))]);
}

function bar(row: Comparison["workloads"][number], mode: Mode, axis: Axis, shape: ChartShape, y: number): string {
  const cell = row.modes[mode];
  const middle = axis.x(1), base = y + shape.bar - 2;
  if (!cell || cell.ratio === null) {
    const reason = cell?.failed === undefined ? "not run" : "wrong";
    return element("text", { x: middle + 4, y: base, class: `value failed ${mode}` }, `${mode}: ${reason}`);
  }
  const end = axis.x(cell.ratio);
  const rect = element("rect", {
    x: Math.min(middle, end), y, width: Math.max(1, Math.abs(end - middle)), height: shape.bar, rx: 2, class: `bar ${mode}`,
  }, element("title", {}, `${row.name} in ${mode}: ${ratio(cell.ratio)}× native`));
  const value = element("text", { x: Math.max(middle, end) + 4, y: base, class: "value" }, `${ratio(cell.ratio)}×`);
  return rect + value;
}
