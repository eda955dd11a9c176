import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { RAM_BASE, type Heap } from "../hypervisor/heap.js";
import type { Ledger } from "../hypervisor/ledger.js";
import type { Machine } from "../hypervisor/machine.js";
import type { Memory } from "../hypervisor/memory.js";
import { GuestCrash } from "../hypervisor/trap.js";
import type { ConsoleBackend } from "./console.js";
import { EventChannels } from "../hypervisor/xen/event-channels.js";
import { type FrameTable, PGT_writable_page } from "./frame-table.js";
import type { GrantMapping } from "./grant-table-op.js";
import { GrantTable } from "../hypervisor/xen/grant-tables.js";
import type { AddressLayout } from "./layout.js";
import type { Hypercalls } from "./hypercalls.js";
import { INVALID_M2P_ENTRY, TI_DPL, TI_IF, VCPU_EVTCHN_UPCALL_MASK, VCPU_EVTCHN_UPCALL_PENDING } from "../hypervisor/xen/public/xen.js";
import { getPageAndType, putPageAndType } from "./page-types.js";
import type { ReservedArea } from "./reserved-area.js";
import { updateRunstateArea } from "./sched.js";
import { DomainTime } from "./time.js";
import { TlbClock } from "./tlb.js";
import { WritablePageTables } from "./writable-page-tables.js";

/** A handler of the guest's: code selector and offset; offset 0 and selector 0 when none has been given. */
export interface Callback { cs: number; eip: number }
/** One entry of the guest's virtual IDT (struct trap_info). */
export interface TrapInfoEntry extends Callback { flags: number }
export const dplOfTrap = (entry: TrapInfoEntry): number => entry.flags & TI_DPL;
export const masksEvents = (entry: TrapInfoEntry): boolean => (entry.flags & TI_IF) !== 0;

/** Everything a domain is made of that does not depend on the others. */
export interface DomainParts {
  readonly machine: Machine;
  readonly id: number;
  readonly frames: FrameTable;
  readonly layout: AddressLayout;
  readonly reserved: ReservedArea;
  readonly sharedInfoMfn: number;
  /** Most frames the domain may have. */
  readonly maxPages: number;
  /** Ports the domain may use, as [first, count]. */
  readonly ports: readonly (readonly [number, number])[];
  /** Byte sink of console_io and of the console ring. */
  readonly consoleOut: (byte: number) => void;
  /** Called when the domain asks to be built again. */
  readonly onReboot: () => void;
}

/** One guest domain with its one virtual processor, whose registers are the processor's while it runs. */
export class Domain {
  readonly id: number;
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly heap: Heap;
  readonly memory: Memory;
  readonly ledger: Ledger;
  readonly frames: FrameTable;
  readonly layout: AddressLayout;
  readonly reserved: ReservedArea;
  readonly sharedInfoMfn: number;
  readonly maxPages: number;
  readonly tlb: TlbClock;
  readonly writablePageTables: WritablePageTables;
  readonly events: EventChannels;
  readonly grants: GrantTable;
  readonly time: DomainTime;
  readonly consoleOut: (byte: number) => void;
  readonly onReboot: () => void;
  private readonly ports: readonly (readonly [number, number])[];
  console: ConsoleBackend | undefined = undefined;
  /** Set by the strategy once the table of hypercalls is bound. */
  hypercalls: Hypercalls | undefined = undefined;
  /** Other domains that give and take grants and events, by number (Dom0's back ends). */
  readonly peers = new Map<number, { readonly events: EventChannels; readonly grants: GrantTable }>();

  /** Frame of the running page-table root; 0 before the first. */
  baseMfn = 0;
  readonly traps: TrapInfoEntry[] = Array.from({ length: 256 }, () => ({ cs: 0, eip: 0, flags: 0 }));
  readonly eventCallback: Callback = { cs: 0, eip: 0 };
  readonly failsafeCallback: Callback & { masksEvents: boolean } = { cs: 0, eip: 0, masksEvents: false };
  nmiCallback = 0;
  kernelSs = 0;
  kernelSp = 0;
  /** What CLI, STI and port instructions are allowed by; the processor's own IOPL stays 0. */
  iopl = 0;
  /** The guest's I/O permission bitmap, for its processes. */
  iobitmap: { readonly va: number; readonly ports: number } | undefined = undefined;
  gdtEntries = 0;
  readonly gdtFrames: number[] = [];
  ldtBase = 0;
  ldtEntries = 0;
  /** Frames of LDT pages mapped so far, by page. */
  readonly ldtFrames = new Map<number, number>();
  /** Frames that Dom0 has mapped for good (console and store rings). */
  readonly foreignMaps: number[] = [];
  vmAssist = 0;
  /** Frames of other domains mapped by grant, by handle. */
  readonly grantMappings = new Map<number, GrantMapping>();
  nextGrantHandle = 0;
  /** A descriptor may have changed: the segment registers are loaded again on the way back to the guest. */
  reloadSegments = false;
  /** After an event or an entry to Xen: see whether an upcall is due before the guest goes on. */
  testEvents = false;

  constructor(parts: DomainParts) {
    this.id = parts.id;
    this.machine = parts.machine;
    this.cpu = parts.machine.cpu;
    this.heap = parts.machine.heap;
    this.memory = parts.machine.memory;
    this.ledger = parts.machine.ledger;
    this.frames = parts.frames;
    this.layout = parts.layout;
    this.reserved = parts.reserved;
    this.sharedInfoMfn = parts.sharedInfoMfn;
    this.maxPages = parts.maxPages;
    this.consoleOut = parts.consoleOut;
    this.onReboot = parts.onReboot;
    this.ports = parts.ports;
    this.tlb = new TlbClock(this.cpu);
    this.frames.onRelease = (mfn) => {
      this.reserved.setM2p(mfn, INVALID_M2P_ENTRY);
      this.tlb.deferFlush();
    };
    this.writablePageTables = new WritablePageTables(this);
    this.events = new EventChannels(parts.id, {
      memory: this.memory, sharedInfo: parts.sharedInfoMfn * 4096,
      upcall: () => this.wake(),
    });
    this.events.onPending = (port) => { if (this.polled?.has(port)) this.unblock(); };
    this.grants = new GrantTable(parts.id, () => parts.frames.allocateShared(parts.id), parts.machine.memory);
    this.grants.granted = {
      get: (mfn, writable) => writable ? getPageAndType(this, mfn, PGT_writable_page) : this.frames.getPage(mfn, this.id),
      put: (mfn, writable) => writable ? putPageAndType(this, mfn) : this.frames.putPage(mfn),
    };
    this.time = new DomainTime(this);
  }

  /** Whether Dom0 has given the domain these ports. */
  portAllowed(port: number, bytes: number): boolean {
    return this.ports.some(([first, count]) => port >= first && port + bytes <= first + count);
  }

  count(event: string, n = 1): void {
    this.ledger.event(event, n);
  }

  /** Words of the domain's shared_info page: byte offset to index in the heap's u8. */
  get sharedInfo(): number {
    return RAM_BASE + this.sharedInfoMfn * 4096;
  }

  get upcallPending(): boolean { return this.heap.u8[this.sharedInfo + VCPU_EVTCHN_UPCALL_PENDING] !== 0; }
  get upcallMask(): boolean { return this.heap.u8[this.sharedInfo + VCPU_EVTCHN_UPCALL_MASK] !== 0; }
  set upcallMask(masked: boolean) { this.heap.u8[this.sharedInfo + VCPU_EVTCHN_UPCALL_MASK] = masked ? 1 : 0; }

  /** An event has become pending: the run loop looks before the next instruction; a blocked processor goes on. */
  wake(): void {
    this.testEvents = true;
    this.cpu.recheck = true;
    if (this.upcallPending && !this.upcallMask) this.unblock();
  }

  /** Ports that a poll waits for; undefined when it is not a poll that blocks. */
  private polled: ReadonlySet<number> | undefined = undefined;
  private pollTimer = 0;
  private blockedSince = 0;
  private blocked = false;
  /** System time when the processor last began to run, and nanoseconds it has been blocked in all. */
  runningSince = 0;
  blockedNs = 0;
  /** Linear address of the registered vcpu_runstate_info; 0 without one. */
  runstateArea = 0;

  /** The processor waits: for an event that may be delivered, for one of `ports`, or until system time `timeoutNs` (0: for ever). */
  block(ports: ReadonlySet<number> | undefined, timeoutNs = 0): void {
    this.polled = ports;
    this.blocked = true;
    this.blockedSince = this.time.now();
    this.time.suspend();
    this.cpu.halted = true;
    this.cpu.recheck = true;
    if (timeoutNs !== 0) this.pollTimer = this.cpu.clock.schedule(Math.ceil(timeoutNs / 1e9 * this.cpu.clock.hz), () => this.unblock());
  }

  /** Whether an event or a timer can end the wait: none can once the processor has been taken down. */
  get canWake(): boolean {
    return this.polled === undefined || this.polled.size !== 0 || this.pollTimer !== 0;
  }

  private unblock(): void {
    this.cpu.halted = false;
    this.cpu.recheck = true;
    if (!this.blocked) return;
    this.blocked = false;
    if (this.pollTimer !== 0) this.cpu.clock.cancel(this.pollTimer);
    this.pollTimer = 0;
    this.polled = undefined;
    this.runningSince = this.time.now();
    this.blockedNs += this.runningSince - this.blockedSince;
    this.time.update();
    this.time.resume();
    updateRunstateArea(this);
  }

  /** Whether CPL is the kernel's. */
  get kernelMode(): boolean { return this.cpu.cpl < 3 && !this.cpu.v86; }

  get totPages(): number { return this.frames.pagesOf(this.id); }

  /** The pseudo-physical number the guest gives a machine frame. */
  pfnOf(mfn: number): number {
    return this.frames.valid(mfn) ? this.reserved.m2p(mfn) : INVALID_M2P_ENTRY;
  }

  assists(type: number): boolean {
    return (this.vmAssist >> type & 1) !== 0;
  }

  /** The guest's fault that no rule covers: it ends, with one line of why. */
  crash(reason: string): never {
    const { cpu } = this;
    this.count("paravirt.domain_crash");
    throw new GuestCrash(`domain ${this.id} crashed at ${cpu.selector(S.CS).toString(16)}:${(cpu.eip >>> 0).toString(16)}: ${reason}`);
  }
}
