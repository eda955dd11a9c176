import * as S from "../hypervisor/cpu-state.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import { invalidateLdt, setLdt } from "./descriptor-tables.js";
import type { Domain } from "./domain.js";
import { PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_writable_page } from "./frame-table.js";
import { fetchWords } from "./guest-access.js";
import type { HypercallResult } from "./hypercall-result.js";
import { runBatch } from "./mmu-update.js";
import { getPageAndType, putPageAndType } from "./page-types.js";
import { EINVAL } from "../hypervisor/xen/public/errno.js";
import * as X from "../hypervisor/xen/public/xen.js";

/** mmuext_op: whole page tables, the TLB, the LDT (public/xen.h, struct mmuext_op: cmd, arg1, arg2). */

const MMUEXT_OP_BYTES = 12;

type Operation = (d: Domain, arg1: number, arg2: number, foreign: number) => boolean;

/** By command; true when it was done. A command that is absent is refused. */
const OPERATIONS: Readonly<Record<number, readonly [name: string, run: Operation]>> = {
  [X.MMUEXT_PIN_L1_TABLE]: ["pin_table", (d, mfn, _, foreign) => pin(d, mfn, PGT_l1_page_table, foreign)],
  // Only roots are worth pinning beside L1 tables; other levels are accepted and left alone.
  [X.MMUEXT_PIN_L2_TABLE]: ["pin_table", (d, mfn, _, foreign) => d.layout.pae || pin(d, mfn, PGT_l2_page_table, foreign)],
  [X.MMUEXT_PIN_L3_TABLE]: ["pin_table", (d, mfn, _, foreign) => !d.layout.pae || pin(d, mfn, PGT_l3_page_table, foreign)],
  [X.MMUEXT_PIN_L4_TABLE]: ["pin_table", () => true],
  [X.MMUEXT_UNPIN_TABLE]: ["unpin_table", (d, mfn) => unpin(d, mfn)],
  [X.MMUEXT_NEW_BASEPTR]: ["new_baseptr", (d, mfn) => newBasePointer(d, mfn)],
  [X.MMUEXT_TLB_FLUSH_LOCAL]: ["tlb_flush", (d) => { d.tlb.deferFlush(); return true; }],
  [X.MMUEXT_INVLPG_LOCAL]: ["invlpg", (d, va) => { d.tlb.invalidate(va); return true; }],
  [X.MMUEXT_TLB_FLUSH_MULTI]: ["tlb_flush", (d, _, mask) => withMask(d, mask, () => d.tlb.flush())],
  [X.MMUEXT_INVLPG_MULTI]: ["invlpg", (d, va, mask) => withMask(d, mask, () => d.tlb.invalidate(va))],
  [X.MMUEXT_TLB_FLUSH_ALL]: ["tlb_flush", (d) => { d.tlb.flush(); return true; }],
  [X.MMUEXT_INVLPG_ALL]: ["invlpg", (d, va) => { d.tlb.invalidate(va); return true; }],
  // For domains with devices of their own only.
  [X.MMUEXT_FLUSH_CACHE]: ["flush_cache", () => false],
  [X.MMUEXT_SET_LDT]: ["set_ldt", (d, base, entries) => setLdt(d, base, entries)],
  [X.MMUEXT_CLEAR_PAGE]: ["clear_page", (d, mfn) => withWritable(d, mfn, () => fillPage(d, mfn, undefined))],
  [X.MMUEXT_COPY_PAGE]: ["copy_page", (d, mfn, source) => copyPage(d, mfn, source)],
};

/** HYPERVISOR_mmuext_op(uops, count, pdone, foreigndom). */
export function mmuextOp(d: Domain, args: readonly number[]): HypercallResult {
  return runBatch(d, args, MMUEXT_OP_BYTES, new Uint32Array(3), ([command, arg1, arg2], foreign) => {
    const operation = OPERATIONS[command];
    if (operation === undefined) return -EINVAL;
    d.count(`hypercall.mmuext_op.${operation[0]}`);
    return operation[1](d, arg1, arg2, foreign) ? 0 : -EINVAL;
  });
}

/** Gives a table a reference of the guest's own, so that it stays validated when nothing uses it. */
function pin(d: Domain, mfn: number, type: number, foreign: number): boolean {
  const { frames } = d;
  if (foreign !== d.id || !getPageAndType(d, mfn, type)) return false;
  if (frames.pinned[mfn] !== 0) {
    putPageAndType(d, mfn);
    return false;
  }
  frames.pinned[mfn] = 1;
  return true;
}

function unpin(d: Domain, mfn: number): boolean {
  const { frames } = d;
  if (!frames.valid(mfn) || frames.owner[mfn] !== d.id || frames.pinned[mfn] === 0) return false;
  frames.pinned[mfn] = 0;
  putPageAndType(d, mfn);
  return true;
}

/** Makes `mfn` the root of the running address space; false, nothing changed, when it may not be one. */
export function newBasePointer(d: Domain, mfn: number): boolean {
  d.writablePageTables.cleanup();
  if (!getPageAndType(d, mfn, d.layout.pae ? PGT_l3_page_table : PGT_l2_page_table)) return false;
  invalidateLdt(d);
  const old = d.baseMfn;
  d.baseMfn = mfn;
  d.cpu.i32[S.CR3] = mfn << 12;
  d.tlb.flush();
  if (old !== 0) putPageAndType(d, old);
  return true;
}

function withMask(d: Domain, mask: number, flush: () => void): boolean {
  const word = new Uint32Array(1);
  if (!fetchWords(d, mask, 1, word)) return false;
  if ((word[0] & 1) !== 0) flush();
  return true;
}

/** Runs `change` while the frame is of the writable type. */
function withWritable(d: Domain, mfn: number, change: () => void): boolean {
  if (!getPageAndType(d, mfn, PGT_writable_page)) return false;
  change();
  putPageAndType(d, mfn);
  return true;
}

function fillPage(d: Domain, mfn: number, from: Uint8Array | undefined): void {
  d.memory.writeBytes(mfn * 4096, from ?? new Uint8Array(4096));
}

function copyPage(d: Domain, mfn: number, source: number): boolean {
  const { frames } = d;
  if (!frames.getPage(source, d.id)) return false;
  const okay = withWritable(d, mfn, () => fillPage(d, mfn, d.heap.u8.slice(RAM_BASE + source * 4096, RAM_BASE + source * 4096 + 4096)));
  frames.putPage(source);
  return okay;
}
