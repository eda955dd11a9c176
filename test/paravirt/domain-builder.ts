import * as assert from "uvu/assert";
import { suite } from "uvu";
import * as S from "../../hypervisor/cpu-state.js";
import { UsageError } from "../../hypervisor/errors.js";
import { createMachine } from "../../hypervisor/machine.js";
import { hypercallPage } from "../../paravirt/domain-builder.js";
import { createParavirt, paravirtMonitorBytes, permutedFrames } from "../../paravirt/index.js";
import { BASE, PAGE, PROFILE, rig, xenElf } from "./rig.js";

/** What a domain finds when it starts, and images that cannot start. */
const name = suite("paravirt domain builder");

/** Builds a domain of `mib` MB from the test kernel, changed as told. */
function build(mib: number, more: Parameters<typeof xenElf>[2], options: { initrd?: Uint8Array; commandLine?: string } = {}): ReturnType<typeof createParavirt> {
  const bytes = mib << 20;
  return createParavirt(createMachine(PROFILE, bytes, paravirtMonitorBytes(bytes)), { image: xenElf([0xf4], true, more), imageName: "k.elf", ...options });
}
const refuses = (mib: number, more: Parameters<typeof xenElf>[2], why: RegExp, initrd?: Uint8Array): void =>
  assert.throws(() => build(mib, more, initrd === undefined ? {} : { initrd }), (e: unknown) => e instanceof UsageError && why.test(e.message) && !e.message.includes("\n"));

name("the elements follow the kernel in the documented order, mapped and counted", () => {
  const r = rig({ mib: 16 });
  const info = r.machine.cpu.i32[S.ESI] >>> 0;
  const [ptBase, tables, list] = [60, 64, 68].map((at) => r.read(info + at));
  const end = BASE + 18 * PAGE;
  assert.is(list, end, "the frame list is first, without a RAM disk");
  assert.is(info, list + Math.ceil(r.d.totPages * 4 / PAGE) * PAGE);
  assert.is(ptBase, info + 3 * PAGE, "behind store and console");
  assert.is(r.machine.cpu.esp >>> 0, ptBase + (tables + 1) * PAGE, "the stack is last");
  assert.is(r.mfnAt(ptBase), r.d.baseMfn);
  assert.throws(() => r.write(ptBase, 0), /trap 14/);
  const top = (r.machine.cpu.esp >>> 0) + (512 << 10) - PAGE;
  r.write(top - top % PAGE, 0);
  for (let pfn = 0; pfn < r.d.totPages; pfn += 97) assert.is(r.read(list + pfn * 4), r.mfn(pfn));
});

name("a RAM disk and the command line arrive", () => {
  const disk = new Uint8Array(5000).fill(0x11), pv = build(8, {}, { initrd: disk, commandLine: "a=b ".repeat(400) });
  const { cpu } = pv.domain, info = cpu.i32[S.ESI] >>> 0;
  const read = (va: number): number => cpu.mmu.readAs(va, 4, false);
  assert.equal([read(info + 72), read(info + 76)], [BASE + 18 * PAGE, 5000]);
  assert.is(read(read(info + 72) + 4996), 0x11111111);
  assert.is(cpu.mmu.readAs(info + 80 + 1023, 1, false), 0, "cut to 1,023 bytes");
  assert.equal(pv.audit(), []);
});

name("the hypercall page is made of stubs of 32 bytes", () => {
  const page = hypercallPage();
  assert.equal([...page.subarray(0, 9)], [0xb8, 0, 0, 0, 0, 0xcd, 0x82, 0xc3, 0]);
  assert.equal([...page.subarray(29 * 32, 29 * 32 + 8)], [0xb8, 29, 0, 0, 0, 0xcd, 0x82, 0xc3]);
  assert.equal([...page.subarray(23 * 32, 23 * 32 + 8)], [0x50, 0xb8, 23, 0, 0, 0, 0xcd, 0x82]);
});

name("frames are permuted, the same way each time", () => {
  const usable = Array.from({ length: 1000 }, (_, i) => i + 1);
  const a = permutedFrames(usable);
  assert.equal(a, permutedFrames(usable));
  assert.is(new Set(a).size, 1000);
  assert.ok(a.filter((mfn, pfn) => mfn === pfn).length < 20);
});

name("images that do not fit are refused in one line", () => {
  refuses(1, { virtEnd: BASE + (4 << 20) }, /k\.elf needs \d+ pages/);
  refuses(8, {}, /k\.elf needs/, new Uint8Array(9 << 20));
  refuses(8, { virtBase: 0xf5000000, virtStart: 0xf5000000, virtEnd: 0xf5780000, entry: 0xf5001000, hypercallPage: undefined }, /Xen's part/);
  refuses(8, { hvStartLow: 0xf8000000 }, /address space/);
  refuses(8, { requiredFeatures: 1 << 3 }, /requires Xen features/);
});

name("the store knows the domain and its disks", () => {
  const r = rig();
  assert.is(r.pv.dom0.store.read(1, "/local/domain/1/memory/target"), `${r.d.totPages * 4}`);
  assert.equal(r.pv.dom0.store.directory(1, "/local/domain/1/device"), []);
});

name.run();
