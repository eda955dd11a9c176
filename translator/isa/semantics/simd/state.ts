import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { GP, NM } from "../../../../hypervisor/trap.js";
import type { Instruction } from "../../instruction.js";
import { linearAddress } from "../operand-access.js";
import { helper, inline, type Semantics } from "../semantics.js";
import { setControlWord } from "../x87/environment.js";
import { memoryOperand, setFerr, words } from "../x87/stack.js";
import { ES, TOP_SHIFT } from "../x87/bits.js";
import { MXCSR_MASK } from "./mxcsr.js";
import { enterMmx, enterSse, useMmx } from "./registers.js";

/** EMMS, FXSAVE, FXRSTOR, LDMXCSR, STMXCSR and the fences (SDM vol. 1, 9.6 and 10.5; vol. 2 for each). */

const FX_BYTES = 512;
/** Offsets in the image (SDM vol. 1, table 10-2): FCW and FSW, FTW and FOP share a word. */
const FCW = 0, FTW = 4, FIP = 8, FCS = 12, FDP = 16, FDS = 20, MXCSR = 24, MASK = 28, ST = 32, XMM = 160;

function emms(cpu: Cpu): void {
  enterMmx(cpu);
  useMmx(cpu);
  cpu.i32[S.FPU_TAG] = 0;
}

/** The address of an image, which must be a multiple of 16: #GP(0). */
function imageAddress(cpu: Cpu, instruction: Instruction, write: boolean): number {
  if ((cpu.i32[S.CR0]! & (S.CR0_EM | S.CR0_TS)) !== 0) cpu.raise(NM);
  const la = linearAddress(cpu, memoryOperand(instruction), FX_BYTES, write);
  if ((la & 15) !== 0) cpu.raise(GP, 0);
  if (write) cpu.mmu.probeWrite(la, FX_BYTES);
  else cpu.mmu.probeRead(la, FX_BYTES);
  return la;
}

function hasSse(cpu: Cpu): boolean {
  return (cpu.i32[S.CR4]! & S.CR4_OSFXSR) !== 0;
}

function fxsave(cpu: Cpu, instruction: Instruction): void {
  const { i32, mmu } = cpu;
  const la = imageAddress(cpu, instruction, true);
  const word = (at: number, value: number): void => mmu.write32(la + at | 0, value);
  word(FCW, i32[S.FPU_CW]! & 0xffff | i32[S.FPU_SW]! << 16);
  word(FTW, i32[S.FPU_TAG]! & 0xff | (i32[S.FPU_FOP]! & 0x7ff) << 16);
  word(FIP, i32[S.FPU_FIP]!);
  word(FCS, i32[S.FPU_FCS]! & 0xffff);
  word(FDP, i32[S.FPU_FDP]!);
  word(FDS, i32[S.FPU_FDS]! & 0xffff);
  word(MXCSR, i32[S.MXCSR]!);
  word(MASK, MXCSR_MASK);
  for (let i = 0; i < 8; i++) {
    const register = words((i32[S.FPU_SW]! >> TOP_SHIFT) + i & 7), at = ST + 16 * i;
    word(at, i32[register]!);
    word(at + 4, i32[register + 1]!);
    word(at + 8, i32[register + 2]! & 0xffff);
    word(at + 12, 0);
  }
  if (hasSse(cpu)) for (let i = 0; i < 32; i++) word(XMM + 4 * i, i32[S.XMM_REGS + i]!);
}

function fxrstor(cpu: Cpu, instruction: Instruction): void {
  const { i32, mmu } = cpu;
  const la = imageAddress(cpu, instruction, false);
  const word = (at: number): number => mmu.read32(la + at | 0);
  const mxcsr = word(MXCSR);
  if (hasSse(cpu) && (mxcsr & ~MXCSR_MASK) !== 0) cpu.raise(GP, 0);
  const control = word(FCW), tags = word(FTW);
  i32[S.FPU_SW] = control >>> 16;
  i32[S.FPU_TAG] = tags & 0xff;
  i32[S.FPU_FOP] = tags >>> 16 & 0x7ff;
  i32[S.FPU_FIP] = word(FIP);
  i32[S.FPU_FCS] = word(FCS) & 0xffff;
  i32[S.FPU_FDP] = word(FDP);
  i32[S.FPU_FDS] = word(FDS) & 0xffff;
  setControlWord(i32, control & 0xffff);
  for (let i = 0; i < 8; i++) {
    const register = words((i32[S.FPU_SW]! >> TOP_SHIFT) + i & 7), at = ST + 16 * i;
    i32[register] = word(at);
    i32[register + 1] = word(at + 4);
    i32[register + 2] = word(at + 8) & 0xffff;
  }
  if (hasSse(cpu)) {
    i32[S.MXCSR] = mxcsr;
    for (let i = 0; i < 32; i++) i32[S.XMM_REGS + i] = word(XMM + 4 * i);
  }
  setFerr(cpu, (i32[S.FPU_SW]! & ES) !== 0);
}

function ldmxcsr(cpu: Cpu, instruction: Instruction): void {
  enterSse(cpu);
  const value = cpu.mmu.read32(linearAddress(cpu, memoryOperand(instruction), 4, false));
  if ((value & ~MXCSR_MASK) !== 0) cpu.raise(GP, 0);
  cpu.i32[S.MXCSR] = value;
}

function stmxcsr(cpu: Cpu, instruction: Instruction): void {
  enterSse(cpu);
  cpu.mmu.write32(linearAddress(cpu, memoryOperand(instruction), 4, true), cpu.i32[S.MXCSR]!);
}

/** Memory is strongly ordered here: nothing to wait for. */
const fence = inline("", function () {});

/** CLFLUSH checks its address as a read of a byte does. */
function clflush(cpu: Cpu, instruction: Instruction): void {
  cpu.mmu.probeRead(linearAddress(cpu, memoryOperand(instruction), 1, false), 1);
}

export const STATE: Readonly<Record<string, Semantics>> = {
  EMMS: helper(emms), FXSAVE: helper(fxsave), FXRSTOR: helper(fxrstor), LDMXCSR: helper(ldmxcsr), STMXCSR: helper(stmxcsr),
  LFENCE: fence, MFENCE: fence, SFENCE: fence, CLFLUSH: helper(clflush),
};
