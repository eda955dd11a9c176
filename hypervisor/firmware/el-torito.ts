/**
 * A CD's boot catalogue: the entry to boot, and the diskette or hard disk that its image stands for.
 * Reference: Phoenix and IBM, "El Torito" Bootable CD-ROM Format 1.0; ECMA-119.
 * Left out: sections after the initial entry, for other platforms or for menus.
 */
import { type BlockBackend, SECTOR_SIZE } from "../devices/block-backend.js";
import { CD_SECTOR, type Drive, DISKETTE_SIZES, hardDisk } from "./drives.js";

const PER = CD_SECTOR / SECTOR_SIZE;
const VOLUME_SECTOR = 16, BOOT_RECORD_SECTOR = 17, CATALOG_AT = 0x47, ENTRY_AT = 0x20, BOOTABLE = 0x88, VALIDATION_KEY = 0xaa55;
/** Kinds of image: loaded as it is, diskettes of 1.2, 1.44 and 2.88 MB, a hard disk. */
export const NO_EMULATION = 0;
const HARD_DISK = 4;
/** Index of DISKETTE_SIZES by kind. */
const DISKETTE_KINDS: Readonly<Record<number, number>> = { 1: 1, 2: 3, 3: 4 };
const PARTITION_AT = 0x1be, PARTITION_END_HEAD = 5, PARTITION_END_SECTOR = 6, PARTITION_START = 8, PARTITION_SECTORS = 12;

export interface BootEntry {
  readonly kind: number;
  /** Where to load to; 0 says 07C0. */
  readonly segment: number;
  /** Sectors of 512 bytes to load. */
  readonly count: number;
  /** CD sector of the image. */
  readonly lba: number;
}

/** A drive that a CD's boot image stands for, and the entry that says so. */
export interface EmulatedDrive {
  readonly drive: Drive;
  readonly entry: BootEntry;
  /** Number of the CD's own drive. */
  readonly cd: number;
}

function sector(backend: BlockBackend, index: number): Uint8Array {
  const bytes = new Uint8Array(CD_SECTOR);
  if ((index + 1) * PER <= backend.sectors) backend.read(index * PER, PER, bytes);
  return bytes;
}

const text = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));

/** Whether a medium is an ISO 9660 image. */
export function isIso(backend: BlockBackend): boolean {
  return text(sector(backend, VOLUME_SECTOR), 1, 5) === "CD001";
}

/** The catalogue's initial entry, undefined when the disc does not boot. */
export function bootEntry(backend: BlockBackend): BootEntry | undefined {
  const record = sector(backend, BOOT_RECORD_SECTOR);
  if (text(record, 1, 5) !== "CD001" || !text(record, 7, 23).startsWith("EL TORITO SPECIFICATION")) return undefined;
  const catalog = new DataView(sector(backend, new DataView(record.buffer).getUint32(CATALOG_AT, true)).buffer);
  if (catalog.getUint16(0x1e, true) !== VALIDATION_KEY || catalog.getUint8(ENTRY_AT) !== BOOTABLE) return undefined;
  const entry = {
    kind: catalog.getUint8(ENTRY_AT + 1) & 0xf, segment: catalog.getUint16(ENTRY_AT + 2, true), count: catalog.getUint16(ENTRY_AT + 6, true) || 1,
    lba: catalog.getUint32(ENTRY_AT + 8, true),
  };
  return entry.lba * PER + entry.count <= backend.sectors ? entry : undefined;
}

/** The drive that a disc's boot image stands for: A, or the first hard disk. Undefined where the image is loaded as it is. */
export function emulatedDrive(disc: Drive): EmulatedDrive | undefined {
  const entry = disc.sectorBytes === CD_SECTOR ? bootEntry(disc.backend) : undefined;
  if (!entry || entry.kind === NO_EMULATION) return undefined;
  const drive = entry.kind === HARD_DISK ? emulatedDisk(disc.backend, entry.lba * PER) : emulatedDiskette(disc.backend, entry);
  return drive && { drive, entry, cd: disc.number };
}

function emulatedDiskette(backend: BlockBackend, { kind, lba }: BootEntry): Drive | undefined {
  const size = DISKETTE_SIZES[DISKETTE_KINDS[kind] ?? -1];
  if (!size) return undefined;
  const [bytes, cylinders, heads, sectorsPerTrack] = size;
  return { number: 0, backend: part(backend, lba * PER, bytes / SECTOR_SIZE), cylinders, heads, sectorsPerTrack, sectorBytes: SECTOR_SIZE };
}

/** Its partition table says how large a hard disk is, and where heads and tracks end. */
function emulatedDisk(backend: BlockBackend, first: number): Drive | undefined {
  const bytes = new Uint8Array(SECTOR_SIZE);
  backend.read(first, 1, bytes);
  const table = new DataView(bytes.buffer, PARTITION_AT);
  const sectors = table.getUint32(PARTITION_START, true) + table.getUint32(PARTITION_SECTORS, true);
  const heads = table.getUint8(PARTITION_END_HEAD) + 1, sectorsPerTrack = table.getUint8(PARTITION_END_SECTOR) & 0x3f;
  if (sectors === 0) return undefined;
  const drive = hardDisk(part(backend, first, sectors), 0x80);
  return sectorsPerTrack === 0 ? drive : { ...drive, heads, sectorsPerTrack, cylinders: Math.max(1, Math.floor(sectors / (heads * sectorsPerTrack))) };
}

/** Sectors of a disc as a disk that may not be written. */
function part(backend: BlockBackend, first: number, wanted: number): BlockBackend {
  const sectors = Math.min(wanted, backend.sectors - first);
  return {
    sectors, readOnly: true, read: (lba, count, into) => backend.read(first + lba, count, into), write: () => { throw new RangeError("a CD is not written"); },
    flush: () => {},
  };
}
