/**
 * An ATAPI CD-ROM drive: packet commands over PIO, sectors of 2,048 bytes from a block back end.
 * Reference: T13/1410D (ATA/ATAPI-6), clauses 8.23 and 9.8; MMC-3 (T10/1363D); SPC-2 for sense data.
 * Left out: DMA, audio, writing, changing the disc, event notification beyond "no change".
 */
import type { AccessSize, CountEvent, DeviceClock } from "./device.js";
import { SECTOR_SIZE, type BlockBackend } from "./block-backend.js";
import { DiskHead, type DiskTiming } from "./disk-timing.js";
import {
  DEVICE, ERROR_FEATURES, LBA_HIGH, LBA_LOW, LBA_MID, SECTOR_COUNT, STATUS_BSY, STATUS_DRDY, STATUS_DRQ, STATUS_DSC, STATUS_ERR,
  type IdeDrive, type IdeHost,
} from "./ide.js";

export const CD_SECTOR = 2048;
const BLOCKS = CD_SECTOR / SECTOR_SIZE;
const PACKET_BYTES = 12;

const DEVICE_RESET = 0x08, PACKET = 0xa0, IDENTIFY_PACKET_DEVICE = 0xa1, IDENTIFY_DEVICE = 0xec, SET_FEATURES = 0xef, CHECK_POWER = 0xe5;
const ERROR_ABRT = 0x04;
/** Interrupt reason, in the sector count register. */
const REASON_COMMAND = 0x01, REASON_IN = 0x02;

const TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, INQUIRY = 0x12, MODE_SENSE_6 = 0x1a, START_STOP = 0x1b, PREVENT_REMOVAL = 0x1e, READ_CAPACITY = 0x25,
  READ_10 = 0x28, SEEK = 0x2b, READ_TOC = 0x43, GET_CONFIGURATION = 0x46, GET_EVENT = 0x4a, MODE_SENSE_10 = 0x5a, READ_12 = 0xa8, READ_CD = 0xbe;
const SENSE_NONE = 0x00, SENSE_MEDIUM = 0x03, SENSE_ILLEGAL = 0x05;
const ASC_UNRECOVERED = 0x11, ASC_INVALID_COMMAND = 0x20, ASC_OUT_OF_RANGE = 0x21, ASC_INVALID_FIELD = 0x24;
const TOC_LEAD_OUT = 0xaa, TRACK_DATA = 0x14;
const CAPABILITIES_PAGE = 0x2a, ALL_PAGES = 0x3f;

type Phase = "idle" | "busy" | "packet" | "in";

export interface AtapiCdOptions {
  readonly backend: BlockBackend;
  readonly clock: DeviceClock;
  readonly timing: DiskTiming;
  readonly count: CountEvent;
}

export class AtapiCd implements IdeDrive {
  interrupt = false;
  private readonly host: IdeHost;
  private readonly backend: BlockBackend;
  private readonly clock: DeviceClock;
  private readonly head: DiskHead;
  private readonly count: CountEvent;
  private readonly registers = new Uint8Array(8);
  private phase: Phase = "idle";
  private failed = false;
  private errorRegister = 0;
  private sense: readonly [key: number, code: number] = [SENSE_NONE, 0];
  /** What is on its way to the host, and how far it is. */
  private data = new Uint8Array(0);
  private sent = 0;
  private blockEnd = 0;
  /** Byte count limit of the command in progress: the registers it came in are overwritten by each block's size. */
  private limit = 0;
  private packet = new Uint8Array(PACKET_BYTES);
  private received = 0;
  private event = 0;

  constructor(host: IdeHost, options: AtapiCdOptions) {
    this.host = host;
    this.backend = options.backend;
    this.clock = options.clock;
    this.head = new DiskHead(options.timing);
    this.count = options.count;
    this.reset();
  }

  private get sectors(): number {
    return Math.ceil(this.backend.sectors / BLOCKS);
  }

  reset(): void {
    if (this.phase === "busy") this.clock.cancel(this.event);
    this.registers.fill(0);
    this.signature();
    this.errorRegister = 1;
    this.phase = "idle";
    this.failed = false;
    this.interrupt = false;
  }

  /** By which hosts tell a packet device. */
  private signature(): void {
    this.registers[SECTOR_COUNT] = this.registers[LBA_LOW] = 1;
    this.registers[LBA_MID] = 0x14;
    this.registers[LBA_HIGH] = 0xeb;
  }

  get status(): number {
    if (this.phase === "busy") return STATUS_BSY;
    const ready = STATUS_DRDY | STATUS_DSC;
    if (this.phase !== "idle") return ready | STATUS_DRQ;
    return this.failed ? ready | STATUS_ERR : ready;
  }

  readRegister(register: number): number {
    if (register === ERROR_FEATURES) return this.errorRegister;
    return register === DEVICE ? this.registers[DEVICE]! | 0xa0 : this.registers[register]!;
  }

  writeRegister(register: number, value: number): void {
    if (this.phase === "idle" || register === DEVICE) this.registers[register] = value;
  }

  command(code: number): void {
    this.count("device.ide.command");
    this.failed = false;
    this.errorRegister = 0;
    switch (code) {
      case DEVICE_RESET: this.reset(); break;
      case PACKET:
        this.phase = "packet";
        this.received = 0;
        this.registers[SECTOR_COUNT] = REASON_COMMAND;
        break;
      case IDENTIFY_PACKET_DEVICE: this.give(identify(), SECTOR_SIZE); break;
      case SET_FEATURES: case CHECK_POWER: this.complete(); break;
      case IDENTIFY_DEVICE: this.signature(); this.abort(); break;
      default: this.abort();
    }
  }

  private abort(): void {
    this.errorRegister = ERROR_ABRT;
    this.failed = true;
    this.phase = "idle";
    this.raise();
  }

  writeData(size: AccessSize, value: number): void {
    if (this.phase !== "packet") return;
    for (let i = 0; i < size && this.received < PACKET_BYTES; i++) this.packet[this.received++] = value >>> (8 * i);
    if (this.received === PACKET_BYTES) this.execute(this.packet);
  }

  readData(size: AccessSize): number {
    if (this.phase !== "in") return 2 ** (8 * size) - 1;
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.data[this.sent + i] ?? 0) << (8 * i);
    this.sent += size;
    if (this.sent >= this.blockEnd) this.nextBlock();
    return value >>> 0;
  }

  // ---- packets -------------------------------------------------------------------------------------------------

  private execute(packet: Uint8Array): void {
    const view = new DataView(packet.buffer);
    const length10 = view.getUint16(7), lba = view.getUint32(2);
    this.count("device.ide.packet");
    if (packet[0] !== REQUEST_SENSE) this.sense = [SENSE_NONE, 0];
    switch (packet[0]) {
      case TEST_UNIT_READY: case START_STOP: case PREVENT_REMOVAL: case SEEK: return this.complete();
      case REQUEST_SENSE: return this.give(this.senseData(), packet[4]!);
      case INQUIRY: return this.give(inquiry(), packet[4]!);
      case READ_CAPACITY: return this.give(this.capacity(), 8);
      case READ_10: return this.read(lba, length10);
      case READ_12: return this.read(lba, view.getUint32(6));
      case READ_CD: return this.read(lba, packet[6]! << 16 | packet[7]! << 8 | packet[8]!);
      case READ_TOC: return this.toc(packet, length10);
      case MODE_SENSE_6: return this.modeSense(packet[2]! & 0x3f, 4, packet[4]!);
      case MODE_SENSE_10: return this.modeSense(packet[2]! & 0x3f, 8, length10);
      case GET_CONFIGURATION: return this.give(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 8), length10); // current profile: CD-ROM
      case GET_EVENT: return this.give(Uint8Array.of(0, 6, 4, 0x10, 0, 2, 0, 0), length10); // medium present, nothing new
      default: return this.check(SENSE_ILLEGAL, ASC_INVALID_COMMAND);
    }
  }

  private read(lba: number, count: number): void {
    if (lba + count > this.sectors) return this.check(SENSE_ILLEGAL, ASC_OUT_OF_RANGE);
    if (count === 0) return this.complete();
    this.phase = "busy";
    const done = this.head.pass(this.clock.now(), lba * BLOCKS, count * BLOCKS);
    this.event = this.clock.schedule(Math.max(done, this.clock.now() + 1), () => {
      const bytes = new Uint8Array(count * CD_SECTOR);
      const blocks = Math.min(count * BLOCKS, this.backend.sectors - lba * BLOCKS);
      try {
        this.backend.read(lba * BLOCKS, blocks, bytes);
      } catch {
        return this.check(SENSE_MEDIUM, ASC_UNRECOVERED);
      }
      this.count("device.ide.sector_read", blocks);
      this.give(bytes, bytes.length);
    });
  }

  private capacity(): Uint8Array {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, this.sectors - 1);
    view.setUint32(4, CD_SECTOR);
    return new Uint8Array(view.buffer);
  }

  /** One data track and the lead-out; formats 0 (tracks) and 1 (sessions). */
  private toc(packet: Uint8Array, length: number): void {
    const format = packet[2]! & 0xf || packet[9]! >>> 6;
    const time = (packet[1]! & 2) !== 0;
    const address = (sector: number): number[] => {
      const frames = sector + 150;
      return time ? [0, Math.floor(frames / 4500), Math.floor(frames / 75) % 60, frames % 75] : [sector >>> 24, sector >>> 16 & 0xff, sector >>> 8 & 0xff, sector & 0xff];
    };
    if (format === 1) return this.give(Uint8Array.of(0, 10, 1, 1, 0, TRACK_DATA, 1, 0, ...address(0)), length);
    if (format !== 0) return this.check(SENSE_ILLEGAL, ASC_INVALID_FIELD);
    const tracks = packet[6]! <= 1 ? [0, TRACK_DATA, 1, 0, ...address(0)] : [];
    const body = [...tracks, 0, TRACK_DATA, TOC_LEAD_OUT, 0, ...address(this.sectors)];
    this.give(Uint8Array.of(0, body.length + 2, 1, 1, ...body), length);
  }

  private modeSense(page: number, header: number, length: number): void {
    if (page !== CAPABILITIES_PAGE && page !== ALL_PAGES) return this.check(SENSE_ILLEGAL, ASC_INVALID_FIELD);
    const body = [CAPABILITIES_PAGE, 18, 0, 0, 0x71, 0x60, 0x29, 0, 0x16, 0, 0, 0, 2, 0, 0x16, 0, 0, 0, 0, 0]; // locks, tray, 32 speeds
    const bytes = new Uint8Array(header + body.length);
    if (header === 4) bytes[0] = bytes.length - 1;
    else bytes[1] = bytes.length - 2;
    bytes.set(body, header);
    this.give(bytes, length);
  }

  private senseData(): Uint8Array {
    const bytes = new Uint8Array(18);
    bytes[0] = 0x70;
    bytes[2] = this.sense[0];
    bytes[7] = 10;
    bytes[12] = this.sense[1];
    return bytes;
  }

  /** CHECK CONDITION: the host asks for the sense data next. */
  private check(key: number, code: number): void {
    this.sense = [key, code];
    this.errorRegister = key << 4 | ERROR_ABRT;
    this.failed = true;
    this.phase = "idle";
    this.registers[SECTOR_COUNT] = REASON_COMMAND | REASON_IN;
    this.raise();
  }

  private complete(): void {
    this.phase = "idle";
    this.registers[SECTOR_COUNT] = REASON_COMMAND | REASON_IN;
    this.raise();
  }

  /** Sends at most `limit` bytes, in blocks of the size the host wrote to the cylinder registers. */
  private give(bytes: Uint8Array, limit: number): void {
    this.data = bytes.slice(0, limit);
    this.sent = this.blockEnd = 0;
    this.nextBlock();
  }

  private nextBlock(): void {
    const left = this.data.length - this.blockEnd;
    if (left <= 0) return this.complete();
    const wanted = this.blockEnd === 0 ? this.registers[LBA_MID]! | this.registers[LBA_HIGH]! << 8 : this.limit;
    this.limit = wanted === 0 || wanted === 0xffff ? 0xfffe : wanted;
    const block = Math.min(left, this.limit);
    this.sent = this.blockEnd;
    this.blockEnd += block;
    this.registers[LBA_MID] = block & 0xff;
    this.registers[LBA_HIGH] = block >>> 8;
    this.registers[SECTOR_COUNT] = REASON_IN;
    this.phase = "in";
    this.raise();
  }

  private raise(): void {
    this.interrupt = true;
    this.host.changed();
  }
}

function inquiry(): Uint8Array {
  const bytes = new Uint8Array(36);
  bytes.set([0x05, 0x80, 0x00, 0x21, 31]); // CD-ROM, removable
  bytes.set(new TextEncoder().encode("TRIVISORCD-ROM".padEnd(24).slice(0, 24) + "1.0 "), 8);
  return bytes;
}

/** IDENTIFY PACKET DEVICE (clause 8.16): a removable CD-ROM of 12-byte packets, PIO modes to 4. */
function identify(): Uint8Array {
  const words = new Uint16Array(256);
  const text = (at: number, length: number, value: string): void => {
    const padded = value.padEnd(length);
    for (let i = 0; i < length; i += 2) words[at + i / 2] = padded.charCodeAt(i) << 8 | padded.charCodeAt(i + 1);
  };
  words[0] = 0x8580;
  text(10, 20, "TRIVISOR-CD");
  text(23, 8, "1.0");
  text(27, 40, "TRIVISOR CD-ROM");
  words[49] = 0x0a00;
  words[51] = 0x0200;
  words[53] = 0x0002;
  words[64] = 0x0003;
  words[67] = words[68] = 120;
  words[80] = 0x0070;
  words[82] = words[85] = 0x4210;
  words[83] = words[84] = words[87] = 0x4000;
  return new Uint8Array(words.buffer);
}
