import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import type { IndexedOperand, MemOperand } from "../../instruction.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { add, subtract, subtractReversed } from "./add.js";
import { C0, C2, C3, DE, EXP_MASK, HI, IE, LO, R, SE, TOP_SHIFT, ZE } from "./bits.js";
import { fromDouble, fromInt32, fromSingle } from "./convert.js";
import { divide, divideReversed } from "./divide.js";
import { exponentialMinusOne, yLog2X, yLog2XPlusOne } from "./logarithm.js";
import { extract, roundToInteger, scale, SIGNIFICAND } from "./integral.js";
import { multiply } from "./multiply.js";
import { isNaN80 } from "./nan.js";
import { QUOTIENT, remainderNearest, remainderTruncated } from "./remainder.js";
import { squareRoot } from "./square-root.js";
import {
  commit, crossesPage, enter, finish, isEmpty, memoryOperand, physical, pop, push, setMemoryPointers, setPointers, sourceAddress, store, underflow, words,
} from "./stack.js";
import { arctangent2 } from "./trigonometric.js";

/** Arithmetic: FADD to FDIVR with their integer, reversed and popping forms, and the operations on ST(0) (SDM vol. 1, 8.3.5). */

export type Binary = (aLo: number, aHi: number, aSe: number, bLo: number, bHi: number, bSe: number, cw: number) => number;
type Unary = (lo: number, hi: number, se: number, cw: number) => number;

/** ST(d) = ST(d) op ST(s), or ST(0) = ST(0) op memory. */
function floating(op: Binary): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    const first = instruction.operands[0]!;
    if (first.kind === "mem") {
      const m = first;
      const la = sourceAddress(cpu, m, m.size >> 3);
      const flags = loadFloat(cpu, m, la);
      setMemoryPointers(cpu, m, la);
      withMemory(cpu, op, flags);
      return;
    }
    setPointers(cpu);
    const { i32 } = cpu;
    const top = i32[S.FPU_SW]! >> TOP_SHIFT;
    const d = (top + (first as IndexedOperand).index) & 7, s = (top + (instruction.operands[1] as IndexedOperand).index) & 7;
    if ((i32[S.FPU_TAG]! >> d & i32[S.FPU_TAG]! >> s & 1) === 0) {
      underflow(cpu, d);
      return;
    }
    const a = S.FPU_REGS + (d << 2), b = S.FPU_REGS + (s << 2);
    finish(cpu, d, op(i32[a]!, i32[a + 1]!, i32[a + 2]!, i32[b]!, i32[b + 1]!, i32[b + 2]!, i32[S.FPU_CW]!));
  };
}

/** ST(i) = ST(i) op ST(0), then pop. */
function popping(op: Binary): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    setPointers(cpu);
    const first = instruction.operands[0];
    toRegister(cpu, op, first?.kind === "st" ? first.index : 1);
  };
}

/** ST(i) = ST(i) op ST(0), popped. */
function toRegister(cpu: Cpu, op: Binary, i: number): void {
  const { i32 } = cpu;
  const d = physical(i32, i), s = physical(i32, 0);
  let done: boolean;
  if (isEmpty(i32, d) || isEmpty(i32, s)) done = underflow(cpu, d);
  else {
    const a = words(d), b = words(s);
    done = finish(cpu, d, op(i32[a]!, i32[a + 1]!, i32[a + 2]!, i32[b]!, i32[b + 1]!, i32[b + 2]!, i32[S.FPU_CW]!));
  }
  if (done) pop(i32);
}

/** Reads a single or double into R, unchanged in value and kind; gives DE for a denormal. */
export function loadFloat(cpu: Cpu, m: MemOperand, la: number): number {
  if (m.size === 32) return fromSingle(cpu.mmu.read32(la));
  if (crossesPage(la, 8)) cpu.mmu.probeRead(la, 8);
  return fromDouble(cpu.mmu.read32(la), cpu.mmu.read32(la + 4 | 0));
}

/** ST(0) = ST(0) op R; `flags` is DE when R was a denormal in memory. */
function withMemory(cpu: Cpu, op: Binary, flags: number): void {
  const { i32 } = cpu;
  const d = physical(i32, 0);
  if (isEmpty(i32, d)) {
    underflow(cpu, d);
    return;
  }
  const a = words(d);
  const lo = i32[a]!, hi = i32[a + 1]!, se = i32[a + 2]!, cw = i32[S.FPU_CW]!;
  let result = op(lo, hi, se, R[LO]!, R[HI]!, R[SE]!, cw);
  // A denormal counts unless the operation was over before: invalid, divided by zero or with a NaN.
  if (flags !== 0 && (result & (IE | ZE)) === 0 && !isNaN80(lo, hi, se)) result = (cw & DE) === 0 ? DE : result | DE;
  finish(cpu, d, result);
}

/** ST(0) = ST(0) op word or doubleword integer. */
function integer(op: Binary): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    const m = memoryOperand(instruction);
    const la = sourceAddress(cpu, m, m.size >> 3);
    fromInt32(m.size === 16 ? cpu.mmu.read16(la) << 16 >> 16 : cpu.mmu.read32(la));
    setMemoryPointers(cpu, m, la);
    withMemory(cpu, op, 0);
  };
}

/** ST(0) = op ST(0). */
function unary(op: Unary): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    const d = physical(i32, 0);
    if (isEmpty(i32, d)) {
      underflow(cpu, d);
      return;
    }
    const a = words(d);
    finish(cpu, d, op(i32[a]!, i32[a + 1]!, i32[a + 2]!, i32[S.FPU_CW]!));
  };
}

/** FPREM, FPREM1, FSCALE: ST(0) = ST(0) op ST(1). `partial`: C2 says whether there is more to do, C0 and C3 change when there was a division. */
function withSecond(op: Binary, partial: boolean): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    const d = physical(i32, 0), s = physical(i32, 1);
    if (isEmpty(i32, d) || isEmpty(i32, s)) {
      if (partial) i32[S.FPU_SW]! &= ~C2;
      underflow(cpu, d);
      return;
    }
    const a = words(d), b = words(s);
    const flags = op(i32[a]!, i32[a + 1]!, i32[a + 2]!, i32[b]!, i32[b + 1]!, i32[b + 2]!, i32[S.FPU_CW]!);
    if (partial) i32[S.FPU_SW]! &= (flags & QUOTIENT) !== 0 ? ~(C0 | C2 | C3) : ~C2;
    finish(cpu, d, flags & ~QUOTIENT);
  };
}

/** FYL2X, FYL2XP1, FPATAN: ST(1) = op of both, then pop. */
function intoSecond(op: Binary): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    toRegister(cpu, op, 1);
  };
}

/** FXTRACT: the exponent replaces ST(0), the significand is pushed. */
function fxtract(cpu: Cpu): void {
  enter(cpu);
  setPointers(cpu);
  const { i32 } = cpu;
  const d = physical(i32, 0);
  const a = words(d);
  if (isEmpty(i32, d) || !isEmpty(i32, physical(i32, 7))) {
    spreadIndefinite(cpu, isEmpty(i32, d));
    return;
  }
  const flags = extract(i32[a]!, i32[a + 1]!, i32[a + 2]!, i32[S.FPU_CW]!);
  if (!finish(cpu, d, flags)) return;
  R.set(SIGNIFICAND);
  push(cpu, 0);
}

/** A stack fault of an instruction with two results (FXTRACT, FPTAN, FSINCOS): both are the indefinite. */
export function spreadIndefinite(cpu: Cpu, empty: boolean): void {
  const { i32 } = cpu;
  const d = physical(i32, 0);
  if (!underflow(cpu, d)) {
    if (!empty) commit(cpu, 0x200);
    return;
  }
  i32[S.FPU_SW] = i32[S.FPU_SW]! & ~0x3800 | (i32[S.FPU_SW]! - 0x800) & 0x3800;
  store(i32, physical(i32, 0));
  if (!empty) commit(cpu, 0x200);
}

/** FCHS and FABS touch the sign alone, of anything. */
function signOperation(change: (se: number) => number): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    const d = physical(i32, 0);
    if (isEmpty(i32, d)) {
      underflow(cpu, d);
      return;
    }
    const a = words(d);
    i32[a + 2] = change(i32[a + 2]!);
    commit(cpu, 0);
  };
}

const operations: readonly (readonly [string, Binary])[] = [
  ["ADD", add], ["MUL", multiply], ["SUB", subtract], ["SUBR", subtractReversed], ["DIV", divide], ["DIVR", divideReversed],
];

export const X87_ARITHMETIC: Readonly<Record<string, Semantics>> = {
  ...Object.fromEntries(operations.flatMap(([name, op]): [string, Semantics][] => [
    [`F${name}`, helper(floating(op))], [`F${name}P`, helper(popping(op))], [`FI${name}`, helper(integer(op))],
  ])),
  FSQRT: helper(unary(squareRoot)),
  FRNDINT: helper(unary(roundToInteger)),
  F2XM1: helper(unary(exponentialMinusOne)),
  FSCALE: helper(withSecond(scale, false)),
  FPREM: helper(withSecond(remainderTruncated, true)),
  FPREM1: helper(withSecond(remainderNearest, true)),
  FYL2X: helper(intoSecond(yLog2X)),
  FYL2XP1: helper(intoSecond(yLog2XPlusOne)),
  FPATAN: helper(intoSecond(arctangent2)),
  FXTRACT: helper(fxtract),
  FCHS: helper(signOperation((se) => se ^ 0x8000)),
  FABS: helper(signOperation((se) => se & EXP_MASK)),
};
