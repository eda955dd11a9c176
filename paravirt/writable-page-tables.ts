import { RAM_BASE } from "../hypervisor/heap.js";
import * as S from "../hypervisor/cpu-state.js";
import { Trap } from "../hypervisor/trap.js";
import type { Domain } from "./domain.js";
import { PGT_l1_page_table } from "./frame-table.js";
import { entryAddress, l1Place, l2Place, mfnOf, PTE_A, PTE_D, PTE_P, PTE_RW, readHigh, readLow, writeEntry, type EntryPlace } from "./page-tables.js";
import { getPageFromL1e, putPageFromL1e, putPageType } from "./page-types.js";
import { VMASST_TYPE_writable_pagetables } from "../hypervisor/xen/public/xen.js";

/**
 * Writable page tables, as Xen 2 and 3.0 had them. The guest sees its L1 tables read-only; a write to one faults, and instead of
 * passing the fault on Xen takes the table out of the address space (its L2 entry loses Present), keeps a copy, and lets the guest
 * write at full speed. At the next hypercall, or fault that needs the table, what has changed is validated and the table is put back.
 * One table that is part of the running address space (active) and one that is not (inactive) may be out at a time. Where that
 * cannot be done, or brought nothing last time, the one write is emulated.
 */
interface Disconnected {
  /** The guest's mapping of the table that was made writable. */
  va: number;
  /** The entry behind `va`. */
  readonly mapping: EntryPlace;
  readonly table: number;
  /** L2 entry that has lost Present; undefined for an inactive table. */
  readonly l2: EntryPlace | undefined;
  readonly snapshot: Int32Array;
}

const ACTIVE = 0, INACTIVE = 1;
/** Bits of an entry that are the guest's to use. */
const PTE_AVAILABLE = 0xe00;

export class WritablePageTables {
  private readonly d: Domain;
  private readonly out: (Disconnected | undefined)[] = [undefined, undefined];
  /** Entries the last batch of each kind changed: none means that batching does not help. */
  private readonly lastBatch = [1, 1];
  /** While an emulated write is executed: the linear page that may be written, the table behind it and its entries before. */
  open: { readonly page: number; readonly table: number; readonly snapshot: Int32Array } | undefined = undefined;

  constructor(d: Domain) {
    this.d = d;
  }

  /** Puts back whatever is out; to be called before anything that reads or changes page tables. */
  cleanup(): void {
    if (this.out[ACTIVE] !== undefined) this.flush(ACTIVE);
    if (this.out[INACTIVE] !== undefined) this.flush(INACTIVE);
  }

  /** Whether the running address space lacks the table for `va` because it is out: a fault there is not the guest's. */
  ownsFault(va: number): boolean {
    const active = this.out[ACTIVE];
    if (active?.l2 === undefined) return false;
    const l2 = l2Place(this.d, va);
    return l2 !== undefined && l2.mfn === active.l2.mfn && l2.index === active.l2.index;
  }

  /**
   * A write by the guest's kernel to `va` has faulted on a present, read-only page. True when the page was a page table and the
   * write has been, or can now be, done.
   */
  writeFault(va: number): boolean {
    const { d } = this;
    if (!d.assists(VMASST_TYPE_writable_pagetables)) return false;
    const mapping = l1Place(d, va);
    if (mapping === undefined || !d.frames.isType(mapping.mfn, PGT_l1_page_table)) return false;
    const entry = readLow(d, mapping.mfn, mapping.index);
    if ((entry & (PTE_P | PTE_RW)) !== PTE_P) return false;
    const table = mfnOf(entry);
    if (!d.frames.isType(table, PGT_l1_page_table) || d.frames.owner[table] !== d.id) return false;
    return this.disconnect(va, mapping, table) || this.emulate(va);
  }

  private disconnect(va: number, mapping: EntryPlace, table: number): boolean {
    const { d } = this;
    // Hooked in exactly once, and not over its own mapping, else the table cannot be taken out.
    const back = d.frames.backPointer[table];
    if (d.frames.typeCount[table] !== d.frames.pinned[table] + (back < 0 ? 0 : 1) || table === mapping.mfn) return false;
    const l2 = this.hookOf(back);
    const which = l2 === undefined ? INACTIVE : ACTIVE;
    if (this.out[which] !== undefined) this.flush(which);
    if (this.lastBatch[which] === 0) {
      this.lastBatch[which] = 1;
      return false;
    }
    const first = (RAM_BASE + table * 4096) >> 2;
    this.out[which] = { va, mapping, table, l2, snapshot: d.heap.i32.slice(first, first + 1024) };
    if (l2 !== undefined) {
      writeEntry(d, l2.mfn, l2.index, readLow(d, l2.mfn, l2.index) & ~PTE_P, 0);
      d.tlb.flush();
    }
    writeEntry(d, mapping.mfn, mapping.index, readLow(d, mapping.mfn, mapping.index) | PTE_RW, 0);
    d.tlb.invalidate(va);
    d.count("paravirt.ptwr_disconnect");
    return true;
  }

  /** The L2 entry at machine address `back` if it is part of the running address space. */
  private hookOf(back: number): EntryPlace | undefined {
    const { d } = this;
    if (back < 0) return undefined;
    const mfn = back >>> 12, index = (back & 0xfff) / d.layout.entryBytes;
    if (!d.layout.pae) return mfn === d.baseMfn ? { mfn, index } : undefined;
    for (let i = 0; i < 4; i++) {
      const l3 = readLow(d, d.baseMfn, i);
      if ((l3 & PTE_P) !== 0 && mfnOf(l3) === mfn) return { mfn, index };
    }
    return undefined;
  }

  private flush(which: number): void {
    const { d } = this;
    const out = this.out[which]!;
    this.out[which] = undefined;
    // 1. No more writes.
    const { mapping } = out;
    writeEntry(d, mapping.mfn, mapping.index, readLow(d, mapping.mfn, mapping.index) & ~PTE_RW, readHigh(d, mapping.mfn, mapping.index));
    d.tlb.invalidate(out.va);
    // 2. What was written is checked.
    d.count("paravirt.ptwr_revalidate");
    const modified = this.revalidate(out.table, out.snapshot);
    // 3. The table is part of the address space again.
    if (out.l2 !== undefined) writeEntry(d, out.l2.mfn, out.l2.index, readLow(d, out.l2.mfn, out.l2.index) | PTE_P, 0);
    this.lastBatch[which] = Math.abs(modified);
    if (modified < 0) d.crash("an entry written to a writable page table is not allowed");
  }

  /**
   * Takes and gives references for the entries that differ from `snapshot`. Gives how many there were; when one is refused, it and
   * those after it are put back as they were, and the number is made negative.
   */
  private revalidate(table: number, snapshot: Int32Array): number {
    const { d } = this;
    const { entries, pae } = d.layout;
    let modified = 0;
    for (let i = 0; i < entries; i++) {
      const at = pae ? i * 2 : i;
      const oldLow = snapshot[at], oldHigh = pae ? snapshot[at + 1] : 0;
      const low = readLow(d, table, i), high = readHigh(d, table, i);
      if (low === oldLow && high === oldHigh) continue;
      modified++;
      if (!this.replace(oldLow, low, high)) {
        for (let k = i; k < entries; k++) writeEntry(d, table, k, snapshot[pae ? k * 2 : k], pae ? snapshot[k * 2 + 1] : 0);
        return -modified;
      }
    }
    d.count("paravirt.ptwr_revalidate.entry", modified);
    return modified;
  }

  /** References for an entry that was `oldLow` and is now (low, high); false when it is refused. */
  private replace(oldLow: number, low: number, high: number): boolean {
    const { d } = this;
    if (high === 0 && ((low ^ oldLow) & ~(PTE_A | PTE_D | PTE_AVAILABLE)) === 0) return true;
    // Write-protecting a page (copy on write, fork): only the type reference goes.
    if (high === 0 && (oldLow & PTE_P) !== 0 && oldLow === (low | PTE_RW) && low !== oldLow) {
      putPageType(d, mfnOf(low));
      return true;
    }
    if (!getPageFromL1e(d, low, high, d.id)) return false;
    putPageFromL1e(d, oldLow);
    return true;
  }

  // ---- emulation -------------------------------------------------------------------------------------------------------

  /** Executes the one faulting instruction with the page open for writing, then checks what it wrote; false when that is refused. */
  private emulate(va: number): boolean {
    const { d } = this;
    this.cleanup();
    const mapping = l1Place(d, va);
    if (mapping === undefined) return false;
    const entry = readLow(d, mapping.mfn, mapping.index);
    const table = mfnOf(entry);
    if ((entry & (PTE_P | PTE_RW)) !== PTE_P || !d.frames.isType(table, PGT_l1_page_table)) return false;
    const first = (RAM_BASE + table * 4096) >> 2;
    const snapshot = d.heap.i32.slice(first, first + 1024);
    const before = d.cpu.i32.slice(0, S.STATE_WORDS);
    const completed = this.executeOpen({ page: va >>> 12, table, snapshot });
    const modified = this.revalidate(table, snapshot);
    d.count("paravirt.ptwr_emulate");
    if (modified < 0) {
      d.cpu.i32.set(before);
      d.cpu.modeChanged();
      return false;
    }
    // A repeated instruction that met another fault has got somewhere and goes on from there; others had no effect at all.
    return completed || before.subarray(0, 8).some((word, r) => word !== d.cpu.i32[r]);
  }

  private executeOpen(open: { page: number; table: number; snapshot: Int32Array }): boolean {
    const { d } = this;
    this.open = open;
    d.cpu.mmu.invalidate(open.page << 12);
    try {
      d.cpu.interpretOne();
      return true;
    } catch (e) {
      if (e instanceof Trap) return false;
      throw e;
    } finally {
      this.open = undefined;
      d.cpu.mmu.invalidate(open.page << 12);
    }
  }

  /** Whether the L1 entry at this machine address was changed by the write under way: nothing may be reached by it before it is checked. */
  unchecked(address: number): boolean {
    const { open } = this;
    if (open === undefined || address >>> 12 !== open.table) return false;
    const word = (address & 0xfff) >> 2;
    const now = this.d.heap.i32[(RAM_BASE + address) >> 2];
    return ((now ^ open.snapshot[word]) & ~0x60) !== 0;
  }

  // ---- for the accounts ------------------------------------------------------------------------------------------------

  /** Whether the entry at this place was made writable for the time being (its references are those of a read-only one). */
  isOpenMapping(mfn: number, index: number): boolean {
    return this.out.some((o) => o !== undefined && o.mapping.mfn === mfn && o.mapping.index === index);
  }

  /** Machine addresses of L2 entries that have lost Present. */
  isHook(mfn: number, index: number): boolean {
    return this.out.some((o) => o?.l2 !== undefined && entryAddress(this.d, mfn, index) === entryAddress(this.d, o.l2.mfn, o.l2.index));
  }

  /** The entries a disconnected table had when it was taken out. */
  snapshotOf(table: number): Int32Array | undefined {
    return this.out.find((o) => o?.table === table)?.snapshot;
  }
}
