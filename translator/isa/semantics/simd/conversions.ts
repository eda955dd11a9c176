import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import type { Instruction } from "../../instruction.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { DE, HI, IE, LO, R, SE } from "../x87/bits.js";
import { fromInt32, toInteger } from "../x87/convert.js";
import { roundExtended } from "../x87/round.js";
import { isNaNLane, isSignalingLane, packResult, settleDenormal, unpack } from "./float-lanes.js";
import { controlWord, report } from "./mxcsr.js";
import { A, B, enterMmx, enterSse, loadSource, loadXmm, registerOf, storeMm, storeXmm, useMmx } from "./registers.js";

/** Conversions between integers and floats, and between the float formats (SDM vol. 1, 10.4.3, 11.4.1.6 and figure 11-8). */

/** Integer lane `from` of B to float lane `to` of A. */
function fromIntegerLane(from: number, to: number, double: boolean, cw: number, mxcsr: number): number {
  const value = B.i32[from]!;
  if (double) {
    A.f64[to] = value;
    return 0;
  }
  fromInt32(value);
  if (value === 0) {
    A.i32[to] = 0;
    return 0;
  }
  return packResult(to, false, roundExtended(R[SE]! & 0x8000, R[SE]! & 0x7fff, R[HI]!, R[LO]!, 0, cw), cw, mxcsr);
}

const TRUNCATE = 0xc00;

/** Float lane `from` of B as an integer; leaves it in R[LO]. NaNs and what does not fit give the indefinite. */
function toIntegerLane(from: number, double: boolean, cw: number, mxcsr: number): number {
  settleDenormal(B, from, double, mxcsr);
  unpack(B, from, double);
  return toInteger(R[LO]!, R[HI]!, R[SE]!, cw, 32) & 0x3f;
}

/** Float lane of B to the other format, in a lane of A. */
function otherFormat(from: number, to: number, toDouble: boolean, cw: number, mxcsr: number): number {
  const denormal = settleDenormal(B, from, !toDouble, mxcsr);
  if (isNaNLane(B, from, !toDouble)) {
    const flags = isSignalingLane(B, from, !toDouble) ? IE : 0;
    unpack(B, from, !toDouble);
    R[HI]! |= 0x40000000;
    packResult(to, toDouble, 0, cw, mxcsr);
    return flags;
  }
  if ((denormal & ~cw & DE) !== 0) return DE;
  unpack(B, from, !toDouble);
  const se = R[SE]!;
  if ((R[HI]! | R[LO]!) === 0 || (se & 0x7fff) === 0x7fff) return packResult(to, toDouble, 0, cw, mxcsr);
  return denormal | packResult(to, toDouble, roundExtended(se & 0x8000, se & 0x7fff, R[HI]!, R[LO]!, 0, cw), cw, mxcsr);
}

/** An instruction whose destination is an XMM register. `keep`: lanes that are not written stay, else they become zero. */
function toXmm(double: boolean, keep: boolean, fromMmx: boolean, convert: (cw: number, mxcsr: number) => number): Semantics {
  return helper((cpu, instruction) => {
    enterSse(cpu);
    const source = instruction.operands[1]!, index = registerOf(instruction, 0);
    const mmx = fromMmx && source.kind === "mm";
    if (mmx) enterMmx(cpu);
    loadSource(cpu, source, B);
    if (keep) loadXmm(cpu, index, A);
    else A.i32.fill(0);
    const mxcsr = cpu.i32[S.MXCSR]!;
    if (mmx) useMmx(cpu);
    report(cpu, convert(controlWord(mxcsr, double), mxcsr));
    storeXmm(cpu, index);
  });
}

/** Packed floats to doublewords in an XMM register, the rest zero, or in an MMX register. */
function toIntegers(double: boolean, lanes: number, truncate: boolean): Semantics {
  return helper((cpu, instruction) => {
    const mmx = instruction.operands[0]!.kind === "mm";
    enterSse(cpu);
    if (mmx) enterMmx(cpu);
    const index = registerOf(instruction, 0);
    loadSource(cpu, instruction.operands[1]!, B);
    A.i32.fill(0);
    const mxcsr = cpu.i32[S.MXCSR]!;
    const cw = controlWord(mxcsr, double) | (truncate ? TRUNCATE : 0);
    let flags = 0;
    for (let lane = 0; lane < lanes; lane++) {
      flags |= toIntegerLane(lane, double, cw, mxcsr);
      A.i32[lane] = R[LO]!;
    }
    if (mmx) useMmx(cpu);
    report(cpu, flags);
    if (mmx) storeMm(cpu, index);
    else storeXmm(cpu, index);
  });
}

/** CVTSS2SI and its kin: a scalar to a general register. */
function toRegister(double: boolean, truncate: boolean): ComplexFunction {
  return (cpu: Cpu, instruction: Instruction) => {
    enterSse(cpu);
    loadSource(cpu, instruction.operands[1]!, B);
    const mxcsr = cpu.i32[S.MXCSR]!;
    const flags = toIntegerLane(0, double, controlWord(mxcsr, double) | (truncate ? TRUNCATE : 0), mxcsr);
    const value = R[LO]!;
    report(cpu, flags);
    cpu.i32[registerOf(instruction, 0)] = value;
  };
}

/** Several integer lanes to floats. */
const integers = (double: boolean, lanes: number) => (cw: number, mxcsr: number): number => {
  let flags = 0;
  for (let lane = 0; lane < lanes; lane++) flags |= fromIntegerLane(lane, lane, double, cw, mxcsr);
  return flags;
};

/** Several float lanes to the other format. */
const floats = (double: boolean, lanes: number) => (cw: number, mxcsr: number): number => {
  let flags = 0;
  for (let lane = 0; lane < lanes; lane++) flags |= otherFormat(lane, lane, double, cw, mxcsr);
  return flags;
};

export const CONVERSIONS: Readonly<Record<string, Semantics>> = {
  CVTPI2PS: toXmm(false, true, true, integers(false, 2)), CVTPI2PD: toXmm(true, false, true, integers(true, 2)),
  CVTSI2SS: toXmm(false, true, false, integers(false, 1)), CVTSI2SD: toXmm(true, true, false, integers(true, 1)),
  CVTDQ2PS: toXmm(false, false, false, integers(false, 4)), CVTDQ2PD: toXmm(true, false, false, integers(true, 2)),
  CVTPS2PD: toXmm(true, false, false, floats(true, 2)), CVTPD2PS: toXmm(false, false, false, floats(false, 2)),
  CVTSS2SD: toXmm(true, true, false, floats(true, 1)), CVTSD2SS: toXmm(false, true, false, floats(false, 1)),
  CVTPS2PI: toIntegers(false, 2, false), CVTTPS2PI: toIntegers(false, 2, true),
  CVTPD2PI: toIntegers(true, 2, false), CVTTPD2PI: toIntegers(true, 2, true),
  CVTPS2DQ: toIntegers(false, 4, false), CVTTPS2DQ: toIntegers(false, 4, true),
  CVTPD2DQ: toIntegers(true, 2, false), CVTTPD2DQ: toIntegers(true, 2, true),
  CVTSS2SI: helper(toRegister(false, false)), CVTTSS2SI: helper(toRegister(false, true)),
  CVTSD2SI: helper(toRegister(true, false)), CVTTSD2SI: helper(toRegister(true, true)),
};
