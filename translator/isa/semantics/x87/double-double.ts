import { BIAS, HI, LO, R, SE, TOP_BIT } from "./bits.js";
import { roundFull } from "./round.js";

/**
 * Pairs of doubles, high + low with |low| at most half an ulp of high: about 106 bits, of which the transcendental
 * instructions need some 75. Error-free sums are Knuth's, products Dekker's. A function takes its operands as
 * numbers and leaves the result in D[H], D[L].
 */
export const D = new Float64Array(2);
export const H = 0, L = 1;

export function setPair(h: number, l: number): void {
  D[H] = h;
  D[L] = l;
}

/** h + l of any sizes with |h| >= |l|, as a pair. */
export function normalizePair(h: number, l: number): void {
  const sum = h + l;
  D[H] = sum;
  D[L] = l - (sum - h);
}

export function addPair(ah: number, al: number, bh: number, bl: number): void {
  const s = ah + bh, sb = s - ah;
  const t = al + bl, tb = t - al;
  const low = (ah - (s - sb)) + (bh - sb) + t;
  const sum = s + low;
  normalizePair(sum, low - (sum - s) + ((al - (t - tb)) + (bl - tb)));
}

const SPLITTER = 134217729;

/** a * b - fl(a * b), exactly. */
function productError(a: number, b: number, product: number): number {
  const ta = SPLITTER * a, ah = ta - (ta - a), al = a - ah;
  const tb = SPLITTER * b, bh = tb - (tb - b), bl = b - bh;
  return ((ah * bh - product) + ah * bl + al * bh) + al * bl;
}

export function multiplyPair(ah: number, al: number, bh: number, bl: number): void {
  const product = ah * bh;
  normalizePair(product, productError(ah, bh, product) + (ah * bl + al * bh));
}

export function dividePair(ah: number, al: number, bh: number, bl: number): void {
  const q1 = ah / bh;
  multiplyPair(bh, bl, q1, 0);
  addPair(ah, al, -D[H]!, -D[L]!);
  const rh = D[H]!, rl = D[L]!;
  const q2 = rh / bh;
  multiplyPair(bh, bl, q2, 0);
  addPair(rh, rl, -D[H]!, -D[L]!);
  const q3 = D[H]! / bh;
  normalizePair(q1, q2);
  addPair(D[H]!, D[L]!, q3, 0);
}

/**
 * Sum of c[k] z^k: coefficients as pairs (c[2k], c[2k + 1]); from the `pairs`-th on their terms are so small that
 * doubles do.
 */
export function polynomial(c: Float64Array, pairs: number, zh: number, zl: number): void {
  let tail = 0;
  for (let k = (c.length >> 1) - 1; k >= pairs; k--) tail = tail * zh + c[2 * k]!;
  let h = tail, l = 0;
  for (let k = pairs - 1; k >= 0; k--) {
    multiplyPair(h, l, zh, zl);
    addPair(c[2 * k]!, c[2 * k + 1]!, D[H]!, D[L]!);
    h = D[H]!;
    l = D[L]!;
  }
}

/** Coefficients numerator / denominator(k), k = 0 … count - 1, with alternating signs when asked. */
export function coefficients(count: number, denominator: (k: number) => number, alternate: boolean): Float64Array {
  const c = new Float64Array(2 * count);
  for (let k = 0; k < count; k++) {
    dividePair(alternate && (k & 1) !== 0 ? -1 : 1, 0, denominator(k), 0);
    c.set(D, 2 * k);
  }
  return c;
}

/** The significand hi:lo as a pair in [1, 2). */
export function significandPair(hi: number, lo: number): void {
  normalizePair((hi >>> 0) * 2 ** -31 + ((lo & 0xfffff800) >>> 0) * 2 ** -63, (lo & 0x7ff) * 2 ** -63);
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * Rounds |h + l| * 2^exp, with `sign`, to extended (precision control does not rule transcendental instructions).
 * `direction` says where the true value lies beside the pair when the pair may be exact: 1 beyond it, -1 before it,
 * 0 when it is the value.
 */
export function roundPair(sign: number, h: number, l: number, exp: number, direction: number, cw: number): number {
  if (h < 0) {
    h = -h;
    l = -l;
  }
  if (h === 0) {
    R[LO] = R[HI] = 0;
    R[SE] = sign;
    return 0;
  }
  bits.setFloat64(0, h);
  const exponent = ((bits.getInt32(0) >>> 20) & 0x7ff) - 1023;
  const factor = 2 ** -exponent;
  const high = h * factor * 2147483648;
  let hi = Math.floor(high);
  let low = (high - hi) * 4294967296;
  const tail = l * factor * 2 ** 63 + low;
  low = Math.floor(tail);
  // Just below a whole number the difference rounds to 1.
  let extra = Math.min(Math.floor((tail - low) * 4294967296), 4294967295);
  const rest = (tail - low) * 4294967296 - extra;
  if (low < 0) {
    low += 4294967296;
    hi--;
  } else if (low >= 4294967296) {
    low -= 4294967296;
    hi++;
  }
  if (rest !== 0) extra |= 1;
  let exponentOut = exponent + exp + BIAS;
  if (hi < 2147483648) {
    // h was a power of two and l negative: one place up.
    hi = hi * 2 + (low >= 2147483648 ? 1 : 0);
    low = (low * 2 + (extra < 0 || extra >= 2147483648 ? 1 : 0)) % 4294967296;
    extra = (extra << 1) | (extra & 1);
    exponentOut--;
  } else if (hi >= 4294967296) {
    extra = (extra >>> 1) | (low % 2 !== 0 ? TOP_BIT : 0) | (extra & 1);
    low = Math.floor(low / 2) + (hi % 2) * 2147483648;
    hi /= 2;
    exponentOut++;
  }
  if (extra === 0 && direction > 0) extra = 1;
  else if (extra === 0 && direction < 0) {
    extra = -1;
    if (low === 0) {
      low = 4294967296;
      hi--;
    }
    low--;
    if (hi < 2147483648) {
      hi = low = 4294967295;
      exponentOut--;
    }
  }
  return roundFull(sign, exponentOut, hi | 0, low | 0, extra | 0, cw);
}
