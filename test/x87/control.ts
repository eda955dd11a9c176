import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { MF, NM, PF } from "../../hypervisor/trap.js";
import { connectFerr, resetFpu } from "../../translator/isa/semantics/x87/x87.js";
import { createRig, setControl, statusOf } from "./rig.js";

// What a user program on silicon cannot show: privileged state, delivery of errors, environments in every mode (SDM vol. 1, chapter 8).

const control = suite("x87 control");

const FLD1 = "d9 e8", FLDZ = "d9 ee", FDIVP = "de f9", FWAIT = "9b", FNINIT = "db e3", FNCLEX = "db e2", FNSTSW_AX = "df e0";
const FNSTENV = "d9 36", FLDENV = "d9 26", FNSAVE = "dd 36", FRSTOR = "dd 26";
const ES = 0x80, BUSY = 0x8000;

control("reset leaves eight zeros in use and every exception unmasked, FNINIT masks them and empties the stack", () => {
  const { cpu, run, read32 } = createRig();
  resetFpu(cpu);
  run(FNSTENV);
  assert.is(read32(0), 0xffff0040);
  assert.is(read32(8), 0xffff5555);
  run(FNINIT, FNSTENV);
  assert.is(read32(0), 0xffff037f);
  assert.is(read32(4), 0xffff0000);
  assert.is(read32(8), 0xffffffff);
});

control("CR0.TS and CR0.EM make every instruction #NM; FWAIT only with MP and TS", () => {
  const { cpu, run } = createRig();
  for (const bit of [S.CR0_TS, S.CR0_EM]) {
    cpu.i32[S.CR0] = cpu.cr0 | bit;
    for (const instruction of [FLD1, FNINIT, FNSTSW_AX, "d9 3e", "d8 c1"]) assert.is(run(instruction), NM, instruction);
    cpu.i32[S.CR0] = cpu.cr0 & ~bit;
  }
  cpu.i32[S.CR0] = cpu.cr0 | S.CR0_EM;
  assert.is(run(FWAIT), -1);
  cpu.i32[S.CR0] = cpu.cr0 & ~(S.CR0_EM | S.CR0_MP) | S.CR0_TS;
  assert.is(run(FWAIT), -1);
  cpu.i32[S.CR0] = cpu.cr0 | S.CR0_MP;
  assert.is(run(FWAIT), NM);
});

control("an unmasked exception is #MF at the next waiting instruction, not before", () => {
  const { cpu, run, st } = createRig();
  run(FNINIT);
  setControl(cpu, 0x37b);
  assert.is(run(FLD1, FLDZ, FDIVP), -1);
  assert.is(statusOf(cpu) & 0xff, ES | 4);
  assert.is(statusOf(cpu) & BUSY, BUSY);
  assert.is(st(1), "3fff8000000000000000", "operands and stack stay");
  assert.is(run(FLD1), MF);
  assert.is(run(FWAIT), MF);
  assert.is(run(FNSTSW_AX), -1);
  assert.is(cpu.reg(0, 16), statusOf(cpu));
  assert.is(run(FNCLEX), -1);
  assert.is(statusOf(cpu) & 0x80ff, 0);
  assert.is(run(FLD1), -1);
});

control("with CR0.NE clear the error goes to FERR# and execution goes on", () => {
  const { cpu, run } = createRig();
  const seen: boolean[] = [];
  connectFerr(cpu, (asserted) => seen.push(asserted));
  cpu.i32[S.CR0] = cpu.cr0 & ~S.CR0_NE;
  run(FNINIT);
  setControl(cpu, 0x37b);
  seen.length = 0;
  assert.is(run(FLD1, FLDZ, FDIVP, FLD1), -1);
  assert.equal(seen, [true, true]);
  run(FNCLEX);
  assert.is(seen.pop(), false);
});

control("pointers name the last instruction and its operand, the opcode the last that raised an error", () => {
  const { cpu, run, at, read32 } = createRig();
  const eip = cpu.eip;
  cpu.i32[S.ESI] = at(0x200);
  assert.is(run("d8 06"), -1);
  cpu.i32[S.ESI] = at(0);
  run("d9 3e", FNSTENV);
  assert.is(read32(12), eip >>> 0);
  assert.is(read32(16) & 0xffff, 0x23);
  assert.is(read32(20), at(0x200));
  assert.is(read32(24), 0xffff002b);
  run(FNINIT);
  setControl(cpu, 0x37b);
  run(FLD1, FLDZ, "26 d8 f9");
  run(FNSTENV);
  assert.is(read32(16) >>> 16, 0x0f9 & 0x7ff);
});

const modes: readonly [string, string, number, number][] = [
  ["protected, 32 bits", "", 28, 1], ["protected, 16 bits", "66 ", 14, 1], ["real, 32 bits", "", 28, 0], ["real, 16 bits", "66 ", 14, 0],
];

for (const [name, prefix, bytes, protectedMode] of modes) {
  control(`state saved and restored: ${name}`, () => {
    const { cpu, run, set, st, read32 } = createRig();
    cpu.i32[S.CR0] = protectedMode !== 0 ? cpu.cr0 | S.CR0_PE : cpu.cr0 & ~(S.CR0_PE | S.CR0_PG);
    run(FNINIT);
    set(0, 0x4000, 0xc90fdaa2, 0x2168c235);
    set(1, 0x7fff, 0xc0000000, 1);
    set(3, 0, 0, 0);
    cpu.i32[S.FPU_SW] = 0x0021;
    setControl(cpu, 0x0f7f);
    cpu.i32[S.FPU_FIP] = 0x1234;
    cpu.i32[S.FPU_FDP] = 0x5678;
    cpu.i32[S.FPU_FOP] = 0x123;
    run(prefix + FNSAVE);
    assert.is(cpu.i32[S.FPU_CW], 0x37f, "FNSAVE initializes");
    assert.is(cpu.i32[S.FPU_TAG], 0);
    const word = (i: number): number => bytes === 28 ? read32(4 * i) & 0xffff : read32(2 * i & ~3) >>> 16 * (i & 1) & 0xffff;
    assert.is(word(0), 0x0f7f);
    assert.is(word(1), 0x0021);
    assert.is(word(2), 0xff78);
    assert.is(word(3), 0x1234);
    if (protectedMode === 0) assert.is(word(4), 0x0123, "opcode beside the high bits of the pointer");
    assert.is(run(prefix + FRSTOR), -1);
    assert.is(cpu.i32[S.FPU_CW], 0x0f7f);
    assert.is(cpu.i32[S.FPU_SW], 0x0021);
    assert.is(cpu.i32[S.FPU_TAG], 0x0b);
    assert.is(st(0), "4000c90fdaa22168c235");
    assert.is(st(1), "7fffc000000000000001");
    assert.is(cpu.i32[S.FPU_FIP], 0x1234);
  });
}

control("FNSTENV masks all exceptions; FLDENV of an unmasked one makes it pending", () => {
  const { cpu, run } = createRig();
  run(FNINIT);
  setControl(cpu, 0x37b);
  run(FLD1, FLDZ, FDIVP, FNSTENV);
  assert.is(cpu.i32[S.FPU_CW]! & 0x3f, 0x3f);
  assert.is(statusOf(cpu) & ES, 0);
  assert.is(run(FLDENV), -1);
  assert.is(statusOf(cpu) & ES, ES);
  assert.is(run(FLD1), MF);
});

control("a store that faults leaves the stack, status and pointers as they were", () => {
  const { cpu, run, at } = createRig();
  run(FNINIT, FLD1);
  const before = cpu.i32.slice(S.FPU_REGS, S.FPU_FOP + 1);
  for (const [instruction, bytes] of [["d9 1e", 4], ["dd 1e", 8], ["db 3e", 10], ["df 36", 10], ["df 3e", 8], ["dd 36", 108]] as const) {
    cpu.i32[S.ESI] = at(0x400) - bytes + 1;
    assert.is(run(instruction), PF, instruction);
    assert.equal(cpu.i32.slice(S.FPU_REGS, S.FPU_FOP + 1), before, instruction);
  }
});

control.run();
