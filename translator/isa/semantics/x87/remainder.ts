import { C0, C1, C2, C3, DE, EXP_MASK, HI, invalid, less64, LO, PE, R, SE, setResult, SIGN } from "./bits.js";
import { eitherNaN, isInfinity, isZero, normalizeDenormal, propagate } from "./nan.js";
import { normalizeAndRound } from "./round.js";

/** The working remainder and the quotient's low word. */
let restHi = 0, restLo = 0, quotient = 0;

/** Divides restHi:restLo by the divisor for `bits` more binary places. The remainder is below the divisor before and after. */
function divideOn(bHi: number, bLo: number, bits: number): void {
  for (let i = 0; i < bits; i++) {
    const carry = restHi < 0;
    restHi = (restHi << 1) | (restLo >>> 31);
    restLo <<= 1;
    quotient <<= 1;
    if (carry || !less64(restHi, restLo, bHi, bLo)) takeDivisor(bHi, bLo);
  }
}

function takeDivisor(bHi: number, bLo: number): void {
  const low = (restLo >>> 0) - (bLo >>> 0);
  restLo = low | 0;
  restHi = (restHi - bHi - (low < 0 ? 1 : 0)) | 0;
  quotient |= 1;
}

/** Set in a result whose C0 and C3 mean something, if only that the quotient is not there yet (no bit of the status word). */
export const QUOTIENT = 0x10000;

/** The low three bits of the quotient where FPREM puts them. */
function quotientFlags(): number {
  return QUOTIENT | ((quotient & 4) !== 0 ? C0 : 0) | ((quotient & 2) !== 0 ? C3 : 0) | ((quotient & 1) !== 0 ? C1 : 0);
}

/** FPREM: quotient truncated (SDM vol. 2, table 3-32). Returns C0, C1, C2, C3 too. */
export function remainderTruncated(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  return remainder(aLo, aHi, aSe, bLo, bHi, bSe, cw, false);
}

/** FPREM1: quotient rounded to nearest (SDM vol. 2, table 3-33). */
export function remainderNearest(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number): number {
  return remainder(aLo, aHi, aSe, bLo, bHi, bSe, cw, true);
}

function remainder(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number, nearest: boolean): number {
  if (eitherNaN(aLo, aHi, aSe, bLo, bHi, bSe)) return propagate(aLo, aHi, aSe, bLo, bHi, bSe);
  const aZero = isZero(aLo, aHi, aSe), bZero = isZero(bLo, bHi, bSe);
  if (isInfinity(aLo, aHi, aSe) || bZero) return invalid();
  let aExp = aSe & EXP_MASK, bExp = bSe & EXP_MASK;
  const flags = (aExp === 0 && !aZero) || (bExp === 0 && !bZero) ? DE : 0;
  if ((flags & ~cw) !== 0) return flags;
  if (aZero || isInfinity(bLo, bHi, bSe)) {
    if (aExp === 0 && !aZero) return flags | unchanged(aLo, aHi, aSe, cw) | QUOTIENT;
    setResult(aSe, aHi, aLo);
    return flags | QUOTIENT;
  }
  if (aExp === 0) {
    normalizeDenormal(aLo, aHi);
    aLo = R[LO]!; aHi = R[HI]!; aExp = R[SE]!;
  }
  if (bExp === 0) {
    normalizeDenormal(bLo, bHi);
    bLo = R[LO]!; bHi = R[HI]!; bExp = R[SE]!;
  }
  return flags | remainderFinite(aSe & SIGN, aExp, aHi, aLo, bExp, bHi, bLo, cw, nearest);
}

/** A denormal dividend under an infinite divisor: itself, which is tiny. */
function unchanged(lo: number, hi: number, se: number, cw: number): number {
  normalizeDenormal(lo, hi);
  return exact(se & SIGN, R[SE]!, R[HI]!, R[LO]!, cw);
}

/** Packs a result that needs no rounding. */
function exact(sign: number, exp: number, hi: number, lo: number, cw: number): number {
  return normalizeAndRound(sign, exp, hi, lo, 0, cw | 0x300) & ~PE;
}

function remainderFinite(sign: number, aExp: number, aHi: number, aLo: number, bExp: number, bHi: number, bLo: number, cw: number, nearest: boolean): number {
  let difference = aExp - bExp;
  restHi = aHi;
  restLo = aLo;
  quotient = 0;
  if (difference < (nearest ? -1 : 0)) return exact(sign, aExp, aHi, aLo, cw) | QUOTIENT;
  if (difference === -1) {
    // The quotient is below 1: round it to 1 when a > b/2 (a tie cannot be: 0 is even and stands).
    if (!less64(bHi, bLo, aHi, aLo)) return exact(sign, aExp, aHi, aLo, cw) | QUOTIENT;
    return nearer(sign, aExp, bHi, bLo, cw);
  }
  if (!less64(restHi, restLo, bHi, bLo)) takeDivisor(bHi, bLo);
  if (difference >= 64) {
    // A partial reduction, by 32 to 63 places.
    const places = (difference & 31) | 32;
    difference -= places;
    divideOn(bHi, bLo, places);
    return QUOTIENT | C2 | exact(sign, bExp + difference, restHi, restLo, cw);
  }
  divideOn(bHi, bLo, difference);
  if (!nearest) return exact(sign, bExp, restHi, restLo, cw) | quotientFlags();
  const twiceHi = (restHi << 1) | (restLo >>> 31), twiceLo = restLo << 1;
  const above = restHi < 0 || less64(bHi, bLo, twiceHi, twiceLo);
  const tie = restHi >= 0 && twiceHi === bHi && twiceLo === bLo;
  if (!above && !(tie && (quotient & 1) !== 0)) return exact(sign, bExp, restHi, restLo, cw) | quotientFlags();
  const low = (bLo >>> 0) - (restLo >>> 0);
  const hi = (bHi - restHi - (low < 0 ? 1 : 0)) | 0;
  quotient++;
  return exact(sign ^ SIGN, bExp, hi, low | 0, cw) | quotientFlags();
}

/** The remainder b - a, negated, of a dividend one place below b. */
function nearer(sign: number, aExp: number, bHi: number, bLo: number, cw: number): number {
  const aHi = restHi, aLo = restLo;
  // 2b - a, at a's scale, is b + (b - a).
  const low = (bLo >>> 0) - (aLo >>> 0);
  let lo = low | 0;
  let hi = (bHi - aHi - (low < 0 ? 1 : 0)) | 0;
  const sum = (lo >>> 0) + (bLo >>> 0);
  lo = sum | 0;
  hi = (hi + bHi + (sum >= 4294967296 ? 1 : 0)) | 0;
  quotient = 1;
  return exact(sign ^ SIGN, aExp, hi, lo, cw) | quotientFlags();
}
