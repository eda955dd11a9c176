/**
 * Names of the x87 FPU's bits (SDM vol. 1, 8.1) and the scratch words in which arithmetic leaves its results.
 *
 * An extended value is three words: low and high half of the 64-bit significand, and sign and exponent (bit 15 and
 * bits 0-14). Arithmetic takes them as numbers, leaves the result in R[LO], R[HI], R[SE] and returns the status
 * word's bits: the exceptions found (masked or not) and C1. Nothing is allocated.
 */
export const IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20, SF = 0x40, ES = 0x80;
export const C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, BUSY = 0x8000;
export const CONDITIONS = C0 | C1 | C2 | C3;
export const EXCEPTIONS = 0x3f;
/** Exceptions that, unmasked, leave the destination as it was (SDM vol. 1, 8.5). */
export const PRECOMPUTATION = IE | DE | ZE;
export const TOP_SHIFT = 11;

/** Control word: bits 0-5 mask the exceptions, 8-9 precision, 10-11 rounding. */
export const CW_DEFAULT = 0x037f;
export const PC_MASK = 0x300, PC_EXTENDED = 0x300, RC_MASK = 0xc00;
export const RC_SHIFT = 10;
/** Not of the control word: SSE asks the same arithmetic for results of these formats. */
export const FORMAT_SINGLE = 0x10000, FORMAT_DOUBLE = 0x20000;
export const ROUND_NEAREST = 0, ROUND_DOWN = 1, ROUND_UP = 2, ROUND_ZERO = 3;

export const SIGN = 0x8000;
export const EXP_MASK = 0x7fff;
export const BIAS = 0x3fff;
/** Added to or taken from the exponent of a result whose underflow or overflow is unmasked (SDM vol. 1, 8.5.4 and 8.5.5). */
export const WRAP = 0x6000;

/** The word with only its top bit set: integer bit of a significand, half of a word of discarded bits. */
export const TOP_BIT = 0x80000000 | 0;

export const R = new Int32Array(8);
export const LO = 0, HI = 1, SE = 2;
/** Discarded bits below LO after a shift; bit 0 is sticky. */
export const EXTRA = 3;
/** 1 when rounding carried out of the significand. */
export const CARRY = 4;

export function setResult(se: number, hi: number, lo: number): void {
  R[SE] = se;
  R[HI] = hi;
  R[LO] = lo;
}

/** The default QNaN "real indefinite" (SDM vol. 1, table 4-3). */
export function setIndefinite(): void {
  setResult(0xffff, 0xc0000000 | 0, 0);
}

export function setInfinity(sign: number): void {
  setResult(sign | EXP_MASK, TOP_BIT, 0);
}

export function setZero(sign: number): void {
  setResult(sign, 0, 0);
}

/** The masked response to an invalid operation. */
export function invalid(): number {
  setIndefinite();
  return IE;
}

/** Unsigned `aHi:aLo < bHi:bLo`. */
export function less64(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;
}
