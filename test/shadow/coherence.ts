import { suite } from "uvu";
import * as assert from "uvu/assert";
import { A, D, DATA, DIRECTORY, Guest, KERNEL, P, PAE, PLAIN, PS, RW, smallKernel, TABLE, US } from "./guest-tables.js";

const test = suite("shadow coherence after every kind of page-table write");
const USER = 0x400000;

function booted(): Guest {
  const guest = new Guest();
  smallKernel(guest);
  return guest;
}

/** All shadows agree with the guest's tables; run after every step. */
function coherent(guest: Guest): void {
  assert.equal(guest.shadow.auditCoherence(), []);
}

test("a fill sets A on the way and D on a write, in the guest's own entries", () => {
  const guest = booted();
  assert.equal(guest.read(USER, true), { value: 0x1000 });
  assert.is(guest.peek(TABLE), DATA | P | RW | US | A);
  assert.is(guest.peek(DIRECTORY + 4) & (A | D), A);
  coherent(guest);
  assert.equal(guest.write(USER, 7, true), { value: 7 });
  assert.is(guest.peek(TABLE) & D, D);
  assert.is(guest.peek(DATA), 7);
  coherent(guest);
});

test("a page is mapped read-only until its first write, which is one hidden fault", () => {
  const guest = booted();
  guest.read(USER);
  const before = guest.count("shadow.hidden_fault");
  guest.write(USER, 1);
  guest.write(USER + 4, 2);
  assert.is(guest.count("shadow.hidden_fault") - before, 1);
});

test("the guest's page tables are traced: a write to one faults, is let through, and its shadow follows", () => {
  const guest = booted();
  guest.write(USER, 1);
  guest.read(KERNEL + TABLE);
  assert.equal(guest.write(KERNEL + TABLE, DATA + 0x3000 | P | RW | US | A | D), { value: DATA + 0x3000 | P | RW | US | A | D });
  assert.is(guest.count("shadow.trace"), 1);
  coherent(guest);
  assert.equal(guest.read(USER), { value: 0x1003 });
});

test("unmap, remap, rights up and down", () => {
  const guest = booted();
  guest.write(USER, 5, true);
  const entry = KERNEL + TABLE;
  guest.write(entry, 0);
  coherent(guest);
  assert.equal(guest.read(USER, true), { fault: 4 });
  guest.write(entry, DATA | P | US);
  coherent(guest);
  assert.equal(guest.write(USER, 6, true), { fault: 7 });
  assert.equal(guest.read(USER, true), { value: 5 });
  guest.write(entry, DATA | P | RW | A | D);
  coherent(guest);
  assert.equal(guest.read(USER, true), { fault: 5 });
  assert.equal(guest.write(USER, 8), { value: 8 });
  guest.write(entry, DATA | P | RW | US | A | D);
  coherent(guest);
  assert.equal(guest.write(USER, 9, true), { value: 9 });
});

test("A and D cleared by the guest are set again by the next access", () => {
  const guest = booted();
  guest.write(USER, 5);
  const entry = KERNEL + TABLE;
  guest.write(entry, DATA | P | RW | US | A);
  coherent(guest);
  guest.write(USER, 6);
  assert.is(guest.peek(TABLE) & (A | D), A | D);
  guest.write(entry, DATA | P | RW | US);
  coherent(guest);
  guest.read(USER);
  assert.is(guest.peek(TABLE) & (A | D), A);
  guest.write(KERNEL + DIRECTORY + 4, TABLE | P | RW | US);
  coherent(guest);
  guest.read(USER);
  assert.is(guest.peek(DIRECTORY + 4) & A, A);
});

test("directory entries: unmap, another table, rights", () => {
  const guest = booted();
  guest.read(USER);
  const other = 0x13000;
  guest.poke(other, DATA + 0x5000 | P | US);
  const entry = KERNEL + DIRECTORY + 4;
  guest.write(entry, other | P | RW | US);
  coherent(guest);
  assert.equal(guest.read(USER), { value: 0x1005 });
  guest.write(entry, TABLE | P | US);
  coherent(guest);
  assert.equal(guest.write(USER, 1, true), { fault: 7 });
  assert.equal(guest.read(USER, true), { value: 0x1000 });
  guest.write(entry, TABLE | P | RW);
  coherent(guest);
  assert.equal(guest.read(USER, true), { fault: 5 });
  guest.write(entry, 0);
  coherent(guest);
  assert.equal(guest.read(USER), { fault: 0 });
});

test("4 MB pages are fractured, and follow their directory entry", () => {
  const guest = new Guest(0xc00);
  smallKernel(guest);
  const large = 0x800000;
  guest.write(KERNEL + DIRECTORY + 8, large | P | RW | US | PS);
  guest.poke(large + 0x5000, 55);
  assert.equal(guest.read(0x805000, true), { value: 55 });
  assert.is(guest.peek(DIRECTORY + 8) & (A | D), A);
  coherent(guest);
  guest.write(0x806000, 66, true);
  assert.is(guest.peek(DIRECTORY + 8) & D, D);
  assert.is(guest.peek(large + 0x6000), 66);
  coherent(guest);
  guest.write(KERNEL + DIRECTORY + 8, 0x400000 | P | US | PS);
  coherent(guest);
  assert.equal(guest.write(0x806000, 1, true), { fault: 7 });
  guest.poke(0x405000, 44);
  assert.equal(guest.read(0x805000, true), { value: 44 });
  guest.write(KERNEL + DIRECTORY + 8, large | 0x2000 | P | PS);
  assert.equal(guest.read(0x805000), { fault: 9 });
  coherent(guest);
});

test("a directory that maps itself", () => {
  const guest = booted();
  const self = 0x3ff;
  const window = 0xffc00000 | 0;
  guest.write(KERNEL + DIRECTORY + 4 * self, DIRECTORY | P | RW);
  assert.equal(guest.read(window + 0x1000), { value: guest.peek(TABLE) });
  coherent(guest);
  guest.read(USER);
  guest.write(window + 0x1000, DATA + 0x2000 | P | RW | US);
  coherent(guest);
  assert.equal(guest.read(USER), { value: 0x1002 });
  guest.write(window + 0x3ff000 + 4, 0);
  coherent(guest);
  assert.equal(guest.read(USER), { fault: 0 });
  guest.write(window + 0x3ff000 + 4 * self, 0);
  coherent(guest);
  assert.equal(guest.read(window), { fault: 0 });
});

test("a page-table page that is freed and reused as data is traced no longer", () => {
  const guest = booted();
  guest.read(USER);
  guest.write(KERNEL + DIRECTORY + 4, 0);
  guest.write(KERNEL + TABLE, 1);
  const traces = guest.count("shadow.trace");
  for (let i = 0; i < 64; i++) guest.write(KERNEL + TABLE + 4 * i, i);
  assert.is(guest.count("shadow.trace"), traces);
  assert.is(guest.count("shadow.untrace"), 1);
  coherent(guest);
});

test("address spaces keep their shadows across CR3 switches", () => {
  const guest = booted();
  const second = 0x14000;
  guest.poke(second + 4 * 0x300, 0x12000 | P | RW);
  guest.poke(second + 4, 0x13000 | P | RW | US);
  guest.poke(0x13000, DATA + 0x6000 | P | RW | US);
  assert.equal(guest.read(USER), { value: 0x1000 });
  guest.load(second);
  assert.equal(guest.read(USER), { value: 0x1006 });
  const fills = guest.count("shadow.fill");
  guest.load(DIRECTORY);
  assert.equal(guest.read(USER), { value: 0x1000 });
  guest.load(second);
  assert.equal(guest.read(USER), { value: 0x1006 });
  assert.is(guest.count("shadow.fill"), fills);
  // Changed while it is not in use.
  guest.write(KERNEL + TABLE, DATA + 0x7000 | P | RW | US);
  coherent(guest);
  guest.load(DIRECTORY);
  assert.equal(guest.read(USER), { value: 0x1007 });
  coherent(guest);
});

test("a dead address space's directory, reused as data, is given up", () => {
  const guest = booted();
  guest.read(USER);
  const second = 0x14000;
  guest.poke(second + 4 * 0x300, 0x12000 | P | RW);
  guest.load(second);
  for (let i = 0; i < 32; i++) guest.write(KERNEL + DIRECTORY + 4 * i, 0x12345000 + i);
  assert.ok(guest.count("shadow.trace") <= 4);
  coherent(guest);
});

test("DMA into a page table", () => {
  const guest = booted();
  guest.read(USER);
  const target = guest.shadow.guestToMachine(TABLE);
  guest.machine.memory.writeBytes(target, new Uint8Array(new Int32Array([DATA + 0x4000 | P | RW | US]).buffer));
  coherent(guest);
  assert.equal(guest.read(USER), { value: 0x1004 });
  coherent(guest);
});

test("INVLPG and a reload of CR3 leave the shadows as they are", () => {
  const guest = booted();
  guest.read(USER);
  const fills = guest.count("shadow.fill");
  guest.shadow.invalidate(USER);
  guest.read(USER);
  guest.load(DIRECTORY);
  guest.read(USER);
  assert.is(guest.count("shadow.fill"), fills);
});

test("CR0.WP clear: the supervisor writes read-only pages, user code does not", () => {
  const guest = booted();
  guest.poke(TABLE, DATA | P | US);
  guest.load(DIRECTORY, { ...PLAIN, wp: false });
  assert.equal(guest.read(USER, true), { value: 0x1000 });
  assert.equal(guest.write(USER, 3), { value: 3 });
  coherent(guest);
  assert.equal(guest.write(USER, 4, true), { fault: 7 });
  assert.equal(guest.read(USER, true), { value: 3 });
  coherent(guest);
  guest.load(DIRECTORY, PLAIN);
  assert.equal(guest.write(USER, 5), { fault: 3 });
  coherent(guest);
});

test("PAE: 2 MB pages, reserved bits, PDPTEs read with CR3", () => {
  const guest = new Guest(0x800);
  const pdpt = 0x10020, pd = 0x11000, pt = 0x12000, kernelPd = 0x13000;
  guest.poke(pdpt, pd | P, 0);
  guest.poke(pdpt + 24, kernelPd | P, 0);
  guest.poke(pd, pt | P | RW | US, 0, 0x400000 | P | RW | US | PS, 0);
  guest.poke(kernelPd, P | RW | PS, 0);
  for (let i = 0; i < 8; i++) guest.poke(pt + 8 * i, DATA + i * 0x1000 | P | RW | US, 0);
  guest.poke(DATA + 0x1000, 11);
  guest.load(pdpt, PAE);
  assert.equal(guest.read(0x1000, true), { value: 11 });
  assert.equal(guest.write(0x2ff000, 22, true), { value: 22 });
  assert.is(guest.peek(0x4ff000), 22);
  coherent(guest);
  guest.write(KERNEL + pt + 8, DATA + 0x2000 | P | US);
  coherent(guest);
  assert.equal(guest.write(0x1000, 1, true), { fault: 7 });
  guest.write(KERNEL + pt + 12, 1);
  coherent(guest);
  assert.equal(guest.read(0x1000), { fault: 9 });
  guest.write(KERNEL + pd + 8, 0x600000 | P | RW | PS);
  coherent(guest);
  assert.equal(guest.read(0x2ff000, true), { fault: 5 });
  guest.poke(pdpt, 0x14000 | P, 0);
  guest.poke(0x14000, pt | P | RW | US, 0);
  guest.load(pdpt, PAE);
  coherent(guest);
  assert.equal(guest.read(0x200000), { fault: 0 });
});

test("paging off is identity", () => {
  const guest = booted();
  guest.read(USER);
  guest.load(0, { ...PLAIN, paging: false });
  guest.poke(0x3000, 33);
  assert.equal(guest.read(0x3000), { value: 33 });
  assert.equal(guest.write(TABLE, DATA + 0x1000 | P | US), { value: DATA + 0x1000 | P | US });
  assert.is(guest.count("shadow.trace"), 1);
  coherent(guest);
  guest.load(DIRECTORY);
  assert.equal(guest.read(USER), { value: 0x1001 });
});

test("beyond memory, and tables where there is no memory", () => {
  const guest = booted();
  guest.write(KERNEL + TABLE, 0x7fff0000 | P | RW | US);
  assert.equal(guest.read(USER), { value: -1 });
  assert.is(guest.count("shadow.mmio"), 1);
  // The frame number of the monitor's own memory shows nothing of it.
  guest.write(KERNEL + TABLE, 0x401000 | P | RW | US);
  guest.shadow.invalidate(USER);
  assert.equal(guest.read(USER), { value: -1 });
  guest.write(USER, 5);
  coherent(guest);
  guest.write(KERNEL + DIRECTORY + 8, 0x7fff0000 | P | RW);
  assert.equal(guest.read(0x800000), { value: -1 });
  coherent(guest);
});

test("eviction under a small monitor memory keeps everything right", () => {
  const guest = new Guest(0x800, 5);
  smallKernel(guest);
  for (let i = 2; i < 40; i++) {
    const table = 0x40000 + i * 0x1000;
    guest.poke(table, DATA + (i & 7) * 0x1000 | P | RW | US);
    guest.write(KERNEL + DIRECTORY + 4 * i, table | P | RW | US);
  }
  for (let round = 0; round < 3; round++) {
    for (let i = 2; i < 40; i++) {
      assert.equal(guest.read(i << 22, true), { value: 0x1000 + (i & 7) });
      coherent(guest);
    }
  }
  assert.ok(guest.count("shadow.evict") > 40);
});

test.run();
