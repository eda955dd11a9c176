import * as assert from "uvu/assert";
import { suite } from "uvu";
import { EFAULT, EINVAL, EPERM, ESRCH } from "../../hypervisor/xen/public/errno.js";
import { DOMID_IO, DOMID_SELF } from "../../hypervisor/xen/public/xen.js";
import { PAGE, rig, SCRATCH } from "./rig.js";

/** mmu_update, update_va_mapping, mmuext_op and multicall: batches, partial completion, refusals. */
const name = suite("paravirt mmu hypercalls");

const NORMAL = 0, MACHPHYS = 1, PRESERVE_AD = 2;
const DONE = SCRATCH + 0x800;

name("a batch stops at the first bad entry and says how many were done", () => {
  const r = rig();
  const good = r.pteAt(SCRATCH + PAGE), page = r.mfn(r.unused);
  r.write(SCRATCH, good + NORMAL, 0, page << 12 | 0x61, 0, good + 8, 0, r.d.reserved.gdtFrame << 12 | 0x61, 0, good + 16, 0, page << 12 | 0x61, 0);
  const untouched = r.mfnAt(SCRATCH + 3 * PAGE);
  assert.is(r.call("mmu_update", SCRATCH, 3, DONE, DOMID_SELF), -EINVAL);
  assert.is(r.read(DONE), 1);
  assert.is(r.mfnAt(SCRATCH + PAGE), page);
  assert.is(r.mfnAt(SCRATCH + 3 * PAGE), untouched);
  assert.equal(r.pv.audit(), []);
});

name("a long batch is preempted, goes on, and counts all", () => {
  const r = rig();
  const at = r.pteAt(SCRATCH + 2 * PAGE), entry = r.mfnAt(SCRATCH + 2 * PAGE) << 12 | 0x63;
  // The list takes pages 3 and up: 3000 entries of 16 bytes.
  const list = SCRATCH + 3 * PAGE;
  for (let i = 0; i < 3000; i++) r.write(list + i * 16, at, 0, entry, 0);
  assert.is(r.call("mmu_update", list, 3000, DONE, DOMID_SELF), 0);
  assert.is(r.read(DONE), 3000);
  assert.ok(r.machine.ledger.countOf("hypercall.mmu_update") >= 3, "continued");
  assert.is(r.machine.ledger.countOf("hypercall.mmu_update.entry"), 3000);
});

name("PT_UPDATE_PRESERVE_AD keeps what the processor has set", () => {
  const r = rig();
  const va = SCRATCH + PAGE, at = r.pteAt(va), page = r.mfnAt(va);
  r.write(SCRATCH, at, 0, page << 12 | 3, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), 0);
  r.d.tlb.flush();
  r.write(va, 1);
  r.write(SCRATCH, at | PRESERVE_AD, 0, page << 12 | 3, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), 0);
  assert.is(r.d.memory.read32(at) & 0x60, 0x60);
});

name("MMU_MACHPHYS_UPDATE changes the table for the caller's own frames only", () => {
  const r = rig();
  const mfn = r.mfn(r.unused);
  r.write(SCRATCH, mfn * PAGE | MACHPHYS, 0, 77, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), 0);
  assert.is(r.read(r.d.layout.hypervisorStart + mfn * 4), 77);
  r.write(SCRATCH, r.d.reserved.gdtFrame * PAGE | MACHPHYS, 0, 77, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), -EINVAL);
});

name("foreign domains, device memory and wild pointers are refused", () => {
  const r = rig();
  r.write(SCRATCH, r.pteAt(SCRATCH + PAGE), 0, r.mfn(r.unused) << 12 | 0x61, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, 5), -ESRCH);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF | 9 << 16), -ESRCH);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_IO), -EINVAL);
  assert.is(r.call("mmu_update", 0xfffffff0, 1, 0, DOMID_SELF), -EFAULT);
  assert.is(r.call("mmu_update", 0x1000, 1, 0, DOMID_SELF), -EFAULT);
  assert.is(r.call("mmu_update", SCRATCH, 0x7fffffff, 0, DOMID_SELF), -EFAULT);
  assert.is(r.call("update_va_mapping_otherdomain", SCRATCH, 0, 0, 0, 3), -ESRCH);
  assert.is(r.call("update_va_mapping_otherdomain", SCRATCH, 0, 0, 0, DOMID_IO), -EPERM);
  assert.equal(r.pv.audit(), []);
});

name("update_va_mapping writes one entry and flushes as told", () => {
  const r = rig();
  const va = SCRATCH + PAGE, page = r.mfn(r.unused);
  r.write(va, 0x1111);
  assert.is(r.call("update_va_mapping", va, page << 12 | 0x63, 0, 2), 0);
  r.write(va, 0x2222);
  assert.is(r.d.memory.read32(page * PAGE), 0x2222);
  assert.is(r.call("update_va_mapping", 0xf5800000, 0, 0, 0), -EINVAL);
  assert.is(r.call("update_va_mapping", 0x4000, 0, 0, 0), -EINVAL, "no table there");
  assert.is(r.call("update_va_mapping", va, page << 12 | 0x63, 1, 0), -EINVAL, "above 4 GB");
  assert.is(r.call("update_va_mapping", va, page << 12 | 0x61, 0, 1 | 0x4000), -EFAULT, "a bitmap that cannot be read");
  assert.equal(r.pv.audit(), []);
});

name("mmuext_op clears and copies pages that are nothing but memory", () => {
  const r = rig();
  const [a, b] = [r.mfn(r.unused), r.mfn(r.unused + 1)];
  r.d.memory.write32(a * PAGE, 0x1234);
  r.write(SCRATCH, 17, b, a, 16, a, 0);
  assert.is(r.call("mmuext_op", SCRATCH, 2, DONE, DOMID_SELF), 0);
  assert.is(r.read(DONE), 2);
  assert.is(r.d.memory.read32(b * PAGE), 0x1234);
  assert.is(r.d.memory.read32(a * PAGE), 0);
  r.write(SCRATCH, 16, r.d.baseMfn, 0);
  assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), -EINVAL);
  r.write(SCRATCH, 16, r.d.reserved.tssFrame, 0);
  assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), -EINVAL);
});

name("a base pointer that is no root is refused and the old one stays", () => {
  const r = rig();
  const old = r.d.baseMfn;
  for (const mfn of [r.mfn(r.unused), r.mfnAt(SCRATCH), 0, 0xfffff]) {
    r.write(SCRATCH, 5, mfn, 0);
    assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), -EINVAL);
    assert.is(r.d.baseMfn, old);
  }
  assert.equal(r.pv.audit(), []);
});

name("multicall gives each call its own result and refuses to nest", () => {
  const r = rig();
  r.write(SCRATCH, 17, -1, 0, 0, 0, 0, 0, 0, 99, -1, 0, 0, 0, 0, 0, 0, 13, -1, SCRATCH, 1, 0, 0, 0, 0);
  assert.is(r.call("multicall", SCRATCH, 3), 0);
  assert.is(r.read(SCRATCH + 4), 0x30000);
  assert.is(r.read(SCRATCH + 36) | 0, -38);
  assert.is(r.read(SCRATCH + 68) | 0, -EINVAL);
  assert.is(r.call("multicall", SCRATCH, 0x7ffffff), -EFAULT);
});

name("a preempted call of a multicall goes on where it was", () => {
  const r = rig();
  const at = r.pteAt(SCRATCH + 2 * PAGE), entry = r.mfnAt(SCRATCH + 2 * PAGE) << 12 | 0x63, list = SCRATCH + 3 * PAGE;
  for (let i = 0; i < 2000; i++) r.write(list + i * 16, at, 0, entry, 0);
  r.write(SCRATCH, 1, -1, list, 2000, DONE, DOMID_SELF, 0, 0);
  assert.is(r.call("multicall", SCRATCH, 1), 0);
  assert.is(r.read(SCRATCH + 4), 0);
  assert.is(r.read(DONE), 2000);
  assert.is(r.machine.ledger.countOf("hypercall.mmu_update.entry"), 2000);
});

name("counts and costs: each call and each entry has its event", () => {
  const r = rig({ costs: { "hypercall.mmu_update": { cycles: 100, source: "t" }, "hypercall.mmu_update.entry": { cycles: 7, source: "t" } } });
  const before = r.machine.clock.now();
  r.write(SCRATCH, r.pteAt(SCRATCH + PAGE), 0, 0, 0);
  const afterWrite = r.machine.clock.now();
  r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF);
  assert.is(r.machine.clock.now() - afterWrite, 107);
  assert.ok(afterWrite >= before);
});

name.run();
