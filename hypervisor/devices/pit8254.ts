/**
 * Intel 8254 programmable interval timer: three counters, all six modes, and system control port B
 * (0x61), which gates counter 2 and shows its output.
 * Reference: Intel 8254 datasheet (231164); the port from the PC/AT technical reference.
 * Nothing ticks: a counter is a start time and a count, and what it shows is worked out when asked.
 * Only counter 0's output edges are events, one per edge that can interrupt.
 * Left out: in mode 3 a new count waits for the whole period, not the half; a write in the first of
 * two bytes stops mode 0 only; OUT of counter 0 in modes 2 and 3 falls just before it rises again.
 */
import type { CountEvent, DeviceClock, IrqLine, PortDevice } from "./device.js";

/** Input clock of the three counters, in hertz. */
export const PIT_HZ = 1_193_182;

const CONTROL_PORT = 3;
const CW_SELECT_SHIFT = 6;
const CW_READ_BACK = 3;
const CW_RW_SHIFT = 4;
const CW_MODE_SHIFT = 1;
const CW_BCD = 0x01;
const RW_LATCH = 0;
const RW_LSB = 1;
const RW_MSB = 2;
const RW_BOTH = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;
const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;

const PORT61_GATE2 = 0x01;
const PORT61_STORED = 0x0f;
const PORT61_REFRESH = 0x10;
const PORT61_OUT2 = 0x20;
/** Half a period of the refresh request: counter 1 of a PC/AT divides by 18. */
const REFRESH_TICKS = 18;

/** Absorbs the rounding of cycles to ticks, in ticks. */
const ROUNDING = 1e-6;
const NEVER = Infinity;

/** One counter. Times are in ticks of the input clock since the machine was made. */
class Counter {
  private rw = RW_BOTH;
  private mode = 3;
  private bcd = false;
  /** The count register (CR), 1 to 65,536; 0 until a count is written. */
  private reload = 0;
  /** A count that takes over at the end of the running period (modes 2 and 3). */
  private nextReload = 0;
  private switchAt = NEVER;
  /** Tick at which the counting element held the whole count; NEVER: not counting. */
  private start = NEVER;
  /** Ticks counted when the gate stopped it, or NaN while it runs. */
  private held = NaN;
  private gate = true;
  /** OUT in the clock between a trigger and its reload (mode 1). */
  private outAtTrigger = true;
  private lowByte = 0;
  private writeHigh = false;
  private readHigh = false;
  private latched: number[] = [];
  private latchedStatus = -1;

  reset(): void {
    this.rw = RW_BOTH;
    this.mode = 3;
    this.bcd = false;
    this.stop();
    this.writeHigh = this.readHigh = false;
    this.latched = [];
    this.latchedStatus = -1;
  }

  control(word: number): void {
    const mode = (word >>> CW_MODE_SHIFT) & 7;
    this.rw = (word >>> CW_RW_SHIFT) & 3;
    this.mode = mode > 5 ? mode - 4 : mode; // x10 and x11 are modes 2 and 3
    this.bcd = (word & CW_BCD) !== 0;
    this.stop();
    this.writeHigh = this.readHigh = false;
    this.latched = [];
    this.latchedStatus = -1;
  }

  write(value: number, tick: number): void {
    if (this.rw === RW_LSB) this.load(value, tick);
    else if (this.rw === RW_MSB) this.load(value << 8, tick);
    else if (this.writeHigh) {
      this.writeHigh = false;
      this.load(this.lowByte | (value << 8), tick);
    } else {
      this.lowByte = value;
      this.writeHigh = true;
      if (this.mode === 0) this.start = NEVER; // the first byte stops the count
    }
  }

  read(tick: number): number {
    if (this.latchedStatus >= 0) {
      const status = this.latchedStatus;
      this.latchedStatus = -1;
      return status;
    }
    if (this.latched.length > 0) return this.latched.shift()!;
    const count = this.count(tick);
    if (this.rw === RW_LSB) return count & 0xff;
    if (this.rw === RW_MSB) return count >>> 8;
    this.readHigh = !this.readHigh;
    return this.readHigh ? count & 0xff : count >>> 8;
  }

  latchCount(tick: number): void {
    if (this.latched.length > 0) return; // the first latch holds until it is read
    const count = this.count(tick);
    const bytes = [count & 0xff, count >>> 8];
    this.latched = this.rw === RW_BOTH ? bytes : [bytes[this.rw - 1]!];
    this.readHigh = false;
  }

  latchStatus(tick: number): void {
    if (this.latchedStatus >= 0) return;
    const loaded = this.nextReload === 0 && tick >= this.start;
    this.latchedStatus = (this.out(tick) ? STATUS_OUT : 0) | (loaded ? 0 : STATUS_NULL_COUNT) |
      (this.rw << CW_RW_SHIFT) | (this.mode << CW_MODE_SHIFT) | (this.bcd ? CW_BCD : 0);
  }

  setGate(level: boolean, tick: number): void {
    if (level === this.gate) return;
    this.settle(tick);
    this.gate = level;
    if (this.mode === 1 || this.mode === 5) { // a rising edge is the trigger
      if (level && this.reload > 0) {
        this.outAtTrigger = this.out(tick);
        this.takeNext();
        this.start = tick + 1;
      }
    } else if (this.start !== NEVER) {
      if (this.periodic) this.takeNext(); // the rising edge reloads
      if (!level) this.held = this.periodic ? 0 : tick - this.start;
      else {
        this.start = this.periodic ? tick + 1 : tick - this.held;
        this.held = NaN;
      }
    }
  }

  /** OUT at a tick. */
  out(tick: number): boolean {
    this.settle(tick);
    if (this.start === NEVER) return this.mode !== 0;
    const n = this.reload;
    const counted = this.counted(tick);
    switch (this.mode) {
      case 0: return counted >= n;
      case 1: return counted < 0 ? this.outAtTrigger : counted >= n;
      case 2: return counted < 0 || !this.running() || counted % n !== n - 1;
      case 3: return counted < 0 || !this.running() || counted % n < Math.ceil(n / 2);
      default: return counted !== n;
    }
  }

  /** The next tick after this one at which OUT rises by itself, or NEVER. */
  nextRise(tick: number): number {
    this.settle(tick);
    if (this.start === NEVER || !this.running()) return NEVER;
    const n = this.reload;
    if (this.mode === 2 || this.mode === 3) {
      return this.start + n * (Math.max(0, Math.floor((tick - this.start) / n)) + 1);
    }
    const rise = this.start + n + (this.mode >= 4 ? 1 : 0);
    return rise > tick ? rise : NEVER;
  }

  get periodic(): boolean {
    return this.mode === 2 || this.mode === 3;
  }

  private stop(): void {
    this.reload = this.nextReload = 0;
    this.start = this.switchAt = NEVER;
    this.held = NaN;
  }

  /** A complete count has been written: 0 stands for the largest one. */
  private load(raw: number, tick: number): void {
    this.settle(tick);
    const value = this.bcd ? fromBcd(raw) : raw;
    const reload = value === 0 ? this.modulus : value;
    if (this.periodic && this.start !== NEVER && this.running()) {
      this.nextReload = reload;
      this.switchAt = this.nextRise(tick);
      return;
    }
    if (this.mode === 1 || this.mode === 5) { // waits for a trigger
      if (this.start === NEVER) this.reload = reload;
      else this.nextReload = reload;
      return;
    }
    this.reload = reload;
    this.nextReload = 0;
    this.switchAt = NEVER;
    this.start = tick + 1; // CR reaches the counting element on the next clock
    this.held = this.gate ? NaN : -1;
  }

  private settle(tick: number): void {
    if (tick < this.switchAt) return;
    this.start = this.switchAt;
    this.takeNext();
  }

  private takeNext(): void {
    if (this.nextReload > 0) this.reload = this.nextReload;
    this.nextReload = 0;
    this.switchAt = NEVER;
  }

  private running(): boolean {
    return Number.isNaN(this.held);
  }

  private counted(tick: number): number {
    return this.running() ? tick - this.start : this.held;
  }

  private get modulus(): number {
    return this.bcd ? 10_000 : 0x1_0000;
  }

  /** The counting element as it reads at a tick. */
  private count(tick: number): number {
    this.settle(tick);
    if (this.start === NEVER) return this.encode(this.reload);
    const n = this.reload;
    const counted = Math.max(0, this.counted(tick));
    if (this.mode === 2) return this.encode(n - counted % n);
    if (this.mode !== 3) return this.encode(n - counted);
    const phase = counted % n; // counts down by two, twice a period; an odd count starts one lower
    const high = Math.ceil(n / 2);
    return this.encode((n & 1 ? n - 1 : n) - 2 * (phase < high ? phase : phase - high));
  }

  private encode(count: number): number {
    const value = ((count % this.modulus) + this.modulus) % this.modulus;
    return this.bcd ? toBcd(value) : value;
  }
}

function fromBcd(raw: number): number {
  return (raw & 15) + 10 * ((raw >>> 4) & 15) + 100 * ((raw >>> 8) & 15) + 1000 * (raw >>> 12);
}

function toBcd(value: number): number {
  const digit = (power: number): number => Math.floor(value / power) % 10;
  return digit(1) | (digit(10) << 4) | (digit(100) << 8) | (digit(1000) << 12);
}

export interface PitOptions {
  clock: DeviceClock;
  /** OUT of counter 0. */
  irq0: IrqLine;
  count: CountEvent;
}

export class Pit8254 implements PortDevice {
  /** System control port B (0x61). */
  readonly port61: PortDevice;
  private readonly clock: DeviceClock;
  private readonly irq0: IrqLine;
  private readonly countEvent: CountEvent;
  private readonly cyclesPerTick: number;
  private readonly counters: readonly [Counter, Counter, Counter];
  private port61Stored = 0;
  private event = 0;
  private eventAt = NEVER;

  constructor(options: PitOptions) {
    this.clock = options.clock;
    this.irq0 = options.irq0;
    this.countEvent = options.count;
    this.cyclesPerTick = options.clock.hz / PIT_HZ;
    this.counters = [new Counter(), new Counter(), new Counter()];
    this.counters[2].setGate(false, 0);
    this.port61 = {
      read: () => this.readPort61(),
      write: (_offset, _size, value) => this.writePort61(value),
    };
    this.updateIrq(this.tick());
  }

  reset(): void {
    for (const counter of this.counters) counter.reset();
    this.writePort61(0);
    this.updateIrq(this.tick());
  }

  read(offset: number): number {
    if (offset === CONTROL_PORT) return 0xff; // the control word cannot be read
    return this.counters[offset]!.read(this.tick());
  }

  write(offset: number, _size: number, value: number): void {
    const tick = this.tick();
    if (offset === CONTROL_PORT) this.control(value, tick);
    else this.counters[offset]!.write(value, tick);
    if (offset === 0 || offset === CONTROL_PORT) this.updateIrq(tick);
  }

  private control(word: number, tick: number): void {
    const select = word >>> CW_SELECT_SHIFT;
    if (select === CW_READ_BACK) {
      for (let i = 0; i < 3; i++) {
        if (!(word & (2 << i))) continue;
        if (!(word & READ_BACK_NO_COUNT)) this.counters[i]!.latchCount(tick);
        if (!(word & READ_BACK_NO_STATUS)) this.counters[i]!.latchStatus(tick);
      }
      return;
    }
    const counter = this.counters[select]!;
    if (((word >>> CW_RW_SHIFT) & 3) === RW_LATCH) counter.latchCount(tick);
    else counter.control(word);
  }

  private readPort61(): number {
    const tick = this.tick();
    const refresh = Math.floor(tick / REFRESH_TICKS) & 1 ? PORT61_REFRESH : 0;
    return this.port61Stored | refresh | (this.counters[2].out(tick) ? PORT61_OUT2 : 0);
  }

  private writePort61(value: number): void {
    this.port61Stored = value & PORT61_STORED;
    this.counters[2].setGate((value & PORT61_GATE2) !== 0, this.tick());
  }

  /** Ticks of the input clock so far. */
  private tick(): number {
    return Math.floor(this.clock.now() / this.cyclesPerTick + ROUNDING);
  }

  private rise(tick: number): void {
    this.eventAt = NEVER;
    this.countEvent("device.pit.tick");
    this.irq0(false); // the low time of modes 2, 3 and 4 is not an event of its own
    this.updateIrq(Math.max(tick, this.tick())); // edges the clock has jumped over are one edge
  }

  /** Drives IRQ 0 from OUT of counter 0 and keeps its next rising edge scheduled. */
  private updateIrq(tick: number): void {
    const counter = this.counters[0];
    this.irq0(counter.periodic || counter.out(tick));
    const at = counter.nextRise(tick);
    if (at === this.eventAt) return;
    if (this.eventAt !== NEVER) this.clock.cancel(this.event);
    this.eventAt = at;
    if (at !== NEVER) this.event = this.clock.schedule(Math.ceil(at * this.cyclesPerTick), () => this.rise(at));
  }
}
