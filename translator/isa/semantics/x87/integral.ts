import {
  BIAS, C1, DE, EXP_MASK, EXTRA, HI, invalid, LO, PE, R, RC_SHIFT, SE, setInfinity, setResult, setZero, SIGN, TOP_BIT, ZE,
} from "./bits.js";
import { fromInt32 } from "./convert.js";
import { eitherNaN, isInfinity, isNaN80, isUnsupported, isZero, normalizeDenormal, propagate, quiet } from "./nan.js";
import { normalizeAndRound, roundAt, roundFull, shiftRight } from "./round.js";

/** Operations on exponents: FRNDINT, FSCALE and FXTRACT (SDM vol. 2). Precision control does not touch them. */

/** FRNDINT. */
export function roundToInteger(lo: number, hi: number, se: number, cw: number): number {
  if (isUnsupported(hi, se)) return invalid();
  if (isNaN80(lo, hi, se)) return quiet(lo, hi, se);
  const exp = se & EXP_MASK, sign = se & SIGN;
  const places = BIAS + 63 - exp;
  setResult(se, hi, lo);
  if (places <= 0 || isZero(lo, hi, se)) return 0;
  const denormal = exp === 0 ? DE : 0;
  if ((denormal & ~cw) !== 0) return denormal;
  shiftRight(hi, lo, 0, places);
  const flags = roundAt(sign, R[HI]!, R[LO]!, R[EXTRA]!, 64, (cw >> RC_SHIFT) & 3) & (PE | C1);
  normalizeAndRound(sign, BIAS + 63, R[HI]!, R[LO]!, 0, cw | 0x300);
  return flags | denormal;
}

/** FSCALE: a * 2^trunc(b). */
export function scale(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  if (eitherNaN(aLo, aHi, aSe, bLo, bHi, bSe)) return propagate(aLo, aHi, aSe, bLo, bHi, bSe);
  const sign = aSe & SIGN;
  let exp = aSe & EXP_MASK;
  const aZero = isZero(aLo, aHi, aSe), aInfinite = isInfinity(aLo, aHi, aSe), bNegative = (bSe & SIGN) !== 0;
  const bInfinite = isInfinity(bLo, bHi, bSe), bZero = isZero(bLo, bHi, bSe);
  if (bInfinite && (bNegative ? aInfinite : aZero)) return invalid();
  const flags = (exp === 0 && !aZero) || ((bSe & EXP_MASK) === 0 && !bZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (bInfinite) {
    if (bNegative) setZero(sign);
    else setInfinity(sign);
    return flags;
  }
  if (aZero || aInfinite) {
    setResult(aSe, aHi, aLo);
    return flags;
  }
  if (exp === 0) {
    normalizeDenormal(aLo, aHi);
    aLo = R[LO]!; aHi = R[HI]!; exp = R[SE]!;
  }
  const places = BIAS + 31 - (bSe & EXP_MASK);
  // Past 2^16 any scale over- or underflows whatever the operand.
  const amount = places < 15 ? 0x10000 : places > 31 ? 0 : bHi >>> places;
  return flags | roundFull(sign, exp + (bNegative ? -amount : amount), aHi, aLo, 0, cw);
}

/** Significand of the last `extract`, as R would have it. */
export const SIGNIFICAND = new Int32Array(3);

/** FXTRACT: leaves the exponent in R and the significand in SIGNIFICAND. */
export function extract(lo: number, hi: number, se: number, cw: number): number {
  let flags = 0;
  const sign = se & SIGN;
  if (isUnsupported(hi, se)) {
    flags = invalid();
    SIGNIFICAND.set([R[LO]!, R[HI]!, R[SE]!]);
  } else if (isNaN80(lo, hi, se)) {
    flags = quiet(lo, hi, se);
    SIGNIFICAND.set([R[LO]!, R[HI]!, R[SE]!]);
  } else if (isInfinity(lo, hi, se)) {
    SIGNIFICAND.set([lo, hi, se]);
    setInfinity(0);
  } else if (isZero(lo, hi, se)) {
    SIGNIFICAND.set([0, 0, sign]);
    setResult(0xffff, TOP_BIT, 0);
    flags = ZE;
  } else {
    let exp = se & EXP_MASK;
    if (exp === 0) {
      flags = DE;
      if ((cw & DE) === 0) return DE;
      normalizeDenormal(lo, hi);
      lo = R[LO]!; hi = R[HI]!; exp = R[SE]!;
    }
    SIGNIFICAND.set([lo, hi, sign | BIAS]);
    fromInt32(exp - BIAS);
  }
  return flags;
}
