import { RAM_BASE } from "../hypervisor/heap.js";
import type { Domain } from "./domain.js";
import { PGT_l1_page_table } from "./frame-table.js";
import { accessOk, copyFromGuest, copyToGuest, storeWord } from "./guest-access.js";
import * as G from "../hypervisor/xen/grant-tables.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { preempted } from "./mmu-update.js";
import { l1Place, mfnOf, PTE_A, PTE_D, PTE_P, PTE_RW, PTE_US, readLow, writeEntry, type EntryPlace } from "./page-tables.js";
import { putPageFromL1e } from "./page-types.js";
import { EFAULT, EINVAL, ENOSYS } from "../hypervisor/xen/public/errno.js";
import { DOMID_SELF } from "../hypervisor/xen/public/xen.js";

/**
 * grant_table_op: its sub-commands work on arrays of structures, each of which gets its own status (public/grant_table.h). A structure
 * that cannot be read or written ends the call with -EFAULT.
 */
interface Command {
  readonly name: string;
  readonly bytes: number;
  /** Offset of the 16-bit status. */
  readonly status: number;
  readonly run: (d: Domain, view: DataView) => number;
}

const u16 = (view: DataView, at: number): number => view.getUint16(at, true);
const u32 = (view: DataView, at: number): number => view.getUint32(at, true);

/** By number of the sub-command. */
const COMMANDS: readonly (Command | undefined)[] = [
  { name: "map", bytes: 32, status: 18, run: mapGrantRef },
  { name: "unmap", bytes: 24, status: 20, run: unmapGrantRef },
  { name: "setup_table", bytes: 16, status: 8, run: setupTable },
  { name: "dump_table", bytes: 4, status: 2, run: () => G.GNTST_permission_denied },
  { name: "transfer", bytes: 16, status: 12, run: transfer },
  { name: "copy", bytes: 24, status: 20, run: copy },
  { name: "query_size", bytes: 16, status: 12, run: querySize },
];

/** HYPERVISOR_grant_table_op(cmd, uop, count). */
export function grantTableOp(d: Domain, [command, list, count]: readonly number[]): HypercallResult {
  const entry = COMMANDS[command];
  if (entry === undefined) return -ENOSYS;
  // These two take one structure.
  if ((entry.name === "setup_table" || entry.name === "query_size") && count !== 1) return -EINVAL;
  if (!accessOk(d, list, count * entry.bytes)) return -EFAULT;
  d.writablePageTables.cleanup();
  for (let i = 0; i < count; i++, list += entry.bytes) {
    if (preempted(d, i)) return new Continuation([command, list, count - i]);
    const view = copyFromGuest(d, list, entry.bytes);
    if (view === undefined || !copyToGuest(d, list, view)) return -EFAULT;
    d.count(`grant.${entry.name}`);
    view.setInt16(entry.status, entry.run(d, view), true);
    if (!copyToGuest(d, list, view)) return -EFAULT;
  }
  d.tlb.settle();
  return 0;
}

// ---- mapping another domain's frames -----------------------------------------------------------------------------------

/** A mapping this domain has made, by its handle. */
export interface GrantMapping {
  readonly domid: number;
  readonly ref: number;
  readonly frame: number;
  readonly flags: number;
  readonly place: EntryPlace;
}

/** The L1 entry that `hostAddress` names: by linear address, or by the entry's own machine address. Undefined when it is none. */
function hostEntry(d: Domain, hostAddress: number, flags: number): EntryPlace | undefined {
  let place: EntryPlace | undefined;
  if ((flags & G.GNTMAP_contains_pte) !== 0) {
    if (hostAddress % d.layout.entryBytes !== 0) return undefined;
    place = { mfn: hostAddress >>> 12, index: (hostAddress & 0xfff) / d.layout.entryBytes };
  } else if (accessOk(d, hostAddress, 1)) place = l1Place(d, hostAddress);
  if (place === undefined || !d.frames.isType(place.mfn, PGT_l1_page_table) || d.frames.owner[place.mfn] !== d.id) return undefined;
  return place;
}

function mapGrantRef(d: Domain, view: DataView): number {
  const host = u32(view, 0), flags = u32(view, 8), ref = u32(view, 12), domid = u16(view, 16);
  const peer = d.peers.get(domid);
  if (peer === undefined) return G.GNTST_bad_domain;
  // No device of this domain's reaches memory by itself.
  if (u32(view, 4) !== 0 || (flags & (G.GNTMAP_host_map | G.GNTMAP_device_map)) !== G.GNTMAP_host_map) return G.GNTST_general_error;
  const place = hostEntry(d, host, flags);
  if (place === undefined) return G.GNTST_bad_virt_addr;
  const writable = (flags & G.GNTMAP_readonly) === 0;
  const frame = peer.grants.acquire(ref, d.id, writable);
  if (frame < 0) return frame;
  const old = readLow(d, place.mfn, place.index);
  const entry = frame << 12 | PTE_P | PTE_A | PTE_D | (writable ? PTE_RW : 0) | ((flags & G.GNTMAP_application_map) !== 0 ? PTE_US : 0);
  writeEntry(d, place.mfn, place.index, entry, 0);
  putPageFromL1e(d, old);
  const handle = d.nextGrantHandle++;
  d.grantMappings.set(handle, { domid, ref, frame, flags, place });
  view.setUint32(20, handle, true);
  view.setUint32(24, frame << 12 >>> 0, true);
  view.setUint32(28, frame >>> 20, true);
  return G.GNTST_okay;
}

function unmapGrantRef(d: Domain, view: DataView): number {
  const mapping = d.grantMappings.get(u32(view, 16));
  if (mapping === undefined) return G.GNTST_bad_handle;
  const place = hostEntry(d, u32(view, 0), mapping.flags);
  if (place === undefined || u32(view, 4) !== 0) return G.GNTST_bad_virt_addr;
  const entry = readLow(d, place.mfn, place.index);
  if (place.mfn !== mapping.place.mfn || place.index !== mapping.place.index || (entry & PTE_P) === 0 || mfnOf(entry) !== mapping.frame) return G.GNTST_general_error;
  writeEntry(d, place.mfn, place.index, 0, 0);
  d.grantMappings.delete(u32(view, 16));
  d.tlb.flush();
  d.peers.get(mapping.domid)!.grants.release(mapping.ref, (mapping.flags & G.GNTMAP_readonly) === 0);
  return G.GNTST_okay;
}

// ---- the table itself ----------------------------------------------------------------------------------------------------

function setupTable(d: Domain, view: DataView): number {
  const dom = u16(view, 0), frames = u32(view, 4), list = u32(view, 12);
  if (frames > G.NR_GRANT_FRAMES) return G.GNTST_general_error;
  if (dom !== DOMID_SELF && dom !== d.id) return G.GNTST_permission_denied;
  for (let i = 0; i < frames; i++) if (!storeWord(d, list + i * 4, d.grants.sharedMfns[i])) return G.GNTST_bad_virt_addr;
  d.grants.visibleFrames = Math.max(d.grants.visibleFrames, frames);
  return G.GNTST_okay;
}

function querySize(d: Domain, view: DataView): number {
  const dom = u16(view, 0);
  if (dom !== DOMID_SELF && dom !== d.id) return G.GNTST_permission_denied;
  view.setUint32(4, d.grants.visibleFrames, true);
  view.setUint32(8, G.NR_GRANT_FRAMES, true);
  return G.GNTST_okay;
}

/** Gives a frame away to a domain that has said it would take one. */
function transfer(d: Domain, view: DataView): number {
  const mfn = u32(view, 0), domid = u16(view, 4), ref = u32(view, 8);
  const peer = d.peers.get(domid);
  if (!d.frames.valid(mfn) || d.frames.owner[mfn] !== d.id) return G.GNTST_bad_page;
  if (peer === undefined) return G.GNTST_bad_domain;
  if (!peer.grants.commitTransfer(ref, d.id)) return G.GNTST_general_error;
  if (!d.frames.steal(mfn, d.id)) return G.GNTST_bad_page;
  d.tlb.flush();
  d.frames.give(mfn, domid);
  peer.grants.completeTransfer(ref, mfn);
  return G.GNTST_okay;
}

// ---- copies ------------------------------------------------------------------------------------------------------------

const GNTCOPY_source_gref = 1, GNTCOPY_dest_gref = 2;

/** One end of a copy: its frame, and how to let go of it. */
interface CopyEnd { readonly frame: number; readonly done: () => void }

function copyEnd(d: Domain, view: DataView, at: number, isRef: boolean, writable: boolean): CopyEnd | number {
  const number = u32(view, at), domid = u16(view, at + 4);
  if (isRef) {
    const peer = domid === DOMID_SELF || domid === d.id ? d : d.peers.get(domid);
    if (peer === undefined) return G.GNTST_bad_domain;
    const frame = peer.grants.acquire(number, d.id, writable);
    return frame < 0 ? frame : { frame, done: () => peer.grants.release(number, writable) };
  }
  if (domid !== DOMID_SELF && domid !== d.id) return d.peers.has(domid) ? G.GNTST_permission_denied : G.GNTST_bad_domain;
  if (!d.grants.granted.get(number, writable)) return G.GNTST_general_error;
  return { frame: number, done: () => d.grants.granted.put(number, writable) };
}

function copy(d: Domain, view: DataView): number {
  const sourceOffset = u16(view, 6), destOffset = u16(view, 14), bytes = u16(view, 16), flags = u16(view, 18);
  if (sourceOffset + bytes > 4096 || destOffset + bytes > 4096) return G.GNTST_bad_copy_arg;
  const source = copyEnd(d, view, 0, (flags & GNTCOPY_source_gref) !== 0, false);
  if (typeof source === "number") return source;
  const dest = copyEnd(d, view, 8, (flags & GNTCOPY_dest_gref) !== 0, true);
  if (typeof dest === "number") {
    source.done();
    return dest;
  }
  const from = RAM_BASE + source.frame * 4096 + sourceOffset;
  d.memory.writeBytes(dest.frame * 4096 + destOffset, d.heap.u8.slice(from, from + bytes));
  d.count("grant.copy.byte", bytes);
  source.done();
  dest.done();
  return G.GNTST_okay;
}
