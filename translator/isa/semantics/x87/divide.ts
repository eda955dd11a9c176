import { BIAS, DE, EXP_MASK, HI, invalid, less64, LO, R, SE, setInfinity, setZero, SIGN, TOP_BIT, ZE } from "./bits.js";
import { multiplyHigh } from "./multiply.js";
import { eitherNaN, isInfinity, isZero, normalizeDenormal, propagate } from "./nan.js";
import { roundExtended } from "./round.js";

/** FDIV (SDM vol. 2, table 3-24). */
export function divide(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  const aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  if (aHi < 0 && bHi < 0 && aExp !== 0 && bExp !== 0 && aExp !== EXP_MASK && bExp !== EXP_MASK) {
    return divideFinite((aSe ^ bSe) & SIGN, aExp - bExp, aHi, aLo, bHi, bLo, cw);
  }
  return divideSpecial(aLo, aHi, aSe, bLo, bHi, bSe, cw);
}

/** b / a. */
export function divideReversed(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  return divide(bLo, bHi, bSe, aLo, aHi, aSe, cw);
}

function divideSpecial(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  if (eitherNaN(aLo, aHi, aSe, bLo, bHi, bSe)) return propagate(aLo, aHi, aSe, bLo, bHi, bSe);
  const sign = (aSe ^ bSe) & SIGN;
  let aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  const aZero = isZero(aLo, aHi, aSe), bZero = isZero(bLo, bHi, bSe);
  const aInfinite = isInfinity(aLo, aHi, aSe), bInfinite = isInfinity(bLo, bHi, bSe);
  if ((aInfinite && bInfinite) || (aZero && bZero)) return invalid();
  if (bZero && !aInfinite) {
    setInfinity(sign);
    return ZE;
  }
  const flags = (aExp === 0 && !aZero) || (bExp === 0 && !bZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (aInfinite) {
    setInfinity(sign);
    return flags;
  }
  if (aZero || bInfinite) {
    setZero(sign);
    return flags;
  }
  if (aExp === 0) {
    normalizeDenormal(aLo, aHi);
    aLo = R[LO]!; aHi = R[HI]!; aExp = R[SE]!;
  }
  if (bExp === 0) {
    normalizeDenormal(bLo, bHi);
    bLo = R[LO]!; bHi = R[HI]!; bExp = R[SE]!;
  }
  return flags | divideFinite(sign, aExp - bExp, aHi, aLo, bHi, bLo, cw);
}

/** Remainder of the last `quotientWord`: high and low word. */
const REMAINDER = new Int32Array(2);

/**
 * The next 32 bits of (rHi:rLo) / (bHi:bLo), where the remainder is below the normalized divisor; leaves the new
 * remainder. The estimate from doubles is off by one at most, and what is left tells in which direction.
 */
function quotientWord(rHi: number, rLo: number, bHi: number, bLo: number, inverse: number): number {
  let q = Math.min(((rHi >>> 0) * 4294967296 + (rLo >>> 0)) * inverse, 4294967295) | 0;
  const middle = Math.imul(q, bHi), p1 = (multiplyHigh(q, bLo) + middle) | 0;
  const p2 = multiplyHigh(q, bHi) + (p1 >>> 0 < middle >>> 0 ? 1 : 0);
  let low = -Math.imul(q, bLo) | 0;
  const difference = (rLo >>> 0) - (p1 >>> 0) - (low !== 0 ? 1 : 0);
  let high = difference | 0;
  const top = (rHi - p2 - (difference < 0 ? 1 : 0)) | 0;
  if (top < 0) {
    q--;
    low = (low + bLo) | 0;
    high = (high + bHi + (low >>> 0 < bLo >>> 0 ? 1 : 0)) | 0;
  } else if (top > 0 || !less64(high, low, bHi, bLo)) {
    q++;
    high = (high - bHi - (low >>> 0 < bLo >>> 0 ? 1 : 0)) | 0;
    low = (low - bLo) | 0;
  }
  REMAINDER[0] = high;
  REMAINDER[1] = low;
  return q | 0;
}

/** Divides normalized significands; `exp` is the difference of the exponents. */
export function divideFinite(sign: number, exp: number, aHi: number, aLo: number, bHi: number, bLo: number, cw: number): number {
  const below = less64(aHi, aLo, bHi, bLo);
  if (!below) {
    const low = (aLo >>> 0) - (bLo >>> 0);
    aLo = low | 0;
    aHi = (aHi - bHi - (low < 0 ? 1 : 0)) | 0;
  }
  const inverse = 4294967296 / ((bHi >>> 0) * 4294967296 + (bLo >>> 0));
  const hi = quotientWord(aHi, aLo, bHi, bLo, inverse);
  const lo = quotientWord(REMAINDER[0]!, REMAINDER[1]!, bHi, bLo, inverse);
  const restHi = REMAINDER[0]!, restLo = REMAINDER[1]!;
  if (!below) {
    const rest = (restHi | restLo) !== 0 ? 1 : 0;
    return roundExtended(sign, exp + BIAS, (hi >>> 1) | TOP_BIT, (lo >>> 1) | (hi << 31), (lo << 31) | rest, cw);
  }
  return roundExtended(sign, exp + BIAS - 1, hi, lo, belowQuotient(restHi, restLo, bHi, bLo), cw);
}

/** The word of bits below the quotient: how the remainder compares to half the divisor. */
function belowQuotient(restHi: number, restLo: number, bHi: number, bLo: number): number {
  if ((restHi | restLo) === 0) return 0;
  if (restHi < 0) return 0xc0000000 | 0;
  const hi = (restHi << 1) | (restLo >>> 31), lo = restLo << 1;
  if (hi === bHi && lo === bLo) return TOP_BIT;
  return less64(hi, lo, bHi, bLo) ? 0x40000000 : 0xc0000000 | 0;
}
