import { DE, EXP_MASK, EXTRA, HI, invalid, less64, LO, R, RC_MASK, SE, setInfinity, setZero, SIGN } from "./bits.js";
import { eitherNaN, isInfinity, isZero, normalizeDenormal, propagate } from "./nan.js";
import { normalizeAndRound, roundExtended, shiftRight } from "./round.js";

/** FADD, FSUB and their kin (SDM vol. 2, tables 3-18 and 3-36): a + b or a - b rounded under `cw`. */

export function add(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  const aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  if (aHi < 0 && bHi < 0 && aExp !== 0 && bExp !== 0 && aExp !== EXP_MASK && bExp !== EXP_MASK) {
    return addFinite(aSe & SIGN, aExp, aHi, aLo, bSe & SIGN, bExp, bHi, bLo, cw);
  }
  return addSpecial(aLo, aHi, aSe, bLo, bHi, bSe, 0, cw);
}

export function subtract(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  const aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  if (aHi < 0 && bHi < 0 && aExp !== 0 && bExp !== 0 && aExp !== EXP_MASK && bExp !== EXP_MASK) {
    return addFinite(aSe & SIGN, aExp, aHi, aLo, ~bSe & SIGN, bExp, bHi, bLo, cw);
  }
  return addSpecial(aLo, aHi, aSe, bLo, bHi, bSe, SIGN, cw);
}

/** b - a. */
export function subtractReversed(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  return subtract(bLo, bHi, bSe, aLo, aHi, aSe, cw);
}

/** NaNs, infinities, zeros and denormals. `flip` is SIGN to subtract. */
function addSpecial(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, flip: number, cw: number): number {
  if (eitherNaN(aLo, aHi, aSe, bLo, bHi, bSe)) return propagate(aLo, aHi, aSe, bLo, bHi, bSe);
  const aSign = aSe & SIGN, bSign = (bSe & SIGN) ^ flip;
  let aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  const aZero = isZero(aLo, aHi, aSe), bZero = isZero(bLo, bHi, bSe);
  const aInfinite = isInfinity(aLo, aHi, aSe), bInfinite = isInfinity(bLo, bHi, bSe);
  if (aInfinite && bInfinite && aSign !== bSign) return invalid();
  const flags = (aExp === 0 && !aZero) || (bExp === 0 && !bZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (aInfinite || bInfinite) {
    setInfinity(aInfinite ? aSign : bSign);
    return flags;
  }
  if (aZero && bZero) {
    setZero(aSign === bSign ? aSign : zeroSign(cw));
    return 0;
  }
  if (aExp === 0 && !aZero) {
    normalizeDenormal(aLo, aHi);
    aLo = R[LO]!; aHi = R[HI]!; aExp = R[SE]!;
  }
  if (bExp === 0 && !bZero) {
    normalizeDenormal(bLo, bHi);
    bLo = R[LO]!; bHi = R[HI]!; bExp = R[SE]!;
  }
  if (bZero) return flags | roundExtended(aSign, aExp, aHi, aLo, 0, cw);
  if (aZero) return flags | roundExtended(bSign, bExp, bHi, bLo, 0, cw);
  return flags | addFinite(aSign, aExp, aHi, aLo, bSign, bExp, bHi, bLo, cw);
}

/** The sign of an exact zero difference: minus only when rounding down. */
function zeroSign(cw: number): number {
  return (cw & RC_MASK) === 0x400 ? SIGN : 0;
}

/** Adds two normalized values. */
function addFinite(aSign: number, aExp: number, aHi: number, aLo: number, bSign: number, bExp: number, bHi: number, bLo: number, cw: number): number {
  if (aExp < bExp || (aExp === bExp && less64(aHi, aLo, bHi, bLo))) {
    return addOrdered(bSign, bExp, bHi, bLo, aSign, bExp - aExp, aHi, aLo, cw);
  }
  return addOrdered(aSign, aExp, aHi, aLo, bSign, aExp - bExp, bHi, bLo, cw);
}

/** Adds b, the smaller in magnitude, `shift` binary places below a. */
function addOrdered(sign: number, exp: number, aHi: number, aLo: number, bSign: number, shift: number, bHi: number, bLo: number, cw: number): number {
  let extra = 0;
  if (shift !== 0) {
    if (shift < 32) {
      extra = bLo << (32 - shift);
      bLo = (bLo >>> shift) | (bHi << (32 - shift));
      bHi >>>= shift;
    } else {
      shiftRight(bHi, bLo, 0, shift);
      bHi = R[HI]!; bLo = R[LO]!; extra = R[EXTRA]!;
    }
  }
  if (sign === bSign) {
    let lo = (aLo + bLo) | 0;
    const carry = lo >>> 0 < bLo >>> 0 ? 1 : 0;
    const sum = (aHi >>> 0) + (bHi >>> 0) + carry;
    let hi = sum | 0;
    if (sum >= 0x100000000) {
      extra = (extra >>> 1) | (extra & 1) | (lo << 31);
      lo = (lo >>> 1) | (hi << 31);
      hi = (hi >>> 1) | 0x80000000;
      exp++;
    }
    return roundExtended(sign, exp, hi, lo, extra, cw);
  }
  const borrow = extra !== 0 ? 1 : 0;
  const low = (aLo >>> 0) - (bLo >>> 0) - borrow;
  const lo = low | 0;
  const hi = (aHi - bHi - (low < 0 ? 1 : 0)) | 0;
  extra = -extra | 0;
  if (hi < 0) return roundExtended(sign, exp, hi, lo, extra, cw);
  if ((hi | lo | extra) === 0) {
    setZero(zeroSign(cw));
    return 0;
  }
  return normalizeAndRound(sign, exp, hi, lo, extra, cw);
}
