import { HI, IE, LO, R, SIGN } from "./bits.js";
import { fromMagnitude, toMagnitude } from "./convert.js";
import { multiplyHigh } from "./multiply.js";

/** Packed BCD integers of 18 digits (SDM vol. 1, 4.7): three words, lowest digits first, the sign in bit 15 of the third. */

const BILLION = 1000000000;
const LARGEST = 999999999999999999n;

/** FBLD: leaves the extended value in R. Nibbles above 9, which the manual leaves undefined, count for what they say. */
export function fromDecimal(word0: number, word1: number, word2: number): void {
  let low = 0, high = 0;
  for (let i = 17; i >= 0; i--) {
    const word = i < 8 ? word0 : i < 16 ? word1 : word2;
    const digit = (word >>> (4 * (i & 7))) & 15;
    if (i >= 9) high = high * 10 + digit;
    else low = low * 10 + digit;
  }
  const sum = (Math.imul(high, BILLION) >>> 0) + low;
  fromMagnitude(word2 & SIGN, multiplyHigh(high, BILLION) + (sum >= 4294967296 ? 1 : 0), sum | 0);
}

/** The bytes FBSTP stores; the two lower words and the upper half-word. */
export const DECIMAL = new Int32Array(3);

/** FBSTP: leaves the packed decimal in DECIMAL. */
export function toDecimal(lo: number, hi: number, se: number, cw: number): number {
  const flags = toMagnitude(lo, hi, se, cw);
  let rest = (BigInt(R[HI]! >>> 0) << 32n) | BigInt(R[LO]! >>> 0);
  if ((flags & IE) !== 0 || rest > LARGEST) {
    DECIMAL[0] = 0;
    DECIMAL[1] = 0xc0000000;
    DECIMAL[2] = 0xffff;
    return IE;
  }
  for (let word = 0; word < 3; word++) {
    let part = Number(rest % 100000000n), packed = 0;
    rest /= 100000000n;
    for (let shift = 0; shift < 32; shift += 4) {
      packed |= part % 10 << shift;
      part = Math.floor(part / 10);
    }
    DECIMAL[word] = word === 2 ? packed | (se & SIGN) : packed;
  }
  return flags;
}
