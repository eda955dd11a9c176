import * as S from "../../hypervisor/cpu-state.js";
import type { Cpu } from "../../hypervisor/cpu.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { createTranslate } from "../../hypervisor/native.js";
import { enterProtectedFlat, FLAT_CODE, FLAT_DATA } from "../../hypervisor/reset.js";
import type { TrapInfo } from "../../hypervisor/strategy.js";
import { DB, PF } from "../../hypervisor/trap.js";
import { Engine, type EngineOptions, type RunOutcome } from "../../translator/engine.js";
import { Random } from "../isa/random.js";

/**
 * A machine for the engine's tests: flat 32-bit code over real page tables, and a strategy in TypeScript that writes
 * down every exception, interrupt, port and device access and goes on in a way that depends on nothing but them. Two
 * engines have executed alike when their logs, states, memories and ledgers are the same.
 */

export const MEMORY = 0x40000;
const DIRECTORY = 0x1000, GDT = 0x3000, GDT_BYTES = 0x48;
/** The page table of the lowest 4 MB. */
export const TABLE = 0x2000;
/** Linear addresses are physical ones below MEMORY, but for: */
export const CODE = 0x10000, CODE_BYTES = 0x4000;
/** the code's second mapping, */
export const ALIAS = 0x50000;
export const DATA = 0x20000, DATA_BYTES = 0x9000;
/** and these pages of the data window. */
export const READ_ONLY = 0x23000, ON_DEMAND = 0x24000, ABSENT = 0x26000, DEVICE = 0x27000, SUPERVISOR = 0x28000;
export const STACK = 0x30000, STACK_TOP = 0x32000;
const DEVICE_FRAME = 0x7f000;
const PRESENT = 1, WRITABLE = 2, USER = 4;
/** Selectors: flat code and data of either privilege, FS's, GS's, and data that make the segments other than flat. */
export const CODE0 = 0x08, DATA0 = 0x10, FS_SELECTOR = 0x1b, GS_SELECTOR = 0x23, CODE3 = 0x2b, DATA3 = 0x33, SMALL = 0x3b, DOWN = 0x43;
/** Segment bases of FS and GS, and their limits. */
export const FS_BASE = DATA + 0x800, GS_BASE = DATA + 0x1ffd, SEGMENT_LIMIT = 0x2fff;

const cost = (cycles: number): { cycles: number; source: string } => ({ cycles, source: "test" });

/** TLBs small enough to overflow, and events that take time. */
export const PROFILE: CostProfile = {
  schema: "trivisor/profile@1", name: "test", title: "test", hz: 1e9, cyclesPerInstruction: cost(1),
  tlb: { data: 6, instruction: 4, source: "test" },
  costs: { "tlb.walk": cost(31), "tlb.walk_instruction": cost(17), "instruction.*": cost(9), "trap.*": cost(50) },
};

/** What marks each kind of entry in the log. */
export const EXCEPTION = 1, INTERRUPT = 2, SOFTWARE = 3, PORT_READ = 4, PORT_WRITE = 5, DEVICE_READ = 6, DEVICE_WRITE = 7, TIMER = 8;

/** Words of the log; a repeated OUTS can fill it. */
const LOG_LIMIT = 300_000;

/** What happens to a program from outside, and where it goes on after a fault. */
export interface Scenario {
  readonly user: boolean;
  readonly writeProtect: boolean;
  /** Cycles between the timer's interrupts; none without it. */
  readonly timer: readonly number[];
  /** What the timer does, by turns: 0 an interrupt, 1 DMA over code, 2 DMA over data, 3 a page of the window comes or goes. */
  readonly actions: readonly number[];
  /** Where execution goes on after a fault. */
  readonly recovery: readonly number[];
  /** Exceptions after which the run ends. */
  readonly faults: number;
  readonly registers: readonly number[];
  readonly eflags: number;
  readonly seed: number;
}

export const CALM: Scenario = {
  user: false, writeProtect: true, timer: [], actions: [0], recovery: [], faults: 1, registers: [0, 0, 0, 0, STACK_TOP - 0x100, 0, 0, 0], eflags: 2, seed: 1,
};

export class Rig {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly engine: Engine;
  log: number[] = [];
  /** Of what the log has no room for. */
  digest = 0;
  /** Called for exceptions before the scenario's way; true when it has dealt with one. */
  onException: (trap: TrapInfo) => boolean = () => false;
  pending = false;
  private scenario: Scenario = CALM;
  private faults = 0;
  private devices = 0;
  private ticks = 0;
  private random = new Random(1);
  private timer = -1;
  private startInstructions = 0;
  private startCycles = 0;
  private startEvents: Record<string, number> = {};

  constructor(options: EngineOptions = {}, profile: CostProfile = PROFILE) {
    const machine = createMachine(profile, MEMORY, 0);
    this.machine = machine;
    this.cpu = machine.cpu;
    const { cpu } = this;
    cpu.strategy = {
      name: "test",
      flatLimit: 0xffffffff,
      translate: createTranslate(),
      exception: (_cpu, trap) => this.exception(trap),
      softwareInterrupt: (_cpu, vector, next) => {
        this.note(SOFTWARE, vector, cpu.eip);
        cpu.singleStep = false;
        cpu.eip = next;
      },
      interruptPending: () => this.pending && cpu.interruptFlag && !cpu.interruptShadow,
      acceptInterrupt: () => this.interrupt(),
      acceptNonMaskable: () => {},
      canWake: () => cpu.interruptFlag,
      sensitive: {},
      guestToMachine: (gpa) => gpa,
      modeBits: () => 0,
    };
    cpu.ports = {
      read: (port, size) => {
        this.note(PORT_READ, port, size);
        return Math.imul(++this.devices, 0x9e3779b1) >>> 0 & (size === 4 ? -1 : (1 << 8 * size) - 1);
      },
      write: (port, size, value) => {
        this.note(PORT_WRITE, port * 8 + size, value);
        this.touched(value);
      },
    };
    machine.memory.mmio = {
      read: (pa, size) => {
        this.note(DEVICE_READ, pa, size);
        const value = Math.imul(++this.devices, 0x85ebca6b) >>> 0;
        this.touched(value);
        return size === 4 ? value : value & (1 << 8 * size) - 1;
      },
      write: (pa, size, value) => {
        this.note(DEVICE_WRITE, pa, value);
        this.touched(value + size);
      },
    };
    this.engine = new Engine(machine, { handlers: 1, ...options });
  }

  /** A device was touched: now and then it raises its line, or moves a timer. */
  private touched(value: number): void {
    this.devices++;
    if (((value ^ this.devices) & 3) !== 0) return;
    this.pending = true;
    this.cpu.recheck = true;
    if (((value ^ this.devices) & 4) !== 0) this.scheduleTimer();
  }

  note(kind: number, a: number, b: number): void {
    if (this.log.length < LOG_LIMIT) this.log.push(kind, a | 0, b | 0);
    else this.digest = Math.imul(this.digest ^ a, 0x9e3779b1) + Math.imul(b ^ kind, 0x85ebca6b) | 0;
  }

  /** Registers, flags and time at a point that must be the same whatever executes. */
  private noteState(): void {
    const { cpu, machine } = this;
    this.log.push(cpu.eip, cpu.eflags, machine.ledger.instructions - this.startInstructions, machine.ledger.cycles - this.startCycles);
    for (let r = 0; r < 8; r++) this.log.push(cpu.i32[r]!);
  }

  private exception(trap: TrapInfo): void {
    const { cpu } = this;
    this.note(EXCEPTION, trap.vector, trap.errorCode ?? -1);
    this.noteState();
    this.machine.ledger.event(`trap.${trap.vector}`);
    cpu.halted = false;
    cpu.recheck = true;
    if (this.onException(trap)) return;
    if (++this.faults >= this.scenario.faults) {
      cpu.exitCode = trap.vector;
      return;
    }
    if (trap.vector === DB) return;
    if (trap.vector === PF) {
      this.log.push(cpu.cr2);
      if (cpu.cr2 >>> 12 === ON_DEMAND >>> 12) return this.map(ON_DEMAND, ON_DEMAND, PRESENT | WRITABLE | USER);
    }
    this.recover(this.faults);
  }

  /** Goes on elsewhere, with everything that random code may have spoilt as it was. */
  private recover(n: number): void {
    const { cpu, scenario } = this;
    const { recovery } = scenario;
    if (recovery.length === 0) {
      cpu.exitCode = 0;
      return;
    }
    cpu.eflags = cpu.eflags & ~(S.FLAG_VM | S.FLAG_NT | S.FLAG_TF);
    this.segments(scenario.user);
    cpu.eip = recovery[n % recovery.length]!;
    cpu.esp = STACK_TOP - 0x800 + (n & 3);
  }

  private interrupt(): void {
    const { cpu } = this;
    this.pending = false;
    this.note(INTERRUPT, 0, 0);
    this.noteState();
    cpu.halted = false;
    cpu.recheck = true;
    if ((this.log.length & 3) === 0) this.recover(this.log.length);
  }

  private scheduleTimer(): void {
    const { clock } = this.machine;
    const { timer } = this.scenario;
    if (timer.length === 0) return;
    clock.cancel(this.timer);
    this.timer = clock.schedule(clock.now() + timer[this.ticks % timer.length]!, () => this.tick());
  }

  private tick(): void {
    const { random, scenario } = this;
    const { memory } = this.machine;
    this.note(TIMER, this.machine.ledger.instructions - this.startInstructions, this.cpu.eip);
    switch (scenario.actions[this.ticks++ % scenario.actions.length]) {
      case 1: memory.writeBytes(CODE + random.below(CODE_BYTES - 8), Uint8Array.from([random.byte(), random.byte()])); break;
      case 2: memory.writeBytes(DATA + random.below(DATA_BYTES - 8), Uint8Array.from([random.byte(), random.byte(), random.byte()])); break;
      case 3: this.map(ON_DEMAND, ON_DEMAND, random.below(2) * (PRESENT | WRITABLE | USER)); break;
      default:
        this.pending = true;
        this.cpu.recheck = true;
    }
    this.scheduleTimer();
  }

  // ---- memory ------------------------------------------------------------------------------------------------------

  /** Maps the page at linear address `la`, and forgets what the TLB knew of it. */
  map(la: number, pa: number, rights: number): void {
    this.machine.memory.write32(TABLE + (la >>> 12) * 4, pa & ~0xfff | rights);
    this.cpu.mmu.invalidate(la);
  }

  writeBytes(pa: number, ...bytes: number[]): void {
    this.machine.memory.writeBytes(pa, Uint8Array.from(bytes));
  }

  read(pa: number, size: 1 | 2 | 4 = 4): number {
    return this.machine.memory.read(pa, size);
  }

  memory(): Uint8Array {
    return this.machine.heap.u8.subarray(RAM_BASE, RAM_BASE + MEMORY);
  }

  private segments(user: boolean): void {
    const { cpu } = this;
    const dpl = user ? 3 << S.ATTR_DPL_SHIFT : 0;
    cpu.setSegment(S.CS, user ? CODE3 : CODE0, 0, -1, FLAT_CODE | dpl);
    for (const sreg of [S.SS, S.DS, S.ES]) cpu.setSegment(sreg, user ? DATA3 : DATA0, 0, -1, FLAT_DATA | dpl);
    cpu.setSegment(S.FS, FS_SELECTOR, FS_BASE, SEGMENT_LIMIT, FLAT_DATA & ~S.ATTR_G | 3 << S.ATTR_DPL_SHIFT);
    cpu.setSegment(S.GS, GS_SELECTOR, GS_BASE, SEGMENT_LIMIT, FLAT_DATA & ~S.ATTR_G | 3 << S.ATTR_DPL_SHIFT);
    cpu.setCpl(user ? 3 : 0);
    cpu.modeChanged();
  }

  /** The memory every program finds, with its code at CODE. */
  static image(code: Uint8Array, at: number, seed: number): Uint8Array {
    const image = new Uint8Array(MEMORY);
    const view = new DataView(image.buffer);
    const random = new Random(seed);
    for (let i = DATA; i < STACK_TOP; i += 4) view.setUint32(i, random.next() >>> (i & 12) * 2, true);
    const descriptor = (selector: number, base: number, limit: number, access: number, flags: number): void => {
      view.setUint32(GDT + (selector & ~7), base << 16 | limit & 0xffff, true);
      view.setUint32(GDT + (selector & ~7) + 4, base & 0xff000000 | flags << 20 | limit & 0xf0000 | access << 8 | base >>> 16 & 0xff, true);
    };
    descriptor(CODE0, 0, 0xfffff, 0x9b, 0xc);
    descriptor(DATA0, 0, 0xfffff, 0x93, 0xc);
    descriptor(FS_SELECTOR, FS_BASE, SEGMENT_LIMIT, 0xf3, 0x4);
    descriptor(GS_SELECTOR, GS_BASE, SEGMENT_LIMIT, 0xf2, 0x4);
    descriptor(CODE3, 0, 0xfffff, 0xfb, 0xc);
    descriptor(DATA3, 0, 0xfffff, 0xf3, 0xc);
    descriptor(SMALL, 0x10, 0x2ffff, 0xf2, 0x4);
    descriptor(DOWN, 0, CODE - 1, 0xf7, 0x4);
    view.setUint32(DIRECTORY, TABLE | PRESENT | WRITABLE | USER, true);
    const put = (la: number, pa: number, rights: number): void => view.setUint32(TABLE + (la >>> 12) * 4, pa | rights, true);
    for (let la = 0; la < MEMORY; la += 0x1000) put(la, la, la < CODE ? PRESENT | WRITABLE : PRESENT | WRITABLE | USER);
    for (let i = 0; i < CODE_BYTES; i += 0x1000) put(ALIAS + i, CODE + i, PRESENT | WRITABLE | USER);
    put(READ_ONLY, READ_ONLY, PRESENT | USER);
    put(ON_DEMAND, ON_DEMAND, 0);
    put(ABSENT, ABSENT, 0);
    put(DEVICE, DEVICE_FRAME, PRESENT | WRITABLE | USER);
    put(SUPERVISOR, SUPERVISOR, PRESENT | WRITABLE);
    image.set(code, at);
    return image;
  }

  /** Puts image and scenario in place, with no entry in any TLB and no time passed. Blocks of unchanged code stay cached. */
  start(image: Uint8Array, entry: number, scenario: Scenario = CALM): void {
    const { cpu, machine } = this;
    const { memory, ledger, clock } = machine;
    clock.cancel(this.timer);
    const now = this.memory();
    for (let page = 0; page < MEMORY; page += 0x1000) {
      if (Buffer.compare(now.subarray(page, page + 0x1000), image.subarray(page, page + 0x1000)) === 0) continue;
      for (let at = page; at < page + 0x1000; at += 32) {
        const fresh = image.subarray(at, at + 32);
        if (Buffer.compare(now.subarray(at, at + 32), fresh) !== 0) memory.writeBytes(at, fresh);
      }
    }
    this.scenario = scenario;
    this.random = new Random(scenario.seed);
    this.log = [];
    this.digest = 0;
    this.onException = () => false;
    this.faults = this.devices = this.ticks = 0;
    this.pending = false;
    enterProtectedFlat(cpu, entry);
    cpu.exitCode = undefined;
    cpu.singleStep = false;
    cpu.i32[S.CR3] = DIRECTORY;
    cpu.i32[S.GDTR_BASE] = GDT;
    cpu.i32[S.GDTR_LIMIT] = GDT_BYTES - 1;
    cpu.i32[S.CR0] = S.CR0_PE | S.CR0_PG | S.CR0_ET | S.CR0_NE | (scenario.writeProtect ? S.CR0_WP : 0);
    this.segments(scenario.user);
    scenario.registers.forEach((value, r) => { cpu.i32[r] = value; });
    cpu.eflags = scenario.eflags;
    cpu.modeChanged();
    this.startInstructions = ledger.instructions;
    this.startCycles = ledger.cycles;
    this.startEvents = { ...ledger.events() };
    this.scheduleTimer();
    cpu.recheck = true;
  }

  get instructions(): number {
    return this.machine.ledger.instructions - this.startInstructions;
  }

  get cycles(): number {
    return this.machine.ledger.cycles - this.startCycles;
  }

  /** Runs `total` instructions, as many at a time as `piece` says. */
  run(total: number, piece: (left: number) => number = (left) => left): RunOutcome {
    let outcome: RunOutcome = { reason: "limit" };
    for (let left = total; left > 0; left = total - this.instructions) {
      outcome = this.engine.run(Math.max(1, Math.min(left, piece(left))));
      if (outcome.reason !== "limit") break;
    }
    return outcome;
  }

  /** Architectural state as words: no matter how flags and budget are kept. */
  state(): Int32Array {
    const { cpu } = this;
    const words = cpu.i32.slice(0, S.SCRATCH);
    words[S.BUDGET] = words[S.CC_OP] = words[S.CC_SRC] = words[S.CC_AUX] = 0;
    words[S.CC_DST] = cpu.eflags;
    return words;
  }

  /** Events since start. */
  events(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const [name, n] of Object.entries(this.machine.ledger.events())) {
      const grown = n - (this.startEvents[name] ?? 0);
      if (grown !== 0) out[name] = grown;
    }
    return out;
  }
}

/** The first thing in which two rigs differ, or null. */
export function difference(a: Rig, b: Rig): string | null {
  const n = Math.min(a.log.length, b.log.length);
  for (let i = 0; i < n; i++) if (a.log[i] !== b.log[i]) return `log entry ${i}: ${a.log[i]} / ${b.log[i]}; before ${a.log.slice(Math.max(0, i - 16), i).join()}`;
  if (a.log.length !== b.log.length) return `log length ${a.log.length} / ${b.log.length}: ${a.log.slice(n, n + 3).join()} / ${b.log.slice(n, n + 3).join()}`;
  if (a.digest !== b.digest) return "what the log had no room for";
  if (a.instructions !== b.instructions) return `instructions ${a.instructions} / ${b.instructions}`;
  if (a.cycles !== b.cycles) return `cycles ${a.cycles} / ${b.cycles}`;
  const sa = a.state(), sb = b.state();
  for (let i = 0; i < sa.length; i++) if (sa[i] !== sb[i]) return `state word ${i}: ${hex(sa[i]!)} / ${hex(sb[i]!)}`;
  if (a.cpu.halted !== b.cpu.halted || a.cpu.interruptShadow !== b.cpu.interruptShadow) return "halted or shadow";
  const ma = a.memory(), mb = b.memory();
  if (Buffer.compare(ma, mb) !== 0) {
    const at = ma.findIndex((byte, i) => byte !== mb[i]);
    return `memory at ${hex(at)}: ${hex(ma[at]!)} / ${hex(mb[at]!)}`;
  }
  const ea = JSON.stringify(a.events(), Object.keys(a.events()).sort()), eb = JSON.stringify(b.events(), Object.keys(b.events()).sort());
  return ea === eb ? null : `events ${ea} / ${eb}`;
}

export const hex = (value: number): string => (value >>> 0).toString(16);
