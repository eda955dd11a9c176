import { LastLevelCache } from "./cache.js";
import * as S from "./cpu-state.js";
import { RAM_BASE, TLB_PAGES, TLB_SUPERVISOR_EXEC, TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_USER_EXEC, TLB_USER_READ, TLB_USER_WRITE } from "./heap.js";
import type { Cpu } from "./cpu.js";
import { breakpointsHit, WATCH_ACCESS, WATCH_WRITE } from "./debug-registers.js";
import { FRAME_CODE, FRAME_MMIO, FRAME_RAM, type Memory } from "./memory.js";
import type { Walk } from "./paging.js";
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE } from "./strategy.js";

/** Bits of a page's entry in `info`: the modelled TLB's content, whatever generated code may use of it. */
const INFO_DATA = 1, INFO_SUPERVISOR_WRITE = 2, INFO_USER_READ = 4, INFO_USER_WRITE = 8, INFO_GLOBAL = 0x10, INFO_CODE = 0x20, INFO_CODE_GLOBAL = 0x40, INFO_CODE_USER = 0x80;

/** `info` of a page that is a 4 KB piece of a resident large one: it has no entry of its own. */
const INFO_PIECE = 0x100, INFO_CODE_PIECE = 0x200;
const DATA_BITS = INFO_DATA | INFO_SUPERVISOR_WRITE | INFO_USER_READ | INFO_USER_WRITE | INFO_GLOBAL | INFO_PIECE;
const CODE_BITS = INFO_CODE | INFO_CODE_GLOBAL | INFO_CODE_USER | INFO_CODE_PIECE;

/** A large page's entry among those of small ones: this bit, and the number of its first 2 MB region. */
const LARGE = 1 << 20;
const REGIONS = 1 << 11, PAGES_A_REGION = 1 << 9;
/** In a region's entry: it is half of a 4 MB page. */
const INFO_HALF = 0x400;
/** Pieces of large pages whose use generated code may not see: what it reads of more of them at once is seen by the cache. */
const PIECES = 64;

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
    const { pages, oldest } = this;
    if (this.count < pages.length) {
      pages[(oldest + this.count++) % pages.length] = page;
      return -1;
    }
    const out = pages[oldest]!, next = oldest + 1;
    pages[oldest] = page;
    this.oldest = next === pages.length ? 0 : next;
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
  /** Entries of large pages; the same sets as above where the processor has no others. */
  private readonly largeData: Residency;
  private readonly largeCode: Residency;
  /** For each 2 MB region a large page's entry covers: machine address of the region above the INFO_* bits. */
  private readonly large = new Int32Array(REGIONS);
  private readonly pieces = new Residency(PIECES);
  private readonly cache: LastLevelCache | undefined;
  private readonly walkEvent: number;
  private readonly codeWalkEvent: number;
  private readonly evictEvent: number;
  private readonly referenceEvent: number;

  /** Linear pages with bytes that data breakpoints watch: never in the heap's tables, so that every access comes to `readAs` and `writeAs`. */
  private watched: ReadonlySet<number> = new Set();
  private watching = false;

  /** Word indices of the tables for the current privilege: add a linear page number. */
  readTable = TLB_SUPERVISOR_READ;
  writeTable = TLB_SUPERVISOR_WRITE;
  execTable = TLB_SUPERVISOR_EXEC;
  user = false;

  constructor(cpu: Cpu, memory: Memory) {
    const { tlb, cache } = cpu.ledger.profile;
    this.cpu = cpu;
    this.memory = memory;
    this.i32 = memory.heap.i32;
    this.u8 = memory.heap.u8;
    this.view = memory.heap.view;
    this.data = new Residency(tlb.data);
    this.code = new Residency(tlb.instruction);
    this.largeData = tlb.largeData === undefined ? this.data : new Residency(tlb.largeData);
    this.largeCode = tlb.largeInstruction === undefined ? this.code : new Residency(tlb.largeInstruction);
    this.cache = cache === undefined ? undefined : new LastLevelCache(cpu.ledger, cache);
    this.walkEvent = cpu.ledger.id("tlb.walk");
    this.codeWalkEvent = cpu.ledger.id("tlb.walk_instruction");
    this.evictEvent = cpu.ledger.id("tlb.evict");
    this.referenceEvent = cpu.ledger.id("tlb.reference");
    this.i32[S.CODE_GENERATION] = 1;
    this.i32[S.STACK_PAGE] = this.i32[S.STACK_PAGE + S.STACK_USER] = S.STACK_NONE;
  }

  setPrivilege(user: boolean): void {
    this.user = user;
    this.readTable = user ? TLB_USER_READ : TLB_SUPERVISOR_READ;
    this.writeTable = user ? TLB_USER_WRITE : TLB_SUPERVISOR_WRITE;
    this.execTable = user ? TLB_USER_EXEC : TLB_SUPERVISOR_EXEC;
  }

  // ---- filling -------------------------------------------------------------------------------------------------

  /** A page-table entry at a machine-physical address was read by a walk. */
  referenced(pa: number): void {
    this.cpu.ledger.count(this.referenceEvent);
    this.cache?.reference(pa >>> 0);
  }

  /** The first `n` of these page-table entries were read by a walk, in this order. */
  allReferenced(addresses: Int32Array, n: number): void {
    this.cpu.ledger.count(this.referenceEvent, n);
    this.cache?.walked(addresses, n);
  }

  /** A walk of tables in machine memory is over, whatever came of it. */
  walked({ references, upperAddress, entryAddress }: Walk): void {
    if (references === 0) return;
    if (references > 1) this.referenced(upperAddress);
    this.referenced(entryAddress);
  }

  /**
   * Called by Strategy.translate: linear page of `la` is the machine page at `pa`. `writable` and `dirty` as the walk
   * gave them; `supervisorWrites` says that supervisor code ignores R/W (CR0.WP clear). `pageBytes` is the size of the page
   * that this is a 4 KB piece of, when that lies in one piece in machine memory too: it gets one entry.
   */
  insert(la: number, pa: number, access: number, user: boolean, writable: boolean, dirty: boolean, global: boolean, supervisorWrites: boolean,
    pageBytes = 4096): void {
    const page = la >>> 12;
    const bits = access === ACCESS_EXECUTE ? INFO_CODE | (global ? INFO_CODE_GLOBAL : 0) | (user ? INFO_CODE_USER : 0)
      : INFO_DATA | (global ? INFO_GLOBAL : 0) | (user ? INFO_USER_READ : 0) |
      (dirty && (writable || supervisorWrites) ? INFO_SUPERVISOR_WRITE : 0) | (dirty && writable && user ? INFO_USER_WRITE : 0);
    if (pageBytes !== 4096) return this.insertLarge(page, pa >>> 12, bits, pageBytes >>> 12);
    // Tables that have changed without an invalidation: the small page takes the large one's place.
    if (this.large[page >>> 9] !== 0) this.dropLarge(page >>> 9);
    if (access === ACCESS_EXECUTE) {
      if ((this.info[page]! & INFO_CODE) === 0) this.evictCode(this.code.add(page));
      return this.exposeCode(page, pa >>> 12, bits);
    }
    if ((this.info[page]! & INFO_DATA) === 0) {
      this.evictData(this.data.add(page));
      this.cache?.filled(page, (pa & 0xfffff000 | la & 0xfff) >>> 0);
    }
    this.setData(page, pa >>> 12, bits);
  }

  private setData(page: number, frame: number, bits: number): void {
    this.info[page] = (frame << 12) | (this.info[page]! & CODE_BITS) | bits;
    this.exposeData(page);
  }

  private exposeCode(page: number, frame: number, bits: number): void {
    this.info[page] = this.info[page]! & ~CODE_BITS | bits;
    this.codeFrame.set(page, frame);
    const word = (this.memory.kindOf(frame) & FRAME_MMIO) !== 0 ? 0 : (RAM_BASE + (frame << 12) - (page << 12)) | 1;
    this.setCodeWord(TLB_SUPERVISOR_EXEC + page, word);
    this.setCodeWord(TLB_USER_EXEC + page, (bits & INFO_CODE_USER) !== 0 ? word : 0);
  }

  private setCodeWord(at: number, word: number): void {
    const before = this.i32[at]!;
    if (before === word) return;
    this.i32[at] = word;
    if (before !== 0) this.i32[S.CODE_GENERATION] = this.i32[S.CODE_GENERATION]! + 1 | 0 || 1;
  }

  private evictData(out: number): void {
    if (out < 0) return;
    this.cpu.ledger.count(this.evictEvent);
    if (out >= LARGE) this.forgetLargeData(out & ~LARGE);
    else this.dropData(out);
  }

  private evictCode(out: number): void {
    if (out < 0) return;
    if (out >= LARGE) this.forgetLargeCode(out & ~LARGE);
    else this.dropCode(out);
  }

  // ---- large pages -----------------------------------------------------------------------------------------------

  /** As `insert` for a page of `pages` small ones; what was accessed is exposed, the rest of it when it is accessed. */
  private insertLarge(page: number, frame: number, bits: number, pages: number): void {
    const { large } = this;
    const regions = pages / PAGES_A_REGION, first = (page >>> 9) & -regions, base = frame - (page & (pages - 1));
    const half = regions === 2 ? INFO_HALF : 0, code = (bits & INFO_CODE) !== 0;
    this.dropSmall(page);
    const old = large[first]!;
    // One record serves both TLBs: an entry of another size or place goes.
    if (old !== 0 && ((old & INFO_HALF) !== half || (old & 0xfffff000) !== base << 12 || (large[page >>> 9]! & INFO_HALF) !== half)) this.dropLarge(page >>> 9);
    else if (code ? (old & INFO_CODE) !== 0 : (old & INFO_DATA) !== 0) code ? this.hideCode(first, regions) : this.hideData(first, regions);
    const present = large[first]! & (code ? INFO_CODE : INFO_DATA);
    if (present === 0) code ? this.evictCode(this.largeCode.add(LARGE | first)) : this.evictData(this.largeData.add(LARGE | first));
    for (let i = 0; i < regions; i++) {
      if (i !== 0 && present === 0 && ((large[first + i]! & INFO_HALF) === 0 && large[first + i] !== 0)) this.dropLarge(first + i);
      large[first + i] = (base + i * PAGES_A_REGION) << 12 | large[first + i]! & (code ? DATA_BITS : CODE_BITS) | half | bits;
    }
    if (code) this.exposeCode(page, frame, bits | INFO_CODE_PIECE);
    else this.addPiece(page);
  }

  /** Exposes a piece of a resident large page, if there is one that grants `needed`: no walk. */
  private pieceOfLarge(page: number, needed: number): boolean {
    const entry = this.large[page >>> 9]!;
    if ((entry & needed) === 0) return false;
    if ((needed & CODE_BITS) !== 0) this.exposeCode(page, (entry >>> 12) + (page & PAGES_A_REGION - 1), entry & CODE_BITS | INFO_CODE_PIECE);
    else this.addPiece(page);
    return true;
  }

  private addPiece(page: number): void {
    const entry = this.large[page >>> 9]!, frame = (entry >>> 12) + (page & PAGES_A_REGION - 1);
    if ((this.info[page]! & INFO_DATA) === 0) {
      const out = this.pieces.add(page);
      if (out >= 0) this.dropData(out);
      this.cache?.filled(page, frame * 4096);
    }
    this.setData(page, frame, entry & DATA_BITS | INFO_PIECE);
  }

  /** A page that has small entries gets a large one. */
  private dropSmall(page: number): void {
    const info = this.info[page]!;
    if ((info & (INFO_DATA | INFO_PIECE)) === INFO_DATA) this.invalidateData(page);
    if ((info & (INFO_CODE | INFO_CODE_PIECE)) === INFO_CODE) this.invalidateCode(page);
  }

  /** Drops the large page that covers a region from both TLBs. */
  private dropLarge(region: number): void {
    const entry = this.large[region]!;
    const first = (entry & INFO_HALF) !== 0 ? region & ~1 : region, key = LARGE | first;
    if ((entry & INFO_DATA) !== 0) {
      this.largeData.filter((page) => page !== key);
      this.forgetLargeData(first);
    }
    if ((entry & INFO_CODE) !== 0) {
      this.largeCode.filter((page) => page !== key);
      this.forgetLargeCode(first);
    }
  }

  private forgetLargeData(first: number): void {
    this.forgetLarge(first, CODE_BITS, this.hideData);
  }

  private forgetLargeCode(first: number): void {
    this.forgetLarge(first, DATA_BITS, this.hideCode);
  }

  private forgetLarge(first: number, kept: number, hide: (first: number, regions: number) => void): void {
    const entry = this.large[first]!, regions = (entry & INFO_HALF) !== 0 ? 2 : 1;
    hide.call(this, first, regions);
    const rest = (entry & kept & (INFO_DATA | INFO_CODE)) === 0 ? 0 : 0xfffff000 | INFO_HALF | kept;
    for (let i = 0; i < regions; i++) this.large[first + i] = this.large[first + i]! & rest;
  }

  private hideData(first: number, regions: number): void {
    const from = first * PAGES_A_REGION, to = from + regions * PAGES_A_REGION;
    this.pieces.filter((page) => {
      if (page < from || page >= to) return true;
      this.dropData(page);
      return false;
    });
  }

  private hideCode(first: number, regions: number): void {
    const from = first * PAGES_A_REGION;
    for (let page = from; page < from + regions * PAGES_A_REGION; page++) if ((this.info[page]! & INFO_CODE_PIECE) !== 0) this.dropCode(page);
  }

  // ---- the heap's tables -----------------------------------------------------------------------------------------

  /** Writes the heap's tables for a page from `info`. */
  private exposeData(page: number): void {
    this.forgetStack(page);
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

  /** What generated code has kept of a page's entry. */
  private forgetStack(page: number): void {
    const { i32 } = this, la = page << 12;
    if (i32[S.STACK_PAGE] === la) i32[S.STACK_PAGE] = S.STACK_NONE;
    if (i32[S.STACK_PAGE + S.STACK_USER] === la) i32[S.STACK_PAGE + S.STACK_USER] = S.STACK_NONE;
  }

  private dropData(page: number): void {
    const { i32 } = this;
    this.forgetStack(page);
    this.info[page] = this.info[page]! & CODE_BITS;
    i32[TLB_SUPERVISOR_READ + page] = 0;
    i32[TLB_USER_READ + page] = 0;
    i32[TLB_SUPERVISOR_WRITE + page] = 0;
    i32[TLB_USER_WRITE + page] = 0;
  }

  private dropCode(page: number): void {
    this.info[page] = this.info[page]! & ~CODE_BITS;
    this.codeFrame.delete(page);
    this.setCodeWord(TLB_SUPERVISOR_EXEC + page, 0);
    this.setCodeWord(TLB_USER_EXEC + page, 0);
  }

  // ---- invalidation --------------------------------------------------------------------------------------------

  /** Drops every entry; global ones too when `global` (SDM vol. 3, 4.10.4). */
  flush(global: boolean): void {
    const flushData = (page: number): boolean => {
      if (!global && (this.bitsOf(page) & INFO_GLOBAL) !== 0) return true;
      if (page >= LARGE) this.forgetLargeData(page & ~LARGE);
      else this.dropData(page);
      return false;
    };
    const flushCode = (page: number): boolean => {
      if (!global && (this.bitsOf(page) & INFO_CODE_GLOBAL) !== 0) return true;
      if (page >= LARGE) this.forgetLargeCode(page & ~LARGE);
      else this.dropCode(page);
      return false;
    };
    this.data.filter(flushData);
    this.code.filter(flushCode);
    if (this.largeData !== this.data) this.largeData.filter(flushData);
    if (this.largeCode !== this.code) this.largeCode.filter(flushCode);
  }

  private bitsOf(entry: number): number {
    return entry >= LARGE ? this.large[entry & ~LARGE]! : this.info[entry]!;
  }

  /** Drops the entries of the page of `la` (INVLPG), be it a large one (SDM vol. 3, 4.10.4.1). */
  invalidate(la: number): void {
    const page = la >>> 12;
    if (this.large[page >>> 9] !== 0) this.dropLarge(page >>> 9);
    if ((this.info[page]! & INFO_DATA) !== 0) this.invalidateData(page);
    if ((this.info[page]! & INFO_CODE) !== 0) this.invalidateCode(page);
  }

  private invalidateData(page: number): void {
    this.data.filter((p) => p !== page);
    this.dropData(page);
  }

  private invalidateCode(page: number): void {
    this.code.filter((p) => p !== page);
    this.dropCode(page);
  }

  /** A frame's FRAME_* kind changed: rewrites the heap's tables of every resident page that maps it. */
  frameKindChanged(frame: number): void {
    const expose = (page: number): boolean => {
      if (page < LARGE && this.info[page]! >>> 12 === frame) this.exposeData(page);
      return true;
    };
    this.data.filter(expose);
    this.pieces.filter(expose);
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
    if ((this.info[page]! & needed) === 0 && !this.pieceOfLarge(page, needed)) {
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
    if ((this.info[page]! & needed) === 0 && !this.pieceOfLarge(page, needed)) {
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
