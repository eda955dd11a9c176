import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Network } from "../../hypervisor/network/network.js";
import { GTF_permit_access, GTF_readonly } from "../../hypervisor/xen/grant-tables.js";
import * as N from "../../hypervisor/xen/net-back.js";
import * as R from "../../hypervisor/xen/public/ring.js";
import { DOMID_SELF } from "../../hypervisor/xen/public/xen.js";
import { random } from "../network/rig.js";
import { PAGE, rig, type Rig, SCRATCH } from "./rig.js";

/** Dom0's network back end, against front ends that are right, careless and hostile (public/io/netif.h, public/io/ring.h). */
const test = suite("network back end");

const TX_REF = 8, RX_REF = 9, DATA_REF = 10, READ_ONLY_REF = 11, FRONT = "/local/domain/1/device/vif/0", BACK = "/local/domain/0/backend/vif/1/0";

interface Front {
  readonly r: Rig;
  readonly tx: number;
  readonly rx: number;
  readonly data: number;
  readonly port: number;
  /** Frames that have come out at the other end. */
  readonly sent: Uint8Array[];
  /** Makes a frame arrive. */
  readonly arrive: (frame: Uint8Array) => void;
  readonly word: (at: number) => number;
  readonly put: (at: number, value: number, size?: 1 | 2 | 4) => void;
  /** Notifies the back end, and lets virtual time go by. */
  readonly kick: () => void;
  readonly settle: () => void;
}

/** Everything a front end does up to the handshake, and the handshake unless `connect` is false. */
function front(overrides: Readonly<Record<string, string>> = {}): Front {
  const sent: Uint8Array[] = [];
  let receive: (frame: Uint8Array) => void = () => {};
  const network: Network = {
    bitRate: 1e9,
    connect: (to) => {
      receive = to;
      return { send: (frame, done) => { sent.push(frame.slice()); done?.(); }, unplug: () => {} };
    },
  };
  const r = rig({ network });
  const { memory } = r.d;
  const [tx, rx, data] = [0, 1, 2].map((i) => r.mfn(r.unused + i) * PAGE) as [number, number, number];
  r.write(SCRATCH, DOMID_SELF, 1, 0, SCRATCH + 0x40);
  r.call("grant_table_op", 2, SCRATCH, 1);
  const table = r.read(SCRATCH + 0x40) * PAGE;
  for (const [ref, page, flags] of [[TX_REF, tx, GTF_permit_access], [RX_REF, rx, GTF_permit_access], [DATA_REF, data, GTF_permit_access], [READ_ONLY_REF, data, GTF_permit_access | GTF_readonly]] as const) {
    memory.write32(table + ref * 8 + 4, page / PAGE);
    memory.write32(table + ref * 8, flags);
  }
  r.write(SCRATCH, DOMID_SELF, 0);
  r.call("event_channel_op", 6, SCRATCH);
  const port = r.read(SCRATCH + 4);
  for (const ring of [tx, rx]) {
    memory.write32(ring + R.REQ_EVENT, 1);
    memory.write32(ring + R.RSP_EVENT, 1);
  }
  const { store } = r.pv.dom0;
  const keys = { "tx-ring-ref": `${TX_REF}`, "rx-ring-ref": `${RX_REF}`, "event-channel": `${port}`, "request-rx-copy": "1", protocol: "x86_32-abi", ...overrides, state: "4" };
  for (const [key, value] of Object.entries(keys)) store.write(1, `${FRONT}/${key}`, value);
  const settle = (): void => {
    const { clock, ledger } = r.machine;
    for (let i = 0; i < 200 && clock.nextDeadline() < clock.now() + 1e6; i++) {
      ledger.idle(Math.max(0, clock.nextDeadline() - clock.now()));
      clock.runDue();
    }
  };
  return {
    r, tx, rx, data, port, sent, settle,
    arrive: (frame) => { receive(frame); settle(); },
    word: (at) => memory.read(at, 4),
    put: (at, value, size = 4) => memory.write(at, size, value),
    kick: () => {
      r.write(SCRATCH, port);
      assert.is(r.call("event_channel_op", 4, SCRATCH), 0);
      settle();
    },
  };
}

/** Puts a transmit request into slot `n`. */
function request(f: Front, n: number, gref: number, offset: number, size: number, flags = 0): void {
  const at = f.tx + R.RING_HEADER_BYTES + n % N.NET_RING_ENTRIES * N.TX_BYTES;
  f.put(at, gref);
  f.put(at + 4, offset, 2);
  f.put(at + 6, flags, 2);
  f.put(at + 8, 0x100 + n, 2);
  f.put(at + 10, size, 2);
}

function respondedTx(f: Front, n: number): [id: number, status: number] {
  const word = f.word(f.tx + R.RING_HEADER_BYTES + n % N.NET_RING_ENTRIES * N.TX_BYTES);
  return [word & 0xffff, word >> 16];
}

function offer(f: Front, n: number, gref: number): void {
  const at = f.rx + R.RING_HEADER_BYTES + n % N.NET_RING_ENTRIES * N.RX_BYTES;
  f.put(at, n, 2);
  f.put(at + 4, gref);
}

test("the handshake: the store names address and features, both sides end connected", () => {
  const f = front(), { store } = f.r.pv.dom0;
  assert.is(store.peek(`${BACK}/state`), "4");
  assert.is(store.peek(`${FRONT}/mac`), "52:54:00:12:34:56");
  assert.is(store.peek(`${BACK}/feature-rx-copy`), "1");
});

for (const [what, keys] of [["a ring that is not granted", { "tx-ring-ref": "77" }], ["no number", { "rx-ring-ref": "x" }], ["a port that is not its", { "event-channel": "99" }],
  ["page flipping", { "request-rx-copy": "0" }], ["another layout", { protocol: "x86_64-abi" }], ["a ring it may only read", { "tx-ring-ref": `${READ_ONLY_REF}` }]] as const) {
  test(`a front end with ${what} is not connected, and nothing stays granted`, () => {
    const f = front(keys);
    assert.is(f.r.pv.dom0.store.peek(`${BACK}/state`), "5");
    assert.equal([...f.r.d.grants.uses()].length, 0);
    assert.equal(f.r.pv.audit(), []);
  });
}

test("a frame goes out of a granted page, and the answer comes with an event when it is sent", () => {
  const f = front();
  for (let i = 0; i < 200; i++) f.put(f.data + 100 + i, i, 1);
  request(f, 0, READ_ONLY_REF, 100, 200);
  f.put(f.tx + R.REQ_PROD, 1);
  f.kick();
  assert.equal(f.sent.map((frame) => [...frame]), [Array.from({ length: 200 }, (_, i) => i)]);
  assert.equal(respondedTx(f, 0), [0x100, N.NETIF_RSP_OKAY]);
  assert.is(f.word(f.tx + R.RSP_PROD), 1);
  assert.is(f.word(f.tx + R.REQ_EVENT), 2, "the next request is to be announced");
  assert.ok(f.r.d.events.isPending(f.port));
  assert.equal([...f.r.d.grants.uses()].length, 2, "the rings");
  assert.equal(f.r.pv.audit(), []);
});

test("requests that make no sense are answered with an error and send nothing", () => {
  const f = front();
  const bad: readonly (readonly [number, number, number, number])[] = [[DATA_REF, 0, 13, 0], [DATA_REF, 0, 4000, 0], [DATA_REF, 4090, 100, 0], [77, 0, 100, 0],
    [DATA_REF, 0xffff, 100, 0], [DATA_REF, 0, 100, N.NETTXF_more_data], [DATA_REF, 0, 100, N.NETTXF_extra_info], [DATA_REF, 0, 100, N.NETTXF_csum_blank]];
  bad.forEach(([gref, offset, size, flags], n) => request(f, n, gref, offset, size, flags));
  f.put(f.tx + R.REQ_PROD, bad.length);
  f.kick();
  assert.equal(f.sent, []);
  bad.forEach((_, n) => assert.equal(respondedTx(f, n), [0x100 + n, N.NETIF_RSP_ERROR]));
  assert.equal(f.r.pv.audit(), []);
});

test("frames are copied into offered pages in order, and wait for pages", () => {
  const f = front();
  const frame = (tag: number): Uint8Array => Uint8Array.from({ length: 60 }, () => tag);
  f.arrive(frame(1));
  f.arrive(frame(2));
  assert.is(f.word(f.rx + R.RSP_PROD), 0, "no page yet");
  offer(f, 0, DATA_REF);
  f.put(f.rx + R.REQ_PROD, 1);
  f.kick();
  assert.is(f.word(f.data), 0x01010101);
  assert.is(f.word(f.rx + R.RING_HEADER_BYTES), 0);
  assert.is(f.word(f.rx + R.RING_HEADER_BYTES + 4), 60 << 16, "no flags, 60 bytes");
  offer(f, 1, READ_ONLY_REF);
  f.put(f.rx + R.REQ_PROD, 2);
  f.kick();
  assert.is(f.word(f.rx + R.RING_HEADER_BYTES + N.RX_BYTES + 4) >> 16, N.NETIF_RSP_ERROR, "a page that may not be written");
  assert.is(f.word(f.data), 0x01010101);
  assert.equal(f.r.pv.audit(), []);
});

test("a producer that runs away is not served", () => {
  const f = front();
  f.put(f.tx + R.REQ_PROD, 0x7fff_ffff);
  f.put(f.rx + R.REQ_PROD, 0xffff_ffff);
  f.kick();
  f.arrive(new Uint8Array(60));
  assert.equal(f.sent, []);
  assert.is(f.r.machine.ledger.countOf("device.netback.transmit"), 0);
});

test("closing gives the rings back, also while frames are under way", () => {
  const f = front();
  for (let n = 0; n < 10; n++) request(f, n, DATA_REF, 0, 1000);
  f.put(f.tx + R.REQ_PROD, 10);
  f.r.write(SCRATCH, f.port);
  f.r.call("event_channel_op", 4, SCRATCH);
  f.r.pv.dom0.store.write(1, `${FRONT}/state`, "6");
  assert.is(f.r.pv.dom0.store.peek(`${BACK}/state`), "6");
  f.settle();
  assert.equal([...f.r.d.grants.uses()].length, 0);
  assert.equal(f.r.pv.audit(), []);
});

test("rings full of chance never break it: every grant comes back", () => {
  const next = random(4711);
  for (let round = 0; round < 60; round++) {
    const f = front();
    for (let i = 0; i < 12; i++) {
      const ring = next() & 1 ? f.tx : f.rx;
      if (next() % 3 === 0) for (let at = 0; at < PAGE; at += 4) if (next() % 4 === 0) f.put(ring + at, next() % 3 === 0 ? next() % 16 : next());
      f.put(ring + R.REQ_PROD, next() % 3 === 0 ? next() : next() % 300);
      if (next() % 4 === 0) f.put(ring + R.RSP_EVENT, next());
      if (next() & 1) f.arrive(Uint8Array.from({ length: 14 + next() % 1500 }, () => next()));
      f.kick();
    }
    f.r.pv.dom0.store.write(1, `${FRONT}/state`, "6");
    f.settle();
    assert.equal([...f.r.d.grants.uses()].length, 0);
    assert.equal(f.r.pv.audit(), []);
  }
});

test.run();
