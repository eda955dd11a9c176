import * as assert from "uvu/assert";
import { suite } from "uvu";
import * as S from "../../hypervisor/cpu-state.js";
import { checkDescriptor } from "../../paravirt/descriptor-tables.js";
import { PGT_gdt_page, PGT_ldt_page } from "../../paravirt/frame-table.js";
import { EFAULT, EINVAL } from "../../hypervisor/xen/public/errno.js";
import { DOMID_SELF } from "../../hypervisor/xen/public/xen.js";
import { BASE, CODE, hypercall, PAGE, powerOff, rig, SCRATCH, words } from "./rig.js";

/** GDT and LDT: what a descriptor of the guest's may say, and pages that hold them. */
const name = suite("paravirt descriptors");

name("privilege 0 becomes 1, accessed is set, and a limit stops where Xen begins", () => {
  const { d } = rig();
  assert.equal(checkDescriptor(d, 0x0000ffff, 0x00cf9a00), { low: 0x67ff, high: 0x00cfbb00 }, "flat code");
  assert.equal(checkDescriptor(d, 0x0000ffff, 0x00cff200), { low: 0x67ff, high: 0x00cff300 }, "flat user data");
  assert.equal(checkDescriptor(d, 0x0000ffff, 0x0040f200), { low: 0xffff, high: 0x0040f300 }, "64 KB stays");
  assert.equal(checkDescriptor(d, 0x12345678, 0x00cf1a00), { low: 0x12345678, high: 0x00cf1a00 }, "not present: anything");
});

name("system descriptors are refused but call gates, and those may not lead to Xen", () => {
  const { d } = rig();
  for (const high of [0x8900, 0x8b00, 0x8200, 0x8500, 0x8e00, 0x8f00]) assert.is(checkDescriptor(d, 0x0008_0000, high), undefined, high.toString(16));
  assert.equal(checkDescriptor(d, 0x0008_1234, 0xc0001c00 & ~0x1000 | 0x8000), { low: 0x0009_1234, high: 0xc000ac00 | 0 }, "RPL 1, DPL 1");
  assert.is(checkDescriptor(d, 0xe008_1234 | 0, 0xec00), undefined);
  assert.ok(checkDescriptor(d, 0xe019_1234 | 0, 0xec00));
  assert.is(checkDescriptor(d, 0x0008_1234, 0xec20), undefined, "reserved bits");
});

name("a base in Xen's area, and a byte-granular segment into it, are refused", () => {
  const { d } = rig();
  assert.is(checkDescriptor(d, 0x0000ffff, 0xf6cff280 | 0), undefined);
  assert.is(checkDescriptor(d, 0xf000ffff | 0, 0xf64ff27f | 0), undefined);
});

name("set_gdt takes checked pages, which then cannot be written", () => {
  const r = rig();
  const va = SCRATCH + PAGE, mfn = r.mfnAt(va);
  r.write(va + 8, 0xffff, 0x00cf9a00);
  r.write(SCRATCH, mfn);
  assert.is(r.call("set_gdt", SCRATCH, 512), -EINVAL, "mapped for writing");
  assert.is(r.call("update_va_mapping", va, mfn << 12 | 0x61, 0, 2), 0);
  assert.is(r.call("set_gdt", SCRATCH, 512), 0);
  assert.is(r.d.frames.type[mfn], PGT_gdt_page);
  assert.is(r.read(va + 12), 0x00cfbb00, "fixed up in place");
  assert.is(r.call("update_va_mapping", va, mfn << 12 | 0x63, 0, 2), -EINVAL);
  assert.equal(r.pv.audit(), []);
  assert.is(r.call("set_gdt", SCRATCH, 0), 0);
  assert.is(r.d.frames.typeCount[mfn], 0);
  assert.equal(r.pv.audit(), []);
});

name("a refused GDT leaves the old one", () => {
  const r = rig();
  const [good, bad] = [SCRATCH + PAGE, SCRATCH + 2 * PAGE];
  r.write(bad + 16, 0, 0x8900);
  const mfns = [good, bad].map((va) => {
    const mfn = r.mfnAt(va);
    r.call("update_va_mapping", va, mfn << 12 | 0x61, 0, 2);
    return mfn;
  });
  r.write(SCRATCH, mfns[0]);
  assert.is(r.call("set_gdt", SCRATCH, 10), 0);
  r.write(SCRATCH, ...mfns);
  assert.is(r.call("set_gdt", SCRATCH, 1024), -EINVAL);
  assert.equal(r.d.gdtFrames, [mfns[0]]);
  assert.is(r.call("set_gdt", SCRATCH, 7169), -EINVAL);
  assert.is(r.call("set_gdt", 0xfffffff0, 10), -EFAULT);
  assert.equal(r.pv.audit(), []);
});

name("update_descriptor writes checked descriptors to tables and plain memory, nowhere else", () => {
  const r = rig();
  const mfn = r.mfn(r.unused);
  assert.is(r.call("update_descriptor", mfn * PAGE + 8, 0, 0xffff, 0x00cffa00), 0);
  assert.is(r.d.memory.read32(mfn * PAGE + 12), 0x00cffb00);
  assert.is(r.call("update_descriptor", mfn * PAGE + 4, 0, 0xffff, 0x00cffa00), -EINVAL, "alignment");
  assert.is(r.call("update_descriptor", mfn * PAGE, 0, 0xffff, 0x8900), -EINVAL);
  assert.is(r.call("update_descriptor", r.d.baseMfn * PAGE, 0, 0, 0), -EINVAL, "a page table");
  assert.is(r.call("update_descriptor", r.d.reserved.gdtFrame * PAGE, 0, 0, 0), -EINVAL, "Xen's own");
  assert.is(r.call("update_descriptor", mfn * PAGE, 1, 0, 0), -EINVAL);
});

name("a guest's segment is loaded from its GDT, and a page of the LDT is mapped when first used", () => {
  const gdt = SCRATCH + PAGE, ldt = SCRATCH + 2 * PAGE;
  // mov $0x0b,%ax (GDT entry 1), mov %ax,%fs; mov $0x0d,%ax (LDT entry 1), mov %ax,%gs; read through both.
  const code = [0x66, 0xb8, 0x09, 0, 0x8e, 0xe0, 0x66, 0xb8, 0x0d, 0, 0x8e, 0xe8, 0x64, 0xa1, ...words(0), 0xa3, ...words(SCRATCH + 8), 0x65, 0xa1, ...words(4), 0xa3,
    ...words(SCRATCH + 12), ...powerOff()];
  const r = rig({ code });
  r.write(SCRATCH + 0x40, 0x11, 0x22);
  const base = SCRATCH + 0x40;
  const descriptor = [(base & 0xffff) << 16 | 0xff, (base & 0xff000000) | 0x0040b200 | (base >>> 16 & 0xff)];
  r.write(gdt + 8, ...descriptor);
  r.write(ldt + 8, ...descriptor);
  for (const va of [gdt, ldt]) r.call("update_va_mapping", va, r.mfnAt(va) << 12 | 0x61, 0, 2);
  r.write(SCRATCH, r.mfnAt(gdt));
  assert.is(r.call("set_gdt", SCRATCH, 8), 0);
  r.write(SCRATCH, 13, ldt, 8);
  assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), 0);
  assert.equal(r.engine.run(100), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 8), 0x11);
  assert.is(r.read(SCRATCH + 12), 0x22);
  assert.is(r.d.frames.type[r.mfnAt(ldt)], PGT_ldt_page);
  assert.is(r.machine.ledger.countOf("paravirt.ldt_map"), 1);
  assert.equal(r.pv.audit(), []);
  // Unmapping the page it was found by takes the LDT's mapping with it.
  assert.is(r.call("update_va_mapping", ldt, 0, 0, 2), 0);
  assert.equal(r.pv.audit(), []);
});

name("a changed descriptor is loaded on the way back from the hypercall", () => {
  const gdt = SCRATCH + PAGE;
  const base = SCRATCH + 0x40;
  const high = (base & 0xff000000) | 0x0040b200 | (base >>> 16 & 0xff);
  const r = rig({ code: [] });
  r.write(gdt + 8, (base & 0xffff) << 16 | 0xff, high);
  r.call("update_va_mapping", gdt, r.mfnAt(gdt) << 12 | 0x61, 0, 2);
  const machine = r.mfnAt(gdt) * PAGE + 8;
  const code = [0x66, 0xb8, 0x09, 0, 0x8e, 0xe8, ...hypercall(10, machine, 0, (base + 4 & 0xffff) << 16 | 0xff, high), 0x65, 0xa1, ...words(0), 0xa3, ...words(SCRATCH + 8), ...powerOff()];
  code.forEach((byte, i) => r.d.memory.write(r.mfnAt(CODE) * PAGE + i, 1, byte));
  r.write(SCRATCH, r.mfnAt(gdt));
  r.call("set_gdt", SCRATCH, 8);
  r.d.reloadSegments = false;
  r.write(SCRATCH + 0x40, 0x11, 0x22);
  assert.equal(r.engine.run(100), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 8), 0x22);
  assert.is(r.machine.cpu.segBase(S.GS) >>> 0, base + 4);
});

name("SET_LDT refuses odd bases, too many entries, and Xen's area", () => {
  const r = rig();
  for (const [base, entries] of [[SCRATCH + 8, 8], [SCRATCH, 8193], [0xf5800000, 8], [0xf57ff000, 513]]) {
    r.write(SCRATCH, 13, base, entries);
    assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), -EINVAL);
  }
  assert.ok(BASE < SCRATCH);
});

name.run();
