import { DE, EXP_MASK, HI, IE, LO, PE, PRECOMPUTATION, R, SE, SIGN, UE, ZE } from "../x87/bits.js";
import { fromDouble, fromSingle } from "../x87/convert.js";
import { MXCSR_DAZ, MXCSR_FTZ } from "./mxcsr.js";
import { A, B, type Lanes } from "./registers.js";

/** One lane of single or double precision at a time: its class, its arithmetic through the x87's, its result. */

/** Arithmetic of the x87, of which SSE uses the functions on numbers. */
export type Arithmetic = (aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number) => number;

/** The word with sign and exponent of a lane. */
function high(x: Lanes, lane: number, double: boolean): number {
  return x.i32[double ? 2 * lane + 1 : lane]!;
}

export function isNaNLane(x: Lanes, lane: number, double: boolean): boolean {
  const h = high(x, lane, double) & 0x7fffffff;
  return double ? h > 0x7ff00000 || (h === 0x7ff00000 && x.i32[2 * lane] !== 0) : h > 0x7f800000;
}

export function isSignalingLane(x: Lanes, lane: number, double: boolean): boolean {
  return isNaNLane(x, lane, double) && (high(x, lane, double) & (double ? 0x80000 : 0x400000)) === 0;
}

export function isDenormalLane(x: Lanes, lane: number, double: boolean): boolean {
  const h = high(x, lane, double);
  if (!double) return (h & 0x7f800000) === 0 && (h & 0x7fffff) !== 0;
  return (h & 0x7ff00000) === 0 && ((h & 0xfffff) | x.i32[2 * lane]!) !== 0;
}

/** Applies DAZ to a lane; gives DE for a denormal that stays one. */
export function settleDenormal(x: Lanes, lane: number, double: boolean, mxcsr: number): number {
  if (!isDenormalLane(x, lane, double)) return 0;
  if ((mxcsr & MXCSR_DAZ) === 0) return DE;
  if (double) {
    x.i32[2 * lane] = 0;
    x.i32[2 * lane + 1]! &= 0x80000000;
  } else x.i32[lane]! &= 0x80000000;
  return 0;
}

/** Copies a NaN to a lane of A, quiet. */
export function setQuiet(from: Lanes, lane: number, double: boolean): void {
  if (double) {
    A.i32[2 * lane] = from.i32[2 * lane]!;
    A.i32[2 * lane + 1] = from.i32[2 * lane + 1]! | 0x80000;
  } else A.i32[lane] = from.i32[lane]! | 0x400000;
}

export function unpack(x: Lanes, lane: number, double: boolean): void {
  if (double) fromDouble(x.i32[2 * lane]!, x.i32[2 * lane + 1]!);
  else fromSingle(x.i32[lane]!);
}

/** Writes R, rounded to the lane's format, to a lane of A; gives the flags with what flushing to zero adds. */
export function packResult(lane: number, double: boolean, flags: number, cw: number, mxcsr: number): number {
  const maxExp = double ? 0x7ff : 0xff;
  const sign = (R[SE]! & SIGN) << 16;
  let hi = R[HI]!, lo = R[LO]!, exp = Math.min(R[SE]! & EXP_MASK, maxExp);
  if ((mxcsr & MXCSR_FTZ) !== 0 && (cw & UE) !== 0 && ((flags & UE) !== 0 || (exp === 0 && (hi | lo) !== 0))) {
    hi = lo = exp = 0;
    flags |= UE | PE;
  }
  if (double) {
    A.i32[2 * lane] = lo >>> 11 | hi << 21;
    A.i32[2 * lane + 1] = sign | exp << 20 | hi >>> 11 & 0xfffff;
  } else A.i32[lane] = sign | exp << 23 | hi >>> 8 & 0x7fffff;
  return flags;
}

const X = new Int32Array(3);

/** A[lane] = A[lane] op B[lane]; gives the exceptions. The NaN rule is SSE's: the first operand's, if it is one (SDM vol. 1, table 4-7). */
export function binaryLane(op: Arithmetic, lane: number, double: boolean, cw: number, mxcsr: number): number {
  const denormal = settleDenormal(A, lane, double, mxcsr) | settleDenormal(B, lane, double, mxcsr);
  const aNaN = isNaNLane(A, lane, double);
  if (aNaN || isNaNLane(B, lane, double)) {
    const flags = isSignalingLane(A, lane, double) || isSignalingLane(B, lane, double) ? IE : 0;
    setQuiet(aNaN ? A : B, lane, double);
    return flags;
  }
  unpack(A, lane, double);
  X[LO] = R[LO]!;
  X[HI] = R[HI]!;
  X[SE] = R[SE]!;
  unpack(B, lane, double);
  let flags = op(X[LO]!, X[HI]!, X[SE]!, R[LO]!, R[HI]!, R[SE]!, cw);
  if ((flags & (IE | ZE)) === 0) flags |= denormal;
  if ((flags & ~cw & PRECOMPUTATION) !== 0) return flags & PRECOMPUTATION;
  return packResult(lane, double, flags & 0x3f, cw, mxcsr);
}

/** A[lane] = op B[lane] (square root). */
export function unaryLane(op: (lo: number, hi: number, se: number, cw: number) => number, lane: number, double: boolean, cw: number, mxcsr: number): number {
  const denormal = settleDenormal(B, lane, double, mxcsr);
  if (isNaNLane(B, lane, double)) {
    const flags = isSignalingLane(B, lane, double) ? IE : 0;
    setQuiet(B, lane, double);
    return flags;
  }
  unpack(B, lane, double);
  let flags = op(R[LO]!, R[HI]!, R[SE]!, cw);
  if ((flags & IE) === 0) flags |= denormal;
  if ((flags & ~cw & PRECOMPUTATION) !== 0) return flags & PRECOMPUTATION;
  return packResult(lane, double, flags & 0x3f, cw, mxcsr);
}
