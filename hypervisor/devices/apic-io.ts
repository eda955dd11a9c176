/**
 * The 82093AA I/O APIC: 24 inputs, a redirection table, messages to the local APIC.
 * Reference: Intel 82093AA I/O Advanced Programmable Interrupt Controller (290566).
 * Left out: the APIC bus (a message arrives at once), arbitration. Inputs carry "asserted", so the polarity bit of an
 * entry says nothing here.
 */
import type { AccessSize, CountEvent, IrqLine, PortDevice } from "./device.js";

export const IO_APIC_BASE = 0xfec0_0000;
export const IO_APIC_INPUTS = 24;

const IOREGSEL = 0x00, IOWIN = 0x10;
const REG_ID = 0x00, REG_VERSION = 0x01, REG_ARBITRATION = 0x02, REG_TABLE = 0x10;
const VERSION_VALUE = (IO_APIC_INPUTS - 1) << 16 | 0x11;
const ID_MASK = 0x0f00_0000;

const ENTRY_VECTOR = 0xff, ENTRY_DELIVERY = 0x700, ENTRY_LOGICAL = 0x800, ENTRY_REMOTE_IRR = 0x4000, ENTRY_LEVEL = 0x8000, ENTRY_MASKED = 0x1_0000;
const ENTRY_READ_ONLY = 0x5000, ENTRY_MASK = 0x1_ffff;
const DELIVERY_NMI = 0x400, DELIVERY_EXTINT = 0x700;

/** Sends a message: destination, logical, delivery mode (bits 8-10), vector, level; gives whether a processor took it. */
export type ApicMessage = (destination: number, logical: boolean, delivery: number, vector: number, level: boolean) => boolean;

export class IoApic implements PortDevice {
  private readonly send: ApicMessage;
  private readonly count: CountEvent;
  private readonly low = new Uint32Array(IO_APIC_INPUTS);
  private readonly high = new Uint32Array(IO_APIC_INPUTS);
  private lines = 0;
  private select = 0;
  private id = 0;

  constructor(send: ApicMessage, count: CountEvent) {
    this.send = send;
    this.count = count;
    this.reset();
  }

  reset(): void {
    this.low.fill(ENTRY_MASKED);
    this.high.fill(0);
    this.select = 0;
    this.id = 0;
  }

  /** Some input is let through. */
  get anyEnabled(): boolean {
    return this.low.some(entry => (entry & ENTRY_MASKED) === 0);
  }

  /** Some input is let through as an NMI. */
  get anyNmi(): boolean {
    return this.low.some(entry => (entry & (ENTRY_MASKED | ENTRY_DELIVERY)) === DELIVERY_NMI);
  }

  /** The line to an input, for a device to hold. */
  line(input: number): IrqLine {
    const bit = 1 << input;
    return level => {
      const before = this.lines & bit;
      this.lines = level ? this.lines | bit : this.lines & ~bit;
      if (!level) return;
      if ((this.low[input]! & ENTRY_LEVEL) !== 0 || before === 0) this.deliver(input);
    };
  }

  /** EOI of a level-triggered vector: entries that still assert it send again. */
  endOfInterrupt(vector: number): void {
    for (let input = 0; input < IO_APIC_INPUTS; input++) {
      const entry = this.low[input]!;
      if ((entry & ENTRY_VECTOR) !== vector || (entry & ENTRY_REMOTE_IRR) === 0) continue;
      this.low[input] = entry & ~ENTRY_REMOTE_IRR;
      if ((this.lines >>> input & 1) !== 0) this.deliver(input);
    }
  }

  private deliver(input: number): void {
    const entry = this.low[input]!;
    if ((entry & ENTRY_MASKED) !== 0 || (entry & ENTRY_DELIVERY) === DELIVERY_EXTINT) return;
    const level = (entry & ENTRY_LEVEL) !== 0;
    if (level && (entry & ENTRY_REMOTE_IRR) !== 0) return;
    const taken = this.send(this.high[input]! >>> 24, (entry & ENTRY_LOGICAL) !== 0, entry & ENTRY_DELIVERY, entry & ENTRY_VECTOR, level);
    if (!taken) return;
    this.count("device.ioapic.interrupt");
    if (level) this.low[input] = entry | ENTRY_REMOTE_IRR;
  }

  widest(): AccessSize {
    return 4;
  }

  read(offset: number, _size: AccessSize): number {
    if (offset === IOREGSEL) return this.select;
    return offset === IOWIN ? this.readRegister() : 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset === IOREGSEL) this.select = value & 0xff;
    else if (offset === IOWIN) this.writeRegister(value);
  }

  private readRegister(): number {
    const { select } = this;
    if (select === REG_ID || select === REG_ARBITRATION) return this.id;
    if (select === REG_VERSION) return VERSION_VALUE;
    const input = (select - REG_TABLE) >> 1;
    if (input < 0 || input >= IO_APIC_INPUTS) return 0;
    return (select & 1) === 0 ? this.low[input]! : this.high[input]!;
  }

  private writeRegister(value: number): void {
    const { select } = this;
    if (select === REG_ID) this.id = value & ID_MASK;
    const input = (select - REG_TABLE) >> 1;
    if (input < 0 || input >= IO_APIC_INPUTS) return;
    if ((select & 1) !== 0) {
      this.high[input] = value & 0xff00_0000;
      return;
    }
    let entry = value & ENTRY_MASK & ~ENTRY_READ_ONLY | this.low[input]! & ENTRY_READ_ONLY;
    if ((entry & ENTRY_LEVEL) === 0) entry &= ~ENTRY_REMOTE_IRR; // an edge entry has none: Linux clears it so
    this.low[input] = entry;
    if ((entry & ENTRY_LEVEL) !== 0 && (this.lines >>> input & 1) !== 0) this.deliver(input);
  }
}
