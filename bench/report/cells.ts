/** A workload's card in the report: a stacked bar for each mode, which opens into the events that make it up. */
import { MODES, type Mode } from "../../vm/options.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { breakDown, type PricedEvent, priceEvents } from "../breakdown.js";
import type { ComparedCell, ComparedWorkload } from "../compare.js";
import { grouped, ratio, short, significant, time } from "../numbers.js";
import { workload } from "../workloads.js";
import { element, escape } from "./markup.js";

/** Events rarer than this, once an operation, and without weight in the whole are only counted; so many wrong instructions are listed. */
const RARE = 0.005, WRONG_ROWS = 12;

/** The id that links to a cell's details. */
export function cellId(name: string, mode: Mode): string {
  return `${name}.${mode}`;
}

export function workloadCard(row: ComparedWorkload, profile: CostProfile): string {
  const { shows = "", operations = 1 } = workload(row.name) ?? {};
  const modes = MODES.filter((mode) => row.modes[mode]);
  const longest = Math.max(1, ...modes.map((mode) => row.modes[mode]!).filter((cell) => cell.failed === undefined).map((cell) => cell.cycles));
  return element("section", { class: "card", id: row.name }, [
    element("h3", {}, escape(row.name)),
    element("p", { class: "shows" }, `${escape(shows)} <span class="unit">${escape(row.unit)}</span>`),
    ...modes.map((mode) => cellDetails(row, mode, row.modes[mode]!, longest, operations, profile)),
  ]);
}

function cellDetails(row: ComparedWorkload, mode: Mode, cell: ComparedCell, longest: number, operations: number, profile: CostProfile): string {
  const events = priceEvents(cell, profile);
  const failed = cell.failed !== undefined;
  const figure = failed ? "wrong" : cell.ratio === null || mode === "native" ? short(cell.value!) : `${ratio(cell.ratio)}×`;
  return element("details", { class: `cell ${mode}`, id: cellId(row.name, mode), name: row.name }, [
    element("summary", {}, [
      element("span", { class: "mode" }, mode),
      element("span", { class: "stack" }, failed ? "" : stackedBar(events, longest)),
      element("span", { class: failed ? "figure failed" : "figure" }, figure),
    ]),
    element("div", { class: "events" }, [
      failed ? element("p", { class: "failed" }, escape(cell.failed!)) : element("p", {}, sentence(cell, row.unit, operations)),
      eventTable(events, operations),
      wrongTable(cell),
    ]),
  ]);
}

function sentence(cell: ComparedCell, unit: string, operations: number): string {
  const each = operations === 1 ? "" : ` each, ${short(cell.instructions / operations)} instructions`;
  return `${grouped(cell.value!)} ${escape(unit)}, ${time(cell.seconds!)}${each}. Checksum ${escape(cell.checksum!)}.`;
}

/** Cycles by kind; all of a card's bars have one scale. */
function stackedBar(events: readonly PricedEvent[], longest: number): string {
  let x = 0;
  const parts = breakDown(events).filter((part) => part.cycles > 0).map(({ kind, title, cycles }) => {
    const width = cycles / longest * 100;
    const rect = element("rect", { x: `${significant(x)}%`, width: `${significant(width)}%`, y: 0, height: 14, class: `k-${kind}` }, element("title", {}, `${title}: ${short(cycles)} cycles`));
    x += width;
    return rect;
  });
  return element("svg", { width: "100%", height: 14, "aria-hidden": "true" }, parts);
}

function eventTable(events: readonly PricedEvent[], operations: number): string {
  const all = events.reduce((sum, event) => sum + event.cycles, 0);
  const seen = events.filter((event) => event.count / operations >= RARE || event.cycles > all / 1000);
  const rows = seen.map((event) => element("tr", {}, [
    element("td", {}, `<i class="k-${event.kind}"></i>${escape(event.name).replace(/([._])/g, "$1<wbr>")}`),
    element("td", {}, event.count === 0 ? "" : short(event.count / operations)),
    element("td", {}, event.each === 0 ? "" : short(event.each)),
    element("td", {}, event.cycles === 0 ? "" : short(event.cycles / operations)),
    element("td", {}, event.cycles === 0 || all === 0 ? "" : `${significant(Math.round(event.cycles / all * 1000) / 10)}%`),
  ]));
  if (rows.length === 0) return "";
  const rarer = events.length - seen.length;
  const per = operations === 1 ? "in all" : "per operation";
  return element("table", {}, [
    element("thead", {}, element("tr", {}, ["event", per, "cycles of one", `cycles ${per}`, "share"].map((text) => element("th", {}, text)))),
    element("tbody", {}, rows),
  ]) + (rarer === 0 ? "" : element("p", { class: "more" }, `and ${rarer} rarer`));
}

/** What classic got wrong without knowing. */
function wrongTable(cell: ComparedCell): string {
  if (!cell.wrong || cell.wrong.length === 0) return "";
  const rows = cell.wrong.slice(0, WRONG_ROWS).map(({ mnemonic, address, times, did, native }) => element("tr", {}, [
    element("td", {}, `<code>${escape(mnemonic.toLowerCase())}</code> at <code>${address.toString(16).padStart(8, "0")}</code>`),
    element("td", {}, short(times)), element("td", { class: "text" }, escape(did)), element("td", { class: "text" }, escape(native)),
  ]));
  return element("h4", {}, "Did not trap, and did the wrong thing") + element("table", { class: "wrong" }, [
    element("thead", {}, element("tr", {}, ["instruction", "times", "did", "a bare machine does"].map((text) => element("th", {}, text)))),
    element("tbody", {}, rows),
  ]) + (cell.wrong.length > WRONG_ROWS ? element("p", { class: "more" }, `and at ${cell.wrong.length - WRONG_ROWS} more places`) : "");
}
