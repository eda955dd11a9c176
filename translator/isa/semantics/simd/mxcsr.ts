import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { UD, XM } from "../../../../hypervisor/trap.js";
import { EXCEPTIONS, FORMAT_DOUBLE, FORMAT_SINGLE, PRECOMPUTATION } from "../x87/bits.js";

/** MXCSR (SDM vol. 1, 10.2.3) and SIMD floating-point exceptions (SDM vol. 1, 11.5). */
export const MXCSR_DAZ = 0x40, MXCSR_FTZ = 0x8000, MXCSR_RESET = 0x1f80;
/** Bits that exist; FXSAVE stores this as MXCSR_MASK. */
export const MXCSR_MASK = 0xffff;

/** MXCSR's masks, rounding and a result format as the x87 arithmetic takes them in a control word. */
export function controlWord(mxcsr: number, double: boolean): number {
  return mxcsr >> 7 & EXCEPTIONS | mxcsr >> 3 & 0xc00 | (double ? FORMAT_DOUBLE : FORMAT_SINGLE);
}

/**
 * Records the exceptions of all lanes. An unmasked one is #XM, or #UD when the system does not handle that; exceptions
 * of the operands come before those of results (SDM vol. 1, 11.5.3).
 */
export function report(cpu: Cpu, flags: number): void {
  if (flags === 0) return;
  const { i32 } = cpu;
  const masks = i32[S.MXCSR]! >> 7;
  if ((flags & ~masks & PRECOMPUTATION) !== 0) flags &= PRECOMPUTATION;
  i32[S.MXCSR]! |= flags & EXCEPTIONS;
  if ((flags & ~masks & EXCEPTIONS) !== 0) cpu.raise((i32[S.CR4]! & S.CR4_OSXMMEXCPT) !== 0 ? XM : UD);
}

/** Denormal operands are zeros: none of this is seen. */
export function denormalsAreZeros(mxcsr: number): boolean {
  return (mxcsr & MXCSR_DAZ) !== 0;
}
