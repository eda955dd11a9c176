import type { CacheProfile, Ledger } from "./ledger.js";
import { PAGE_SIZE } from "./heap.js";

/** Data fills within which a neighbouring page makes a sweep of two. */
const WINDOW = 4;
/** Single lines have tags for this part of the cache. */
const LINE_PART = 8;
const EMPTY = -1;
/** Entries that a walk of two guest levels through EPT reads, and a bound for what is compared of any walk. */
const LONGEST_WALK = 16;
/** Where a line was found. */
const MISSED = 0, IN_LINES = 1, IN_SWEPT = 2;

/** Tags of a set-associative store; each set is kept in the order of last use, the least recent one falls out. */
class Tags {
  private readonly tags: Int32Array;
  private readonly ways: number;
  private readonly setMask: number;

  constructor(sets: number, ways: number) {
    this.tags = new Int32Array(sets * ways).fill(EMPTY);
    this.ways = ways;
    this.setMask = sets - 1;
  }

  /** Whether `tag` is the last used of its set. */
  isLast(tag: number): boolean {
    return this.tags[(tag & this.setMask) * this.ways] === tag;
  }

  /** Makes `tag` the last used if it is there; whether it is. */
  touch(tag: number): boolean {
    const { tags } = this;
    const first = (tag & this.setMask) * this.ways, end = first + this.ways;
    let way = first;
    while (way < end && tags[way] !== tag) way++;
    if (way === end) return false;
    for (; way > first; way--) tags[way] = tags[way - 1]!;
    tags[first] = tag;
    return true;
  }

  /** Makes `tag` the last used, be it there or not; whether it was. */
  use(tag: number): boolean {
    const { tags } = this;
    const first = (tag & this.setMask) * this.ways, end = first + this.ways;
    for (let way = first, moved = tag; way < end; way++) {
      const here = tags[way]!;
      tags[way] = moved;
      if (here === tag) return true;
      moved = here;
    }
    return false;
  }
}

/**
 * The last level of cache as the TLB's fills let it be seen: physically indexed, least recently used out. The fast path of
 * loads and stores goes past it, so that it costs nothing there and cannot depend on which tier runs. What it sees is
 * - the line of the access that filled the data TLB;
 * - all lines of a page that is being swept: its neighbour in linear memory was filled a few fills before;
 * - the page-table entries that walks read, the guest's, the shadow's and EPT's.
 * A line that is not there counts `cache.miss`, or `cache.stream` in a sweep, which the processor's prefetcher sees coming.
 * Swept pages have tags by page, in as many colours and ways as the cache has; single lines have tags for an eighth of it, so
 * that the two kinds do not push each other out. Levels before the last are in the profile's cycles of an instruction.
 */
export class LastLevelCache {
  private readonly swept: Tags;
  private readonly lines: Tags;
  private readonly lineShift: number;
  private readonly linesOfPage: number;
  private readonly ledger: Ledger;
  private readonly missEvent: number;
  private readonly streamEvent: number;
  /** The last data fills: linear page, machine frame, and whether the frame is swept; the next one goes to `at`. */
  private readonly pages = new Int32Array(WINDOW).fill(EMPTY - 1);
  private readonly frames = new Int32Array(WINDOW);
  private readonly sweeping = new Uint8Array(WINDOW);
  private at = 0;
  /** Grows whenever the order of `lines` may change. */
  private reordered = 0;
  /** Lines of the latest walk that missed none, and `reordered` after it. */
  private readonly walk = new Int32Array(LONGEST_WALK);
  private walkLength = 0;
  private walkOrder = 0;
  /** Those of its frames that were swept, as often as it had lines there. */
  private readonly walkSwept = new Int32Array(LONGEST_WALK);
  private walkSweeps = 0;
  /** Bit n: one of its frames has a number that ends in n, modulo 32. */
  private walkFrames = 0;

  constructor(ledger: Ledger, { bytes, ways, lineBytes }: CacheProfile) {
    this.ledger = ledger;
    this.swept = new Tags(bytes / ways / PAGE_SIZE, ways);
    this.lines = new Tags(bytes / ways / lineBytes / LINE_PART, ways);
    this.lineShift = Math.log2(lineBytes);
    this.linesOfPage = PAGE_SIZE / lineBytes;
    this.missEvent = ledger.id("cache.miss");
    this.streamEvent = ledger.id("cache.stream");
  }

  /** A single access to the line at a machine-physical address. */
  reference(pa: number): void {
    this.use(pa >>> this.lineShift, pa >>> 12);
  }

  private use(line: number, frame: number): number {
    if (this.lines.isLast(line)) return IN_LINES;
    this.reordered++;
    if (this.swept.touch(frame)) return IN_SWEPT;
    if (this.lines.use(line)) return IN_LINES;
    this.ledger.count(this.missEvent);
    return MISSED;
  }

  /**
   * A walk read the entries at the first `n` machine-physical addresses, in this order: as `reference` for each. Doing over what was done last
   * changes nothing but which pages were swept last, and saves most of a TLB fill's time when a guest under EPT sweeps its memory.
   */
  walked(addresses: Int32Array, n: number): void {
    if (n === this.walkLength && this.reordered === this.walkOrder && this.isLatest(addresses) && this.sweptStill()) return;
    const { lineShift, walk } = this;
    let found = n <= LONGEST_WALK, frames = 0, sweeps = 0;
    for (let i = 0; i < n; i++) {
      const line = addresses[i]! >>> lineShift, frame = addresses[i]! >>> 12, where = this.use(line, frame);
      walk[i] = line;
      frames |= 1 << (frame & 31);
      if (where === IN_SWEPT) this.walkSwept[sweeps++] = frame;
      else if (where === MISSED) found = false;
    }
    this.walkLength = found ? n : 0;
    this.walkOrder = this.reordered;
    this.walkFrames = frames;
    this.walkSweeps = sweeps;
  }

  private isLatest(addresses: Int32Array): boolean {
    const { lineShift, walk, walkLength } = this;
    for (let i = 0; i < walkLength; i++) if (walk[i] !== addresses[i]! >>> lineShift) return false;
    return true;
  }

  private sweptStill(): boolean {
    for (let i = 0; i < this.walkSweeps; i++) if (!this.swept.touch(this.walkSwept[i]!)) return false;
    return true;
  }

  /** The data TLB was filled with linear page `page` for an access to machine-physical address `pa`. */
  filled(page: number, pa: number): void {
    const { pages, at, sweeping } = this;
    const frame = pa >>> 12;
    let sweeps = 0;
    for (let i = 0; i < WINDOW; i++) {
      const distance = page - pages[i]!;
      if (distance !== 1 && distance !== -1) continue;
      sweeps = 1;
      if (sweeping[i] === 0) this.sweep(this.frames[i]!, 1);
      sweeping[i] = 1;
    }
    if (sweeps !== 0) this.sweep(frame, 0);
    else this.reference(pa);
    pages[at] = page;
    this.frames[at] = frame;
    sweeping[at] = sweeps;
    this.at = (at + 1) % WINDOW;
  }

  /** All lines of a page are used, `known` of which have been counted. */
  private sweep(frame: number, known: number): void {
    if (this.swept.use(frame)) return;
    if ((this.walkFrames >>> (frame & 31) & 1) !== 0) this.walkLength = 0;
    this.ledger.count(this.streamEvent, this.linesOfPage - known);
  }
}
