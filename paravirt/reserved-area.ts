import { RAM_BASE } from "../hypervisor/heap.js";
import type { Memory } from "../hypervisor/memory.js";
import type { FrameTable } from "./frame-table.js";
import type { AddressLayout } from "./layout.js";
import { PAGE_HYPERVISOR_RO } from "./page-tables.js";
import { FIRST_RESERVED_GDT_PAGE, FLAT_RING1_CS, INVALID_M2P_ENTRY } from "../hypervisor/xen/public/xen.js";

/** Pages of a virtual processor's part of the per-domain area: its GDT, then its LDT. */
const GDT_PAGES = 16, LDT_PAGES = 16;
/** The GDT's pages as mapped: the guest's 14 and Xen's one. */
const GDT_BYTES = (FIRST_RESERVED_GDT_PAGE + 1) * 4096;
/** The TSS and the IDT lie behind the LDT. */
const TSS_PAGE = GDT_PAGES + LDT_PAGES, IDT_PAGE = TSS_PAGE + 1;
const TSS_BYTES = 104, TSS_ESP1 = 12, TSS_SS1 = 16, TSS_IOMAP = 102, IOBMP_INVALID_OFFSET = 0x8000;
const TSS_SELECTOR = 0xe040, LDT_SELECTOR = 0xe048;

/**
 * What the hypervisor keeps mapped at the top of every address space: the machine-to-physical table, which the guest reads, and
 * above the reach of the guest's segments the tables the processor itself reads: GDT, LDT, TSS, IDT. Xen's own code and data are in
 * TypeScript and need no mapping. Nothing of it can be written through the mapping, so that even code which is run as flat, its
 * segments' limits unchecked, can only see its own tables there: the processor has no accessed bit left to set in them.
 */
export class ReservedArea {
  private readonly memory: Memory;
  private readonly layout: AddressLayout;
  private readonly tables = new Map<number, number>();
  private readonly m2pFrames: number[] = [];
  private readonly perDomainTable: number;
  /** Xen's page of every GDT. */
  readonly gdtFrame: number;
  readonly tssFrame: number;
  readonly idtFrame: number;

  constructor(memory: Memory, frames: FrameTable, layout: AddressLayout) {
    this.memory = memory;
    this.layout = layout;
    const firstTable = layout.hypervisorStart >>> layout.l2Shift;
    for (let page = 0; page * 1024 < frames.frames; page++) {
      const mfn = frames.allocateXen();
      this.m2pFrames.push(mfn);
      this.fill(mfn, INVALID_M2P_ENTRY);
      this.map(this.tableFor(frames, firstTable + Math.floor(page / layout.entries)), page % layout.entries, mfn, PAGE_HYPERVISOR_RO);
    }
    this.perDomainTable = this.tableFor(frames, layout.perDomainStart >>> layout.l2Shift);
    this.gdtFrame = frames.allocateXen();
    this.tssFrame = frames.allocateXen();
    this.idtFrame = frames.allocateXen();
    this.map(this.perDomainTable, FIRST_RESERVED_GDT_PAGE, this.gdtFrame, PAGE_HYPERVISOR_RO);
    this.map(this.perDomainTable, TSS_PAGE, this.tssFrame, PAGE_HYPERVISOR_RO);
    this.map(this.perDomainTable, IDT_PAGE, this.idtFrame, PAGE_HYPERVISOR_RO);
    this.fillGdt();
    memory.write(this.tssFrame * 4096 + TSS_IOMAP, 2, IOBMP_INVALID_OFFSET);
  }

  get gdtBase(): number { return this.layout.perDomainStart; }
  get gdtLimit(): number { return GDT_BYTES - 1; }
  get ldtBase(): number { return this.layout.perDomainStart + GDT_PAGES * 4096; }
  get tssBase(): number { return this.layout.perDomainStart + TSS_PAGE * 4096; }
  get idtBase(): number { return this.layout.perDomainStart + IDT_PAGE * 4096; }
  readonly tssSelector = TSS_SELECTOR;
  readonly ldtSelector = LDT_SELECTOR;
  readonly tssBytes = TSS_BYTES;

  /** Frame of Xen's L1 table for slot `index` of the last L2 table; 0 where there is none. */
  tableOf(index: number): number {
    const slots = this.layout.entries;
    return this.tables.get(this.layout.pae ? 3 * slots + index : index) ?? 0;
  }

  private tableFor(frames: FrameTable, slot: number): number {
    let mfn = this.tables.get(slot);
    if (mfn === undefined) {
      mfn = frames.allocateXen();
      this.tables.set(slot, mfn);
    }
    return mfn;
  }

  private map(table: number, index: number, mfn: number, flags: number): void {
    const address = table * 4096 + index * this.layout.entryBytes;
    this.memory.write32(address, mfn === 0 ? 0 : (mfn << 12) | flags);
    if (this.layout.pae) this.memory.write32(address + 4, 0);
  }

  private fill(mfn: number, word: number): void {
    const first = (RAM_BASE + mfn * 4096) >> 2;
    this.memory.heap.i32.fill(word, first, first + 1024);
  }

  // ---- machine-to-physical table ---------------------------------------------------------------------------------------

  /** The guest's own number for machine frame `mfn`, as it said it. */
  m2p(mfn: number): number {
    return this.memory.read(this.m2pAddress(mfn), 4);
  }

  setM2p(mfn: number, pfn: number): void {
    this.memory.write32(this.m2pAddress(mfn), pfn);
  }

  private m2pAddress(mfn: number): number {
    return this.m2pFrames[mfn >>> 10] * 4096 + (mfn & 1023) * 4;
  }

  /** Machine frames of the table, in order. */
  get m2pMfns(): readonly number[] {
    return this.m2pFrames;
  }

  // ---- descriptor tables -----------------------------------------------------------------------------------------------

  /** Xen's page of the GDT: the guest's flat segments, which end where it may read, then TSS and LDT. */
  private fillGdt(): void {
    const limit = (this.layout.segmentEnd - 1) >>> 12;
    const flat = (selector: number, access: number): void =>
      this.writeDescriptor(selector, 0x0000_ffff & limit, 0x00c0_0000 | (limit & 0xf0000) | access << 8);
    flat(FLAT_RING1_CS & ~3, 0xbb);
    flat((FLAT_RING1_CS & ~3) + 8, 0xb3);
    flat((FLAT_RING1_CS & ~3) + 16, 0xfb);
    flat((FLAT_RING1_CS & ~3) + 24, 0xf3);
    this.writeSystemDescriptor(TSS_SELECTOR, this.tssBase, TSS_BYTES - 1, 0x8b);
  }

  private writeDescriptor(selector: number, low: number, high: number): void {
    const address = this.gdtFrame * 4096 + (selector - FIRST_RESERVED_GDT_PAGE * 4096);
    this.memory.write32(address, low);
    this.memory.write32(address + 4, high);
  }

  private writeSystemDescriptor(selector: number, base: number, limit: number, access: number): void {
    this.writeDescriptor(selector, (base & 0xffff) << 16 | (limit & 0xffff), (base & 0xff000000) | (limit & 0xf0000) | access << 8 | (base >>> 16 & 0xff));
  }

  /** Describes the LDT of `entries` entries, or none. */
  setLdtDescriptor(entries: number): void {
    if (entries === 0) this.writeDescriptor(LDT_SELECTOR, 0, 0);
    else this.writeSystemDescriptor(LDT_SELECTOR, this.ldtBase, entries * 8 - 1, 0x82);
  }

  /** Maps page `index` (0-13) of the guest's GDT; 0 unmaps it. The caller flushes the TLB. */
  mapGdtPage(index: number, mfn: number): void {
    this.map(this.perDomainTable, index, mfn, PAGE_HYPERVISOR_RO);
  }

  /** Maps page `index` (0-15) of the LDT; 0 unmaps it. */
  mapLdtPage(index: number, mfn: number): void {
    this.map(this.perDomainTable, GDT_PAGES + index, mfn, PAGE_HYPERVISOR_RO);
  }

  /** The stack that a gate to ring 1 switches to. */
  setKernelStack(ss: number, esp: number): void {
    this.memory.write32(this.tssFrame * 4096 + TSS_ESP1, esp);
    this.memory.write32(this.tssFrame * 4096 + TSS_SS1, ss & 0xffff);
  }

  /** The one gate that leads from the guest's processes to its kernel without Xen; 0, 0 removes it. */
  setDirectGate(vector: number, low: number, high: number): void {
    this.memory.write32(this.idtFrame * 4096 + vector * 8, low);
    this.memory.write32(this.idtFrame * 4096 + vector * 8 + 4, high);
  }

  get directVector(): number { return 0x80; }
}
