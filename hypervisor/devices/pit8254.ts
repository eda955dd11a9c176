/**
 * Intel 8254 programmable interval timer: three counters, all six modes, and system control port B
 * (0x61), which gates counter 2, shows its output, and reports and clears IOCHK#, a source of NMI.
 * Reference: Intel 8254 datasheet (231164); the port from the PC/AT technical reference and the 82371SB (PIIX3) datasheet, NMISC.
 * Nothing ticks: the counters (pit-counter.ts) are worked out when asked, and only the rising edges of
 * counter 0's output are events.
 * Left out: the low times of that output in modes 2, 3 and 4; IRQ 0 falls just before it rises again.
 */
import type { CountEvent, DeviceClock, IrqLine, PortDevice } from "./device.js";
import { CW_RW_SHIFT, NEVER, PitCounter } from "./pit-counter.js";

/** Input clock of the three counters, in hertz. */
export const PIT_HZ = 1_193_182;

const CONTROL_PORT = 3;
const CW_SELECT_SHIFT = 6;
const CW_READ_BACK = 3;
const RW_LATCH = 0;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

const PORT61_GATE2 = 0x01;
const PORT61_STORED = 0x0f;
const PORT61_REFRESH = 0x10;
const PORT61_OUT2 = 0x20;
/** While set, IOCHK# is ignored and its status cleared; and the status. */
const PORT61_IOCHK_OFF = 0x08, PORT61_IOCHK = 0x40;
/** Half a period of the refresh request: counter 1 of a PC/AT divides by 18. */
const REFRESH_TICKS = 18;

/** Absorbs the rounding of cycles to ticks, in ticks. */
const ROUNDING = 1e-6;

export interface PitOptions {
  clock: DeviceClock;
  /** OUT of counter 0. */
  irq0: IrqLine;
  count: CountEvent;
  /** What port 0x61 has to say about NMI has changed: `nmiRequested`. */
  onNmi?: () => void;
}

export class Pit8254 implements PortDevice {
  /** System control port B (0x61). */
  readonly port61: PortDevice;
  private readonly clock: DeviceClock;
  private readonly irq0: IrqLine;
  private readonly countEvent: CountEvent;
  private readonly cyclesPerTick: number;
  private readonly counters: readonly [PitCounter, PitCounter, PitCounter];
  private readonly onNmi: () => void;
  private port61Stored = 0;
  private ioCheckSeen = false;
  private event = 0;
  private eventAt = NEVER;

  constructor(options: PitOptions) {
    this.clock = options.clock;
    this.irq0 = options.irq0;
    this.countEvent = options.count;
    this.onNmi = options.onNmi ?? (() => {});
    this.cyclesPerTick = options.clock.hz / PIT_HZ;
    this.counters = [new PitCounter(), new PitCounter(), new PitCounter()];
    this.counters[2].setGate(false, 0);
    this.port61 = {
      read: () => this.readPort61(),
      write: (_offset, _size, value) => this.writePort61(value),
    };
    this.updateIrq(this.tick());
  }

  /** IOCHK# of the ISA bus: a card, or the button on the front, wants an NMI. Ignored while port 0x61 says so. */
  ioCheck(): void {
    if ((this.port61Stored & PORT61_IOCHK_OFF) !== 0) return;
    this.ioCheckSeen = true;
    this.onNmi();
  }

  get nmiRequested(): boolean {
    return this.ioCheckSeen;
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
    return this.port61Stored | refresh | (this.ioCheckSeen ? PORT61_IOCHK : 0) | (this.counters[2].out(tick) ? PORT61_OUT2 : 0);
  }

  private writePort61(value: number): void {
    this.port61Stored = value & PORT61_STORED;
    if ((value & PORT61_IOCHK_OFF) !== 0 && this.ioCheckSeen) {
      this.ioCheckSeen = false;
      this.onNmi();
    }
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
