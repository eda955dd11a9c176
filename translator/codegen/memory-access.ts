import { type Heap, TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_USER_READ, TLB_USER_WRITE } from "../../hypervisor/heap.js";

/** `site` tells which access of the region it is, should it not complete. */
export type SlowLoad = (la: number, site: number) => number;
export type SlowStore = (la: number, value: number, site: number) => void;

/** The slow halves, for 8, 16 and 32 bits. */
export interface SlowAccesses {
  readonly load: readonly [SlowLoad, SlowLoad, SlowLoad];
  readonly store: readonly [SlowStore, SlowStore, SlowStore];
  /** Reads for a read-modify-write, whose write then cannot fault. */
  readonly update: readonly [SlowLoad, SlowLoad, SlowLoad];
}

/**
 * The fast halves of generated code's accesses: a look in the software TLB of one privilege, then the typed array.
 * They are functions, which the host inlines where it pays, and not written out at each access: there a first miss
 * throws away the optimised code of the whole region, for its call has not been seen made; here all accesses share what
 * has been seen (measured on a Linux boot's first 850 million instructions: 8.0 s of processor time, written out 21.8 s).
 * Made from text, so that the tables' places are constants in each.
 */
export function memoryAccess(heap: Heap, user: boolean, slow: SlowAccesses): unknown[] {
  const read = user ? TLB_USER_READ : TLB_SUPERVISOR_READ, write = user ? TLB_USER_WRITE : TLB_SUPERVISOR_WRITE;
  const word = (table: number): string => `const s = i32[${table} + (a >>> 12)];`;
  const make = new Function("i32", "u8", "u16", "load8", "load16", "load32", "store8", "store16", "store32", "update8", "update16", "update32", `return [
    (a, k) => { ${word(read)} return s !== 0 ? u8[a + s - 1 | 0] : load8(a, k); },
    (a, k) => { ${word(read)} return (a & 1) < (s & 1) ? u16[a + s >>> 1] : load16(a, k); },
    (a, k) => { ${word(read)} return (a & 3) < (s & 1) ? i32[a + s >>> 2] : load32(a, k); },
    (a, v, k) => { ${word(write)} if (s !== 0) u8[a + s - 1 | 0] = v; else store8(a, v, k); },
    (a, v, k) => { ${word(write)} if ((a & 1) < (s & 1)) u16[a + s >>> 1] = v; else store16(a, v, k); },
    (a, v, k) => { ${word(write)} if ((a & 3) < (s & 1)) i32[a + s >>> 2] = v; else store32(a, v, k); },
    (a, k) => { ${word(write)} return s !== 0 ? u8[a + s - 1 | 0] : update8(a, k); },
    (a, k) => { ${word(write)} return (a & 1) < (s & 1) ? u16[a + s >>> 1] : update16(a, k); },
    (a, k) => { ${word(write)} return (a & 3) < (s & 1) ? i32[a + s >>> 2] : update32(a, k); },
  ];`);
  return make(heap.i32, heap.u8, heap.u16, ...slow.load, ...slow.store, ...slow.update) as unknown[];
}
