import type { Clock } from "./clock.js";
import * as S from "./cpu-state.js";
import { breakpointsHit, WATCH_IO } from "./debug-registers.js";
import { arithmeticFlags, CC_EFLAGS, condition } from "./flags.js";
import type { Heap } from "./heap.js";
import type { Ledger } from "./ledger.js";
import type { Memory } from "./memory.js";
import { Mmu } from "./mmu.js";
import type { PortDevice } from "./devices/device.js";
import type { Strategy } from "./strategy.js";
import { PF, Trap } from "./trap.js";

/** Port space as the processor sees it; devices/bus.ts implements it. */
export interface Ports {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, size: 1 | 2 | 4, value: number): void;
}
export type { PortDevice };

/** The local APIC's task priority as CR8 has it: bits 7:4 of TPR (SDM vol. 3, 11.8.6). */
export interface TaskPriority {
  taskPriority: number;
  /** Bits 7:4 of the highest vector that waits and that the task priority holds back; 0 when there is none. */
  readonly heldBack: number;
}

/**
 * The processor's architectural state (in the heap) and the few things every part of it needs: registers, flags,
 * the mode the running code was translated for, and raising traps. What instructions do with it is elsewhere:
 * segmentation.ts, interrupts.ts, control-transfer.ts, control-registers.ts; and the opcode table's semantics.
 */
export class Cpu {
  readonly heap: Heap;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly f64: Float64Array;
  readonly memory: Memory;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly mmu: Mmu;
  strategy: Strategy;
  ports: Ports;
  private readonly trap = new Trap();

  /** HLT (or a blocked domain): nothing executes until an interrupt is accepted. */
  halted = false;
  /** No interrupt is accepted before the next instruction has completed (after STI, MOV SS, POP SS). */
  interruptShadow = false;
  /** The shadow is MOV SS's or POP SS's, which holds off debug exceptions and NMI too (SDM vol. 3, 6.8.3). */
  stackShadow = false;
  /** The trap flag was set when the running instruction began: #DB follows it. Delivering an event clears it. */
  singleStep = false;
  /** DR6's B0-B3 for the breakpoints that the running instruction's references have met: #DB follows it. */
  debugHits = 0;
  /** A breakpoint on instructions is enabled; one on ports is (debug-registers.ts). */
  instructionBreakpoints = false;
  portBreakpoints = false;
  /** An NMI has been signalled; another is not taken before the next IRET (SDM vol. 3, 6.7.1). */
  nmiPending = false;
  nmiBlocked = false;
  /** What the A20 gate leaves of a physical address: all of it, or bit 20 clear. */
  a20Mask = -1;
  /** Told when `recheck` is set; the engine binds it. */
  onRecheck: () => void = () => {};
  /** The run ends: exit code, or undefined while it goes on. */
  exitCode: number | undefined = undefined;
  /**
   * Executes the one instruction at EIP in the interpreter, counted as one, without looking at interrupts; throws its
   * trap. The engine (translator/engine.ts) binds it. Hypervisors single-step a trapped instruction with it.
   */
  interpretOne: () => void = () => { throw new Error("no engine is bound"); };
  /** What CR8 is, on a processor that has it. */
  priority: TaskPriority | undefined = undefined;
  /** Model-specific registers, by index: [low, high]. */
  readonly msrs = new Map<number, [number, number]>();
  /** What WRMSR has moved the time-stamp counter by: low and high word; null: nothing. */
  tscOffset: readonly [number, number] | null = null;

  constructor(memory: Memory, ledger: Ledger, clock: Clock, strategy: Strategy, ports: Ports) {
    this.memory = memory;
    this.heap = memory.heap;
    this.i32 = this.heap.i32;
    this.u8 = this.heap.u8;
    this.u16 = this.heap.u16;
    this.f64 = this.heap.f64;
    this.ledger = ledger;
    this.clock = clock;
    this.strategy = strategy;
    this.ports = ports;
    this.mmu = new Mmu(this, memory);
  }

  /**
   * Something changed that the run loop must look at before the next instruction: pending interrupts, mode, deadline.
   * Setting it ends the running block after the running instruction, whichever tier executes it.
   */
  get recheck(): boolean { return this.i32[S.RECHECK] !== 0; }
  set recheck(value: boolean) {
    this.i32[S.RECHECK] = value ? 1 : 0;
    if (value) this.onRecheck();
  }

  /** Non-maskable interrupt: an edge, remembered until it is taken. */
  signalNmi(): void {
    this.nmiPending = true;
    this.recheck = true;
  }

  /** The A20 gate as the processor's A20M# pin: every translation is made anew. */
  setA20(open: boolean): void {
    this.a20Mask = open ? -1 : ~0x10_0000;
    this.mmu.flush(true);
    this.recheck = true;
  }

  /** IN, by whatever executes it. */
  readPort(port: number, size: 1 | 2 | 4): number {
    if (this.portBreakpoints) this.debugHits |= breakpointsHit(this, port, size, WATCH_IO);
    return this.ports.read(port, size);
  }

  /** OUT, by whatever executes it. */
  writePort(port: number, size: 1 | 2 | 4, value: number): void {
    if (this.portBreakpoints) this.debugHits |= breakpointsHit(this, port, size, WATCH_IO);
    this.ports.write(port, size, value);
  }

  // ---- registers: 32-bit values are signed, 8- and 16-bit ones zero-extended ---------------------------------------

  get eip(): number { return this.i32[S.EIP]!; }
  set eip(value: number) { this.i32[S.EIP] = value; }
  get esp(): number { return this.i32[S.ESP]!; }
  set esp(value: number) { this.i32[S.ESP] = value; }
  get cpl(): number { return this.i32[S.CPL]!; }
  get cr0(): number { return this.i32[S.CR0]!; }
  get cr2(): number { return this.i32[S.CR2]!; }
  get cr3(): number { return this.i32[S.CR3]!; }
  get cr4(): number { return this.i32[S.CR4]!; }

  /** General register `r` of `size` bits, in Intel's numbering (8-bit: AL CL DL BL AH CH DH BH). */
  reg(r: number, size: number): number {
    return size === 32 ? this.i32[r]! : size === 16 ? this.u16[r << 1]! : this.u8[(r & 3) << 2 | r >> 2]!;
  }

  setReg(r: number, size: number, value: number): void {
    if (size === 32) this.i32[r] = value;
    else if (size === 16) this.u16[r << 1] = value;
    else this.u8[(r & 3) << 2 | r >> 2] = value;
  }

  selector(sreg: number): number { return this.i32[S.SELECTOR + sreg]!; }
  segBase(sreg: number): number { return this.i32[S.SEG_BASE + sreg]!; }
  /** Unsigned, in bytes, scaled by G. */
  segLimit(sreg: number): number { return this.i32[S.SEG_LIMIT + sreg]! >>> 0; }
  segAttr(sreg: number): number { return this.i32[S.SEG_ATTR + sreg]!; }

  /** Sets a segment register and its hidden part; the caller has made all checks and calls modeChanged(). */
  setSegment(sreg: number, selector: number, base: number, limit: number, attr: number): void {
    const { i32 } = this;
    i32[S.SELECTOR + sreg] = selector;
    i32[S.SEG_BASE + sreg] = base;
    i32[S.SEG_LIMIT + sreg] = limit;
    i32[S.SEG_ATTR + sreg] = attr;
  }

  // ---- flags -------------------------------------------------------------------------------------------------------

  get eflags(): number {
    const { i32 } = this;
    return i32[S.EFLAGS_SYS]! | arithmeticFlags(i32[S.CC_OP]!, i32[S.CC_DST]!, i32[S.CC_SRC]!, i32[S.CC_AUX]!);
  }

  /** All of EFLAGS, unchecked; the caller calls modeChanged() when VM, IF or TF may have changed. */
  set eflags(value: number) {
    const { i32 } = this;
    i32[S.EFLAGS_SYS] = value & ~S.FLAGS_ARITHMETIC & ~0xffc08028 | 2;
    i32[S.CC_OP] = CC_EFLAGS;
    i32[S.CC_DST] = value & S.FLAGS_ARITHMETIC;
  }

  get iopl(): number { return this.i32[S.EFLAGS_SYS]! >> 12 & 3; }
  get interruptFlag(): boolean { return (this.i32[S.EFLAGS_SYS]! & S.FLAG_IF) !== 0; }
  get v86(): boolean { return (this.i32[S.EFLAGS_SYS]! & S.FLAG_VM) !== 0; }
  get protectedMode(): boolean { return (this.i32[S.CR0]! & S.CR0_PE) !== 0; }
  get paging(): boolean { return this.i32[S.CR0]! < 0; }

  condition(cc: number): boolean {
    const { i32 } = this;
    return condition(cc, i32[S.CC_OP]!, i32[S.CC_DST]!, i32[S.CC_SRC]!, i32[S.CC_AUX]!);
  }

  // ---- mode --------------------------------------------------------------------------------------------------------

  setCpl(cpl: number): void {
    this.i32[S.CPL] = cpl;
  }

  private flat(sreg: number): boolean {
    const { i32 } = this;
    const attr = i32[S.SEG_ATTR + sreg]!;
    if (i32[S.SEG_BASE + sreg] !== 0 || i32[S.SEG_LIMIT + sreg]! >>> 0 < this.strategy.flatLimit || (attr & (S.ATTR_P | S.ATTR_NULL)) !== S.ATTR_P) return false;
    if ((attr & S.ATTR_CODE) !== 0) return sreg === S.CS && (attr & S.ATTR_READABLE) !== 0;
    return sreg !== S.CS && (attr & (S.ATTR_WRITABLE | S.ATTR_EXPAND_DOWN)) === S.ATTR_WRITABLE;
  }

  /** The value of SEG_REACH for a segment register that may be read and written, upwards from its base. */
  private reach(sreg: number): number {
    const { i32 } = this;
    const attr = i32[S.SEG_ATTR + sreg]!;
    const plain = (attr & (S.ATTR_P | S.ATTR_NULL | S.ATTR_CODE | S.ATTR_WRITABLE | S.ATTR_EXPAND_DOWN)) === (S.ATTR_P | S.ATTR_WRITABLE);
    return plain ? Math.max(0, (i32[S.SEG_LIMIT + sreg]! >>> 0) - 2) | 0 : 0;
  }

  /** To be called after any change of CPL, segments, CR0, or EFLAGS.VM/IF/TF: recomputes MODE and the TLB's privilege. */
  modeChanged(): void {
    const { i32 } = this;
    let mode = 0;
    if ((i32[S.SEG_ATTR + S.CS]! & S.ATTR_DB) !== 0) mode |= S.MODE_CODE32;
    if ((i32[S.SEG_ATTR + S.SS]! & S.ATTR_DB) !== 0) mode |= S.MODE_STACK32;
    if (i32[S.CPL] === 3) mode |= S.MODE_USER;
    if (this.flat(S.CS) && this.flat(S.SS) && this.flat(S.DS) && this.flat(S.ES)) mode |= S.MODE_FLAT;
    i32[S.SEG_REACH] = this.reach(S.FS);
    i32[S.SEG_REACH + 1] = this.reach(S.GS);
    if ((i32[S.CR0]! & S.CR0_PE) === 0) mode |= S.MODE_REAL;
    if ((i32[S.EFLAGS_SYS]! & S.FLAG_VM) !== 0) mode |= S.MODE_V86;
    // Every reference goes through its segment then, and no code is generated for it.
    if (i32[S.CPL] === 3 && (i32[S.EFLAGS_SYS]! & S.FLAG_AC) !== 0 && (i32[S.CR0]! & S.CR0_AM) !== 0) mode = mode & ~S.MODE_FLAT | S.MODE_ALIGNED;
    i32[S.MODE] = mode | this.strategy.modeBits(this);
    this.mmu.setPrivilege(i32[S.CPL] === 3);
    this.recheck = true;
  }

  // ---- traps -------------------------------------------------------------------------------------------------------

  /** Throws exception `vector`: the instruction at EIP has had no effect. */
  raise(vector: number, errorCode?: number): never {
    const { trap } = this;
    trap.vector = vector;
    trap.errorCode = errorCode;
    throw trap;
  }

  /** Throws #PF for linear address `la`, with CR2 set. */
  pageFault(la: number, errorCode: number): never {
    this.i32[S.CR2] = la;
    return this.raise(PF, errorCode);
  }
}
