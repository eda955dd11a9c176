import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { GP, NM, UD } from "../../../../hypervisor/trap.js";
import type { Instruction, MemOperand, Operand } from "../../instruction.js";
import { linearAddress } from "../operand-access.js";
import { ES } from "../x87/bits.js";
import { crossesPage, errorPending } from "../x87/stack.js";

/**
 * Registers and operands of MMX and SSE (SDM vol. 1, 9.2, 9.5 and 10.2). An operation works on two scratch values, A
 * (destination and first source) and B (second source), of which it sees the lanes it likes; nothing is allocated.
 */
export interface Lanes {
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i16: Int16Array;
  readonly u16: Uint16Array;
  readonly i8: Int8Array;
  readonly u8: Uint8Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
}

function lanes(): Lanes {
  const buffer = new ArrayBuffer(16);
  return {
    i32: new Int32Array(buffer), u32: new Uint32Array(buffer), i16: new Int16Array(buffer), u16: new Uint16Array(buffer),
    i8: new Int8Array(buffer), u8: new Uint8Array(buffer), f32: new Float32Array(buffer), f64: new Float64Array(buffer),
  };
}

export const A = lanes(), B = lanes();

export const XMM_BYTES = 16, MM_BYTES = 8;

// ---- entering an instruction -----------------------------------------------------------------------------------------

/** What an instruction on XMM registers checks (SDM vol. 3, table 13-1). */
export function enterSse(cpu: Cpu): void {
  const { i32 } = cpu;
  if ((i32[S.CR0]! & S.CR0_EM) !== 0 || (i32[S.CR4]! & S.CR4_OSFXSR) === 0) cpu.raise(UD);
  if ((i32[S.CR0]! & S.CR0_TS) !== 0) cpu.raise(NM);
}

/** What an instruction on MMX registers checks (SDM vol. 3, table 12-1). */
export function enterMmx(cpu: Cpu): void {
  const { i32 } = cpu;
  if ((i32[S.CR0]! & S.CR0_EM) !== 0) cpu.raise(UD);
  if ((i32[S.CR0]! & S.CR0_TS) !== 0) cpu.raise(NM);
  if ((i32[S.FPU_SW]! & ES) !== 0) errorPending(cpu);
}

/** The effect of any MMX instruction but EMMS on the x87: TOP is 0, no register empty (SDM vol. 1, 9.5.1). */
export function useMmx(cpu: Cpu): void {
  const { i32 } = cpu;
  i32[S.FPU_SW]! &= ~0x3800;
  i32[S.FPU_TAG] = 0xff;
}

/** Both checks, for instructions between the two register files. */
export function enterBoth(cpu: Cpu): void {
  enterSse(cpu);
  enterMmx(cpu);
}

// ---- registers -------------------------------------------------------------------------------------------------------

export function xmmWord(index: number): number {
  return S.XMM_REGS + (index << 2);
}

/** MMX registers are the significands of the x87's, in physical order. */
export function mmWord(index: number): number {
  return S.FPU_REGS + (index << 2);
}

export function loadXmm(cpu: Cpu, index: number, into: Lanes): void {
  const { i32 } = cpu;
  const at = xmmWord(index);
  into.i32[0] = i32[at]!;
  into.i32[1] = i32[at + 1]!;
  into.i32[2] = i32[at + 2]!;
  into.i32[3] = i32[at + 3]!;
}

export function storeXmm(cpu: Cpu, index: number): void {
  const { i32 } = cpu;
  const at = xmmWord(index);
  i32[at] = A.i32[0]!;
  i32[at + 1] = A.i32[1]!;
  i32[at + 2] = A.i32[2]!;
  i32[at + 3] = A.i32[3]!;
}

export function loadMm(cpu: Cpu, index: number, into: Lanes): void {
  const at = mmWord(index);
  into.i32[0] = cpu.i32[at]!;
  into.i32[1] = cpu.i32[at + 1]!;
  into.i32[2] = into.i32[3] = 0;
}

/** Writes A to an MMX register; the exponent becomes all ones. */
export function storeMm(cpu: Cpu, index: number): void {
  const at = mmWord(index);
  cpu.i32[at] = A.i32[0]!;
  cpu.i32[at + 1] = A.i32[1]!;
  cpu.i32[at + 2] = 0xffff;
}

// ---- operands --------------------------------------------------------------------------------------------------------

/** Linear address of `bytes` bytes, which 16-byte operands of all but the MOVU… must have aligned: #GP(0). */
export function address(cpu: Cpu, m: MemOperand, bytes: number, write: boolean, aligned: boolean): number {
  const la = linearAddress(cpu, m, bytes, write);
  if (aligned && bytes === XMM_BYTES && (la & 15) !== 0) cpu.raise(GP, 0);
  if (crossesPage(la, bytes)) {
    if (write) cpu.mmu.probeWrite(la, bytes);
    else cpu.mmu.probeRead(la, bytes);
  }
  return la;
}

/** Loads memory, a multiple of 4 bytes, with zeros above. */
export function loadMemory(cpu: Cpu, m: MemOperand, bytes: number, aligned: boolean, into: Lanes): void {
  const la = address(cpu, m, bytes, false, aligned);
  into.i32[0] = cpu.mmu.read32(la);
  into.i32[1] = bytes > 4 ? cpu.mmu.read32(la + 4 | 0) : 0;
  into.i32[2] = bytes > 8 ? cpu.mmu.read32(la + 8 | 0) : 0;
  into.i32[3] = bytes > 8 ? cpu.mmu.read32(la + 12 | 0) : 0;
}

/** Stores the low `bytes` bytes of A. */
export function storeMemory(cpu: Cpu, m: MemOperand, bytes: number, aligned: boolean): void {
  const la = address(cpu, m, bytes, true, aligned);
  for (let i = 0; 4 * i < bytes; i++) cpu.mmu.write32(la + 4 * i | 0, A.i32[i]!);
}

/** Loads a source: MMX or XMM register, or memory of the operand's size. */
export function loadSource(cpu: Cpu, operand: Operand, into: Lanes, aligned = true): void {
  if (operand.kind === "xmm") loadXmm(cpu, operand.index, into);
  else if (operand.kind === "mm") loadMm(cpu, operand.index, into);
  else if (operand.kind === "mem") loadMemory(cpu, operand, operand.size >> 3, aligned, into);
  else if (operand.kind === "reg") {
    into.i32[0] = cpu.i32[operand.index]!;
    into.i32[1] = into.i32[2] = into.i32[3] = 0;
  } else throw new Error(`operand ${operand.kind} is no SIMD source`);
}

/** Number of the register that operand `i` names. */
export function registerOf(instruction: Instruction, i: number): number {
  const operand = instruction.operands[i]!;
  if (operand.kind === "xmm" || operand.kind === "mm" || operand.kind === "reg") return operand.index;
  throw new Error(`${instruction.mnemonic}: operand ${i} is no register`);
}

export function immediate(instruction: Instruction): number {
  const operand = instruction.operands[instruction.operands.length - 1]!;
  return operand.kind === "imm" ? operand.value : 0;
}
