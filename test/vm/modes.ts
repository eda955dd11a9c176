import { test } from "uvu";
import * as assert from "uvu/assert";
import { guestImage } from "../../bench/cell.js";
import { createVm, type Mode, MODES, UsageError, type Vm, type VmOptions } from "../../index.js";

const BARE_MODES = MODES.filter((mode) => mode !== "paravirt");

function boot(mode: Mode, append = "workload=syscall n=300", more: Partial<VmOptions> = {}): { vm: Vm; lines: string[] } {
  const lines: string[] = [];
  const vm = createVm({ image: guestImage(mode), mode, append, memory: 32, ...more });
  vm.onSerialLine((line) => lines.push(line));
  return { vm, lines };
}

const checksum = (lines: readonly string[]): string | undefined => lines.map((line) => /^syscall \d+ ([0-9a-f]{8})$/.exec(line)?.[1]).find(Boolean);

test("one guest computes the same in every mode and powers off", () => {
  const sums = MODES.map((mode) => {
    const { vm, lines } = boot(mode);
    assert.equal(vm.run({ instructions: 50e6 }), { reason: "exit", code: 0 }, mode);
    return checksum(lines);
  });
  assert.is(new Set(sums).size, 1);
  assert.ok(sums[0]);
});

for (const mode of MODES) {
  test(`${mode}: where a run is cut changes nothing of it`, () => {
    const whole = boot(mode, "workload=forkwait n=4").vm;
    whole.run();
    const cut = boot(mode, "workload=forkwait n=4").vm;
    for (let step = 1; cut.run({ instructions: 1000 + step * 7919 % 50_000 }).reason === "limit"; step++);
    assert.equal(cut.stats(), whole.stats());
  });
}

test("several machines in one process do not touch each other", () => {
  const alone = MODES.map((mode) => {
    const { vm } = boot(mode);
    vm.run();
    return vm.stats();
  });
  const together = MODES.map((mode) => boot(mode).vm);
  for (let running = true; running;) running = together.map((vm) => vm.run({ instructions: 50_000 }).reason).includes("limit");
  assert.equal(together.map((vm) => vm.stats()), alone);
});

test("counts are the same without generated code", () => {
  for (const mode of MODES) {
    const [generated, interpreted] = [true, false].map((jit) => {
      const { vm } = boot(mode, "workload=forkwait n=3", { jit });
      vm.run();
      return vm.stats();
    });
    assert.equal(interpreted, generated, mode);
  }
});

for (const mode of BARE_MODES) {
  test(`${mode}: memory is read by linear and by guest-physical address`, () => {
    const { vm } = boot(mode);
    vm.run({ instructions: 1_000_000 });
    const la = 0xc0100000;
    const linear = vm.read("linear", la, 4096), physical = vm.read("guest-physical", la - 0xc0000000, 4096);
    assert.ok(physical.some((byte) => byte !== 0));
    assert.equal(linear, physical);
  });
}

test("hvm: machine addresses are not guest-physical ones", () => {
  const { vm } = boot("hvm");
  assert.not.equal(vm.read("machine", 0x100000, 4096), vm.read("guest-physical", 0x100000, 4096));
});

test("hvm runs on shadow page tables too", () => {
  const { vm, lines } = boot("hvm", "workload=syscall n=300", { mmu: "shadow" });
  assert.equal(vm.run(), { reason: "exit", code: 0 });
  assert.ok(checksum(lines));
  const { events } = vm.stats();
  assert.ok(events["shadow.fill"]! > 0 && events["ept.walk"] === undefined);
});

test("event families belong to their modes", () => {
  const families = Object.fromEntries(MODES.map((mode) => {
    const { vm } = boot(mode);
    vm.run();
    return [mode, new Set(Object.keys(vm.stats().events).map((name) => name.split(".")[0]!))];
  })) as Record<Mode, Set<string>>;
  const owners: Readonly<Record<string, readonly Mode[]>> = { hypercall: ["paravirt"], vmexit: ["hvm"], dbt: ["dbt"], classic: ["classic"], shadow: ["classic", "dbt"] };
  for (const [family, modes] of Object.entries(owners)) {
    for (const mode of MODES) assert.is(families[mode].has(family), modes.includes(mode), `${family} in ${mode}`);
  }
});

test("classic names what went wrong", () => {
  const { vm } = boot("classic");
  vm.run();
  const { wrong } = vm.stats();
  assert.ok(wrong!.some(({ mnemonic, did, native }) => mnemonic === "POPF" && did !== native));
});

test("a guest's readings of the clock are seen", () => {
  const { vm } = boot("native");
  const readings: boolean[] = [];
  vm.onTimestamp((user) => readings.push(user));
  vm.run();
  assert.is(readings.filter((user) => user).length, 2);
});

test("options that are wrong are told in one line", () => {
  const image = guestImage("native");
  const wrong: readonly VmOptions[] = [
    { image, memory: 0 }, { image, memory: 2.5 }, { image, memory: 1e6 }, { image, mode: "xen" as Mode }, { image, mmu: "ept" }, { image, mode: "paravirt" },
    { image: guestImage("paravirt"), mode: "native" }, { image: "no/such/file" }, { image, disks: ["no/such/disk"] }, { image: new Uint8Array(100) },
    { image, disks: Array.from({ length: 5 }, () => new Uint8Array(512)) }, { image, initrd: new Uint8Array(70 << 20) },
  ];
  for (const options of wrong) assert.throws(() => createVm(options), (error: unknown) => error instanceof UsageError && !error.message.includes("\n"));
});

test.run();
