import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NetworkHub } from "../../hypervisor/devices/network-hub.js";
import { Rtl8139 } from "../../hypervisor/devices/rtl8139.js";
import { FakeClock, FakeLedger, FakeLine, FakeMemory } from "./fake.js";

const test = suite("RTL8139 and the hub");

const BUFFER = 0x8000, RING = 0x1_0000;

function card(hub: NetworkHub, last: number) {
  const clock = new FakeClock(1e9), memory = new FakeMemory(1 << 18), irq = new FakeLine();
  const nic = new Rtl8139({ clock, memory, irq: irq.drive, count: new FakeLedger().count, mac: [2, 0, 0, 0, 0, last], network: hub });
  nic.config.write(4, 2, 7);
  nic.write(0x37, 1, 0x0c);
  nic.write(0x30, 4, RING);
  nic.write(0x44, 4, 0x0000_000e);
  nic.write(0x3c, 2, 0x15);
  const send = (descriptor: number, frame: Uint8Array): void => {
    memory.write(BUFFER, frame);
    nic.write(0x20 + 4 * descriptor, 4, BUFFER);
    nic.write(0x10 + 4 * descriptor, 4, frame.length);
    clock.advance(1e6);
  };
  return { nic, clock, memory, irq, send };
}

function frame(to: readonly number[], length = 64): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => i);
  bytes.set(to);
  return bytes;
}

test("a frame goes from one machine's memory to the other's ring", () => {
  const hub = new NetworkHub(), a = card(hub, 1), b = card(hub, 2);
  a.send(0, frame([2, 0, 0, 0, 0, 2], 100));
  assert.is(a.nic.read(0x10, 4) & 0xa000, 0xa000, "OWN and TOK");
  assert.is(a.nic.read(0x3e, 2), 0x04);
  assert.is(a.irq.level, true);
  a.nic.write(0x3e, 2, 0x04);
  assert.is(a.irq.level, false);
  assert.is(b.nic.read(0x37, 1) & 1, 1, "empty until its clock moves");
  b.clock.advance(10);
  assert.is(b.nic.read(0x37, 1) & 1, 0);
  assert.is(b.memory.u32(RING), (104 << 16 | 0x4001) >>> 0);
  assert.is(b.memory.bytes[RING + 4 + 50], 50);
  assert.is(b.nic.read(0x3a, 2), 108);
  b.nic.write(0x38, 2, 108 - 16);
  assert.is(b.nic.read(0x37, 1) & 1, 1);
});

test("others' frames are dropped; broadcasts are taken; short frames are padded", () => {
  const hub = new NetworkHub(), a = card(hub, 1), b = card(hub, 2);
  a.send(0, frame([2, 0, 0, 0, 0, 9]));
  b.clock.advance(10);
  assert.is(b.nic.read(0x37, 1) & 1, 1);
  a.send(1, frame([255, 255, 255, 255, 255, 255], 20));
  b.clock.advance(10);
  assert.is(b.memory.u32(RING), (64 << 16 | 0x2001) >>> 0);
});

test("a ring that is full overflows with an interrupt", () => {
  const hub = new NetworkHub(), a = card(hub, 1), b = card(hub, 2);
  for (let i = 0; i < 6; i++) { a.send(i & 3, frame([2, 0, 0, 0, 0, 2], 1500)); b.clock.advance(10); }
  assert.is(b.nic.read(0x3e, 2), 0x11);
});

test("the EEPROM gives the address bit by bit", () => {
  const { nic } = card(new NetworkHub(), 7);
  const drive = (bits: number): void => nic.write(0x50, 1, 0x80 | bits);
  const word = (address: number): number => {
    drive(0); drive(8);
    const command = 6 << 6 | address;
    for (let bit = 10; bit >= 0; bit--) {
      const data = (command >>> bit & 1) !== 0 ? 2 : 0;
      drive(8 | data); drive(8 | 4 | data);
    }
    drive(8);
    let value = 0;
    for (let bit = 0; bit < 16; bit++) { drive(8 | 4); value = value << 1 | nic.read(0x50, 1) & 1; drive(8); }
    drive(0);
    return value;
  };
  assert.equal([word(0), word(7), word(9)], [0x8129, 0x0002, 0x0700]);
});

test.run();
