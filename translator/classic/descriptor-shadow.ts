import { createWalk, type PagingMode, walkPageTables } from "../../hypervisor/paging.js";
import type { Shadow } from "../../hypervisor/shadow/shadow.js";
import { MONITOR_BASE, MONITOR_LIMIT, type MonitorRegion } from "./monitor-region.js";

const DESCRIPTOR_S = 0x1000, DESCRIPTOR_P = 0x8000, DESCRIPTOR_DPL = 0x6000, DESCRIPTOR_DPL1 = 0x2000, DESCRIPTOR_G = 0x800000;
const DESCRIPTOR_CODE = 0x800, DESCRIPTOR_EXPAND_DOWN = 0x400;
const SYSTEM_TYPE = 0xf00;
/** Gates' and task states' types, which are kept from the processor: using one traps. */
const USABLE_SYSTEM_TYPE = 0x200;

/**
 * A guest's descriptor as the processor may have it (two words): ring 0 becomes ring 1, the segment ends below the monitor,
 * and gates and task states are absent, so that using one traps.
 */
export function deprivileged(low: number, high: number): readonly [number, number] {
  if ((high & DESCRIPTOR_S) === 0) {
    return [low, (high & SYSTEM_TYPE) === USABLE_SYSTEM_TYPE ? high : high & ~DESCRIPTOR_P];
  }
  if ((high & DESCRIPTOR_DPL) === 0) high |= DESCRIPTOR_DPL1;
  if ((high & (DESCRIPTOR_CODE | DESCRIPTOR_EXPAND_DOWN)) === DESCRIPTOR_EXPAND_DOWN) return [low, high];
  const base = (low >>> 16 | (high & 0xff) << 16 | high & 0xff000000) >>> 0;
  const raw = low & 0xffff | high & 0xf0000;
  const limit = (high & DESCRIPTOR_G) !== 0 ? raw * 4096 + 0xfff : raw;
  if (base + limit <= MONITOR_LIMIT) return [low, high];
  if (base > MONITOR_LIMIT) return [low, high & ~DESCRIPTOR_P];
  const pages = Math.floor((MONITOR_BASE - base) / 4096) - 1;
  if (pages < 0) return [low, high & ~DESCRIPTOR_P];
  return [low & 0xffff0000 | pages & 0xffff, high & ~0xf0000 | pages & 0xf0000 | DESCRIPTOR_G];
}

/** Linear address of a guest's table, its limit, and where to find it now. */
export interface TableSource {
  readonly base: number;
  /** In bytes, -1 for no table. */
  readonly limit: number;
}

/**
 * The monitor's copy of a guest's GDT or LDT, kept true by write traces on the pages it lies in. Only whole descriptors
 * within the guest's limit are copied; the others are absent.
 */
export class DescriptorShadow {
  private readonly shadow: Shadow;
  private readonly region: MonitorRegion;
  /** Linear address of the copy. */
  private readonly at: number;
  private source: TableSource = { base: 0, limit: -1 };
  private readonly walk = createWalk();
  /** Guest frames the table lies in (-1: not mapped), page by page. */
  private frames: number[] = [];
  private unwatch: (() => void)[] = [];
  private copied = 0;

  constructor(shadow: Shadow, region: MonitorRegion, at: number) {
    this.shadow = shadow;
    this.region = region;
    this.at = at;
  }

  /** The guest's table may have moved (LGDT, LLDT, another address space): copies it anew if it has. */
  follow(source: TableSource): void {
    const frames: number[] = [];
    if (source.limit >= 7) {
      const first = source.base >>> 12, pages = ((source.base & 0xfff) + source.limit >>> 12) + 1;
      for (let i = 0; i < pages; i++) frames.push(this.guestFrame(first + i << 12));
    }
    const same = source.base === this.source.base && source.limit === this.source.limit && frames.length === this.frames.length &&
      frames.every((gfn, i) => gfn === this.frames[i]);
    if (same) return;
    for (const end of this.unwatch) end();
    this.source = source;
    this.frames = frames;
    this.unwatch = [...new Set(frames)].filter((gfn) => gfn >= 0).map((gfn) => this.shadow.watch(gfn, (page, offset) => this.changed(page, offset)));
    this.copy();
  }

  private guestFrame(la: number): number {
    const { guestPaging, guestRoot, p2m } = this.shadow;
    if (!guestPaging.paging) return la >>> 12;
    const walk = walkPageTables(this.walk, p2m, guestRoot, guestPaging as PagingMode, la, false, false, false);
    return walk.fault ? -1 : walk.pa >>> 12;
  }

  private get count(): number {
    return this.source.limit + 1 >>> 3;
  }

  private copy(): void {
    const { count } = this;
    for (let index = 0; index < Math.max(count, this.copied); index++) this.copyOne(index, count);
    this.copied = count;
  }

  private copyOne(index: number, count: number): void {
    const [low, high] = index < count ? deprivileged(this.word(index * 8), this.word(index * 8 + 4)) : [0, 0];
    this.region.write32(this.at + index * 8, low);
    this.region.write32(this.at + index * 8 + 4, high);
  }

  /** The word at `offset` of a guest frame was written: the descriptors it is part of are copied, wherever the frame is mapped. */
  private changed(gfn: number, offset: number): void {
    const { count, frames } = this;
    for (let page = frames.indexOf(gfn); page >= 0; page = frames.indexOf(gfn, page + 1)) {
      const at = page * 4096 + offset - (this.source.base & 0xfff);
      const last = Math.min(at + 3 >> 3, count - 1);
      for (let index = Math.max(at >> 3, 0); index <= last; index++) this.copyOne(index, count);
    }
  }

  /** A word of the guest's table, 0 where it is not mapped. */
  private word(offset: number): number {
    const at = (this.source.base & 0xfff) + offset;
    if ((at & 3) === 0) return this.piece(at, 4);
    return this.piece(at, 1) | this.piece(at + 1, 1) << 8 | this.piece(at + 2, 1) << 16 | this.piece(at + 3, 1) << 24;
  }

  private piece(at: number, size: 1 | 4): number {
    const { machine: { memory }, p2m } = this.shadow;
    const gfn = this.frames[at >>> 12]!;
    return gfn < 0 ? 0 : memory.read(p2m.machineFrame(gfn) * 4096 + (at & 0xfff), size) | 0;
  }
}
