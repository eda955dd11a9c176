import { RAM_BASE } from "../hypervisor/heap.js";
import { PTE_A, PTE_D, PTE_G, PTE_P, PTE_PCD, PTE_PS, PTE_PWT, PTE_RW, PTE_US } from "../hypervisor/paging.js";
import type { Domain } from "./domain.js";

/**
 * Entries of the guest's page tables, which are the processor's own: an entry is (low, high) words, `high` always 0 without PAE.
 * Tables are named by machine frame, entries by index.
 */
export { PTE_A, PTE_D, PTE_P, PTE_RW, PTE_US };

/**
 * Bits a guest may never set in a present entry (L1_DISALLOW_MASK, L2_DISALLOW_MASK): large pages and global pages, which are Xen's.
 * The processor has no NX, so all of bits 52-63 are refused too; bits 32-51 are no frame that exists.
 */
export const DISALLOW = PTE_PS | PTE_G;
/** L3_DISALLOW_MASK: reserved bits of a page-directory-pointer entry. */
export const L3_DISALLOW = 0x1e6;
/** Flags of entries that Xen itself makes. */
export const PAGE_HYPERVISOR = PTE_P | PTE_RW | PTE_A | PTE_D, PAGE_HYPERVISOR_RO = PTE_P | PTE_A;
export const PAGE_NOCACHE = PTE_PCD | PTE_PWT;

export const mfnOf = (low: number): number => low >>> 12;

/** Machine address of entry `index` of the table in `mfn`. */
export function entryAddress(d: Domain, mfn: number, index: number): number {
  return mfn * 4096 + index * d.layout.entryBytes;
}

export function readLow(d: Domain, mfn: number, index: number): number {
  return d.heap.i32[(RAM_BASE + entryAddress(d, mfn, index)) >> 2]!;
}

export function readHigh(d: Domain, mfn: number, index: number): number {
  return d.layout.pae ? d.heap.i32[(RAM_BASE + entryAddress(d, mfn, index) + 4) >> 2]! : 0;
}

export function writeEntry(d: Domain, mfn: number, index: number, low: number, high: number): void {
  const address = entryAddress(d, mfn, index);
  if (d.layout.pae) d.memory.write32(address + 4, high);
  d.memory.write32(address, low);
}

/** Names one entry: the table's frame and the index in it. */
export interface EntryPlace { readonly mfn: number; readonly index: number }

/** The L2 entry of the running address space for `va`; undefined where the L3 entry is absent. */
export function l2Place(d: Domain, va: number): EntryPlace | undefined {
  const { layout } = d;
  if (!layout.pae) return { mfn: d.baseMfn, index: va >>> 22 };
  const l3 = readLow(d, d.baseMfn, va >>> 30);
  return (l3 & PTE_P) === 0 ? undefined : { mfn: mfnOf(l3), index: (va >>> 21) & 511 };
}

/** The L1 entry of the running address space for `va`; undefined where a table is absent. */
export function l1Place(d: Domain, va: number): EntryPlace | undefined {
  const l2 = l2Place(d, va);
  if (l2 === undefined) return undefined;
  const entry = readLow(d, l2.mfn, l2.index);
  if ((entry & PTE_P) === 0) return undefined;
  return { mfn: mfnOf(entry), index: (va >>> 12) & (d.layout.entries - 1) };
}
