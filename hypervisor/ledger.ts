import * as S from "./cpu-state.js";
import type { Heap } from "./heap.js";

/**
 * The ledger is the clock: it counts every event of a run, and a cost profile turns the counts into cycles.
 * Cycles are the TSC and drive every timer, so a run's results depend on nothing of the host.
 */
export interface CostProfile {
  readonly schema: "trivisor/profile@1";
  readonly name: string;
  readonly title: string;
  /** Clock of the modelled processor in Hz. */
  readonly hz: number;
  /** Cycles of an instruction that no event makes dearer. */
  readonly cyclesPerInstruction: { readonly cycles: number; readonly source: string };
  /**
   * Entries of the modelled TLBs; the replacement is first in, first out. Large pages (2 or 4 MB) have entries of their own where
   * `largeData` and `largeInstruction` say how many, and share those of small pages where they do not.
   */
  readonly tlb: { readonly data: number; readonly instruction: number; readonly largeData?: number; readonly largeInstruction?: number; readonly source: string };
  /** The last level of cache (hypervisor/cache.ts); a profile without one has no events `cache.*`. */
  readonly cache?: CacheProfile;
  /** A far CALL, by whose time on two processors gates are taken over (`by: "gate"`); no event of its own. */
  readonly farCall?: { readonly cycles: number; readonly source: string };
  /** Event name, or a family `vmexit.*`, to cycles added each time. The exact name wins over the family. */
  readonly costs: Readonly<Record<string, Cost>>;
}

/** A unit cost. Somebody measured it, or it was fitted to one published cell, or it is taken from a constant that was. */
export interface Cost {
  readonly cycles: number;
  readonly source: string;
  /** `table, row, column` of the cell it was fitted to; of a sum, the cells of its parts. */
  readonly calibrated?: string | readonly string[];
  /** `profile/event`, or `profile/event+event`: not fitted here, but taken over. */
  readonly as?: string;
  /** How it is taken over: in cycles, in time, by the rate of instructions, by that of microcode (CPUID's time), or by that of gates (a far CALL's time). */
  readonly by?: "cycles" | "time" | "instructions" | "microcode" | "gate";
}

/** Sizes of a set-associative cache, all powers of two but `ways`. */
export interface CacheProfile {
  readonly bytes: number;
  readonly ways: number;
  readonly lineBytes: number;
  readonly source: string;
}

/** The entry of a profile's costs that prices an event: its own, or that of the nearest family; undefined where it is free. */
export function priceKey(profile: CostProfile, name: string): string | undefined {
  if (name in profile.costs) return name;
  for (let dot = name.lastIndexOf("."); dot > 0; dot = name.lastIndexOf(".", dot - 1)) {
    const family = name.slice(0, dot) + ".*";
    if (family in profile.costs) return family;
  }
  return undefined;
}

/** Cells that a price comes from, `table, row, column` each: one, several for a sum, none where it was measured. */
export function cellsOf({ calibrated = [] }: Cost): readonly string[] {
  return typeof calibrated === "string" ? [calibrated] : calibrated;
}

/** Cycles a profile adds for one event. */
export function costOf(profile: CostProfile, name: string): number {
  const key = priceKey(profile, name);
  return key === undefined ? 0 : profile.costs[key]!.cycles;
}

export type EventListener = (name: string, n: number) => void;

/** Words of an event that generated code counts itself: how often since it was settled, and whether the ledger must be told of each. */
const COUNT = 0, WATCHED = 1;
interface Tally { readonly id: number; readonly cost: number; readonly words: Int32Array }

export class Ledger {
  readonly profile: CostProfile;
  private readonly names: string[] = [];
  private readonly ids = new Map<string, number>();
  private readonly costs: number[] = [];
  private counts = new Float64Array(64);
  /** Cycles beyond cyclesPerInstruction x instructions. */
  private extraCycles = 0;
  private settled = 0;
  /** Where the clock has been lent to, and for which event; see lend. */
  private borrower: Heap | null = null;
  private borrowerEvent = 0;
  /** Those of extraCycles in which the processor was halted. */
  idleCycles = 0;
  /** Told after time has passed in idle: who paces a run or limits it by the host's clock stops the engine here. */
  onIdle: () => void = () => {};
  private running: () => number = () => 0;
  private readonly listeners: EventListener[] = [];
  /** The events that generated code counts in the heap. */
  private tallies: Tally[] = [];

  constructor(profile: CostProfile) {
    this.profile = profile;
  }

  /** The number of an event, made on first use; names are dotted, the family first (`vmexit.hlt`). */
  id(name: string): number {
    let id = this.ids.get(name);
    if (id === undefined) {
      id = this.names.length;
      this.names.push(name);
      this.ids.set(name, id);
      this.costs.push(costOf(this.profile, name));
      if (id >= this.counts.length) {
        const wider = new Float64Array(this.counts.length * 2);
        wider.set(this.counts);
        this.counts = wider;
      }
    }
    return id;
  }

  /** Counts `n` events of number `id` and charges their cycles. */
  count(id: number, n = 1): void {
    if (this.borrower !== null) this.endLoan(this.borrower);
    this.counts[id]! += n;
    this.extraCycles += this.costs[id]! * n;
    if (this.listeners.length !== 0) for (const listener of this.listeners) listener(this.names[id]!, n);
  }

  /**
   * Event `id` is counted in words[0] as well, by code that cannot call `count`, while words[1] is 0. Its cycles are the product of
   * count and price, so that they do not depend on when which of them were counted.
   */
  tally(id: number, words: Int32Array): void {
    this.settleTallies();
    const price = costOf(this.profile, this.names[id]!);
    if (!this.tallies.some((one) => one.id === id)) this.extraCycles -= this.counts[id]! * price;
    this.costs[id] = 0;
    this.tallies = [...this.tallies.filter((one) => one.id !== id), { id, cost: price, words }];
    words[WATCHED] = this.listeners.length;
  }

  /** To be called before the words of a tally are used for anything else, and often enough that they do not overflow. */
  settleTallies(): void {
    if (this.borrower !== null) this.endLoan(this.borrower);
    for (const { id, words } of this.tallies) {
      this.counts[id]! += words[COUNT]!;
      words[COUNT] = 0;
    }
  }

  /** As `count`, by name; for events that are not hot. */
  event(name: string, n = 1): void {
    this.count(this.id(name), n);
  }

  /** Time passes without an event: the processor halts until `cycles` have gone by. */
  idle(cycles: number): void {
    if (this.borrower !== null) this.endLoan(this.borrower);
    this.idleCycles += cycles;
    this.extraCycles += cycles;
    this.onIdle();
  }

  /** Tells where the running slice's instruction count is to be had. */
  bindRunning(running: () => number): void {
    this.running = running;
  }

  /** Calls `listener` at every event from now on; returns the function that ends it. */
  listen(listener: EventListener): () => void {
    if (this.borrower !== null) this.endLoan(this.borrower);
    this.listeners.push(listener);
    this.watch();
    return () => {
      this.listeners.splice(this.listeners.indexOf(listener), 1);
      this.watch();
    };
  }

  private watch(): void {
    for (const { words } of this.tallies) words[WATCHED] = this.listeners.length;
  }

  /** Instructions of slices that have ended; the engine adds those of the running slice. */
  get settledInstructions(): number { return this.settled; }
  set settledInstructions(value: number) {
    if (this.borrower !== null) this.endLoan(this.borrower);
    this.settled = value;
  }

  get instructions(): number {
    return this.settled + this.running();
  }

  /** Cycles since the machine was switched on: the TSC. */
  get cycles(): number {
    if (this.borrower !== null) this.endLoan(this.borrower);
    let tallied = 0;
    for (const { id, cost, words } of this.tallies) tallied += (this.counts[id]! + words[COUNT]!) * cost;
    return this.instructions * this.profile.cyclesPerInstruction.cycles + this.extraCycles + tallied;
  }

  /**
   * Lets generated code (codegen/time-stamp.ts) read the clock, and count event `id` each time it does, by what is put into the heap's words
   * S.CLOCK, with `budget` instructions left: until anything else is asked of the ledger or told it, which ends the loan first.
   */
  lend({ heap, budget, id }: { readonly heap: Heap; readonly budget: number; readonly id: number }): void {
    const { tallies } = this;
    if (this.listeners.length !== 0 || tallies.length > S.CLOCK_EVENTS || tallies.some(({ words }) => words.buffer !== heap.buffer)) return;
    const { f64, i32 } = heap;
    f64[S.CLOCK_ORIGIN] = this.instructions + budget;
    f64[S.CLOCK_EXTRA] = this.extraCycles;
    f64[S.CLOCK_RATE] = this.profile.cyclesPerInstruction.cycles;
    f64[S.CLOCK_PRICE] = this.costs[id]!;
    for (let i = 0; i < tallies.length; i++) {
      const { id: tallied, cost, words } = tallies[i]!;
      f64[S.CLOCK_COUNTS + i] = this.counts[tallied]!;
      f64[S.CLOCK_PRICES + i] = cost;
      i32[S.CLOCK_TALLIES + i] = words.byteOffset;
    }
    i32[S.CLOCK_READ] = 0;
    i32[S.CLOCK_LENT] = 1;
    this.borrower = heap;
    this.borrowerEvent = id;
  }

  private endLoan({ f64, i32 }: Heap): void {
    this.borrower = null;
    i32[S.CLOCK_LENT] = 0;
    this.extraCycles = f64[S.CLOCK_EXTRA]!;
    this.counts[this.borrowerEvent]! += i32[S.CLOCK_READ]!;
  }

  countOf(name: string): number {
    this.settleTallies();
    const id = this.ids.get(name);
    return id === undefined ? 0 : this.counts[id]!;
  }

  /** All events seen, by name, in alphabetical order. */
  events(): Record<string, number> {
    this.settleTallies();
    const seen: Record<string, number> = {};
    for (const name of [...this.names].sort()) {
      const n = this.counts[this.ids.get(name)!]!;
      if (n !== 0) seen[name] = n;
    }
    return seen;
  }
}
