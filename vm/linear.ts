import type { Cpu } from "../hypervisor/cpu.js";
import { PAGE_SIZE } from "../hypervisor/heap.js";
import { pagingMode } from "../hypervisor/native.js";
import { createWalk, type TableMemory, walkPageTables } from "../hypervisor/paging.js";

/**
 * A linear address as a debugger sees it: by the tables at `root` in `tables`, with supervisor rights, without setting
 * accessed bits, filling the TLB or counting anything. Gives the address those tables hold, -1 where nothing is mapped.
 */
export function linearToPhysical(cpu: Cpu, tables: TableMemory, la: number, root = cpu.cr3): number {
  if (!cpu.paging) return la >>> 0;
  const walk = walkPageTables(createWalk(), tables, root, pagingMode(cpu), la | 0, false, false, false);
  return walk.fault ? -1 : (walk.pa >>> 0) + (la & (PAGE_SIZE - 1));
}

/** Calls `each` for the pieces of a range that lie in one page: their addresses, offsets and lengths. */
export function eachPage(start: number, length: number, each: (address: number, at: number, length: number) => void): void {
  for (let at = 0; at < length;) {
    const here = (start + at) % 2 ** 32;
    const n = Math.min(length - at, PAGE_SIZE - here % PAGE_SIZE);
    each(here, at, n);
    at += n;
  }
}
