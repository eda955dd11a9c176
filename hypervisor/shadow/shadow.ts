import type { GuestMemory } from "../devices/device.js";
import { PAGE_SIZE } from "../heap.js";
import type { Machine } from "../machine.js";
import { FRAME_MMIO } from "../memory.js";
import { createWalk, type TableMemory, type Walk, walkPageTables } from "../paging.js";
import { ACCESS_WRITE } from "../strategy.js";
import { PF, PF_PRESENT, PF_USER, PF_WRITE } from "../trap.js";
import { auditCoherence } from "./audit.js";
import { GuestPageTables } from "./guest-page-tables.js";
import { MonitorFrames } from "./monitor-frames.js";
import { createPhysicalMap, type PhysicalMap } from "./p2m.js";
import { ShadowCache } from "./shadow-cache.js";
import { type GuestPaging, ROLE_PAE, ROLE_PGE } from "./shadow-page.js";
import { ShadowTables } from "./shadow-tables.js";
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
  private readonly guest: GuestPageTables;
  private readonly tables: ShadowTables;
  /** The processor's walk, and the shadow tables' memory as it reads them. */
  private readonly walk: Walk = createWalk();
  private readonly tableMemory: TableMemory;
  private readonly opened: OpenPages;
  private readonly watchers = new Map<number, ((gfn: number, offset: number) => void)[]>();
  private readonly events: Readonly<Record<FaultKind | "switch" | "exception", number>>;

  /** Guest-physical memory as loaders and bus masters see it; what they write reaches the shadows. */
  readonly guestMemory: GuestMemory;

  private hardware = { pae: false, pse: false, wp: true, pge: true };
  private stepping = 0;
  private pending: PendingTrace | null = null;

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
    this.tableMemory = { read32: (pa) => this.cache.read(pa), write32: (pa, value) => this.cache.write(pa, value) };
    const { ledger } = machine;
    this.guest = new GuestPageTables(p2m);
    this.tables = new ShadowTables(p2m, this.cache, this.guest, ledger);
    this.events = {
      hidden: ledger.id("shadow.hidden_fault"), true: ledger.id("shadow.true_fault"), trace: ledger.id("shadow.trace"), mmio: ledger.id("shadow.mmio"),
      switch: ledger.id("shadow.switch"), exception: ledger.id("trap.hidden_page_fault"),
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
      // The guest does not see it, the processor takes it: under hvm it is an exit, here an exception.
      if (kind === "hidden") this.machine.ledger.count(this.events.exception);
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
    const walk = walkPageTables(this.walk, this.tableMemory, this.shadowRoot, this.hardware, la, access === ACCESS_WRITE, user, true);
    this.machine.cpu.mmu.walked(walk);
    if (walk.fault) return false;
    this.machine.cpu.mmu.insert(la, walk.pa, access, walk.user, walk.writable, walk.dirty, walk.global, false);
    return true;
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
    const { user, writable, dirty } = this.guest.found;
    this.machine.cpu.mmu.insert(la, this.p2m.machineAddress(this.gpa), access, user, writable, dirty, false, !this.guest.mode.wp);
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
    const walk = this.guest.walk(la, write, user);
    if (walk.fault) {
      this.errorCode = walk.error;
      return "true";
    }
    this.gpa = this.p2m.onBus(walk.pa >>> 12) << 12 | la & 0xfff;
    const gfn = this.gpa >>> 12;
    if (!this.guest.inMemory(la)) {
      // Tables that no trace can follow: nothing of them is kept but in the TLB, until the guest invalidates that.
      if (!this.cache.traced(gfn)) this.cache.unrecorded = true;
      return write && this.cache.traced(gfn) ? "trace" : this.exposable(gfn);
    }
    const leaf = this.tables.leafTable(la);
    if (write && this.cache.traced(gfn)) return "trace";
    if ((this.machine.memory.kindOf(this.p2m.machineFrame(gfn)) & FRAME_MMIO) !== 0) return "mmio";
    this.tables.fillLeaf(leaf, la, gfn, write, user);
    return "hidden";
  }

  /** A page reached through unfollowable tables: as MMIO it goes to the TLB alone. A traced one must stay read-only there. */
  private exposable(gfn: number): FaultKind {
    if (this.cache.traced(gfn)) this.guest.found.dirty = false;
    return "mmio";
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
    const closed = this.opened.close((gfn, offset, before) => {
      this.tables.wordChanged(gfn, offset, before, eager);
      for (const changed of this.watchers.get(gfn) ?? []) changed(gfn, offset);
    });
    for (const gfn of closed) this.tables.giveUpUnused(gfn);
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

  /** Guest memory was written behind the processor's back (DMA, a loader): what shadows it is dropped. */
  guestWritten(gpa: number, length: number): void {
    if (length === 0) return;
    for (let gfn = gpa >>> 12; gfn <= (gpa + length - 1) >>> 12; gfn++) {
      this.tables.giveUp(gfn);
      const first = Math.max(gpa - gfn * PAGE_SIZE, 0) & ~3, end = Math.min(gpa + length - gfn * PAGE_SIZE, PAGE_SIZE);
      for (const changed of this.watchers.get(gfn) ?? []) for (let offset = first; offset < end; offset += 4) changed(gfn, offset);
    }
  }

  /** Strategy.guestToMachine: a device is about to read or write here, so the frame is shadowed no longer. */
  guestToMachine(gpa: number): number {
    if (this.cache.traced(gpa >>> 12)) this.guestWritten(gpa - gpa % PAGE_SIZE, PAGE_SIZE);
    return this.p2m.dmaAddress(gpa);
  }

  // ---- the guest's control registers ---------------------------------------------------------------------------------

  /**
   * The guest's CR3 and paging mode are now these: MOV to CR3 (also of the same value), CR0 or CR4. Switches the
   * processor to that address space's shadow and flushes the TLB as the SDM demands (vol. 3, 4.10.4.1).
   */
  setRoot(cr3: number, mode: GuestPaging): void {
    const before = this.guest.role;
    this.guest.select(cr3, mode);
    const { role } = this.guest;
    this.machine.ledger.count(this.events.switch);
    this.machine.cpu.mmu.flush(role !== before);
    this.hardware = { pae: (role & ROLE_PAE) !== 0, pse: false, wp: true, pge: (role & ROLE_PGE) !== 0 };
    this.tables.loadPdptes();
  }

  /** CR3's value for the hardware: machine-physical address of the current root. */
  get shadowRoot(): number {
    return this.tables.root().frame * PAGE_SIZE;
  }

  get guestPaging(): GuestPaging {
    return this.guest.mode;
  }

  get guestRoot(): number {
    return this.guest.root;
  }

  /** INVLPG of the guest. The shadows follow the guest's tables by themselves; only the TLB can be behind. */
  invalidate(la: number): void {
    this.machine.cpu.mmu.invalidate(la);
  }

  /** The A20 gate opens or closes: addresses with bit 20 set are others now. */
  setA20(open: boolean): void {
    this.p2m.a20Open = open;
    this.flush();
    this.machine.cpu.mmu.flush(true);
    this.machine.cpu.recheck = true;
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

/** Makes the shadow page tables of a machine over its guest-physical map. */
export function createShadow(machine: Machine, p2m: PhysicalMap = createPhysicalMap(machine), options: ShadowOptions = {}): Shadow {
  return new Shadow(machine, p2m, options);
}
