/** A PC starts from its disks: the boot sector of guest/boot loads a file through INT 13h and shows it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createVm, type Mode, UsageError } from "../../index.js";
import { bootableIso } from "./bootable-iso.js";
import { fatDisk } from "./fat-disk.js";

const bootSector = readFileSync(new URL("../../../guest/boot/boot.bin", import.meta.url));
const LINES = Array.from({ length: 60 }, (_, i) => `line ${i}: what a sector holds is read in order\n`).join("");
const files = { "OTHER.BIN": new Uint8Array(700), "HELLO.TXT": new TextEncoder().encode(LINES) };

/** Boots; gives what came on COM1 and what stands on the screen. */
function boot(image: Uint8Array, mode: Mode = "native"): { serial: string; screen: string } {
  const bytes: number[] = [];
  const vm = createVm({ image, mode, memory: 8 }, { serialByte: (byte) => bytes.push(byte) });
  assert.equal(vm.run({ instructions: 5e6 }), { reason: "exit", code: 0 });
  return { serial: Buffer.from(bytes).toString(), screen: vm.screenText() ?? "" };
}

for (const mode of ["native", "hvm"] as const) {
  for (const [what, sectors, sectorsPerCluster] of [["diskette", 2880, 1], ["hard disk", 20480, 8]] as const) {
    test(`${mode}: a file on a FAT ${what} is loaded and printed on screen and serial`, () => {
      const { serial, screen } = boot(fatDisk({ sectors, sectorsPerCluster, bootSector, files, fragmented: true }), mode);
      assert.is(serial, LINES.replaceAll("\n", "\r\n"));
      assert.is(screen, `${LINES.split("\n").slice(36, 60).join("\n")}\n\n`);
    });
  }
}

test("a boot sector says what it misses", () => {
  assert.is(boot(fatDisk({ sectors: 2880, bootSector, files: {} })).serial, "No HELLO.TXT\r\n");
});

test("a CD boots by El Torito, from drive 0xe0, and reads its sectors by number", () => {
  // mov ah,42h; mov si,packet; int 13h; jc $; mov al,[8800h]; add al,dl; out 0f4h,al; packet: one sector, 22, to 0000:8800
  const code = [0xb4, 0x42, 0xbe, 0x12, 0x7c, 0xcd, 0x13, 0x72, 0xfe, 0xa0, 0x00, 0x88, 0x00, 0xd0, 0xe6, 0xf4, 0xeb, 0xfe,
    0x10, 0, 1, 0, 0x00, 0x88, 0, 0, 22, 0, 0, 0, 0, 0, 0, 0];
  const iso = bootableIso(Uint8Array.from(code));
  iso[22 * 2048] = 0x11;
  assert.equal(createVm({ image: iso, memory: 8 }).run({ instructions: 1e6 }), { reason: "exit", code: 0xf1 });
});

test("a CD's diskette image is drive 0", () => {
  const { serial } = boot(bootableIso(fatDisk({ sectors: 2880, bootSector, files, fragmented: true }), 2));
  assert.is(serial, LINES.replaceAll("\n", "\r\n"));
});

test("a CD's hard disk image is drive 0x80 until its program ends that; the disk there is drive 0x81 and then 0x80", () => {
  // mov ax,4B01h; mov dl,80h; mov si,7E00h; int 13h; mov ax,4B00h; mov dl,7Fh; int 13h; reads sector 0 of drive 80h to 8000h; its first byte, plus the packet's kind
  const code = [0xb8, 0x01, 0x4b, 0xb2, 0x80, 0xbe, 0x00, 0x7e, 0xcd, 0x13, 0x72, 0xfe, 0xb8, 0x00, 0x4b, 0xb2, 0x7f, 0xbe, 0x20, 0x7e, 0xcd, 0x13,
    0xb8, 0x01, 0x02, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00, 0xbb, 0x00, 0x80, 0xcd, 0x13, 0xa0, 0x00, 0x80, 0x02, 0x06, 0x01, 0x7e, 0xe6, 0xf4, 0xeb, 0xfe];
  const image = new Uint8Array(64 * 512), view = new DataView(image.buffer);
  image.set(code);
  image.set([0x80, 0, 1, 0, 6, 1, 8, 0], 0x1be); // one partition that ends at head 1, sector 8
  view.setUint32(0x1be + 8, 8, true);
  view.setUint32(0x1be + 12, 56, true);
  image.set([0x55, 0xaa], 510);
  const disk = new Uint8Array(1 << 20).fill(0x30, 0, 1);
  assert.equal(createVm({ image: bootableIso(image, 4), disks: [disk], memory: 8 }).run({ instructions: 1e6 }), { reason: "exit", code: 0x34 });
});

test("the mouse's interrupt calls the program's handler with status, X and Y", () => {
  // mov ax,0C207h; mov bx,handler; int 15h; jc $; mov ax,0C200h; mov bh,1; int 15h; jc $; sti
  const install = [0xb8, 0x07, 0xc2, 0xbb, 0x2e, 0x7c, 0xcd, 0x15, 0x72, 0xfe, 0xb8, 0x00, 0xc2, 0xb7, 0x01, 0xcd, 0x15, 0x72, 0xfe, 0xfb];
  // mov al,0D3h; out 64h,al; mov al,byte; out 60h,al: as if the mouse had sent it
  const bytes = [0x09, 0x05, 0xfb].flatMap((byte) => [0xb0, 0xd3, 0xe6, 0x64, 0xb0, byte, 0xe6, 0x60]);
  // handler: mov bp,sp; mov al,[bp+10]; add al,[bp+8]; sub al,[bp+6]; out 0F4h,al; retf
  const handler = [0x89, 0xe5, 0x8a, 0x46, 0x0a, 0x02, 0x46, 0x08, 0x2a, 0x46, 0x06, 0xe6, 0xf4, 0xcb];
  const image = new Uint8Array(512);
  image.set([...install, ...bytes, 0xeb, 0xfe, ...handler]);
  image.set([0x55, 0xaa], 510);
  for (const mode of ["native", "hvm"] as const) {
    assert.equal(createVm({ image, mode, memory: 8 }).run({ instructions: 1e6 }), { reason: "exit", code: 0x09 + 0x05 - 0xfb & 0xff }, mode);
  }
});

test("a jump to the reset vector resets all of the machine", () => {
  // CMOS 40h counts; the second time: exit with it; else jmp F000:FFF0
  const code = [0xb0, 0x40, 0xe6, 0x70, 0xe4, 0x71, 0xfe, 0xc0, 0xe6, 0x71, 0x3c, 0x02, 0x75, 0x02, 0xe6, 0xf4, 0xea, 0xf0, 0xff, 0x00, 0xf0];
  const image = new Uint8Array(1 << 20);
  image.set(code);
  image.set([0x55, 0xaa], 510);
  const vm = createVm({ image, memory: 8 });
  assert.equal(vm.run({ instructions: 1e6 }), { reason: "exit", code: 2 });
  assert.is(vm.stats().events["machine.reset"], 1);
  assert.equal(createVm({ image, memory: 8, noReboot: true }).run({ instructions: 1e6 }), { reason: "reset" });
});

test("a reset with shutdown code 0Ah in the CMOS memory goes on at 0040:0067", () => {
  // 0000:7C30 to 0040:0067; CMOS 0Fh = 0Ah; reset by port 92h; hlt. At 7C30h: exit with 9 and what CMOS 0Fh holds now.
  const code = new Uint8Array(512);
  code.set([0x31, 0xc0, 0x8e, 0xd8, 0xc7, 0x06, 0x67, 0x04, 0x30, 0x7c, 0xc7, 0x06, 0x69, 0x04, 0x00, 0x00,
    0xb0, 0x0f, 0xe6, 0x70, 0xb0, 0x0a, 0xe6, 0x71, 0xb0, 0x01, 0xe6, 0x92, 0xf4]);
  code.set([0xb0, 0x0f, 0xe6, 0x70, 0xe4, 0x71, 0x04, 0x09, 0xe6, 0xf4], 0x30);
  code.set([0x55, 0xaa], 510);
  const disk = new Uint8Array(1 << 20);
  disk.set(code);
  assert.equal(createVm({ image: disk, memory: 8 }).run({ instructions: 1e6 }), { reason: "exit", code: 9 });
});

test("nothing that boots: the screen says so and the machine halts", () => {
  const vm = createVm({ image: bootableIso(new Uint8Array()).fill(0, 19 * 2048, 20 * 2048), memory: 8 });
  assert.equal(vm.run({ instructions: 1e7 }), { reason: "idle" });
  assert.match(vm.screenText() ?? "", /No medium that boots/);
});

test("a BIOS of the user's starts at its reset vector", () => {
  const bios = new Uint8Array(0x1_0000);
  bios.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0); // jmp f000:0000
  bios.set([0xb0, 0x2a, 0xe6, 0xf4, 0xeb, 0xfe]); // mov al,42; out 0f4h,al
  for (const mode of ["native", "hvm"] as const) {
    assert.equal(createVm({ image: new Uint8Array(512), bios, mode, memory: 8 }).run({ instructions: 1e6 }), { reason: "exit", code: 42 });
  }
  assert.throws(() => createVm({ image: new Uint8Array(512), bios: new Uint8Array(100), memory: 8 }), /multiple of 64 KiB/);
});

test("the committed boot sector is what its source says", () => {
  const source = fileURLToPath(new URL("../../../guest/boot/boot.asm", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "trivisor-"));
  try {
    const built = join(folder, "boot.bin");
    const { status, error } = spawnSync("nasm", ["-f", "bin", source, "-o", built]);
    if (error) return; // no assembler here: nothing to compare with
    assert.is(status, 0);
    assert.ok(readFileSync(built).equals(bootSector), "guest/boot/boot.bin is not built from boot.asm: nasm -f bin boot.asm -o boot.bin");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("boot sectors of random bytes, among them calls of every service, never throw", () => {
  let state = 2003;
  const random = (): number => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) >>> 8;
  for (let i = 0; i < 60; i++) {
    const image = new Uint8Array(1440 << 10).fill(0);
    for (let at = 0; at < 510; at++) image[at] = random();
    for (let at = random() % 8; at < 500; at += 5 + random() % 12) image.set([0xb4, random(), 0xcd, [0x10, 0x13, 0x15, 0x16, 0x1a][random() % 5]!], at);
    image.set([0x55, 0xaa], 510);
    createVm({ image, mode: i % 2 === 0 ? "native" : "hvm", memory: 4 }).run({ instructions: 3000 });
  }
});

test("modes without real mode say so in one line", () => {
  const image = fatDisk({ sectors: 2880, bootSector, files });
  for (const options of [{ mode: "dbt" }, { mode: "classic" }, { mode: "paravirt" }, { mode: "hvm", mmu: "shadow" }] as const) {
    assert.throws(() => createVm({ image, memory: 8, ...options }), (error: Error) => error instanceof UsageError && /real mode/.test(error.message));
  }
});

test("a run from disk repeats to the cycle", () => {
  const run = (): unknown => {
    const vm = createVm({ image: fatDisk({ sectors: 2880, bootSector, files }), memory: 8 });
    vm.run({ instructions: 5e6 });
    return vm.stats();
  };
  assert.equal(run(), run());
});

test.run();
