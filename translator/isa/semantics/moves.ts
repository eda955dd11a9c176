import { inline, type Semantics } from "./semantics.js";
import { sext, trunc } from "./subset.js";

/** Data movement, the near stack and near control transfers (SDM vol. 2). A transfer's result is the new EIP. */
export const MOVES: Readonly<Record<string, Semantics>> = {
  MOV: inline("w,r", function (_x, _z, _a, b) {
    return b;
  }),
  MOVZX: inline("w,r", function (_x, _z, _a, b) {
    return b;
  }),
  /** `c` is the width of the source. */
  MOVSX: inline("w,r", function (_x, z, _a, b, c) {
    return trunc(z, sext(c, b));
  }),
  LEA: inline("w,-", function (_x, z, _a, b) {
    return trunc(z, b);
  }),
  XCHG: inline("rw,rw", function (x, _z, a, b) {
    x.second = a;
    return b;
  }),
  SETcc: inline("w", function (x) {
    return x.condition() ? 1 : 0;
  }),
  CMOVcc: inline("rw,r", function (x, _z, a, b) {
    return x.condition() ? b : a;
  }),
  CBW: inline("", function (x, z) {
    x.setReg(0, z, trunc(z, z === 32 ? sext(16, x.reg(0, 16)) : sext(8, x.reg(0, 8))));
  }),
  CWD: inline("", function (x, z) {
    x.setReg(2, z, trunc(z, z === 32 ? x.reg(0, 32) >> 31 : sext(16, x.reg(0, 16)) >> 15));
  }),
  NOP: inline("-", function () {}),
  PAUSE: inline("", function () {}),
  PREFETCH: inline("-", function () {}),
  CLC: inline("", function (x) {
    x.setArithmetic(x.arithmetic() & ~1);
  }),
  STC: inline("", function (x) {
    x.setArithmetic(x.arithmetic() | 1);
  }),
  CMC: inline("", function (x) {
    x.setArithmetic(x.arithmetic() ^ 1);
  }),
  LAHF: inline("", function (x) {
    const flags = x.arithmetic();
    x.setReg(4, 8, flags & 0xd5 | 2);
  }),
  SAHF: inline("", function (x) {
    x.setArithmetic(x.arithmetic() & 0x800 | x.reg(4, 8) & 0xd5);
  }),
  SALC: inline("", function (x) {
    x.setReg(0, 8, x.carry() !== 0 ? 255 : 0);
  }),

  CLD: inline("", function (x) {
    x.setSystem(x.system() & ~0x400);
  }),
  STD: inline("", function (x) {
    x.setSystem(x.system() | 0x400);
  }),
  PUSHF: inline("", function (x, z) {
    const image = x.shownSystem(z) | x.arithmetic();
    const p = x.sp() - (z >> 3) | 0;
    x.storeStack(z, p, trunc(z, image));
    x.setSp(p);
  }),
  /** With 32-bit operands ESP moves by four and two bytes are written: the upper ones keep their content, as P6 and later have it. */
  PUSH_SREG: inline("r", function (x, z, a) {
    const p = x.sp() - (z >> 3) | 0;
    x.storeStack(16, p, a);
    x.setSp(p);
  }),

  PUSH: inline("r", function (x, z, a) {
    const p = x.sp() - (z >> 3) | 0;
    x.storeStack(z, p, a);
    x.setSp(p);
  }),
  /** To a register; to memory it is POP_MEMORY (helpers.ts). */
  POP: inline("w", function (x, z) {
    const p = x.sp();
    const value = x.loadStack(z, p);
    x.setSp(p + (z >> 3) | 0);
    return value;
  }),
  LEAVE: inline("", function (x, z) {
    const frame = x.reg(5, 32);
    const value = x.loadStack(z, frame);
    x.setSp(frame + (z >> 3) | 0);
    x.setReg(5, z, value);
  }),

  JMP: inline("r", function (_x, _z, a) {
    return a;
  }),
  Jcc: inline("r", function (x, _z, a) {
    return x.condition() ? a : x.next;
  }),
  CALL: inline("r", function (x, z, a) {
    const p = x.sp() - (z >> 3) | 0;
    x.storeStack(z, p, x.next);
    x.setSp(p);
    return a;
  }),
  RET: inline("r", function (x, z, a) {
    const p = x.sp();
    const target = x.loadStack(z, p);
    x.setSp(p + (z >> 3) + a | 0);
    return target;
  }),
  LOOP: inline("r", function (x, _z, a) {
    const n = trunc(x.addressSize, x.reg(1, x.addressSize) - 1);
    x.setReg(1, x.addressSize, n);
    return n !== 0 ? a : x.next;
  }),
  LOOPE: inline("r", function (x, _z, a) {
    const n = trunc(x.addressSize, x.reg(1, x.addressSize) - 1);
    x.setReg(1, x.addressSize, n);
    return n !== 0 && (x.arithmetic() & 0x40) !== 0 ? a : x.next;
  }),
  LOOPNE: inline("r", function (x, _z, a) {
    const n = trunc(x.addressSize, x.reg(1, x.addressSize) - 1);
    x.setReg(1, x.addressSize, n);
    return n !== 0 && (x.arithmetic() & 0x40) === 0 ? a : x.next;
  }),
  JCXZ: inline("r", function (x, _z, a) {
    return x.reg(1, x.addressSize) === 0 ? a : x.next;
  }),
};
