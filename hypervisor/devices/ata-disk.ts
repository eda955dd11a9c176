/**
 * An ATA hard disk: registers, PIO commands and their errors, over a block back end.
 * Reference: T13/1410D, AT Attachment with Packet Interface - 6, clauses 6 (addressing), 8 (commands) and
 * 9 (protocols).
 * Left out: Ultra DMA, queued commands, security, host protected area, SMART, the write cache (settable, but a write is on the medium when it completes).
 * A transfer that starts in range and leaves it fails before any data moves.
 */
import type { AccessSize, CountEvent, DeviceClock } from "./device.js";
import { identifyDevice, MAX_LBA28_SECTORS, type DiskGeometry } from "./ata-identify.js";
import { SECTOR_SIZE, type BlockBackend } from "./block-backend.js";
import { DiskHead, type DiskTiming } from "./disk-timing.js";
import {
  DEVICE, ERROR_FEATURES, LBA_HIGH, LBA_LOW, LBA_MID, SECTOR_COUNT,
  STATUS_BSY, STATUS_DRDY, STATUS_DRQ, STATUS_DSC, STATUS_ERR, type IdeDrive, type IdeHost,
} from "./ide.js";

const ERROR_ABRT = 0x04;
const ERROR_IDNF = 0x10;
const ERROR_UNC = 0x40;
const DIAGNOSTIC_PASSED = 0x01;
const DEVICE_LBA = 0x40;
const DEVICE_HEAD = 0x0f;
/** Bits 7 and 5, always one in old drives and read back so. */
const DEVICE_OBSOLETE = 0xa0;
const MAX_MULTIPLE = 16;
const POWER_ACTIVE = 0xff;
const MAX_CYLINDERS = 16_383;
const HEADS = 16;
const SECTORS_PER_TRACK = 63;

const FEATURE_WRITE_CACHE_ON = 0x02;
const FEATURE_TRANSFER_MODE = 0x03;
const FEATURE_LOOK_AHEAD_OFF = 0x55;
const FEATURE_KEEP_OVER_RESET = 0x66;
const FEATURE_WRITE_CACHE_OFF = 0x82;
const FEATURE_LOOK_AHEAD_ON = 0xaa;
const FEATURE_REVERT_AT_RESET = 0xcc;
const MODE_PIO_DEFAULT = 0x01;
const MODE_PIO_FLOW = 0x08;
const MODE_PIO_FLOW_4 = 0x0c;
const MODE_MULTIWORD_DMA = 0x20;
const MULTIWORD_MODES = 0x07;

/** How a command addresses sectors; the registers are written back in the same form. */
type AddressForm = "chs" | "lba28" | "lba48";

/** A read or write on its way. */
interface Transfer {
  readonly form: AddressForm;
  readonly write: boolean;
  readonly blockSectors: number;
  lba: number;
  remaining: number;
}

/** idle; busy (BSY) until the medium answers; in or out: DRQ, the host moves the buffer; dma: the bus master moves it. */
type Phase = "idle" | "busy" | "in" | "out" | "dma";

export interface AtaDiskOptions {
  backend: BlockBackend;
  clock: DeviceClock;
  timing: DiskTiming;
  count: CountEvent;
  /** Device 0 or 1. */
  position: number;
}

export class AtaDisk implements IdeDrive {
  interrupt = false;
  private readonly host: IdeHost;
  private readonly backend: BlockBackend;
  private readonly clock: DeviceClock;
  private readonly head: DiskHead;
  private readonly count: CountEvent;
  private readonly position: number;
  private readonly native: DiskGeometry;

  /** Registers by number, the byte written last below the one before it (for 48-bit commands). */
  private readonly registers = new Uint16Array(8);
  private errorRegister = 0;
  private failed = false;
  private phase: Phase = "idle";
  private buffer: Uint8Array = new Uint8Array(0);
  private offset = 0;
  private transfer: Transfer | undefined;
  private event = 0;
  private geometry: DiskGeometry;
  private multiple = 0;
  private multiwordMode = 2;
  private writeCache = true;
  private lookAhead = true;

  constructor(host: IdeHost, options: AtaDiskOptions) {
    this.host = host;
    this.backend = options.backend;
    this.clock = options.clock;
    this.head = new DiskHead(options.timing);
    this.count = options.count;
    this.position = options.position;
    const cylinders = Math.floor(options.backend.sectors / (HEADS * SECTORS_PER_TRACK));
    this.native = {
      cylinders: Math.max(1, Math.min(MAX_CYLINDERS, cylinders)), heads: HEADS, sectorsPerTrack: SECTORS_PER_TRACK,
    };
    this.geometry = this.native;
    this.reset();
  }

  reset(): void {
    if (this.phase === "busy") this.clock.cancel(this.event);
    if (this.phase === "dma") this.host.dma?.cancel();
    this.registers.fill(0);
    this.registers[SECTOR_COUNT] = 1; // the signature of a disk
    this.registers[LBA_LOW] = 1;
    this.errorRegister = DIAGNOSTIC_PASSED;
    this.phase = "idle";
    this.transfer = undefined;
    this.failed = false;
    this.interrupt = false;
    this.geometry = this.native;
    this.multiple = 0;
    this.writeCache = this.lookAhead = true;
  }

  get status(): number {
    if (this.phase === "busy" || this.phase === "dma") return STATUS_BSY;
    const ready = STATUS_DRDY | STATUS_DSC;
    if (this.phase !== "idle") return ready | STATUS_DRQ;
    return this.failed ? ready | STATUS_ERR : ready;
  }

  readRegister(register: number, previous: boolean): number {
    if (register === ERROR_FEATURES) return this.errorRegister;
    const value = this.registers[register]!;
    if (register === DEVICE) return (value & 0xff) | DEVICE_OBSOLETE;
    return previous ? value >>> 8 : value & 0xff;
  }

  writeRegister(register: number, value: number): void {
    if (this.phase === "busy" || this.phase === "dma" || this.phase !== "idle" && register !== DEVICE) return;
    this.registers[register] = (this.registers[register]! << 8) | value;
  }

  command(code: number): void {
    this.count("device.ide.command");
    this.phase = "idle"; // a command during a transfer ends it
    this.transfer = undefined;
    this.failed = false;
    this.errorRegister = 0;
    const run = AtaDisk.COMMANDS[code >>> 4 === 1 ? 0x10 : code]; // 0x10-0x1f are all RECALIBRATE
    if (run) run(this);
    else this.fail(ERROR_ABRT);
  }

  readData(size: AccessSize): number {
    if (this.phase !== "in") return 2 ** (8 * size) - 1;
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.buffer[this.offset + i] ?? 0) << (8 * i);
    this.offset += size;
    if (this.offset >= this.buffer.length) this.blockTaken();
    return value >>> 0;
  }

  writeData(size: AccessSize, value: number): void {
    if (this.phase !== "out") return;
    for (let i = 0; i < size; i++) this.buffer[this.offset + i] = value >>> (8 * i);
    this.offset += size;
    if (this.offset >= this.buffer.length) this.blockGiven();
  }

  private static readonly COMMANDS: Readonly<Record<number, (disk: AtaDisk) => void>> = {
    0x10: disk => disk.busyUntil(disk.head.pass(disk.clock.now(), 0, 0), () => disk.complete()), // RECALIBRATE
    0x20: disk => disk.startRead("28", 1), // READ SECTORS
    0x21: disk => disk.startRead("28", 1),
    0x24: disk => disk.startRead("48", 1), // READ SECTORS EXT
    0x25: disk => disk.readDma("48"), // READ DMA EXT
    0x29: disk => disk.startRead("48", disk.multiple), // READ MULTIPLE EXT
    0x30: disk => disk.startWrite("28", 1), // WRITE SECTORS
    0x31: disk => disk.startWrite("28", 1),
    0x34: disk => disk.startWrite("48", 1), // WRITE SECTORS EXT
    0x35: disk => disk.writeDma("48"), // WRITE DMA EXT
    0x39: disk => disk.startWrite("48", disk.multiple), // WRITE MULTIPLE EXT
    0x40: disk => disk.verify("28"), // READ VERIFY SECTORS
    0x41: disk => disk.verify("28"),
    0x42: disk => disk.verify("48"), // READ VERIFY SECTORS EXT
    0x70: disk => disk.seek(), // SEEK
    0x91: disk => disk.initializeParameters(), // INITIALIZE DEVICE PARAMETERS
    0xc4: disk => disk.startRead("28", disk.multiple), // READ MULTIPLE
    0xc5: disk => disk.startWrite("28", disk.multiple), // WRITE MULTIPLE
    0xc6: disk => disk.setMultiple(), // SET MULTIPLE MODE
    0xc8: disk => disk.readDma("28"), // READ DMA
    0xc9: disk => disk.readDma("28"),
    0xca: disk => disk.writeDma("28"), // WRITE DMA
    0xcb: disk => disk.writeDma("28"),
    0xe0: disk => disk.complete(), // STANDBY IMMEDIATE
    0xe1: disk => disk.complete(), // IDLE IMMEDIATE
    0xe2: disk => disk.complete(), // STANDBY
    0xe3: disk => disk.complete(), // IDLE
    0xe5: disk => disk.checkPowerMode(), // CHECK POWER MODE
    0xe7: disk => disk.flushCache(), // FLUSH CACHE
    0xea: disk => disk.flushCache(), // FLUSH CACHE EXT
    0xec: disk => disk.identify(), // IDENTIFY DEVICE
    0xef: disk => disk.setFeatures(), // SET FEATURES
  };

  private identify(): void {
    this.buffer = identifyDevice({
      sectors: this.backend.sectors, native: this.native, current: this.geometry, multiple: this.multiple,
      maxMultiple: MAX_MULTIPLE, writeCache: this.writeCache, readLookAhead: this.lookAhead,
      multiwordDma: this.host.dma ? MULTIWORD_MODES | 1 << (8 + this.multiwordMode) : 0, ultraDma: 0, position: this.position,
    });
    this.offer("in");
    this.raise();
  }

  private startRead(width: "28" | "48", blockSectors: number): void {
    const transfer = this.begin(width, false, blockSectors);
    if (transfer) this.readBlock(transfer);
  }

  private startWrite(width: "28" | "48", blockSectors: number): void {
    if (this.backend.readOnly) return this.fail(ERROR_ABRT); // write protected
    const transfer = this.begin(width, true, blockSectors);
    if (transfer) this.askBlock(transfer); // the first block is asked for without an interrupt
  }

  /** Reads the address registers; on a bad address the command has failed and nothing is returned. */
  private begin(width: "28" | "48", write: boolean, blockSectors: number): Transfer | undefined {
    const device = this.registers[DEVICE]!;
    if (blockSectors === 0 || (width === "48" && !(device & DEVICE_LBA))) {
      this.fail(ERROR_ABRT);
      return undefined;
    }
    const form = width === "48" ? "lba48" : device & DEVICE_LBA ? "lba28" : "chs";
    const lba = this.address(form);
    const count = this.registers[SECTOR_COUNT]!;
    const remaining = form === "lba48" ? count || 0x1_0000 : (count & 0xff) || 0x100;
    const limit = form === "lba48" ? this.backend.sectors : Math.min(this.backend.sectors, MAX_LBA28_SECTORS);
    if (lba < 0 || lba + remaining > limit) {
      if (lba >= 0) this.setAddress(form, Math.max(lba, limit)); // the first sector that is not there
      this.fail(ERROR_IDNF);
      return undefined;
    }
    return (this.transfer = { form, write, blockSectors, lba, remaining });
  }

  /** Sector number in the address registers, -1 for a place the geometry does not have. */
  private address(form: AddressForm): number {
    const low = this.registers[LBA_LOW]!, mid = this.registers[LBA_MID]!, high = this.registers[LBA_HIGH]!;
    const last = (low & 0xff) | ((mid & 0xff) << 8) | ((high & 0xff) << 16);
    const head = this.registers[DEVICE]! & DEVICE_HEAD;
    if (form === "lba28") return head * 2 ** 24 + last;
    if (form === "lba48") return last + ((low >>> 8) | ((mid >>> 8) << 8) | ((high >>> 8) << 16)) * 2 ** 24;
    const { heads, sectorsPerTrack } = this.geometry;
    const sector = low & 0xff;
    if (sector === 0 || sector > sectorsPerTrack || head >= heads) return -1;
    return ((last >>> 8) * heads + head) * sectorsPerTrack + sector - 1;
  }

  private setAddress(form: AddressForm, lba: number): void {
    let value = lba;
    let head = Math.floor(lba / 2 ** 24) & DEVICE_HEAD;
    if (form === "chs") {
      const { heads, sectorsPerTrack } = this.geometry;
      const track = Math.floor(lba / sectorsPerTrack);
      head = track % heads;
      value = Math.floor(track / heads) * 0x100 + (lba % sectorsPerTrack) + 1;
    }
    const previous = form === "lba48" ? Math.floor(value / 2 ** 24) : 0;
    for (let i = 0; i < 3; i++) {
      this.registers[LBA_LOW + i] = ((value >>> (8 * i)) & 0xff) | (((previous >>> (8 * i)) & 0xff) << 8);
    }
    if (form !== "lba48") this.registers[DEVICE] = (this.registers[DEVICE]! & ~DEVICE_HEAD) | head;
  }

  private blockLength(transfer: Transfer): number {
    return Math.min(transfer.blockSectors, transfer.remaining);
  }

  private readBlock(transfer: Transfer): void {
    const sectors = this.blockLength(transfer);
    this.busyUntil(this.head.pass(this.clock.now(), transfer.lba, sectors), () => {
      this.buffer = new Uint8Array(sectors * SECTOR_SIZE);
      if (!this.onMedium(() => this.backend.read(transfer.lba, sectors, this.buffer))) return;
      this.count("device.ide.sector_read", sectors);
      this.offer("in");
      this.raise();
    });
  }

  /** The host has read the whole buffer. */
  private blockTaken(): void {
    this.phase = "idle";
    const { transfer } = this;
    if (transfer && this.advance(transfer)) this.readBlock(transfer);
  }

  private askBlock(transfer: Transfer): void {
    this.buffer = new Uint8Array(this.blockLength(transfer) * SECTOR_SIZE);
    this.offer("out");
  }

  /** The host has filled the buffer. */
  private blockGiven(): void {
    const { transfer } = this;
    if (!transfer) return;
    const sectors = this.blockLength(transfer);
    this.busyUntil(this.head.write(this.clock.now(), transfer.lba, sectors), () => {
      if (!this.onMedium(() => this.backend.write(transfer.lba, sectors, this.buffer))) return;
      this.count("device.ide.sector_write", sectors);
      if (this.advance(transfer)) this.askBlock(transfer);
      this.raise();
    });
  }

  private readDma(width: "28" | "48"): void {
    if (!this.host.dma) return this.fail(ERROR_ABRT);
    const transfer = this.begin(width, false, 0x1_0000);
    if (!transfer) return;
    const { lba, remaining } = transfer;
    this.busyUntil(this.head.pass(this.clock.now(), lba, remaining), () => {
      const bytes = new Uint8Array(remaining * SECTOR_SIZE);
      if (!this.onMedium(() => this.backend.read(lba, remaining, bytes))) return;
      this.count("device.ide.sector_read", remaining);
      this.phase = "dma";
      this.host.dma!.start({ toMemory: true, bytes, done: whole => this.dmaDone(transfer, whole) });
    });
  }

  private writeDma(width: "28" | "48"): void {
    if (!this.host.dma || this.backend.readOnly) return this.fail(ERROR_ABRT);
    const transfer = this.begin(width, true, 0x1_0000);
    if (!transfer) return;
    const { lba, remaining } = transfer;
    const bytes = new Uint8Array(remaining * SECTOR_SIZE);
    this.phase = "dma";
    this.host.dma.start({
      toMemory: false, bytes, done: whole => {
        if (!whole) return this.fail(ERROR_ABRT);
        this.busyUntil(this.head.write(this.clock.now(), lba, remaining), () => {
          if (!this.onMedium(() => this.backend.write(lba, remaining, bytes))) return;
          this.count("device.ide.sector_write", remaining);
          this.dmaDone(transfer, true);
        });
      },
    });
  }

  private dmaDone(transfer: Transfer, whole: boolean): void {
    if (!whole) return this.fail(ERROR_ABRT);
    this.advance(transfer);
    this.complete();
  }

  /** Notes a block as done in the registers; false when it was the last. */
  private advance(transfer: Transfer): boolean {
    const sectors = this.blockLength(transfer);
    transfer.lba += sectors;
    transfer.remaining -= sectors;
    this.registers[SECTOR_COUNT] = transfer.remaining;
    this.setAddress(transfer.form, transfer.lba - 1);
    if (transfer.remaining > 0) return true;
    this.transfer = undefined;
    return false;
  }

  private verify(width: "28" | "48"): void {
    const transfer = this.begin(width, false, 0x1_0000);
    if (!transfer) return;
    this.busyUntil(this.head.pass(this.clock.now(), transfer.lba, transfer.remaining), () => {
      this.advance(transfer);
      this.complete();
    });
  }

  private seek(): void {
    const lba = this.address(this.registers[DEVICE]! & DEVICE_LBA ? "lba28" : "chs");
    if (lba < 0 || lba >= this.backend.sectors) return this.fail(ERROR_IDNF);
    this.busyUntil(this.head.pass(this.clock.now(), lba, 0), () => this.complete());
  }

  private flushCache(): void {
    this.busyUntil(this.head.flushed(this.clock.now()), () => {
      if (this.onMedium(() => this.backend.flush())) this.complete();
    });
  }

  private initializeParameters(): void {
    const heads = (this.registers[DEVICE]! & DEVICE_HEAD) + 1;
    const sectorsPerTrack = this.registers[SECTOR_COUNT]! & 0xff;
    if (sectorsPerTrack === 0) return this.fail(ERROR_ABRT);
    const cylinders = Math.min(0xffff, Math.floor(this.backend.sectors / (heads * sectorsPerTrack)));
    this.geometry = { cylinders, heads, sectorsPerTrack };
    this.complete();
  }

  private setMultiple(): void {
    const sectors = this.registers[SECTOR_COUNT]! & 0xff;
    const powerOfTwo = (sectors & (sectors - 1)) === 0;
    if (sectors > MAX_MULTIPLE || !powerOfTwo) {
      this.multiple = 0; // a refused value disables the mode
      return this.fail(ERROR_ABRT);
    }
    this.multiple = sectors;
    this.complete();
  }

  private checkPowerMode(): void {
    this.registers[SECTOR_COUNT] = POWER_ACTIVE;
    this.complete();
  }

  private setFeatures(): void {
    switch (this.registers[ERROR_FEATURES]! & 0xff) {
      case FEATURE_WRITE_CACHE_ON: this.writeCache = true; break;
      case FEATURE_WRITE_CACHE_OFF: this.writeCache = false; break;
      case FEATURE_LOOK_AHEAD_ON: this.lookAhead = true; break;
      case FEATURE_LOOK_AHEAD_OFF: this.lookAhead = false; break;
      case FEATURE_KEEP_OVER_RESET:
      case FEATURE_REVERT_AT_RESET: break;
      case FEATURE_TRANSFER_MODE: {
        const mode = this.registers[SECTOR_COUNT]! & 0xff;
        if (this.host.dma && mode >= MODE_MULTIWORD_DMA && mode <= MODE_MULTIWORD_DMA + 2) this.multiwordMode = mode & 7;
        else if (mode > MODE_PIO_DEFAULT && (mode < MODE_PIO_FLOW || mode > MODE_PIO_FLOW_4)) return this.fail(ERROR_ABRT);
        break;
      }
      default: return this.fail(ERROR_ABRT);
    }
    this.complete();
  }

  /** Runs a back-end operation; a host failure becomes an uncorrectable error of the medium. */
  private onMedium(operation: () => void): boolean {
    try {
      operation();
      return true;
    } catch {
      this.fail(ERROR_UNC);
      return false;
    }
  }

  private offer(phase: "in" | "out"): void {
    this.phase = phase;
    this.offset = 0;
  }

  /** BSY until a virtual cycle; at least one cycle passes, so that a command never completes inside itself. */
  private busyUntil(at: number, then: () => void): void {
    this.phase = "busy";
    this.event = this.clock.schedule(Math.max(at, this.clock.now() + 1), () => {
      this.phase = "idle";
      then();
    });
  }

  private complete(): void {
    this.phase = "idle";
    this.raise();
  }

  private fail(error: number): void {
    this.phase = "idle";
    this.transfer = undefined;
    this.failed = true;
    this.errorRegister = error;
    this.raise();
  }

  private raise(): void {
    this.interrupt = true;
    this.host.changed();
  }
}
