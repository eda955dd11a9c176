/**
 * One counter of the 8254: a start time and a count, from which everything it shows is worked out.
 * Reference: Intel 8254 datasheet (231164), "Mode Definitions".
 * Left out: in mode 3 a new count waits for the whole period, not the half.
 */

export const CW_RW_SHIFT = 4;
const CW_MODE_SHIFT = 1;
const CW_BCD = 0x01;
const RW_LSB = 1;
const RW_MSB = 2;
const RW_BOTH = 3;
const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;
export const NEVER = Infinity;

/** Times are in ticks of the input clock since the machine was made. */
export class PitCounter {
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
