import type { Machine } from "../machine.js";
import { FRAME_ROM } from "../memory.js";
import { PTE_A, PTE_D, PTE_G, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../paging.js";
import { RAM_BASE, TLB_PAGES, TLB_SUPERVISOR_WRITE, TLB_USER_WRITE } from "../heap.js";
import type { PhysicalMap } from "./p2m.js";
import type { ShadowCache } from "./shadow-cache.js";
import { entriesOf, entryShift, levelOf, ROLE_FLAT, ROLE_LARGE, ROLE_PAE, ROLE_PGE, ROLE_RW, ROLE_US, roleRights, ROLE_WP, type ShadowPage } from "./shadow-page.js";

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** A guest entry: its two words (the high one 0 without PAE). */
interface GuestEntry { readonly low: number; readonly high: number }

/**
 * Compares every present entry of every shadow table with what the guest's tables say now, and every writable entry of the
 * TLB with the traces. Written from the SDM's rules alone: it shares no code with the fills. A line for each violation.
 */
export function auditCoherence(machine: Machine, p2m: PhysicalMap, cache: ShadowCache): string[] {
  const wrong: string[] = [];
  for (const page of cache.pages()) {
    for (let index = 0; index < entriesOf(page.role); index++) {
      const entry = cache.read(cache.entryAddress(page, index));
      if ((entry & PTE_P) === 0) continue;
      const complaint = levelOf(page) === 1 ? auditLeaf(machine, p2m, cache, page, index, entry) : auditDirectory(p2m, cache, page, index, entry);
      if (complaint !== undefined) wrong.push(`shadow of ${hex(page.gpa)} (role ${hex(page.role)}) entry ${index} = ${hex(entry)}: ${complaint}`);
    }
  }
  return wrong.concat(auditTlb(machine, p2m, cache));
}

function guestEntry(p2m: PhysicalMap, page: ShadowPage, index: number): GuestEntry {
  const address = page.gpa + (index << entryShift(page.role));
  return { low: p2m.read32(address), high: (page.role & ROLE_PAE) !== 0 ? p2m.read32(address + 4) : 0 };
}

/** The 4 KB entry that a leaf stands for: the guest's own, or the piece of a large page, or identity. */
function leafEntry(p2m: PhysicalMap, page: ShadowPage, index: number): GuestEntry {
  if ((page.role & ROLE_FLAT) !== 0) return { low: page.gpa + (index << 12) | PTE_P | PTE_A | PTE_D | PTE_RW | PTE_US, high: 0 };
  if ((page.role & ROLE_LARGE) === 0) return guestEntry(p2m, page, index);
  const pae = (page.role & ROLE_PAE) !== 0;
  const low = p2m.read32(page.gpa), high = pae ? p2m.read32(page.gpa + 4) : 0;
  if ((low & PTE_PS) === 0) return { low: 0, high };
  return { low: (low & (pae ? 0xffe00000 : 0xffc00000)) + (index << 12) | low & (PTE_P | PTE_A | PTE_D | PTE_RW | PTE_US | PTE_G), high };
}

function auditLeaf(machine: Machine, p2m: PhysicalMap, cache: ShadowCache, page: ShadowPage, index: number, entry: number): string | undefined {
  const { low, high } = leafEntry(p2m, page, index);
  const gfn = low >>> 12;
  const tableFrame = p2m.machineFrame(page.gpa >>> 12);
  const rom = (machine.memory.kindOf(tableFrame) & FRAME_ROM) !== 0;
  if ((low & PTE_P) === 0 || high !== 0) return `the guest's entry ${hex(low)} is not present`;
  if ((low & PTE_A) === 0 && !rom) return "the guest's entry is not marked accessed";
  if (p2m.machineFrame(gfn) !== entry >>> 12) return `the guest maps frame ${hex(gfn)}, machine frame ${hex(p2m.machineFrame(gfn))}`;
  const rights = low & roleRights(page.role);
  if ((entry & PTE_US) !== 0 && (rights & PTE_US) === 0) return "user access is not the guest's";
  const wantedGlobal = (page.role & ROLE_PGE) !== 0 && (page.role & ROLE_FLAT) === 0 ? low & PTE_G : 0;
  if ((entry & PTE_G) !== wantedGlobal) return "G differs";
  if ((entry & PTE_RW) === 0) return undefined;
  const supervisorOnly = (page.role & ROLE_WP) === 0 && (entry & PTE_US) === 0;
  if ((rights & PTE_RW) === 0 && !supervisorOnly) return "writing is not the guest's";
  if ((low & PTE_D) === 0 && !rom) return "writable, but the guest's entry is clean";
  return cache.traced(gfn) ? "writable, but the frame is traced" : undefined;
}

function auditDirectory(p2m: PhysicalMap, cache: ShadowCache, page: ShadowPage, index: number, entry: number): string | undefined {
  const child = cache.pageAt(entry);
  if (child === undefined) return "points to no shadow";
  if (!child.parents.includes(cache.entryAddress(page, index))) return "its child does not know of it";
  // The PDPTEs are as CR3's last load found them.
  if ((page.role & ROLE_FLAT) !== 0 || levelOf(page) === 3) return undefined;
  const { low, high } = guestEntry(p2m, page, index);
  if ((low & PTE_P) === 0 || high !== 0) return `the guest's entry ${hex(low)} is not present`;
  if ((low & PTE_A) === 0) return "the guest's entry is not marked accessed";
  if ((child.role & ROLE_LARGE) !== 0) {
    if ((low & PTE_PS) === 0) return "the guest's entry is no large page";
    return child.gpa === page.gpa + (index << entryShift(page.role)) ? undefined : "points to another entry's pieces";
  }
  if (child.gpa !== (low & 0xfffff000) >>> 0) return `the guest's table is at ${hex(low)}`;
  const granted = ((child.role & ROLE_RW) !== 0 ? PTE_RW : 0) | ((child.role & ROLE_US) !== 0 ? PTE_US : 0);
  return (low & (PTE_RW | PTE_US)) === granted ? undefined : "the rights differ";
}

function auditTlb(machine: Machine, p2m: PhysicalMap, cache: ShadowCache): string[] {
  const { i32 } = machine.heap;
  const wrong: string[] = [];
  for (const table of [TLB_SUPERVISOR_WRITE, TLB_USER_WRITE]) {
    for (let page = 0; page < TLB_PAGES; page++) {
      const word = i32[table + page]!;
      if (word === 0) continue;
      const gfn = p2m.guestFrame((word - 1 - RAM_BASE + (page << 12)) >>> 12);
      if (gfn >= 0 && cache.traced(gfn)) wrong.push(`the TLB lets ${hex(page << 12)} be written, whose frame ${hex(gfn)} is traced`);
    }
  }
  return wrong;
}
