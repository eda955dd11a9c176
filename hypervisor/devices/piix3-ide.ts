/**
 * The IDE function of the PIIX3: its PCI registers and the bus master of each channel, which moves sectors between
 * a drive and memory by a table of regions.
 * Reference: Intel 82371SB PIIX3 (290550), 2.4; Programming Interface for Bus Master IDE Controller 1.0.
 * Left out: timings (kept, without effect: disk-timing.ts says how fast a disk is), native mode.
 */
import type { AccessSize, CountEvent, GuestMemory, PortDevice } from "./device.js";
import type { DmaRequest, IdeDma } from "./ide.js";
import { COMMAND_IO, COMMAND_MASTER, PCI_COMMAND, PciFunction } from "./pci.js";

const CHANNEL_PORTS = 8;
export const BUS_MASTER_PORTS = 2 * CHANNEL_PORTS;
const BAR_BUS_MASTER = 4;
const IDETIM = 0x40, IDETIM_DECODE = 0x8000;

/** Offsets in a channel's eight ports. */
const BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4;
const COMMAND_START = 0x01, COMMAND_TO_MEMORY = 0x08;
const STATUS_ACTIVE = 0x01, STATUS_ERROR = 0x02, STATUS_INTERRUPT = 0x04, STATUS_CAPABLE = 0x60;

const REGION_BYTES = 8, REGION_LAST = 0x8000, REGION_MOST = 0x1_0000;
/** A table lies in 64 KiB: more regions are a loop. */
const MOST_REGIONS = 8192;

/** The bus master of one channel. */
export class BusMaster implements IdeDma {
  private readonly memory: GuestMemory;
  private readonly count: CountEvent;
  private readonly mayMaster: () => boolean;
  private commandRegister = 0;
  private statusRegister = 0;
  private table = 0;
  private request: DmaRequest | undefined;

  constructor(memory: GuestMemory, count: CountEvent, mayMaster: () => boolean) {
    this.memory = memory;
    this.count = count;
    this.mayMaster = mayMaster;
  }

  reset(): void {
    this.commandRegister = this.statusRegister = this.table = 0;
    this.request = undefined;
  }

  /** The drive asserts DMARQ: the transfer happens when the engine has been started, which may be now. */
  start(request: DmaRequest): void {
    this.request = request;
    this.run();
  }

  cancel(): void {
    this.request = undefined;
  }

  /** The drive's interrupt line rose. */
  interrupted(): void {
    this.statusRegister |= STATUS_INTERRUPT;
  }

  read(offset: number): number {
    if (offset === BM_COMMAND) return this.commandRegister;
    if (offset === BM_STATUS) return this.statusRegister;
    return offset >= BM_TABLE ? this.table >>> (8 * (offset - BM_TABLE)) & 0xff : 0;
  }

  write(offset: number, value: number): void {
    if (offset === BM_COMMAND) this.writeCommand(value);
    else if (offset === BM_STATUS) {
      this.statusRegister = this.statusRegister & STATUS_ACTIVE | value & STATUS_CAPABLE |
        this.statusRegister & ~value & (STATUS_ERROR | STATUS_INTERRUPT);
    } else if (offset >= BM_TABLE) {
      const shift = 8 * (offset - BM_TABLE);
      this.table = (this.table & ~(0xff << shift) | value << shift) & ~3;
    }
  }

  private writeCommand(value: number): void {
    const started = value & ~this.commandRegister & COMMAND_START;
    this.commandRegister = value & (COMMAND_START | COMMAND_TO_MEMORY);
    if ((value & COMMAND_START) === 0) this.statusRegister &= ~STATUS_ACTIVE;
    if (!started) return;
    this.statusRegister |= STATUS_ACTIVE;
    this.run();
  }

  /** Moves the drive's bytes region by region; a table that is shorter than the transfer is an error. */
  private run(): void {
    const { request } = this;
    if (!request || (this.statusRegister & STATUS_ACTIVE) === 0 || !this.mayMaster()) return;
    this.request = undefined;
    const { bytes } = request;
    const region = new Uint8Array(REGION_BYTES), view = new DataView(region.buffer);
    let done = 0, last = false;
    for (let i = 0; i < MOST_REGIONS && done < bytes.length && !last; i++) {
      this.memory.read((this.table >>> 0) + i * REGION_BYTES, region);
      const address = (view.getUint32(0, true) & ~1) >>> 0;
      const length = Math.min((view.getUint16(4, true) & 0xfffe) || REGION_MOST, bytes.length - done);
      last = (view.getUint16(6, true) & REGION_LAST) !== 0;
      const part = bytes.subarray(done, done + length);
      if (request.toMemory) this.memory.write(address, part);
      else this.memory.read(address, part);
      done += length;
    }
    this.count("device.ide.dma_byte", done);
    const whole = done === bytes.length;
    if (!whole) this.statusRegister |= STATUS_ERROR;
    if (last || !whole) this.statusRegister &= ~STATUS_ACTIVE;
    request.done(whole);
  }
}

/** The function: both bus masters behind one window of ports. */
export class Piix3Ide implements PortDevice {
  readonly config = new PciFunction({ vendor: 0x8086, device: 0x7010, revision: 0, classCode: 0x01_0180, command: COMMAND_IO | COMMAND_MASTER, status: 0x0280 });
  readonly masters: readonly [BusMaster, BusMaster];

  constructor(memory: GuestMemory, count: CountEvent) {
    const mayMaster = (): boolean => (this.config.get(PCI_COMMAND, 2) & COMMAND_MASTER) !== 0;
    this.masters = [new BusMaster(memory, count, mayMaster), new BusMaster(memory, count, mayMaster)];
    this.config.allow(IDETIM, 4, 0xffff_ffff);
    this.reset();
  }

  /** Makes the window's base address register, which moves it by `place`. */
  bind(place: (base: number | undefined) => void): void {
    this.config.addBar(BAR_BUS_MASTER, BUS_MASTER_PORTS, true, { place });
  }

  reset(): void {
    for (const master of this.masters) master.reset();
    this.config.put(IDETIM, 2, IDETIM_DECODE);
    this.config.put(IDETIM + 2, 2, IDETIM_DECODE);
  }

  read(offset: number, _size: AccessSize): number {
    return this.masters[offset >>> 3 & 1]!.read(offset & 7);
  }

  write(offset: number, _size: AccessSize, value: number): void {
    this.masters[offset >>> 3 & 1]!.write(offset & 7, value);
  }
}
