// EIP in 16-bit code segments wraps at 64 KB behind any instruction, not behind jumps alone (SDM vol. 1, 3.5; vol. 3, 20.1.1).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { resetCpu } from "../../hypervisor/reset.js";
import { REAL_ATTR } from "../../hypervisor/segmentation.js";
import { createTarget, type Target } from "../fuzz/machines.js";

const sixteen = suite("16-bit code");

function real(code: readonly (readonly [number, readonly number[]])[], eip: number): Target {
  const target = createTarget("native", {});
  const { machine: { cpu }, memory } = target;
  for (const [at, bytes] of code) memory.write(0x10000 + at, Uint8Array.from(bytes));
  resetCpu(cpu);
  for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, 0x1000, 0x10000, 0xffff, REAL_ATTR);
  cpu.i32[S.ESP] = 0x8000;
  cpu.eip = eip;
  cpu.modeChanged();
  return target;
}

for (const [what, bytes] of [["an inline instruction", [0x40]], ["a helper", [0xfc]], ["a branch not taken", [0x72, 0x10]], ["a string instruction", [0xac]], ["a system instruction", [0x0f, 0x06]]] as const) {
  sixteen(`${what} at the end of the segment is followed by the one at 0`, () => {
    const { engine, machine: { cpu } } = real([[0x10000 - bytes.length, bytes], [0, [0xbb, 0x77, 0x00, 0xf4]]], 0x10000 - bytes.length);
    engine.run(3);
    assert.is(cpu.i32[S.EBX], 0x77);
    assert.ok(cpu.halted);
  });
}

sixteen("an interrupt between the two returns to 0", () => {
  const target = real([[0xffff, [0x40]], [0, [0x90]]], 0xffff);
  const { engine, machine: { cpu } } = target;
  engine.run(1);
  assert.is(cpu.eip, 0);
});

sixteen("an instruction across the end is #GP (SDM vol. 3, 20.1.1)", () => {
  const target = real([[0xffff, [0xbb]], [0, [0x11, 0x22]]], 0xffff);
  target.memory.write(13 * 4, Uint8Array.of(0x00, 0x90, 0x00, 0x00));
  target.memory.write(0x9000, Uint8Array.of(0xf4));
  target.engine.run(1);
  assert.is(target.machine.cpu.selector(S.CS), 0);
  assert.ok(target.machine.cpu.halted);
});

sixteen.run();
