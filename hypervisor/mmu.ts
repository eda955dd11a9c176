import { RAM_BASE, TLB_PAGES, TLB_SUPERVISOR_EXEC, TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_USER_EXEC, TLB_USER_READ, TLB_USER_WRITE } from "./heap.js";
import type { Cpu } from "./cpu.js";
import { breakpointsHit, WATCH_ACCESS, WATCH_WRITE } from "./debug-registers.js";
import { FRAME_CODE, FRAME_MMIO, FRAME_RAM, type Memory } from "./memory.js";
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE } from "./strategy.js";

/** Bits of a page's entry in `info`: the modelled TLB's content, whatever generated code may use of it. */
const INFO_DATA = 1, INFO_SUPERVISOR_WRITE = 2, INFO_USER_READ = 4, INFO_USER_WRITE = 8, INFO_GLOBAL = 0x10, INFO_CODE = 0x20, INFO_CODE_GLOBAL = 0x40, INFO_CODE_USER = 0x80;

/** First-in-first-out set of the linear pages a TLB of fixed size holds. */
class Residency {
  readonly pages: Int32Array;
  private oldest = 0;
  count = 0;

  constructor(capacity: number) {
    this.pages = new Int32Array(capacity);
  }

  /** Adds a page; gives the one that falls out, or -1. */
  add(page: number): number {
    if (this.count < this.pages.length) {
      this.pages[(this.oldest + this.count++) % this.pages.length] = page;
      return -1;
    }
    const out = this.pages[this.oldest]!;
    this.pages[this.oldest] = page;
    this.oldest = (this.oldest + 1) % this.pages.length;
    return out;
  }

  /** Keeps the pages for which `keep` holds, in order. */
  filter(keep: (page: number) => boolean): void {
    const kept: number[] = [];
    for (let i = 0; i < this.count; i++) {
      const page = this.pages[(this.oldest + i) % this.pages.length]!;
      if (keep(page)) kept.push(page);
    }
    this.oldest = 0;
    this.count = kept.length;
    this.pages.set(kept);
  }
}

/**
 * Linear memory as the running code sees it, through the software TLB. Which page is behind an address is the
 * strategy's affair (Strategy.translate); what is kept here is a data and an instruction TLB of the profile's sizes,
 * and the six tables in the heap that generated code looks in, which hold a subset of them: never a page of MMIO,
 * never a writable entry for a frame with cached code.
 */
export class Mmu {
  private readonly cpu: Cpu;
  private readonly memory: Memory;
  private readonly i32: Int32Array;
  private readonly u8: Uint8Array;
  private readonly view: DataView;
  /** For each linear page: the machine frame above the INFO_* bits. */
  private readonly info = new Int32Array(TLB_PAGES);
  private readonly codeFrame = new Map<number, number>();
  private readonly data: Residency;
  private readonly code: Residency;
  /** 4 MB regions of linear addresses in which pieces of large pages may be resident. */
  private readonly largeRegions = new Set<number>();
  private readonly walkEvent: number;
  private readonly codeWalkEvent: number;
  private readonly evictEvent: number;
  /** Page-table entries read by walks: counted by whoever walks. */
  readonly referenceEvent: number;
  /** Grows whenever an execute entry goes: what caches a code page outside the TLB compares it. */
  codeGeneration = 0;
  /** Grows whenever a data entry goes. */
  dataGeneration = 0;

  /** Linear pages with bytes that data breakpoints watch: never in the heap's tables, so that every access comes to `readAs` and `writeAs`. */
  private watched: ReadonlySet<number> = new Set();
  private watching = false;

  /** Word indices of the tables for the current privilege: add a linear page number. */
  readTable = TLB_SUPERVISOR_READ;
  writeTable = TLB_SUPERVISOR_WRITE;
  execTable = TLB_SUPERVISOR_EXEC;
  user = false;

  constructor(cpu: Cpu, memory: Memory, dataEntries: number, codeEntries: number) {
    this.cpu = cpu;
    this.memory = memory;
    this.i32 = memory.heap.i32;
    this.u8 = memory.heap.u8;
    this.view = memory.heap.view;
    this.data = new Residency(dataEntries);
    this.code = new Residency(codeEntries);
    this.walkEvent = cpu.ledger.id("tlb.walk");
    this.codeWalkEvent = cpu.ledger.id("tlb.walk_instruction");
    this.evictEvent = cpu.ledger.id("tlb.evict");
    this.referenceEvent = cpu.ledger.id("tlb.reference");
  }

  setPrivilege(user: boolean): void {
    this.user = user;
    this.readTable = user ? TLB_USER_READ : TLB_SUPERVISOR_READ;
    this.writeTable = user ? TLB_USER_WRITE : TLB_SUPERVISOR_WRITE;
    this.execTable = user ? TLB_USER_EXEC : TLB_SUPERVISOR_EXEC;
  }

  // ---- filling -------------------------------------------------------------------------------------------------

  /**
   * Called by Strategy.translate: linear page of `la` is the machine page at `pa`. `writable` and `dirty` as the walk
   * gave them; `supervisorWrites` says that supervisor code ignores R/W (CR0.WP clear). `pageBytes` is the size of the page
   * that this is a 4 KB piece of.
   */
  insert(la: number, pa: number, access: number, user: boolean, writable: boolean, dirty: boolean, global: boolean, supervisorWrites: boolean,
    pageBytes = 4096): void {
    const page = la >>> 12;
    if (pageBytes !== 4096) this.largeRegions.add(page >>> 10);
    const frame = pa >>> 12;
    if (access === ACCESS_EXECUTE) return this.insertCode(page, frame, user, global);
    let old = this.info[page]!;
    if ((old & INFO_DATA) === 0) {
      const out = this.data.add(page);
      if (out >= 0) {
        this.cpu.ledger.count(this.evictEvent);
        this.dropData(out);
      }
      old = this.info[page]!;
    }
    this.info[page] = (frame << 12) | (old & (INFO_CODE | INFO_CODE_GLOBAL | INFO_CODE_USER)) | INFO_DATA | (global ? INFO_GLOBAL : 0) | (user ? INFO_USER_READ : 0) |
      (dirty && (writable || supervisorWrites) ? INFO_SUPERVISOR_WRITE : 0) | (dirty && writable && user ? INFO_USER_WRITE : 0);
    this.exposeData(page);
  }

  private insertCode(page: number, frame: number, user: boolean, global: boolean): void {
    if ((this.info[page]! & INFO_CODE) === 0) {
      const out = this.code.add(page);
      if (out >= 0) this.dropCode(out);
    }
    this.info[page] = this.info[page]! & ~(INFO_CODE_GLOBAL | INFO_CODE_USER) | INFO_CODE | (global ? INFO_CODE_GLOBAL : 0) | (user ? INFO_CODE_USER : 0);
    this.codeFrame.set(page, frame);
    const word = (this.memory.kindOf(frame) & FRAME_MMIO) !== 0 ? 0 : (RAM_BASE + (frame << 12) - (page << 12)) | 1;
    this.i32[TLB_SUPERVISOR_EXEC + page] = word;
    this.i32[TLB_USER_EXEC + page] = user ? word : 0;
  }

  /** Writes the heap's tables for a page from `info`. */
  private exposeData(page: number): void {
    const info = this.info[page]!;
    const frame = info >>> 12;
    const kind = this.memory.kindOf(frame);
    const hidden = (kind & FRAME_MMIO) !== 0 || (this.watching && this.watched.has(page));
    const word = hidden ? 0 : (RAM_BASE + (frame << 12) - (page << 12)) | 1;
    const writable = kind === FRAME_RAM ? word : 0;
    const { i32 } = this;
    i32[TLB_SUPERVISOR_READ + page] = word;
    i32[TLB_USER_READ + page] = (info & INFO_USER_READ) !== 0 ? word : 0;
    i32[TLB_SUPERVISOR_WRITE + page] = (info & INFO_SUPERVISOR_WRITE) !== 0 ? writable : 0;
    i32[TLB_USER_WRITE + page] = (info & INFO_USER_WRITE) !== 0 ? writable : 0;
  }

  private dropData(page: number): void {
    const { i32 } = this;
    this.info[page] = this.info[page]! & (INFO_CODE | INFO_CODE_GLOBAL | INFO_CODE_USER);
    i32[TLB_SUPERVISOR_READ + page] = 0;
    i32[TLB_USER_READ + page] = 0;
    i32[TLB_SUPERVISOR_WRITE + page] = 0;
    i32[TLB_USER_WRITE + page] = 0;
    this.dataGeneration++;
  }

  private dropCode(page: number): void {
    this.info[page] = this.info[page]! & ~(INFO_CODE | INFO_CODE_GLOBAL | INFO_CODE_USER);
    this.codeFrame.delete(page);
    this.i32[TLB_SUPERVISOR_EXEC + page] = 0;
    this.i32[TLB_USER_EXEC + page] = 0;
    this.codeGeneration++;
  }

  // ---- invalidation --------------------------------------------------------------------------------------------

  /** Drops every entry; global ones too when `global` (SDM vol. 3, 4.10.4). */
  flush(global: boolean): void {
    this.data.filter((page) => {
      if (!global && (this.info[page]! & INFO_GLOBAL) !== 0) return true;
      this.dropData(page);
      return false;
    });
    this.code.filter((page) => {
      if (!global && (this.info[page]! & INFO_CODE_GLOBAL) !== 0) return true;
      this.dropCode(page);
      return false;
    });
    this.codeGeneration++;
  }

  /** Drops the entries of the page of `la` (INVLPG): all pieces of it if it may be a large one (SDM vol. 3, 4.10.4.1). */
  invalidate(la: number): void {
    const page = la >>> 12;
    if (this.largeRegions.delete(page >>> 10)) {
      const first = page & ~0x3ff;
      for (let piece = first; piece < first + 0x400; piece++) this.invalidatePiece(piece);
    } else this.invalidatePiece(page);
  }

  private invalidatePiece(page: number): void {
    if ((this.info[page]! & INFO_DATA) !== 0) {
      this.data.filter((p) => p !== page);
      this.dropData(page);
    }
    if ((this.info[page]! & INFO_CODE) !== 0) {
      this.code.filter((p) => p !== page);
      this.dropCode(page);
    }
  }

  /** A frame's FRAME_* kind changed: rewrites the heap's tables of every resident page that maps it. */
  frameKindChanged(frame: number): void {
    const { data } = this;
    data.filter((page) => {
      if (this.info[page]! >>> 12 === frame) this.exposeData(page);
      return true;
    });
  }

  /** From now on accesses to these linear pages are held against the data breakpoints. */
  watch(pages: ReadonlySet<number>): void {
    const before = this.watched;
    this.watched = pages;
    this.watching = pages.size !== 0;
    for (const page of [...before, ...pages]) if ((this.info[page]! & INFO_DATA) !== 0) this.exposeData(page);
  }

  /** Whether accesses to a linear page are held against the data breakpoints. */
  watches(page: number): boolean {
    return this.watching && this.watched.has(page);
  }

  private note(la: number, size: number, watch: number): void {
    const hits = breakpointsHit(this.cpu, la, size, watch);
    if (hits === 0) return;
    this.cpu.debugHits |= hits;
    this.cpu.recheck = true;
  }

  // ---- slow paths ----------------------------------------------------------------------------------------------

  /** Machine-physical address of `la` for a read; fills the TLB or throws the trap. */
  private physical(la: number, access: number, user: boolean): number {
    const page = la >>> 12;
    const needed = access === ACCESS_READ ? (user ? INFO_USER_READ : INFO_DATA) : user ? INFO_USER_WRITE : INFO_SUPERVISOR_WRITE;
    if ((this.info[page]! & needed) === 0) {
      this.cpu.ledger.count(this.walkEvent);
      this.cpu.strategy.translate(this.cpu, la, access, user);
    }
    return (this.info[page]! & 0xfffff000) | (la & 0xfff);
  }

  /** Machine-physical address of `la`, whose page is resident in the data TLB (a probe came before). */
  residentAddress(la: number): number {
    return ((this.info[la >>> 12]! & 0xfffff000) | (la & 0xfff)) >>> 0;
  }

  /** Reads `size` bytes (unsigned) with user or supervisor rights; page crossing and MMIO included. */
  readAs(la: number, size: 1 | 2 | 4, user: boolean): number {
    la |= 0;
    if (this.watching) this.note(la, size, WATCH_ACCESS);
    if ((la & 0xfff) + size <= 4096) return this.memory.read(this.physical(la, ACCESS_READ, user), size);
    let value = 0;
    // Both pages are translated first: a fault on the second is taken before anything is read.
    this.physical(la, ACCESS_READ, user);
    this.physical((la | 0xfff) + 1 | 0, ACCESS_READ, user);
    for (let i = 0; i < size; i++) value |= this.memory.read(this.physical((la + i) | 0, ACCESS_READ, user), 1) << (8 * i);
    return value >>> 0;
  }

  writeAs(la: number, size: 1 | 2 | 4, value: number, user: boolean): void {
    la |= 0;
    if (this.watching) this.note(la, size, WATCH_WRITE);
    if ((la & 0xfff) + size <= 4096) return this.memory.write(this.physical(la, ACCESS_WRITE, user), size, value);
    this.physical(la, ACCESS_WRITE, user);
    this.physical((la | 0xfff) + 1 | 0, ACCESS_WRITE, user);
    for (let i = 0; i < size; i++) this.memory.write(this.physical((la + i) | 0, ACCESS_WRITE, user), 1, value >>> (8 * i));
  }

  /**
   * Makes sure that `size` bytes at `la` can be written without a fault (the read of a read-modify-write), and are resident:
   * the second page may push the first out, which then comes back.
   */
  probeWrite(la: number, size: number, user: boolean = this.user): void {
    this.physical(la | 0, ACCESS_WRITE, user);
    if ((la & 0xfff) + size <= 4096) return;
    this.physical((la | 0xfff) + 1 | 0, ACCESS_WRITE, user);
    this.physical(la | 0, ACCESS_WRITE, user);
  }

  /** Makes sure that `size` bytes at `la` can be read without a fault, and are resident. */
  probeRead(la: number, size: number, user: boolean = this.user): void {
    this.physical(la | 0, ACCESS_READ, user);
    if ((la & 0xfff) + size <= 4096) return;
    this.physical((la | 0xfff) + 1 | 0, ACCESS_READ, user);
    this.physical(la | 0, ACCESS_READ, user);
  }

  // ---- the running code's accesses -------------------------------------------------------------------------------

  read8(la: number): number {
    const s = this.i32[this.readTable + (la >>> 12)]!;
    return s !== 0 ? this.u8[(la + s - 1) >>> 0]! : this.readAs(la, 1, this.user);
  }

  read16(la: number): number {
    const s = this.i32[this.readTable + (la >>> 12)]!;
    return s !== 0 && (la & 0xfff) < 0xfff ? this.view.getUint16((la + s - 1) >>> 0, true) : this.readAs(la, 2, this.user);
  }

  /** Signed. */
  read32(la: number): number {
    const s = this.i32[this.readTable + (la >>> 12)]!;
    if ((la & 3) < (s & 1)) return this.i32[(la + s) >>> 2]!;
    return s !== 0 && (la & 0xfff) < 0xffd ? this.view.getInt32((la + s - 1) >>> 0, true) : this.readAs(la, 4, this.user) | 0;
  }

  write8(la: number, value: number): void {
    const s = this.i32[this.writeTable + (la >>> 12)]!;
    if (s !== 0) this.u8[(la + s - 1) >>> 0] = value;
    else this.writeAs(la, 1, value & 0xff, this.user);
  }

  write16(la: number, value: number): void {
    const s = this.i32[this.writeTable + (la >>> 12)]!;
    if (s !== 0 && (la & 0xfff) < 0xfff) this.view.setInt16((la + s - 1) >>> 0, value, true);
    else this.writeAs(la, 2, value & 0xffff, this.user);
  }

  write32(la: number, value: number): void {
    const s = this.i32[this.writeTable + (la >>> 12)]!;
    if ((la & 3) < (s & 1)) this.i32[(la + s) >>> 2] = value;
    else if (s !== 0 && (la & 0xfff) < 0xffd) this.view.setInt32((la + s - 1) >>> 0, value, true);
    else this.writeAs(la, 4, value, this.user);
  }

  // ---- code ------------------------------------------------------------------------------------------------------

  /** Machine-physical address of the instruction byte at `la` for the running privilege; fills the instruction TLB or throws the trap. */
  codeAddress(la: number): number {
    const page = la >>> 12;
    const needed = this.user ? INFO_CODE_USER : INFO_CODE;
    if ((this.info[page]! & needed) === 0) {
      this.cpu.ledger.count(this.codeWalkEvent);
      this.cpu.strategy.translate(this.cpu, la, ACCESS_EXECUTE, this.user);
    }
    return ((this.codeFrame.get(page)! << 12) | (la & 0xfff)) >>> 0;
  }

  /** Marks the frame of a machine-physical address as holding cached code, or no longer. */
  setCode(frame: number, cached: boolean): void {
    const kind = this.memory.kindOf(frame);
    if ((kind & FRAME_MMIO) !== 0 || ((kind & FRAME_CODE) !== 0) === cached) return;
    this.memory.kind[frame] = cached ? kind | FRAME_CODE : kind & ~FRAME_CODE;
    this.frameKindChanged(frame);
  }
}
