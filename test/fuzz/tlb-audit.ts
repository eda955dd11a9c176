import type { Machine } from "../../hypervisor/machine.js";
import { RAM_BASE, TLB_PAGES, TLB_SUPERVISOR_EXEC, TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_USER_EXEC, TLB_USER_READ, TLB_USER_WRITE } from "../../hypervisor/heap.js";
import { Violation } from "./family.js";

const TABLES = [TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_SUPERVISOR_EXEC, TLB_USER_READ, TLB_USER_WRITE, TLB_USER_EXEC];

/**
 * Throws unless every entry of the six tables, which is all that generated code and the interpreter write through unchecked,
 * leads to a whole page of the guest's memory; `allowed` says which frames above it may be there.
 */
export function auditTlb(machine: Machine, allowed: (frame: number) => boolean = () => false): void {
  const { i32 } = machine.heap;
  const frames = machine.guestBytes >>> 12;
  for (const table of TABLES) {
    for (let page = 0; page < TLB_PAGES; page++) {
      const word = i32[table + page]!;
      if (word === 0) continue;
      const address = word - 1 + (page << 12) - RAM_BASE >>> 0;
      if ((address & 0xfff) !== 0 || (address >>> 12 >= frames && !allowed(address >>> 12))) {
        throw new Violation(`TLB entry of page ${page.toString(16)} leads to ${address.toString(16)}`);
      }
    }
  }
}
