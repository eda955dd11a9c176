import { BIAS, DE, EXP_MASK, HI, invalid, LO, R, SE, setInfinity, setResult, SIGN } from "./bits.js";
import { multiply64, PRODUCT } from "./multiply.js";
import { isNaN80, isUnsupported, isZero, normalizeDenormal, quiet } from "./nan.js";
import { roundExtended } from "./round.js";

/** FSQRT (SDM vol. 2, table 3-40). */
export function squareRoot(lo: number, hi: number, se: number, cw: number): number {
  if (isUnsupported(hi, se)) return invalid();
  if (isNaN80(lo, hi, se)) return quiet(lo, hi, se);
  if (isZero(lo, hi, se)) {
    setResult(se, hi, lo);
    return 0;
  }
  if ((se & SIGN) !== 0) return invalid();
  let exp = se & EXP_MASK;
  if (exp === EXP_MASK) {
    setInfinity(0);
    return 0;
  }
  let flags = 0;
  if (exp === 0) {
    if ((cw & DE) === 0) return DE;
    flags = DE;
    normalizeDenormal(lo, hi);
    lo = R[LO]!; hi = R[HI]!; exp = R[SE]!;
  }
  return flags | rootFinite(exp, hi, lo, cw);
}

/** radicand - root * root is kept in these three words, lowest first; the top one is signed. */
const REST = new Int32Array(3);

/** REST = radicand - (hi:lo)^2; the radicand's words below the top one are x2, x1 and 0. */
function setRest(x2: number, x1: number, hi: number, lo: number): void {
  multiply64(hi, lo, hi, lo);
  const r0 = -(PRODUCT[0]! >>> 0);
  const r1 = (x1 >>> 0) - (PRODUCT[1]! >>> 0) - (r0 < 0 ? 1 : 0);
  const r2 = (x2 >>> 0) - (PRODUCT[2]! >>> 0) - (r1 < 0 ? 1 : 0);
  // The difference fits in three words: the fourth only repeats the sign.
  REST[0] = r0;
  REST[1] = r1;
  REST[2] = r2;
}

/** The root of a normalized value: a double's root, corrected once from the exact remainder, then by single steps. */
export function rootFinite(exp: number, hi: number, lo: number, cw: number): number {
  const odd = ((exp - BIAS) & 1) !== 0;
  const x3 = odd ? hi : hi >>> 1, x2 = odd ? lo : (lo >>> 1) | (hi << 31), x1 = odd ? 0 : lo << 31;
  const radicand = ((x3 >>> 0) * 4294967296 + (x2 >>> 0)) * 18446744073709551616;
  const estimate = Math.min(Math.sqrt(radicand), 18446744073709549568);
  let sHi = (estimate / 4294967296) | 0, sLo = (estimate % 4294967296) | 0;
  setRest(x2, x1, sHi, sLo);
  const rest = REST[2]! * 18446744073709551616 + (REST[1]! >>> 0) * 4294967296 + (REST[0]! >>> 0);
  const low = (sLo >>> 0) + Math.floor(rest / (2 * estimate));
  sHi = (sHi + Math.floor(low / 4294967296)) | 0;
  sLo = low | 0;
  if (sHi >= 0) {
    sHi = sLo = -1;
  }
  setRest(x2, x1, sHi, sLo);
  while (REST[2]! < 0) {
    if (sLo === 0) sHi = (sHi - 1) | 0;
    sLo = (sLo - 1) | 0;
    setRest(x2, x1, sHi, sLo);
  }
  while (exceedsTwice(sHi, sLo)) {
    sLo = (sLo + 1) | 0;
    if (sLo === 0) sHi = (sHi + 1) | 0;
    setRest(x2, x1, sHi, sLo);
  }
  const halfExp = ((exp - BIAS) >> 1) + BIAS;
  if ((REST[0]! | REST[1]! | REST[2]!) === 0) return roundExtended(0, halfExp, sHi, sLo, 0, cw);
  // (s + 1/2)^2 = s^2 + s + 1/4: the root is past the half exactly when the remainder is above s.
  const above = REST[2]! > 0 || (REST[1] === sHi ? REST[0]! >>> 0 > sLo >>> 0 : REST[1]! >>> 0 > sHi >>> 0);
  return roundExtended(0, halfExp, sHi, sLo, above ? 0xc0000000 | 0 : 0x40000000, cw);
}

/** Whether REST > 2 * (hi:lo): the root is too small. */
function exceedsTwice(hi: number, lo: number): boolean {
  const top = hi >>> 31, middle = (hi << 1) | (lo >>> 31), low = lo << 1;
  if (REST[2] !== top) return REST[2]! > top;
  if (REST[1] !== middle) return REST[1]! >>> 0 > middle >>> 0;
  return REST[0]! >>> 0 > low >>> 0;
}
