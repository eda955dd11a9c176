/**
 * The bootstrap loader: what INT 19h reads to memory, and where it jumps.
 * Reference: Phoenix, Compaq and Intel, BIOS Boot Specification 1.01; Phoenix and IBM, "El Torito" Bootable CD-ROM Format 1.0.
 */
import { type BlockBackend, SECTOR_SIZE } from "../devices/block-backend.js";
import { bootEntry, emulatedDrive, NO_EMULATION } from "./el-torito.js";
import { CD_SECTOR, type Drive } from "./drives.js";

/** What to place and where to go. */
export interface BootImage {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly segment: number;
  readonly offset: number;
  readonly drive: number;
}

const LOAD_ADDRESS = 0x7c00, LOAD_SEGMENT = 0x07c0, SIGNATURE_AT = 510;
const PER = CD_SECTOR / SECTOR_SIZE;

/** Whether a medium's first sector says that it boots. */
export function hasBootSector(backend: BlockBackend): boolean {
  if (backend.sectors === 0) return false;
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

/** An image that stands for a diskette or a hard disk boots as that does. */
function elTorito(disc: Drive): BootImage | undefined {
  const { backend } = disc, entry = bootEntry(backend);
  if (!entry) return undefined;
  const emulated = emulatedDrive(disc), number = emulated ? emulated.drive.number : disc.number;
  if (!emulated && entry.kind !== NO_EMULATION) return undefined;
  const segment = entry.segment || LOAD_SEGMENT, low = segment === LOAD_SEGMENT;
  const bytes = new Uint8Array(entry.count * SECTOR_SIZE);
  backend.read(entry.lba * PER, entry.count, bytes);
  return { address: segment * 16, bytes, segment: low ? 0 : segment, offset: low ? LOAD_ADDRESS : 0, drive: number };
}
