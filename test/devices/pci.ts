import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import { DESKTOP_DISK_2003, diskTiming } from "../../hypervisor/devices/disk-timing.js";
import { createPlatform } from "../../hypervisor/devices/platform.js";
import { FakeClock, FakeLedger, FakeMemory } from "./fake.js";

const test = suite("PCI, PIIX functions, bus-master IDE, power management, CD-ROM");

function setUp(disks: MemoryBackend[] = [], discs: (MemoryBackend | undefined)[] = [], videoRom?: Uint8Array) {
  const clock = new FakeClock(2.4e9), ledger = new FakeLedger(), events: string[] = [], memory = new FakeMemory(1 << 20);
  const platform = createPlatform({
    clock, memory, count: ledger.count, serialOut: () => {}, debugOut: () => {}, onExit: code => events.push(`exit ${code}`),
    onReset: () => events.push("reset"), onPowerOff: () => events.push("off"), disks, discs, videoRom: videoRom && { length: videoRom.length, contents: () => videoRom }, diskTiming: diskTiming(DESKTOP_DISK_2003, 2.4e9),
  });
  const { ports } = platform;
  const address = (device: number, fn: number, offset: number): void => ports.write(0xcf8, 4, (0x8000_0000 | device << 11 | fn << 8 | offset & 0xfc) >>> 0);
  const config = (device: number, fn: number, offset: number, size: 1 | 2 | 4 = 4): number => {
    address(device, fn, offset);
    return ports.read(0xcfc + (offset & 3), size);
  };
  const configure = (device: number, fn: number, offset: number, size: 1 | 2 | 4, value: number): void => {
    address(device, fn, offset);
    ports.write(0xcfc + (offset & 3), size, value);
  };
  return { platform, ports, clock, ledger, events, memory, config, configure };
}

test("the functions are found, and nothing else", () => {
  const { config } = setUp();
  assert.equal([config(0, 0, 0), config(1, 0, 0), config(1, 1, 0), config(1, 3, 0), config(2, 0, 0)].map(id => id.toString(16)),
    ["12378086", "70008086", "70108086", "71138086", "11111234"]);
  assert.is(config(1, 0, 0x0e, 1) & 0x80, 0x80, "the ISA bridge says that it has more functions");
  assert.equal([config(3, 0, 0), config(31, 7, 0)], [0xffff_ffff, 0xffff_ffff]);
});

test("the VGA's frame buffer and its ROM are where their registers say, the ROM while its own bit is set too", () => {
  const videoRom = Uint8Array.from({ length: 2048 }, (_, i) => i & 0xff);
  const { platform: { mmio }, config, configure } = setUp([], [], videoRom);
  assert.is(config(2, 0, 0x10), 0xe000_0008, "prefetchable memory");
  configure(2, 0, 0x30, 4, 0xffff_fffe);
  assert.is(config(2, 0, 0x30), 0xffff_f800, "2 KiB");
  configure(2, 0, 0x30, 4, 0xfeb0_0000);
  assert.is(mmio.claims(0xfeb0_0000), false);
  configure(2, 0, 0x30, 4, 0xfeb0_0001);
  assert.is(mmio.read(0xfeb0_0004, 4), 0x07060504);
  configure(2, 0, 0x10, 4, 0xd000_0000);
  mmio.write(0xd000_0010, 4, 0x1234);
  assert.is(mmio.read(0xd000_0010, 4), 0x1234);
  assert.is(mmio.claims(0xe000_0010), false);
  configure(2, 0, 4, 2, 0);
  assert.is(mmio.claims(0xd000_0010), false);
});

test("only a doubleword reaches the address register; other buses are empty", () => {
  const { ports } = setUp();
  ports.write(0xcf8, 4, 0x8000_0000);
  assert.is(ports.read(0xcf8, 4), 0x8000_0000);
  ports.write(0xcf8, 2, 0x1234);
  assert.is(ports.read(0xcf8, 4), 0x8000_0000);
  ports.write(0xcf8, 4, 0x8001_0000);
  assert.is(ports.read(0xcfc, 4), 0xffff_ffff);
  ports.write(0xcf8, 4, 0);
  assert.is(ports.read(0xcfc, 4), 0xffff_ffff);
});

test("identity is read-only; a base address register tells its size and moves its window", () => {
  const { ports, config, configure } = setUp();
  configure(1, 1, 0, 4, 0);
  assert.is(config(1, 1, 0), 0x7010_8086);
  assert.is(config(1, 1, 0x20), 0xc001);
  configure(1, 1, 0x20, 4, 0xffff_ffff);
  assert.is(config(1, 1, 0x20), 0xffff_fff1);
  configure(1, 1, 0x20, 4, 0xd000);
  ports.write(0xd004, 4, 0x1234_5678);
  assert.is(ports.read(0xd004, 4), 0x1234_5678);
  assert.is(ports.read(0xc004, 4), 0xffff_ffff);
  configure(1, 1, 4, 2, 0);
  assert.is(ports.read(0xd004, 4), 0xffff_ffff);
});

test("0xcf9 resets when its bit 2 rises", () => {
  const { ports, events } = setUp();
  ports.write(0xcf9, 1, 2); ports.write(0xcf9, 1, 6);
  assert.equal(events, ["reset"]);
});

test("PM: S5 with SLP_EN switches off, SLP_TYP alone and other states do not", () => {
  const { ports, events } = setUp();
  assert.is(ports.read(0x604, 2), 1, "SCI_EN");
  ports.write(0x604, 2, 0x0001);
  ports.write(0x604, 2, 0x2000 | 5 << 10);
  assert.equal(events, []);
  ports.write(0x604, 2, 0x2001);
  assert.equal(events, ["off"]);
});

test("PM timer: 24 bits at 3.579545 MHz, its status when bit 23 turns, SCI when enabled", () => {
  const { ports, clock, platform } = setUp();
  const before = ports.read(0x608, 4);
  clock.advance(2.4e9);
  assert.is(ports.read(0x608, 4) - before, 3_579_545);
  assert.is(ports.read(0x600, 2), 0);
  ports.write(0x602, 2, 1);
  ports.write(0x21, 1, 0); ports.write(0xa1, 1, 0);
  clock.advance(4 * 2.4e9);
  assert.is(ports.read(0x600, 2) & 1, 1);
  assert.is(ports.read(0xa0, 1) & 2, 2, "IRR of the slave: IRQ 9");
  ports.write(0x600, 2, 1);
  assert.is(ports.read(0x600, 2) & 1, 0);
  platform.pm.pressPowerButton();
  assert.is(ports.read(0x600, 2), 0x100);
});

function dma(h: ReturnType<typeof setUp>, command: number, regions: readonly (readonly [number, number])[], toMemory: boolean): void {
  const { ports, memory, configure } = h;
  configure(1, 1, 4, 2, 5);
  const view = new DataView(memory.bytes.buffer);
  regions.forEach(([at, length], i) => {
    view.setUint32(0x1000 + i * 8, at, true);
    view.setUint32(0x1004 + i * 8, length | (i === regions.length - 1 ? 0x8000_0000 : 0), true);
  });
  ports.write(0xc004, 4, 0x1000);
  ports.write(0xc002, 1, 0x66);
  ports.write(0xc000, 1, toMemory ? 8 : 0);
  for (const [port, value] of [[0x1f2, 2], [0x1f3, 1], [0x1f4, 0], [0x1f5, 0], [0x1f6, 0xe0], [0x1f7, command]] as const) ports.write(port, 1, value);
  ports.write(0xc000, 1, toMemory ? 9 : 1);
}

test("READ DMA fills the regions of the table and interrupts", () => {
  const disk = new MemoryBackend(Uint8Array.from({ length: 2048 }, (_, i) => i >> 4));
  const h = setUp([disk]);
  dma(h, 0xc8, [[0x4000, 256], [0x8000, 768]], true);
  assert.is(h.ports.read(0xc002, 1) & 7, 1, "active");
  h.clock.advance(2.4e9);
  assert.is(h.ports.read(0xc002, 1) & 7, 4, "done, with an interrupt");
  assert.is(h.memory.bytes[0x4000], 32);
  assert.is(h.memory.bytes[0x8000], 48);
  assert.is(h.memory.bytes[0x82ff], 95);
  assert.is(h.ports.read(0x1f7, 1), 0x50);
  h.ports.write(0xc002, 1, 4);
  assert.is(h.ports.read(0xc002, 1) & 7, 0);
});

test("WRITE DMA takes from memory; a table that is too short is an error", () => {
  const disk = new MemoryBackend(8), h = setUp([disk]);
  h.memory.bytes.fill(0x5a, 0x4000, 0x4400);
  dma(h, 0xca, [[0x4000, 1024]], false);
  h.clock.advance(2.4e9);
  const sector = new Uint8Array(1024);
  disk.read(1, 2, sector);
  assert.ok(sector.every(byte => byte === 0x5a));
  dma(h, 0xca, [[0x4000, 512]], false);
  h.clock.advance(2.4e9);
  assert.is(h.ports.read(0xc002, 1) & 2, 2);
  assert.is(h.ports.read(0x1f7, 1) & 1, 1);
});

test("without bus mastering in the command register a transfer waits", () => {
  const h = setUp([new MemoryBackend(8)]);
  dma(h, 0xc8, [[0x4000, 1024]], true);
  h.configure(1, 1, 4, 2, 1);
  h.clock.advance(2.4e9);
  assert.is(h.ports.read(0x1f7, 1), 0x80);
});

function packet(h: ReturnType<typeof setUp>, ...bytes: number[]): void {
  const { ports } = h;
  ports.write(0x174, 1, 0); ports.write(0x175, 1, 8); // blocks of 2,048 bytes
  ports.write(0x177, 1, 0xa0);
  const command = [...bytes, ...new Array<number>(12 - bytes.length).fill(0)];
  for (let i = 0; i < 12; i += 2) ports.write(0x170, 2, command[i]! | command[i + 1]! << 8);
  h.clock.advance(2.4e9);
}

test("CD-ROM: signature, capacity, sectors, sense data of a bad address", () => {
  const disc = new MemoryBackend(Uint8Array.from({ length: 8192 }, (_, i) => i >> 11));
  const h = setUp([], [undefined, undefined, disc]);
  const { ports } = h;
  assert.equal([ports.read(0x174, 1), ports.read(0x175, 1)], [0x14, 0xeb]);
  packet(h, 0x25);
  const capacity = [0, 0, 0, 0].map(() => ports.read(0x170, 2));
  assert.equal(capacity, [0, 0x0300, 0, 0x0008]);
  packet(h, 0x28, 0, 0, 0, 0, 2, 0, 0, 1);
  assert.is(ports.read(0x177, 1) & 0x88, 0x08);
  assert.is(ports.read(0x170, 4), 0x0202_0202);
  for (let i = 4; i < 2048; i += 4) ports.read(0x170, 4);
  assert.is(ports.read(0x177, 1) & 0x89, 0);
  packet(h, 0x28, 0, 0, 0, 0, 9, 0, 0, 1);
  assert.is(ports.read(0x177, 1) & 1, 1);
  packet(h, 0x03, 0, 0, 0, 18);
  const sense = [0, 1, 2, 3, 4, 5, 6].map(() => ports.read(0x170, 2));
  assert.equal([sense[1]! & 0xf, sense[6]! & 0xff], [5, 0x21]);
});

test.run();
