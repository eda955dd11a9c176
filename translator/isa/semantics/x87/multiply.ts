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

/** PRODUCT = aHi:aLo * bHi:bLo, unsigned: by columns of 16-bit digits, whose sums are exact as doubles. */
export function multiply64(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const a0 = aLo & 0xffff, a1 = aLo >>> 16, a2 = aHi & 0xffff, a3 = aHi >>> 16;
  const b0 = bLo & 0xffff, b1 = bLo >>> 16, b2 = bHi & 0xffff, b3 = bHi >>> 16;
  const c0 = Math.imul(a0, b0);
  const c1 = (Math.imul(a1, b0) >>> 0) + (Math.imul(a0, b1) >>> 0) + (c0 >>> 16);
  const c2 = (Math.imul(a2, b0) >>> 0) + (Math.imul(a1, b1) >>> 0) + (Math.imul(a0, b2) >>> 0) + Math.floor(c1 / 65536);
  const c3 = (Math.imul(a3, b0) >>> 0) + (Math.imul(a2, b1) >>> 0) + (Math.imul(a1, b2) >>> 0) + (Math.imul(a0, b3) >>> 0) + Math.floor(c2 / 65536);
  const c4 = (Math.imul(a3, b1) >>> 0) + (Math.imul(a2, b2) >>> 0) + (Math.imul(a1, b3) >>> 0) + Math.floor(c3 / 65536);
  const c5 = (Math.imul(a3, b2) >>> 0) + (Math.imul(a2, b3) >>> 0) + Math.floor(c4 / 65536);
  PRODUCT[0] = c0 & 0xffff | c1 << 16;
  PRODUCT[1] = c2 & 0xffff | c3 << 16;
  PRODUCT[2] = c4 & 0xffff | c5 << 16;
  PRODUCT[3] = (Math.imul(a3, b3) >>> 0) + Math.floor(c5 / 65536);
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
