/**
 * One buffer a machine, a WebAssembly memory's where the host has WebAssembly: CPU state, the software TLB and machine memory side by side, so that generated
 * code reaches all of them through the same typed arrays, asm.js included.
 *
 *   0x0000000  CPU state (see cpu-state.ts)
 *   0x0100000  six TLB tables of 2^20 words: {supervisor, user} x {read, write, execute}
 *   0x1900000  decoded code (translator/interpreter/records.ts)
 *   0x2800000  machine memory, frame 0 first
 *
 * A TLB word is 0 (absent) or (heap address of the page - linear address of the page) | 1. With `s` the word and
 * `a` a linear address, `(a & 3) < (s & 1)` holds exactly when the entry is present and `a` is 4-byte aligned, and then
 * `i32[(a + s) >>> 2]` is the operand: the 1 falls out in the shift. (No test of `a ^ s` can do: whatever word means
 * absent, some address matches it.)
 */
import { WASM_PAGE_BYTES, type WasmMemory, webAssembly } from "./webassembly.js";

export const STATE_BASE = 0;
export const TLB_BASE = 0x0100000;
export const RAM_BASE = 0x2800000;
export const RECORDS_BASE = 0x1900000, RECORDS_BYTES = RAM_BASE - RECORDS_BASE;
export const PAGE_SIZE = 4096;

/** An asm.js heap of more than 16 MiB is a multiple of 16 MiB (asmjs.org/spec, 10). */
const HEAP_UNIT = 0x1000000;

/** Word indices (into `i32`) of the six tables; add a linear page number. */
export const TLB_PAGES = 1 << 20;
export const TLB_SUPERVISOR_READ = TLB_BASE >> 2;
export const TLB_SUPERVISOR_WRITE = TLB_SUPERVISOR_READ + TLB_PAGES;
export const TLB_SUPERVISOR_EXEC = TLB_SUPERVISOR_WRITE + TLB_PAGES;
export const TLB_USER_READ = TLB_SUPERVISOR_EXEC + TLB_PAGES;
export const TLB_USER_WRITE = TLB_USER_READ + TLB_PAGES;
export const TLB_USER_EXEC = TLB_USER_WRITE + TLB_PAGES;

export interface Heap {
  readonly buffer: ArrayBuffer;
  /** The WebAssembly memory whose buffer it is, or null. */
  readonly memory: WasmMemory | null;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly f64: Float64Array;
  readonly view: DataView;
  /** Bytes of machine memory behind RAM_BASE, a multiple of PAGE_SIZE. */
  readonly memoryBytes: number;
}

/** Makes the heap of a machine with `memoryBytes` bytes of machine memory (a multiple of PAGE_SIZE, under 2 GiB - 48 MiB). */
export function createHeap(memoryBytes: number): Heap {
  const bytes = Math.ceil((RAM_BASE + memoryBytes) / HEAP_UNIT) * HEAP_UNIT, pages = bytes / WASM_PAGE_BYTES;
  const memory = webAssembly === null ? null : new webAssembly.Memory({ initial: pages, maximum: pages });
  const buffer = memory?.buffer ?? new ArrayBuffer(bytes);
  return {
    buffer,
    memory,
    i32: new Int32Array(buffer),
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    f64: new Float64Array(buffer, 0, RAM_BASE >> 3),
    view: new DataView(buffer),
    memoryBytes,
  };
}
