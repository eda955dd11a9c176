import type { GuestMemory } from "../devices/device.js";
import type { Machine } from "../machine.js";
import { FRAME_MMIO } from "../memory.js";
import { createWalk, PTE_A, PTE_D, PTE_G, PTE_P, PTE_PS, PTE_RW, PTE_US, type TableMemory, type Walk, walkPageTables } from "../paging.js";
import { ACCESS_WRITE } from "../strategy.js";
import { PF, PF_PRESENT, PF_USER, PF_WRITE } from "../trap.js";
import { auditCoherence } from "./audit.js";
import { MonitorFrames } from "./monitor-frames.js";
import { createPhysicalMap, type PhysicalMap } from "./p2m.js";
import { ShadowCache } from "./shadow-cache.js";
import { directoryShift, entryShift, type GuestPaging, levelOf, modeRole, ROLE_LARGE, ROLE_PAE, ROLE_PGE, ROLE_RW, ROLE_US, roleRights, type ShadowPage } from "./shadow-page.js";
import { OpenPages } from "./traces.js";

export type { GuestPaging } from "./shadow-page.js";

/**
 * What a page fault on the shadow tables was:
 * - hidden: the guest's tables allow the access; the shadow has been filled, run the instruction again;
 * - true: the guest's own fault, with error code `shadow.errorCode`, to be forwarded to it;
 * - trace: a write the guest allows to a page that is traced; let it through with `shadow.step`;
 * - mmio: the guest allows it and there is no memory behind; `shadow.gpa` is where it goes.
 */
export type FaultKind = "hidden" | "true" | "trace" | "mmio";

export interface ShadowOptions {
  /** Where shadow tables are put; default: all of the machine's monitor memory. */
  readonly frames?: MonitorFrames;
  /** Told of each page fault of the hardware's walk after it was classified; hvm counts its exits here. */
  readonly onFault?: (la: number, errorCode: number, kind: FaultKind) => void;
}

/** A write that was stopped because its page is traced. */
export interface PendingTrace {
  readonly la: number;
  readonly gpa: number;
}

/** Writes to an address space that is not in use, since its last use, after which its tables are taken to be something else now. */
const UNUSED_WRITES = 4;

/**
 * Shadow page tables (Adams and Agesen, ASPLOS 2006, 2.3 and 3.1; SDM vol. 3, chapter 4): the processor walks tables in
 * monitor frames that the monitor fills on demand from the guest's. Everything the guest's tables say is in its own
 * memory at all times (A and D bits included), and every shadow entry is what the guest's entry allows now.
 */
export class Shadow {
  readonly machine: Machine;
  readonly p2m: PhysicalMap;
  readonly cache: ShadowCache;
  private readonly onFault: ShadowOptions["onFault"];
  private readonly walk: Walk = createWalk();
  private readonly guestWalk: Walk = createWalk();
  private readonly tables: TableMemory;
  private readonly opened: OpenPages;
  private readonly watchers = new Map<number, ((gfn: number, offset: number) => void)[]>();
  private readonly events: Readonly<Record<"hidden" | "true" | "trace" | "mmio" | "fill" | "zap" | "update" | "switch" | "unused", number>>;

  /** Guest-physical memory as loaders and bus masters see it; what they write reaches the shadows. */
  readonly guestMemory: GuestMemory;

  private mode: GuestPaging = { paging: false, pae: false, pse: false, wp: true, pge: false };
  private hardware = { pae: false, pse: false, wp: true, pge: true };
  private role = modeRole(this.mode);
  private rootGpa = 0;
  private stepping = 0;
  private pending: PendingTrace | null = null;
  /** Leaf entries written by the guest are filled at once when they are accessed already (adaptive callouts). */
  private eager = false;

  /** Error code of the last true fault, for the guest. */
  errorCode = 0;
  /** Guest-physical address of the last access that was allowed. */
  gpa = 0;

  constructor(machine: Machine, p2m: PhysicalMap, options: ShadowOptions = {}) {
    this.machine = machine;
    this.p2m = p2m;
    this.cache = new ShadowCache(machine, p2m, options.frames ?? new MonitorFrames(machine));
    this.onFault = options.onFault;
    this.opened = new OpenPages(machine);
    this.guestMemory = {
      size: machine.guestBytes,
      read: (gpa, into) => p2m.readBytes(gpa, into),
      write: (gpa, from) => {
        p2m.writeBytes(gpa, from);
        this.guestWritten(gpa, from.length);
      },
    };
    this.tables = { read32: (pa) => this.cache.read(pa), write32: (pa, value) => this.cache.write(pa, value) };
    const { ledger } = machine;
    this.events = {
      hidden: ledger.id("shadow.hidden_fault"), true: ledger.id("shadow.true_fault"), trace: ledger.id("shadow.trace"), mmio: ledger.id("shadow.mmio"),
      fill: ledger.id("shadow.fill"), zap: ledger.id("shadow.zap"), update: ledger.id("shadow.update"), switch: ledger.id("shadow.switch"),
      unused: ledger.id("shadow.untrace"),
    };
  }

  // ---- the processor's side ------------------------------------------------------------------------------------------

  /**
   * Strategy.translate for guests under dbt and classic: walks the shadow tables, and on a fault enters the monitor.
   * Raises a true fault as the guest's own (CR2 set); raises #PF without touching CR2 for a traced write, whose
   * handler finds it with `takeTrace`.
   */
  translate(la: number, access: number, user: boolean): void {
    while (!this.lookup(la, access, user)) {
      const errorCode = (access === ACCESS_WRITE ? PF_WRITE : 0) | (user ? PF_USER : 0) | this.walk.error & PF_PRESENT;
      const kind = this.handleFault(la, errorCode);
      if (kind === "true") {
        this.pending = null;
        this.machine.cpu.pageFault(la, this.errorCode);
      }
      if (kind === "trace") return this.stopOrOpen(la, access, user);
      if (kind === "mmio") return this.expose(la, access);
    }
  }

  /** The hardware's part: walks the shadow tables and fills the TLB; false on a page fault. */
  lookup(la: number, access: number, user: boolean): boolean {
    const root = this.root();
    const walk = walkPageTables(this.walk, this.tables, root.frame << 12, this.hardware, la, access === ACCESS_WRITE, user, true);
    if (walk.fault) return false;
    this.machine.cpu.mmu.insert(la, walk.pa, access, walk.user, walk.writable, walk.dirty, walk.global, false);
    return true;
  }

  private root(): ShadowPage {
    return this.cache.obtain(this.rootGpa, this.rootRole());
  }

  private rootRole(): number {
    return this.role | ((this.role & ROLE_PAE) !== 0 ? 3 : 2);
  }

  /** A traced write stops the instruction, unless the monitor is letting one through. */
  private stopOrOpen(la: number, access: number, user: boolean): void {
    const { gpa } = this;
    if (this.stepping === 0) {
      this.pending = { la, gpa };
      this.machine.cpu.raise(PF, PF_PRESENT | PF_WRITE | (user ? PF_USER : 0));
    }
    this.opened.add(gpa >>> 12, this.p2m.machineFrame(gpa >>> 12), la);
    this.expose(la, access);
  }

  /** Puts the last access's page in the TLB without a shadow entry. */
  private expose(la: number, access: number): void {
    const { user, writable, dirty } = this.guestWalk;
    this.machine.cpu.mmu.insert(la, this.p2m.machineAddress(this.gpa), access, user, writable, dirty, false, !this.mode.wp);
  }

  // ---- page faults ---------------------------------------------------------------------------------------------------

  /** Classifies a page fault of the shadow walk (error code as the hardware gives it) and fills the shadow for a hidden one. */
  handleFault(la: number, errorCode: number): FaultKind {
    const kind = this.classify(la, (errorCode & PF_WRITE) !== 0, (errorCode & PF_USER) !== 0);
    // The monitor's own write to a traced page opens it without a fault of the hardware.
    if (kind === "trace" && this.stepping !== 0) return kind;
    this.machine.ledger.count(this.events[kind]);
    this.onFault?.(la, errorCode, kind);
    return kind;
  }

  private classify(la: number, write: boolean, user: boolean): FaultKind {
    const walk = this.walkGuest(la, write, user);
    if (walk.fault) {
      this.errorCode = walk.error;
      return "true";
    }
    this.gpa = walk.pa | la & 0xfff;
    const gfn = this.gpa >>> 12;
    if (!this.tablesInMemory(la)) {
      // Tables that no trace can follow: nothing of them is kept but in the TLB, until the guest invalidates that.
      if (!this.cache.traced(gfn)) this.cache.unrecorded = true;
      return write && this.cache.traced(gfn) ? "trace" : this.exposable(gfn);
    }
    const leaf = this.leafTable(la);
    if (write && this.cache.traced(gfn)) return "trace";
    if ((this.machine.memory.kindOf(this.p2m.machineFrame(gfn)) & FRAME_MMIO) !== 0) return "mmio";
    this.fillLeaf(leaf, la, gfn, write, user);
    return "hidden";
  }

  /** A page reached through unfollowable tables: as MMIO it goes to the TLB alone. A traced one must stay read-only there. */
  private exposable(gfn: number): FaultKind {
    if (this.cache.traced(gfn)) this.guestWalk.dirty = false;
    return "mmio";
  }

  private walkGuest(la: number, write: boolean, user: boolean): Walk {
    const walk = this.guestWalk;
    if (this.mode.paging) return walkPageTables(walk, this.p2m, this.rootGpa, this.mode, la, write, user, true);
    walk.fault = false;
    walk.pa = la & 0xfffff000;
    walk.user = walk.writable = walk.dirty = true;
    walk.global = false;
    walk.entry = la & 0xfffff000 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
    return walk;
  }

  // ---- filling -------------------------------------------------------------------------------------------------------

  private pdptEntry(la: number): number {
    return this.p2m.read32((this.rootGpa & 0xffffffe0) + ((la >>> 30) << 3));
  }

  private directoryEntryAddress(la: number): number {
    if (!this.mode.pae) return (this.rootGpa & 0xfffff000) + ((la >>> 22) << 2);
    return (this.pdptEntry(la) & 0xfffff000) + (((la >>> 21) & 0x1ff) << 3);
  }

  private isLarge(directoryEntry: number): boolean {
    return (directoryEntry & PTE_PS) !== 0 && (this.mode.pae || this.mode.pse);
  }

  /** Whether every guest table on the way to `la` (present all the way) lies in memory. */
  private tablesInMemory(la: number): boolean {
    if (!this.mode.paging) return true;
    const address = this.directoryEntryAddress(la);
    if (!this.p2m.isMemory(this.rootGpa >>> 12) || !this.p2m.isMemory(address >>> 12)) return false;
    const entry = this.p2m.read32(address);
    return this.isLarge(entry) || this.p2m.isMemory(entry >>> 12);
  }

  /** The shadow leaf table for `la`, linked under the root; made where it is missing. The pages of the path cannot be evicted meanwhile. */
  private leafTable(la: number): ShadowPage {
    const { cache } = this;
    cache.pinned.clear();
    const root = this.root();
    cache.pinned.add(root);
    let directory = root;
    if (this.mode.paging && this.mode.pae) {
      directory = cache.obtain(this.pdptEntry(la) & 0xfffff000, this.role | 2);
      cache.pinned.add(directory);
      cache.link(root, la >>> 30, directory);
    }
    const index = (la >>> directoryShift(this.role)) & ((this.role & ROLE_PAE) !== 0 ? 0x1ff : 0x3ff);
    const leaf = this.leafOf(la);
    cache.pinned.add(leaf);
    cache.link(directory, index, leaf);
    cache.pinned.clear();
    return leaf;
  }

  private leafOf(la: number): ShadowPage {
    const { cache, role } = this;
    if (!this.mode.paging) return cache.obtain(la & 0xffc00000, role | 1);
    const address = this.directoryEntryAddress(la);
    const entry = this.p2m.read32(address);
    if (this.isLarge(entry)) return cache.obtain(address, role | ROLE_LARGE | 1);
    return cache.obtain(entry & 0xfffff000, role | directoryRights(entry) | 1);
  }

  private fillLeaf(page: ShadowPage, la: number, gfn: number, write: boolean, user: boolean): void {
    this.machine.ledger.count(this.events.fill);
    const index = (la >>> 12) & ((this.role & ROLE_PAE) !== 0 ? 0x1ff : 0x3ff);
    let value = this.leafValue(page.role, this.guestWalk.entry, gfn);
    // CR0.WP clear: the supervisor writes where R/W forbids. The hardware runs with WP set, so the page becomes the
    // supervisor's until user code faults it back.
    if (write && !user && (value & PTE_RW) === 0) value = value & ~PTE_US | PTE_RW | PTE_D;
    this.cache.setLeaf(page, index, value);
  }

  /** What a leaf entry may hold for guest entry `entry` (present and accessed) that maps guest frame `gfn`. */
  private leafValue(role: number, entry: number, gfn: number): number {
    const rights = entry & roleRights(role);
    const writable = (rights & PTE_RW) !== 0 && (entry & PTE_D) !== 0 && !this.cache.traced(gfn);
    return this.p2m.machineFrame(gfn) << 12 | PTE_P | PTE_A | rights & PTE_US | (writable ? PTE_RW | PTE_D : 0) |
      ((role & ROLE_PGE) !== 0 ? entry & PTE_G : 0);
  }

  // ---- traced writes -------------------------------------------------------------------------------------------------

  /** The traced write that raised the #PF being handled, once; null when the fault is the guest's own. */
  takeTrace(): PendingTrace | null {
    const { pending } = this;
    this.pending = null;
    return pending;
  }

  /**
   * Runs `action` (the one instruction that was stopped, or the monitor's own delivery of an event) with traced pages
   * open, then brings the shadows to what was written; also when it throws. `eager` fills leaves that were written
   * rather than waiting for a hidden fault. Gives whether a traced page was opened.
   */
  step(action: () => void, eager = false): boolean {
    let traced = false;
    this.stepping++;
    try {
      action();
    } finally {
      this.stepping--;
      if (this.stepping === 0) traced = this.settle(eager);
    }
    return traced;
  }

  private settle(eager: boolean): boolean {
    this.eager = eager;
    const closed = this.opened.close((gfn, offset, before) => this.wordChanged(gfn, offset, before));
    this.eager = false;
    for (const gfn of closed) this.giveUpUnused(gfn);
    return closed.length !== 0;
  }

  /** Traces writes to a guest frame for another reader than the shadows (descriptor tables); gives the function that ends it. */
  watch(gfn: number, changed: (gfn: number, offset: number) => void): () => void {
    if (!this.p2m.isMemory(gfn)) return () => {};
    const list = this.watchers.get(gfn);
    if (list === undefined) this.watchers.set(gfn, [changed]);
    else list.push(changed);
    this.cache.trace(gfn);
    return () => {
      const rest = this.watchers.get(gfn)!.filter((w) => w !== changed);
      if (rest.length === 0) this.watchers.delete(gfn);
      else this.watchers.set(gfn, rest);
      this.cache.untrace(gfn);
    };
  }

  private wordChanged(gfn: number, offset: number, before: number): void {
    for (const page of [...this.cache.shadowsOf(gfn)]) this.entryChanged(page, offset, before);
    for (const changed of this.watchers.get(gfn) ?? []) changed(gfn, offset);
  }

  private entryChanged(page: ShadowPage, offset: number, before: number): void {
    const shift = entryShift(page.role);
    const index = offset >> shift;
    const address = this.cache.entryAddress(page, index);
    const entryGpa = (page.gpa & 0xfffff000) + (index << shift);
    const after = this.p2m.read32(entryGpa);
    const highWord = (offset & 4) !== 0 && shift === 3;
    page.writes++;
    if (levelOf(page) === 2) {
      const stale = highWord || ((before ^ after) & DIRECTORY_BITS) !== 0 || (after & PTE_A) === 0;
      if (!stale || (this.cache.read(address) & PTE_P) === 0) return;
      this.machine.ledger.count(this.events.zap);
      return this.cache.unlink(address);
    }
    this.leafChanged(page, index, address, after, shift === 3 ? this.p2m.read32(entryGpa + 4) : 0);
  }

  private leafChanged(page: ShadowPage, index: number, address: number, after: number, high: number): void {
    const { cache } = this;
    const old = cache.read(address);
    const gfn = after >>> 12;
    const usable = (after & (PTE_P | PTE_A)) === (PTE_P | PTE_A) && high === 0 && this.p2m.isMemory(gfn);
    cache.dropTranslation(address);
    if (usable && ((old & PTE_P) !== 0 || this.eager)) {
      this.machine.ledger.count(this.events.update);
      cache.setLeaf(page, index, this.leafValue(page.role, after, gfn));
    } else if ((old & PTE_P) !== 0) {
      this.machine.ledger.count(this.events.zap);
      cache.setLeaf(page, index, 0);
    }
  }

  /**
   * Stops shadowing tables that nothing uses: a written table no directory points to, or one outside the current address
   * space that was written again and again. Its frame is likely something else by now; if not, it is filled anew.
   */
  private giveUpUnused(gfn: number): void {
    for (const page of [...this.cache.shadowsOf(gfn)]) {
      if (this.inUse(page)) continue;
      if (page.parents.length === 0 && levelOf(page) === 1 || page.writes >= UNUSED_WRITES) this.unshadow(page);
    }
  }

  private unshadow(page: ShadowPage): void {
    this.machine.ledger.count(this.events.unused);
    this.cache.destroy(page);
  }

  /** Whether a page is reachable from the current root. */
  private inUse(page: ShadowPage): boolean {
    if (page.gpa === this.rootGpa && page.role === this.rootRole()) return true;
    return page.parents.some((entry) => this.inUse(this.cache.pageAt(entry)!));
  }

  /** Guest memory was written behind the processor's back (DMA, a loader): what shadows it is dropped. */
  guestWritten(gpa: number, length: number): void {
    if (length === 0) return;
    for (let gfn = gpa >>> 12; gfn <= (gpa + length - 1) >>> 12; gfn++) {
      for (const page of [...this.cache.shadowsOf(gfn)]) this.unshadow(page);
      for (const changed of this.watchers.get(gfn) ?? []) for (let offset = 0; offset < 4096; offset += 4) changed(gfn, offset);
    }
  }

  /** Strategy.guestToMachine: a device is about to read or write here, so the frame is shadowed no longer. */
  guestToMachine(gpa: number): number {
    if (this.cache.traced(gpa >>> 12)) this.guestWritten(gpa, 1);
    return this.p2m.dmaAddress(gpa);
  }

  // ---- the guest's control registers ---------------------------------------------------------------------------------

  /**
   * The guest's CR3 and paging mode are now these: MOV to CR3 (also of the same value), CR0 or CR4. Switches the
   * processor to that address space's shadow and flushes the TLB as the SDM demands (vol. 3, 4.10.4.1).
   */
  setRoot(cr3: number, mode: GuestPaging): void {
    const role = modeRole(mode);
    this.rootGpa = !mode.paging ? 0 : mode.pae ? (cr3 & 0xffffffe0) >>> 0 : (cr3 & 0xfffff000) >>> 0;
    this.machine.ledger.count(this.events.switch);
    this.machine.cpu.mmu.flush(role !== this.role);
    this.mode = mode;
    this.role = role;
    this.hardware = { pae: (role & ROLE_PAE) !== 0, pse: false, wp: true, pge: (role & ROLE_PGE) !== 0 };
    const root = this.cache.find(this.rootGpa, this.rootRole());
    if (root !== undefined && levelOf(root) === 3) this.loadPdptes(root);
  }

  /** The four PDPTEs are read when CR3 is loaded, not traced (SDM vol. 3, 4.4.1). */
  private loadPdptes(root: ShadowPage): void {
    for (let i = 0; i < 4; i++) {
      const address = this.cache.entryAddress(root, i);
      const child = this.cache.pageAt(this.cache.read(address));
      if (child === undefined) continue;
      const entry = this.pdptEntry(i << 30);
      if ((entry & PTE_P) === 0 || (entry & 0xfffff000) >>> 0 !== child.gpa) this.cache.unlink(address);
    }
  }

  /** CR3's value for the hardware: machine-physical address of the current root. */
  get shadowRoot(): number {
    return this.root().frame * 4096;
  }

  get guestPaging(): GuestPaging {
    return this.mode;
  }

  get guestRoot(): number {
    return this.rootGpa;
  }

  /** INVLPG of the guest. The shadows follow the guest's tables by themselves; only the TLB can be behind. */
  invalidate(la: number): void {
    this.machine.cpu.mmu.invalidate(la);
  }

  /** Forgets all shadows. */
  flush(): void {
    this.cache.destroyAll();
  }

  /** Compares every present shadow entry with the guest's tables; gives a line for each that is wrong. For tests. */
  auditCoherence(): string[] {
    return auditCoherence(this.machine, this.p2m, this.cache);
  }
}

/** Bits of a directory entry whose change makes its shadow wrong. */
const DIRECTORY_BITS = 0xfffff000 | PTE_P | PTE_RW | PTE_US | PTE_PS | PTE_D | PTE_G;

function directoryRights(entry: number): number {
  return ((entry & PTE_RW) !== 0 ? ROLE_RW : 0) | ((entry & PTE_US) !== 0 ? ROLE_US : 0);
}

/** Makes the shadow page tables of a machine over its guest-physical map. */
export function createShadow(machine: Machine, p2m: PhysicalMap = createPhysicalMap(machine), options: ShadowOptions = {}): Shadow {
  return new Shadow(machine, p2m, options);
}
