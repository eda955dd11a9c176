import { C1, PE } from "../isa/semantics/x87/bits.js";

/**
 * Arithmetic on 80-bit values held as pairs of doubles, for generated code.
 *
 * A value with a 64-bit significand is hi + lo exactly, hi being its nearest double (ties to even): the pair is unique.
 * Pairs stand in `P`, two elements each, and are named by the index of the first. They are zeros (lo is 0) or between
 * LEAST and MOST in magnitude, so that no product, remainder or rounding error here can overflow or lose bits below
 * the range of doubles.
 *
 * add, multiply and divide round to 64 bits, to nearest. They give PE and C1 as the status word has them, or -1 with
 * nothing changed where the result is out of range or too close to a tie (or to no error at all) to tell on this path;
 * then isa/semantics/x87 computes it. Which is also what each of them is tested against, bit by bit.
 *
 * These are long and repeat each other because a call that passes doubles boxes them: with the steps in functions of
 * their own the loop of four operations in bench's `fp` kernel takes twice the time (jit-study.md, 9).
 */
export const P = new Float64Array(24);

export const LEAST = 2 ** -440, MOST = 2 ** 440;

/** Veltkamp's constant splits a double into two halves of 26 bits. */
const SPLIT = 134217729;
/** |PHI x - PSI PHI x| is the power of two at or below |x| (Rump: Ultimately fast accurate summation, 2009). */
const PHI = 4503599627370497, PSI = 1 - 2 ** -53;
/** Of that power of two: adding and subtracting this multiple rounds to the 64th bit; half a unit of that bit. */
const ROUNDER = 1.5 * 2 ** -11, HALF = 2 ** -64;

/** d = a + b, or a - b with `negate`. */
export function addPairs(d: number, a: number, b: number, negate: boolean): number {
  const ah = P[a]!, al = P[a + 1]!;
  let bh = P[b]!, bl = P[b + 1]!;
  if (negate) {
    bh = -bh;
    bl = -bl;
  }
  // Knuth's two-sum, three times: ah + bh = s + e, al + bl = t1 + e1, e + t1 = t2 + e2. s + t2 + (e1 + e2) is the sum.
  const s = ah + bh, sv = s - ah, e = (ah - (s - sv)) + (bh - sv);
  const t1 = al + bl, v1 = t1 - al, e1 = (al - (t1 - v1)) + (bl - v1);
  const t2 = e + t1, v2 = t2 - e, e2 = (e - (t2 - v2)) + (t1 - v2);
  // High parts may have cancelled: once more.
  const h = s + t2, v3 = h - s, t = (s - (h - v3)) + (t2 - v3);
  const magnitude = Math.abs(h);
  if (!(magnitude > LEAST && magnitude < MOST)) {
    if (h !== 0 || e1 !== 0 || e2 !== 0) return -1;
    P[d] = s === 0 ? s : 0;
    P[d + 1] = 0;
    return 0;
  }
  const q = h * PHI;
  let unit = Math.abs(q - q * PSI);
  if (magnitude === unit && t !== 0 && (t < 0) === (h > 0)) unit *= 0.5;
  const rounder = unit * ROUNDER;
  const r = (t + rounder) - rounder;
  let rest = t - r;
  const more = e1 + e2;
  if (more !== 0) {
    const m = Math.abs(more), x = Math.abs(rest);
    if (x + 2 * m >= unit * HALF || (x !== 0 && x <= 4 * m)) return -1;
    if (x === 0) rest = more;
  }
  const hi = h + r;
  P[d] = hi;
  P[d + 1] = r - (hi - h);
  return rest === 0 ? 0 : (rest < 0) !== (h < 0) ? PE | C1 : PE;
}

/** d = a b. */
export function multiplyPairs(d: number, a: number, b: number): number {
  const ah = P[a]!, al = P[a + 1]!, bh = P[b]!, bl = P[b + 1]!;
  const s = ah * bh;
  const magnitude = Math.abs(s);
  if (!(magnitude > LEAST && magnitude < MOST)) {
    if (ah !== 0 && bh !== 0) return -1;
    P[d] = s;
    P[d + 1] = 0;
    return 0;
  }
  // Dekker's product: ah bh = s + e.
  const ac = SPLIT * ah, a1 = ac - (ac - ah), a2 = ah - a1;
  const bc = SPLIT * bh, b1 = bc - (bc - bh), b2 = bh - b1;
  const e = ((a1 * b1 - s) + a1 * b2 + a2 * b1) + a2 * b2;
  // The low parts have 11 bits, so these sums of products are exact, and only adding the three up may not be.
  const large = a1 * bl + al * b1, small = (a2 * bl + al * b2) + al * bl;
  const t1 = e + large, v1 = t1 - e, e1 = (e - (t1 - v1)) + (large - v1);
  const t2 = t1 + small, v2 = t2 - t1, e2 = (t1 - (t2 - v2)) + (small - v2);
  const h = s + t2, t = t2 - (h - s);
  const q = h * PHI;
  let unit = Math.abs(q - q * PSI);
  if (Math.abs(h) === unit && t !== 0 && (t < 0) === (h > 0)) unit *= 0.5;
  const rounder = unit * ROUNDER;
  const r = (t + rounder) - rounder;
  let rest = t - r;
  const more = e1 + e2;
  if (more !== 0) {
    const m = Math.abs(more), x = Math.abs(rest);
    if (x + 2 * m >= unit * HALF || (x !== 0 && x <= 4 * m)) return -1;
    if (x === 0) rest = more;
  }
  const hi = h + r;
  P[d] = hi;
  P[d + 1] = r - (hi - h);
  return rest === 0 ? 0 : (rest < 0) !== (h < 0) ? PE | C1 : PE;
}

/** How near to a tie or to an exact result, in units of the last place, a quotient's two terms leave it undecided. */
const DOUBT = 2 ** -30;

/** d = a / b. */
export function dividePairs(d: number, a: number, b: number): number {
  const ah = P[a]!, al = P[a + 1]!, bh = P[b]!, bl = P[b + 1]!;
  const s = ah / bh;
  const magnitude = Math.abs(s);
  if (!(magnitude > LEAST && magnitude < MOST)) {
    if (ah !== 0 || bh === 0) return -1;
    P[d] = s;
    P[d + 1] = 0;
    return 0;
  }
  const ac = SPLIT * s, a1 = ac - (ac - s), a2 = s - a1;
  const bc = SPLIT * bh, b1 = bc - (bc - bh), b2 = bh - b1;
  const p = s * bh;
  const e = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
  // What s leaves of the dividend: a - s b.
  const left = (((ah - p) - e) + (al - a1 * bl)) - a2 * bl;
  if (left === 0) {
    if (al !== 0 || bl !== 0) return -1;
    P[d] = s;
    P[d + 1] = 0;
    return 0;
  }
  const t2 = left / bh;
  const h = s + t2, t = t2 - (h - s);
  const q = h * PHI;
  let unit = Math.abs(q - q * PSI);
  if (Math.abs(h) === unit && t !== 0 && (t < 0) === (h > 0)) unit *= 0.5;
  const rounder = unit * ROUNDER;
  const r = (t + rounder) - rounder;
  const rest = t - r;
  const x = Math.abs(rest), half = unit * HALF;
  if (x <= half * DOUBT || x >= half - half * DOUBT) return -1;
  const hi = h + r;
  P[d] = hi;
  P[d + 1] = r - (hi - h);
  return (rest < 0) !== (h < 0) ? PE | C1 : PE;
}

// ---- words ----------------------------------------------------------------------------------------------------------

/** A double's words. */
export const DOUBLE = new Float64Array(1), DOUBLE_WORDS = new Int32Array(DOUBLE.buffer);
/** A single's word. */
export const SINGLE = new Float32Array(1), SINGLE_WORDS = new Int32Array(SINGLE.buffer);

const BIAS = 16383;

/** 2^e, e in the range of normal doubles. */
function power(e: number): number {
  DOUBLE_WORDS[0] = 0;
  DOUBLE_WORDS[1] = (e + 1023) << 20;
  return DOUBLE[0]!;
}

/** Makes the pair of an extended value's words; false when it has none. */
export function fromWords(d: number, lo: number, hi: number, se: number): boolean {
  const exponent = (se & 0x7fff) - BIAS;
  if (hi < 0 && exponent > -439 && exponent < 439) {
    const scale = (se & 0x8000) !== 0 ? -power(exponent - 63) : power(exponent - 63);
    const top = (hi >>> 0) * 4294967296, bottom = lo >>> 0;
    const h = top + bottom;
    P[d] = h * scale;
    P[d + 1] = (bottom - (h - top)) * scale;
    return true;
  }
  if ((hi | lo | se & 0x7fff) !== 0) return false;
  P[d] = (se & 0x8000) !== 0 ? -0 : 0;
  P[d + 1] = 0;
  return true;
}

/** Writes a pair's extended form to three words of `i32` from `at`. */
export function toWords(a: number, i32: Int32Array, at: number): void {
  const h = P[a]!;
  DOUBLE[0] = h;
  const word = DOUBLE_WORDS[1]!;
  const sign = word >>> 16 & 0x8000;
  if (h === 0) {
    i32[at] = i32[at + 1] = 0;
    i32[at + 2] = sign;
    return;
  }
  let exponent = (word >>> 20 & 0x7ff) - 1023;
  let scale = sign !== 0 ? -power(63 - exponent) : power(63 - exponent);
  if (h * scale === 9223372036854775808 && P[a + 1]! * scale < 0) {
    scale *= 2;
    exponent--;
  }
  // Numbers of up to 64 bits: the low part, at most 2048 either way, may borrow or carry.
  const big = h * scale;
  let top = Math.floor(big / 4294967296), bottom = (big - top * 4294967296) + P[a + 1]! * scale;
  if (bottom < 0) {
    bottom += 4294967296;
    top--;
  } else if (bottom >= 4294967296) {
    bottom -= 4294967296;
    top++;
  }
  i32[at] = bottom;
  i32[at + 1] = top;
  i32[at + 2] = sign | exponent + BIAS;
}
