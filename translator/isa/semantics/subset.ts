/**
 * Pure functions that inline semantics and flag rules may call: the only outside names of the subset. The translator
 * expands the small ones (codegen/splice.ts) and calls the rest by the same name from generated code.
 */

/** The low `z` bits of `v`: signed for 32, zero-extended for 8 and 16. */
export function trunc(z: number, v: number): number {
  return z === 32 ? v | 0 : z === 16 ? v & 65535 : v & 255;
}

/** Sign-extends the low `z` bits of `v`. */
export function sext(z: number, v: number): number {
  return z === 32 ? v | 0 : z === 16 ? v << 16 >> 16 : v << 24 >> 24;
}

/** High word of the unsigned 64-bit product, from 16-bit halves: no sum below passes 32 bits. */
export function mulhu(a: number, b: number): number {
  const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16;
  const middle = Math.imul(ah, bl) + (Math.imul(al, bl) >>> 16);
  const cross = Math.imul(al, bh) + (middle & 0xffff);
  return Math.imul(ah, bh) + (middle >>> 16) + (cross >>> 16) | 0;
}

/** High word of the signed 64-bit product. */
export function mulhs(a: number, b: number): number {
  return (mulhu(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}

export function reverseBytes(v: number): number {
  return (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);
}

/** Index of the lowest set bit; v is not 0. */
export function lowestBit(v: number): number {
  return 31 - Math.clz32(v & -v);
}

/** Index of the highest set bit; v is not 0. */
export function highestBit(v: number): number {
  return 31 - Math.clz32(v);
}
