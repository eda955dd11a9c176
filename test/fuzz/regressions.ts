// What the fuzzer has found, each in its smallest form.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { enterProtectedFlat, resetCpu } from "../../hypervisor/reset.js";
import { REAL_ATTR } from "../../hypervisor/segmentation.js";
import { createVm } from "../../index.js";
import { createTarget, STRATEGIES, type Target } from "./machines.js";

const GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, TSS2 = 0x3100, CODE = 0x8000;

function put(target: Target, at: number, ...words: number[]): void {
  const bytes = new Uint8Array(words.length * 4), view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(i * 4, word >>> 0, true));
  target.memory.write(at, bytes);
}

/** Flat protected mode with a GDT, an IDT of zeros, and a TSS. */
function protectedMode(target: Target, code: readonly number[]): void {
  const { cpu } = target.machine;
  target.before();
  put(target, GDT, 0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300, TSS << 16 | 0x67, 0x8b00, TSS2 << 16 | 0x67, 0x8900);
  target.memory.write(CODE, Uint8Array.from(code));
  enterProtectedFlat(cpu, CODE);
  cpu.i32[S.GDTR_BASE] = GDT;
  cpu.i32[S.GDTR_LIMIT] = 0x27;
  cpu.i32[S.IDTR_BASE] = IDT;
  cpu.i32[S.IDTR_LIMIT] = 0x7ff;
  cpu.i32[S.ESP] = 0x7000;
  cpu.setSegment(S.TR, 0x18, TSS, 0x67, S.ATTR_P | 11);
  target.after();
}

for (const name of STRATEGIES) {
  test(`${name}: exceptions through task gates that lead to each other meet the limit (SDM vol. 3, 6.14 and table 7-1)`, () => {
    const target = createTarget(name, {});
    protectedMode(target, [0x0f, 0x0b]);
    // Every vector is a task gate to one task, whose code segment is the null one: #TS in it, again and again.
    for (let vector = 0; vector < 32; vector++) put(target, IDT + vector * 8, 0x20 << 16, 0x8500);
    put(target, TSS2 + 0x48, 0x10, 0, 0x10, 0x10);
    let outcome: string;
    try {
      outcome = target.engine.run(200).reason;
    } catch (error) {
      outcome = (error as Error).message;
    }
    assert.ok(/limit|triple.fault|has no end/.test(outcome), outcome);
    target.audit();
  });

  test(`${name}: a task with its trap bit set whose #DB is that task again`, () => {
    const target = createTarget(name, {});
    protectedMode(target, [0xf1]);
    for (const vector of [1, 8, 10, 13]) put(target, IDT + vector * 8, 0x20 << 16, 0x8500);
    put(target, TSS2 + 0x20, CODE, 2);
    put(target, TSS2 + 0x48, 0x10, 0x08, 0x10, 0x10, 0, 0, 0, 1);
    let outcome: string;
    try {
      outcome = target.engine.run(200).reason;
    } catch (error) {
      outcome = (error as Error).message;
    }
    assert.ok(/limit|triple.fault|has no end/.test(outcome), outcome);
  });
}

for (const name of STRATEGIES) {
  test(`${name}: a task without a code segment ends in the double fault's own task (SDM vol. 3, table 7-1)`, () => {
    const target = createTarget(name, {});
    protectedMode(target, [0x0f, 0x0b]);
    put(target, GDT + 0x28, 0x3200 << 16 | 0x67, 0x8900);
    target.before();
    target.machine.cpu.i32[S.GDTR_LIMIT] = 0x2f;
    target.after();
    put(target, IDT + 6 * 8, 0x20 << 16, 0x8500);
    put(target, IDT + 8 * 8, 0x28 << 16, 0x8500);
    put(target, IDT + 10 * 8, 0x08 << 16 | 0x9000, 0x8e00);
    put(target, TSS2 + 0x48, 0x10, 0, 0x10, 0x10);
    put(target, 0x3200 + 0x20, 0x9800, 2);
    put(target, 0x3200 + 0x38, 0x7800);
    put(target, 0x3200 + 0x48, 0x10, 0x08, 0x10, 0x10);
    target.memory.write(0x9800, Uint8Array.of(0x58, 0xf4));
    assert.is(target.engine.run(200).reason, "idle");
    assert.is(target.machine.cpu.eip, 0x9802);
  });
}

test("hvm-ept: an exception injected in real-address mode has no error code (SDM vol. 3C, 26.2.1.3)", () => {
  const target = createTarget("hvm-ept", {});
  const { machine: { cpu }, engine, memory } = target;
  resetCpu(cpu);
  for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, 0, 0, 0xffff, REAL_ATTR);
  cpu.eip = CODE;
  cpu.esp = 0x7000;
  cpu.modeChanged();
  memory.write(13 * 4, Uint8Array.of(0x00, 0x90, 0, 0));
  memory.write(0x9000, Uint8Array.of(0xf4));
  // mov ecx, -1; rdmsr: the exit's handler injects #GP.
  memory.write(CODE, Uint8Array.of(0x66, 0xb9, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x32));
  target.after();
  assert.is(engine.run(10).reason, "idle");
  assert.equal([cpu.eip, cpu.esp & 0xffff], [0x9001, 0x7000 - 6]);
});

test("hvm-shadow: an error code with bit 15 set, of a selector beyond 7FFFH, is injected as it is (26.2.1.3)", () => {
  const target = createTarget("hvm-shadow", {});
  protectedMode(target, [0xb8, 0xf8, 0xff, 0, 0, 0x8e, 0xd8]); // mov eax, 0fff8h; mov ds, ax
  put(target, IDT + 13 * 8, 0x08 << 16 | 0x9000, 0x8e00);
  target.memory.write(0x9000, Uint8Array.of(0x58, 0xf4)); // pop eax; hlt
  assert.is(target.engine.run(10).reason, "idle");
  assert.is(target.machine.cpu.i32[S.EAX], 0xfff8);
});

test("classic: a device that writes one descriptor changes that one's copy, whatever the table's alignment", () => {
  for (const base of [GDT, GDT + 2]) {
    const target = createTarget("classic", {});
    const { machine: { cpu }, engine, memory } = target;
    target.before();
    put(target, base, 0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300, 0, 0);
    memory.write(CODE, Uint8Array.of(0xb8, 0x18, 0, 0, 0, 0x90, 0x8e, 0xd8, 0xa0, 0, 0, 0, 0, 0xf4)); // mov eax, 18h; nop; mov ds, ax; mov al, [0]; hlt
    memory.write(0x5000, Uint8Array.of(0x77));
    enterProtectedFlat(cpu, CODE);
    cpu.i32[S.GDTR_BASE] = base;
    cpu.i32[S.GDTR_LIMIT] = 0x1f;
    cpu.i32[S.IDTR_BASE] = IDT;
    cpu.i32[S.IDTR_LIMIT] = 0x7ff;
    target.after();
    engine.run(2);
    put(target, base + 0x18, 0x5000 << 16 | 0xffff, 0x409300);
    assert.is(engine.run(10).reason, "idle");
    assert.is(cpu.i32[S.EAX]! & 0xff, 0x77);
  }
});

test("a disk without a sector is one that does not boot", () => {
  const image = new Uint8Array(1024);
  image.set([0x55, 0xaa], 510);
  image.set([0xcd, 0x18], 0); // int 18h: this one does not boot either
  const vm = createVm({ image, mode: "native", memory: 8, disks: [new Uint8Array(0)] });
  vm.run({ instructions: 100_000 });
  assert.match(vm.screenText() ?? "", /boot/i);
});

test.run();
