/**
 * The PC's pair of 8259A interrupt controllers: a master, a slave on its input 2, and the
 * edge/level control registers of the PIIX.
 * Reference: Intel 8259A datasheet (231468); Intel 82371FB/SB PIIX datasheet (ELCR).
 * Left out: MCS-80/85 mode, buffered mode, LTIM of ICW1 (the PIIX ignores it; ELCR decides).
 */
import type { CountEvent, IrqLine, PortDevice } from "./device.js";

const ICW1_SELECT = 0x10;
const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW2_VECTOR_MASK = 0xf8;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;

const OCW2_EOI = 0x20;
const OCW2_SL = 0x40;
const OCW2_R = 0x80;
const OCW2_LEVEL_MASK = 0x07;

const OCW3_SELECT = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;

const POLL_PENDING = 0x80;
const CASCADE_INPUT = 2;
const SPURIOUS_INPUT = 7;
const NONE = -1;
/** Inputs that are always edge triggered: timer, keyboard, cascade; RTC and FPU error. */
const ELCR_MASTER_MASK = 0xf8;
const ELCR_SLAVE_MASK = 0xde;

const INIT_DONE = 0;
const INIT_ICW2 = 2;
const INIT_ICW3 = 3;
const INIT_ICW4 = 4;

/** One 8259A. */
class Pic8259 implements PortDevice {
  private readonly output: IrqLine;
  private readonly elcrMask: number;
  private readonly isMaster: boolean;

  private lines = 0;
  private irr = 0;
  private isr = 0;
  private imr = 0xff; // undefined at power-up: nothing is delivered before ICW1
  private elcr = 0;
  private lowest = 7;
  private vectorBase = 0;
  private initStep = INIT_DONE;
  private icw1 = 0;
  private autoEoi = false;
  private rotateOnAutoEoi = false;
  private fullyNested = false;
  private specialMask = false;
  private readIsr = false;
  private poll = false;

  constructor(isMaster: boolean, output: IrqLine) {
    this.isMaster = isMaster;
    this.elcrMask = isMaster ? ELCR_MASTER_MASK : ELCR_SLAVE_MASK;
    this.output = output;
  }

  reset(): void {
    this.initialize(ICW1_IC4);
    this.initStep = INIT_DONE;
    this.imr = 0xff;
    this.vectorBase = 0;
    this.elcr = 0;
    this.updateIrq();
  }

  /** The interrupt mask register. */
  get mask(): number {
    return this.imr;
  }

  setLine(input: number, level: boolean): void {
    const bit = 1 << input;
    if (level) {
      // Edge mode latches the rise only. Either way a request that goes away is withdrawn:
      // the datasheet wants IR high until the first INTA.
      if (this.elcr & bit || !(this.lines & bit)) this.irr |= bit;
      this.lines |= bit;
    } else {
      this.irr &= ~bit;
      this.lines &= ~bit;
    }
    this.updateIrq();
  }

  read(offset: number): number {
    if (this.poll) return this.pollRead();
    if (offset === 1) return this.imr;
    return this.readIsr ? this.isr : this.irr;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset === 1) this.writeData(value);
    else if (value & ICW1_SELECT) this.initialize(value);
    else if (value & OCW3_SELECT) this.writeOcw3(value);
    else this.writeOcw2(value);
    this.updateIrq();
  }

  readElcr(): number {
    return this.elcr;
  }

  writeElcr(value: number): void {
    this.elcr = value & this.elcrMask;
    this.irr = (this.irr & ~this.elcr) | (this.lines & this.elcr);
    this.updateIrq();
  }

  /** The input that would be served now, or -1. */
  pending(): number {
    const requests = this.irr & ~this.imr;
    if (requests === 0) return NONE;
    // A bit in service blocks its own level and all below; masked levels do not in special mask mode.
    let blocking = this.specialMask ? this.isr & ~this.imr : this.isr;
    if (this.fullyNested && this.isMaster) blocking &= ~(1 << CASCADE_INPUT);
    for (let rank = 1; rank <= 8; rank++) {
      const input = (this.lowest + rank) & 7;
      if (blocking & (1 << input)) return NONE;
      if (requests & (1 << input)) return input;
    }
    return NONE;
  }

  /** INTA for an input; returns its vector. Input 7 without a request is the spurious one. */
  acknowledge(input: number): number {
    if (input === NONE) return this.vectorBase | SPURIOUS_INPUT;
    const bit = 1 << input;
    if (!(this.elcr & bit)) this.irr &= ~bit;
    if (!this.autoEoi) this.isr |= bit;
    else if (this.rotateOnAutoEoi) this.lowest = input;
    this.updateIrq();
    return this.vectorBase | input;
  }

  private initialize(icw1: number): void {
    this.icw1 = icw1;
    this.initStep = INIT_ICW2;
    this.irr = this.lines & this.elcr; // the edge sense circuit is reset
    this.isr = 0;
    this.imr = 0;
    this.lowest = 7;
    this.specialMask = false;
    this.readIsr = false;
    this.poll = false;
    this.autoEoi = false;
    this.rotateOnAutoEoi = false;
    this.fullyNested = false;
  }

  /** Odd port: the rest of the initialization sequence, then OCW1. */
  private writeData(value: number): void {
    const afterIcw3 = this.icw1 & ICW1_IC4 ? INIT_ICW4 : INIT_DONE;
    switch (this.initStep) {
      case INIT_ICW2:
        this.vectorBase = value & ICW2_VECTOR_MASK;
        this.initStep = this.icw1 & ICW1_SNGL ? afterIcw3 : INIT_ICW3;
        break;
      case INIT_ICW3: // wiring: fixed on a PC
        this.initStep = afterIcw3;
        break;
      case INIT_ICW4:
        this.autoEoi = (value & ICW4_AEOI) !== 0;
        this.fullyNested = (value & ICW4_SFNM) !== 0;
        this.initStep = INIT_DONE;
        break;
      default:
        this.imr = value;
    }
  }

  private writeOcw2(value: number): void {
    const rotate = (value & OCW2_R) !== 0;
    if (!(value & OCW2_EOI)) {
      if (value & OCW2_SL) {
        if (rotate) this.lowest = value & OCW2_LEVEL_MASK; // set priority
      } else {
        this.rotateOnAutoEoi = rotate;
      }
      return;
    }
    const input = value & OCW2_SL ? value & OCW2_LEVEL_MASK : this.highestInService();
    if (input === NONE) return;
    this.isr &= ~(1 << input);
    if (rotate) this.lowest = input;
  }

  private highestInService(): number {
    const served = this.specialMask ? this.isr & ~this.imr : this.isr; // a masked level is not cleared in SMM
    for (let rank = 1; rank <= 8; rank++) {
      const input = (this.lowest + rank) & 7;
      if (served & (1 << input)) return input;
    }
    return NONE;
  }

  private writeOcw3(value: number): void {
    if (value & OCW3_RR) this.readIsr = (value & OCW3_RIS) !== 0;
    if (value & OCW3_ESMM) this.specialMask = (value & OCW3_SMM) !== 0;
    if (value & OCW3_POLL) this.poll = true;
  }

  /** Poll command: this read is the INTA and gives the level itself. */
  private pollRead(): number {
    this.poll = false;
    const input = this.pending();
    if (input === NONE) return 0;
    this.acknowledge(input);
    return POLL_PENDING | input;
  }

  private updateIrq(): void {
    this.output(this.pending() !== NONE);
  }
}

export interface PicOptions {
  /** INTR to the processor (or to whoever stands for it). */
  intr: IrqLine;
  count: CountEvent;
}

export class Pic8259Pair {
  /** Ports 0x20-0x21. */
  readonly master: PortDevice;
  /** Ports 0xa0-0xa1. */
  readonly slave: PortDevice;
  /** Ports 0x4d0-0x4d1. */
  readonly elcr: PortDevice;
  private readonly count: CountEvent;
  private readonly chips: readonly [Pic8259, Pic8259];
  private intrLevel = false;

  constructor(options: PicOptions) {
    this.count = options.count;
    const master = new Pic8259(true, level => {
      this.intrLevel = level;
      options.intr(level);
    });
    const slave = new Pic8259(false, level => master.setLine(CASCADE_INPUT, level));
    this.master = master;
    this.slave = slave;
    this.chips = [master, slave];
    this.elcr = {
      read: offset => this.chips[offset & 1]!.readElcr(),
      write: (offset, _size, value) => this.chips[offset & 1]!.writeElcr(value),
    };
  }

  reset(): void {
    for (const chip of this.chips) chip.reset();
  }

  /** Level of INTR: whether `acknowledge` would give a real vector. */
  get intr(): boolean {
    return this.intrLevel;
  }

  /** Whether any input could raise INTR as the masks are: it is let through, and its chip's INT is. */
  get anyEnabled(): boolean {
    const [master, slave] = this.chips;
    return (master.mask | 1 << CASCADE_INPUT) !== 0xff || ((master.mask >> CASCADE_INPUT & 1) === 0 && slave.mask !== 0xff);
  }

  /** The line to interrupt input 0-15, for a device to hold. */
  line(irq: number): IrqLine {
    const chip = this.chips[irq >>> 3]!;
    const input = irq & 7;
    return level => chip.setLine(input, level);
  }

  /** INTA cycle: returns the vector (0-255). With nothing left to serve it is the spurious IRQ 7 or 15. */
  acknowledge(): number {
    const [master, slave] = this.chips;
    const input = master.pending();
    this.count(input === NONE ? "device.pic.spurious" : "device.pic.interrupt");
    const vector = master.acknowledge(input);
    if (input !== CASCADE_INPUT) return vector;
    const slaveVector = slave.acknowledge(slave.pending());
    // The slave's INT falls with INTA and rises again for what is left: a fresh edge for the master.
    master.setLine(CASCADE_INPUT, false);
    master.setLine(CASCADE_INPUT, slave.pending() !== NONE);
    return slaveVector;
  }
}
