/** openVm makes the machine that createVm makes, with the modules that it loads for it. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { guestImage } from "../../bench/cell.js";
import { createVm, MODES, UsageError, type Vm, type VmOptions } from "../../index.js";
import { loaderAt } from "../../vm/load.js";
import { openVm } from "../../vm/open.js";
import { fatDisk } from "../firmware/fat-disk.js";

const bootSector = readFileSync(new URL("../../../guest/boot/boot.bin", import.meta.url));
const disk = (): Uint8Array => fatDisk({ sectors: 2880, sectorsPerCluster: 1, bootSector, files: { "HELLO.TXT": new TextEncoder().encode("hello") }, fragmented: false });
const append = "workload=syscall n=50";
const MACHINES: Readonly<Record<string, VmOptions>> = {
  ...Object.fromEntries(MODES.map((mode) => [mode, { image: guestImage(mode), mode, append, memory: 16 }])),
  "hvm with Xen's interface": { image: guestImage("hvm"), mode: "hvm", pvDrivers: true, append, memory: 16 },
  "a disk that boots": { image: disk(), memory: 8 },
};

for (const [name, options] of Object.entries(MACHINES)) {
  test(`${name}: the same run, event for event`, async () => {
    const ran = (vm: Vm) => ({ outcome: vm.run({ instructions: 2e6 }), stats: vm.stats(), screen: vm.screenText() });
    assert.equal(ran(await openVm(options)), ran(createVm(options)));
  });
}

test("what the user got wrong is told as createVm tells it", async () => {
  for (const options of [{ image: new Uint8Array(100) }, { image: disk(), mode: "dbt" }, { image: guestImage("native"), mode: "other" }] as VmOptions[]) {
    let told: unknown = undefined;
    try {
      createVm(options);
    } catch (error) {
      told = error;
    }
    assert.instance(told, UsageError);
    assert.equal(await openVm(options).catch((error: unknown) => error), told);
  }
});

test("a module that is loaded is the one that is imported", async () => {
  assert.is((await loaderAt(import.meta.url)<typeof import("../../vm/open.js")>("../../vm/open.js")).openVm, openVm);
});

test.run();
