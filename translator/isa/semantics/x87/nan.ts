import { EXP_MASK, HI, IE, invalid, LO, R, SE, setResult, SIGN, TOP_BIT } from "./bits.js";

/** Classes of extended values and what becomes of NaNs (SDM vol. 1, 4.8.3 and table 8-3). */

/** Pseudo-NaN, pseudo-infinity or unnormal: integer bit clear under an exponent that is not zero. */
export function isUnsupported(hi: number, se: number): boolean {
  return hi >= 0 && (se & EXP_MASK) !== 0;
}

export function isNaN80(lo: number, hi: number, se: number): boolean {
  return (se & EXP_MASK) === EXP_MASK && hi < 0 && ((hi & 0x7fffffff) | lo) !== 0;
}

export function isSignalingNaN(lo: number, hi: number, se: number): boolean {
  return isNaN80(lo, hi, se) && (hi & 0x40000000) === 0;
}

export function isInfinity(lo: number, hi: number, se: number): boolean {
  return (se & EXP_MASK) === EXP_MASK && hi === TOP_BIT && lo === 0;
}

export function isZero(lo: number, hi: number, se: number): boolean {
  return (hi | lo | (se & EXP_MASK)) === 0;
}

/** Denormal or pseudo-denormal. */
export function isDenormal(lo: number, hi: number, se: number): boolean {
  return (se & EXP_MASK) === 0 && (hi | lo) !== 0;
}

/** The result when `a` is the only NaN: itself, made quiet. */
export function quiet(lo: number, hi: number, se: number): number {
  setResult(se, hi | 0x40000000, lo);
  return (hi & 0x40000000) === 0 ? IE : 0;
}

/** The result when at least one of two operands is a NaN or unsupported (SDM vol. 1, table 4-7, x87 column). */
export function propagate(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number): number {
  if (isUnsupported(aHi, aSe) || isUnsupported(bHi, bSe)) return invalid();
  const aNaN = isNaN80(aLo, aHi, aSe), bNaN = isNaN80(bLo, bHi, bSe);
  if (!bNaN) return quiet(aLo, aHi, aSe);
  if (!aNaN) return quiet(bLo, bHi, bSe);
  const aSignals = (aHi & 0x40000000) === 0, bSignals = (bHi & 0x40000000) === 0;
  if (aSignals !== bSignals) {
    if (aSignals) setResult(bSe, bHi, bLo);
    else setResult(aSe, aHi, aLo);
    return IE;
  }
  quiet(aLo, aHi, aSe);
  if (takesSecond(aLo, aHi, aSe, bLo, bHi)) setResult(bSe, bHi | 0x40000000, bLo);
  return aSignals ? IE : 0;
}

/** Of two NaNs alike in kind the one with the larger significand stands; of equal ones the positive. */
function takesSecond(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number): boolean {
  if (aHi !== bHi) return aHi >>> 0 < bHi >>> 0;
  if (aLo !== bLo) return aLo >>> 0 < bLo >>> 0;
  return (aSe & SIGN) !== 0;
}

/** Whether a two-operand operation must take the NaN path. */
export function eitherNaN(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number): boolean {
  return isUnsupported(aHi, aSe) || isUnsupported(bHi, bSe) || isNaN80(aLo, aHi, aSe) || isNaN80(bLo, bHi, bSe);
}

/** A denormal's significand moved up to the top into R[HI]:R[LO]; its exponent into R[SE] (at most 1, no sign). */
export function normalizeDenormal(lo: number, hi: number): void {
  let exp = 1;
  if (hi === 0) {
    hi = lo;
    lo = 0;
    exp -= 32;
  }
  const n = Math.clz32(hi);
  if (n > 0) {
    hi = (hi << n) | (lo >>> (32 - n));
    lo <<= n;
    exp -= n;
  }
  R[HI] = hi;
  R[LO] = lo;
  R[SE] = exp;
}
