import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { FileBackend, MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import { MmioBus, PortBus } from "../../hypervisor/devices/bus.js";
import { DESKTOP_DISK_2003, diskTiming, DiskHead } from "../../hypervisor/devices/disk-timing.js";
import type { AccessSize, PortDevice } from "../../hypervisor/devices/device.js";
import { createPlatform } from "../../hypervisor/devices/platform.js";
import { UsageError } from "../../hypervisor/errors.js";
import { FakeClock, FakeLedger, FakeMemory } from "./fake.js";

const test = suite("buses, platform, block back ends");

function recorder(widest?: AccessSize) {
  const log: string[] = [];
  const device: PortDevice = {
    read: (offset, size) => { log.push(`r${offset}.${size}`); return 0x80 + offset; },
    write: (offset, size, value) => { log.push(`w${offset}.${size}=${value.toString(16)}`); },
    ...(widest ? { widest: () => widest } : {}),
  };
  return { log, device };
}

test("PortBus: an 8-bit device sees a wide access as bytes, lowest address first", () => {
  const bus = new PortBus(() => {}), { log, device } = recorder();
  bus.register("part", 0x100, 8, device);
  assert.is(bus.read(0x104, 4), 0x87868584);
  bus.write(0x100, 2, 0xbeef);
  assert.equal(log, ["r4.1", "r5.1", "r6.1", "r7.1", "w0.1=ef", "w1.1=be"]);
});

test("PortBus: a device that takes 32 bits gets them whole", () => {
  const bus = new PortBus(() => {}), { log, device } = recorder(4);
  bus.register("wide", 0x100, 1, device);
  bus.write(0x100, 4, 0xdeadbeef);
  bus.read(0x100, 2);
  assert.equal(log, ["w0.4=deadbeef", "r0.2"]);
});

test("PortBus: unclaimed ports read as all ones and are counted", () => {
  const ledger = new FakeLedger(), bus = new PortBus(ledger.count);
  assert.equal([bus.read(5, 1), bus.read(5, 2), bus.read(5, 4)], [0xff, 0xffff, 0xffffffff]);
  bus.write(5, 1, 0);
  assert.is(ledger.counts["device.unclaimed"], 4);
});

test("PortBus: an access at the end of the port space wraps", () => {
  const bus = new PortBus(() => {}), { device } = recorder();
  bus.register("last", 0xffff, 1, device);
  bus.register("first", 0, 1, device);
  assert.is(bus.read(0xffff, 2), 0x8080);
});

test("PortBus: an overlap throws and names both", () => {
  const bus = new PortBus(() => {}), { device } = recorder();
  bus.register("old", 0x10, 4, device);
  assert.throws(() => bus.register("new", 0x0e, 3, device), /port 0x10 of new already belongs to old/);
  assert.is(bus.nameOf(0x0e), "unclaimed");
  assert.throws(() => bus.register("far", 0xffff, 2, device), /far/);
});

test("MmioBus: whole pages, offsets from the range, overlap refused", () => {
  const ledger = new FakeLedger(), bus = new MmioBus(ledger.count), { log, device } = recorder(4);
  bus.register("apic", 0xfee00000, 0x1000, device);
  assert.is(bus.claims(0xfee00fff), true);
  assert.is(bus.claims(0xfee01000), false);
  bus.write(0xfee000b0, 4, 7);
  assert.equal(log, ["w176.4=7"]);
  assert.is(bus.read(0x1234, 4), 0xffffffff);
  assert.is(bus.read(2 ** 35, 2), 0xffff);
  assert.is(ledger.counts["device.unclaimed"], 2);
  assert.throws(() => bus.register("two", 0xfee00000, 0x2000, device), /two already belongs to apic/);
  assert.throws(() => bus.register("odd", 0x800, 0x1000, device), /whole pages/);
});

function setUp(disks?: MemoryBackend[]) {
  const clock = new FakeClock(2.4e9), ledger = new FakeLedger(), events: string[] = [];
  const platform = createPlatform({
    clock, memory: new FakeMemory(1 << 20), memoryBytes: 32 << 20, count: ledger.count,
    serialOut: byte => events.push(`serial ${byte}`), debugOut: byte => events.push(`debug ${byte}`),
    onExit: code => events.push(`exit ${code}`), onReset: () => events.push("reset"),
    onA20: open => events.push(`a20 ${open}`), disks, diskTiming: diskTiming(DESKTOP_DISK_2003, 2.4e9),
  });
  return { platform, ports: platform.ports, clock, ledger, events };
}

test("exit port: a 1, 2 or 4-byte write is the exit code", () => {
  const { ports, events } = setUp();
  ports.write(0xf4, 1, 0); ports.write(0xf4, 2, 0x1234); ports.write(0xf4, 4, 0xffffffff);
  assert.equal(events, ["exit 0", "exit 4660", "exit 4294967295"]);
});

test("POST port holds its code; the debug console takes bytes and reads E9", () => {
  const { ports, platform, events } = setUp();
  ports.write(0x80, 1, 0x5a);
  assert.equal([ports.read(0x80, 1), platform.post.code, ports.read(0xe9, 1)], [0x5a, 0x5a, 0xe9]);
  ports.write(0xe9, 1, 0x21);
  assert.equal(events, ["debug 33"]);
});

test("COM1 is at 0x3f8 on IRQ 4, the PIT at 0x40 on IRQ 0, the RTC at 0x70 on IRQ 8", () => {
  const { ports, platform, clock, events } = setUp();
  for (const [base, vector] of [[0x20, 0x30], [0xa0, 0x38]] as const) {
    ports.write(base, 1, 0x11); ports.write(base + 1, 1, vector); ports.write(base + 1, 1, 4); ports.write(base + 1, 1, 1);
  }
  ports.write(0x3f8, 1, 0x41);
  assert.equal(events, ["serial 65"]);
  ports.write(0x3fc, 1, 0x08); ports.write(0x3f9, 1, 0x01);
  platform.uart.receive([1]);
  assert.is(platform.pic.acknowledge(), 0x34);
  ports.write(0x20, 1, 0x20);
  ports.write(0x43, 1, 0x34); ports.write(0x40, 1, 0x9c); ports.write(0x40, 1, 0x2e);
  clock.advance(2.4e7 + 1e4);
  assert.is(platform.pic.acknowledge(), 0x30);
  ports.write(0x20, 1, 0x20);
  ports.write(0x70, 1, 0x0b); ports.write(0x71, 1, 0x12);
  clock.advance(2.4e9);
  assert.is(platform.pic.intr, true);
  platform.pic.acknowledge();
  ports.write(0x20, 1, 0x20);
  assert.is(platform.pic.acknowledge(), 0x38);
});

test("a disk is read through ports 0x1f0-0x1f7 with IRQ 14, 32 bits at a time", () => {
  const disk = new MemoryBackend(Uint8Array.from({ length: 1024 }, (_, i) => i >> 2));
  const { ports, platform, clock } = setUp([disk]);
  for (const [port, value] of [[0x1f2, 1], [0x1f3, 1], [0x1f4, 0], [0x1f5, 0], [0x1f6, 0xe0], [0x1f7, 0x20]] as const) ports.write(port, 1, value);
  clock.advance(2.4e9);
  ports.write(0x20, 1, 0x0a); ports.write(0xa0, 1, 0x0a);
  assert.is(ports.read(0xa0, 1), 0x40);
  assert.is(ports.read(0x3f6, 1), 0x58);
  assert.is(ports.read(0x1f0, 4), 0x80808080);
  assert.is(ports.read(0x177, 1), 0xff, "nothing on the secondary channel");
  platform.reset();
  assert.is(ports.read(0x1f7, 1), 0x50);
});

test("A20 is open unless port 0x92 and the keyboard controller both close it", () => {
  const { ports, platform, events } = setUp();
  assert.is(ports.read(0x92, 1), 0x02);
  ports.write(0x92, 1, 0x00);
  assert.is(platform.a20.open, true);
  ports.write(0x64, 1, 0xd1); ports.write(0x60, 1, 0xdd);
  assert.is(platform.a20.open, false);
  ports.write(0x64, 1, 0xd0);
  assert.is(ports.read(0x60, 1) & 0x03, 0x01);
  ports.write(0x92, 1, 0x02);
  assert.equal(events, ["a20 false", "a20 true"]);
});

test("reset: bit 0 of port 0x92 rising, and command FE of the keyboard controller", () => {
  const { ports, events } = setUp();
  ports.write(0x92, 1, 0x03); ports.write(0x92, 1, 0x03);
  ports.write(0x64, 1, 0xfe); ports.write(0x64, 1, 0xff);
  assert.equal(events, ["reset", "reset"]);
});

test("8042: self test gives 55, interface test 0, the configuration byte reads back, OBF raises IRQ 1", () => {
  const { ports, platform } = setUp();
  ports.write(0x64, 1, 0xaa);
  assert.is(ports.read(0x64, 1) & 0x05, 0x05);
  assert.is(ports.read(0x60, 1), 0x55);
  assert.is(ports.read(0x64, 1) & 0x01, 0);
  ports.write(0x64, 1, 0xab);
  assert.is(ports.read(0x60, 1), 0);
  ports.write(0x64, 1, 0x60); ports.write(0x60, 1, 0x65);
  ports.write(0x64, 1, 0x20);
  assert.is(ports.read(0x20, 1) & 0x02, 0x02, "IRR of the master");
  assert.is(ports.read(0x60, 1), 0x65);
  assert.is(ports.read(0x20, 1) & 0x02, 0);
  platform.reset();
});

test("what a PC has and this one has not is counted by its name", () => {
  const { ports, ledger } = setUp();
  ports.write(0x3f2, 1, 0x1c);
  assert.is(ports.read(0x3f4, 1), 0xff);
  assert.is(ledger.counts["device.absent.floppy"], 2);
});

test("two machines share no state", () => {
  const a = setUp(), b = setUp();
  a.ports.write(0x80, 1, 1); a.ports.write(0x21, 1, 0x55);
  assert.is(b.ports.read(0x80, 1), 0);
  assert.is.not(b.ports.read(0x21, 1), 0x55);
});

test("no port traffic throws or leaves the range of its size", () => {
  const { ports, clock } = setUp([new MemoryBackend(64), new MemoryBackend(64)]);
  let seed = 12345;
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
  const used = Array.from({ length: 0x10000 }, (_, i) => i).filter(port => ports.nameOf(port) !== "unclaimed");
  for (let i = 0; i < 100_000; i++) {
    const port = used[random() % used.length]!, size = ([1, 2, 4] as const)[random() % 3]!;
    if (random() & 0x100) ports.write(port, size, size === 4 ? random() : random() % 2 ** (8 * size));
    else {
      const value = ports.read(port, size);
      if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size))) assert.unreachable(`port ${port.toString(16)}.${size} reads ${value}`);
    }
    if (i % 16 === 0) clock.advance(random() % 2_000_000);
  }
});

test("disk timing: a seek, then sectors; no seek where the last transfer ended", () => {
  const timing = diskTiming({ seekMs: 8.5, rpm: 7200, megabytesPerSecond: 51.2 }, 1e9);
  assert.equal(timing, { seekCycles: 12_666_667, cyclesPerSector: 10_000 });
  const head = new DiskHead({ seekCycles: 100, cyclesPerSector: 1 });
  assert.equal([head.pass(0, 5, 2), head.pass(200, 7, 1), head.pass(200, 7, 1)], [102, 201, 302]);
});

test("disk timing: a write is done when the cache has it, a flush when the medium has; the same sectors again cost no move", () => {
  const head = new DiskHead({ seekCycles: 100, cyclesPerSector: 10, cache: { sectors: 4, cyclesPerSector: 1 } });
  assert.equal([head.write(0, 50, 2), head.write(5, 50, 2), head.flushed(10)], [2, 7, 120]);
  assert.is(head.pass(10, 50, 2), 12);          // from the cache
  assert.is(head.write(20, 80, 2), 22);         // to the medium from 120 on, until 240
  assert.is(head.write(30, 90, 2), 122);        // no room before the first two sectors are out
  assert.is(head.flushed(30), 360);
});

test("MemoryBackend: copy-on-write leaves the base alone", () => {
  const base = new MemoryBackend(Uint8Array.from({ length: 512 * 20 + 100 }, (_, i) => i >> 9));
  const disk = new MemoryBackend(base), sector = new Uint8Array(512);
  assert.is(disk.sectors, 21);
  disk.write(10, 1, new Uint8Array(512).fill(0xee));
  disk.read(10, 1, sector); assert.is(sector[0], 0xee);
  disk.read(11, 1, sector); assert.is(sector[0], 11);
  base.read(10, 1, sector); assert.is(sector[0], 10);
  disk.read(20, 1, sector); assert.equal([sector[0], sector[99], sector[100]], [20, 20, 0]);
  assert.throws(() => disk.read(20, 2, new Uint8Array(1024)), RangeError);
});

test("FileBackend: reads and writes an image; read-only refuses; bad paths are one UsageError each", () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "trivisor-"));
  try {
    const file = path.join(dir, "disk.img");
    fs.writeFileSync(file, Buffer.alloc(1024, 7));
    const disk = new FileBackend(file), sector = new Uint8Array(512);
    disk.write(1, 1, new Uint8Array(512).fill(9));
    disk.flush();
    disk.read(1, 1, sector);
    assert.equal([disk.sectors, sector[0]], [2, 9]);
    disk.close();
    const readOnly = new FileBackend(file, { readOnly: true });
    assert.throws(() => readOnly.write(0, 1, sector), /read-only/);
    readOnly.close();
    fs.writeFileSync(path.join(dir, "empty"), "");
    for (const [name, message] of [["none", /does not exist/], [".", /is a directory/], ["empty", /is empty/], ["disk.img/x", /does not exist/]] as const) {
      try {
        new FileBackend(path.join(dir, name));
        assert.unreachable(name);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        assert.match(error.message, message);
        assert.not.match(error.message, /\n/);
      }
    }
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
});

test.run();
