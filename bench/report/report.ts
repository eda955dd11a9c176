/** The comparison as one HTML file that needs nothing else: tables, charts drawn as SVG, and each cell's events. */
import { cellsOf, type CostProfile } from "../../hypervisor/ledger.js";
import { MODES } from "../../vm/options.js";
import { KINDS } from "../breakdown.js";
import type { Comparison } from "../compare.js";
import { grouped, short } from "../numbers.js";
import { workloadCard } from "./cells.js";
import { element, escape } from "./markup.js";
import { NARROW, ratioChart, WIDE } from "./ratio-chart.js";
import { STYLE } from "./style.js";
import { summaryTable } from "./summary.js";

const MODE_NOTES: Readonly<Record<(typeof MODES)[number], string>> = {
  native: "the bare machine", classic: "trap and emulate", dbt: "binary translation", paravirt: "a guest ported to Xen", hvm: "VT-x with EPT",
};

/** Opens the cell that a link names. */
const SCRIPT = `
function openTarget() { const id = decodeURIComponent(location.hash.slice(1)); const at = id && document.getElementById(id); if (at && at.tagName === "DETAILS") { at.open = true; at.scrollIntoView({ block: "center" }); } }
addEventListener("hashchange", openTarget); openTarget();`;

export function renderReport(comparison: Comparison, profile: CostProfile): string {
  const modes = MODES.filter((mode) => comparison.workloads.some((row) => row.modes[mode]));
  const hasRatios = modes.includes("native") && modes.length > 1;
  const body = [
    element("header", {}, [
      element("h1", {}, "One guest, every way to virtualize it"),
      element("p", { class: "lead" }, `The same small operating system in ${modes.length} modes on one emulated PC. Every event is counted, and priced as on a ${escape(profile.title)}; native cells give cycles and time, the others how many times that.`),
    ]),
    element("h2", {}, "Cycles, and ratios to native"), element("p", { class: "lead" }, "A cell opens into the events that explain it."),
    summaryTable(comparison),
    ...(hasRatios ? ratios(comparison, modes) : []),
    element("h2", {}, "What the cycles go to"),
    element("ul", { class: "legend" }, KINDS.map(({ id, title }) => element("li", {}, `<i class="k-${id}"></i>${title}`))),
    element("div", { class: "cards" }, comparison.workloads.map((row) => workloadCard(row, profile))),
    element("h2", {}, "What an event costs"),
    element("p", {}, `Profile <code>${escape(profile.name)}</code>: ${escape(profile.title)}. Where a cost was fitted and not measured, the one published cell it was fitted to is named.`),
    sources(profile),
    element("footer", {}, `Made by <code>trivisor compare --report</code>. Counts are exact and repeat to the byte; cycles are counts times the costs above.`),
  ];
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>trivisor: ${escape(profile.title)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>\n<body>${body.join("\n")}<script>${SCRIPT}</script></body></html>\n`;
}

function ratios(comparison: Comparison, modes: readonly (typeof MODES)[number][]): string[] {
  const legend = modes.filter((mode) => mode !== "native").map((mode) => element("li", { class: mode }, `<i class="tone"></i>${mode}: ${MODE_NOTES[mode]}`));
  return [
    element("h2", {}, "How much slower"),
    element("ul", { class: "legend" }, legend),
    element("div", { class: "chart wide" }, ratioChart(comparison, WIDE)),
    element("div", { class: "chart narrow" }, ratioChart(comparison, NARROW)),
  ];
}

function sources(profile: CostProfile): string {
  const rows: (readonly [string, string, string])[] = [
    ["clock", `${short(profile.hz / 1e6)} MHz`, ""],
    ["instruction", short(profile.cyclesPerInstruction.cycles), profile.cyclesPerInstruction.source],
    ["TLB entries", `${profile.tlb.data} data, ${profile.tlb.instruction} code`, profile.tlb.source],
    ...Object.entries(profile.costs).map(([event, cost]): readonly [string, string, string] =>
      [event, grouped(cost.cycles), cost.source + (cost.calibrated === undefined ? "" : ` Calibrated to ${cellsOf(cost).join("; ")}.`)]),
  ];
  return element("table", { class: "sources" }, [
    element("thead", {}, element("tr", {}, ["event", "cycles", "source"].map((text) => element("th", {}, text)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map((text) => element("td", {}, escape(text)))))),
  ]);
}
