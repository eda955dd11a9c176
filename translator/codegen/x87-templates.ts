/**
 * Source of the arithmetic that runs of x87 instructions are made of (x87-run.ts), on values AH + AL and BH + BL that
 * are pairs as x87-pairs.ts describes them; the result goes to HI and LO, $g grows if it is inexact, and $k is
 * negative if it was rounded up in magnitude. `xslow2` does the same with fewer assumptions.
 *
 * Written for short chains of dependent operations, which is what the time of real code goes by: in the kernel `fp` a
 * product takes half the time of multiplyPairs, because the unit of the last place comes from the rounded product
 * instead of from the renormalised sum, and the terms that decide whether a rounding was exact or a tie are off the
 * path to the result. What that does not cover (a sum that cancelled, a result next to a power of two, one within
 * 2^-33 units of a tie) is found by tests that are off the path as well.
 */

/** Rounds s + t to 64 bits. */
const ROUND = `
  const q = s * 4503599627370497, unit = Math.abs(q - q * 0.9999999999999999), rounder = unit * 0.000732421875;
  const r = (t + rounder) - rounder, hi = s + r;
  HI = hi;
  LO = r - (hi - s);
  const rest = t - r, x = Math.abs(rest), m = Math.abs(hi);`;

const SLOW = `
    xp[16] = AH;
    xp[17] = AL;
    xp[18] = BH;
    xp[19] = BL;
    const flags = xslow2(OPERATION);
    if (flags < 0) break $T;
    $g = $g + (flags & 32);
    $k = 256.5 - flags;
    HI = xp[20];
    LO = xp[21];`;


/** e1 + e2 is by how much s + t misses the exact sum. No branch here depends on what is random in the data. */
const ROUND_SUM = `
  ${ROUND}
  const more = Math.abs(e1 + e2);
  if (x >= 4 * more && x + 2 * more < unit * 5.421010862427522e-20 && m < unit + unit && (m > unit || x + more === 0)
    && Math.abs(t) < unit * 0.0001 && m > 2.0e-132 && m < 2.0e132) {
    $g = $g + x;
    $k = rest * hi;
  } else {
    ${SLOW}
  }`;

/** s + t misses the exact product by 2^-98 units at the most, which seldom matters, and not at all if both are doubles. */
const ROUND_PRODUCT = `
  ${ROUND}
  if ((x > unit * 3.2e-30 || al === 0 && bl === 0) && x < unit * 5.4210108618e-20 && m < unit + unit && (m > unit || x === 0)
    && m > 2.0e-132 && m < 2.0e132) {
    $g = $g + x;
    $k = rest * hi;
  } else {
    ${SLOW}
  }`;

const SUM = `
  const ah = AH, al = AL, bh = BH, bl = BL;
  const s = ah + bh, sv = s - ah, e = (ah - (s - sv)) + (bh - sv);`;

/** Knuth's two-sum of the high parts, and what the low parts and their sum's errors are. */
export const ADD_PAIRS = `
  ${SUM}
  const t1 = al + bl, t = e + t1;
  const v1 = t1 - al, e1 = (al - (t1 - v1)) + (bl - v1), v2 = t - e, e2 = (e - (t - v2)) + (t1 - v2);
  ${ROUND_SUM}`;

/** The same when the low part of one of the two is 0: the other's is OTHER. */
export const ADD_DOUBLE = `
  ${SUM}
  const t1 = OTHER, t = e + t1;
  const e1 = 0, v2 = t - e, e2 = (e - (t - v2)) + (t1 - v2);
  ${ROUND_SUM}`;

const PRODUCT = `
  const ah = AH, al = AL, bh = BH, bl = BL;
  const s = ah * bh;
  const ac = 134217729 * ah, a1 = ac - (ac - ah), a2 = ah - a1;
  const bc = 134217729 * bh, b1 = bc - (bc - bh), b2 = bh - b1;
  const e = ((a1 * b1 - s) + a1 * b2 + a2 * b1) + a2 * b2;`;

/** Dekker's product of the high parts; of the other terms only what the doubt in ROUND_PRODUCT does not cover. */
export const MULTIPLY_PAIRS = `
  ${PRODUCT}
  const t = e + (ah * bl + al * bh);
  ${ROUND_PRODUCT}`;

/** The same when b's low part is 0. */
export const MULTIPLY_DOUBLE = `
  ${PRODUCT}
  const t = e + al * bh;
  ${ROUND_PRODUCT}`;

/** Division. */
export const SLOW_PAIRS = SLOW;

/** A single or double from memory, if it is zero or a normal number in the range of pairs. */
export const LOAD_SINGLE = `
  xsw[0] = LOW;
  const value = xs[0], magnitude = Math.abs(value);
  if (!(magnitude >= 1.1754943508222875e-38 && magnitude < 3.5e38) && value !== 0) break $T;
  HI = value;`;

export const LOAD_DOUBLE = `
  xdw[0] = LOW;
  xdw[1] = HIGH;
  const value = xd[0], magnitude = Math.abs(value);
  if (!(magnitude > 2.0e-132 && magnitude < 2.0e132) && value !== 0) break $T;
  HI = value;`;
