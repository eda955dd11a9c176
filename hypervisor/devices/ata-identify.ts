/**
 * The 256 words an ATA disk answers to IDENTIFY DEVICE.
 * Reference: T13/1410D, AT Attachment with Packet Interface - 6, clause 8.15.
 */

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

export interface IdentifyFacts {
  /** Capacity in sectors. */
  readonly sectors: number;
  readonly native: DiskGeometry;
  /** Translation in force (INITIALIZE DEVICE PARAMETERS). */
  readonly current: DiskGeometry;
  /** Sectors a block for READ/WRITE MULTIPLE, 0 while not set. */
  readonly multiple: number;
  readonly maxMultiple: number;
  readonly writeCache: boolean;
  readonly readLookAhead: boolean;
  /** Multiword DMA modes supported in bits 0-2, the selected one in bits 8-10 (word 63). */
  readonly multiwordDma: number;
  /** Ultra DMA modes, likewise (word 88). */
  readonly ultraDma: number;
  /** Device 0 or 1, to tell disks apart by their serial numbers. */
  readonly position: number;
}

export const MAX_LBA28_SECTORS = 0x0fff_ffff;

const FIRMWARE = "1.0";
const MODEL = "TRIVISOR HARDDISK";
const CONFIG_FIXED = 0x0040;
const CAP_DMA = 0x0100;
const CAP_LBA = 0x0200;
const CAP_IORDY = 0x0800;
const VALID_54_58 = 1;
const VALID_64_70 = 2;
const VALID_88 = 4;
const PIO_3_AND_4 = 0x0003;
const PIO_CYCLE_NS = 120;
const MAJOR_ATA_4_TO_6 = 0x0070;
const SET82_NOP = 0x4000;
const SET82_LOOK_AHEAD = 0x0040;
const SET82_POWER = 0x0008;
const SET82_WRITE_CACHE = 0x0020;
const SET83_FIXED = 0x4000;
const SET83_FLUSH_EXT = 0x2000;
const SET83_FLUSH = 0x1000;
const SET83_LBA48 = 0x0400;
const RESET_RESULT_DEVICE0 = 0x4009;
const RESET_RESULT_DEVICE1 = 0x4900;

/** The answer as 512 bytes, words little-endian. */
export function identifyDevice(facts: IdentifyFacts): Uint8Array {
  const words = new Uint16Array(256);
  const { native, current, sectors } = facts;
  const currentSectors = Math.min(current.cylinders * current.heads * current.sectorsPerTrack, sectors);
  const lba28 = Math.min(sectors, MAX_LBA28_SECTORS);

  words[0] = CONFIG_FIXED;
  words[1] = native.cylinders;
  words[3] = native.heads;
  words[6] = native.sectorsPerTrack;
  putString(words, 10, 20, `TRIVISOR-${facts.position}`);
  putString(words, 23, 8, FIRMWARE);
  putString(words, 27, 40, MODEL);
  words[47] = 0x8000 | facts.maxMultiple;
  words[48] = 1; // the data port takes 32 bits
  words[49] = CAP_LBA | CAP_IORDY | (facts.multiwordDma || facts.ultraDma ? CAP_DMA : 0);
  words[50] = 0x4000;
  words[51] = 0x0200;
  words[53] = VALID_54_58 | VALID_64_70 | (facts.ultraDma ? VALID_88 : 0);
  words[54] = current.cylinders;
  words[55] = current.heads;
  words[56] = current.sectorsPerTrack;
  putDword(words, 57, currentSectors);
  words[59] = facts.multiple ? 0x0100 | facts.multiple : 0;
  putDword(words, 60, lba28);
  words[63] = facts.multiwordDma;
  words[64] = PIO_3_AND_4;
  words.fill(PIO_CYCLE_NS, 65, 69);
  words[80] = MAJOR_ATA_4_TO_6;
  words[82] = SET82_NOP | SET82_POWER | SET82_LOOK_AHEAD | SET82_WRITE_CACHE;
  words[83] = SET83_FIXED | SET83_FLUSH_EXT | SET83_FLUSH | SET83_LBA48;
  words[84] = 0x4000;
  words[85] = SET82_NOP | SET82_POWER | (facts.readLookAhead ? SET82_LOOK_AHEAD : 0) | (facts.writeCache ? SET82_WRITE_CACHE : 0);
  words[86] = SET83_FLUSH_EXT | SET83_FLUSH | SET83_LBA48;
  words[87] = 0x4000;
  words[88] = facts.ultraDma;
  words[93] = facts.position === 0 ? RESET_RESULT_DEVICE0 : RESET_RESULT_DEVICE1;
  putDword(words, 100, sectors);
  words[102] = Math.floor(sectors / 2 ** 32);

  const bytes = new Uint8Array(512);
  words.forEach((word, i) => {
    bytes[2 * i] = word;
    bytes[2 * i + 1] = word >>> 8;
  });
  return bytes;
}

function putDword(words: Uint16Array, index: number, value: number): void {
  words[index] = value;
  words[index + 1] = Math.floor(value / 0x1_0000);
}

/** ATA strings hold two characters a word, the first one in the high byte, padded with spaces. */
function putString(words: Uint16Array, index: number, length: number, text: string): void {
  const padded = text.padEnd(length, " ");
  for (let i = 0; i < length; i += 2) {
    words[index + i / 2] = (padded.charCodeAt(i) << 8) | padded.charCodeAt(i + 1);
  }
}
