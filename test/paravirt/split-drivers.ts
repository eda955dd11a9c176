import * as assert from "uvu/assert";
import { suite } from "uvu";
import { type BlockBackend, MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import * as B from "../../hypervisor/xen/block-back.js";
import * as R from "../../hypervisor/xen/public/ring.js";
import { xvdNumber } from "../../paravirt/dom0.js";
import * as G from "../../hypervisor/xen/grant-tables.js";
import { Store, StoreError } from "../../hypervisor/xen/store.js";
import * as W from "../../hypervisor/xen/store-ring.js";
import { DOMID_SELF, START_CONSOLE_EVTCHN, START_CONSOLE_MFN, START_STORE_EVTCHN, START_STORE_MFN } from "../../hypervisor/xen/public/xen.js";
import * as S from "../../hypervisor/cpu-state.js";
import { BASE, PAGE, rig, type Rig, SCRATCH } from "./rig.js";

/** Dom0's side of shared memory: console ring, XenStore and its wire, block ring. */
const name = suite("paravirt split drivers");

const latin1 = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const startInfo = (r: Rig, at: number): number => r.read((r.machine.cpu.i32[S.ESI] >>> 0) + at);
const send = (r: Rig, port: number): void => {
  r.write(SCRATCH, port);
  assert.is(r.call("event_channel_op", 4, SCRATCH), 0);
};
const bytesAt = (r: Rig, pa: number, n: number): Uint8Array => {
  const bytes = new Uint8Array(n);
  r.d.memory.readBytes(pa, bytes);
  return bytes;
};

// ---- console -----------------------------------------------------------------------------------------------------------

name("the console ring carries bytes both ways", () => {
  const r = rig();
  const page = startInfo(r, START_CONSOLE_MFN) * PAGE, port = startInfo(r, START_CONSOLE_EVTCHN);
  r.d.memory.writeBytes(page + 1024, latin1("hello"));
  r.d.memory.write32(page + 3084, 5);
  send(r, port);
  assert.is(r.output(), "hello");
  assert.is(r.d.memory.read32(page + 3080), 5);
  r.pv.consoleIn(0x78);
  assert.is(r.d.memory.read(page, 1), 0x78);
  assert.is(r.d.memory.read32(page + 3076), 1);
  assert.ok(r.d.events.isPending(port));
});

name("a console index that is nonsense costs a ring's worth, no more", () => {
  const r = rig();
  const page = startInfo(r, START_CONSOLE_MFN) * PAGE;
  r.d.memory.write32(page + 3084, 0xffffffff);
  send(r, startInfo(r, START_CONSOLE_EVTCHN));
  assert.is(r.output().length, 2048);
});

name("a ring that Dom0 has mapped cannot become a page table", () => {
  const r = rig();
  const mfn = startInfo(r, START_CONSOLE_MFN), at = r.read(r.d.layout.hypervisorStart + mfn * 4);
  assert.is(r.call("update_va_mapping", BASE + at * PAGE, 0, 0, 2), 0);
  r.write(SCRATCH, 0, mfn, 0);
  assert.is(r.call("mmuext_op", SCRATCH, 1, 0, DOMID_SELF), -22);
  assert.equal(r.pv.audit(), []);
});

name("console_io prints, in chunks where it is long, and refuses what it cannot read", () => {
  const r = rig();
  for (let i = 0; i < 5000; i += 4) r.write(SCRATCH + PAGE + i, 0x64636261);
  assert.is(r.call("console_io", 0, 5000, SCRATCH + PAGE), 0);
  assert.is(r.output().length, 5000);
  assert.is(r.call("console_io", 0, 4, 0x1000), -14);
  assert.is(r.call("console_io", 0, 0x7fffffff, SCRATCH), -14);
  assert.is(r.call("console_io", 0, 0xffffffff, SCRATCH), -22);
});

// ---- store -------------------------------------------------------------------------------------------------------------

/** Sends one message over the ring, and gives every answer there is: [type, body]. */
function xs(r: Rig, type: number, body: string, transaction = 0): [number, string][] {
  const page = startInfo(r, START_STORE_MFN) * PAGE, { memory } = r.d;
  const message = new Uint8Array(W.HEADER_BYTES + body.length);
  const header = new DataView(message.buffer);
  [type, 7, transaction, body.length].forEach((word, i) => header.setUint32(i * 4, word, true));
  message.set(latin1(body), W.HEADER_BYTES);
  const answers: number[] = [];
  const drain = (): void => {
    const cons = memory.read(page + 2056, 4), prod = memory.read(page + 2060, 4);
    for (let i = cons; i !== prod; i++) answers.push(memory.read(page + 1024 + (i & 1023), 1));
    memory.write32(page + 2056, prod);
    if (prod !== cons) send(r, startInfo(r, START_STORE_EVTCHN));
  };
  for (let at = 0; at < message.length;) {
    const prod = memory.read(page + 2052, 4), chunk = Math.min(1024 - (prod - memory.read(page + 2048, 4)), message.length - at);
    for (let i = 0; i < chunk; i++) memory.write(page + ((prod + i) & 1023), 1, message[at + i]);
    memory.write32(page + 2052, prod + chunk);
    at += chunk;
    send(r, startInfo(r, START_STORE_EVTCHN));
  }
  for (let before = -1; before !== answers.length;) {
    before = answers.length;
    drain();
  }
  const messages: [number, string][] = [];
  for (let at = 0; at < answers.length;) {
    const view = new DataView(Uint8Array.from(answers.slice(at, at + 16)).buffer);
    const length = view.getUint32(12, true);
    messages.push([view.getUint32(0, true), String.fromCharCode(...answers.slice(at + 16, at + 16 + length))]);
    at += 16 + length;
  }
  return messages;
}

name("the store answers over its ring: read, write, directory, errors", () => {
  const r = rig({ disks: [new MemoryBackend(64)] });
  assert.equal(xs(r, W.XS_READ, "domid\0"), [[W.XS_READ, "1"]]);
  assert.equal(xs(r, W.XS_DIRECTORY, "device/vbd\0"), [[W.XS_DIRECTORY, `${xvdNumber(0)}\0`]]);
  assert.equal(xs(r, W.XS_WRITE, "data/x\0hello"), [[W.XS_WRITE, "OK\0"]]);
  assert.equal(xs(r, W.XS_READ, "/local/domain/1/data/x\0"), [[W.XS_READ, "hello"]]);
  assert.equal(xs(r, W.XS_READ, "nothing\0"), [[W.XS_ERROR, "ENOENT\0"]]);
  assert.equal(xs(r, W.XS_WRITE, "/local/domain/0/x\0y"), [[W.XS_ERROR, "EACCES\0"]]);
  assert.equal(xs(r, W.XS_WRITE, "name\0other"), [[W.XS_ERROR, "EACCES\0"]], "Dom0's to say");
  assert.equal(xs(r, W.XS_READ, "a//b\0"), [[W.XS_ERROR, "EINVAL\0"]]);
  assert.equal(xs(r, W.XS_INTRODUCE, "5\0"), [[W.XS_ERROR, "EACCES\0"]]);
  assert.equal(xs(r, W.XS_GET_DOMAIN_PATH, "1\0"), [[W.XS_GET_DOMAIN_PATH, "/local/domain/1\0"]]);
  assert.equal(xs(r, 99, ""), [[W.XS_ERROR, "ENOSYS\0"]]);
  assert.equal(xs(r, W.XS_WRITE, "data/long\0" + "x".repeat(1800)), [[W.XS_WRITE, "OK\0"]], "longer than the ring");
  assert.is(xs(r, W.XS_READ, "data/long\0")[0][1].length, 1800);
});

name("watches fire at once, at changes, and no more after unwatch", () => {
  const r = rig();
  assert.equal(xs(r, W.XS_WATCH, "data\0tok\0"), [[W.XS_WATCH, "OK\0"], [W.XS_WATCH_EVENT, "data\0tok\0"]]);
  assert.equal(xs(r, W.XS_WRITE, "data/a\x001"), [[W.XS_WATCH_EVENT, "data/a\0tok\0"], [W.XS_WRITE, "OK\0"]]);
  assert.equal(xs(r, W.XS_WATCH, "data\0tok\0"), [[W.XS_ERROR, "EEXIST\0"]]);
  assert.equal(xs(r, W.XS_UNWATCH, "data\0tok\0"), [[W.XS_UNWATCH, "OK\0"]]);
  assert.equal(xs(r, W.XS_WRITE, "data/a\x002"), [[W.XS_WRITE, "OK\0"]]);
});

name("a transaction is kept or taken back", () => {
  const r = rig();
  const begin = (): number => Number(xs(r, W.XS_TRANSACTION_START, "\0")[0][1].replace("\0", ""));
  let t = begin();
  xs(r, W.XS_WRITE, "data/t\x001", t);
  assert.equal(xs(r, W.XS_TRANSACTION_END, "F\0", t), [[W.XS_TRANSACTION_END, "OK\0"]]);
  assert.equal(xs(r, W.XS_READ, "data/t\0"), [[W.XS_ERROR, "ENOENT\0"]]);
  t = begin();
  xs(r, W.XS_WRITE, "data/t\x001", t);
  xs(r, W.XS_TRANSACTION_END, "T\0", t);
  assert.equal(xs(r, W.XS_READ, "data/t\0"), [[W.XS_READ, "1"]]);
  assert.equal(xs(r, W.XS_READ, "data/t\0", 12345), [[W.XS_ERROR, "ENOENT\0"]]);
});

name("a ring that speaks nonsense is left alone", () => {
  const r = rig();
  const page = startInfo(r, START_STORE_MFN) * PAGE;
  r.d.memory.write32(page + 2052, 0x80000000);
  send(r, startInfo(r, START_STORE_EVTCHN));
  assert.is(r.d.memory.read32(page + 2060), 0);
});

name("the tree: permissions, removal, quotas", () => {
  const store = new Store();
  store.mkdir(0, "/a");
  assert.throws(() => store.write(1, "/a/b", "x"), (e: unknown) => e instanceof StoreError && e.code === "EACCES");
  store.setPermissions(0, "/a", [{ domid: 0, rights: "n" }, { domid: 1, rights: "b" }]);
  store.write(1, "/a/b/c", "x");
  assert.equal(store.directory(1, "/a"), ["b"]);
  store.remove(1, "/a/b");
  assert.throws(() => store.read(1, "/a/b/c"));
  store.remove(1, "/a/b");
  assert.throws(() => { for (let i = 0; i < 2000; i++) store.write(1, `/a/${i}`, ""); }, (e: unknown) => e instanceof StoreError && e.code === "ENOSPC");
});

// ---- block -------------------------------------------------------------------------------------------------------------

const RING_REF = 8, DATA_REF = 9;
interface Blk { readonly r: Rig; readonly ring: number; readonly data: number; readonly port: number; next: number }

/** A front end: ring and data pages granted, event channel allocated, states exchanged through the store. */
function front(disk: BlockBackend): Blk {
  const r = rig({ disks: [disk] });
  const [ringMfn, dataMfn] = [r.mfn(r.unused), r.mfn(r.unused + 1)];
  r.write(SCRATCH, DOMID_SELF, 1, 0, SCRATCH + 0x40);
  r.call("grant_table_op", 2, SCRATCH, 1);
  const table = r.read(SCRATCH + 0x40) * PAGE;
  for (const [ref, mfn] of [[RING_REF, ringMfn], [DATA_REF, dataMfn]]) {
    r.d.memory.write32(table + ref * 8 + 4, mfn);
    r.d.memory.write32(table + ref * 8, G.GTF_permit_access);
  }
  r.write(SCRATCH, DOMID_SELF, 0);
  r.call("event_channel_op", 6, SCRATCH);
  const port = r.read(SCRATCH + 4), dir = `device/vbd/${xvdNumber(0)}`;
  const ring = ringMfn * PAGE;
  r.d.memory.write32(ring + R.REQ_EVENT, 1);
  r.d.memory.write32(ring + R.RSP_EVENT, 1);
  for (const [key, value] of [["ring-ref", `${RING_REF}`], ["event-channel", `${port}`], ["protocol", "x86_32-abi"], ["state", "3"]]) {
    assert.equal(xs(r, W.XS_WRITE, `${dir}/${key}\0${value}`), [[W.XS_WRITE, "OK\0"]]);
  }
  assert.equal(xs(r, W.XS_READ, `/local/domain/0/backend/vbd/1/${xvdNumber(0)}/state\0`), [[W.XS_READ, "4"]]);
  return { r, ring, data: dataMfn * PAGE, port, next: 0 };
}

/** Makes one request and gives the answer's status once virtual time has brought it. */
function request(b: Blk, operation: number, sector: number, segments: readonly (readonly [ref: number, first: number, last: number])[], count = segments.length): number {
  const { memory } = b.r.d;
  const at = b.ring + R.RING_HEADER_BYTES + (b.next % B.RING_ENTRIES) * B.REQUEST_BYTES;
  memory.writeBytes(at, new Uint8Array(B.REQUEST_BYTES));
  memory.write32(at, operation | count << 8);
  memory.write32(at + 4, 0x1000 + b.next);
  memory.write32(at + 12, sector);
  segments.forEach(([ref, first, last], i) => {
    memory.write32(at + 20 + i * 8, ref);
    memory.write32(at + 24 + i * 8, first | last << 8);
  });
  b.next++;
  memory.write32(b.ring + R.REQ_PROD, b.next);
  send(b.r, b.port);
  const { clock, ledger } = b.r.machine;
  if (memory.read(b.ring + R.RSP_PROD, 4) !== b.next) {
    // The disk's own time; ticks before it pass.
    for (let i = 0; i < 10 && memory.read(b.ring + R.RSP_PROD, 4) !== b.next; i++) {
      ledger.idle(clock.nextDeadline() - clock.now());
      clock.runDue();
    }
  }
  assert.is(memory.read(b.ring + R.RSP_PROD, 4), b.next);
  assert.is(memory.read(at, 4), 0x1000 + b.next - 1, "the same id");
  assert.is(memory.read(at + 8, 1), operation);
  memory.write32(b.ring + R.RSP_EVENT, b.next + 1);
  return memory.read(at + 10, 2) << 16 >> 16;
}

name("blocks are read and written through granted pages, in the disk's own time", () => {
  const disk = new MemoryBackend(64);
  disk.write(8, 2, new Uint8Array(1024).fill(0x77));
  const b = front(disk);
  const before = b.r.machine.clock.now();
  assert.is(request(b, B.BLKIF_OP_READ, 8, [[DATA_REF, 2, 3]]), B.BLKIF_RSP_OKAY);
  assert.ok(b.r.machine.clock.now() - before > 1e6, "a seek");
  assert.ok(bytesAt(b.r, b.data + 1024, 1024).every((x) => x === 0x77));
  assert.is(bytesAt(b.r, b.data, 1)[0], 0);
  assert.ok(b.r.d.events.isPending(b.port));
  b.r.d.memory.writeBytes(b.data, new Uint8Array(512).fill(0x33));
  assert.is(request(b, B.BLKIF_OP_WRITE, 20, [[DATA_REF, 0, 0]]), B.BLKIF_RSP_OKAY);
  const sector = new Uint8Array(512);
  disk.read(20, 1, sector);
  assert.ok(sector.every((x) => x === 0x33));
  assert.is(request(b, B.BLKIF_OP_FLUSH_DISKCACHE, 0, []), B.BLKIF_RSP_OKAY);
  assert.is(request(b, B.BLKIF_OP_WRITE_BARRIER, 20, [[DATA_REF, 0, 0]]), B.BLKIF_RSP_OKAY);
  assert.equal(b.r.pv.audit(), []);
  assert.is(b.r.machine.ledger.countOf("device.blkback.request"), 4);
});

name("requests that make no sense are answered with an error and touch nothing", () => {
  const b = front(new MemoryBackend(64));
  assert.is(request(b, 9, 0, [[DATA_REF, 0, 0]]), B.BLKIF_RSP_EOPNOTSUPP);
  assert.is(request(b, B.BLKIF_OP_READ, 0, []), B.BLKIF_RSP_ERROR);
  assert.is(request(b, B.BLKIF_OP_READ, 0, [], 12), B.BLKIF_RSP_ERROR, "too many segments");
  assert.is(request(b, B.BLKIF_OP_READ, 0, [[DATA_REF, 5, 4]]), B.BLKIF_RSP_ERROR);
  assert.is(request(b, B.BLKIF_OP_READ, 0, [[DATA_REF, 0, 8]]), B.BLKIF_RSP_ERROR);
  assert.is(request(b, B.BLKIF_OP_READ, 63, [[DATA_REF, 0, 1]]), B.BLKIF_RSP_ERROR, "beyond the end");
  assert.is(request(b, B.BLKIF_OP_READ, 0xffffffff, [[DATA_REF, 0, 0]]), B.BLKIF_RSP_ERROR);
  assert.is(request(b, B.BLKIF_OP_READ, 0, [[77, 0, 0]]), B.BLKIF_RSP_ERROR, "no such grant");
  assert.is(request(b, B.BLKIF_OP_READ, 0, [[DATA_REF, 0, 0], [77, 0, 0]]), B.BLKIF_RSP_ERROR);
  assert.equal(b.r.pv.audit(), []);
});

name("a read-only disk refuses writes; closing gives the ring back", () => {
  const b = front({ sectors: 64, readOnly: true, read: (_lba, count, into) => { into.fill(1, 0, count * 512); }, write: () => { throw new Error("written"); }, flush: () => {} });
  assert.is(request(b, B.BLKIF_OP_WRITE, 0, [[DATA_REF, 0, 0]]), B.BLKIF_RSP_ERROR);
  assert.is(request(b, B.BLKIF_OP_READ, 0, [[DATA_REF, 0, 0]]), B.BLKIF_RSP_OKAY);
  const dir = `device/vbd/${xvdNumber(0)}`;
  xs(b.r, W.XS_WRITE, `${dir}/state\x006`);
  assert.equal(xs(b.r, W.XS_READ, `/local/domain/0/backend/vbd/1/${xvdNumber(0)}/state\0`), [[W.XS_READ, "6"]]);
  assert.equal([...b.r.d.grants.uses()].length, 0);
  assert.equal(b.r.pv.audit(), []);
});

name("a ring whose producer runs away is not served", () => {
  const b = front(new MemoryBackend(64));
  b.r.d.memory.write32(b.ring + R.REQ_PROD, 0x7fffffff);
  send(b.r, b.port);
  assert.is(b.r.machine.ledger.countOf("device.blkback.request"), 0);
});

name.run();
