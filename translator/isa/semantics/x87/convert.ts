import {
  BIAS, C1, DE, EXP_MASK, EXTRA, HI, IE, LO, PE, R, RC_MASK, RC_SHIFT, SE, setResult, setZero, SIGN, TOP_BIT,
} from "./bits.js";
import { isNaN80, isUnsupported, normalizeDenormal } from "./nan.js";
import { roundAt, roundTo, shiftRight } from "./round.js";

/**
 * Between the extended format and those of memory (SDM vol. 1, 4.2 and 4.8.2). The from… functions leave an extended
 * value in R, a signaling NaN still signaling; the to… functions leave the bits of the other format in R[LO] and R[HI].
 */

const SINGLE_BIAS = BIAS - 127, DOUBLE_BIAS = BIAS - 1023;

/** Single precision; gives DE for a denormal. */
export function fromSingle(bits: number): number {
  const sign = (bits >>> 16) & SIGN;
  const exp = (bits >>> 23) & 0xff;
  const fraction = bits << 9 >>> 1;
  if (exp !== 0 && exp !== 0xff) {
    R[LO] = 0;
    R[HI] = fraction | TOP_BIT;
    R[SE] = sign | (exp + SINGLE_BIAS);
    return 0;
  }
  if (exp === 0xff) {
    setResult(sign | EXP_MASK, fraction | TOP_BIT, 0);
    return 0;
  }
  if (fraction === 0) {
    setZero(sign);
    return 0;
  }
  normalizeDenormal(0, fraction);
  R[SE] = sign | (R[SE]! + SINGLE_BIAS);
  return DE;
}

/** Double precision; gives DE for a denormal. */
export function fromDouble(low: number, high: number): number {
  const sign = (high >>> 16) & SIGN;
  const exp = (high >>> 20) & 0x7ff;
  const hi = ((high & 0xfffff) << 11) | (low >>> 21), lo = low << 11;
  if (exp !== 0 && exp !== 0x7ff) {
    R[LO] = lo;
    R[HI] = hi | TOP_BIT;
    R[SE] = sign | (exp + DOUBLE_BIAS);
    return 0;
  }
  if (exp === 0x7ff) {
    setResult(sign | EXP_MASK, hi | TOP_BIT, lo);
    return 0;
  }
  if ((hi | lo) === 0) {
    setZero(sign);
    return 0;
  }
  normalizeDenormal(lo, hi);
  R[SE] = sign | (R[SE]! + DOUBLE_BIAS);
  return DE;
}

/** A word or doubleword integer, sign-extended to 32 bits. */
export function fromInt32(value: number): void {
  if (value === 0) return setZero(0);
  const magnitude = value < 0 ? -value | 0 : value;
  const n = Math.clz32(magnitude);
  setResult((value < 0 ? SIGN : 0) | (BIAS + 31 - n), magnitude << n, 0);
}

export function fromInt64(low: number, high: number): void {
  const sign = high < 0 ? SIGN : 0;
  if (sign !== 0) {
    low = -low | 0;
    high = (~high + (low === 0 ? 1 : 0)) | 0;
  }
  fromMagnitude(sign, high, low);
}

/** An unsigned 64-bit magnitude with a sign. */
export function fromMagnitude(sign: number, hi: number, lo: number): void {
  if ((hi | lo) === 0) return setZero(sign);
  normalizeDenormal(lo, hi);
  R[SE] = sign | (R[SE]! + BIAS + 62);
}

/** To single precision under `cw`'s rounding. The result of an unmasked exception other than PE is not to be stored. */
export function toSingle(lo: number, hi: number, se: number, cw: number): number {
  const sign = se & SIGN;
  let exp = se & EXP_MASK, flags = 0;
  if (exp === EXP_MASK || exp === 0 || hi >= 0) {
    if (isUnsupported(hi, se)) {
      R[LO] = 0xffc00000;
      return IE;
    }
    if (exp === EXP_MASK) {
      const nan = isNaN80(lo, hi, se);
      R[LO] = (sign << 16) | 0x7f800000 | (nan ? 0x400000 | (hi >>> 8) & 0x7fffff : 0);
      return nan && (hi & 0x40000000) === 0 ? IE : 0;
    }
    if ((hi | lo) === 0) {
      R[LO] = sign << 16;
      return 0;
    }
    normalizeDenormal(lo, hi);
    lo = R[LO]!; hi = R[HI]!; exp = R[SE]!;
  }
  const e = exp - SINGLE_BIAS;
  if (e > 0 && e < 0xfe && (cw & RC_MASK) === 0) {
    const rest = hi & 0xff;
    const up = rest > 0x80 || (rest === 0x80 && (lo !== 0 || (hi & 0x100) !== 0));
    const word = sign << 16 | e << 23 | hi >>> 8 & 0x7fffff;
    R[LO] = up ? word + 1 : word;
    return (rest | lo) === 0 ? 0 : up ? PE | C1 : PE;
  }
  flags = roundTo(sign, e, hi, lo, 0, 24, cw, 0xff, 0);
  R[LO] = (sign << 16) | (R[SE]! & EXP_MASK) << 23 | (R[HI]! >>> 8) & 0x7fffff;
  return flags;
}

/** To double precision under `cw`'s rounding, low word in R[LO]. */
export function toDouble(lo: number, hi: number, se: number, cw: number): number {
  const sign = se & SIGN;
  let exp = se & EXP_MASK, flags = 0;
  if (exp === EXP_MASK || exp === 0 || hi >= 0) {
    if (isUnsupported(hi, se)) {
      R[LO] = 0;
      R[HI] = 0xfff80000;
      return IE;
    }
    if (exp === EXP_MASK) {
      const nan = isNaN80(lo, hi, se);
      R[HI] = (sign << 16) | 0x7ff00000 | (nan ? 0x80000 | (hi >>> 11) & 0xfffff : 0);
      R[LO] = (lo >>> 11) | (hi << 21);
      return nan && (hi & 0x40000000) === 0 ? IE : 0;
    }
    if ((hi | lo) === 0) {
      R[LO] = 0;
      R[HI] = sign << 16;
      return 0;
    }
    normalizeDenormal(lo, hi);
    lo = R[LO]!; hi = R[HI]!; exp = R[SE]!;
  }
  const e = exp - DOUBLE_BIAS;
  if (e > 0 && e < 0x7fe && (cw & RC_MASK) === 0) {
    // The usual case: a carry out of the fraction is one more in the exponent, as it should be.
    const rest = lo & 0x7ff;
    const up = rest > 0x400 || (rest === 0x400 && (lo & 0x800) !== 0);
    const low = lo >>> 11 | hi << 21, high = sign << 16 | e << 20 | hi >>> 11 & 0xfffff;
    R[LO] = up ? low + 1 : low;
    R[HI] = up && low === -1 ? high + 1 : high;
    return rest === 0 ? 0 : up ? PE | C1 : PE;
  }
  flags = roundTo(sign, e, hi, lo, 0, 53, cw, 0x7ff, 0);
  lo = R[LO]!;
  hi = R[HI]!;
  R[LO] = (lo >>> 11) | (hi << 21);
  R[HI] = (sign << 16) | (R[SE]! & EXP_MASK) << 20 | (hi >>> 11) & 0xfffff;
  return flags;
}

/** To a signed integer of 16, 32 or 64 bits (in R[LO], R[HI]) under `cw`'s rounding; what does not fit is IE and the integer indefinite. */
export function toInteger(lo: number, hi: number, se: number, cw: number, bits: number): number {
  const flags = toMagnitude(lo, hi, se, cw);
  const negative = (se & SIGN) !== 0;
  lo = R[LO]!;
  hi = R[HI]!;
  let fits = (flags & IE) === 0;
  if (bits === 64) fits &&= hi >= 0 || (negative && hi === TOP_BIT && lo === 0);
  else fits &&= hi === 0 && lo >>> 0 <= (bits === 32 ? 0x7fffffff : 0x7fff) + (negative ? 1 : 0);
  if (!fits) {
    R[LO] = bits === 64 ? 0 : bits === 32 ? TOP_BIT : 0x8000;
    R[HI] = TOP_BIT;
    return IE;
  }
  if (negative) {
    R[LO] = -lo;
    R[HI] = ~hi + (lo === 0 ? 1 : 0);
  }
  return flags;
}

/** Rounds |value| to an integer in R[HI]:R[LO]; IE when that is past 64 bits or the value no number. */
export function toMagnitude(lo: number, hi: number, se: number, cw: number): number {
  const exp = se & EXP_MASK;
  if ((hi | lo | exp) === 0) {
    R[LO] = R[HI] = 0;
    return 0;
  }
  const places = BIAS + 63 - exp;
  if (places < 0 || (hi >= 0 && exp !== 0)) return IE;
  if (places === 0) {
    R[LO] = lo;
    R[HI] = hi;
    return 0;
  }
  shiftRight(hi, lo, 0, places);
  return roundAt(se & SIGN, R[HI]!, R[LO]!, R[EXTRA]!, 64, (cw >> RC_SHIFT) & 3) & (PE | C1);
}
