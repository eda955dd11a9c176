/** Where a cell's cycles went: its events priced by the profile, and gathered into a few kinds. */
import { type CostProfile, costOf } from "../hypervisor/ledger.js";
import type { Counted } from "./cell.js";

/** Kinds of cost, in the order they are stacked; the first family that an event's name starts with is its kind. */
export const KINDS = [
  { id: "instructions", title: "instructions", families: ["instruction."] },
  { id: "memory", title: "TLB and page walks", families: ["tlb.", "ept."] },
  { id: "cache", title: "cache misses", families: ["cache."] },
  { id: "traps", title: "traps and interrupts", families: ["trap.", "interrupt."] },
  { id: "exits", title: "exits and hypercalls", families: ["vmexit.", "vmentry", "vmcs.", "hypercall.", "paravirt.", "event_channel.", "grant.", "xenstore.", "classic."] },
  { id: "shadow", title: "shadow page tables", families: ["shadow.", "dbt.callout.pte_write"] },
  { id: "devices", title: "devices", families: ["device.", "bus.", "backend.", "host.", "dbt.world_switch"] },
  { id: "translator", title: "translator", families: ["dbt."] },
  { id: "idle", title: "waiting", families: [] },
  { id: "other", title: "other", families: [""] },
] as const;

export type Kind = (typeof KINDS)[number]["id"];

export interface PricedEvent {
  readonly name: string;
  readonly count: number;
  /** Cycles of one, and of all. */
  readonly each: number;
  readonly cycles: number;
  readonly kind: Kind;
}

export function kindOf(event: string): Kind {
  return KINDS.find(({ families }) => families.some((family) => event.startsWith(family)))!.id;
}

/** All events with what they cost, dearest first; the plain cost of instructions and the waiting are events too. */
export function priceEvents(counted: Counted, profile: CostProfile): PricedEvent[] {
  const each = profile.cyclesPerInstruction.cycles;
  const priced: PricedEvent[] = [
    { name: "instructions", count: counted.instructions, each, cycles: counted.instructions * each, kind: "instructions" },
    ...Object.entries(counted.events).map(([name, count]) => {
      const price = costOf(profile, name);
      return { name, count, each: price, cycles: price * count, kind: kindOf(name) };
    }),
  ];
  if (counted.idleCycles > 0) priced.push({ name: "halted", count: 0, each: 0, cycles: counted.idleCycles, kind: "idle" });
  return priced.sort((a, b) => b.cycles - a.cycles || b.count - a.count || (a.name < b.name ? -1 : 1));
}

/** Cycles by kind, in the order of KINDS; none left out. */
export function breakDown(events: readonly PricedEvent[]): { readonly kind: Kind; readonly title: string; readonly cycles: number }[] {
  return KINDS.map(({ id, title }) => ({
    kind: id, title, cycles: events.reduce((sum, event) => event.kind === id ? sum + event.cycles : sum, 0),
  }));
}
