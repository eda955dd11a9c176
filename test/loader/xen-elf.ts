import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseXenElf, XEN_ELFNOTE } from "../../hypervisor/loader/xen-elf.js";
import { buildElf, join, note, words } from "./build-elf.js";
import { expectUsageError } from "./expect-usage-error.js";

const test = suite("xen elf");
type Claim = readonly [type: number, desc: string | number | Uint8Array];
const N = XEN_ELFNOTE;
const base: readonly Claim[] = [
  [N.GUEST_OS, "trivisor"], [N.GUEST_VERSION, "1"], [N.XEN_VERSION, "xen-3.0"], [N.LOADER, "generic"],
  [N.VIRT_BASE, 0xc0000000], [N.ENTRY, 0xc0100000], [N.HYPERCALL_PAGE, 0xc0101000], [N.PAE_MODE, "yes"],
  [N.FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|something_new"],
];

/** A kernel linked at C0000000 with its p_paddr low, and the notes in a segment or in a section. */
function kernel(claims: readonly Claim[], where: "segment" | "section" = "segment"): Uint8Array {
  const data = join(...claims.map(([type, desc]) => note("Xen", type, desc)));
  return buildElf({
    entry: 0xc0100020,
    segments: [
      { vaddr: 0xc0100000, paddr: 0x100000, data: words(1, 2), memSize: 0x4000 },
      ...(where === "segment" ? [{ type: 4, data }] : []),
    ],
    sections: where === "section" ? [{ name: ".note.Xen", type: 7, data }] : [],
  });
}

function without(type: number, ...extra: Claim[]): Claim[] {
  return [...base.filter((claim) => claim[0] !== type), ...extra];
}

test("elfnote.h: every claim of the notes is in the record", () => {
  const xen = parseXenElf(kernel(base));
  assert.equal([xen.source, xen.guestOs, xen.guestVersion, xen.xenVersion, xen.loader], ["notes", "trivisor", "1", "xen-3.0", "generic"]);
  assert.equal([xen.virtBase, xen.entry, xen.hypercallPage, xen.paddrOffset], [0xc0000000, 0xc0100000, 0xc0101000, 0]);
  assert.equal([xen.virtStart, xen.virtEnd], [0xc0100000, 0xc0104000]);
  assert.equal(xen.segments.map((s) => s.pseudoPhysical), [0x100000]);
  assert.is(xen.pae, "extended-cr3");
  assert.equal([xen.supportedFeatures, xen.requiredFeatures], [0b10001, 0b00001]);
});

test("elfnote.h: notes in a SHT_NOTE section serve where no segment has them", () => {
  assert.equal(parseXenElf(kernel(base, "section")).entry, 0xc0100000);
});

test("elfnote.h: PAE_MODE is yes, no or bimodal; absent is no", () => {
  for (const [text, mode] of [["yes", "extended-cr3"], ["no", "no"], ["yes,bimodal", "bimodal"]] as const) {
    assert.is(parseXenElf(kernel(without(N.PAE_MODE, [N.PAE_MODE, text]))).pae, mode);
  }
  assert.is(parseXenElf(kernel(without(N.PAE_MODE))).pae, "no");
});

test("elfnote.h: numbers are 4 or 8 bytes", () => {
  assert.is(parseXenElf(kernel(without(N.ENTRY, [N.ENTRY, words(0xc0100004, 0)]))).entry, 0xc0100004);
  expectUsageError(() => parseXenElf(kernel(without(N.ENTRY, [N.ENTRY, new Uint8Array(2)]))), /note 1 of 2 bytes/);
});

test("elfnote.h defaults: VIRT_BASE 0, the entry of the ELF header, no hypercall page", () => {
  const flat = buildElf({
    entry: 0x100004,
    segments: [{ data: words(1, 2) }, { type: 4, data: join(note("Xen", N.XEN_VERSION, "xen-3.0"), note("Xen", N.LOADER, "generic")) }],
  });
  const xen = parseXenElf(flat);
  assert.equal([xen.virtBase, xen.entry, xen.hypercallPage, xen.hvStartLow, xen.initP2m], [0, 0x100004, undefined, undefined, undefined]);
});

test("elfnote.h: HV_START_LOW, INIT_P2M, MOD_START_PFN, SUSPEND_CANCEL, L1_MFN_VALID, BSD_SYMTAB, SUPPORTED_FEATURES", () => {
  const xen = parseXenElf(kernel([...base, [N.HV_START_LOW, 0xf5800000], [N.INIT_P2M, 0xd0000000], [N.MOD_START_PFN, 1],
    [N.SUSPEND_CANCEL, 1], [N.L1_MFN_VALID, words(1, 0, 1, 0)], [N.BSD_SYMTAB, "yes"], [N.SUPPORTED_FEATURES, 1 << 11]]));
  assert.equal([xen.hvStartLow, xen.initP2m, xen.modStartPfn, xen.suspendCancel, xen.bsdSymtab], [0xf5800000, 0xd0000000, true, true, true]);
  assert.equal(xen.l1MfnValid, [{ mask: 1, value: 1 }]);
  assert.is(xen.supportedFeatures & (1 << 11), 1 << 11);
});

test("elfnote.h: PADDR_OFFSET is taken off p_paddr", () => {
  const data = join(...[...base, [N.PADDR_OFFSET, 0xc0000000] as Claim].map(([type, desc]) => note("Xen", type, desc)));
  const xen = parseXenElf(buildElf({
    segments: [{ vaddr: 0xc0100000, paddr: 0xc0100000, data: words(1), memSize: 0x4000 }, { type: 4, data }],
  }));
  assert.is(xen.segments[0]!.pseudoPhysical, 0x100000);
});

/** An older kernel: p_paddr holds virtual addresses, the claims are one string. */
function oldKernel(text: string): Uint8Array {
  return buildElf({
    entry: 0xc0100000,
    segments: [{ vaddr: 0xc0100000, paddr: 0xc0100000, data: words(1, 2), memSize: 0x4000 }],
    sections: [{ name: "__xen_guest", type: 1, data: Buffer.from(`${text}\0`) }],
  });
}

test("__xen_guest: names and values, HYPERCALL_PAGE as a frame from VIRT_BASE, ELF_PADDR_OFFSET defaults to VIRT_BASE", () => {
  const xen = parseXenElf(oldKernel("GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,HYPERCALL_PAGE=0x101,PAE=yes,LOADER=generic,BSD_SYMTAB"));
  assert.equal([xen.source, xen.guestOs, xen.guestVersion, xen.pae, xen.bsdSymtab], ["guest-section", "linux", "2.6", "yes", true]);
  assert.equal([xen.virtBase, xen.paddrOffset, xen.hypercallPage, xen.entry], [0xc0000000, 0xc0000000, 0xc0101000, 0xc0100000]);
  assert.is(xen.segments[0]!.pseudoPhysical, 0x100000);
});

test("__xen_guest: numbers are C numbers, extended CR3 and features as in the notes", () => {
  const text = "XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=030000000000,VIRT_ENTRY=3222274048,PAE=yes[extended-cr3],FEATURES=!writable_page_tables|dom0";
  const xen = parseXenElf(oldKernel(text));
  assert.equal([xen.virtBase, xen.entry, xen.pae], [0xc0000000, 3222274048, "extended-cr3"]);
  assert.equal([xen.supportedFeatures, xen.requiredFeatures], [0x801, 0x001]);
  expectUsageError(() => parseXenElf(oldKernel("XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=x")), /VIRT_BASE="x"/);
});

const refusals: [string, Claim[], RegExp][] = [
  ["another loader", without(N.LOADER), /loader/],
  ["another Xen", without(N.XEN_VERSION, [N.XEN_VERSION, "xen-2.0"]), /xen-2\.0/],
  ["an unknown required feature", without(N.FEATURES, [N.FEATURES, "!warp_drive"]), /warp_drive/],
  ["PADDR_OFFSET without VIRT_BASE", without(N.VIRT_BASE, [N.PADDR_OFFSET, 4]), /without a VIRT_BASE/],
  ["an entry outside", without(N.ENTRY, [N.ENTRY, 0xc0104000]), /entry point outside/],
  ["a hypercall page outside", without(N.HYPERCALL_PAGE, [N.HYPERCALL_PAGE, 0xd0000000]), /hypercall page/],
  ["a hypercall page between pages", without(N.HYPERCALL_PAGE, [N.HYPERCALL_PAGE, 0xc0101004]), /hypercall page/],
  ["a P2M list inside the kernel", [...base, [N.INIT_P2M, 0xc0102000]], /P2M/],
  ["a base that does not fit", without(N.VIRT_BASE, [N.VIRT_BASE, 0xfff00000]), /VIRT_BASE/],
];
for (const [what, claims, message] of refusals) {
  test(`${what} is refused`, () => expectUsageError(() => parseXenElf(kernel(claims), "vm"), message));
}

test("an ELF file without Xen's notes is no Xen kernel", () => {
  expectUsageError(() => parseXenElf(buildElf({ segments: [{ data: words(1) }] })), /neither Xen notes nor/);
});

test("a kernel cut at any length is refused", () => {
  const good = kernel(base, "section");
  for (let length = 0; length < good.length; length++) expectUsageError(() => parseXenElf(good.subarray(0, length)), /./);
});

test.run();
