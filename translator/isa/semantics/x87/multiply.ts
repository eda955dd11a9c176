import { BIAS, DE, EXP_MASK, HI, invalid, LO, R, SE, setInfinity, setZero, SIGN } from "./bits.js";
import { eitherNaN, isInfinity, isZero, normalizeDenormal, propagate } from "./nan.js";
import { roundExtended } from "./round.js";

/** The last 128-bit product, lowest word first. */
export const PRODUCT = new Int32Array(4);

/** High word of the unsigned 64-bit product of two words. */
export function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16;
  const u = (Math.imul(ah, bl) + (Math.imul(al, bl) >>> 16)) | 0;
  const v = (Math.imul(al, bh) + (u & 0xffff)) | 0;
  return (Math.imul(ah, bh) + (u >>> 16) + (v >>> 16)) | 0;
}

/** PRODUCT = aHi:aLo * bHi:bLo, unsigned. */
export function multiply64(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const low = Math.imul(aHi, bLo), cross = Math.imul(aLo, bHi), high = Math.imul(aHi, bHi);
  const middle = (multiplyHigh(aLo, bLo) >>> 0) + (low >>> 0) + (cross >>> 0);
  const carry = middle >= 0x200000000 ? 2 : middle >= 0x100000000 ? 1 : 0;
  const upper = (multiplyHigh(aHi, bLo) >>> 0) + (multiplyHigh(aLo, bHi) >>> 0) + (high >>> 0) + carry;
  const top = upper >= 0x200000000 ? 2 : upper >= 0x100000000 ? 1 : 0;
  PRODUCT[0] = Math.imul(aLo, bLo);
  PRODUCT[1] = middle;
  PRODUCT[2] = upper;
  PRODUCT[3] = multiplyHigh(aHi, bHi) + top;
}

/** FMUL (SDM vol. 2, table 3-29). */
export function multiply(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  const aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  if (aHi < 0 && bHi < 0 && aExp !== 0 && bExp !== 0 && aExp !== EXP_MASK && bExp !== EXP_MASK) {
    return multiplyFinite((aSe ^ bSe) & SIGN, aExp + bExp, aHi, aLo, bHi, bLo, cw);
  }
  return multiplySpecial(aLo, aHi, aSe, bLo, bHi, bSe, cw);
}

function multiplySpecial(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  if (eitherNaN(aLo, aHi, aSe, bLo, bHi, bSe)) return propagate(aLo, aHi, aSe, bLo, bHi, bSe);
  const sign = (aSe ^ bSe) & SIGN;
  let aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  const aZero = isZero(aLo, aHi, aSe), bZero = isZero(bLo, bHi, bSe);
  const infinite = isInfinity(aLo, aHi, aSe) || isInfinity(bLo, bHi, bSe);
  if (infinite && (aZero || bZero)) return invalid();
  const flags = (aExp === 0 && !aZero) || (bExp === 0 && !bZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (infinite) {
    setInfinity(sign);
    return flags;
  }
  if (aZero || bZero) {
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
  return flags | multiplyFinite(sign, aExp + bExp, aHi, aLo, bHi, bLo, cw);
}

/** Multiplies normalized significands; `exp` is the sum of the biased exponents. */
export function multiplyFinite(sign: number, exp: number, aHi: number, aLo: number, bHi: number, bLo: number, cw: number): number {
  multiply64(aHi, aLo, bHi, bLo);
  const hi = PRODUCT[3]!, lo = PRODUCT[2]!, extra = PRODUCT[1]!, lowest = PRODUCT[0]!;
  if (hi < 0) return roundExtended(sign, exp - BIAS + 1, hi, lo, lowest !== 0 ? extra | 1 : extra, cw);
  const shifted = (extra << 1) | (lowest >>> 31);
  return roundExtended(sign, exp - BIAS, (hi << 1) | (lo >>> 31), (lo << 1) | (extra >>> 31), (lowest << 1) !== 0 ? shifted | 1 : shifted, cw);
}
