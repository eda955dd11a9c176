/**
 * The power management function of the PIIX4: PM1 event and control blocks, the PM timer, soft-off, and the APM control
 * port that ACPI calls SMI_CMD.
 * Reference: Intel 82371AB PIIX4 (290562), chapters 7 and 11; ACPI specification 1.0b, 4.7.
 * Left out: SMIs (SCI_EN is always set: the machine is in ACPI mode from the start), throttling, device monitors, SMBus,
 * sleep states other than soft-off, general-purpose events (their registers are there, no event sets them).
 */
import type { AccessSize, DeviceClock, IrqLine, PortDevice } from "./device.js";
import { COMMAND_IO, PciFunction } from "./pci.js";

export const PM_BASE = 0x600, PM_LENGTH = 64;
/** Offsets in the PM block. */
export const PM1_STATUS = 0x00, PM1_ENABLE = 0x02, PM1_CONTROL = 0x04, PM_TIMER = 0x08, GP_STATUS = 0x0c, GP_ENABLE = 0x0e;
export const PM_TIMER_HZ = 3_579_545;

/** PCI configuration. */
const PMBASE = 0x40, DEVACTB = 0x58, PMREGMISC = 0x80, PMIOSE = 0x01, PMBASE_MASK = 0xffc0;

/** Writes to port 0xb2 raise an SMI. Always set: firmware that would set it first prepares for SMIs, and leaves both alone when it is. */
const DEVACTB_APMC_EN = 0x0200_0000;

const STATUS_TIMER = 0x0001, STATUS_POWER_BUTTON = 0x0100, STATUS_WRITABLE = 0x8d31;
const ENABLE_WRITABLE = 0x0521;
const CONTROL_SCI = 0x0001, CONTROL_SLEEP = 0x2000, CONTROL_WRITABLE = 0x1c03;
const SLEEP_TYPE = 0x1c00;
/** SLP_TYP of soft-off (S5). */
export const SLEEP_TYPE_SOFT_OFF = 0;
/** The timer has 24 bits; its status bit is set when bit 23 changes. */
const TIMER_WRAP = 2 ** 24, TIMER_HALF = 2 ** 23;

export interface PmOptions {
  readonly clock: DeviceClock;
  /** SCI: IRQ 9. */
  readonly sci: IrqLine;
  readonly onPowerOff: () => void;
}

export class Piix4Pm implements PortDevice {
  readonly config = new PciFunction({ vendor: 0x8086, device: 0x7113, revision: 3, classCode: 0x06_8000, command: COMMAND_IO, status: 0x0280 });
  private readonly clock: DeviceClock;
  private readonly sci: IrqLine;
  private readonly onPowerOff: () => void;
  private status = 0;
  private enable = 0;
  private control = CONTROL_SCI;
  private readonly general = new Uint8Array(4);
  private timerEvent: number | undefined;
  /** Halves of the timer's range that had passed when the status bit was last looked at. */
  private halvesSeen = 0;
  private move: (base: number | undefined) => void = () => {};

  constructor(options: PmOptions) {
    this.config.allow(PMBASE, 4, PMBASE_MASK);
    this.config.allow(PMREGMISC, 1, PMIOSE);
    this.config.onWrite = (offset) => { if ((offset & ~3) === PMBASE || offset === PMREGMISC) this.place(); };
    this.clock = options.clock;
    this.sci = options.sci;
    this.onPowerOff = options.onPowerOff;
    this.reset();
  }

  reset(): void {
    this.status = this.enable = 0;
    this.control = CONTROL_SCI;
    this.general.fill(0);
    this.config.put(PMBASE, 4, PM_BASE | 1); // as our firmware chooses
    this.config.put(PMREGMISC, 1, PMIOSE);
    this.config.put(DEVACTB, 4, DEVACTB_APMC_EN);
    this.place();
    this.config.put(0x3c, 1, 9);
    this.halvesSeen = this.halves();
    this.updateSci();
  }

  /** Gives the function that maps the ports where PMBASE says, or nowhere. */
  bind(move: (base: number | undefined) => void): void {
    this.move = move;
    this.place();
  }

  private place(): void {
    const base = this.config.get(PMBASE, 4) & PMBASE_MASK;
    this.move((this.config.get(PMREGMISC, 1) & PMIOSE) !== 0 && base !== 0 ? base : undefined);
  }

  /** The power button: an event the guest may answer by shutting down. */
  pressPowerButton(): void {
    this.status |= STATUS_POWER_BUTTON;
    this.updateSci();
  }

  widest(): AccessSize {
    return 4;
  }

  read(offset: number, size: AccessSize): number {
    if ((offset & ~3) === PM_TIMER) return (this.ticks() % TIMER_WRAP >>> (8 * (offset & 3)) & 2 ** (8 * size) - 1) >>> 0;
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
    this.updateSci();
  }

  private readByte(offset: number): number {
    const shift = (offset & 1) * 8;
    switch (offset & ~1) {
      case PM1_STATUS: this.lookAtTimer(); return this.status >>> shift & 0xff;
      case PM1_ENABLE: return this.enable >>> shift & 0xff;
      case PM1_CONTROL: return this.control >>> shift & 0xff;
      case GP_STATUS: case GP_ENABLE: return this.general[offset - GP_STATUS]!;
      default: return 0;
    }
  }

  private writeByte(offset: number, value: number): void {
    const shift = (offset & 1) * 8;
    const keep = 0xff00 >>> shift, bits = value << shift;
    switch (offset & ~1) {
      case PM1_STATUS: this.lookAtTimer(); this.status &= ~(bits & STATUS_WRITABLE); break; // ones clear
      case PM1_ENABLE: this.enable = this.enable & keep | bits & ENABLE_WRITABLE; break;
      case PM1_CONTROL:
        this.control = (this.control & keep | bits & CONTROL_WRITABLE) | CONTROL_SCI;
        if ((bits & CONTROL_SLEEP) !== 0 && (this.control & SLEEP_TYPE) >>> 10 === SLEEP_TYPE_SOFT_OFF) this.onPowerOff();
        break;
      case GP_ENABLE: this.general[offset - GP_STATUS] = value; break;
      default: break;
    }
  }

  private ticks(): number {
    return Math.floor(this.clock.now() * PM_TIMER_HZ / this.clock.hz);
  }

  private halves(): number {
    return Math.floor(this.ticks() / TIMER_HALF);
  }

  private lookAtTimer(): void {
    const halves = this.halves();
    if (halves !== this.halvesSeen) this.status |= STATUS_TIMER;
    this.halvesSeen = halves;
  }

  /** Raises or lowers SCI; with the timer's event enabled, looks again when bit 23 next changes. */
  private updateSci(): void {
    this.lookAtTimer();
    if (this.timerEvent !== undefined) this.clock.cancel(this.timerEvent);
    this.timerEvent = undefined;
    if ((this.enable & STATUS_TIMER) !== 0) {
      const at = Math.ceil((this.halvesSeen + 1) * TIMER_HALF * this.clock.hz / PM_TIMER_HZ);
      this.timerEvent = this.clock.schedule(at, () => { this.timerEvent = undefined; this.updateSci(); });
    }
    this.sci((this.status & this.enable) !== 0);
  }
}

/** The APM control and status ports (0xb2 and 0xb3): two latches. */
export class ApmPorts implements PortDevice {
  private readonly latches = new Uint8Array(2);

  read(offset: number): number {
    return this.latches[offset]!;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    this.latches[offset] = value;
  }
}
