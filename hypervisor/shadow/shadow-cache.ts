import { PAGE_SIZE, RAM_BASE } from "../heap.js";
import type { Machine } from "../machine.js";
import { PTE_A, PTE_P, PTE_RW, PTE_US } from "../paging.js";
import type { MonitorFrames } from "./monitor-frames.js";
import type { PhysicalMap } from "./p2m.js";
import { directoryShift, entriesOf, entryShift, levelOf, ROLE_FLAT, ROLE_LARGE, ROLE_PAE, shadowsTable, type ShadowPage } from "./shadow-page.js";

const keyOf = (gpa: number, role: number): number => (gpa >>> 0) * 1024 + role;

/**
 * The shadow tables of all guest address spaces, in monitor frames, by guest table and role. Kept across address-space
 * switches; the least recently used goes when frames run out. A guest frame with a shadow is traced: no shadow entry
 * maps it writable. The reverse map (guest frame to writable leaf entries) is what takes the right away.
 */
export class ShadowCache {
  private readonly machine: Machine;
  private readonly p2m: PhysicalMap;
  private readonly frames: MonitorFrames;
  private readonly i32: Int32Array;
  private readonly byKey = new Map<number, ShadowPage>();
  private readonly byMachineFrame = new Map<number, ShadowPage>();
  private readonly tables: (ShadowPage[] | undefined)[] = [];
  /** Writable leaf entries of a guest frame, by machine-physical address. */
  private readonly writable: (number[] | undefined)[] = [];
  /** Why a guest frame is traced, counted: its shadows, and who watches it. */
  private readonly traceCount: Uint16Array;
  private readonly evictEvent: number;
  private clock = 0;
  /** Pages a fill is using or a root in use: never evicted. */
  readonly pinned = new Set<ShadowPage>();
  /** Writable translations exist in the TLB that no shadow entry records. */
  unrecorded = false;

  constructor(machine: Machine, p2m: PhysicalMap, frames: MonitorFrames) {
    this.machine = machine;
    this.p2m = p2m;
    this.frames = frames;
    this.i32 = machine.heap.i32;
    this.traceCount = new Uint16Array(p2m.guestFrames);
    this.evictEvent = machine.ledger.id("shadow.evict");
  }

  // ---- entries -----------------------------------------------------------------------------------------------------

  read(address: number): number {
    return this.i32[RAM_BASE + address >> 2]!;
  }

  write(address: number, value: number): void {
    this.i32[RAM_BASE + address >> 2] = value;
  }

  entryAddress(page: ShadowPage, index: number): number {
    return page.frame * PAGE_SIZE + (index << entryShift(page.role));
  }

  pageAt(entry: number): ShadowPage | undefined {
    return this.byMachineFrame.get(entry >>> 12);
  }

  pages(): IterableIterator<ShadowPage> {
    return this.byKey.values();
  }

  get size(): number {
    return this.byKey.size;
  }

  /** Shadows of the guest tables in a guest frame. */
  shadowsOf(gfn: number): readonly ShadowPage[] {
    return this.tables[gfn] ?? [];
  }

  // ---- traces ------------------------------------------------------------------------------------------------------

  traced(gfn: number): boolean {
    return gfn < this.p2m.guestFrames && this.traceCount[gfn] !== 0;
  }

  /** One more reason to trace a guest frame: with the first, every writable mapping of it loses the right. */
  trace(gfn: number): void {
    this.traceCount[gfn]!++;
    if (this.unrecorded) {
      this.unrecorded = false;
      this.machine.cpu.mmu.flush(true);
    }
    const entries = this.writable[gfn];
    if (entries === undefined) return;
    this.writable[gfn] = undefined;
    for (const address of entries) {
      this.write(address, this.read(address) & ~PTE_RW);
      this.dropTranslation(address);
    }
  }

  untrace(gfn: number): void {
    this.traceCount[gfn]!--;
  }

  // ---- leaves ------------------------------------------------------------------------------------------------------

  setLeaf(page: ShadowPage, index: number, value: number): void {
    const address = this.entryAddress(page, index);
    this.forgetWritable(address);
    this.write(address, value);
    if ((value & PTE_RW) !== 0) {
      const gfn = this.p2m.guestFrame(value >>> 12);
      if (gfn >= 0) (this.writable[gfn] ??= []).push(address);
    }
  }

  private forgetWritable(address: number): void {
    const old = this.read(address);
    if ((old & PTE_RW) === 0 || (old & PTE_P) === 0) return;
    const gfn = this.p2m.guestFrame(old >>> 12);
    const entries = gfn < 0 ? undefined : this.writable[gfn];
    if (entries === undefined) return;
    const i = entries.indexOf(address);
    entries[i] = entries[entries.length - 1]!;
    entries.pop();
  }

  /** Drops what the TLB holds through the leaf entry at a machine-physical address, by every path to it. */
  dropTranslation(address: number): void {
    const page = this.byMachineFrame.get(address >>> 12)!;
    const index = (address & 0xfff) >> entryShift(page.role);
    const { mmu } = this.machine.cpu;
    this.eachBase(page, (base) => mmu.invalidate(base + (index << 12) | 0));
  }

  /** Calls `each` with the first linear address of every place where a leaf table is linked. */
  private eachBase(page: ShadowPage, each: (base: number) => void): void {
    for (const parentEntry of page.parents) {
      const parent = this.byMachineFrame.get(parentEntry >>> 12)!;
      const base = (parentEntry & 0xfff) >> entryShift(parent.role) << directoryShift(parent.role);
      if ((parent.role & ROLE_PAE) === 0) each(base);
      else for (const top of parent.parents) each(base + ((top & 0xfff) >> 3 << 30) | 0);
    }
  }

  // ---- directories -------------------------------------------------------------------------------------------------

  /** Makes entry `index` of a directory (or PDPT) point to `child`. */
  link(page: ShadowPage, index: number, child: ShadowPage): void {
    const address = this.entryAddress(page, index);
    const old = this.read(address);
    if ((old & PTE_P) !== 0) {
      if (old >>> 12 === child.frame) return;
      this.unlink(address);
    }
    // A PDPT entry has no rights and no accessed bit (SDM vol. 3, table 4-8).
    this.write(address, child.frame << 12 | (levelOf(page) === 3 ? PTE_P : PTE_P | PTE_RW | PTE_US | PTE_A));
    child.parents.push(address);
  }

  /** Clears the directory entry at a machine-physical address; the pieces of a large page go with it. */
  unlink(address: number): void {
    const child = this.pageAt(this.read(address));
    this.write(address, 0);
    this.machine.cpu.mmu.flush(true);
    if (child === undefined) return;
    child.parents.splice(child.parents.indexOf(address), 1);
    if ((child.role & ROLE_LARGE) !== 0) this.destroy(child);
  }

  // ---- pages -------------------------------------------------------------------------------------------------------

  find(gpa: number, role: number): ShadowPage | undefined {
    return this.byKey.get(keyOf(gpa, role));
  }

  touch(page: ShadowPage): ShadowPage {
    page.stamp = ++this.clock;
    page.writes = 0;
    return page;
  }

  /** The shadow of a guest table under a role, made (empty) when there is none; evicts when frames run out. */
  obtain(gpa: number, role: number): ShadowPage {
    gpa >>>= 0;
    const found = this.find(gpa, role);
    if (found !== undefined) return this.touch(found);
    let frame = this.frames.allocate();
    while (frame < 0) {
      this.evict();
      frame = this.frames.allocate();
    }
    const page: ShadowPage = { gpa, role, frame, parents: [], stamp: 0, writes: 0 };
    this.byKey.set(keyOf(gpa, role), page);
    this.byMachineFrame.set(frame, page);
    if (shadowsTable(page)) {
      const gfn = gpa >>> 12;
      (this.tables[gfn] ??= []).push(page);
      this.trace(gfn);
    }
    return this.touch(page);
  }

  /** Gives up the least recently used page that is not pinned. */
  private evict(): void {
    let oldest: ShadowPage | undefined;
    for (const page of this.byKey.values()) {
      if (!this.pinned.has(page) && (oldest === undefined || page.stamp < oldest.stamp)) oldest = page;
    }
    if (oldest === undefined) throw new Error("the monitor's memory is too small for one path of shadow page tables");
    this.machine.ledger.count(this.evictEvent);
    this.destroy(oldest);
  }

  /** Forgets a shadow: nothing points to it and it points to nothing any more; its guest table may be traced no longer. */
  destroy(page: ShadowPage): void {
    if (this.byKey.get(keyOf(page.gpa, page.role)) !== page) return;
    this.byKey.delete(keyOf(page.gpa, page.role));
    while (page.parents.length !== 0) this.unlink(page.parents[page.parents.length - 1]!);
    this.clear(page);
    this.byMachineFrame.delete(page.frame);
    this.pinned.delete(page);
    this.frames.release(page.frame);
    if (!shadowsTable(page)) return;
    const gfn = page.gpa >>> 12;
    const siblings = this.tables[gfn]!;
    siblings.splice(siblings.indexOf(page), 1);
    this.untrace(gfn);
  }

  private clear(page: ShadowPage): void {
    const leaf = levelOf(page) === 1;
    for (let i = 0; i < entriesOf(page.role); i++) {
      const address = this.entryAddress(page, i);
      if ((this.read(address) & PTE_P) === 0) continue;
      if (leaf) this.forgetWritable(address);
      else this.unlink(address);
    }
  }

  /** Forgets every shadow, or every one made with paging off. */
  destroyAll(flatOnly = false): void {
    for (const page of [...this.byKey.values()]) if (!flatOnly || (page.role & ROLE_FLAT) !== 0) this.destroy(page);
    this.machine.cpu.mmu.flush(true);
  }
}
