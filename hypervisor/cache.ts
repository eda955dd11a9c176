import type { CacheProfile, Ledger } from "./ledger.js";
import { PAGE_SIZE } from "./heap.js";

/** Data fills within which a neighbouring page makes a sweep of two. */
const WINDOW = 4;
/** Single lines have tags for this part of the cache. */
const LINE_PART = 8;
const EMPTY = -1;

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
    const line = pa >>> this.lineShift;
    if (this.lines.isLast(line) || this.swept.touch(pa >>> 12) || this.lines.use(line)) return;
    this.ledger.count(this.missEvent);
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
    this.ledger.count(this.streamEvent, this.linesOfPage - known);
  }
}
