/** Drives as INT 13h knows them, and the geometry it gives to each kind. */
import { type BlockBackend, SECTOR_SIZE } from "../devices/block-backend.js";

/** One drive as INT 13h numbers them. */
export interface Drive {
  /** 0 a diskette, 0x80 and up a hard disk, 0xe0 and up a CD-ROM. */
  readonly number: number;
  readonly backend: BlockBackend;
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  /** 512, or 2048 on a CD-ROM. */
  readonly sectorBytes: number;
}

export const CD_SECTOR = 2048;

/** Drives of the sizes that diskettes have. */
export const DISKETTE_SIZES: readonly (readonly [bytes: number, cylinders: number, heads: number, sectors: number, type: number])[] = [
  [360 << 10, 40, 2, 9, 1], [1200 << 10, 80, 2, 15, 2], [720 << 10, 80, 2, 9, 3], [1440 << 10, 80, 2, 18, 4], [2880 << 10, 80, 2, 36, 5],
];
const MAX_CYLINDERS = 1024, SECTORS = 63;
const HEADS: readonly number[] = [16, 32, 64, 128, 255];

/** A disk of this size as a diskette, undefined when diskettes have none. */
export function diskette(backend: BlockBackend): Drive | undefined {
  const found = DISKETTE_SIZES.find(([bytes]) => bytes === backend.sectors * SECTOR_SIZE);
  return found && { number: 0, backend, cylinders: found[1], heads: found[2], sectorsPerTrack: found[3], sectorBytes: SECTOR_SIZE };
}

export function hardDisk(backend: BlockBackend, number: number): Drive {
  const heads = HEADS.find(h => backend.sectors <= MAX_CYLINDERS * h * SECTORS) ?? HEADS.at(-1)!;
  const cylinders = Math.max(1, Math.min(MAX_CYLINDERS, Math.floor(backend.sectors / (heads * SECTORS))));
  return { number, backend, cylinders, heads, sectorsPerTrack: SECTORS, sectorBytes: SECTOR_SIZE };
}

export function cdRom(backend: BlockBackend, number: number): Drive {
  return { number, backend, cylinders: 0, heads: 0, sectorsPerTrack: 0, sectorBytes: CD_SECTOR };
}
