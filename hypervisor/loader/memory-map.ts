/**
 * What a PC's firmware says of its memory (INT 15h AX=E820h).
 * Reference: ACPI specification 6.4, chapter 15, "System Address Map Interfaces".
 */

export const E820_RAM = 1;
export const E820_RESERVED = 2;

export interface MemoryRange {
  readonly start: number;
  readonly length: number;
  /** E820_*. */
  readonly type: number;
}

/** RAM below 640 KiB ends where the extended BIOS data area begins. */
export const LOW_MEMORY_END = 0x9_fc00;
const VIDEO = 0xa_0000;
/** The firmware's tables and code. */
export const FIRMWARE_START = 0xe_0000;
const MIB = 0x10_0000;

/** The ranges of a PC with `bytes` of RAM, in order of address. */
export function memoryMap(bytes: number): MemoryRange[] {
  const ranges: MemoryRange[] = [
    { start: 0, length: LOW_MEMORY_END, type: E820_RAM },
    { start: LOW_MEMORY_END, length: VIDEO - LOW_MEMORY_END, type: E820_RESERVED },
    { start: FIRMWARE_START, length: MIB - FIRMWARE_START, type: E820_RESERVED },
  ];
  if (bytes > MIB) ranges.push({ start: MIB, length: bytes - MIB, type: E820_RAM });
  return ranges;
}
