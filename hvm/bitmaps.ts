/** I/O and MSR bitmaps: pages of machine memory that a monitor fills and the processor reads (SDM vol. 3C, 24.6.4 and 24.6.9). */
import { RAM_BASE } from "../hypervisor/heap.js";
import type { Memory } from "../hypervisor/memory.js";

const PORTS_A_PAGE = 0x8000;

const bit = (memory: Memory, page: number, index: number): boolean => (memory.heap.u8[RAM_BASE + page + (index >> 3)]! >> (index & 7) & 1) !== 0;

function setBit(memory: Memory, page: number, index: number, value: boolean): void {
  const at = RAM_BASE + page + (index >> 3);
  const mask = 1 << (index & 7);
  memory.heap.u8[at] = value ? memory.heap.u8[at]! | mask : memory.heap.u8[at]! & ~mask;
}

/**
 * Whether an access to `bytes` ports from `port` exits: bitmap A is for ports below 0x8000, B for the others; an access
 * that wraps around the end of the port space always exits (25.1.3). `a` and `b` are machine-physical addresses.
 */
export function portExits(memory: Memory, a: number, b: number, port: number, bytes: number): boolean {
  if (port + bytes > 2 * PORTS_A_PAGE) return true;
  for (let p = port; p < port + bytes; p++) if (bit(memory, p < PORTS_A_PAGE ? a : b, p % PORTS_A_PAGE)) return true;
  return false;
}

export function interceptPorts(memory: Memory, a: number, b: number, first: number, count: number, exits: boolean): void {
  for (let p = first; p < first + count; p++) setBit(memory, p < PORTS_A_PAGE ? a : b, p % PORTS_A_PAGE, exits);
}

const MSRS_A_QUARTER = 0x2000, HIGH_MSRS = 0xc0000000;
const WRITE_HALF = 2048, HIGH_QUARTER = 1024;

/** Bit of an MSR in the bitmap page, -1 for one outside both ranges. */
function msrBit(index: number, write: boolean): number {
  const half = write ? WRITE_HALF * 8 : 0;
  if (index < MSRS_A_QUARTER) return half + index;
  const high = index - HIGH_MSRS;
  return high >= 0 && high < MSRS_A_QUARTER ? half + HIGH_QUARTER * 8 + high : -1;
}

/** Whether RDMSR or WRMSR of `index` exits; one outside the bitmap's ranges always does. */
export function msrExits(memory: Memory, page: number, index: number, write: boolean): boolean {
  const at = msrBit(index >>> 0, write);
  return at < 0 || bit(memory, page, at);
}

export function interceptMsr(memory: Memory, page: number, index: number, write: boolean, exits: boolean): void {
  const at = msrBit(index >>> 0, write);
  if (at < 0) throw new RangeError(`MSR 0x${index.toString(16)} has no bit in the bitmap: it always exits`);
  setBit(memory, page, at, exits);
}
