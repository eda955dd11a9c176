import { BIAS, C2, DE, EXP_MASK, HI, invalid, less64, LO, R, SE, setResult, setZero, SIGN, TOP_BIT } from "./bits.js";
import { addPair, coefficients, D, dividePair, H, L, multiplyPair, normalizePair, polynomial, roundPair, setPair, significandPair } from "./double-double.js";
import { eitherNaN, isInfinity, isNaN80, isUnsupported, isZero, normalizeDenormal, propagate, quiet } from "./nan.js";

/** FSIN, FCOS, FSINCOS, FPTAN and FPATAN (SDM vol. 2; vol. 1, 8.3.8 and 8.3.10). */

const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);
const SIN = coefficients(13, (k) => factorial(2 * k + 1), true);
const COS = coefficients(13, (k) => factorial(2 * k), true);
const ATAN = coefficients(9, (k) => 2 * k + 1, true);

/** Pi as the processor has it: 66 bits (SDM vol. 1, 8.3.8), half of it in units of 2^-67. */
const HALF_PI_66 = 0xc90fdaa22168c234cn;
const PI_H = Math.PI, PI_L = 1.2246467991473532e-16;

/** |x| is at most this exponent's range: sin x and tan x differ from x by less than the last bit's 2^-6. */
const TINY = BIAS - 35;
/** From 2^63 on the instructions refuse (C2). */
const TOO_LARGE = BIAS + 63;

/** Quadrant and remainder of the last reduction. */
let quadrant = 0, reducedH = 0, reducedL = 0;

/** Reduces |x| < 2^63, not tiny, to |r| <= pi/4 and a quadrant: exactly, by the 66-bit pi. */
function reduce(hi: number, lo: number, exp: number): void {
  const e = exp - BIAS;
  significandPair(hi, lo);
  const factor = 2 ** e;
  quadrant = 0;
  reducedH = D[H]! * factor;
  reducedL = D[L]! * factor;
  if (reducedH < 0.785) return;
  const x = (BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0)) << BigInt(e + 4);
  const q = (2n * x + HALF_PI_66) / (2n * HALF_PI_66);
  const r = x - q * HALF_PI_66;
  const high = Number(r);
  quadrant = Number(q & 3n);
  reducedH = high * 2 ** -67;
  reducedL = Number(r - BigInt(high)) * 2 ** -67;
}

function sineOfReduced(): void {
  multiplyPair(reducedH, reducedL, reducedH, reducedL);
  polynomial(SIN, 6, D[H]!, D[L]!);
  multiplyPair(D[H]!, D[L]!, reducedH, reducedL);
}

function cosineOfReduced(): void {
  multiplyPair(reducedH, reducedL, reducedH, reducedL);
  polynomial(COS, 6, D[H]!, D[L]!);
}

/** Which function of the operand: FSIN's, FCOS's, FPTAN's. */
export const SINE = 0, COSINE = 1, TANGENT = 2;

/**
 * Sine, cosine or tangent of x (FSINCOS calls it twice). The exceptions are those of the instruction; C2 says that
 * the operand is out of range and stays.
 */
export function trigonometric(lo: number, hi: number, se: number, which: number, cw: number): number {
  if (isUnsupported(hi, se)) return invalid();
  if (isNaN80(lo, hi, se)) return quiet(lo, hi, se);
  const sign = se & SIGN;
  let exp = se & EXP_MASK;
  if (exp === EXP_MASK) return invalid();
  if (exp >= TOO_LARGE) return C2;
  if (isZero(lo, hi, se)) {
    if (which === COSINE) setResult(BIAS, TOP_BIT, 0);
    else setZero(sign);
    return 0;
  }
  let flags = 0;
  if (exp === 0) {
    flags = DE;
    if ((cw & DE) === 0) return DE;
    normalizeDenormal(lo, hi);
    lo = R[LO]!; hi = R[HI]!; exp = R[SE]!;
  }
  if (exp < TINY) {
    if (which === COSINE) return flags | roundPair(0, 1, 0, 0, -1, cw);
    significandPair(hi, lo);
    return flags | roundPair(sign, D[H]!, D[L]!, exp - BIAS, which === SINE ? -1 : 1, cw);
  }
  reduce(hi, lo, exp);
  return flags | (which === TANGENT ? tangent(sign, cw) : circular(sign, which, cw));
}

function circular(sign: number, which: number, cw: number): number {
  const turn = which === COSINE ? quadrant + 1 : quadrant;
  if ((turn & 1) !== 0) cosineOfReduced();
  else sineOfReduced();
  let negative = D[H]! < 0;
  if ((turn & 2) !== 0) negative = !negative;
  if (which === SINE && sign !== 0) negative = !negative;
  return roundPair(negative ? SIGN : 0, D[H]!, D[L]!, 0, 1, cw);
}

function tangent(sign: number, cw: number): number {
  sineOfReduced();
  const sh = D[H]!, sl = D[L]!;
  cosineOfReduced();
  const ch = D[H]!, cl = D[L]!;
  if ((quadrant & 1) !== 0) dividePair(-ch, -cl, sh, sl);
  else dividePair(sh, sl, ch, cl);
  const negative = (D[H]! < 0) !== (sign !== 0);
  return roundPair(negative ? SIGN : 0, D[H]!, D[L]!, 0, 1, cw);
}

// ---- FPATAN ----------------------------------------------------------------------------------------------------------

/** atan(k / 16), k = 0 … 16, as pairs; by the series of atan(t) after halving the angle three times. */
const ATAN_TABLE = new Float64Array(34);
let atanTableMade = false;

function makeAtanTable(): void {
  const long = coefficients(24, (k) => 2 * k + 1, true);
  for (let k = 1; k <= 16; k++) {
    let h = k / 16, l = 0;
    for (let i = 0; i < 3; i++) {
      // atan t = 2 atan(t / (1 + sqrt(1 + t^2)))
      multiplyPair(h, l, h, l);
      addPair(D[H]!, D[L]!, 1, 0);
      rootPair(D[H]!, D[L]!);
      addPair(D[H]!, D[L]!, 1, 0);
      dividePair(h, l, D[H]!, D[L]!);
      h = D[H]!;
      l = D[L]!;
    }
    multiplyPair(h, l, h, l);
    polynomial(long, 24, D[H]!, D[L]!);
    multiplyPair(D[H]!, D[L]!, h, l);
    ATAN_TABLE[2 * k] = D[H]! * 8;
    ATAN_TABLE[2 * k + 1] = D[L]! * 8;
  }
  atanTableMade = true;
}

/** Square root by one Newton step from the double's. */
export function rootPair(h: number, l: number): void {
  const root = Math.sqrt(h);
  multiplyPair(root, 0, root, 0);
  addPair(h, l, -D[H]!, -D[L]!);
  normalizePair(root, D[H]! / (2 * root));
}

/** atan of a pair in [0, 1]. */
function arctangent(h: number, l: number): void {
  if (!atanTableMade) makeAtanTable();
  const k = Math.round(h * 16);
  if (k !== 0) {
    // atan z = atan c + atan((z - c) / (1 + z c)), c = k / 16
    const c = k / 16;
    multiplyPair(h, l, c, 0);
    addPair(1, 0, D[H]!, D[L]!);
    const dh = D[H]!, dl = D[L]!;
    addPair(h, l, -c, 0);
    dividePair(D[H]!, D[L]!, dh, dl);
    h = D[H]!;
    l = D[L]!;
  }
  multiplyPair(h, l, h, l);
  polynomial(ATAN, 4, D[H]!, D[L]!);
  multiplyPair(D[H]!, D[L]!, h, l);
  addPair(ATAN_TABLE[2 * k]!, ATAN_TABLE[2 * k + 1]!, D[H]!, D[L]!);
}

/** FPATAN: the angle of the point (x, y); x is ST0, y ST1 (SDM vol. 2, table 3-30). */
export function arctangent2(yLo: number, yHi: number, ySe: number, xLo: number, xHi: number, xSe: number, cw: number): number {
  if (eitherNaN(yLo, yHi, ySe, xLo, xHi, xSe)) return propagate(xLo, xHi, xSe, yLo, yHi, ySe);
  const sign = ySe & SIGN, left = (xSe & SIGN) !== 0;
  let xExp = xSe & EXP_MASK, yExp = ySe & EXP_MASK;
  const xZero = isZero(xLo, xHi, xSe), yZero = isZero(yLo, yHi, ySe);
  const xInfinite = isInfinity(xLo, xHi, xSe), yInfinite = isInfinity(yLo, yHi, ySe);
  const flags = (xExp === 0 && !xZero) || (yExp === 0 && !yZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (yInfinite) {
    const eighths = xInfinite ? (left ? 0.75 : 0.25) : 0.5;
    multiplyPair(PI_H, PI_L, eighths, 0);
    return flags | roundPair(sign, D[H]!, D[L]!, 0, 0, cw);
  }
  if (yZero || xInfinite) {
    if (left) return flags | roundPair(sign, PI_H, PI_L, 0, 0, cw);
    setZero(sign);
    return flags;
  }
  if (xZero) return flags | roundPair(sign, PI_H / 2, PI_L / 2, 0, 0, cw);
  if (xExp === 0) {
    normalizeDenormal(xLo, xHi);
    xLo = R[LO]!; xHi = R[HI]!; xExp = R[SE]!;
  }
  if (yExp === 0) {
    normalizeDenormal(yLo, yHi);
    yLo = R[LO]!; yHi = R[HI]!; yExp = R[SE]!;
  }
  const steep = yExp > xExp || (yExp === xExp && less64(xHi, xLo, yHi, yLo));
  significandPair(yHi, yLo);
  const yh = D[H]!, yl = D[L]!;
  significandPair(xHi, xLo);
  if (steep) dividePair(D[H]!, D[L]!, yh, yl);
  else dividePair(yh, yl, D[H]!, D[L]!);
  return flags | angle(sign, left, steep, steep ? xExp - yExp : yExp - xExp, cw);
}

/** The angle from the ratio in D, scaled by 2^exp, of the shorter to the longer coordinate. */
function angle(sign: number, left: boolean, steep: boolean, exp: number, cw: number): number {
  if (exp < -40) {
    if (!left && !steep) return roundPair(sign, D[H]!, D[L]!, exp, -1, cw);
    const factor = exp < -1000 ? 0 : 2 ** exp;
    setPair(D[H]! * factor, D[L]! * factor);
  } else {
    const factor = 2 ** exp;
    arctangent(D[H]! * factor, D[L]! * factor);
  }
  if (steep) {
    if (left) addPair(PI_H / 2, PI_L / 2, D[H]!, D[L]!);
    else addPair(PI_H / 2, PI_L / 2, -D[H]!, -D[L]!);
  } else if (left) addPair(PI_H, PI_L, -D[H]!, -D[L]!);
  return roundPair(sign, D[H]!, D[L]!, 0, 1, cw);
}
