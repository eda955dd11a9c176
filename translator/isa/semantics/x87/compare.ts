import { C0, C1, C2, C3, DE, EXP_MASK, IE, less64, SIGN } from "./bits.js";
import { eitherNaN, isDenormal, isSignalingNaN, isUnsupported, isZero, isInfinity, isNaN80 } from "./nan.js";

/** Results of a comparison as condition bits (SDM vol. 1, table 8-6). */
export const GREATER = 0, LESS = C0, EQUAL = C3, UNORDERED = C0 | C2 | C3;

/** FCOM and FUCOM (`quiet`): gives the condition bits and exceptions. */
export function compare(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, quiet: boolean): number {
  if (eitherNaN(aLo, aHi, aSe, bLo, bHi, bSe)) {
    const signals = !quiet || isUnsupported(aHi, aSe) || isUnsupported(bHi, bSe) ||
      isSignalingNaN(aLo, aHi, aSe) || isSignalingNaN(bLo, bHi, bSe);
    return signals ? UNORDERED | IE : UNORDERED;
  }
  const flags = isDenormal(aLo, aHi, aSe) || isDenormal(bLo, bHi, bSe) ? DE : 0;
  return flags | order(aLo, aHi, aSe, bLo, bHi, bSe);
}

function order(aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number): number {
  const aZero = isZero(aLo, aHi, aSe), bZero = isZero(bLo, bHi, bSe);
  if (aZero && bZero) return EQUAL;
  const aNegative = (aSe & SIGN) !== 0;
  if (aNegative !== ((bSe & SIGN) !== 0)) {
    return (aZero ? (bSe & SIGN) === 0 : aNegative) ? LESS : GREATER;
  }
  // A pseudo-denormal has the exponent of the least normal.
  const aExp = (aSe & EXP_MASK) || 1, bExp = (bSe & EXP_MASK) || 1;
  if (aExp === bExp && aHi === bHi && aLo === bLo) return EQUAL;
  const below = aExp === bExp ? less64(aHi, aLo, bHi, bLo) : aExp < bExp;
  return below !== aNegative ? LESS : GREATER;
}

/** FXAM's class of a register that is not empty (SDM vol. 1, table 8-6; vol. 2, table 3-43), with the sign in C1. */
export function classify(lo: number, hi: number, se: number): number {
  const sign = (se & SIGN) !== 0 ? C1 : 0;
  if (isUnsupported(hi, se)) return sign;
  if (isNaN80(lo, hi, se)) return sign | C0;
  if (isInfinity(lo, hi, se)) return sign | C2 | C0;
  if (isZero(lo, hi, se)) return sign | C3;
  return sign | ((se & EXP_MASK) === 0 ? C3 | C2 : C2);
}
