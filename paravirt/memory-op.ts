import type { Domain } from "./domain.js";
import { accessOk, canWrite, copyFromGuest, copyToGuest, fetchWords, storeWord } from "./guest-access.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { preempted } from "./mmu-update.js";
import { putPageAndType } from "./page-types.js";
import { EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM } from "../hypervisor/xen/public/errno.js";
import { DOMID_SELF, INVALID_M2P_ENTRY } from "../hypervisor/xen/public/xen.js";

/**
 * memory_op: how much memory the domain has (public/memory.h). Sub-commands that work on extents answer how many were done, as Xen
 * does; a preempted one goes on with the number done in bits 6 and up of the command.
 */
const XENMEM_increase_reservation = 0, XENMEM_decrease_reservation = 1, XENMEM_maximum_ram_page = 2, XENMEM_current_reservation = 3,
  XENMEM_maximum_reservation = 4, XENMEM_machphys_mfn_list = 5, XENMEM_populate_physmap = 6, XENMEM_memory_map = 9, XENMEM_machine_memory_map = 10,
  XENMEM_exchange = 11, XENMEM_machphys_mapping = 12, XENMEM_set_memory_map = 13, XENMEM_maximum_gpfn = 14;
const START_EXTENT_SHIFT = 6, COMMAND_MASK = (1 << START_EXTENT_SHIFT) - 1;
const MAX_ORDER = 9, RESERVATION_BYTES = 20, EXCHANGE_BYTES = 44, EXCHANGE_OUT = 20, EXCHANGE_DONE = 40;

/** struct xen_memory_reservation. */
interface Reservation {
  readonly list: number;
  readonly count: number;
  readonly order: number;
  readonly addressBits: number;
  readonly domid: number;
}

function readReservation(view: DataView, at = 0): Reservation {
  return {
    list: view.getUint32(at, true), count: view.getUint32(at + 4, true), order: view.getUint32(at + 8, true),
    addressBits: view.getUint32(at + 12, true) & 0xff, domid: view.getUint16(at + 16, true),
  };
}

/** HYPERVISOR_memory_op(cmd, arg). */
export function memoryOp(d: Domain, [full, arg]: readonly number[]): HypercallResult {
  const start = full >>> START_EXTENT_SHIFT;
  switch (full & COMMAND_MASK) {
    case XENMEM_increase_reservation: return extents(d, full, arg, start, increase);
    case XENMEM_decrease_reservation: return extents(d, full, arg, start, decrease);
    case XENMEM_populate_physmap: return extents(d, full, arg, start, populate);
    case XENMEM_exchange: return exchange(d, arg);
    case XENMEM_maximum_ram_page: return d.frames.frames;
    case XENMEM_current_reservation: return reservationOf(d, arg, d.totPages);
    case XENMEM_maximum_reservation: return reservationOf(d, arg, d.maxPages);
    case XENMEM_maximum_gpfn: return reservationOf(d, arg, d.maxPages - 1);
    case XENMEM_machphys_mfn_list: return machphysMfnList(d, arg);
    case XENMEM_machphys_mapping: return machphysMapping(d, arg);
    case XENMEM_memory_map: return memoryMap(d, arg);
    case XENMEM_machine_memory_map: case XENMEM_set_memory_map: return -EPERM;
    default: return -ENOSYS;
  }
}

/** Runs `one` for each extent from `start` on, until it gives false; answers the number done. */
function extents(d: Domain, full: number, arg: number, start: number, one: (d: Domain, r: Reservation, index: number) => boolean): HypercallResult {
  const view = copyFromGuest(d, arg, RESERVATION_BYTES);
  if (view === undefined) return start === 0 ? -EFAULT : start;
  const r = readReservation(view);
  if (r.domid !== DOMID_SELF) return start === 0 ? -EPERM : start;
  if (start > r.count) return -EINVAL;
  if (r.count >= 2 ** 26 || r.order > MAX_ORDER || (r.list !== 0 && !accessOk(d, r.list, r.count * 4))) return start;
  d.writablePageTables.cleanup();
  let i = start;
  for (; i < r.count; i++) {
    if (preempted(d, i - start)) return new Continuation([((full & COMMAND_MASK) | i << START_EXTENT_SHIFT) >>> 0, arg]);
    if (!one(d, r, i)) break;
  }
  d.tlb.settle();
  return i;
}

/** A run of free frames given to the domain; its first, or -1. `addressBits` limits where it may lie. */
function allocateExtent(d: Domain, order: number, addressBits: number): number {
  const pages = 1 << order;
  if (d.totPages + pages > d.maxPages) return -1;
  const { free } = d.frames;
  const limit = addressBits === 0 || addressBits >= 32 ? Infinity : 2 ** (addressBits - 12);
  const base = order === 0 ? free.findLast((mfn) => mfn < limit) : findRun(free, pages, limit);
  if (base === undefined) return -1;
  for (let mfn = base; mfn < base + pages; mfn++) {
    free.splice(free.indexOf(mfn), 1);
    d.frames.give(mfn, d.id);
    d.memory.writeBytes(mfn * 4096, new Uint8Array(4096));
  }
  return base;
}

function findRun(free: readonly number[], pages: number, limit: number): number | undefined {
  const have = new Set(free);
  return [...have].sort((a, b) => a - b).find((base) => {
    if (base % pages !== 0 || base + pages > limit) return false;
    for (let i = 1; i < pages; i++) if (!have.has(base + i)) return false;
    return true;
  });
}

function increase(d: Domain, r: Reservation, index: number): boolean {
  if (r.list !== 0 && !canWrite(d, r.list + index * 4, 4)) return false;
  const mfn = allocateExtent(d, r.order, r.addressBits);
  return mfn >= 0 && (r.list === 0 || storeWord(d, r.list + index * 4, mfn));
}

/** The list gives the frame numbers the guest wants, and gets the machine frames it has. */
function populate(d: Domain, r: Reservation, index: number): boolean {
  const pfn = new Uint32Array(1);
  if (!fetchWords(d, r.list + index * 4, 1, pfn) || !canWrite(d, r.list + index * 4, 4)) return false;
  const mfn = allocateExtent(d, r.order, r.addressBits);
  if (mfn < 0) return false;
  for (let i = 0; i < 1 << r.order; i++) d.reserved.setM2p(mfn + i, pfn[0] + i);
  return storeWord(d, r.list + index * 4, mfn);
}

function decrease(d: Domain, r: Reservation, index: number): boolean {
  const mfn = new Uint32Array(1);
  if (!fetchWords(d, r.list + index * 4, 1, mfn)) return false;
  for (let i = 0; i < 1 << r.order; i++) if (!removePage(d, mfn[0] + i)) return false;
  return true;
}

/** Gives up a frame: its pin first, then ownership. It is free once nothing maps it any more. */
function removePage(d: Domain, mfn: number): boolean {
  const { frames } = d;
  if (frames.isXenHeap(mfn) || !frames.getPage(mfn, d.id)) return false;
  if (frames.pinned[mfn] !== 0) {
    frames.pinned[mfn] = 0;
    putPageAndType(d, mfn);
  }
  if (frames.allocated[mfn] !== 0) {
    frames.allocated[mfn] = 0;
    frames.putPage(mfn);
  }
  frames.putPage(mfn);
  d.tlb.deferFlush();
  return true;
}

/** Gives frames for as many others, of another size or place; nothing is taken unless all can be given. */
function exchange(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, EXCHANGE_BYTES);
  if (view === undefined || !canWrite(d, arg, EXCHANGE_BYTES)) return -EFAULT;
  const from = readReservation(view), to = readReservation(view, EXCHANGE_OUT);
  if (view.getUint32(EXCHANGE_DONE, true) !== 0 || from.domid !== DOMID_SELF || to.domid !== DOMID_SELF) return -EINVAL;
  if (from.order > MAX_ORDER || to.order > MAX_ORDER || from.count >= 2 ** 20 || to.count >= 2 ** 20) return -EPERM;
  if (from.count * 2 ** from.order !== to.count * 2 ** to.order) return -EINVAL;
  const given = new Uint32Array(from.count), wanted = new Uint32Array(to.count);
  if (!fetchWords(d, from.list, from.count, given) || !fetchWords(d, to.list, to.count, wanted) || !canWrite(d, to.list, to.count * 4)) return -EFAULT;
  d.writablePageTables.cleanup();
  const mfns = [...given].flatMap((mfn) => Array.from({ length: 1 << from.order }, (_, i) => mfn + i));
  const stolen: number[] = [];
  for (const mfn of mfns) {
    if (d.frames.steal(mfn, d.id)) stolen.push(mfn);
    else return undoExchange(d, stolen, -EINVAL);
  }
  d.frames.free.push(...stolen);
  const bases: number[] = [];
  for (let i = 0; i < to.count; i++) {
    const base = allocateExtent(d, to.order, to.addressBits);
    if (base < 0) {
      for (const b of bases) for (let p = 0; p < 1 << to.order; p++) if (d.frames.steal(b + p, d.id)) d.frames.free.push(b + p);
      for (const mfn of stolen) d.frames.free.splice(d.frames.free.indexOf(mfn), 1);
      return undoExchange(d, stolen, -ENOMEM);
    }
    bases.push(base);
  }
  d.tlb.flush();
  for (const mfn of stolen) if (d.frames.owner[mfn] !== d.id) d.reserved.setM2p(mfn, INVALID_M2P_ENTRY);
  bases.forEach((base, i) => {
    for (let p = 0; p < 1 << to.order; p++) d.reserved.setM2p(base + p, wanted[i] + p);
    storeWord(d, to.list + i * 4, base);
  });
  view.setUint32(EXCHANGE_DONE, from.count, true);
  return copyToGuest(d, arg, view) ? 0 : -EFAULT;
}

function undoExchange(d: Domain, stolen: readonly number[], error: number): number {
  for (const mfn of stolen) d.frames.give(mfn, d.id);
  return error;
}

// ---- asking ----------------------------------------------------------------------------------------------------------

function reservationOf(d: Domain, arg: number, pages: number): number {
  const domid = copyFromGuest(d, arg, 2)?.getUint16(0, true);
  if (domid === undefined) return -EFAULT;
  return domid === DOMID_SELF ? pages : -EPERM;
}

/** struct xen_machphys_mfn_list: max_extents, extent_start, nr_extents; a frame for each 2 MB of the table. */
function machphysMfnList(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, 12);
  if (view === undefined || !canWrite(d, arg, 12)) return -EFAULT;
  const all = d.reserved.m2pMfns;
  const wanted = Math.min(view.getUint32(0, true), Math.ceil(all.length / 512));
  for (let i = 0; i < wanted; i++) if (!storeWord(d, view.getUint32(4, true) + i * 4, all[i * 512])) return -EFAULT;
  view.setUint32(8, wanted, true);
  return copyToGuest(d, arg, view) ? 0 : -EFAULT;
}

/** struct xen_machphys_mapping: v_start, v_end, max_mfn. */
function machphysMapping(d: Domain, arg: number): number {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint32(0, d.layout.hypervisorStart, true);
  view.setUint32(4, d.layout.segmentEnd, true);
  view.setUint32(8, d.frames.frames - 1, true);
  return copyToGuest(d, arg, view) ? 0 : -EFAULT;
}

const E820_RAM = 1, E820_ENTRY_BYTES = 20;

/** struct xen_memory_map: nr_entries, buffer; the pseudo-physical map is one piece of RAM. */
function memoryMap(d: Domain, arg: number): number {
  const view = copyFromGuest(d, arg, 8);
  if (view === undefined || !canWrite(d, arg, 8)) return -EFAULT;
  if (view.getUint32(0, true) < 1) return -EINVAL;
  const entry = new DataView(new ArrayBuffer(E820_ENTRY_BYTES));
  entry.setUint32(8, (d.maxPages * 4096) >>> 0, true);
  entry.setUint32(16, E820_RAM, true);
  if (!copyToGuest(d, view.getUint32(4, true), entry)) return -EFAULT;
  view.setUint32(0, 1, true);
  return copyToGuest(d, arg, view) ? 0 : -EFAULT;
}
