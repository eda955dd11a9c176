import type { Domain } from "./domain.js";
import { PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_writable_page } from "./frame-table.js";
import { accessOk, fetchWords, storeWord } from "./guest-access.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { l1Place } from "./page-tables.js";
import { getPageType, modL1Entry, modL2Entry, modL3Entry, putPageType } from "./page-types.js";
import { EFAULT, EINVAL, EPERM, ESRCH } from "../hypervisor/xen/public/errno.js";
import { DOMID_IO, DOMID_SELF, MMU_MACHPHYS_UPDATE, MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_NO_TRANSLATE, MMU_PT_UPDATE_PRESERVE_AD,
  MMU_UPDATE_PREEMPTED, UVMF_ALL, UVMF_FLUSHTYPE_MASK, UVMF_INVLPG, UVMF_LOCAL, UVMF_TLB_FLUSH } from "../hypervisor/xen/public/xen.js";

/** mmu_update and update_va_mapping: single page-table entries (public/xen.h). */

const MMU_UPDATE_BYTES = 16;
/** Pages that a batch changes before the other business of the machine has its turn. */
const BATCH = 1024;

/** The domain whose frames a call may map: -1 when it may not. */
export function foreignDomain(d: Domain, foreign: number): number {
  const pageTables = foreign >>> 16;
  if (pageTables !== 0 && pageTables !== d.id + 1) return -1;
  const data = foreign & 0xffff;
  if (data === DOMID_SELF) return d.id;
  return data === DOMID_IO ? DOMID_IO : -1;
}

/** Whether a batch that has done `done` entries must let timers and interrupts in. */
export function preempted(d: Domain, done: number): boolean {
  if (done === 0) return false;
  const { clock } = d.cpu;
  return done % BATCH === 0 || (done % 16 === 0 && clock.nextDeadline() <= clock.now());
}

/** The parts that mmu_update and mmuext_op share: checks, the loop over the requests with its preemption, and the count of those done. */
export function runBatch(d: Domain, args: readonly number[], entryBytes: number, words: Uint32Array,
  apply: (words: Uint32Array, foreign: number) => number): HypercallResult {
  let [requests, count, doneAt, foreign] = args;
  d.writablePageTables.cleanup();
  let done = 0;
  if (count >= MMU_UPDATE_PREEMPTED) {
    count -= MMU_UPDATE_PREEMPTED;
    const before = new Uint32Array(1);
    if (doneAt !== 0 && fetchWords(d, doneAt, 1, before)) done = before[0];
  }
  const owner = foreignDomain(d, foreign);
  let result: HypercallResult = 0;
  let i = 0;
  if (owner < 0) result = -ESRCH;
  else if (!accessOk(d, requests, count * entryBytes)) result = -EFAULT;
  else for (; i < count; i++, requests += entryBytes) {
    if (preempted(d, i)) {
      result = new Continuation([requests, (count - i | MMU_UPDATE_PREEMPTED) >>> 0, doneAt, foreign]);
      break;
    }
    if (!fetchWords(d, requests, entryBytes / 4, words)) {
      result = -EFAULT;
      break;
    }
    const error = apply(words, owner);
    if (error !== 0) {
      result = error;
      break;
    }
  }
  d.tlb.settle();
  // Writing the count may fault without harm: the updates stand.
  if (doneAt !== 0) storeWord(d, doneAt, done + i);
  return result;
}

/** HYPERVISOR_mmu_update(reqs, count, pdone, foreigndom). */
export function mmuUpdate(d: Domain, args: readonly number[]): HypercallResult {
  const entry = d.ledger.id("hypercall.mmu_update.entry");
  return runBatch(d, args, MMU_UPDATE_BYTES, new Uint32Array(4), ([ptr, ptrHigh, low, high], foreign) => {
    d.ledger.count(entry);
    if (ptrHigh !== 0 || (!d.layout.pae && high !== 0)) return -EINVAL;
    const command = ptr & (d.layout.entryBytes - 1);
    switch (command) {
      case MMU_NORMAL_PT_UPDATE: case MMU_PT_UPDATE_NO_TRANSLATE:
        return updateEntry(d, ptr - command, low | 0, high | 0, foreign, false) ? 0 : -EINVAL;
      case MMU_PT_UPDATE_PRESERVE_AD:
        return updateEntry(d, ptr - command, low | 0, high | 0, foreign, true) ? 0 : -EINVAL;
      case MMU_MACHPHYS_UPDATE: return updateM2p(d, ptr >>> 12, low, foreign) ? 0 : -EINVAL;
      default: return -EINVAL;
    }
  });
}

/** Writes the entry at machine address `ptr`, by the rules of whatever its frame is. */
function updateEntry(d: Domain, ptr: number, low: number, high: number, foreign: number, preserveAd: boolean): boolean {
  const { frames } = d;
  const table = ptr >>> 12, index = (ptr & 0xfff) / d.layout.entryBytes;
  if (!frames.getPage(table, d.id)) return false;
  const type = frames.typeCount[table] === 0 ? PGT_writable_page : frames.type[table];
  const isTable = type === PGT_l1_page_table || type === PGT_l2_page_table || type === PGT_l3_page_table;
  let okay = getPageType(d, table, isTable ? type : PGT_writable_page, isTable && frames.xenL2[table] !== 0);
  if (okay) {
    if (type === PGT_l1_page_table) okay = modL1Entry(d, table, index, low, high, foreign, preserveAd);
    else if (type === PGT_l2_page_table) okay = modL2Entry(d, table, index, low, high, preserveAd);
    else if (type === PGT_l3_page_table) okay = modL3Entry(d, table, index, low, high);
    else {
      d.memory.write32(ptr, low);
      if (d.layout.pae) d.memory.write32(ptr + 4, high);
    }
    putPageType(d, table);
  }
  frames.putPage(table);
  return okay;
}

/** Tells the machine-to-physical table what the guest calls one of its frames. */
function updateM2p(d: Domain, mfn: number, pfn: number, foreign: number): boolean {
  if (!d.frames.getPage(mfn, foreign)) return false;
  d.reserved.setM2p(mfn, pfn);
  d.frames.putPage(mfn);
  return true;
}

// ---- update_va_mapping -------------------------------------------------------------------------------------------------

/** HYPERVISOR_update_va_mapping(va, val, flags); the value is 64 bits wide, in two arguments. */
export function updateVaMapping(d: Domain, [va, low, high, flags]: readonly number[]): number {
  return updateVa(d, va, low | 0, high | 0, flags, d.id);
}

/** HYPERVISOR_update_va_mapping_otherdomain(va, val, flags, domid). */
export function updateVaMappingOtherdomain(d: Domain, [va, low, high, flags, domid]: readonly number[]): number {
  if (foreignDomain(d, domid) < 0) return -ESRCH;
  // Only Dom0 may map the frames of others.
  return domid === DOMID_SELF ? updateVa(d, va, low | 0, high | 0, flags, d.id) : -EPERM;
}

function updateVa(d: Domain, va: number, low: number, high: number, flags: number, foreign: number): number {
  if (!accessOk(d, va, 1) || (!d.layout.pae && high !== 0)) return -EINVAL;
  d.writablePageTables.cleanup();
  const place = l1Place(d, va);
  let result = 0;
  if (place === undefined || !d.frames.isType(place.mfn, PGT_l1_page_table) || !modL1Entry(d, place.mfn, place.index, low, high, foreign)) result = -EINVAL;
  const flush = flags & UVMF_FLUSHTYPE_MASK;
  if (flush === UVMF_TLB_FLUSH || flush === UVMF_INVLPG) {
    if (!vcpuIncluded(d, flags - flush)) {
      if (result === 0 && !vcpuMaskReadable(d, flags - flush)) result = -EFAULT;
    } else if (flush === UVMF_TLB_FLUSH) d.tlb.flush();
    else d.tlb.invalidate(va);
  }
  d.tlb.settle();
  return result;
}

/** Whether the processors a flush is for (UVMF_LOCAL, UVMF_ALL, or the address of a bitmap) include the only one there is. */
function vcpuIncluded(d: Domain, where: number): boolean {
  if (where === UVMF_LOCAL || where === UVMF_ALL) return true;
  const mask = new Uint32Array(1);
  return fetchWords(d, where, 1, mask) && (mask[0] & 1) !== 0;
}

export function vcpuMaskReadable(d: Domain, where: number): boolean {
  return fetchWords(d, where, 1, new Uint32Array(1));
}
