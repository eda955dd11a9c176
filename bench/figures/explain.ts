/** Why a prediction misses: a sentence for each mechanism, chosen by where the cell's cycles went and which way it is off. */
import { significant } from "../numbers.js";
import { breakDown, type Kind, priceEvents } from "../breakdown.js";
import { type FigureTable, labelOf, type ShownCell } from "./model.js";

type Mechanism = Kind | "hypercalls";

/** Too much, too little: our ratio against the published one. */
const MECHANISMS: Readonly<Partial<Record<Mechanism, readonly [more: string, less: string]>>> = {
  instructions: ["one rate for all instructions makes the guest's own code too cheap beside them", "one rate for all instructions makes the guest's own code too dear beside the monitor's"],
  memory: ["every TLB miss is charged its references in full, where a processor overlaps them", "a TLB miss has one price, and what a switch does to the caches has none"],
  traps: ["all exceptions have one price, and native's is dear beside so short a handler", "all exceptions have one price, and what a monitor adds to them is not in the count"],
  hypercalls: ["a table that is pinned or let go is charged as 512 entries looked at one by one, and each hypercall the full way in and out", "a hypercall has one price, and what it does to caches and TLB has none"],
  exits: ["each exit is charged in full in a guest that does little between two of them", "an exit is charged its transitions and VMCS accesses, but not the monitor's own instructions and cache misses between them"],
  translator: ["switches and callouts have one price each, and ours come close together", "switches and callouts have one price each, and translation itself is nearly absent once a loop is warm"],
  shadow: ["each shadow event has one price, found where it was dear; a monitor that fills several entries at one fault, or keeps the tables of those that sleep, pays less", "each shadow event has one price, and our small processes cause few of them"],
  devices: ["every register access, frame and switch to the host is charged for itself, where adapters and drivers of the time did several at once", "a device answers here without the host's path to it"],
};
/** Of native's cycles: where waiting is more, it is what the figure measures. */
const MOSTLY_WAITS = 0.5;
const SAME = 1.33, OTHER_SIZE = 3, OTHER_PROGRAM = 1000, SMALL = 0.05;

/** One sentence about a cell that has an error. */
export function explainMiss(table: FigureTable, cell: ShownCell): string {
  const size = `${labelOf(table, cell.column)} in ${cell.mode}: ${describe(cell)}`;
  if (Math.abs(cell.error!) < SMALL || !cell.bar) return `${size}.`;
  const native = table.cells.find((other) => other.mode === "native" && other.column === cell.column);
  const slower = table.higherIsBetter ? cell.error! < 0 : cell.error! > 0;
  const right = table.higherIsBetter ? null : overheadIsRight(cell, native);
  if (right) return `${size}: what it adds to native is about right (${right} ${table.unit}), but native itself takes ${times(native!.ours! / native!.published!)} as in the original, which is another program's path through another kernel.`;
  const waits = native?.bar ? native.bar.counted.idleCycles / native.bar.counted.cycles : 0;
  if (waits > MOSTLY_WAITS && !slower) return `${size}: native waits for ${percent(waits)} of its time, for a device that is as slow in every mode here; what a request cost the original beyond that, through the host's own drivers and file system, has no price.`;
  const { mechanism, title, share } = mostOfIt(cell, native);
  const sentence = (MECHANISMS[mechanism] ?? MECHANISMS.instructions!)[slower ? 0 : 1];
  const shorter = !table.higherIsBetter && native?.published && native.ours ? native.published / native.ours : 1;
  const differs = shorter > OTHER_SIZE && shorter < OTHER_PROGRAM ? `; the work itself is ${times(1 / shorter)} as in the original, so what is fixed for each ${cell.error! > 0 ? "weighs more" : "is there, and what goes by pages is not"}` : "";
  if (share <= 0) return `${size}: no event that we count sets it apart from native, while the original's monitor left its mark.`;
  return `${size}: most of what it adds is ${title} (${share}% of its cycles), and ${sentence}${differs}.`;
}

/** Ours and theirs beyond native, where those agree and native does not; null else. */
function overheadIsRight(cell: ShownCell, native: ShownCell | undefined): string | null {
  if (!native?.published || !native.ours || cell.published === null || cell.ours === null) return null;
  const ours = cell.ours - native.ours, published = cell.published - native.published;
  const off = ours / published;
  const base = Math.max(native.ours / native.published, native.published / native.ours);
  return off > 1 / SAME && off < SAME && base > SAME ? `${short(ours)} for ${short(published)}` : null;
}

function mostOfIt({ bar, mode }: ShownCell, native: ShownCell | undefined): { mechanism: Mechanism; title: string; share: number } {
  const parts = breakDown(priceEvents(bar!.counted, bar!.profile)), per = bar!.operations;
  const base = native?.bar ? breakDown(priceEvents(native.bar.counted, native.bar.profile)) : [];
  const beyond = parts.map(({ kind, title, cycles }, i) => ({ kind, title, cycles: cycles / per - (base[i]?.cycles ?? 0) / (native?.bar?.operations ?? 1) }))
    .filter(({ kind }) => base.length > 0 || kind !== "instructions").sort((a, b) => b.cycles - a.cycles)[0]!;
  const mechanism = beyond.kind === "exits" && mode === "paravirt" ? "hypercalls" : beyond.kind;
  const all = parts.reduce((sum, { cycles }) => sum + cycles, 0) / per;
  return { mechanism, title: mechanism === "hypercalls" ? "hypercalls" : beyond.kind === "exits" ? "VM exits" : beyond.title, share: Math.round(beyond.cycles / all * 100) };
}

function times(factor: number): string {
  return factor >= 1 ? `${factor.toFixed(1)} times as long` : `1/${Math.round(1 / factor)} as long`;
}

function describe({ error, ratioOurs, ratioPublished }: ShownCell): string {
  const by = percent(Math.abs(error!)) === "0%" ? "right to less than 1%" : error! > 0 ? `${percent(error!)} too much` : `${percent(-error!)} too little`;
  return `${by} (${ratioOurs!.toPrecision(3)} for ${ratioPublished!.toPrecision(3)})`;
}

/** Three digits, never in powers of ten. */
function short(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toString() : significant(value);
}

export function percent(value: number): string {
  return `${Math.round(value * 100)}%`;
}
