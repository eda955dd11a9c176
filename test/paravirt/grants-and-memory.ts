import * as assert from "uvu/assert";
import { suite } from "uvu";
import * as G from "../../hypervisor/xen/grant-tables.js";
import { EFAULT, EINVAL, EPERM } from "../../hypervisor/xen/public/errno.js";
import { DOMID_SELF } from "../../hypervisor/xen/public/xen.js";
import { PAGE, rig, type Rig, SCRATCH } from "./rig.js";

/** Grant tables in both directions, and how much memory a domain has. */
const name = suite("paravirt grants and memory");

const MAP = 0, UNMAP = 1, SETUP = 2, TRANSFER = 4, COPY = 5, QUERY = 6;
const TABLE = SCRATCH + PAGE;
/** Maps the guest's own grant table at TABLE. */
function setup(r: Rig): void {
  r.write(SCRATCH, DOMID_SELF, 1, 0, SCRATCH + 0x40);
  assert.is(r.call("grant_table_op", SETUP, SCRATCH, 1), 0);
  assert.is(r.read(SCRATCH + 8) & 0xffff, 0);
  assert.is(r.call("update_va_mapping", TABLE, r.read(SCRATCH + 0x40) << 12 | 0x63, 0, 2), 0);
}
const grant = (r: Rig, ref: number, mfn: number, flags: number, domid = 0): void => r.write(TABLE + ref * 8, domid << 16 | flags, mfn);
const flagsOf = (r: Rig, ref: number): number => r.read(TABLE + ref * 8) & 0xffff;
const status = (value: number): number => value << 16 >> 16;
/** Gives Dom0 a frame of its own and a table to grant it from. */
function dom0Grant(r: Rig, ref: number, readonly: boolean): number {
  const mfn = r.mfn(r.unused + 8);
  assert.ok(r.d.frames.steal(mfn, r.d.id));
  r.d.frames.give(mfn, 0);
  r.pv.dom0.grants.createShared();
  r.pv.dom0.grants.grant(ref, r.d.id, mfn, readonly);
  return mfn;
}

name("a granted page is in use while it is mapped, and cannot be a page table meanwhile", () => {
  const r = rig();
  setup(r);
  const mfn = r.mfn(r.unused);
  grant(r, 9, mfn, G.GTF_permit_access);
  const frame = r.d.grants.acquire(9, 0, true);
  assert.is(frame, mfn);
  assert.is(flagsOf(r, 9), G.GTF_permit_access | G.GTF_reading | G.GTF_writing);
  assert.equal(r.pv.audit(), []);
  r.write(SCRATCH, 0, mfn, 0);
  assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), -EINVAL);
  r.d.grants.release(9, true);
  assert.is(flagsOf(r, 9), G.GTF_permit_access);
  assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), 0);
  assert.equal(r.pv.audit(), []);
});

name("grants that do not cover the use are refused", () => {
  const r = rig();
  setup(r);
  const mfn = r.mfn(r.unused);
  grant(r, 9, mfn, G.GTF_permit_access | G.GTF_readonly);
  assert.is(r.d.grants.acquire(9, 0, true), G.GNTST_general_error);
  assert.is(r.d.grants.acquire(9, 3, false), G.GNTST_general_error, "another domain's");
  assert.is(r.d.grants.acquire(99999, 0, false), G.GNTST_bad_gntref);
  for (const bad of [r.d.reserved.gdtFrame, 0xfffff]) {
    grant(r, 10, bad, G.GTF_permit_access);
    assert.is(r.d.grants.acquire(10, 0, false), G.GNTST_general_error, "a frame that is not the guest's");
  }
  grant(r, 11, r.d.baseMfn, G.GTF_permit_access);
  assert.is(r.d.grants.acquire(11, 0, true), G.GNTST_general_error, "a page table, to be written");
  assert.equal(r.pv.audit(), []);
});

name("the guest maps and unmaps a frame of Dom0's", () => {
  const r = rig();
  const mfn = dom0Grant(r, 5, false), va = SCRATCH + 3 * PAGE;
  r.write(SCRATCH, va, 0, G.GNTMAP_host_map, 5, 0, 0, 0, 0);
  assert.is(r.call("grant_table_op", MAP, SCRATCH, 1), 0);
  assert.is(status(r.read(SCRATCH + 16) >>> 16), 0);
  const handle = r.read(SCRATCH + 20);
  r.d.tlb.flush();
  r.write(va, 0xcafe);
  assert.is(r.d.memory.read32(mfn * PAGE), 0xcafe);
  assert.equal(r.pv.audit(), []);
  r.write(SCRATCH, va, 0, 0, 0, handle, 0);
  assert.is(r.call("grant_table_op", UNMAP, SCRATCH, 1), 0);
  assert.is(status(r.read(SCRATCH + 20)), 0);
  assert.throws(() => r.read(va));
  assert.is(r.call("grant_table_op", UNMAP, SCRATCH, 1), 0);
  assert.is(status(r.read(SCRATCH + 20)), G.GNTST_bad_handle);
  assert.equal(r.pv.audit(), []);
});

name("maps that cannot be are answered one by one", () => {
  const r = rig();
  dom0Grant(r, 5, true);
  const va = SCRATCH + 3 * PAGE;
  const tries: [number[], number][] = [
    [[va, 0, G.GNTMAP_host_map, 5, 0], G.GNTST_general_error], // read-only grant, mapped for writing
    [[va, 0, G.GNTMAP_host_map | G.GNTMAP_readonly, 5, 6], G.GNTST_bad_domain],
    [[va, 0, G.GNTMAP_host_map | G.GNTMAP_readonly, 77777, 0], G.GNTST_bad_gntref],
    [[0xf6000000, 0, G.GNTMAP_host_map | G.GNTMAP_readonly, 5, 0], G.GNTST_bad_virt_addr],
    [[r.d.baseMfn * PAGE, 0, G.GNTMAP_host_map | G.GNTMAP_readonly | G.GNTMAP_contains_pte, 5, 0], G.GNTST_bad_virt_addr],
    [[va, 0, G.GNTMAP_device_map, 5, 0], G.GNTST_general_error],
  ];
  for (const [args, expected] of tries) {
    r.write(SCRATCH, ...args, 0, 0, 0);
    assert.is(r.call("grant_table_op", MAP, SCRATCH, 1), 0);
    assert.is(status(r.read(SCRATCH + 16) >>> 16), expected);
  }
  assert.equal(r.pv.audit(), []);
  assert.is(r.call("grant_table_op", MAP, 0xfffffff0, 1), -EFAULT);
  assert.is(r.call("grant_table_op", MAP, SCRATCH, 0x7ffffff), -EFAULT);
});

name("copy moves bytes between a grant and a frame of one's own, within the page", () => {
  const r = rig();
  const source = dom0Grant(r, 5, true), dest = r.mfn(r.unused);
  r.d.memory.write32(source * PAGE + 8, 0x1234);
  r.write(SCRATCH, 5, 8 << 16 | 0, dest, 16 << 16 | DOMID_SELF, 1 << 16 | 4, 0);
  assert.is(r.call("grant_table_op", COPY, SCRATCH, 1), 0);
  assert.is(status(r.read(SCRATCH + 20)), 0);
  assert.is(r.d.memory.read32(dest * PAGE + 16), 0x1234);
  r.write(SCRATCH, 5, 4090 << 16 | 0, dest, 16 << 16 | DOMID_SELF, 1 << 16 | 100, 0);
  r.call("grant_table_op", COPY, SCRATCH, 1);
  assert.is(status(r.read(SCRATCH + 20)), G.GNTST_bad_copy_arg);
  r.write(SCRATCH, 5, 0, r.d.baseMfn, DOMID_SELF, 1 << 16 | 4, 0);
  r.call("grant_table_op", COPY, SCRATCH, 1);
  assert.is(status(r.read(SCRATCH + 20)), G.GNTST_general_error, "into a page table");
  assert.equal(r.pv.audit(), []);
});

name("a frame nothing refers to can be transferred to a domain that takes it", () => {
  const r = rig();
  const mfn = r.mfn(r.unused), pages = r.d.totPages;
  r.pv.dom0.grants.createShared();
  const slot = r.pv.dom0.grants.sharedMfns[0] * PAGE + 3 * 8;
  r.d.memory.write32(slot, r.d.id << 16 | G.GTF_accept_transfer);
  r.write(SCRATCH, mfn, 0, 3, 0);
  assert.is(r.call("grant_table_op", TRANSFER, SCRATCH, 1), 0);
  assert.is(status(r.read(SCRATCH + 12)), 0);
  assert.is(r.d.totPages, pages - 1);
  assert.is(r.d.frames.owner[mfn], 0);
  assert.is(r.d.memory.read32(slot + 4), mfn);
  r.write(SCRATCH, r.mfnAt(SCRATCH), 0, 3, 0);
  r.call("grant_table_op", TRANSFER, SCRATCH, 1);
  assert.is.not(status(r.read(SCRATCH + 12)), 0);
  assert.equal(r.pv.audit(), []);
});

name("query_size answers for the caller", () => {
  const r = rig();
  setup(r);
  r.write(SCRATCH, DOMID_SELF, 0, 0, 0);
  assert.is(r.call("grant_table_op", QUERY, SCRATCH, 1), 0);
  assert.equal([r.read(SCRATCH + 4), r.read(SCRATCH + 8)], [1, G.NR_GRANT_FRAMES]);
  r.write(SCRATCH, 5, 0, 0, 0);
  r.call("grant_table_op", QUERY, SCRATCH, 1);
  assert.is(status(r.read(SCRATCH + 12)), G.GNTST_permission_denied);
});

// ---- memory_op ---------------------------------------------------------------------------------------------------------

/** struct xen_memory_reservation at `at`, its list behind it. */
const reservation = (r: Rig, at: number, list: readonly number[], order = 0, count = list.length): void => {
  r.write(at, at + 0x40, count, order, 0, DOMID_SELF);
  r.write(at + 0x40, ...list);
};

name("memory given back can be had again, under another machine number as well", () => {
  const r = rig();
  const pages = r.d.totPages, mfns = [r.mfn(r.unused), r.mfn(r.unused + 1)];
  reservation(r, SCRATCH, mfns);
  assert.is(r.call("memory_op", 1, SCRATCH), 2);
  assert.is(r.d.totPages, pages - 2);
  assert.is(r.call("memory_op", 1, SCRATCH), 0, "they are gone");
  reservation(r, SCRATCH, [r.unused + 500, r.unused + 501, 7]);
  assert.is(r.call("memory_op", 6, SCRATCH), 2, "two are free, three are asked for");
  const got = r.read(SCRATCH + 0x40);
  assert.ok(mfns.includes(got));
  assert.is(r.read(r.d.layout.hypervisorStart + got * 4), r.unused + 500);
  assert.is(r.d.totPages, pages);
  assert.equal(r.pv.audit(), []);
});

name("a frame that is mapped stays until the last mapping goes", () => {
  const r = rig();
  const va = SCRATCH + 2 * PAGE, mfn = r.mfnAt(va);
  reservation(r, SCRATCH, [mfn]);
  assert.is(r.call("memory_op", 1, SCRATCH), 1);
  assert.is(r.d.frames.owner[mfn], r.d.id);
  r.write(va, 1);
  assert.equal(r.pv.audit(), []);
  assert.is(r.call("update_va_mapping", va, 0, 0, 2), 0);
  assert.is(r.d.frames.count[mfn], 0);
  assert.equal(r.pv.audit(), []);
});

name("Xen's frames, wild lists and huge counts give nothing away", () => {
  const r = rig();
  reservation(r, SCRATCH, [r.d.sharedInfoMfn, r.mfn(r.unused)]);
  assert.is(r.call("memory_op", 1, SCRATCH), 0);
  reservation(r, SCRATCH, [], 0, 0x3ffffff);
  assert.is(r.call("memory_op", 1, SCRATCH), 0);
  reservation(r, SCRATCH, [], 31, 1);
  assert.is(r.call("memory_op", 0, SCRATCH), 0);
  assert.is(r.call("memory_op", 1, 0x10), -EFAULT);
  r.write(SCRATCH, 0, 0, 0, 0, 5);
  assert.is(r.call("memory_op", 1, SCRATCH), -EPERM);
  assert.equal(r.pv.audit(), []);
});

name("exchange takes all and gives all, or changes nothing", () => {
  const r = rig();
  const mfns = [0, 1].map((i) => r.mfn(r.unused + i));
  const ask = (first: number): void => {
    r.write(SCRATCH, SCRATCH + 0x40, 2, 0, 0, DOMID_SELF, SCRATCH + 0x60, 2, 0, 0, DOMID_SELF, 0);
    r.write(SCRATCH + 0x40, first, mfns[1]);
    r.write(SCRATCH + 0x60, 900, 901);
  };
  ask(r.mfnAt(SCRATCH));
  assert.is(r.call("memory_op", 11, SCRATCH), -EINVAL, "one is in use");
  assert.equal(r.pv.audit(), []);
  ask(mfns[0]);
  assert.is(r.call("memory_op", 11, SCRATCH), 0);
  assert.is(r.read(SCRATCH + 40), 2);
  assert.is(r.read(r.d.layout.hypervisorStart + r.read(SCRATCH + 0x60) * 4), 900);
  assert.equal(r.pv.audit(), []);
});

name("the sizes that can be asked for", () => {
  const r = rig();
  r.write(SCRATCH, DOMID_SELF);
  assert.is(r.call("memory_op", 3, SCRATCH), r.d.totPages);
  assert.is(r.call("memory_op", 4, SCRATCH), r.d.maxPages);
  assert.is(r.call("memory_op", 2, 0), r.machine.memory.frames);
  assert.is(r.call("memory_op", 12, SCRATCH), 0);
  assert.equal([r.read(SCRATCH), r.read(SCRATCH + 4)], [0xf5800000, 0xf6800000]);
  r.write(SCRATCH, 4, SCRATCH + 0x40);
  assert.is(r.call("memory_op", 9, SCRATCH), 0);
  assert.equal([r.read(SCRATCH), r.read(SCRATCH + 0x48), r.read(SCRATCH + 0x50)], [1, r.d.maxPages * PAGE, 1]);
});

name.run();
