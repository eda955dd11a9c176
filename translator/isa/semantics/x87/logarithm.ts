import { BIAS, DE, EXP_MASK, HI, invalid, LO, PE, R, SE, setInfinity, setResult, setZero, SIGN, TOP_BIT, UE, ZE } from "./bits.js";
import { addPair, coefficients, D, dividePair, H, L, multiplyPair, polynomial, roundPair, setPair, significandPair } from "./double-double.js";
import { eitherNaN, isInfinity, isNaN80, isUnsupported, isZero, normalizeDenormal, propagate, quiet } from "./nan.js";
import { rootPair } from "./trigonometric.js";

/** F2XM1, FYL2X and FYL2XP1 (SDM vol. 2; vol. 1, 8.3.9 and 8.3.10). */

const LN2_H = Math.LN2, LN2_L = 2.3190468138462996e-17;
dividePair(1, 0, LN2_H, LN2_L);
const LOG2E_H = D[H]!, LOG2E_L = D[L]!;

const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);
/** (e^t - 1) / t. */
const EXPONENTIAL = coefficients(14, (k) => factorial(k + 1), false);
/** atanh(s) / s: short for |s| below 2^-7, long for |s| below 0.4. */
const ATANH = coefficients(8, (k) => 2 * k + 1, false);
const ATANH_LONG = coefficients(44, (k) => 2 * k + 1, false);

// ---- F2XM1 -----------------------------------------------------------------------------------------------------------

/** 2^(k / 16), k = -16 … 16, as pairs from index 2 * (k + 16). */
const POWERS = new Float64Array(66);

function makePowers(): void {
  setPair(2, 0);
  for (let i = 0; i < 4; i++) rootPair(D[H]!, D[L]!);
  const h = D[H]!, l = D[L]!;
  setPair(0.5, 0);
  for (let k = -16; k <= 16; k++) {
    if (k % 16 === 0) setPair(2 ** (k / 16), 0);
    POWERS.set(D, 2 * (k + 16));
    multiplyPair(D[H]!, D[L]!, h, l);
  }
}

/** F2XM1: 2^x - 1 for |x| <= 1. Past that the manual leaves the result undefined; the operand stays. */
export function exponentialMinusOne(lo: number, hi: number, se: number, cw: number): number {
  if (isUnsupported(hi, se)) return invalid();
  if (isNaN80(lo, hi, se)) return quiet(lo, hi, se);
  const sign = se & SIGN;
  let exp = se & EXP_MASK, flags = 0;
  setResult(se, hi, lo);
  if (isZero(lo, hi, se)) return 0;
  if (exp === EXP_MASK) {
    if (sign !== 0) setResult(SIGN | BIAS, TOP_BIT, 0);
    return 0;
  }
  if (exp > BIAS || (exp === BIAS && (hi !== TOP_BIT || lo !== 0))) return 0;
  if (exp === 0) {
    flags = DE;
    if ((cw & DE) === 0) return DE;
    normalizeDenormal(lo, hi);
    lo = R[LO]!; hi = R[HI]!; exp = R[SE]!;
  }
  significandPair(hi, lo);
  if (exp < BIAS - 70) {
    multiplyPair(D[H]!, D[L]!, LN2_H, LN2_L);
    return flags | roundPair(sign, D[H]!, D[L]!, exp - BIAS, 1, cw);
  }
  const factor = (sign !== 0 ? -1 : 1) * 2 ** (exp - BIAS);
  exponential(D[H]! * factor, D[L]! * factor);
  return flags | roundPair(sign, D[H]!, D[L]!, 0, exp === BIAS ? 0 : 1, cw);
}

function exponential(h: number, l: number): void {
  if (POWERS[0] === 0) makePowers();
  const k = Math.round(h * 16);
  addPair(h, l, -k / 16, 0);
  multiplyPair(D[H]!, D[L]!, LN2_H, LN2_L);
  const th = D[H]!, tl = D[L]!;
  polynomial(EXPONENTIAL, 6, th, tl);
  multiplyPair(D[H]!, D[L]!, th, tl);
  if (k === 0) return;
  // 2^x - 1 = p (2^f - 1) + (p - 1), p = 2^(k / 16)
  const ph = POWERS[2 * (k + 16)]!, pl = POWERS[2 * (k + 16) + 1]!;
  multiplyPair(D[H]!, D[L]!, ph, pl);
  const rh = D[H]!, rl = D[L]!;
  addPair(ph, pl, -1, 0);
  addPair(D[H]!, D[L]!, rh, rl);
}

// ---- logarithms ------------------------------------------------------------------------------------------------------

/** For each 128th of [1, 2): a short c near its reciprocal, and -log2 c as a pair. */
const RECIPROCAL = new Float64Array(128), MINUS_LOG2 = new Float64Array(256);

function makeLogTable(): void {
  for (let j = 0; j < 128; j++) {
    const c = j === 0 ? 1 : j === 127 ? 0.5 : Math.round(256 / (1 + (j + 0.5) / 128)) / 256;
    RECIPROCAL[j] = c;
    if (c === 1 || c === 0.5) setPair(c === 1 ? 0 : -1, 0);
    else {
      dividePair(c - 1, 0, c + 1, 0);
      log2OfRatio(ATANH_LONG, 44);
    }
    MINUS_LOG2[2 * j] = -D[H]!;
    MINUS_LOG2[2 * j + 1] = -D[L]!;
  }
}

/** D = log2((1 + s) / (1 - s)) of s in D. */
function log2OfRatio(series: Float64Array, pairs: number): void {
  const sh = D[H]!, sl = D[L]!;
  multiplyPair(sh, sl, sh, sl);
  polynomial(series, pairs, D[H]!, D[L]!);
  multiplyPair(D[H]!, D[L]!, 2 * sh, 2 * sl);
  multiplyPair(D[H]!, D[L]!, LOG2E_H, LOG2E_L);
}

/** D = log2 of a normalized positive value. */
function log2(hi: number, lo: number, exp: number): void {
  if (RECIPROCAL[0] === 0) makeLogTable();
  const j = (hi >>> 24) & 127;
  significandPair(hi, lo);
  multiplyPair(D[H]!, D[L]!, RECIPROCAL[j]!, 0);
  addPair(D[H]!, D[L]!, -1, 0);
  const fh = D[H]!, fl = D[L]!;
  addPair(2, 0, fh, fl);
  dividePair(fh, fl, D[H]!, D[L]!);
  log2OfRatio(ATANH, 4);
  const rh = D[H]!, rl = D[L]!;
  addPair(exp - BIAS, 0, MINUS_LOG2[2 * j]!, MINUS_LOG2[2 * j + 1]!);
  addPair(D[H]!, D[L]!, rh, rl);
}

/**
 * Rounds y * D, y being normalized; the sign of D counts. `scale` is D's own power of two. The processor calls every
 * such result inexact, those of powers of two too.
 */
function timesLog(ySe: number, yExp: number, yHi: number, yLo: number, scale: number, cw: number): number {
  const h = D[H]!, l = D[L]!;
  const sign = h < 0 ? ~ySe & SIGN : ySe & SIGN;
  significandPair(yHi, yLo);
  multiplyPair(D[H]!, D[L]!, h, l);
  const flags = roundPair(sign, D[H]!, D[L]!, yExp - BIAS + scale, 0, cw);
  return flags | PE | ((R[SE]! & EXP_MASK) === 0 ? UE : 0);
}

/** FYL2X: y log2 x; x is ST0, y ST1 (SDM vol. 2, table 3-58). */
export function yLog2X(yLo: number, yHi: number, ySe: number, xLo: number, xHi: number, xSe: number, cw: number): number {
  if (eitherNaN(yLo, yHi, ySe, xLo, xHi, xSe)) return propagate(xLo, xHi, xSe, yLo, yHi, ySe);
  let xExp = xSe & EXP_MASK, yExp = ySe & EXP_MASK;
  const ySign = ySe & SIGN;
  const xZero = isZero(xLo, xHi, xSe), yZero = isZero(yLo, yHi, ySe), yInfinite = isInfinity(yLo, yHi, ySe);
  if ((xSe & SIGN) !== 0 && !xZero) return invalid();
  if (xZero) {
    if (yZero) return invalid();
    setInfinity(ySign ^ SIGN);
    return yInfinite ? 0 : ZE;
  }
  const one = xExp === BIAS && xHi === TOP_BIT && xLo === 0;
  if (yInfinite ? one : yZero && isInfinity(xLo, xHi, xSe)) return invalid();
  const flags = xExp === 0 || (yExp === 0 && !yZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  const flip = xExp < BIAS ? SIGN : 0;
  if (yInfinite || xExp === EXP_MASK) {
    setInfinity(ySign ^ flip);
    return flags;
  }
  if (yZero || one) {
    setZero(ySign ^ flip);
    return flags;
  }
  if (xExp === 0) {
    normalizeDenormal(xLo, xHi);
    xLo = R[LO]!; xHi = R[HI]!; xExp = R[SE]!;
  }
  if (yExp === 0) {
    normalizeDenormal(yLo, yHi);
    yLo = R[LO]!; yHi = R[HI]!; yExp = R[SE]!;
  }
  log2(xHi, xLo, xExp);
  return flags | timesLog(ySe, yExp, yHi, yLo, 0, cw);
}

/** FYL2XP1: y log2(x + 1), for |x| below 1 - sqrt(1/2) (SDM vol. 2, table 3-59). */
export function yLog2XPlusOne(yLo: number, yHi: number, ySe: number, xLo: number, xHi: number, xSe: number, cw: number): number {
  if (eitherNaN(yLo, yHi, ySe, xLo, xHi, xSe)) return propagate(xLo, xHi, xSe, yLo, yHi, ySe);
  let xExp = xSe & EXP_MASK, yExp = ySe & EXP_MASK;
  const sign = (xSe ^ ySe) & SIGN, negative = (xSe & SIGN) !== 0;
  const xZero = isZero(xLo, xHi, xSe), yZero = isZero(yLo, yHi, ySe);
  const xInfinite = xExp === EXP_MASK, yInfinite = yExp === EXP_MASK;
  if ((yInfinite && xZero) || (xInfinite && (yZero || negative))) return invalid();
  if (negative && xExp >= BIAS) return invalid();
  const flags = (xExp === 0 && !xZero) || (yExp === 0 && !yZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (yInfinite || xInfinite) {
    setInfinity(sign);
    return flags;
  }
  if (xZero || yZero) {
    setZero(sign);
    return flags;
  }
  if (xExp === 0) {
    normalizeDenormal(xLo, xHi);
    xLo = R[LO]!; xHi = R[HI]!; xExp = R[SE]!;
  }
  if (yExp === 0) {
    normalizeDenormal(yLo, yHi);
    yLo = R[LO]!; yHi = R[HI]!; yExp = R[SE]!;
  }
  significandPair(xHi, xLo);
  if (xExp < BIAS - 70) {
    multiplyPair(negative ? -D[H]! : D[H]!, negative ? -D[L]! : D[L]!, LOG2E_H, LOG2E_L);
    return flags | timesLog(ySe, yExp, yHi, yLo, xExp - BIAS, cw);
  }
  const factor = (negative ? -1 : 1) * 2 ** Math.min(xExp - BIAS, 64);
  const fh = D[H]! * factor, fl = D[L]! * factor;
  addPair(2, 0, fh, fl);
  dividePair(fh, fl, D[H]!, D[L]!);
  log2OfRatio(ATANH_LONG, 16);
  return flags | timesLog(ySe, yExp, yHi, yLo, 0, cw);
}
