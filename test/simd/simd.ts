import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { GP, MF, NM, UD, XM } from "../../hypervisor/trap.js";
import { Random } from "../silicon/random.js";
import { createRig, setControl } from "../x87/rig.js";

// What a user program on silicon cannot show: privileged state and its exceptions; and that the fast path is the slow one's equal.

const simd = suite("simd");

const ADDPS = "0f 58 c1", ADDPD = "66 0f 58 c1", PADDB = "0f fc c1", EMMS = "0f 77", FXSAVE = "0f ae 06", FXRSTOR = "0f ae 0e", LDMXCSR = "0f ae 16";
const MOVAPS_LOAD = "0f 28 06", MOVUPS_LOAD = "0f 10 06";

simd("XMM registers need CR4.OSFXSR, no CR0.EM, no CR0.TS", () => {
  const { cpu, run } = createRig();
  assert.is(run(ADDPS), -1);
  cpu.i32[S.CR4] = cpu.cr4 & ~S.CR4_OSFXSR;
  assert.is(run(ADDPS), UD);
  assert.is(run(PADDB), -1, "MMX does not");
  cpu.i32[S.CR4] = cpu.cr4 | S.CR4_OSFXSR;
  cpu.i32[S.CR0] = cpu.cr0 | S.CR0_TS;
  assert.is(run(ADDPS), NM);
  assert.is(run(PADDB), NM);
  assert.is(run(FXSAVE), NM);
  cpu.i32[S.CR0] = cpu.cr0 & ~S.CR0_TS | S.CR0_EM;
  assert.is(run(ADDPS), UD);
  assert.is(run(PADDB), UD);
  assert.is(run(FXSAVE), NM);
});

simd("an unmasked exception is #XM, or #UD without CR4.OSXMMEXCPT; the destination stays, the flag is set", () => {
  const { cpu, run } = createRig();
  cpu.i32.set([0x3f800000, 0, 0, 0], S.XMM_REGS);
  cpu.i32.fill(0, S.XMM_REGS + 4, S.XMM_REGS + 8);
  cpu.i32[S.MXCSR] = 0x1f80 & ~0x200;
  assert.is(run("f3 0f 5e c1"), XM);
  assert.is(cpu.i32[S.XMM_REGS], 0x3f800000);
  assert.is(cpu.i32[S.MXCSR]! & 0x3f, 4);
  cpu.i32[S.CR4] = cpu.cr4 & ~S.CR4_OSXMMEXCPT;
  assert.is(run("f3 0f 5e c1"), UD);
});

simd("MMX instructions fill the tags and set TOP to 0, EMMS empties; a pending x87 error is #MF", () => {
  const { cpu, run } = createRig();
  run("db e3", "d9 e8");
  assert.is(run(PADDB), -1);
  assert.is(cpu.i32[S.FPU_TAG], 0xff);
  assert.is(cpu.i32[S.FPU_SW]! & 0x3800, 0);
  assert.is(cpu.i32[S.FPU_REGS + 2], 0xffff);
  run(EMMS);
  assert.is(cpu.i32[S.FPU_TAG], 0);
  setControl(cpu, 0x37e);
  run("d8 c1");
  assert.is(run(PADDB), MF);
  assert.is(run(EMMS), MF);
  assert.is(run(ADDPS), -1);
});

simd("operands of 16 bytes must be aligned but for MOVU…", () => {
  const { cpu, run, at } = createRig();
  cpu.i32[S.ESI] = at(4);
  assert.is(run(MOVAPS_LOAD), GP);
  assert.is(run("0f 58 06"), GP);
  assert.is(run(MOVUPS_LOAD), -1);
  assert.is(run("f3 0f 10 06"), -1);
  assert.is(run(FXSAVE), GP);
});

simd("reserved bits of MXCSR are #GP", () => {
  const { cpu, run, write32 } = createRig();
  write32(0, 0x10000);
  assert.is(run(LDMXCSR), GP);
  write32(0, 0xffff);
  assert.is(run(LDMXCSR), -1);
  assert.is(cpu.i32[S.MXCSR], 0xffff);
  assert.is(run(FXSAVE), -1);
  write32(24, 0x10000);
  assert.is(run(FXRSTOR), GP);
});

simd("FXSAVE and FXRSTOR keep all of the state, pointers included", () => {
  const { cpu, run, read32 } = createRig();
  const random = new Random(7);
  for (let w = S.FPU_REGS; w < S.FPU_REGS + 32; w++) cpu.i32[w] = (w & 3) === 2 ? random.word() & 0xffff : (w & 3) === 3 ? 0 : random.word();
  for (let w = S.XMM_REGS; w < S.XMM_REGS + 32; w++) cpu.i32[w] = random.word();
  cpu.i32.set([0x27f, 0x2920, 0xa5, 0x1234, 0x23, 0x5678, 0x2b, 0x123], S.FPU_CW);
  cpu.i32[S.MXCSR] = 0x3fa1;
  const before = cpu.i32.slice(S.FPU_REGS, S.XMM_REGS + 32);
  run(FXSAVE);
  assert.equal(cpu.i32.slice(S.FPU_REGS, S.XMM_REGS + 32), before, "FXSAVE changes nothing");
  assert.is(read32(28), 0xffff);
  run("db e3", PADDB, ADDPS);
  assert.is(run(FXRSTOR), -1);
  assert.equal(cpu.i32.slice(S.FPU_REGS, S.XMM_REGS + 32), before);
});

simd("the host's arithmetic, where it is used, gives what the exact arithmetic gives", () => {
  const { cpu, run } = createRig();
  const random = new Random(11);
  const operations = [ADDPS, ADDPD, "0f 59 c1", "66 0f 59 c1", "0f 5c c1", "66 0f 5c c1", "0f 5e c1", "66 0f 5e c1"];
  for (let i = 0; i < 4000; i++) {
    const words = Array.from({ length: 8 }, (_, w) => random.word() & 0xbfffffff | (w & 1) << 29 | (random.below(2) << 29));
    const operation = random.pick(operations);
    const results = [0x1fa0, 0x1f80].map((mxcsr) => {
      cpu.i32.set(words, S.XMM_REGS);
      cpu.i32[S.MXCSR] = mxcsr;
      run(operation);
      return [...cpu.i32.slice(S.XMM_REGS, S.XMM_REGS + 4), cpu.i32[S.MXCSR]! & 0x1f];
    });
    assert.equal(results[0], results[1], operation);
  }
});

simd.run();
