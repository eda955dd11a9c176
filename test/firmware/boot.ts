/** A PC starts from its disks: the boot sector of guest/boot loads a file through INT 13h and shows it. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createVm, type Mode, UsageError } from "../../index.js";
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
