import { CC_ADC, CC_ADD, CC_DEC, CC_INC, CC_LOGIC, CC_MUL, CC_SBB, CC_SUB } from "../../../hypervisor/flags.js";
import { inline, type Semantics } from "./semantics.js";
import { mulhs, mulhu, sext, trunc } from "./subset.js";

/** Integer arithmetic and logic (SDM vol. 2). Bodies keep to the subset of semantics.ts: names are resolved by the translator. */
export const ARITHMETIC: Readonly<Record<string, Semantics>> = {
  ADD: inline("rw,r", function (x, z, a, b) {
    const r = trunc(z, a + b);
    x.flags(CC_ADD, z, r, b, 0);
    return r;
  }),
  ADC: inline("rw,r", function (x, z, a, b) {
    const carry = x.carry();
    const r = trunc(z, a + b + carry);
    x.flags(CC_ADC, z, r, b, carry);
    return r;
  }),
  SUB: inline("rw,r", function (x, z, a, b) {
    const r = trunc(z, a - b);
    x.flags(CC_SUB, z, r, b, 0);
    return r;
  }),
  SBB: inline("rw,r", function (x, z, a, b) {
    const borrow = x.carry();
    const r = trunc(z, a - b - borrow);
    x.flags(CC_SBB, z, r, b, borrow);
    return r;
  }),
  CMP: inline("r,r", function (x, z, a, b) {
    x.flags(CC_SUB, z, trunc(z, a - b), b, 0);
  }),
  NEG: inline("rw", function (x, z, a) {
    const r = trunc(z, -a);
    x.flags(CC_SUB, z, r, a, 0);
    return r;
  }),
  INC: inline("rw", function (x, z, a) {
    const r = trunc(z, a + 1);
    x.flags(CC_INC, z, r, 0, x.carry());
    return r;
  }),
  DEC: inline("rw", function (x, z, a) {
    const r = trunc(z, a - 1);
    x.flags(CC_DEC, z, r, 0, x.carry());
    return r;
  }),
  AND: inline("rw,r", function (x, z, a, b) {
    const r = a & b;
    x.flags(CC_LOGIC, z, r, 0, 0);
    return r;
  }),
  OR: inline("rw,r", function (x, z, a, b) {
    const r = a | b;
    x.flags(CC_LOGIC, z, r, 0, 0);
    return r;
  }),
  XOR: inline("rw,r", function (x, z, a, b) {
    const r = a ^ b;
    x.flags(CC_LOGIC, z, r, 0, 0);
    return r;
  }),
  TEST: inline("r,r", function (x, z, a, b) {
    x.flags(CC_LOGIC, z, a & b, 0, 0);
  }),
  NOT: inline("rw", function (_x, z, a) {
    return trunc(z, ~a);
  }),

  /** One operand: AX = AL * r/m8, DX:AX or EDX:EAX = (E)AX * r/m. */
  MUL: inline("r", function (x, z, a) {
    if (z === 32) {
      const low = Math.imul(x.reg(0, 32), a);
      const high = mulhu(x.reg(0, 32), a);
      x.setReg(0, 32, low);
      x.setReg(2, 32, high);
      x.flags(CC_MUL, z, low, high, 0);
    } else if (z === 16) {
      const product = Math.imul(x.reg(0, 16), a);
      x.setReg(0, 16, product & 65535);
      x.setReg(2, 16, product >>> 16);
      x.flags(CC_MUL, z, product & 65535, product >>> 16, 0);
    } else {
      const product = Math.imul(x.reg(0, 8), a);
      x.setReg(0, 16, product);
      x.flags(CC_MUL, z, product & 255, product >>> 8, 0);
    }
  }),
  IMUL: inline("r", function (x, z, a) {
    if (z === 32) {
      const low = Math.imul(x.reg(0, 32), a);
      const high = mulhs(x.reg(0, 32), a);
      x.setReg(0, 32, low);
      x.setReg(2, 32, high);
      x.flags(CC_MUL, z, low, high ^ (low >> 31), 0);
    } else if (z === 16) {
      const product = Math.imul(sext(16, x.reg(0, 16)), sext(16, a));
      x.setReg(0, 16, product & 65535);
      x.setReg(2, 16, product >>> 16);
      x.flags(CC_MUL, z, product & 65535, product ^ sext(16, product), 0);
    } else {
      const product = Math.imul(sext(8, x.reg(0, 8)), sext(8, a));
      x.setReg(0, 16, product & 65535);
      x.flags(CC_MUL, z, product & 255, product ^ sext(8, product), 0);
    }
  }),
  IMUL2: inline("rw,r", function (x, z, a, b) {
    if (z === 32) {
      const low = Math.imul(a, b);
      x.flags(CC_MUL, z, low, mulhs(a, b) ^ (low >> 31), 0);
      return low;
    }
    const product = Math.imul(sext(16, a), sext(16, b));
    x.flags(CC_MUL, z, product & 65535, product ^ sext(16, product), 0);
    return product & 65535;
  }),
  IMUL3: inline("w,r,r", function (x, z, _a, b, c) {
    if (z === 32) {
      const low = Math.imul(b, c);
      x.flags(CC_MUL, z, low, mulhs(b, c) ^ (low >> 31), 0);
      return low;
    }
    const product = Math.imul(sext(16, b), sext(16, c));
    x.flags(CC_MUL, z, product & 65535, product ^ sext(16, product), 0);
    return product & 65535;
  }),

  XADD: inline("rw,rw", function (x, z, a, b) {
    const r = trunc(z, a + b);
    x.flags(CC_ADD, z, r, b, 0);
    x.second = a;
    return r;
  }),
  /** The destination is written in either case, as the processor does. */
  CMPXCHG: inline("rw,r", function (x, z, a, b) {
    const accumulator = x.reg(0, z);
    const r = trunc(z, accumulator - a);
    x.flags(CC_SUB, z, r, a, 0);
    x.setReg(0, z, a);
    return r === 0 ? b : a;
  }),
};
