import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AtaDisk } from "../../hypervisor/devices/ata-disk.js";
import { MemoryBackend, type BlockBackend } from "../../hypervisor/devices/block-backend.js";
import { IdeChannel, type IdeHost } from "../../hypervisor/devices/ide.js";
import { FakeClock, FakeLedger, FakeLine } from "./fake.js";

const test = suite("ide channel and ATA disk");
const timing = { seekCycles: 1000, cyclesPerSector: 10 };

/** A disk whose every sector begins with its number. */
function numbered(sectors: number): MemoryBackend {
  const disk = new MemoryBackend(sectors);
  const sector = new Uint8Array(512);
  for (let i = 0; i < Math.min(sectors, 4096); i++) {
    new DataView(sector.buffer).setUint32(0, i, true);
    disk.write(i, 1, sector);
  }
  return disk;
}

function setUp(first: BlockBackend | undefined = numbered(4096), second?: BlockBackend) {
  const clock = new FakeClock(1e6), line = new FakeLine(), ledger = new FakeLedger();
  const make = (backend: BlockBackend | undefined, position: number) =>
    backend && ((host: IdeHost) => new AtaDisk(host, { backend, clock, timing, count: ledger.count, position }));
  const ide = new IdeChannel({ irq: line.drive, drives: [make(first, 0), make(second, 1)] });
  const r = (register: number): number => ide.read(register, 1);
  const w = (register: number, value: number): void => ide.write(register, 1, value);
  const alt = (): number => ide.control.read(0, 1);
  const lba = (address: number, count: number, device = 0): void => {
    w(2, count); w(3, address & 0xff); w(4, (address >> 8) & 0xff); w(5, (address >> 16) & 0xff); w(6, 0xe0 | device | (address >> 24));
  };
  const run = (): void => clock.advance(1_000_000);
  const block = (bytes: number): Uint8Array => {
    const data = new Uint8Array(bytes);
    for (let i = 0; i < bytes; i += 2) {
      const word = ide.read(0, 2);
      data[i] = word; data[i + 1] = word >>> 8;
    }
    return data;
  };
  const give = (data: Uint8Array): void => {
    for (let i = 0; i < data.length; i += 2) ide.write(0, 2, data[i]! | (data[i + 1]! << 8));
  };
  const number = (data: Uint8Array, sector = 0): number => new DataView(data.buffer).getUint32(sector * 512, true);
  return { clock, line, ledger, ide, r, w, alt, lba, run, block, give, number };
}

test("ATA-6 9.12: after power-on the signature of a disk is 01 01 00 00, the error register 01", () => {
  const { r } = setUp();
  assert.equal([1, 2, 3, 4, 5].map(r), [1, 1, 1, 0, 0]);
  assert.is(r(7), 0x50);
});

test("IDENTIFY DEVICE: words 1, 3, 6, 49, 60-61, 83, 100-103 and the strings", () => {
  const { w, r, line, block } = setUp(new MemoryBackend(200_000));
  w(6, 0xa0); w(7, 0xec);
  assert.is(line.level, true);
  assert.is(r(7), 0x58);
  assert.is(line.level, false, "reading status clears INTRQ");
  const words = new Uint16Array(block(512).buffer);
  assert.is(r(7), 0x50);
  assert.equal([words[1], words[3], words[6]], [198, 16, 63]);
  assert.is(words[49]! & 0x0300, 0x0200, "LBA, no DMA");
  assert.is(words[60]! + words[61]! * 65536, 200_000);
  assert.is(words[83]! & 0x0400, 0x0400);
  assert.equal([...words.slice(100, 104)], [200_000 & 0xffff, 200_000 >>> 16, 0, 0]);
  const model = [...words.slice(27, 47)].map(v => String.fromCharCode(v >> 8, v & 0xff)).join("").trim();
  assert.is(model, "TRIVISOR HARDDISK");
});

test("READ SECTORS: BSY until seek and transfer time have passed, then DRQ and INTRQ for each sector", () => {
  const { w, alt, r, lba, line, clock, block, number, ledger } = setUp();
  lba(100, 2); w(7, 0x20);
  assert.is(alt(), 0x80);
  clock.advance(1009);
  assert.is(alt(), 0x80);
  assert.is(line.level, false);
  clock.advance(1);
  assert.is(line.level, true);
  assert.is(alt(), 0x58, "alternate status leaves INTRQ");
  assert.is(line.level, true);
  assert.is(r(7), 0x58);
  assert.is(number(block(512)), 100);
  assert.is(alt(), 0x80);
  clock.advance(10);
  assert.is(line.level, true, "the next sector passes without a seek");
  assert.is(r(7), 0x58);
  assert.is(number(block(512)), 101);
  assert.is(r(7), 0x50);
  assert.is(line.level, false, "no interrupt after the last sector of a read");
  assert.equal([r(2), r(3)], [0, 101]);
  assert.equal([ledger.counts["device.ide.command"], ledger.counts["device.ide.sector_read"]], [1, 2]);
});

test("READ SECTORS: a count of 0 is 256", () => {
  const { w, lba, run, block, number, r } = setUp();
  lba(0, 0); w(7, 0x20);
  for (let i = 0; i < 256; i++) { run(); assert.is(number(block(512)), i); }
  assert.is(r(7), 0x50);
});

test("CHS addressing: (cylinder x heads + head) x sectors + sector - 1", () => {
  const { w, run, block, number, r } = setUp();
  w(2, 1); w(3, 5); w(4, 1); w(5, 0); w(6, 0xa2); w(7, 0x20); run();
  assert.is(number(block(512)), (1 * 16 + 2) * 63 + 4);
  w(2, 1); w(3, 0); w(7, 0x20);
  assert.equal([r(7) & 1, r(1)], [1, 0x10], "there is no sector 0");
});

test("INITIALIZE DEVICE PARAMETERS changes the translation", () => {
  const { w, run, block, number, r } = setUp();
  w(2, 17); w(6, 0xa3); w(7, 0x91);
  assert.is(r(7), 0x50);
  w(2, 1); w(3, 17); w(4, 2); w(5, 0); w(6, 0xa3); w(7, 0x20); run();
  assert.is(number(block(512)), (2 * 4 + 3) * 17 + 16);
  w(6, 0xa0); w(7, 0xec);
  const words = new Uint16Array(block(512).buffer);
  assert.equal([words[54], words[55], words[56]], [60, 4, 17]);
});

test("WRITE SECTORS: the first DRQ comes without an interrupt, each sector and the end with one", () => {
  const disk = numbered(4096);
  const { w, r, lba, line, give, run, ledger } = setUp(disk);
  lba(7, 2); w(7, 0x30);
  assert.is(r(7), 0x58);
  assert.is(line.level, false);
  give(new Uint8Array(512).fill(0xaa));
  assert.is(r(7), 0x80);
  run();
  assert.is(line.level, true);
  assert.is(r(7), 0x58);
  give(new Uint8Array(512).fill(0xbb));
  run();
  assert.is(line.level, true);
  assert.is(r(7), 0x50);
  const back = new Uint8Array(1024);
  disk.read(7, 2, back);
  assert.equal([back[0], back[511], back[512], back[1023]], [0xaa, 0xaa, 0xbb, 0xbb]);
  assert.is(ledger.counts["device.ide.sector_write"], 2);
});

test("READ MULTIPLE: one interrupt a block; aborted while SET MULTIPLE MODE has not been given", () => {
  const { w, r, lba, line, run, block, number } = setUp();
  lba(10, 6); w(7, 0xc4);
  assert.equal([r(7), r(1)], [0x51, 0x04]);
  w(2, 4); w(7, 0xc6);
  assert.is(r(7), 0x50);
  line.rises = 0;
  lba(10, 6); w(7, 0xc4); run();
  const first = block(4 * 512);
  assert.equal([number(first), number(first, 3)], [10, 13]);
  r(7); run(); r(7);
  assert.is(number(block(2 * 512), 1), 15);
  assert.is(line.rises, 2);
  assert.is(r(7), 0x50);
});

test("SET MULTIPLE MODE refuses what is no power of two or above word 47", () => {
  const { w, r } = setUp();
  for (const n of [3, 32]) { w(2, n); w(7, 0xc6); assert.equal([r(7), r(1)], [0x51, 0x04]); }
});

test("WRITE MULTIPLE takes blocks, the last one shorter", () => {
  const disk = numbered(4096);
  const { w, r, lba, run, give } = setUp(disk);
  w(2, 2); w(7, 0xc6);
  lba(20, 3); w(7, 0xc5);
  give(new Uint8Array(1024).fill(1)); run();
  assert.is(r(7), 0x58);
  give(new Uint8Array(512).fill(2)); run();
  assert.is(r(7), 0x50);
  const back = new Uint8Array(3 * 512);
  disk.read(20, 3, back);
  assert.equal([back[0], back[1023], back[1024]], [1, 1, 2]);
});

test("READ SECTORS EXT: 48-bit address and count from two writes of each register; HOB shows the first", () => {
  const { w, r, ide, run, block, clock } = setUp(new MemoryBackend(2 ** 33));
  const address = 2 ** 32 + 5;
  const outPair = (register: number, high: number, low: number): void => { w(register, high); w(register, low); };
  outPair(2, 0, 1); outPair(3, 0x00, 5); outPair(4, 1, 0); outPair(5, 0, 0); w(6, 0x40);
  ide.control.write(0, 1, 0x80);
  assert.is(r(4), 1);
  w(7, 0x24);
  assert.is(r(4), 0, "a command block write clears HOB");
  run(); clock.advance(0);
  block(512);
  assert.is(r(7), 0x50);
  ide.control.write(0, 1, 0x80);
  assert.equal([r(3), r(4), r(5)], [Math.floor(address / 2 ** 24) & 0xff, Math.floor(address / 2 ** 32), 0]);
});

test("EXT commands without the LBA bit are aborted", () => {
  const { w, r } = setUp();
  w(6, 0xa0); w(2, 1); w(7, 0x24);
  assert.equal([r(7), r(1)], [0x51, 0x04]);
});

test("beyond the end: IDNF and the first address that is not there", () => {
  const { w, r, lba, line, ledger } = setUp(numbered(1000));
  lba(998, 4); w(7, 0x20);
  assert.equal([r(7), r(1)], [0x51, 0x10]);
  assert.is(r(3) | (r(4) << 8), 1000);
  lba(1000, 1); w(7, 0x30);
  assert.is(line.level, true);
  assert.equal([r(7), r(1)], [0x51, 0x10]);
  assert.is(ledger.counts["device.ide.sector_read"], undefined);
});

test("an unknown command, DMA and NOP are aborted; the next command clears the error", () => {
  const { w, r, lba, run } = setUp();
  for (const code of [0x00, 0x08, 0xa1, 0xc8, 0xca, 0xff]) { w(7, code); assert.equal([r(7), r(1)], [0x51, 0x04]); }
  lba(0, 1); w(7, 0x40); run();
  assert.equal([r(7), r(1)], [0x50, 0]);
});

test("a write-protected disk aborts writes", () => {
  const { w, r, lba } = setUp({ sectors: 10, readOnly: true, read() {}, write() { assert.unreachable(); }, flush() {} });
  lba(0, 1); w(7, 0x30);
  assert.equal([r(7), r(1)], [0x51, 0x04]);
});

test("a back end that fails is an uncorrectable error", () => {
  const broken = (): never => { throw new Error("no such sector"); };
  const { w, r, lba, run } = setUp({ sectors: 10, readOnly: false, read: broken, write: broken, flush: broken });
  lba(0, 1); w(7, 0x20); run();
  assert.equal([r(7), r(1)], [0x51, 0x40]);
  w(7, 0xe7); run();
  assert.equal([r(7), r(1)], [0x51, 0x40]);
});

test("nIEN keeps INTRQ from the bus", () => {
  const { w, ide, line, r } = setUp();
  ide.control.write(0, 1, 0x02);
  w(7, 0xec);
  assert.is(line.level, false);
  ide.control.write(0, 1, 0x00);
  assert.is(line.level, true);
  r(7);
});

test("SRST: BSY while set, then the signature; a transfer on its way is forgotten", () => {
  const { w, r, lba, ide, clock, line } = setUp();
  lba(5, 1); w(7, 0x20);
  ide.control.write(0, 1, 0x04);
  assert.is(r(7), 0x80);
  ide.control.write(0, 1, 0x00);
  assert.equal([1, 2, 3, 4, 5].map(r), [1, 1, 1, 0, 0]);
  clock.advance(10_000);
  assert.is(r(7), 0x50);
  assert.is(line.rises, 0);
});

test("EXECUTE DEVICE DIAGNOSTIC: code 01, device 0 selected, one interrupt", () => {
  const { w, r, line } = setUp(numbered(10), numbered(10));
  w(6, 0xb0); w(7, 0x90);
  assert.is(line.level, true);
  assert.equal([r(1), r(6) & 0x10, r(7)], [1, 0, 0x50]);
});

test("two drives: each has its own contents and status, registers are written to both", () => {
  const { w, r, lba, run, block, number } = setUp(new MemoryBackend(100), numbered(100));
  lba(42, 1, 0x10); w(7, 0x20); run();
  assert.is(number(block(512)), 42);
  w(6, 0xe0);
  assert.is(r(3), 42);
});

test("an absent device 1 reads status 0 through device 0; an empty cable floats", () => {
  const { w, r } = setUp();
  w(6, 0xb0);
  assert.is(r(7), 0);
  w(7, 0xec);
  assert.is(r(7), 0);
  const empty = new IdeChannel({ irq: () => {}, drives: [] });
  assert.equal([empty.read(7, 1), empty.read(3, 1), empty.read(0, 2), empty.control.read(0, 1)], [0xff, 0xff, 0xffff, 0xff]);
});

test("SET FEATURES: PIO modes and caches are taken, DMA modes refused", () => {
  const { w, r, block } = setUp();
  for (const [feature, count, status] of [[3, 0x0c, 0x50], [3, 0x08, 0x50], [3, 0, 0x50], [3, 0x22, 0x51], [3, 0x45, 0x51], [0x82, 0, 0x50], [0x99, 0, 0x51]] as const) {
    w(1, feature); w(2, count); w(7, 0xef);
    assert.is(r(7), status, `feature ${feature} ${count}`);
  }
  w(7, 0xec);
  assert.is(new Uint16Array(block(512).buffer)[85]! & 0x20, 0);
});

test("the data port takes 32 bits (word 48)", () => {
  const { ide, w, lba, run, r } = setUp();
  assert.is(ide.widest(0), 4);
  assert.is(ide.widest(1), 1);
  lba(77, 1); w(7, 0x20); run();
  assert.is(ide.read(0, 4), 77);
  for (let i = 1; i < 128; i++) ide.read(0, 4);
  assert.is(r(7), 0x50);
});

test("register writes while BSY are ignored; data without DRQ goes nowhere", () => {
  const { w, r, lba, run, ide, block, number } = setUp();
  assert.is(ide.read(0, 2), 0xffff);
  ide.write(0, 2, 0x1234);
  lba(3, 1); w(7, 0x20); w(3, 9); w(7, 0xec); run();
  assert.is(number(block(512)), 3);
  assert.is(r(3), 3);
});

test("sequential commands seek once", () => {
  const { w, lba, clock, block, alt } = setUp();
  lba(10, 1); w(7, 0x20); clock.advance(1010); block(512);
  lba(11, 1); w(7, 0x20); clock.advance(10);
  assert.is(alt(), 0x58);
});

test.run();
