import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findMultibootHeader, loadMultiboot } from "../../hypervisor/loader/multiboot.js";
import { FakeMemory } from "../devices/fake.js";
import { buildElf, join, words } from "./build-elf.js";
import { expectUsageError } from "./expect-usage-error.js";

const test = suite("multiboot");
const MAGIC = 0x1badb002;
const MIB = 1 << 20;

function header(flags: number, ...addresses: number[]): Uint8Array {
  return words(MAGIC, flags, -(MAGIC + flags) >>> 0, ...addresses);
}

/** A higher-half kernel: linked at C0100000, loaded at 1 MiB. */
const kernel = buildElf({
  entry: 0xc0100010,
  segments: [{ vaddr: 0xc0100000, paddr: 0x100000, data: join(header(3), words(0x11111111)), memSize: 0x3000 }],
});

/** The information structure as its specification lays it out (section 3.3). */
function information(memory: FakeMemory, ebx: number) {
  const u32 = (offset: number): number => memory.u32(ebx + offset);
  const modules = Array.from({ length: u32(20) }, (_, i) => {
    const at = u32(24) + 16 * i;
    return { start: memory.u32(at), end: memory.u32(at + 4), text: memory.text(memory.u32(at + 8)) };
  });
  const map: number[][] = [];
  for (let at = u32(48); at < u32(48) + u32(44); at += memory.u32(at) + 4) map.push([memory.u32(at + 4), memory.u32(at + 12), memory.u32(at + 20)]);
  return { flags: u32(0), lower: u32(4), upper: u32(8), commandLine: memory.text(u32(16)), modules, map, loader: memory.text(u32(64)) };
}

test("3.1: the header is found on any multiple of 4 in the first 8192 bytes, wholly inside them", () => {
  for (const [offset, found] of [[0, true], [4, true], [8192 - 12, true], [8192 - 8, false], [8192, false], [2, false]] as const) {
    const bytes = new Uint8Array(16384);
    bytes.set(header(3), offset);
    assert.is(findMultibootHeader(bytes)?.offset, found ? offset : undefined, `at ${offset}`);
  }
});

test("3.1.1: magic, flags and checksum add up to 0; a false one is passed over", () => {
  const bytes = join(words(MAGIC, 3, 5), header(1));
  assert.is(findMultibootHeader(bytes)?.offset, 12);
  assert.is(findMultibootHeader(words(MAGIC, 3)), undefined);
});

test("3.2: EAX is 2BADB002, EBX the information; the entry is where its segment was loaded", () => {
  const memory = new FakeMemory(4 * MIB);
  memory.bytes.fill(0xcc, 0x100000, 0x104000);
  const start = loadMultiboot(kernel, memory);
  assert.is(start.entry, 0x100010);
  assert.is(start.eax, 0x2badb002);
  assert.is(memory.u32(0x10000c), 0x11111111);
  assert.equal([memory.bytes[0x100010], memory.bytes[0x102fff], memory.bytes[0x103000]], [0, 0, 0xcc], "bss is zero, no further");
});

test("an entry that is a physical address already is taken as it is", () => {
  const segments = [{ vaddr: 0xc0100000, paddr: 0x100000, data: header(3) }];
  assert.is(loadMultiboot(buildElf({ entry: 0x100004, segments }), new FakeMemory(4 * MIB)).entry, 0x100004);
});

test("3.3: memory sizes, command line, modules, memory map, loader name", () => {
  const memory = new FakeMemory(8 * MIB);
  const { ebx } = loadMultiboot(kernel, memory, {
    commandLine: "run=syscall x=1", modules: [{ bytes: words(0xabcd), commandLine: "initrd" }, { bytes: new Uint8Array(5000) }],
  });
  const mbi = information(memory, ebx);
  assert.is(mbi.flags, 0x24d);
  assert.equal([mbi.lower, mbi.upper], [639, 7 * 1024]);
  assert.is(mbi.commandLine, "run=syscall x=1");
  assert.is(mbi.loader, "trivisor");
  assert.equal(mbi.modules, [{ start: 0x103000, end: 0x103004, text: "initrd" }, { start: 0x104000, end: 0x104000 + 5000, text: "" }]);
  assert.is(memory.u32(0x103000), 0xabcd);
  assert.equal(mbi.map, [[0, 0x9fc00, 1], [0x9fc00, 0x400, 2], [0xf0000, 0x10000, 2], [0x100000, 7 * MIB, 1]]);
});

test("the information avoids an image in low memory", () => {
  const low = buildElf({ entry: 0x1000, segments: [{ vaddr: 0x1000, data: header(0), memSize: 0x9f000 }] });
  const { ebx } = loadMultiboot(low, new FakeMemory(2 * MIB));
  assert.is(ebx, 0x100000);
});

test("3.1.2: address fields say what goes where, for a file of any format", () => {
  const bytes = join(new Uint8Array(8), header(0x10003, 0x200008, 0x200000, 0x200030, 0x200100, 0x200028), words(7, 8, 9, 10));
  const memory = new FakeMemory(4 * MIB);
  memory.bytes.fill(0xcc, 0x200000, 0x200200);
  assert.is(loadMultiboot(bytes, memory).entry, 0x200028);
  assert.equal([memory.u32(0x200008), memory.u32(0x200028), memory.u32(0x20002c), memory.u32(0x200030)], [MAGIC, 7, 8, 0]);
  assert.equal([memory.bytes[0x2000ff], memory.bytes[0x200100]], [0, 0xcc]);
});

test("3.1.2: load end 0 is the end of the file, bss end 0 is no bss", () => {
  const bytes = join(header(0x10000, 0x200000, 0x200000, 0, 0, 0x200020), words(5));
  const memory = new FakeMemory(4 * MIB);
  loadMultiboot(bytes, memory);
  assert.is(memory.u32(0x200020), 5);
});

test("impossible address fields are refused", () => {
  const load = (...fields: number[]): void => { loadMultiboot(join(header(0x10000, ...fields), words(1, 2)), new FakeMemory(4 * MIB)); };
  expectUsageError(() => load(0x200000, 0x200004, 0, 0, 0x200010), /impossible/);
  expectUsageError(() => load(0x200004, 0x200000, 0, 0, 0x200010), /impossible/);
  expectUsageError(() => load(0x200000, 0x200000, 0x200fff, 0, 0x200010), /truncated/);
  expectUsageError(() => load(0x200000, 0x200000, 0, 0x200004, 0x200010), /bss end/);
  expectUsageError(() => load(0x200000, 0x200000, 0, 0, 0x200400), /entry/);
  expectUsageError(() => load(0x200000, 0x200000, 0, 0xfffff000, 0x200010), /needs memory up to/);
});

test("an image or a module larger than memory is refused, and nothing is written past the end", () => {
  expectUsageError(() => loadMultiboot(kernel, new FakeMemory(MIB), { name: "big.elf" }), /^big\.elf needs memory up to 0x103000 but there are 1 MiB/);
  expectUsageError(() => loadMultiboot(kernel, new FakeMemory(2 * MIB), { modules: [{ bytes: new Uint8Array(MIB) }] }), /module 0 \(1048576 bytes\)/);
});

test("bits 0-15 of the flags are requirements: an unknown one is refused, video is not", () => {
  const image = (flags: number): Uint8Array => buildElf({ segments: [{ data: header(flags) }] });
  expectUsageError(() => loadMultiboot(image(0x20), new FakeMemory(2 * MIB)), /unknown Multiboot features 0x20/);
  assert.is(loadMultiboot(image(0x7), new FakeMemory(2 * MIB)).entry, 0x100000);
});

test("no header, no ELF, an entry outside: one line each", () => {
  expectUsageError(() => loadMultiboot(new Uint8Array(100), new FakeMemory(MIB)), /no Multiboot header/);
  expectUsageError(() => loadMultiboot(header(0), new FakeMemory(MIB)), /gives no addresses/);
  expectUsageError(() => loadMultiboot(buildElf({ entry: 5, segments: [{ data: header(0) }] }), new FakeMemory(2 * MIB)), /entry point outside/);
});

test("a kernel cut at any length is refused", () => {
  for (let length = 0; length < kernel.length; length++) {
    expectUsageError(() => loadMultiboot(kernel.subarray(0, length), new FakeMemory(4 * MIB)), /./);
  }
});

test.run();
