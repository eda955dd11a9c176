/** Why a prediction misses: a sentence for each mechanism, chosen by where the cell's cycles went and which way it is off. */
import { breakDown, type Kind, priceEvents } from "../breakdown.js";
import type { FigureTable, ShownCell } from "./model.js";

/** Too much, too little: our ratio against the published one. */
const MECHANISMS: Readonly<Partial<Record<Kind, readonly [more: string, less: string]>>> = {
  instructions: ["both are nearly all instructions here, at one rate for all of them", "the guest's own instructions outweigh the monitor's work, which the model charges to them at one rate, without caches that it disturbs"],
  memory: ["every TLB miss is charged its references in full, where a processor overlaps them", "TLB misses cost a fixed price, and what a switch does to the caches costs nothing"],
  traps: ["all exceptions cost the same, and native's are dear beside so short a handler", "all exceptions cost the same, and the hypervisor's effect on the guest's shorter path is not in a count of events"],
  exits: ["each hypercall or exit pays in full for entry, validation and a whole table's worth of checks, where the original does many of them in one go", "an exit is charged its two transitions and VMCS accesses, but not the monitor's own instructions and cache misses between them"],
  translator: ["each callout and switch of the translator is charged one price, found where it was dear", "switches and callouts have one price each, and a monitor that is hosted or shares caches with its guest pays more than the count shows"],
  shadow: ["each shadow event is charged one price, found where it was dear; a monitor that fills several entries at a fault pays it less often", "our guest touches few pages, so that few shadow entries are made and lost; at one price each they stay behind"],
  devices: ["every register access is charged for itself", "the device answers without the host's path to it"],
};
const SAME_BASE = 3;

/** One sentence, without a full stop in the middle of it. */
export function explainMiss(table: FigureTable, cell: ShownCell): string {
  const where = `${cell.column} in ${cell.mode}`;
  const size = `${where}: ${describe(cell)}`;
  if (!cell.bar) return `${size}.`;
  const native = table.cells.find((other) => other.mode === "native" && other.column === cell.column);
  const events = breakDown(priceEvents(cell.bar.counted, cell.bar.profile));
  const base = native?.bar ? breakDown(priceEvents(native.bar.counted, native.bar.profile)) : [];
  const extra = events.map(({ kind, title, cycles }, i) => ({ kind, title, cycles: cycles - (base[i]?.cycles ?? 0) })).sort((a, b) => b.cycles - a.cycles)[0]!;
  const share = Math.round(extra.cycles / events.reduce((sum, part) => sum + part.cycles, 0) * 100);
  const sentence = (MECHANISMS[extra.kind] ?? MECHANISMS.instructions!)[cell.error! > 0 ? 0 : 1];
  const shorter = native?.published && native.ours ? native.published / native.ours : 1;
  const differs = shorter > SAME_BASE ? `; native's own work is ${Math.round(shorter)} times as short here as in the original, so each fixed cost weighs more`
    : shorter < 1 / 1.5 ? `; native takes ${(1 / shorter).toFixed(1)} times as long here, so each fixed cost weighs less` : "";
  return `${size}: most of what it has beyond ${base.length > 0 ? "native" : "instructions"} is ${extra.title} (${share}% of its cycles), and ${sentence}${differs}.`;
}

function describe({ error, ratioOurs, ratioPublished }: ShownCell): string {
  const by = error! > 0 ? `${percent(error!)} too much` : `${percent(-error!)} too little`;
  return `${by} (${ratioOurs!.toPrecision(3)} for ${ratioPublished!.toPrecision(3)})`;
}

export function percent(value: number): string {
  return `${Math.round(value * 100)}%`;
}
