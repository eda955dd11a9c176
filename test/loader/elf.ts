import { suite } from "uvu";
import * as assert from "uvu/assert";
import { elfSection, parseElf } from "../../hypervisor/loader/elf.js";
import { buildElf, EHDR, join, note, PHDR, spoil, words } from "./build-elf.js";
import { expectUsageError } from "./expect-usage-error.js";

const test = suite("elf");
const notes = join(note("Xen", 5, "xen-3.0"), note("GNU", 1, 3));
const good = buildElf({
  entry: 0x100004,
  segments: [
    { vaddr: 0xc0100000, paddr: 0x100000, data: words(1, 2, 3), memSize: 0x2000, flags: 5 },
    { vaddr: 0xc0200000, paddr: 0x200000, data: new Uint8Array(0), memSize: 16 },
    { type: 4, vaddr: 0, data: notes },
  ],
  sections: [{ name: ".data", type: 1, addr: 0xc0100000, data: words(9) }, { name: ".note.x", type: 7, data: notes }],
});

test("TIS ELF 1.2: entry, segments with file and memory size, sections by name", () => {
  const elf = parseElf(good);
  assert.is(elf.entry, 0x100004);
  assert.equal(elf.segments.map((s) => [s.vaddr, s.paddr, s.memSize, s.flags, s.data.length]),
    [[0xc0100000, 0x100000, 0x2000, 5, 12], [0xc0200000, 0x200000, 16, 7, 0]]);
  assert.equal(elf.sections.map((s) => s.name), [".data", ".note.x", ".shstrtab"]);
  assert.equal(elfSection(elf, ".data")!.data, words(9));
  assert.is(elfSection(elf, ".bss"), undefined);
});

test("TIS ELF 1.2 notes: owner, type and descriptor, from segments and from sections", () => {
  const elf = parseElf(good);
  for (const list of [elf.segmentNotes, elf.sectionNotes]) {
    assert.equal(list.map((n) => [n.name, n.type, n.desc.length]), [["Xen", 5, 8], ["GNU", 1, 4]]);
  }
});

test("a file cut at any length is refused in one line", () => {
  for (let length = 0; length < good.length; length++) {
    expectUsageError(() => parseElf(good.subarray(0, length), "cut.elf"), /^cut\.elf (is truncated|is not an ELF)/);
  }
});

test("any byte changed: parsed or refused, nothing else", () => {
  let seed = 1;
  for (let i = 0; i < 20_000; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const bytes = spoil(good, (seed >>> 8) % (good.length - 4), i % 3 === 0 ? 0xffffffff : seed, ([1, 2, 4] as const)[i % 3]!);
    try {
      parseElf(bytes);
    } catch (error) {
      if (!(error instanceof Error && error.name === "UsageError")) throw error;
    }
  }
});

const faults: [string, number, number, 1 | 2 | 4, RegExp][] = [
  ["another magic", 0, 0, 1, /not an ELF/],
  ["a 64-bit file", EHDR.class, 2, 1, /64-bit/],
  ["an unknown class", EHDR.class, 9, 1, /class 9/],
  ["a big-endian file", EHDR.data, 2, 1, /little-endian/],
  ["another version", EHDR.version, 0, 1, /version/],
  ["another machine", EHDR.machine, 62, 2, /machine 62, not for the i386/],
  ["a relocatable file", EHDR.type, 1, 2, /not an executable/],
  ["no program headers", EHDR.phnum, 0, 2, /no program headers/],
  ["short program headers", EHDR.phentsize, 16, 2, /program headers of 16/],
  ["program headers outside", EHDR.phoff, 0xfffffff0, 4, /program headers lies outside/],
  ["a segment outside", PHDR.at + PHDR.offset, 0xfffffff0, 4, /segment 0 lies outside/],
  ["a huge file size", PHDR.at + PHDR.fileSize, 0xffffffff, 4, /segment 0 lies outside/],
  ["a segment with more file than memory", PHDR.at + PHDR.memSize, 4, 4, /more bytes in segment 0/],
  ["a segment over 4 GiB", PHDR.at + PHDR.memSize, 0xffffffff, 4, /beyond 4 GiB/],
  ["overlapping segments", PHDR.at + PHDR.memSize, 0x100001, 4, /overlapping segments at 0x200000/],
  ["section headers outside", EHDR.shoff, 0x7fffffff, 4, /section headers lies outside/],
  ["short section headers", EHDR.shentsize, 8, 2, /section headers of 8/],
  ["a bad name table", EHDR.shstrndx, 99, 2, /name table/],
];
for (const [what, at, value, size, message] of faults) {
  test(`${what} is refused`, () => expectUsageError(() => parseElf(spoil(good, at, value, size)), message));
}

test("a note longer than its segment is refused", () => {
  const bad = buildElf({ segments: [{ data: words(1) }, { type: 4, data: words(4, 100, 1, 0x6e6558) }] });
  expectUsageError(() => parseElf(bad), /truncated note in segment 1/);
});

test("a file without sections is whole", () => {
  assert.equal(parseElf(buildElf({ segments: [{ data: words(1) }] })).sections, []);
});

test.run();
