import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { identifyFile, identifyImage, readImage } from "../../hypervisor/loader/identify.js";
import { buildElf, join, note, words } from "./build-elf.js";
import { expectUsageError } from "./expect-usage-error.js";

const test = suite("identify");
const header = words(0x1badb002, 3, -(0x1badb002 + 3) >>> 0);
const multiboot = buildElf({ segments: [{ data: header }] });
const xen = buildElf({ segments: [{ data: words(1) }, { type: 4, data: note("Xen", 5, "xen-3.0") }] });
const both = buildElf({ segments: [{ data: header }, { type: 4, data: note("Xen", 5, "xen-3.0") }] });
const pvh = buildElf({ segments: [{ data: words(1) }, { type: 4, data: note("Xen", 18, 0x100000) }] });

function sector(...marks: [number, string][]): Uint8Array {
  const bytes = new Uint8Array(0x9000);
  for (const [at, text] of marks) bytes.set(Buffer.from(text, "latin1"), at);
  return bytes;
}

test("ELF: Multiboot header, Xen notes, or both", () => {
  assert.equal(identifyImage(multiboot), { kind: "multiboot", kinds: ["multiboot"] });
  assert.equal(identifyImage(xen), { kind: "xen-pv", kinds: ["xen-pv"] });
  assert.equal(identifyImage(both), { kind: "multiboot", kinds: ["multiboot", "xen-pv"] });
});

test("a flat file with Multiboot address fields is Multiboot", () => {
  const flags = 0x10000;
  const bytes = words(0x1badb002, flags, -(0x1badb002 + flags) >>> 0, 0x100000, 0x100000, 0, 0, 0x100020);
  assert.is(identifyImage(bytes).kind, "multiboot");
});

test("boot.rst: HdrS at 0x202 is a Linux kernel, though it carries a boot signature as well", () => {
  assert.is(identifyImage(sector([0x202, "HdrS"], [510, "\x55\xaa"])).kind, "bzimage");
});

test("a boot signature or an ISO 9660 descriptor is a disk", () => {
  assert.is(identifyImage(sector([510, "\x55\xaa"])).kind, "disk");
  assert.is(identifyImage(sector([0x8001, "CD001"])).kind, "disk");
});

test("everything else is refused in one line", () => {
  expectUsageError(() => identifyImage(new Uint8Array(0), "x"), /^x is empty$/);
  expectUsageError(() => identifyImage(new Uint8Array(512), "x"), /not a kernel or disk image/);
  expectUsageError(() => identifyImage(sector([0, "\x1f\x8b"])), /gzip/);
  expectUsageError(() => identifyImage(pvh), /neither a Multiboot header nor Xen notes/);
});

test("an image cut at any length is identified or refused, nothing else", () => {
  for (const image of [multiboot, xen, both, sector([510, "\x55\xaa"])]) {
    for (let length = 0; length < Math.min(image.length, 600); length++) {
      try {
        identifyImage(image.subarray(0, length));
      } catch (error) {
        if (!(error instanceof Error && error.name === "UsageError")) throw error;
      }
    }
  }
});

test("files: a missing one, a directory and one that may not be read are bad usage", () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "trivisor-"));
  try {
    const file = path.join(dir, "kernel");
    fs.writeFileSync(file, join(multiboot, new Uint8Array(100_000)));
    assert.is(identifyFile(file).kind, "multiboot");
    assert.is(readImage(file).length, multiboot.length + 100_000);
    for (const use of [identifyFile, readImage]) {
      expectUsageError(() => use(path.join(dir, "none")), /none does not exist$/);
      expectUsageError(() => use(path.join(file, "x")), /does not exist$/);
      expectUsageError(() => use(dir), /is a directory$/);
    }
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
});

test.run();
