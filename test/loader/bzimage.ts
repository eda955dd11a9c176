import { suite } from "uvu";
import * as assert from "uvu/assert";
import { installTables } from "../../hypervisor/firmware/tables.js";
import { loadLinux } from "../../hypervisor/loader/bzimage.js";
import { FakeMemory } from "../devices/fake.js";
import { expectUsageError } from "./expect-usage-error.js";

const test = suite("bzImage loader and firmware tables");

const MIB = 1 << 20, SETUP_SECTS = 4;

function image(change: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array((SETUP_SECTS + 1) * 512 + 1000);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, SETUP_SECTS);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x66eb, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, MIB, true);
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint32(0x238, 2047, true);
  view.setUint32(0x258, MIB, true);
  view.setUint32(0x260, 0x2000, true);
  bytes.fill(0x90, (SETUP_SECTS + 1) * 512);
  change(view);
  return bytes;
}

test("the kernel goes to code32_start, ESI points at the zero page", () => {
  const memory = new FakeMemory(8 * MIB);
  const entry = loadLinux(image(), memory, { commandLine: "console=ttyS0", initrd: new Uint8Array(5000).fill(7) });
  assert.is(entry.entry, MIB);
  assert.is(memory.bytes[MIB + 999], 0x90);
  const zero = entry.esi;
  assert.is(memory.u32(zero + 0x202), 0x53726448);
  assert.is(memory.bytes[zero + 0x210], 0xff);
  assert.is(memory.text(memory.u32(zero + 0x228)), "console=ttyS0");
  const initrd = memory.u32(zero + 0x218);
  assert.is(initrd, 8 * MIB - 8192);
  assert.is(memory.u32(zero + 0x21c), 5000);
  assert.is(memory.bytes[initrd + 4999], 7);
  assert.is(memory.u32(entry.gdtBase + 0x14), 0x00cf9b00);
  assert.is(memory.u32(entry.gdtBase + 0x1c), 0x00cf9300);
});

test("a seed for random numbers is the one setup_data node, for kernels that know of any", () => {
  const memory = new FakeMemory(8 * MIB);
  const { esi } = loadLinux(image(), memory);
  const node = memory.u32(esi + 0x250);
  assert.equal([memory.u32(node), memory.u32(node + 8), memory.u32(node + 12)], [0, 9, 32]);
  const old = loadLinux(image(v => v.setUint16(0x206, 0x208, true)), memory);
  assert.is(memory.u32(old.esi + 0x250), 0);
});

test("E820 lists RAM to the end of memory", () => {
  const memory = new FakeMemory(8 * MIB);
  const { esi } = loadLinux(image(), memory);
  const count = memory.bytes[esi + 0x1e8]!;
  const entries = Array.from({ length: count }, (_, i) => [memory.u32(esi + 0x2d0 + i * 20), memory.u32(esi + 0x2d8 + i * 20), memory.u32(esi + 0x2e0 + i * 20)]);
  assert.equal(entries[0], [0, 0x9fc00, 1]);
  assert.equal(entries.at(-1), [MIB, 7 * MIB, 1]);
});

test("what cannot be booted is said in one line", () => {
  const memory = new FakeMemory(8 * MIB);
  expectUsageError(() => loadLinux(new Uint8Array(100), memory, { name: "k" }), /k is too short/);
  expectUsageError(() => loadLinux(image(v => v.setUint32(0x202, 0)), memory), /no Linux setup header/);
  expectUsageError(() => loadLinux(image(v => v.setUint16(0x206, 0x201, true)), memory), /2\.01/);
  expectUsageError(() => loadLinux(image(v => v.setUint8(0x211, 0)), memory), /zImage/);
  expectUsageError(() => loadLinux(image().subarray(0, 2560), memory), /ends before/);
  expectUsageError(() => loadLinux(image(v => v.setUint32(0x260, 64 * MIB, true)), memory), /needs 65 MiB of memory, the machine has 8/);
  expectUsageError(() => loadLinux(image(), memory, { initrd: new Uint8Array(7 * MIB) }), /does not fit/);
  expectUsageError(() => loadLinux(image(), memory, { commandLine: "x".repeat(3000) }), /3000 bytes/);
});

test("ACPI and MP tables are found by their signatures and add up", () => {
  const memory = new FakeMemory(2 * MIB);
  installTables(memory);
  const sum = (at: number, length: number): number => memory.bytes.subarray(at, at + length).reduce((total, byte) => total + byte & 0xff, 0);
  const find = (text: string, from: number): number => {
    for (let at = from; at < MIB; at += 16) if (Buffer.from(memory.bytes.subarray(at, at + text.length)).toString("latin1") === text) return at;
    return -1;
  };
  const rsdp = find("RSD PTR ", 0xe0000);
  assert.is(sum(rsdp, 20), 0);
  const rsdt = memory.u32(rsdp + 16);
  assert.is(sum(rsdt, memory.u32(rsdt + 4)), 0);
  const tables = [0, 1].map(i => memory.u32(rsdt + 36 + i * 4));
  const names = tables.map(at => Buffer.from(memory.bytes.subarray(at, at + 4)).toString());
  assert.equal(names, ["FACP", "APIC"]);
  for (const at of [...tables, memory.u32(tables[0]! + 40)]) assert.is(sum(at, memory.u32(at + 4)), 0);
  const mp = find("_MP_", 0xf0000);
  assert.is(sum(mp, 16), 0);
  const table = memory.u32(mp + 4);
  assert.is(sum(table, memory.u32(table + 4) & 0xffff), 0);
});

test.run();
