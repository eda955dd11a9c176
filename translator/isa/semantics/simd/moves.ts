import type { Cpu } from "../../../../hypervisor/cpu.js";
import type { Instruction } from "../../instruction.js";
import { linearAddress } from "../operand-access.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import {
  A, B, enterBoth, enterMmx, enterSse, loadMemory, loadMm, loadSource, loadXmm, MM_BYTES, registerOf, storeMemory, storeMm, storeXmm, useMmx,
  XMM_BYTES, xmmWord,
} from "./registers.js";

/** Data transfer (SDM vol. 1, 9.4.1, 10.4.1.1 and 11.4.1.1; vol. 2 for each). */

/** Moves of whole XMM registers, to or from registers and memory. */
function moveWhole(aligned: boolean): Semantics {
  return helper((cpu, instruction) => {
    enterSse(cpu);
    const [destination, source] = instruction.operands;
    loadSource(cpu, source!, A, aligned);
    if (destination!.kind === "mem") storeMemory(cpu, destination!, XMM_BYTES, aligned);
    else storeXmm(cpu, registerOf(instruction, 0));
  });
}

/** MOVSS, MOVSD: between registers the rest stays, from memory it becomes zero. */
function moveScalar(bytes: number): Semantics {
  return helper((cpu, instruction) => {
    enterSse(cpu);
    const [destination, source] = instruction.operands;
    if (source!.kind === "mem") {
      loadMemory(cpu, source!, bytes, false, A);
      storeXmm(cpu, registerOf(instruction, 0));
      return;
    }
    const from = xmmWord(registerOf(instruction, 1));
    A.i32[0] = cpu.i32[from]!;
    A.i32[1] = cpu.i32[from + 1]!;
    if (destination!.kind === "mem") return storeMemory(cpu, destination!, bytes, false);
    const to = xmmWord(registerOf(instruction, 0));
    cpu.i32[to] = A.i32[0]!;
    if (bytes > 4) cpu.i32[to + 1] = A.i32[1]!;
  });
}

/** MOVLPS and its kin: 64 bits between memory, or the half `from` of a register, and the half `half` of a register. */
function moveHalf(half: number, from: number): Semantics {
  return helper((cpu, instruction) => {
    enterSse(cpu);
    const [destination, source] = instruction.operands;
    if (destination!.kind === "mem") {
      const at = xmmWord(registerOf(instruction, 1)) + 2 * half;
      A.i32[0] = cpu.i32[at]!;
      A.i32[1] = cpu.i32[at + 1]!;
      return storeMemory(cpu, destination!, 8, false);
    }
    loadSource(cpu, source!, B, false);
    const at = source!.kind === "mem" ? 0 : 2 * from;
    const to = xmmWord(registerOf(instruction, 0)) + 2 * half;
    cpu.i32[to] = B.i32[at]!;
    cpu.i32[to + 1] = B.i32[at + 1]!;
  });
}

/** MOVD: a doubleword between a general register or memory and an MMX or XMM register, zero-extended. */
function movd(cpu: Cpu, instruction: Instruction): void {
  const [destination, source] = instruction.operands;
  const mmx = destination!.kind === "mm" || source!.kind === "mm";
  if (mmx) enterMmx(cpu);
  else enterSse(cpu);
  loadSource(cpu, source!, A, false);
  if (destination!.kind === "mem") storeMemory(cpu, destination!, 4, false);
  if (mmx) useMmx(cpu);
  if (destination!.kind === "mm") storeMm(cpu, destination!.index);
  else if (destination!.kind === "xmm") storeXmm(cpu, destination!.index);
  else if (destination!.kind === "reg") cpu.i32[destination!.index] = A.i32[0]!;
}

/** MOVQ: of MMX registers, or the low half of XMM registers, whose high half becomes zero. */
function movq(cpu: Cpu, instruction: Instruction): void {
  const [destination, source] = instruction.operands;
  const mmx = destination!.kind === "mm" || source!.kind === "mm";
  if (mmx) enterMmx(cpu);
  else enterSse(cpu);
  loadSource(cpu, source!, A, false);
  A.i32[2] = A.i32[3] = 0;
  if (destination!.kind === "mem") storeMemory(cpu, destination!, MM_BYTES, false);
  if (mmx) useMmx(cpu);
  if (destination!.kind === "mm") storeMm(cpu, destination!.index);
  else if (destination!.kind === "xmm") storeXmm(cpu, destination!.index);
}

const movq2dq = helper((cpu, instruction) => {
  enterBoth(cpu);
  loadMm(cpu, registerOf(instruction, 1), A);
  useMmx(cpu);
  storeXmm(cpu, registerOf(instruction, 0));
});

const movdq2q = helper((cpu, instruction) => {
  enterBoth(cpu);
  loadXmm(cpu, registerOf(instruction, 1), A);
  useMmx(cpu);
  storeMm(cpu, registerOf(instruction, 0));
});

const movntq = helper((cpu, instruction) => {
  enterMmx(cpu);
  const destination = instruction.operands[0]!;
  loadMm(cpu, registerOf(instruction, 1), A);
  if (destination.kind === "mem") storeMemory(cpu, destination, MM_BYTES, false);
  useMmx(cpu);
});

/** MOVNTI stores a general register. It needs no SSE state. */
const movnti = helper((cpu, instruction) => {
  const destination = instruction.operands[0]!;
  if (destination.kind === "mem") cpu.mmu.write32(linearAddress(cpu, destination, 4, true), cpu.i32[registerOf(instruction, 1)]!);
});

/** The top bits of lanes of `unit` bytes. */
function mask(unit: number): ComplexFunction {
  return (cpu, instruction) => {
    const mmx = instruction.operands[1]!.kind === "mm";
    if (mmx) enterMmx(cpu);
    else enterSse(cpu);
    loadSource(cpu, instruction.operands[1]!, B);
    if (mmx) useMmx(cpu);
    let bits = 0;
    const bytes = mmx ? MM_BYTES : XMM_BYTES;
    for (let i = 0; i < bytes / unit; i++) bits |= B.u8[unit * i + unit - 1]! >> 7 << i;
    cpu.i32[registerOf(instruction, 0)] = bits;
  };
}

const EDI = 7, DS = 3;

/** MASKMOVQ and MASKMOVDQU: the bytes that the mask selects, to DS:EDI. */
function maskMove(cpu: Cpu, instruction: Instruction): void {
  const mmx = instruction.operands[0]!.kind === "mm";
  if (mmx) enterMmx(cpu);
  else enterSse(cpu);
  const bytes = mmx ? MM_BYTES : XMM_BYTES;
  loadSource(cpu, instruction.operands[0]!, A);
  loadSource(cpu, instruction.operands[1]!, B);
  const { addrSize } = instruction;
  const seg = instruction.seg >= 0 ? instruction.seg : DS;
  const la = linearAddress(cpu, { kind: "mem", seg, base: EDI, index: -1, scale: 0, disp: 0, addrSize, size: 8 * bytes }, bytes, true);
  // All selected bytes can be written before the first is.
  for (let i = 0; i < bytes; i++) if (B.i8[i]! < 0) cpu.mmu.probeWrite(la + i | 0, 1);
  for (let i = 0; i < bytes; i++) if (B.i8[i]! < 0) cpu.mmu.write8(la + i | 0, A.u8[i]!);
  if (mmx) useMmx(cpu);
}

export const MOVES: Readonly<Record<string, Semantics>> = {
  MOVAPS: moveWhole(true), MOVAPD: moveWhole(true), MOVDQA: moveWhole(true), MOVNTPS: moveWhole(true), MOVNTPD: moveWhole(true), MOVNTDQ: moveWhole(true),
  MOVUPS: moveWhole(false), MOVUPD: moveWhole(false), MOVDQU: moveWhole(false),
  MOVSS: moveScalar(4), MOVSD: moveScalar(8),
  MOVLPS: moveHalf(0, 0), MOVLPD: moveHalf(0, 0), MOVHPS: moveHalf(1, 0), MOVHPD: moveHalf(1, 0), MOVHLPS: moveHalf(0, 1), MOVLHPS: moveHalf(1, 0),
  MOVD: helper(movd), MOVQ: helper(movq), MOVQ2DQ: movq2dq, MOVDQ2Q: movdq2q, MOVNTQ: movntq, MOVNTI: movnti,
  MOVMSKPS: helper(mask(4)), MOVMSKPD: helper(mask(8)), PMOVMSKB: helper(mask(1)),
  MASKMOVQ: helper(maskMove), MASKMOVDQU: helper(maskMove),
};
