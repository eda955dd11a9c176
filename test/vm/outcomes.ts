import { test } from "uvu";
import * as assert from "uvu/assert";
import { createVm, type Mode, type VmOutcome } from "../../index.js";
import { count, echo, ENTRY, exitWith, HALT, LOOP, NOWHERE, RESET, say, tinyImage, TRIPLE_FAULT } from "./tiny-image.js";

const PC_MODES: readonly Mode[] = ["native", "dbt", "hvm"];

function run(code: readonly number[], mode: Mode = "native"): VmOutcome {
  return createVm({ image: tinyImage(code), mode, memory: 8 }).run({ instructions: 1e6 });
}

for (const mode of PC_MODES) {
  test(`${mode}: a guest leaves with its exit code`, () => {
    assert.equal(run(exitWith(0), mode), { reason: "exit", code: 0 });
    assert.equal(run(exitWith(77), mode), { reason: "exit", code: 77 });
  });

  test(`${mode}: a triple fault is a crash that tells the registers`, () => {
    const outcome = run(TRIPLE_FAULT, mode);
    assert.is(outcome.reason, "crash");
    assert.match(outcome.reason === "crash" ? outcome.registers : "", /eax [0-9a-f]{8}.*\n.*\neip [0-9a-f]{8}/);
  });

  test(`${mode}: a jump to where nothing is ends in a crash`, () => {
    assert.is(run([...TRIPLE_FAULT.slice(0, 7), ...NOWHERE], mode).reason, "crash");
  });

  test(`${mode}: an endless loop reaches its limit, to the instruction`, () => {
    const vm = createVm({ image: tinyImage(LOOP), mode, memory: 8 });
    assert.equal(vm.run({ instructions: 12345 }), { reason: "limit" });
    assert.is(vm.stats().instructions, 12345);
  });

  test(`${mode}: a guest that halts for good is idle`, () => {
    assert.equal(run(HALT, mode), { reason: "idle" });
  });

  test(`${mode}: a reset starts the machine again, its memory as it was`, () => {
    const vm = createVm({ image: tinyImage([...count(0x20_0000, 3), ...exitWith(7), ...RESET]), mode, memory: 8 });
    assert.equal(vm.run({ instructions: 1e6 }), { reason: "exit", code: 7 });
    assert.is(vm.stats().events["machine.reset"], 2);
    assert.equal(vm.read("guest-physical", 0x20_0000, 4), Uint8Array.of(3, 0, 0, 0));
  });

  test(`${mode}: resets without end reach a limit, to the instruction`, () => {
    const vm = createVm({ image: tinyImage(RESET), mode, memory: 8 });
    assert.equal(vm.run({ instructions: 99 }), { reason: "limit" });
    assert.is(vm.stats().instructions, 99);
  });

  test(`${mode}: with noReboot a reset ends the run`, () => {
    assert.equal(createVm({ image: tinyImage(RESET), mode, memory: 8, noReboot: true }).run({ instructions: 1e6 }), { reason: "reset" });
  });
}

test("the clock's battery outlives a reset", () => {
  // out 0x70, 0x0f; in al, 0x71; inc al; out 0x71, al; cmp al, 3; jne over the exit
  const image = tinyImage([0xb0, 0x0f, 0xe6, 0x70, 0xe4, 0x71, 0xfe, 0xc0, 0xe6, 0x71, 0x3c, 0x03, 0x75, 0x04, ...exitWith(9), ...RESET]);
  assert.equal(createVm({ image, memory: 8 }).run({ instructions: 1e6 }), { reason: "exit", code: 9 });
});

/** out 0x21, 0xff; out 0xa1, 0xff; sti; hlt; jmp back: interrupts on, and every line masked while the timer runs. */
const MASKED_HALT = [0xb0, 0x34, 0xe6, 0x43, 0xb0, 0xff, 0xe6, 0x40, 0xe6, 0x40, 0xe6, 0x21, 0xe6, 0xa1, 0xfb, 0xf4, 0xeb, 0xfd];

for (const mode of ["native", "dbt", "hvm", "classic"] as const) {
  test(`${mode}: halted with interrupts on and every line masked, a guest is idle at once, whatever timers run`, () => {
    const vm = createVm({ image: tinyImage(MASKED_HALT), mode, memory: 8 });
    assert.equal(vm.run({ instructions: 1e6 }), { reason: "idle" });
    assert.is(vm.stats().idleCycles, 0);
  });

  test(`${mode}: halted with the timer masked and another line open, it is idle after ten seconds of its time`, () => {
    const code = [...MASKED_HALT];
    code.splice(4, 2, 0xb0, 0xef); // IRQ 4, the serial port
    const vm = createVm({ image: tinyImage(code), mode, memory: 8 });
    assert.equal(vm.run({ instructions: 1e6 }), { reason: "idle" });
    assert.ok(Math.abs(vm.stats().idleCycles / vm.machine.clock.hz - 10) < 1);
  });
}

test("a guest that has ended gives the same outcome again", () => {
  const vm = createVm({ image: tinyImage(exitWith(5)), memory: 8 });
  assert.equal(vm.run(), { reason: "exit", code: 5 });
  assert.equal(vm.run(), { reason: "exit", code: 5 });
});

test("serial lines: bytes and lines out, bytes in", () => {
  const bytes: number[] = [], lines: string[] = [];
  const vm = createVm({ image: tinyImage([...say("one\r\ntwo\n>"), ...echo(3), ...exitWith(0)]), memory: 8 }, { serialByte: (byte) => bytes.push(byte) });
  vm.onSerialLine((line) => lines.push(line));
  assert.equal(vm.run({ serial: "tw" }), { reason: "serial" });
  assert.equal(lines, ["one", "two"]);
  assert.equal(vm.run({ instructions: 1000 }), { reason: "limit" });
  vm.sendSerial("a\nz");
  assert.equal(vm.run(), { reason: "exit", code: 0 });
  assert.is(Buffer.from(bytes).toString(), "one\r\ntwo\n>a\nz");
});

test("an event of the ledger ends a run, by name or by family", () => {
  const vm = createVm({ image: tinyImage([...say("xy"), ...exitWith(0)]), mode: "hvm", memory: 8 });
  assert.equal(vm.run({ event: "vmexit.*" }), { reason: "event" });
  assert.equal(vm.run({ event: "device.serial.byte" }), { reason: "event" });
  assert.is(vm.stats().events["device.serial.byte"], 1);
  assert.equal(vm.run(), { reason: "exit", code: 0 });
});

test("stop and pause leave a guest that can go on", () => {
  const vm = createVm({ image: tinyImage([...say("xy"), ...exitWith(3)]), memory: 8 });
  const end = vm.onSerialByte(() => vm.stop());
  assert.equal(vm.run(), { reason: "stopped" });
  assert.equal(vm.run(), { reason: "stopped" });
  end();
  assert.equal(vm.run(), { reason: "exit", code: 3 });
  const endless = createVm({ image: tinyImage(LOOP), memory: 8 });
  assert.equal(endless.run({ pause: () => true }), { reason: "stopped" });
});

test("registers can be read and set", () => {
  // inc eax; mov [0x200000], eax; out
  const vm = createVm({ image: tinyImage([0x40, 0xa3, 0, 0, 0x20, 0, ...exitWith(0)]), memory: 8 });
  assert.is(vm.getRegister("eip"), ENTRY);
  assert.is(vm.getRegister("eax"), 0x2badb002);
  vm.setRegister("eax", 0xfffffffe);
  vm.run({ instructions: 2 });
  assert.is(vm.getRegister("eax"), 0xffffffff);
  assert.equal(vm.read("guest-physical", 0x200000, 4), Uint8Array.of(255, 255, 255, 255));
  assert.throws(() => vm.setRegister("cr3", 0), RangeError);
});

test("code written from outside is what runs next", () => {
  const vm = createVm({ image: tinyImage(LOOP), memory: 8 });
  vm.run({ instructions: 100_000 });
  vm.write("linear", ENTRY, Uint8Array.from(exitWith(9)));
  assert.equal(vm.run({ instructions: 10 }), { reason: "exit", code: 9 });
});

test("bytes on port 0xe9 come out", () => {
  const debug: number[] = [];
  const vm = createVm({ image: tinyImage([0xb0, 0x41, 0xe6, 0xe9, ...exitWith(0)]), memory: 8 }, { debugByte: (byte) => debug.push(byte) });
  vm.run();
  assert.equal(debug, [0x41]);
});

test.run();
