import {
  BIAS, C1, CARRY, EXP_MASK, EXTRA, FORMAT_DOUBLE, FORMAT_SINGLE, HI, LO, OE, PE, R, RC_SHIFT, ROUND_DOWN, ROUND_NEAREST, ROUND_UP, SE, TOP_BIT, UE, WRAP,
} from "./bits.js";

/**
 * Rounding, overflow and underflow (SDM vol. 1, 4.8.4, 4.9.1.4 to 4.9.1.6 and 8.5.4 to 8.5.6).
 *
 * The value to round is normalized: sign (0 or 0x8000), biased exponent of any size, significand hi:lo with its
 * integer bit at the top, and a word `extra` of the bits below, the lowest of which is sticky.
 */

/** Significand bits of control word `cw`'s precision (SDM vol. 1, table 8-2). The reserved value acts as extended. */
export function precisionOf(cw: number): number {
  const pc = cw & 0x300;
  return pc === 0 ? 24 : pc === 0x200 ? 53 : 64;
}

/** Rounds to the extended format (or the one that FORMAT_… names) under `cw`'s rounding and precision control. */
export function roundExtended(sign: number, exp: number, hi: number, lo: number, extra: number, cw: number): number {
  if ((cw & 0x30f00) === 0x300 && exp > 0 && exp < 0x7ffe) {
    let flags = 0;
    if (extra !== 0) {
      flags = PE;
      if (extra < 0 && (extra !== TOP_BIT || (lo & 1) !== 0)) {
        flags = PE | C1;
        lo = (lo + 1) | 0;
        if (lo === 0) {
          hi = (hi + 1) | 0;
          if (hi === 0) {
            hi = TOP_BIT;
            exp++;
          }
        }
      }
    }
    R[LO] = lo;
    R[HI] = hi;
    R[SE] = sign | exp;
    return flags;
  }
  if ((cw & FORMAT_SINGLE) !== 0) return roundTo(sign, exp - biasDifference(0xff), hi, lo, extra, 24, cw, 0xff, 0);
  if ((cw & FORMAT_DOUBLE) !== 0) return roundTo(sign, exp - biasDifference(0x7ff), hi, lo, extra, 53, cw, 0x7ff, 0);
  return roundTo(sign, exp, hi, lo, extra, precisionOf(cw), cw, EXP_MASK, WRAP);
}

/** As roundExtended, but to 64 bits whatever the precision control (it rules only add, subtract, multiply, divide and square root). */
export function roundFull(sign: number, exp: number, hi: number, lo: number, extra: number, cw: number): number {
  return roundExtended(sign, exp, hi, lo, extra, cw | 0x300);
}

/**
 * Rounds to `p` significand bits in a format whose exponents reach from 1 to maxExp - 1; `exp` is in that format's bias.
 * Leaves the significand left-aligned in R[HI]:R[LO], and sign and exponent in R[SE]. `wrap` is what an unmasked
 * overflow takes from the exponent; where that is not enough (FSCALE), the result is infinity, or zero.
 */
export function roundTo(sign: number, exp: number, hi: number, lo: number, extra: number, p: number, cw: number, maxExp: number, wrap: number): number {
  const rc = (cw >> RC_SHIFT) & 3;
  if (exp <= 0) return roundTiny(sign, exp, hi, lo, extra, p, cw, wrap);
  const flags = roundAt(sign, hi, lo, extra, p, rc);
  exp += R[CARRY]!;
  if (exp < maxExp) {
    R[SE] = sign | exp;
    return flags;
  }
  if ((cw & OE) === 0 && (exp - wrap < maxExp || wrap === 0)) {
    R[SE] = sign | ((exp - wrap) & EXP_MASK);
    return flags | OE;
  }
  if (rc === ROUND_NEAREST || (cw & OE) === 0 || rc === (sign !== 0 ? ROUND_DOWN : ROUND_UP)) {
    R[HI] = TOP_BIT;
    R[LO] = 0;
    R[SE] = sign | maxExp;
    return OE | PE | C1;
  }
  R[HI] = p === 24 ? 0xffffff00 | 0 : -1;
  R[LO] = p === 24 ? 0 : p === 53 ? 0xfffff800 | 0 : -1;
  R[SE] = sign | (maxExp - 1);
  return OE | PE;
}

/** A result below the normal range before rounding. Tininess is judged after rounding, as x86 does. */
function roundTiny(sign: number, exp: number, hi: number, lo: number, extra: number, p: number, cw: number, wrap: number): number {
  const rc = (cw >> RC_SHIFT) & 3;
  let flags = roundAt(sign, hi, lo, extra, p, rc);
  const tiny = exp + R[CARRY]! <= 0;
  if (tiny && (cw & UE) === 0) {
    if (exp + wrap <= 0 && wrap !== 0) {
      R[HI] = R[LO] = 0;
      R[SE] = sign;
      return UE | PE;
    }
    R[SE] = sign | ((exp + R[CARRY]! + wrap) & EXP_MASK);
    return flags | UE;
  }
  shiftRight(hi, lo, extra, 1 - exp);
  flags = roundAt(sign, R[HI]!, R[LO]!, R[EXTRA]!, p, rc);
  R[SE] = R[HI]! < 0 ? sign | 1 : sign;
  return tiny && (flags & PE) !== 0 ? flags | UE : flags;
}

/** Rounds the significand to its top `p` bits; gives PE and C1 (rounded away from zero), and R[CARRY]. */
export function roundAt(sign: number, hi: number, lo: number, extra: number, p: number, rc: number): number {
  let rest = extra, odd = lo & 1;
  if (p === 53) {
    rest = (lo << 21) | (extra !== 0 ? 1 : 0);
    odd = lo & 0x800;
    lo &= 0xfffff800;
  } else if (p === 24) {
    rest = (hi << 24) | (extra !== 0 || lo !== 0 ? 1 : 0);
    odd = hi & 0x100;
    hi &= 0xffffff00;
    lo = 0;
  }
  R[CARRY] = 0;
  R[HI] = hi;
  R[LO] = lo;
  if (rest === 0) return 0;
  const up = rc === ROUND_NEAREST ? rest < 0 && (rest !== TOP_BIT || odd !== 0) : rc === (sign !== 0 ? ROUND_DOWN : ROUND_UP);
  if (!up) return PE;
  if (p === 24) hi = (hi + 0x100) | 0;
  else {
    lo = (lo + (p === 53 ? 0x800 : 1)) | 0;
    if (lo === 0) hi = (hi + 1) | 0;
  }
  if (hi === 0 && lo === 0) {
    hi = TOP_BIT;
    R[CARRY] = 1;
  }
  R[HI] = hi;
  R[LO] = lo;
  return PE | C1;
}

/** Shifts hi:lo:extra right by `n` > 0 places into R[HI], R[LO], R[EXTRA]; what falls out stays in the sticky bit. */
export function shiftRight(hi: number, lo: number, extra: number, n: number): void {
  let lost = 0;
  while (n >= 32) {
    lost |= extra;
    extra = lo;
    lo = hi;
    hi = 0;
    n -= 32;
    if ((hi | lo | extra) === 0) n = 0;
  }
  if (n > 0) {
    lost |= extra << (32 - n);
    extra = (extra >>> n) | (lo << (32 - n));
    lo = (lo >>> n) | (hi << (32 - n));
    hi >>>= n;
  }
  R[HI] = hi;
  R[LO] = lo;
  R[EXTRA] = lost !== 0 ? extra | 1 : extra;
}

/** Rounds a value that may be zero or not normalized: moves its top bit up first. */
export function normalizeAndRound(sign: number, exp: number, hi: number, lo: number, extra: number, cw: number): number {
  if (hi === 0) {
    if (lo === 0) {
      if (extra === 0) {
        R[HI] = R[LO] = 0;
        R[SE] = sign;
        return 0;
      }
      lo = extra;
      extra = 0;
      exp -= 32;
    }
    hi = lo;
    lo = extra;
    extra = 0;
    exp -= 32;
  }
  if (hi === 0) {
    hi = lo;
    lo = 0;
    exp -= 32;
  }
  const n = Math.clz32(hi);
  if (n > 0) {
    hi = (hi << n) | (lo >>> (32 - n));
    lo = (lo << n) | (extra >>> (32 - n));
    extra <<= n;
    exp -= n;
  }
  return roundExtended(sign, exp, hi, lo, extra, cw);
}

/** Extended bias less the bias of a format with `maxExp`: 255 for single, 2047 for double. */
export function biasDifference(maxExp: number): number {
  return BIAS - (maxExp >> 1);
}
