import { CC_LOGIC, CC_SHL, CC_SHR } from "../../../hypervisor/flags.js";
import { inline, type Semantics } from "./semantics.js";
import { highestBit, lowestBit, reverseBytes, sext, trunc } from "./subset.js";

/**
 * Shifts, rotates and bit operations (SDM vol. 2). A count of 0 leaves every flag alone. OF after a shift by more than
 * one is undefined; it is what the formula for one gives on the last step.
 */
export const SHIFTS: Readonly<Record<string, Semantics>> = {
  SHL: inline("rw,r", function (x, z, a, b) {
    const n = b & 31;
    const r = trunc(z, a << n);
    if (n !== 0) x.flags(CC_SHL, z, r, trunc(z, a << n - 1), 0);
    return r;
  }),
  SHR: inline("rw,r", function (x, z, a, b) {
    const n = b & 31;
    const r = trunc(z, a >>> n);
    if (n !== 0) x.flags(CC_SHR, z, r, a >>> n - 1, 0);
    return r;
  }),
  SAR: inline("rw,r", function (x, z, a, b) {
    const n = b & 31;
    const r = trunc(z, sext(z, a) >> n);
    if (n !== 0) x.flags(CC_SHR, z, r, trunc(z, sext(z, a) >> n - 1), 0);
    return r;
  }),
  ROL: inline("rw,r", function (x, z, a, b) {
    const n = b & z - 1;
    const r = n === 0 ? a : trunc(z, a << n | a >>> z - n);
    if ((b & 31) !== 0) x.setCarryOverflow(r & 1, (r ^ r >>> z - 1) & 1);
    return r;
  }),
  ROR: inline("rw,r", function (x, z, a, b) {
    const n = b & z - 1;
    const r = n === 0 ? a : trunc(z, a >>> n | a << z - n);
    if ((b & 31) !== 0) x.setCarryOverflow(r >>> z - 1 & 1, (r >>> z - 1 ^ r >>> z - 2) & 1);
    return r;
  }),
  RCL: inline("rw,r", function (x, z, a, b) {
    const n = z === 32 ? b & 31 : (b & 31) % (z + 1);
    const carry = x.carry();
    const r = n === 0 ? a : trunc(z, a << n | carry << n - 1 | (n === 1 ? 0 : a >>> z + 1 - n));
    const out = n === 0 ? carry : a >>> z - n & 1;
    if ((b & 31) !== 0) x.setCarryOverflow(out, (out ^ r >>> z - 1) & 1);
    return r;
  }),
  RCR: inline("rw,r", function (x, z, a, b) {
    const n = z === 32 ? b & 31 : (b & 31) % (z + 1);
    const carry = x.carry();
    const r = n === 0 ? a : trunc(z, a >>> n | carry << z - n | (n === 1 ? 0 : a << z + 1 - n));
    const out = n === 0 ? carry : a >>> n - 1 & 1;
    if ((b & 31) !== 0) x.setCarryOverflow(out, (r >>> z - 1 ^ r >>> z - 2) & 1);
    return r;
  }),
  /** 16-bit counts above 16 are undefined; the doubled source gives what P6 processors do. */
  SHLD: inline("rw,r,r", function (x, z, a, b, c) {
    const n = c & 31;
    let r = a;
    if (n !== 0) {
      if (z === 32) {
        r = a << n | b >>> 32 - n;
        x.flags(CC_SHL, z, r, n === 1 ? a : a << n - 1 | b >>> 33 - n, 0);
      } else {
        const wide = a << 16 | b;
        const last = n === 1 ? wide : wide << n - 1 | (n > 17 ? a >>> 33 - n : n === 17 ? a : 0);
        r = (n > 16 ? wide << n | a >>> 32 - n : wide << n) >>> 16;
        x.flags(CC_SHL, z, r, last >>> 16, 0);
      }
    }
    return r;
  }),
  SHRD: inline("rw,r,r", function (x, z, a, b, c) {
    const n = c & 31;
    let r = a;
    if (n !== 0) {
      if (z === 32) {
        r = a >>> n | b << 32 - n;
        x.flags(CC_SHR, z, r, n === 1 ? a : a >>> n - 1 | b << 33 - n, 0);
      } else {
        const wide = b << 16 | a;
        r = (n > 16 ? wide >>> n | a << 32 - n : wide >>> n) & 65535;
        x.flags(CC_SHR, z, r, (n === 1 ? wide : n > 17 ? wide >>> n - 1 | a << 33 - n : wide >>> n - 1) & 65535, 0);
      }
    }
    return r;
  }),

  /** Register or immediate bit index; a memory operand with a register index is BT_MEMORY and its kin (helpers.ts). */
  BT: inline("r,r", function (x, z, a, b) {
    x.setArithmetic(x.arithmetic() & ~1 | a >>> (b & z - 1) & 1);
  }),
  BTS: inline("rw,r", function (x, z, a, b) {
    x.setArithmetic(x.arithmetic() & ~1 | a >>> (b & z - 1) & 1);
    return a | 1 << (b & z - 1);
  }),
  BTR: inline("rw,r", function (x, z, a, b) {
    x.setArithmetic(x.arithmetic() & ~1 | a >>> (b & z - 1) & 1);
    return a & ~(1 << (b & z - 1));
  }),
  BTC: inline("rw,r", function (x, z, a, b) {
    x.setArithmetic(x.arithmetic() & ~1 | a >>> (b & z - 1) & 1);
    return a ^ 1 << (b & z - 1);
  }),
  /** A zero source leaves the destination alone. */
  BSF: inline("rw,r", function (x, z, a, b) {
    x.flags(CC_LOGIC, z, b, 0, 0);
    return b === 0 ? a : lowestBit(b);
  }),
  BSR: inline("rw,r", function (x, z, a, b) {
    x.flags(CC_LOGIC, z, b, 0, 0);
    return b === 0 ? a : highestBit(b);
  }),
  /** The 16-bit form is undefined; processors clear the register. */
  BSWAP: inline("rw", function (_x, z, a) {
    return z === 32 ? reverseBytes(a) : 0;
  }),
};
