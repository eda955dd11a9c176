import { PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_NAMES } from "./frame-table.js";
import type { Domain } from "./domain.js";
import { mfnOf, PTE_P, PTE_RW, readLow } from "./page-tables.js";
import { guestL2Slots } from "./page-types.js";

/**
 * Recounts every reference to the domain's frames from what holds them (ownership, pins, page tables in use, the running root, GDT,
 * LDT, Dom0's mappings, grants) and compares with the frame table. Gives one line for each difference: none, if all is well.
 */
export function auditFrames(d: Domain): string[] {
  const { frames } = d;
  d.writablePageTables.cleanup();
  const count = new Int32Array(frames.frames), types = new Int32Array(frames.frames);
  const problems: string[] = [];
  const hold = (mfn: number, typed: boolean): void => {
    count[mfn]++;
    if (typed) types[mfn]++;
  };
  for (let mfn = 0; mfn < frames.frames; mfn++) {
    if (frames.owner[mfn] !== d.id) continue;
    if (frames.allocated[mfn] !== 0) count[mfn]++;
    if (frames.isXenHeap(mfn)) types[mfn]++; // shared pages stay of the writable type
    if (frames.pinned[mfn] !== 0) hold(mfn, true);
    if (frames.typeCount[mfn] !== 0) holdEntries(d, mfn, hold);
  }
  if (d.baseMfn !== 0) hold(d.baseMfn, true);
  for (const mfn of d.gdtFrames) hold(mfn, true);
  for (const mfn of d.ldtFrames.values()) hold(mfn, true);
  for (const mfn of d.foreignMaps) hold(mfn, true);
  for (const use of d.grants.uses()) {
    count[use.frame] += use.readers + use.writers;
    types[use.frame] += use.writers;
  }
  for (let mfn = 0; mfn < frames.frames; mfn++) {
    if (frames.owner[mfn] !== d.id) continue;
    const say = (what: string, is: number, should: number): void => {
      problems.push(`frame ${mfn.toString(16)} (${PGT_NAMES[frames.type[mfn]]}): ${what} is ${is}, should be ${should}`);
    };
    if (count[mfn] !== frames.count[mfn]) say("count", frames.count[mfn], count[mfn]);
    if (types[mfn] !== frames.typeCount[mfn]) say("type count", frames.typeCount[mfn], types[mfn]);
    if (frames.typeCount[mfn] !== 0 && frames.validated[mfn] === 0) problems.push(`frame ${mfn.toString(16)} is in use and not validated`);
  }
  return problems;
}

/** The references that the entries of a page table in use hold. */
function holdEntries(d: Domain, mfn: number, hold: (mfn: number, typed: boolean) => void): void {
  const { frames } = d;
  const each = (n: number, visit: (entry: number) => void): void => {
    for (let i = 0; i < n; i++) {
      const entry = readLow(d, mfn, i);
      if ((entry & PTE_P) !== 0 && frames.valid(mfnOf(entry))) visit(entry);
    }
  };
  switch (frames.type[mfn]) {
    case PGT_l1_page_table: return each(d.layout.entries, (entry) => hold(mfnOf(entry), (entry & PTE_RW) !== 0));
    case PGT_l2_page_table: return each(guestL2Slots(d, mfn), (entry) => { if (mfnOf(entry) !== mfn) hold(mfnOf(entry), true); });
    case PGT_l3_page_table: return each(4, (entry) => hold(mfnOf(entry), true));
    default: return;
  }
}
