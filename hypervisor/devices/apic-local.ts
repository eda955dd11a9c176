/**
 * The local APIC of a P6 processor: fixed interrupts by priority, the timer, the local vector table, IPIs to itself.
 * The PIC's INTR comes in on LINT0 (virtual wire mode).
 * Reference: Intel SDM vol. 3, chapter 11 "Advanced Programmable Interrupt Controller"; MultiProcessor Specification
 * 1.4, 3.6.2.2.
 * Left out: other processors (IPIs to them are lost), lowest-priority arbitration, SMI and INIT, x2APIC, TSC-deadline,
 * relocation by IA32_APIC_BASE. LINT0 starts as ExtINT and LINT1 as NMI, as firmware leaves them.
 */
import type { AccessSize, CountEvent, DeviceClock, IrqLine, PortDevice } from "./device.js";

/** Where IA32_APIC_BASE puts the registers after reset. */
export const LOCAL_APIC_BASE = 0xfee0_0000;

const ID = 0x020, VERSION = 0x030, TPR = 0x080, APR = 0x090, PPR = 0x0a0, EOI = 0x0b0, LDR = 0x0d0, DFR = 0x0e0, SVR = 0x0f0,
  ISR = 0x100, TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR_LOW = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320, LVT_PERFORMANCE = 0x340,
  LVT_LINT0 = 0x350, LVT_LINT1 = 0x360, LVT_ERROR = 0x370, INITIAL_COUNT = 0x380, CURRENT_COUNT = 0x390, DIVIDE = 0x3e0;
const REGISTERS_END = 0x400;
/** Version 11H, five entries in the local vector table. */
const VERSION_VALUE = 0x0004_0011;

const SVR_ENABLE = 0x100, SVR_MASK = 0x3ff;
const LVT_MASKED = 0x1_0000, LVT_PERIODIC = 0x2_0000, LVT_TIMER_MASK = 0x3_00ff, LVT_PLAIN_MASK = 0x1_07ff, LVT_LINT_MASK = 0x1_a7ff;
const DELIVERY = 0x700, DELIVERY_FIXED = 0x000, DELIVERY_LOWEST = 0x100, DELIVERY_NMI = 0x400, DELIVERY_EXTINT = 0x700;
const ICR_LOGICAL = 0x800, ICR_MASK = 0xc_cfff, SHORTHAND = 0xc_0000, SHORTHAND_NONE = 0, SHORTHAND_SELF = 0x4_0000, SHORTHAND_ALL = 0x8_0000;
const ESR_ILLEGAL_VECTOR_SENT = 0x20, ESR_ILLEGAL_VECTOR_RECEIVED = 0x40, ESR_ILLEGAL_REGISTER = 0x80;
const FIRST_VECTOR = 16;
const FLAT_MODEL = 0xf;
/** The bus clock the timer divides. */
const BUS_HZ = 100_000_000;
const NONE = -1;

export interface LocalApicOptions {
  readonly clock: DeviceClock;
  readonly count: CountEvent;
  /** Something the processor may have to look at has changed. */
  readonly changed: () => void;
  /** A non-maskable interrupt. */
  readonly nmi?: () => void;
  /** The end of a level-triggered interrupt, by vector: goes to the I/O APIC. */
  readonly endOfInterrupt: (vector: number) => void;
}

/** 256 bits, by vector. */
class VectorSet {
  readonly words = new Uint32Array(8);

  has(vector: number): boolean { return (this.words[vector >>> 5]! >>> (vector & 31) & 1) !== 0; }
  add(vector: number): void { this.words[vector >>> 5]! |= 1 << (vector & 31); }
  delete(vector: number): void { this.words[vector >>> 5]! &= ~(1 << (vector & 31)); }
  clear(): void { this.words.fill(0); }

  /** The highest vector in the set, -1 when it is empty. */
  highest(): number {
    for (let i = 7; i >= 0; i--) if (this.words[i] !== 0) return i * 32 + 31 - Math.clz32(this.words[i]!);
    return NONE;
  }
}

export class LocalApic implements PortDevice {
  private readonly clock: DeviceClock;
  private readonly count: CountEvent;
  private readonly changed: () => void;
  private readonly nmi: () => void;
  private readonly endOfInterrupt: (vector: number) => void;
  private readonly requested = new VectorSet();
  private readonly inService = new VectorSet();
  private readonly levels = new VectorSet();
  /** Registers that only hold what is written, by offset / 16. */
  private readonly held = new Uint32Array(REGISTERS_END >> 4);
  private errors = 0;
  private timerStart = 0;
  private timerEvent: number | undefined;
  private lint0 = false;

  constructor(options: LocalApicOptions) {
    this.clock = options.clock;
    this.count = options.count;
    this.changed = options.changed;
    this.nmi = options.nmi ?? (() => {});
    this.endOfInterrupt = options.endOfInterrupt;
    this.reset();
  }

  reset(): void {
    this.stopTimer();
    for (const set of [this.requested, this.inService, this.levels]) set.clear();
    this.held.fill(0);
    this.held[DFR >> 4] = 0xffff_ffff;
    this.held[SVR >> 4] = 0xff;
    for (const entry of [LVT_TIMER, LVT_PERFORMANCE, LVT_ERROR]) this.held[entry >> 4] = LVT_MASKED;
    this.held[LVT_LINT0 >> 4] = DELIVERY_EXTINT;
    this.held[LVT_LINT1 >> 4] = DELIVERY_NMI;
    this.errors = 0;
    this.changed();
  }

  // ---- what the processor sees ---------------------------------------------------------------------------------

  /** Whether an interrupt waits that TPR and what is in service let through. */
  get intr(): boolean {
    const vector = this.requested.highest();
    return vector !== NONE && vector >>> 4 > this.processorPriority() >>> 4 || this.extInt;
  }

  /** Whether what waits is the PIC's, which gives the vector itself. */
  get extInt(): boolean {
    return this.lint0 && (this.held[LVT_LINT0 >> 4]! & (LVT_MASKED | DELIVERY)) === DELIVERY_EXTINT;
  }

  /** The PIC's INTR gets through LINT0, as it is or as a vector of its own. */
  get takesPic(): boolean {
    const entry = this.held[LVT_LINT0 >> 4]!, delivery = entry & DELIVERY;
    return (entry & LVT_MASKED) === 0 && (delivery === DELIVERY_EXTINT || (delivery === DELIVERY_FIXED && this.enabled));
  }

  get lint0IsNmi(): boolean {
    return (this.held[LVT_LINT0 >> 4]! & (LVT_MASKED | DELIVERY)) === DELIVERY_NMI;
  }

  get enabled(): boolean {
    return (this.held[SVR >> 4]! & SVR_ENABLE) !== 0;
  }

  get timerEnabled(): boolean {
    return (this.held[LVT_TIMER >> 4]! & LVT_MASKED) === 0;
  }

  /** CR8. */
  get taskPriority(): number {
    return this.held[TPR >> 4]! >>> 4;
  }

  set taskPriority(priority: number) {
    this.held[TPR >> 4] = priority << 4;
    this.changed();
  }

  get heldBack(): number {
    const waiting = this.requested.highest() >>> 4 & 0xf;
    return this.requested.highest() !== NONE && waiting <= this.taskPriority ? waiting : 0;
  }

  /** An edge of the NMI pin, which is LINT1. */
  nmiPin(): void {
    if ((this.held[LVT_LINT1 >> 4]! & (LVT_MASKED | DELIVERY)) === DELIVERY_NMI) this.nmi();
  }

  /** Takes the highest interrupt: its vector, or -1 when none but the PIC's waits. */
  acknowledge(): number {
    const vector = this.requested.highest();
    if (vector === NONE || vector >>> 4 <= this.processorPriority() >>> 4) return NONE;
    this.requested.delete(vector);
    this.inService.add(vector);
    this.count("device.apic.interrupt");
    return vector;
  }

  /** The PIC's INTR, wired to LINT0. */
  readonly setLint0: IrqLine = level => {
    if (level === this.lint0) return;
    this.lint0 = level;
    const entry = this.held[LVT_LINT0 >> 4]!;
    const delivery = entry & (LVT_MASKED | DELIVERY);
    if (level && delivery === DELIVERY_FIXED) this.accept(entry & 0xff, false);
    else if (level && delivery === DELIVERY_NMI) this.nmi();
    this.changed();
  };

  /** A message from the I/O APIC (or an IPI): gives whether it was for this processor. */
  receive(destination: number, logical: boolean, delivery: number, vector: number, level: boolean): boolean {
    if (!this.addressed(destination, logical)) return false;
    if (delivery === DELIVERY_NMI) this.nmi();
    else if (delivery === DELIVERY_FIXED || delivery === DELIVERY_LOWEST) this.accept(vector, level);
    return true;
  }

  private addressed(destination: number, logical: boolean): boolean {
    if (!logical) return destination === this.held[ID >> 4]! >>> 24 || (destination & 0xf) === 0xf;
    const own = this.held[LDR >> 4]! >>> 24;
    if (this.held[DFR >> 4]! >>> 28 === FLAT_MODEL) return (own & destination) !== 0;
    return (own >>> 4 === destination >>> 4 || destination >>> 4 === 0xf) && (own & destination & 0xf) !== 0;
  }

  private accept(vector: number, level: boolean): void {
    if ((this.held[SVR >> 4]! & SVR_ENABLE) === 0) return;
    if (vector < FIRST_VECTOR) return this.raiseError(ESR_ILLEGAL_VECTOR_RECEIVED);
    this.requested.add(vector);
    if (level) this.levels.add(vector);
    else this.levels.delete(vector);
    this.changed();
  }

  private raiseError(bit: number): void {
    this.errors |= bit;
    const entry = this.held[LVT_ERROR >> 4]!;
    if ((entry & LVT_MASKED) === 0 && (entry & 0xff) >= FIRST_VECTOR) this.accept(entry & 0xff, false);
  }

  private processorPriority(): number {
    const task = this.held[TPR >> 4]!;
    const served = Math.max(0, this.inService.highest());
    return task >>> 4 >= served >>> 4 ? task & 0xff : served & 0xf0;
  }

  // ---- registers -----------------------------------------------------------------------------------------------

  /** All registers are doublewords on 16-byte boundaries. */
  widest(): AccessSize {
    return 4;
  }

  read(offset: number, _size: AccessSize): number {
    if ((offset & 0xf) !== 0) return 0;
    if (offset >= ISR && offset < ISR + 0x80) return this.inService.words[(offset - ISR) >> 4]!;
    if (offset >= TMR && offset < TMR + 0x80) return this.levels.words[(offset - TMR) >> 4]!;
    if (offset >= IRR && offset < IRR + 0x80) return this.requested.words[(offset - IRR) >> 4]!;
    switch (offset) {
      case VERSION: return VERSION_VALUE;
      case APR:
      case PPR: return this.processorPriority();
      case EOI: return 0;
      case CURRENT_COUNT: return this.currentCount();
      default: return offset < REGISTERS_END ? this.held[offset >> 4]! : 0;
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const i = offset >> 4;
    switch (offset) {
      case ID: case LDR: this.held[i] = value & 0xff00_0000; break;
      case TPR: this.held[i] = value & 0xff; break;
      case DFR: this.held[i] = value | 0x0fff_ffff; break;
      case SVR: this.writeSpurious(value); break;
      case EOI: return this.end();
      case ESR: this.held[i] = this.errors; this.errors = 0; break; // a write latches what has been gathered
      case ICR_HIGH: this.held[i] = value & 0xff00_0000; break;
      case ICR_LOW: this.held[i] = value & ICR_MASK; this.sendIpi(value); break;
      case LVT_TIMER: this.writeEntry(i, value & LVT_TIMER_MASK); break;
      case LVT_PERFORMANCE: case LVT_ERROR: this.writeEntry(i, value & LVT_PLAIN_MASK); break;
      case LVT_LINT0: case LVT_LINT1: this.writeEntry(i, value & LVT_LINT_MASK); break;
      case INITIAL_COUNT: this.held[i] = value; this.startTimer(); break;
      case DIVIDE: this.held[i] = value & 0xb; break;
      case VERSION: case APR: case PPR: case CURRENT_COUNT: break;
      default:
        if (offset < ISR || offset >= ESR) this.raiseError(ESR_ILLEGAL_REGISTER);
    }
    this.changed();
  }

  private writeSpurious(value: number): void {
    this.held[SVR >> 4] = value & SVR_MASK;
    if ((value & SVR_ENABLE) !== 0) return;
    for (const entry of [LVT_TIMER, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR]) this.held[entry >> 4]! |= LVT_MASKED;
  }

  /** While the APIC is disabled by software the mask bits stay set. */
  private writeEntry(i: number, value: number): void {
    this.held[i] = (this.held[SVR >> 4]! & SVR_ENABLE) !== 0 ? value : value | LVT_MASKED;
  }

  private end(): void {
    const vector = this.inService.highest();
    if (vector === NONE) return;
    this.inService.delete(vector);
    if (this.levels.has(vector)) this.endOfInterrupt(vector);
    this.changed();
  }

  private sendIpi(command: number): void {
    const shorthand = command & SHORTHAND;
    const delivery = command & DELIVERY, vector = command & 0xff;
    this.count("device.apic.ipi");
    if (delivery === DELIVERY_FIXED && vector < FIRST_VECTOR) return this.raiseError(ESR_ILLEGAL_VECTOR_SENT);
    const destination = this.held[ICR_HIGH >> 4]! >>> 24;
    const toSelf = shorthand === SHORTHAND_NONE ? this.addressed(destination, (command & ICR_LOGICAL) !== 0)
      : shorthand === SHORTHAND_SELF || shorthand === SHORTHAND_ALL;
    if (!toSelf) return;
    if (delivery === DELIVERY_NMI) this.nmi();
    else if (delivery === DELIVERY_FIXED || delivery === DELIVERY_LOWEST) this.accept(vector, false);
  }

  // ---- timer ---------------------------------------------------------------------------------------------------

  /** Virtual cycles of one count. */
  private tick(): number {
    const bits = this.held[DIVIDE >> 4]!;
    const shift = ((bits & 3 | bits >> 1 & 4) + 1) & 7; // 000 is divide by 2, 111 by 1
    return this.clock.hz / BUS_HZ * 2 ** shift;
  }

  private currentCount(): number {
    const initial = this.held[INITIAL_COUNT >> 4]!;
    if (this.timerEvent === undefined) return 0;
    const passed = Math.floor((this.clock.now() - this.timerStart) / this.tick());
    return Math.max(0, initial - passed);
  }

  private startTimer(): void {
    this.stopTimer();
    const initial = this.held[INITIAL_COUNT >> 4]!;
    if (initial === 0) return;
    this.timerStart = this.clock.now();
    this.scheduleTimer(initial);
  }

  private scheduleTimer(initial: number): void {
    const at = this.timerStart + Math.max(1, initial * this.tick());
    this.timerEvent = this.clock.schedule(at, () => {
      this.timerEvent = undefined;
      const entry = this.held[LVT_TIMER >> 4]!;
      if ((entry & LVT_PERIODIC) !== 0) {
        this.timerStart = at;
        this.scheduleTimer(initial);
      }
      if ((entry & LVT_MASKED) !== 0) return;
      this.count("device.apic.timer");
      this.accept(entry & 0xff, false);
    });
  }

  private stopTimer(): void {
    if (this.timerEvent !== undefined) this.clock.cancel(this.timerEvent);
    this.timerEvent = undefined;
  }
}
