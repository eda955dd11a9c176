/**
 * The bootstrap loader: what INT 19h reads to memory, and where it jumps.
 * Reference: Phoenix, Compaq and Intel, BIOS Boot Specification 1.01; Phoenix and IBM, "El Torito" Bootable CD-ROM Format
 * 1.0; ECMA-119.
 * Left out: El Torito's diskette and hard disk emulation, sections after the initial entry.
 */
import { type BlockBackend, SECTOR_SIZE } from "../devices/block-backend.js";
import { CD_SECTOR, type Drive } from "./int13.js";

/** What to place and where to go. */
export interface BootImage {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly segment: number;
  readonly offset: number;
  readonly drive: number;
}

const LOAD_ADDRESS = 0x7c00, LOAD_SEGMENT = 0x07c0, SIGNATURE_AT = 510;
const BOOT_RECORD_SECTOR = 17, VOLUME_SECTOR = 16, CATALOG_AT = 0x47, ENTRY_AT = 0x20, BOOTABLE = 0x88;
const NO_EMULATION = 0, VALIDATION_KEY = 0xaa55;

function sector(backend: BlockBackend, index: number): Uint8Array {
  const bytes = new Uint8Array(CD_SECTOR), per = CD_SECTOR / SECTOR_SIZE;
  if ((index + 1) * per <= backend.sectors) backend.read(index * per, per, bytes);
  return bytes;
}

const text = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));

/** Whether a medium is an ISO 9660 image. */
export function isIso(backend: BlockBackend): boolean {
  return text(sector(backend, VOLUME_SECTOR), 1, 5) === "CD001";
}

/** Whether a medium's first sector says that it boots. */
export function hasBootSector(backend: BlockBackend): boolean {
  const bytes = new Uint8Array(SECTOR_SIZE);
  backend.read(0, 1, bytes);
  return bytes[SIGNATURE_AT] === 0x55 && bytes[SIGNATURE_AT + 1] === 0xaa;
}

/** What a drive boots with, undefined when it does not. */
export function bootImage(drive: Drive): BootImage | undefined {
  if (drive.sectorBytes === CD_SECTOR) return elTorito(drive);
  if (!hasBootSector(drive.backend)) return undefined;
  const bytes = new Uint8Array(SECTOR_SIZE);
  drive.backend.read(0, 1, bytes);
  return { address: LOAD_ADDRESS, bytes, segment: 0, offset: LOAD_ADDRESS, drive: drive.number };
}

function elTorito(drive: Drive): BootImage | undefined {
  const { backend } = drive, record = sector(backend, BOOT_RECORD_SECTOR);
  if (text(record, 1, 5) !== "CD001" || !text(record, 7, 23).startsWith("EL TORITO SPECIFICATION")) return undefined;
  const catalog = new DataView(sector(backend, new DataView(record.buffer).getUint32(CATALOG_AT, true)).buffer);
  if (catalog.getUint16(0x1e, true) !== VALIDATION_KEY || catalog.getUint8(ENTRY_AT) !== BOOTABLE) return undefined;
  if ((catalog.getUint8(ENTRY_AT + 1) & 0xf) !== NO_EMULATION) return undefined;
  const segment = catalog.getUint16(ENTRY_AT + 2, true) || LOAD_SEGMENT;
  const count = catalog.getUint16(ENTRY_AT + 6, true) || 1, first = catalog.getUint32(ENTRY_AT + 8, true) * (CD_SECTOR / SECTOR_SIZE);
  if (first + count > backend.sectors) return undefined;
  const bytes = new Uint8Array(count * SECTOR_SIZE);
  backend.read(first, count, bytes);
  return { address: segment * 16, bytes, segment: segment === LOAD_SEGMENT ? 0 : segment, offset: segment === LOAD_SEGMENT ? LOAD_ADDRESS : 0, drive: drive.number };
}
