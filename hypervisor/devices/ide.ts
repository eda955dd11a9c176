/**
 * One IDE channel as the PIIX shows it in compatible mode: the command block (0x1f0-0x1f7), the
 * control block (0x3f6), one interrupt, two drives on the cable.
 * Reference: T13/1410D, AT Attachment with Packet Interface - 6, clauses 7 and 9.
 * A drive is an IdeDrive: ata-disk.ts is a hard disk, atapi-cd.ts a CD-ROM. piix3-ide.ts has the bus masters.
 * Left out: the time a reset takes.
 */
import type { AccessSize, IrqLine, PortDevice } from "./device.js";

/** Registers of the command block; ATA names, LBA forms. */
export const DATA = 0;
export const ERROR_FEATURES = 1;
export const SECTOR_COUNT = 2;
export const LBA_LOW = 3;
export const LBA_MID = 4;
export const LBA_HIGH = 5;
export const DEVICE = 6;
export const STATUS_COMMAND = 7;

export const STATUS_BSY = 0x80;
export const STATUS_DRDY = 0x40;
export const STATUS_DSC = 0x10;
export const STATUS_DRQ = 0x08;
export const STATUS_ERR = 0x01;

export const DEVICE_DEV = 0x10;
export const EXECUTE_DEVICE_DIAGNOSTIC = 0x90;

const CONTROL_NIEN = 0x02;
const CONTROL_SRST = 0x04;
const CONTROL_HOB = 0x80;

/** One DMA transfer of a drive. */
export interface DmaRequest {
  readonly toMemory: boolean;
  /** What the drive gives, or takes. */
  readonly bytes: Uint8Array;
  /** Called when all bytes have moved, or with false when the host had no room for them. */
  done(whole: boolean): void;
}

/** A bus master, as a drive sees it. */
export interface IdeDma {
  start(request: DmaRequest): void;
  cancel(): void;
  /** The interrupt line of the channel rose. */
  interrupted(): void;
}

/** What a drive is given of its channel. */
export interface IdeHost {
  readonly dma?: IdeDma;
  /** The drive's INTRQ may have changed. */
  changed(): void;
}

/** A drive on the cable. Values are bytes except for data. */
export interface IdeDrive {
  /** Status register. Reading it has no effect here; the channel clears `interrupt`. */
  readonly status: number;
  /** Whether the drive asserts INTRQ. */
  interrupt: boolean;
  /** Reads registers 1 to 6; `previous` asks for the older byte of a 48-bit pair (HOB). */
  readRegister(register: number, previous: boolean): number;
  /** Writes registers 1 to 6; both drives see every write. */
  writeRegister(register: number, value: number): void;
  command(code: number): void;
  readData(size: AccessSize): number;
  writeData(size: AccessSize, value: number): void;
  /** Hardware or software reset, or a diagnostic: leaves the signature in the registers. */
  reset(): void;
}

const NO_DRIVE = 0xff;

export interface IdeChannelOptions {
  irq: IrqLine;
  /** Without one the drives know no DMA commands. */
  dma?: IdeDma;
  /** Makes device 0 and device 1, undefined where the cable ends. */
  drives: readonly [((host: IdeHost) => IdeDrive)?, ((host: IdeHost) => IdeDrive)?];
}

export class IdeChannel implements PortDevice {
  /** The control block: one port, device control and alternate status. */
  readonly control: PortDevice;
  private readonly irq: IrqLine;
  private readonly dma: IdeDma | undefined;
  private interruptLevel = false;
  private readonly drives: readonly (IdeDrive | undefined)[];
  private selected = 0;
  private controlRegister = 0;

  constructor(options: IdeChannelOptions) {
    this.irq = options.irq;
    this.dma = options.dma;
    const host: IdeHost = { changed: () => this.updateIrq(), ...(options.dma && { dma: options.dma }) };
    this.drives = options.drives.map(make => make?.(host));
    this.control = {
      read: () => this.status(),
      write: (_offset, _size, value) => this.writeControl(value),
    };
  }

  reset(): void {
    this.controlRegister = 0;
    this.resetDrives();
  }

  widest(offset: number): AccessSize {
    return offset === DATA ? 4 : 1;
  }

  read(offset: number, size: AccessSize): number {
    const drive = this.drives[this.selected];
    if (offset === STATUS_COMMAND) {
      const status = this.status();
      if (drive) drive.interrupt = false;
      this.updateIrq();
      return status;
    }
    if (offset === DATA) {
      const data = drive ? drive.readData(size) : 2 ** (8 * size) - 1;
      this.updateIrq(); // taking the last word of a block may start the next one
      return data;
    }
    const answering = drive ?? this.drives[0]; // device 0 answers for an absent device 1
    const value = answering?.readRegister(offset, (this.controlRegister & CONTROL_HOB) !== 0) ?? NO_DRIVE;
    return offset === DEVICE && answering ? (value & ~DEVICE_DEV) | (this.selected ? DEVICE_DEV : 0) : value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.controlRegister &= ~CONTROL_HOB; // any write to the command block clears HOB
    if (offset === DATA) {
      this.drives[this.selected]?.writeData(size, value);
    } else if (offset === STATUS_COMMAND) {
      this.command(value);
    } else {
      if (offset === DEVICE) this.selected = value & DEVICE_DEV ? 1 : 0;
      for (const drive of this.drives) drive?.writeRegister(offset, value);
    }
    this.updateIrq();
  }

  /** Status of the selected drive. Device 0 shows 0 for an absent device 1; an empty cable floats. */
  private status(): number {
    const drive = this.drives[this.selected];
    if (drive) return this.controlRegister & CONTROL_SRST ? STATUS_BSY : drive.status;
    return this.drives[0] ? 0 : NO_DRIVE;
  }

  private command(code: number): void {
    const drive = this.drives[this.selected];
    if (code === EXECUTE_DEVICE_DIAGNOSTIC) {
      // Addressed to both whichever is selected; device 0 then interrupts for them.
      this.resetDrives();
      const first = this.drives[0];
      if (first) first.interrupt = true;
    } else if (drive && !(drive.status & STATUS_BSY)) {
      drive.interrupt = false;
      drive.command(code);
    }
  }

  private writeControl(value: number): void {
    const released = this.controlRegister & ~value & CONTROL_SRST;
    this.controlRegister = value;
    if (released) this.resetDrives();
    this.updateIrq();
  }

  private resetDrives(): void {
    this.selected = 0;
    for (const drive of this.drives) drive?.reset();
    this.updateIrq();
  }

  /** Only the selected drive drives INTRQ, and only with nIEN clear. */
  private updateIrq(): void {
    const drive = this.drives[this.selected];
    const level = drive !== undefined && drive.interrupt && !(this.controlRegister & (CONTROL_NIEN | CONTROL_SRST));
    if (level && !this.interruptLevel) this.dma?.interrupted();
    this.interruptLevel = level;
    this.irq(level);
  }
}
