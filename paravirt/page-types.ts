import { DOMID_IO } from "../hypervisor/xen/public/xen.js";
import { checkSegmentPage, invalidateLdt } from "./descriptor-tables.js";
import type { Domain } from "./domain.js";
import { BACKPTR_MANY, BACKPTR_MUTABLE, PGT_gdt_page, PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_ldt_page, PGT_none,
  PGT_writable_page } from "./frame-table.js";
import { DISALLOW, entryAddress, L3_DISALLOW, mfnOf, PAGE_HYPERVISOR, PTE_P, PTE_RW, readHigh, readLow, writeEntry } from "./page-tables.js";

/**
 * The rules that keep direct paging safe (Xen's xen/arch/x86/mm.c): a frame has one type at a time, with a count of references to
 * it; a page table is checked entry by entry when it becomes one, and each of its entries holds references to what it maps.
 * Every function either does all it says, or gives false having changed nothing.
 */

// ---- references to frames and types --------------------------------------------------------------------------------------

/** Takes a reference to the type `type` of a frame the caller holds a reference to; validates the frame when it is the first. */
export function getPageType(d: Domain, mfn: number, type: number, xenL2 = false): boolean {
  const { frames } = d;
  if (!frames.typeCountFits(mfn)) return false;
  if (frames.typeCount[mfn] !== 0 && !sameType(d, mfn, type, xenL2)) {
    // A disconnected page table is only a writable page for the time being.
    if (frames.type[mfn] === type || frames.owner[mfn] !== d.id) return false;
    d.writablePageTables.cleanup();
    if (frames.typeCount[mfn] !== 0 && !sameType(d, mfn, type, xenL2)) return false;
  }
  if (frames.typeCount[mfn] === 0 && (frames.type[mfn] !== type || (frames.xenL2[mfn] !== 0) !== xenL2)) {
    // A stale translation must not outlive the old type.
    if (frames.type[mfn] !== type) d.tlb.flushIfSince(frames.tlbStamp[mfn]!);
    frames.type[mfn] = type;
    frames.xenL2[mfn] = xenL2 ? 1 : 0;
    frames.backPointer[mfn] = BACKPTR_MUTABLE;
    frames.validated[mfn] = type === PGT_writable_page ? 1 : 0;
  }
  frames.typeCount[mfn]! += 1;
  if (frames.validated[mfn] !== 0) return true;
  // Another validation of this very frame is under way further up: a table that maps itself the wrong way.
  if (frames.typeCount[mfn] !== 1) {
    frames.typeCount[mfn]! -= 1;
    return false;
  }
  if (!validate(d, mfn, type)) {
    frames.typeCount[mfn] = 0;
    frames.type[mfn] = PGT_none;
    frames.xenL2[mfn] = 0;
    return false;
  }
  frames.validated[mfn] = 1;
  return true;
}

function sameType(d: Domain, mfn: number, type: number, xenL2: boolean): boolean {
  return d.frames.type[mfn] === type && (d.frames.xenL2[mfn] !== 0) === xenL2;
}

/** Drops a reference to the frame's type; with the last one a page table gives back all it refers to. */
export function putPageType(d: Domain, mfn: number): void {
  const { frames } = d;
  const count = frames.typeCount[mfn]! - 1;
  if (count < 0) throw new Error(`frame ${mfn.toString(16)} has lost more type references than it had`);
  if (count === 0) {
    frames.tlbStamp[mfn] = d.tlb.clock;
    const type = frames.type[mfn]!;
    if (type === PGT_l1_page_table || type === PGT_l2_page_table || type === PGT_l3_page_table) {
      frames.validated[mfn] = 0;
      d.tlb.deferFlush();
      devalidate(d, mfn, type);
    }
    frames.backPointer[mfn] = BACKPTR_MUTABLE;
  } else if (count === 1 && frames.pinned[mfn] !== 0) frames.backPointer[mfn] = BACKPTR_MUTABLE;
  frames.typeCount[mfn] = count;
}

export function getPageAndType(d: Domain, mfn: number, type: number, xenL2 = false): boolean {
  if (!d.frames.getPage(mfn, d.id)) return false;
  if (getPageType(d, mfn, type, xenL2)) return true;
  d.frames.putPage(mfn);
  return false;
}

export function putPageAndType(d: Domain, mfn: number): void {
  putPageType(d, mfn);
  d.frames.putPage(mfn);
}

// ---- references held by entries ------------------------------------------------------------------------------------------

/** Whether a present entry has flags of `mask`, or names a frame (or a flag) above 4 GB: none exists. */
const refusable = (low: number, high: number, mask: number): boolean => (low & mask) !== 0 || high !== 0;

/** Takes what a present L1 entry refers to. `foreign` is the domain whose frames may be mapped (DOMID_IO: none but devices'). */
export function getPageFromL1e(d: Domain, low: number, high: number, foreign: number): boolean {
  if ((low & PTE_P) === 0) return true;
  if (refusable(low, high, DISALLOW)) return false;
  const mfn = mfnOf(low);
  if (!d.frames.valid(mfn) || foreign === DOMID_IO) return false; // memory of devices: this domain has none
  if (!d.frames.getPage(mfn, foreign)) return false;
  if ((low & PTE_RW) === 0 || getPageType(d, mfn, PGT_writable_page)) return true;
  d.frames.putPage(mfn);
  return false;
}

export function putPageFromL1e(d: Domain, low: number): void {
  const mfn = mfnOf(low);
  if ((low & PTE_P) === 0 || !d.frames.valid(mfn)) return;
  if ((low & PTE_RW) !== 0) return putPageAndType(d, mfn);
  // A mapping of the LDT's page may be the one it was found by.
  if (d.frames.isType(mfn, PGT_ldt_page) && d.frames.owner[mfn] === d.id) invalidateLdt(d);
  d.frames.putPage(mfn);
}

/** Takes what the present entry `index` of L2 table `table` refers to: an L1 table, or an L2 table mapped read-only (a linear page table). */
export function getPageFromL2e(d: Domain, table: number, index: number, low: number, high: number): boolean {
  if ((low & PTE_P) === 0) return true;
  if (refusable(low, high, DISALLOW)) return false;
  const mfn = mfnOf(low);
  if (getPageAndType(d, mfn, PGT_l1_page_table)) {
    const { backPointer } = d.frames;
    const address = entryAddress(d, table, index);
    backPointer[mfn] = backPointer[mfn] === BACKPTR_MUTABLE || backPointer[mfn] === address ? address : BACKPTR_MANY;
    return true;
  }
  return getLinearPageTable(d, table, mfn, low);
}

/** Tables may map each other to be read: the entry is read-only and the other table was validated before. */
function getLinearPageTable(d: Domain, table: number, mfn: number, low: number): boolean {
  const { frames } = d;
  if ((low & PTE_RW) !== 0) return false;
  if (mfn === table) return true;
  if (!frames.getPage(mfn, d.id)) return false;
  if (frames.isType(mfn, PGT_l2_page_table) && frames.validated[mfn] !== 0 && frames.typeCountFits(mfn)) {
    frames.typeCount[mfn]! += 1;
    return true;
  }
  frames.putPage(mfn);
  return false;
}

export function putPageFromL2e(d: Domain, table: number, low: number): void {
  if ((low & PTE_P) !== 0 && mfnOf(low) !== table) putPageAndType(d, mfnOf(low));
}

/** Takes the L2 table that entry `index` of a PAE root refers to; the last one holds Xen's slots and must be there. */
export function getPageFromL3e(d: Domain, index: number, low: number, high: number): boolean {
  const last = index === 3;
  if ((low & PTE_P) === 0) return !last;
  if (refusable(low, high, L3_DISALLOW)) return false;
  return getPageAndType(d, mfnOf(low), PGT_l2_page_table, last);
}

export function putPageFromL3e(d: Domain, low: number): void {
  if ((low & PTE_P) !== 0) putPageAndType(d, mfnOf(low));
}

// ---- whole tables --------------------------------------------------------------------------------------------------------

function validate(d: Domain, mfn: number, type: number): boolean {
  d.count("paravirt.validate_page");
  switch (type) {
    case PGT_l1_page_table:
      return allocTable(d, d.layout.entries, (i) => getPageFromL1e(d, readLow(d, mfn, i), readHigh(d, mfn, i), d.id), (i) => putPageFromL1e(d, readLow(d, mfn, i)));
    case PGT_l2_page_table: return allocL2(d, mfn);
    case PGT_l3_page_table: return allocL3(d, mfn);
    case PGT_gdt_page: case PGT_ldt_page: return checkSegmentPage(d, mfn);
    default: return false;
  }
}

/** Takes the references of entries 0 to n-1; when one is refused, gives back those taken. */
function allocTable(d: Domain, n: number, get: (index: number) => boolean, put: (index: number) => void): boolean {
  for (let i = 0; i < n; i++) {
    if (get(i)) continue;
    while (i-- > 0) put(i);
    d.count("paravirt.validate_refused");
    return false;
  }
  return true;
}

/** Entries of an L2 table that are the guest's; the rest are Xen's. */
export function guestL2Slots(d: Domain, mfn: number): number {
  return !d.layout.pae || d.frames.xenL2[mfn] !== 0 ? d.layout.firstXenSlot : d.layout.entries;
}

function allocL2(d: Domain, mfn: number): boolean {
  const n = guestL2Slots(d, mfn);
  const okay = allocTable(d, n, (i) => getPageFromL2e(d, mfn, i, readLow(d, mfn, i), readHigh(d, mfn, i)),
    (i) => putPageFromL2e(d, mfn, readLow(d, mfn, i)));
  if (okay && !d.layout.pae) installXenSlots(d, mfn);
  return okay;
}

function allocL3(d: Domain, mfn: number): boolean {
  if (!allocTable(d, 4, (i) => getPageFromL3e(d, i, readLow(d, mfn, i), readHigh(d, mfn, i)), (i) => putPageFromL3e(d, readLow(d, mfn, i)))) return false;
  const last = mfnOf(readLow(d, mfn, 3));
  // Xen's slots name this root's own tables elsewhere, so no other root may share them.
  if (d.frames.typeCount[last] !== 1 || d.frames.pinned[last] !== 0) {
    for (let i = 0; i < 4; i++) putPageFromL3e(d, readLow(d, mfn, i));
    return false;
  }
  installXenSlots(d, last);
  return true;
}

/** Fills Xen's slots of the last L2 table of an address space: every guest's root has them. */
export function installXenSlots(d: Domain, mfn: number): void {
  const { layout } = d;
  for (let i = layout.firstXenSlot; i < layout.entries; i++) {
    const table = d.reserved.tableOf(i);
    writeEntry(d, mfn, i, table === 0 ? 0 : (table << 12) | PAGE_HYPERVISOR, 0);
  }
}

function devalidate(d: Domain, mfn: number, type: number): void {
  d.count("paravirt.devalidate_page");
  if (type === PGT_l1_page_table) for (let i = 0; i < d.layout.entries; i++) putPageFromL1e(d, readLow(d, mfn, i));
  else if (type === PGT_l2_page_table) {
    const n = guestL2Slots(d, mfn);
    for (let i = 0; i < n; i++) putPageFromL2e(d, mfn, readLow(d, mfn, i));
    d.frames.xenL2[mfn] = 0;
  } else for (let i = 0; i < 4; i++) putPageFromL3e(d, readLow(d, mfn, i));
}

// ---- single entries of live tables ---------------------------------------------------------------------------------------

/** Writes an L1 entry of a table that is in use; `foreign` owns the frame it may map. */
export function modL1Entry(d: Domain, table: number, index: number, low: number, high: number, foreign: number, preserveAd = false): boolean {
  const old = readLow(d, table, index);
  if (preserveAd) low |= old & 0x60;
  if ((low & PTE_P) !== 0) {
    if (refusable(low, high, DISALLOW)) return false;
    // Same frame, same rights: no reference changes.
    if (((old ^ low) & (0xfffff000 | PTE_P | PTE_RW)) === 0) {
      writeEntry(d, table, index, low, high);
      return true;
    }
    if (!getPageFromL1e(d, low, high, foreign)) return false;
  }
  writeEntry(d, table, index, low, high);
  putPageFromL1e(d, old);
  return true;
}

export function modL2Entry(d: Domain, table: number, index: number, low: number, high: number, preserveAd = false): boolean {
  if (index >= guestL2Slots(d, table)) return false;
  const old = readLow(d, table, index);
  if (preserveAd) low |= old & 0x20;
  if ((low & PTE_P) !== 0) {
    if (refusable(low, high, DISALLOW)) return false;
    // R/W counts as a change: it is what a linear page table may not have.
    if (((old ^ low) & (0xfffff000 | PTE_P | PTE_RW)) === 0) {
      writeEntry(d, table, index, low, high);
      return true;
    }
    if (!getPageFromL2e(d, table, index, low, high)) return false;
  }
  writeEntry(d, table, index, low, high);
  putPageFromL2e(d, table, old);
  return true;
}

/** An L3 entry; the last one, with Xen's slots behind it, stays what it was when the root was validated. */
export function modL3Entry(d: Domain, table: number, index: number, low: number, high: number): boolean {
  if (index >= 3) return false;
  const old = readLow(d, table, index);
  if ((low & PTE_P) !== 0) {
    if (refusable(low, high, L3_DISALLOW)) return false;
    if (((old ^ low) & (0xfffff000 | PTE_P)) === 0) {
      writeEntry(d, table, index, low, high);
      return true;
    }
    if (!getPageFromL3e(d, index, low, high)) return false;
  }
  writeEntry(d, table, index, low, high);
  putPageFromL3e(d, old);
  return true;
}
