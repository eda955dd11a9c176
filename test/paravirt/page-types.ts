import * as assert from "uvu/assert";
import { suite } from "uvu";
import { PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_none, PGT_writable_page } from "../../paravirt/frame-table.js";
import { mfnOf, readLow, writeEntry } from "../../paravirt/page-tables.js";
import { EINVAL } from "../../hypervisor/xen/public/errno.js";
import { DOMID_SELF } from "../../hypervisor/xen/public/xen.js";
import { BASE, PAGE, rig, type Rig, SCRATCH } from "./rig.js";

/** Page types and their reference counts: what may become a page table, and what may then be done with it. */
const name = suite("paravirt page types");

const PIN_L1 = 0, PIN_L2 = 1, PIN_L3 = 2, UNPIN = 4;
const mmuext = (r: Rig, cmd: number, arg1: number, arg2 = 0): number => {
  r.write(SCRATCH, cmd, arg1, arg2);
  return r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF);
};
const update = (r: Rig, address: number, low: number, high = 0): number => {
  r.write(SCRATCH, address, 0, low, high);
  return r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF);
};
/** Fills an unmapped frame as a page table: [index, low word] pairs. */
const table = (r: Rig, mfn: number, entries: readonly (readonly [number, number])[]): void => {
  r.d.memory.writeBytes(mfn * PAGE, new Uint8Array(PAGE));
  for (const [index, low] of entries) writeEntry(r.d, mfn, index, low, 0);
};

for (const pae of [true, false]) {
  const kind = pae ? "pae" : "two levels";
  const PIN_ROOT = pae ? PIN_L3 : PIN_L2;

  name(`the bootstrap tables are typed, counted and read-only (${kind})`, () => {
    const r = rig({ pae });
    assert.equal(r.pv.audit(), []);
    const { frames } = r.d;
    assert.is(frames.type[r.d.baseMfn], pae ? PGT_l3_page_table : PGT_l2_page_table);
    assert.is(frames.typeCount[r.d.baseMfn], 2, "the pin and the running root");
    assert.is(frames.type[r.mfnAt(SCRATCH)], PGT_writable_page);
    const l1 = r.pteAt(SCRATCH) >>> 12;
    assert.is(frames.type[l1], PGT_l1_page_table);
    assert.is(frames.typeCount[l1], 1);
  });

  name(`machine and pseudo-physical frame numbers differ, and the table of one to the other can be read (${kind})`, () => {
    const r = rig({ pae });
    const mfn = r.mfnAt(SCRATCH);
    assert.is.not(mfn, 2);
    assert.is(r.read(r.d.layout.hypervisorStart + mfn * 4), 2);
  });

  name(`a frame mapped for writing cannot be a page table, nor a page table be mapped for writing (${kind})`, () => {
    const r = rig({ pae });
    assert.is(mmuext(r, PIN_L1, r.mfnAt(SCRATCH + PAGE)), -EINVAL);
    const l1 = r.pteAt(SCRATCH) >>> 12;
    assert.is(update(r, r.pteAt(SCRATCH + PAGE), l1 << 12 | 0x63), -EINVAL, "R/W");
    assert.is(update(r, r.pteAt(SCRATCH + PAGE), l1 << 12 | 0x61), 0, "read-only");
    assert.equal(r.pv.audit(), []);
  });

  name(`pin counts once, and unpin gives back what the table held (${kind})`, () => {
    const r = rig({ pae });
    const l1 = r.mfn(r.unused), page = r.mfn(r.unused + 1);
    table(r, l1, [[0, page << 12 | 0x63], [1, page << 12 | 0x61], [5, 0x1234_0000]]);
    const before = r.d.frames.count[page];
    assert.is(mmuext(r, PIN_L1, l1), 0);
    assert.is(r.d.frames.count[page], before + 2);
    assert.is(r.d.frames.typeCount[page], 1);
    assert.is(mmuext(r, PIN_L1, l1), -EINVAL, "pinned already");
    assert.is(r.d.frames.typeCount[l1], 1);
    assert.equal(r.pv.audit(), []);
    assert.is(mmuext(r, UNPIN, l1), 0);
    assert.is(mmuext(r, UNPIN, l1), -EINVAL);
    assert.is(r.d.frames.count[page], before);
    assert.is(r.d.frames.typeCount[page], 0);
    assert.equal(r.pv.audit(), []);
  });

  name(`a table with one bad entry is refused whole (${kind})`, () => {
    const r = rig({ pae });
    const l1 = r.mfn(r.unused), page = r.mfn(r.unused + 1), xen = r.d.reserved.gdtFrame;
    for (const bad of [xen << 12 | 0x61, 0xfffff061, page << 12 | 0x1e3, page << 12 | 0xe3, r.d.baseMfn << 12 | 0x63]) {
      table(r, l1, [[0, page << 12 | 0x63], [9, bad]]);
      assert.is(mmuext(r, PIN_L1, l1), -EINVAL, bad.toString(16));
      assert.is(r.d.frames.type[l1], PGT_none);
      assert.is(r.d.frames.count[page], 1);
    }
    assert.equal(r.pv.audit(), []);
  });

  name(`a new root is validated all the way down and holds Xen's slots (${kind})`, () => {
    const r = rig({ pae });
    const [root, l2, l1] = [0, 1, 2].map((i) => r.mfn(r.unused + i));
    const old = r.d.baseMfn;
    const oldL2 = pae ? mfnOf(readLow(r.d, old, 3)) : old;
    // The kernel's own L1 tables are shared with the bootstrap root.
    const slots: [number, number][] = [];
    for (let i = 0; i < r.d.layout.firstXenSlot; i++) if ((readLow(r.d, oldL2, i) & 1) !== 0) slots.push([i, readLow(r.d, oldL2, i)]);
    table(r, l1, []);
    table(r, l2, [...slots, [100, l1 << 12 | 0x67]]);
    table(r, root, pae ? [[3, l2 << 12 | 1]] : []);
    const top = pae ? root : l2;
    assert.is(mmuext(r, PIN_ROOT, top), 0);
    assert.is(mmuext(r, 5, top), 0);
    assert.is(r.d.baseMfn, top);
    assert.is(r.read(r.d.layout.hypervisorStart + top * 4), pae ? r.unused : r.unused + 1, "M2P through the new root");
    assert.is(r.d.frames.type[l2], PGT_l2_page_table);
    assert.equal(r.pv.audit(), []);
    assert.is(mmuext(r, 5, old), 0);
    assert.is(mmuext(r, UNPIN, top), 0);
    assert.is(r.d.frames.typeCount[l2] + r.d.frames.typeCount[l1], 0);
    assert.equal(r.pv.audit(), []);
  });

  name(`an L2 table may map itself to be read, not to be written (${kind})`, () => {
    const r = rig({ pae });
    const l2Mfn = pae ? mfnOf(readLow(r.d, r.d.baseMfn, 3)) : r.d.baseMfn;
    const entry = l2Mfn * PAGE + 5 * r.d.layout.entryBytes;
    assert.is(update(r, entry, l2Mfn << 12 | 0x63), -EINVAL);
    assert.is(update(r, entry, l2Mfn << 12 | 0x61), 0);
    assert.is(update(r, entry, l2Mfn << 12 | 0x63), -EINVAL, "no way to R/W by changing the flag alone");
    assert.equal(r.pv.audit(), []);
    assert.is(update(r, entry, 0), 0);
    assert.equal(r.pv.audit(), []);
  });

  name(`Xen's slots cannot be written (${kind})`, () => {
    const r = rig({ pae });
    const l2Mfn = pae ? mfnOf(readLow(r.d, r.d.baseMfn, 3)) : r.d.baseMfn;
    const address = l2Mfn * PAGE + r.d.layout.firstXenSlot * r.d.layout.entryBytes;
    const before = readLow(r.d, l2Mfn, r.d.layout.firstXenSlot);
    assert.is(update(r, address, 0), -EINVAL);
    assert.is(readLow(r.d, l2Mfn, r.d.layout.firstXenSlot), before);
  });
}

name("a PAE root needs its fourth entry, may not share it, and may not change it", () => {
  const r = rig();
  const root = r.mfn(r.unused);
  table(r, root, []);
  assert.is(mmuext(r, PIN_L3, root), -EINVAL, "absent");
  table(r, root, [[3, readLow(r.d, r.d.baseMfn, 3)]]);
  assert.is(mmuext(r, PIN_L3, root), -EINVAL, "shared");
  assert.is(update(r, r.d.baseMfn * PAGE + 3 * 8, 0), -EINVAL);
  assert.equal(r.pv.audit(), []);
});

name("a stale writable translation is gone when a frame becomes a page table", () => {
  const r = rig();
  const va = SCRATCH + 3 * PAGE, mfn = r.mfnAt(va);
  r.write(va, 0x1111);
  // Unmapped without a flush: the TLB may still hold the page.
  r.write(SCRATCH, r.pteAt(va), 0, 0, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), 0);
  r.d.memory.writeBytes(mfn * PAGE, new Uint8Array(PAGE));
  assert.is(mmuext(r, PIN_L1, mfn), 0);
  assert.throws(() => r.write(va, (BASE + 5) | 3));
  assert.is(r.d.memory.read32(mfn * PAGE), 0);
});

name.run();
