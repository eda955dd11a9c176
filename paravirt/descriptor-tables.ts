import * as S from "../hypervisor/cpu-state.js";
import type { Domain } from "./domain.js";
import { PGT_gdt_page, PGT_ldt_page, PGT_writable_page } from "./frame-table.js";
import { fetchWords, accessOk } from "./guest-access.js";
import { l1Place, mfnOf, PTE_P, readLow } from "./page-tables.js";
import { getPageAndType, getPageType, putPageAndType, putPageType } from "./page-types.js";
import { EFAULT, EINVAL } from "../hypervisor/xen/public/errno.js";
import { FIRST_RESERVED_GDT_ENTRY, FIRST_RESERVED_GDT_PAGE, FLAT_RING1_CS } from "../hypervisor/xen/public/xen.js";

/**
 * The guest's GDT and LDT. Pages in use as such are of a type of their own, so the guest cannot write them; each descriptor is
 * checked, and its DPL and limit made harmless (arch/x86/x86_32/mm.c: check_descriptor; arch-x86/xen.h: set_gdt, update_descriptor).
 */

/** Second word of a descriptor. */
const SEGMENT_P = 0x8000, SEGMENT_S = 0x1000, SEGMENT_G = 0x80_0000, SEGMENT_CODE = 0x800, SEGMENT_EC = 0x400;
const SEGMENT_ACCESSED = 0x100, SEGMENT_DPL = 0x6000, DPL1 = 0x2000, SYSTEM_TYPE = 0xf00, CALL_GATE32 = 0xc00, GATE_RESERVED = 0xe0;

/** RPL 0 becomes 1: the guest's kernel runs there. */
export const fixupSelector = (selector: number): number => (selector & 3) === 0 ? selector | 1 : selector;

/** Whether a gate may lead to a selector: the guest's own segments, or the flat kernel code segment; nothing of Xen's. */
export function gateSelectorOkay(selector: number): boolean {
  return selector >>> 3 < FIRST_RESERVED_GDT_ENTRY || selector === FLAT_RING1_CS || (selector & 4) !== 0;
}

/** The descriptor as it may be used, or undefined when it is refused. */
export function checkDescriptor(d: Domain, low: number, high: number): { low: number; high: number } | undefined {
  if ((high & SEGMENT_P) === 0) return { low, high };
  if ((high & SEGMENT_DPL) < DPL1) high = (high & ~SEGMENT_DPL) | DPL1;
  if ((high & SEGMENT_S) === 0) return checkCallGate(low, high);
  // Set beforehand: the processor reads the tables through a mapping that cannot be written.
  high |= SEGMENT_ACCESSED;

  const base = ((high & 0xff00_0000) | (high & 0xff) << 16 | low >>> 16) >>> 0;
  const end = d.layout.segmentEnd;
  if (base >= end - 4096) return undefined;
  let limit = ((high & 0xf_0000) | (low & 0xffff)) + 1;
  if ((high & SEGMENT_G) !== 0) limit *= 4096;
  let reach: number; // bytes it may have
  if ((high & (SEGMENT_CODE | SEGMENT_EC)) === SEGMENT_EC) {
    // An expand-down segment holds what is above its limit: that must stop short of wrapping round to Xen.
    if ((base + limit) % 2 ** 32 <= base) return { low, high };
    reach = (2 ** 32 - (base - base % 4096)) % 2 ** 32;
  } else {
    if (base + limit <= end) return { low, high };
    reach = end - base;
  }
  if ((high & SEGMENT_G) === 0) return undefined;
  const pages = Math.floor(reach / 4096) - 1;
  return { low: (low & ~0xffff) | (pages & 0xffff), high: (high & ~0xf_0000) | (pages & 0xf_0000) };
}

function checkCallGate(low: number, high: number): { low: number; high: number } | undefined {
  if ((high & SYSTEM_TYPE) !== CALL_GATE32 || (high & GATE_RESERVED) !== 0) return undefined;
  const cs = fixupSelector(low >>> 16);
  return gateSelectorOkay(cs) ? { low: (low & 0xffff) | cs << 16, high } : undefined;
}

/** Checks all of a page that becomes part of a GDT or LDT, fixing its descriptors in place; false, unchanged, when one is refused. */
export function checkSegmentPage(d: Domain, mfn: number): boolean {
  const fixed: { low: number; high: number }[] = [];
  for (let i = 0; i < 512; i++) {
    const at = mfn * 4096 + i * 8;
    const okay = checkDescriptor(d, d.memory.read32(at), d.memory.read32(at + 4));
    if (okay === undefined) return false;
    fixed.push(okay);
  }
  fixed.forEach((f, i) => {
    const at = mfn * 4096 + i * 8;
    if (d.memory.read32(at) !== (f.low | 0)) d.memory.write32(at, f.low);
    if (d.memory.read32(at + 4) !== (f.high | 0)) d.memory.write32(at + 4, f.high);
  });
  return true;
}

// ---- GDT -------------------------------------------------------------------------------------------------------------

/** HYPERVISOR_set_gdt(frame_list, entries). */
export function setGdt(d: Domain, [list, entries]: readonly number[]): number {
  if (entries > FIRST_RESERVED_GDT_ENTRY) return -EINVAL;
  const pages = Math.ceil(entries / 512);
  const mfns = new Uint32Array(pages);
  if (!fetchWords(d, list, pages, mfns)) return -EFAULT;
  d.writablePageTables.cleanup();
  for (let i = 0; i < pages; i++) {
    if (getPageAndType(d, mfns[i], PGT_gdt_page)) continue;
    while (i-- > 0) putPageAndType(d, mfns[i]);
    return -EINVAL;
  }
  destroyGdt(d);
  d.gdtEntries = entries;
  for (let i = 0; i < pages; i++) {
    d.gdtFrames[i] = mfns[i];
    d.reserved.mapGdtPage(i, mfns[i]);
  }
  d.tlb.flush();
  d.reloadSegments = true;
  return 0;
}

function destroyGdt(d: Domain): void {
  for (const mfn of d.gdtFrames) putPageAndType(d, mfn);
  d.gdtFrames.length = 0;
  d.gdtEntries = 0;
  for (let i = 0; i < FIRST_RESERVED_GDT_PAGE; i++) d.reserved.mapGdtPage(i, 0);
}

/** HYPERVISOR_update_descriptor(pa, desc): machine address of the descriptor and its two words. */
export function updateDescriptor(d: Domain, [paLow, paHigh, low, high]: readonly number[]): number {
  const mfn = paLow >>> 12;
  if (paHigh !== 0 || (paLow & 7) !== 0 || !d.frames.valid(mfn)) return -EINVAL;
  const okay = checkDescriptor(d, low | 0, high | 0);
  if (okay === undefined || !d.frames.getPage(mfn, d.id)) return -EINVAL;
  const current = d.frames.type[mfn];
  const type = current === PGT_gdt_page || current === PGT_ldt_page ? current : PGT_writable_page;
  const got = getPageType(d, mfn, type);
  if (got) {
    d.memory.write32(paLow, okay.low);
    d.memory.write32(paLow + 4, okay.high);
    d.reloadSegments = true;
    putPageType(d, mfn);
  }
  d.frames.putPage(mfn);
  return got ? 0 : -EINVAL;
}

// ---- LDT -------------------------------------------------------------------------------------------------------------

/** MMUEXT_SET_LDT: page-aligned linear address and number of entries; its pages are mapped when first used. */
export function setLdt(d: Domain, base: number, entries: number): boolean {
  if ((base & 0xfff) !== 0 || entries > 8192 || !accessOk(d, base, entries * 8)) return false;
  if (d.ldtEntries === entries && d.ldtBase === base) return true;
  invalidateLdt(d);
  d.ldtBase = base;
  d.ldtEntries = entries;
  d.reserved.setLdtDescriptor(entries);
  d.reloadSegments = true;
  if (entries === 0) d.cpu.setSegment(S.LDTR, 0, 0, 0, S.ATTR_NULL);
  else d.cpu.setSegment(S.LDTR, d.reserved.ldtSelector, d.reserved.ldtBase | 0, entries * 8 - 1, S.ATTR_P | 2);
  return true;
}

/** Unmaps every page of the LDT: they are found again, and checked again, at the next use. */
export function invalidateLdt(d: Domain): void {
  if (d.ldtFrames.size === 0) return;
  const mfns = [...d.ldtFrames];
  d.ldtFrames.clear();
  for (const [page, mfn] of mfns) {
    d.reserved.mapLdtPage(page, 0);
    putPageAndType(d, mfn);
  }
  d.tlb.flush();
}

/**
 * The processor has touched page `page` of the LDT's mapping, and it is not there: maps the guest's page if it may be one.
 * False when it may not: the fault is the guest's.
 */
export function mapLdtPage(d: Domain, page: number): boolean {
  const va = d.ldtBase + page * 4096;
  if (d.ldtFrames.has(page) || page * 512 >= d.ldtEntries || !accessOk(d, va, 4096)) return false;
  const place = l1Place(d, va);
  const entry = place === undefined ? 0 : readLow(d, place.mfn, place.index);
  if ((entry & PTE_P) === 0 || !getPageAndType(d, mfnOf(entry), PGT_ldt_page)) return false;
  d.ldtFrames.set(page, mfnOf(entry));
  d.reserved.mapLdtPage(page, mfnOf(entry));
  d.count("paravirt.ldt_map");
  return true;
}
