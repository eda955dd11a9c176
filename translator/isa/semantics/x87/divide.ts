import { BIAS, DE, EXP_MASK, HI, invalid, less64, LO, R, SE, setInfinity, setZero, SIGN, TOP_BIT, ZE } from "./bits.js";
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

/** Remainder of the last `quotientDigit`. */
let remainderHi = 0, remainderLo = 0;

/**
 * The next 16 bits of (rHi:rLo) / (bHi:bLo), where the remainder is below the normalized divisor; leaves the new
 * remainder. The estimate from doubles is off by one at most, and the sign of what is left tells in which direction.
 */
function quotientDigit(rHi: number, rLo: number, bHi: number, bLo: number, inverse: number): number {
  const q = Math.floor(((rHi >>> 0) * 4294967296 + (rLo >>> 0)) * inverse);
  const lowProduct = q * (bLo >>> 0);
  const lowCarry = Math.floor(lowProduct / 4294967296);
  const highProduct = q * (bHi >>> 0) + lowCarry;
  const low = (rLo << 16 >>> 0) - (lowProduct - lowCarry * 4294967296);
  const high = ((rHi >>> 0) * 65536 + (rLo >>> 16)) - highProduct - (low < 0 ? 1 : 0);
  if (high < 0) {
    const restored = (low >>> 0) + (bLo >>> 0);
    remainderLo = restored | 0;
    remainderHi = ((high | 0) + bHi + (restored >= 4294967296 ? 1 : 0)) | 0;
    return q - 1;
  }
  if (high > (bHi >>> 0) || (high === (bHi >>> 0) && low >>> 0 >= bLo >>> 0)) {
    const reduced = (low >>> 0) - (bLo >>> 0);
    remainderLo = reduced | 0;
    remainderHi = (high - (bHi >>> 0) - (reduced < 0 ? 1 : 0)) | 0;
    return q + 1;
  }
  remainderLo = low | 0;
  remainderHi = high | 0;
  return q;
}

/** Divides normalized significands; `exp` is the difference of the exponents. */
export function divideFinite(sign: number, exp: number, aHi: number, aLo: number, bHi: number, bLo: number, cw: number): number {
  const inverse = 65536 / ((bHi >>> 0) * 4294967296 + (bLo >>> 0));
  const below = less64(aHi, aLo, bHi, bLo);
  if (!below) {
    const low = (aLo >>> 0) - (bLo >>> 0);
    aLo = low | 0;
    aHi = (aHi - bHi - (low < 0 ? 1 : 0)) | 0;
  }
  const q3 = quotientDigit(aHi, aLo, bHi, bLo, inverse);
  const q2 = quotientDigit(remainderHi, remainderLo, bHi, bLo, inverse);
  const q1 = quotientDigit(remainderHi, remainderLo, bHi, bLo, inverse);
  const q0 = quotientDigit(remainderHi, remainderLo, bHi, bLo, inverse);
  const hi = (q3 << 16) | q2, lo = (q1 << 16) | q0;
  const rest = (remainderHi | remainderLo) !== 0 ? 1 : 0;
  if (!below) {
    return roundExtended(sign, exp + BIAS, (hi >>> 1) | TOP_BIT, (lo >>> 1) | (hi << 31), (lo << 31) | rest, cw);
  }
  return roundExtended(sign, exp + BIAS - 1, hi, lo, halfOf(bHi, bLo), cw);
}

/** The word of bits below the quotient: how the remainder compares to half the divisor. */
function halfOf(bHi: number, bLo: number): number {
  if ((remainderHi | remainderLo) === 0) return 0;
  if (remainderHi < 0) return 0xc0000000 | 0;
  const hi = (remainderHi << 1) | (remainderLo >>> 31), lo = remainderLo << 1;
  if (hi === bHi && lo === bLo) return TOP_BIT;
  return less64(hi, lo, bHi, bLo) ? 0x40000000 : 0xc0000000 | 0;
}
