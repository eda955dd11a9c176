/**
 * INT 13h: sectors by cylinder, head and sector, and by number (EDD). A transfer takes no virtual time.
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference, interrupt 13h; T13/1572D, BIOS Enhanced Disk Drive
 * Services 3; Phoenix and IBM, "El Torito" Bootable CD-ROM Format 1.0.
 * Left out: formatting, seeks that take time, lock and eject, device path information.
 */
import { SECTOR_SIZE } from "../devices/block-backend.js";
import { BDA_DISK_STATUS, type Cells } from "./bda.js";
import { type Drive, DISKETTE_SIZES } from "./drives.js";
import { DISKETTE_TABLE, ROM_SEGMENT } from "./rom.js";
import { type EmulatedDrive, emulatedDrive } from "./el-torito.js";
import type { Frame } from "./frame.js";

const OK = 0x00, BAD_COMMAND = 0x01, WRITE_PROTECTED = 0x03, NOT_FOUND = 0x04, NO_DRIVE = 0x80;
const EDD_VERSION = 0x30, EDD_FIXED_DISK = 0x01, EDD_DRIVE = 0x04, EDD_SIGNATURE = 0xaa55, EDD_ASKS = 0x55aa;
const SPECIFICATION_BYTES = 0x13, PACKET_BYTES = 16, MOST_BYTES = 0x1000_0000;
const FIRST_HARD_DISK = 0x80, FIRST_CD = 0xe0, ALL_DRIVES = 0x7f;

export class DiskServices {
  private readonly own: readonly Drive[];
  private readonly cells: Cells;
  /** The drive that the first disc's boot image stands for, until its program ends that. */
  private emulated: EmulatedDrive | undefined;

  constructor(cells: Cells, drives: readonly Drive[]) {
    this.cells = cells;
    this.own = drives;
    this.reset();
  }

  /** As after power-on. */
  reset(): void {
    this.emulated = this.own[0] && emulatedDrive(this.own[0]);
  }

  /** All drives by their numbers: an emulated hard disk is the first, and the others follow. */
  get drives(): readonly Drive[] {
    const { own, emulated } = this;
    if (!emulated) return own;
    const shift = emulated.drive.number >= FIRST_HARD_DISK ? 1 : 0;
    return [emulated.drive, ...own.map(d => d.number >= FIRST_HARD_DISK && d.number < FIRST_CD ? { ...d, number: d.number + shift } : d)];
  }

  serve(f: Frame): void {
    if (f.ah === 0x4b && this.emulated && (f.dl === this.emulated.drive.number || f.dl === ALL_DRIVES)) return this.endEmulation(f, this.emulated);
    const drive = this.drives.find(d => d.number === f.dl);
    if (f.ah === 0x15 && !drive) return void ((f.ah = 0), (f.carry = false));
    const status = drive ? this.command(f, drive) : f.ah === 0x00 ? OK : f.ah === 0x01 ? this.cells.byte(BDA_DISK_STATUS) : NO_DRIVE;
    if (status === undefined) return;
    f.ah = status;
    f.carry = status !== OK;
    this.cells.setByte(BDA_DISK_STATUS, status);
  }

  /** Gives the status, or undefined when AH and CF hold something else already. */
  private command(f: Frame, drive: Drive): number | undefined {
    switch (f.ah) {
      case 0x00: case 0x0c: case 0x0d: case 0x10: case 0x11: case 0x14: case 0x47: return OK;
      case 0x01: return this.cells.byte(BDA_DISK_STATUS);
      case 0x02: case 0x03: case 0x04: return this.transferChs(f, drive);
      case 0x08: return this.parameters(f, drive);
      case 0x15: return this.kind(f, drive);
      case 0x41: return this.extensions(f, drive);
      case 0x42: case 0x43: case 0x44: return this.transferPacket(f, drive);
      case 0x48: return this.eddParameters(f, drive);
      case 0x4b: return this.emulationStatus(f, drive);
      default: return BAD_COMMAND;
    }
  }

  private transferChs(f: Frame, drive: Drive): number {
    const count = f.al, cylinder = f.ch | (f.cl & 0xc0) << 2, sector = f.cl & 0x3f;
    if (drive.heads === 0 || count === 0) return BAD_COMMAND;
    if (sector === 0 || sector > drive.sectorsPerTrack || f.dh >= drive.heads) return f.al = 0, NOT_FOUND;
    const lba = (cylinder * drive.heads + f.dh) * drive.sectorsPerTrack + sector - 1;
    const status = this.transfer(drive, f.ah - 2, lba, count, f.es * 16 + f.bx);
    if (status !== OK) f.al = 0;
    return status;
  }

  private transferPacket(f: Frame, drive: Drive): number {
    const packet = f.ds * 16 + f.si, { cells } = this;
    if (cells.byte(packet) < PACKET_BYTES) return BAD_COMMAND;
    const count = cells.word(packet + 2), flat = cells.dword(packet + 4) === 0xffff_ffff && cells.byte(packet) >= 24;
    const buffer = flat ? cells.dword(packet + 16) : cells.word(packet + 6) * 16 + cells.word(packet + 4);
    const lba = cells.dword(packet + 8) + cells.dword(packet + 12) * 2 ** 32;
    const status = this.transfer(drive, f.ah - 0x42, lba, count, buffer);
    if (status !== OK) cells.setWord(packet + 2, 0);
    return status;
  }

  /** Reads (0), writes (1) or verifies (2) sectors of the drive's size. */
  private transfer(drive: Drive, what: number, lba: number, count: number, buffer: number): number {
    const { backend } = drive, per = drive.sectorBytes / SECTOR_SIZE;
    if ((lba + count) * per > backend.sectors || count * drive.sectorBytes > MOST_BYTES) return NOT_FOUND;
    if (what === 2) return OK;
    if (what === 1 && (backend.readOnly || per !== 1)) return WRITE_PROTECTED;
    const bytes = new Uint8Array(count * drive.sectorBytes);
    if (what === 0) {
      backend.read(lba * per, count * per, bytes);
      this.cells.memory.write(buffer, bytes);
    } else {
      this.cells.memory.read(buffer, bytes);
      backend.write(lba * per, count * per, bytes);
    }
    return OK;
  }

  private parameters(f: Frame, drive: Drive): number {
    if (drive.heads === 0) return BAD_COMMAND;
    const floppy = drive.number < 0x80, last = drive.cylinders - 1;
    f.ax = 0;
    f.bl = floppy ? DISKETTE_SIZES.find(([, c, h, s]) => c === drive.cylinders && h === drive.heads && s === drive.sectorsPerTrack)![4] : 0;
    f.ch = last & 0xff;
    f.cl = drive.sectorsPerTrack | last >>> 2 & 0xc0;
    f.dh = drive.heads - 1;
    f.dl = this.drives.filter(d => d.heads > 0 && d.number < 0x80 === floppy).length;
    if (floppy) {
      f.es = ROM_SEGMENT;
      f.di = DISKETTE_TABLE;
    }
    return OK;
  }

  private kind(f: Frame, drive: Drive): undefined {
    f.carry = false;
    f.ah = drive.number < 0x80 ? 1 : 3;
    if (drive.number < 0x80) return;
    f.cx = drive.backend.sectors >>> 16;
    f.dx = drive.backend.sectors & 0xffff;
  }

  private extensions(f: Frame, drive: Drive): number | undefined {
    if (f.bx !== EDD_ASKS || drive.number < 0x80) return BAD_COMMAND;
    f.bx = EDD_SIGNATURE;
    f.cx = EDD_FIXED_DISK | EDD_DRIVE;
    f.ah = EDD_VERSION;
    f.carry = false;
    return undefined;
  }

  private eddParameters(f: Frame, drive: Drive): number {
    const at = f.ds * 16 + f.si, { cells } = this, size = cells.word(at);
    if (size < 26) return BAD_COMMAND;
    const sectors = Math.floor(drive.backend.sectors * SECTOR_SIZE / drive.sectorBytes);
    cells.setWord(at, size >= 30 ? 30 : 26);
    cells.setWord(at + 2, drive.heads === 0 ? 0x74 : 0x02); // removable, locks, changes; or a geometry that holds
    cells.setDword(at + 4, drive.cylinders);
    cells.setDword(at + 8, drive.heads);
    cells.setDword(at + 12, drive.sectorsPerTrack);
    cells.setDword(at + 16, sectors);
    cells.setDword(at + 20, Math.floor(sectors / 2 ** 32));
    cells.setWord(at + 24, drive.sectorBytes);
    if (size >= 30) cells.setDword(at + 26, 0xffff_ffff);
    return OK;
  }

  /** El Torito: what was booted, in a specification packet; this is the answer for a disc that is booted without emulation. */
  private emulationStatus(f: Frame, drive: Drive): number {
    if (drive.heads !== 0 || f.al > 1) return BAD_COMMAND;
    this.cells.memory.write(f.ds * 16 + f.si, Uint8Array.of(SPECIFICATION_BYTES, 0x00, drive.number));
    return OK;
  }

  /** The same for an emulated drive; AL 0 ends it. */
  private endEmulation(f: Frame, { drive, entry, cd }: EmulatedDrive): void {
    const at = f.ds * 16 + f.si, { cells } = this;
    cells.memory.write(at, Uint8Array.of(SPECIFICATION_BYTES, entry.kind, drive.number, cd - FIRST_CD));
    cells.setDword(at + 4, entry.lba);
    cells.setWord(at + 8, 0);
    cells.setWord(at + 10, 0);
    cells.setWord(at + 12, entry.segment);
    cells.setWord(at + 14, entry.count);
    const last = drive.cylinders - 1;
    cells.memory.write(at + 16, Uint8Array.of(last & 0xff, drive.sectorsPerTrack | last >>> 2 & 0xc0, drive.heads - 1));
    if (f.al === 0) this.emulated = undefined;
    f.ah = OK;
    f.carry = f.al > 1;
  }
}
