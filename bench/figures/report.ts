/** The figures as one HTML file that needs nothing else, and each chart as SVG with its numbers beside it. */
import { breakDown, KINDS, type PricedEvent, priceEvents } from "../breakdown.js";
import { short, significant } from "../numbers.js";
import { element, escape } from "../report/markup.js";
import { STYLE } from "../report/style.js";
import { type ChartShape, csv, logChart, NARROW, WIDE } from "./chart.js";
import { figure, together, verdict } from "./format.js";
import { groupedChart } from "./grouped-chart.js";
import { grids } from "./grids.js";
import { type FigureTable, labelOf, type ShownCell, statistics } from "./model.js";

const EVENTS_SHOWN = 10;
const MORE_STYLE = `
.hvm-shadow { --tone: #b0599a; } .hvm-pv { --tone: #a08a1c; } svg .published { fill-opacity: .35; } h2 { padding-top: 14px; border-top: 2px solid var(--line); } h2::first-letter { text-transform: uppercase; } h2 code { font-size: .7em; color: var(--soft); font-weight: 400; }
.pair { display: flex; flex-wrap: wrap; gap: 14px; margin: 10px 0; align-items: flex-start; } .pair .scroll { flex: 5 1 22rem; } .pair .scroll + .scroll { flex-grow: 8; } .scroll { overflow-x: auto; min-width: 0; max-width: 100%; }
.grid { background: var(--card); border: 1px solid var(--line); font-size: 13px; } .grid th, .grid td { padding: 3px 8px; border-top: 1px solid var(--line); vertical-align: top; } .grid thead th { color: var(--soft); } .grid small { display: block; white-space: nowrap; color: var(--soft); font-size: 11px; font-weight: 400; } .grid sup { color: var(--bad); } .grid .off { color: var(--bad); }
.grid .hardware, .key.hardware { background: rgba(141, 75, 201, .18); } .grid .software, .grid .tells, .key.software { background: rgba(208, 135, 0, .22); } .grid.did td, .grid.did th { text-align: left; } .grid.did .none { color: var(--soft); } .key { padding: 1px 8px; border-radius: 4px; }
.opener { display: block; padding: 6px 0; } .opener::before { content: "\\25b8  "; } details[open] > .opener::before { content: "\\25be  "; }
.bars { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 24px; margin: 10px 0; } .bars summary { grid-template-columns: minmax(0, 11rem) minmax(0, 1fr) 5rem; } .bars h3 { grid-column: 1 / -1; font-size: 14px; margin-top: 8px; } .bars .mode { overflow: hidden; text-overflow: ellipsis; }
.verdict { max-width: 90ch; } .verdict li { margin-bottom: 4px; } .cite { color: var(--soft); font-size: 13px; max-width: 90ch; } pre { white-space: pre-wrap; }
@media (max-width: 760px) { .bars { grid-template-columns: minmax(0, 1fr); } .grid { font-size: 11.5px; } .grid small { white-space: normal; } .grid th, .grid td { padding: 3px 4px; } }`;

export interface ReportFiles {
  readonly page: string;
  /** Name and contents of what lies beside it. */
  readonly files: readonly (readonly [name: string, text: string])[];
}

export function reportFiles(tables: readonly FigureTable[]): ReportFiles {
  const files = tables.flatMap((table): [string, string][] => [
    [`${table.id}.csv`, csv(table)], ...(table.chart !== "none" ? [[`${table.id}.svg`, chart(table, WIDE, true)] as [string, string]] : []),
  ]);
  return { page: page(tables), files };
}

function page(tables: readonly FigureTable[]): string {
  const body = [
    element("header", {}, [
      element("h1", {}, "The papers' tables, from one guest"),
      element("p", { class: "lead" }, "Published values beside what trivisor predicts: events of our own guest, counted, priced by unit costs that somebody measured. A cell that a cost was fitted to is marked calibrated; all others are predictions."),
      overview(tables),
      ...together(tables).map((line) => element("p", {}, escape(line))),
      element("p", { class: "shows" }, "Cells that are predictions, median and worst error of their ratios to native, those within a factor of two, and pairs of modes in the right order."),
    ]),
    ...tables.map(section),
    element("footer", {}, "Made by <code>npx trivisor figures --report DIR</code>. Counts are exact and repeat to the byte."),
  ];
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>trivisor: figures</title><link rel="icon" href="data:,"><style>${STYLE}${MORE_STYLE}</style></head>\n<body>${body.join("\n")}</body></html>\n`;
}

function chart(table: FigureTable, shape: ChartShape, alone = false): string {
  return table.chart === "grouped" ? groupedChart(table, shape, alone) : logChart(table, shape, alone);
}

function overview(tables: readonly FigureTable[]): string {
  const rows = tables.map((table) => {
    const { predictions, median, worst, within2x, ordered, pairs } = statistics(table.cells);
    return element("tr", {}, [
      element("th", { scope: "row" }, element("a", { href: `#${table.id}` }, escape(table.id))), element("td", {}, predictions === 0 ? "" : String(predictions)),
      element("td", {}, median === null ? "" : `${Math.round(median * 100)}%`), element("td", {}, worst[0] ? `${Math.round(worst[0].error! * 100)}%` : ""),
      element("td", {}, predictions === 0 ? "" : `${within2x} of ${predictions}`), element("td", {}, pairs === 0 ? "" : `${ordered} of ${pairs}`),
    ]);
  });
  return element("div", { class: "scroll" }, element("table", { class: "grid" }, [
    element("thead", {}, element("tr", {}, ["table", "cells", "median", "worst", "in 2×", "order"].map((text) => element("th", {}, text)))), element("tbody", {}, rows),
  ]));
}

function section(table: FigureTable): string {
  const { id, title, citation, provenance, profile, notes, missing, standIns = {} } = table;
  const lines = verdict(table);
  return element("section", { id }, [
    element("h2", {}, `${escape(title)} <code>${escape(id)}</code>`),
    element("p", { class: "cite" }, `${escape(citation)} Published values: ${escape(provenance)}.${profile === "" ? "" : ` Priced by <code>${escape(profile)}</code>.`}`),
    grids(table),
    ...(table.chart !== "none" ? [
      element("p", { class: "shows" }, table.cells.some(({ status }) => status === "calibrated") ? "<sup>c</sup> calibrated: a constant was fitted to this cell. Small: ratio to native, and its error." : id === "ept-vs-shadow" ? "" : "Small: ratio to native, and its error."), legend(table), element("div", { class: "chart wide" }, chart(table, WIDE)), element("div", { class: "chart narrow" }, chart(table, NARROW)),
    ] : []),
    lines.length === 0 ? "" : element("div", { class: "verdict" }, [element("p", {}, escape(lines[0]!.trim())), element("ul", {}, lines.slice(1).map((line) => element("li", {}, escape(line.replace(/^\s*- /, "")))))]),
    id === "vmexit-generations" ? "" : bars(table),
    ...Object.entries(standIns).map(([column, what]) => element("p", { class: "shows" }, `<b>${escape(column)} †</b> ${escape(what)}`)),
    ...notes.map((note) => element("p", { class: "shows" }, escape(note))),
    ...missing.map(({ column, reason }) => element("p", { class: "shows" }, `<b>${escape(column)}</b>: ${escape(reason)}`)),
    element("pre", {}, `npx trivisor figures ${escape(id)} --report DIR`),
  ]);
}

function legend({ cells, id, chart, axis, unit }: FigureTable): string {
  const modes = [...new Set(cells.map(({ mode }) => mode))].filter((mode) => mode !== "native" || id === "asplos06-nano" || chart === "grouped");
  const shows = id === "asplos06-nano" ? "in cycles" : id === "ept-vs-shadow" ? unit : axis !== undefined ? `in ${unit}` : chart === "grouped" ? "relative performance, native is 1" : "ratios to native";
  const tones = cells.some(({ published }) => published !== null) ? "pale: published; full: ours" : "ours";
  return element("ul", { class: "legend" }, [...modes.map((mode) => element("li", { class: mode }, `<i class="tone"></i>${escape(mode)}`)), element("li", {}, `${tones}, ${shows}`)]);
}

/** Each cell's cycles, stacked by kind, opening into events. */
function bars(table: FigureTable): string {
  const columns = [...new Set(table.cells.filter(({ bar }) => bar).map(({ column }) => column))];
  if (columns.length === 0) return "";
  const kinds = element("ul", { class: "legend" }, KINDS.map(({ id, title }) => element("li", {}, `<i class="k-${id}"></i>${title}`)));
  return element("details", { class: "all" }, [element("summary", { class: "opener" }, element("b", {}, "What the cycles go to")), kinds, element("div", { class: "bars" }, columns.flatMap((column) => {
    const cells = table.cells.filter((cell) => cell.column === column && cell.bar);
    const longest = Math.max(...cells.map(({ bar }) => bar!.counted.cycles / bar!.operations));
    return [element("h3", {}, escape(labelOf(table, column))), ...cells.map((cell) => barDetails(table.id, cell, longest))];
  }))]);
}

function barDetails(table: string, cell: ShownCell, longest: number): string {
  const { counted, operations, profile } = cell.bar!;
  const events = priceEvents(counted, profile);
  let x = 0;
  const rects = breakDown(events).filter(({ cycles }) => cycles > 0).map(({ kind, title, cycles }) => {
    const width = cycles / operations / longest * 100;
    const rect = element("rect", { x: `${significant(x)}%`, width: `${significant(width)}%`, y: 0, height: 14, class: `k-${kind}` }, element("title", {}, `${title}: ${short(cycles / operations)} cycles`));
    x += width;
    return rect;
  });
  return element("details", { class: `cell ${cell.mode}`, name: `${table}.bars` }, [
    element("summary", {}, [element("span", { class: "mode" }, escape(cell.mode)), element("span", { class: "stack" }, element("svg", { width: "100%", height: 14, "aria-hidden": "true" }, rects)), element("span", { class: "figure" }, figure(cell.ours))]),
    element("div", { class: "events" }, eventTable(events, operations) + element("p", { class: "more" }, element("code", {}, `npx trivisor figures ${table} --report DIR`))),
  ]);
}

function eventTable(events: readonly PricedEvent[], operations: number): string {
  const costly = events.filter(({ cycles }) => cycles > 0);
  const rows = costly.slice(0, EVENTS_SHOWN).map((event) => element("tr", {}, [
    element("td", {}, `<i class="k-${event.kind}"></i>${escape(event.name).replace(/([._])/g, "$1<wbr>")}`), element("td", {}, event.count === 0 ? "" : short(event.count / operations)),
    element("td", {}, event.each === 0 ? "" : short(event.each)), element("td", {}, short(event.cycles / operations)),
  ]));
  const rest = costly.length - rows.length;
  return element("table", {}, [element("thead", {}, element("tr", {}, ["event", "per operation", "cycles of one", "cycles"].map((text) => element("th", {}, text)))), element("tbody", {}, rows)]) +
    (rest > 0 ? element("p", { class: "more" }, `and ${rest} cheaper`) : "");
}
