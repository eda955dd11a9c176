import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { spreadIndefinite } from "./arithmetic-instructions.js";
import { BIAS, C1, C2, EXP_MASK, setResult, TOP_BIT } from "./bits.js";
import { commit, enter, finish, isEmpty, physical, push, setPointers, stops, underflow, words } from "./stack.js";
import { COSINE, SINE, TANGENT, trigonometric } from "./trigonometric.js";

/** FSIN, FCOS, FPTAN and FSINCOS on the stack. C2 set means that the operand was out of range, and stays (SDM vol. 1, 8.3.8). */

function clearC2(cpu: Cpu): void {
  cpu.i32[S.FPU_SW]! &= ~C2;
}

function single(which: number): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    const d = physical(i32, 0), a = words(d);
    if (isEmpty(i32, d)) {
      clearC2(cpu);
      underflow(cpu, d);
      return;
    }
    const flags = trigonometric(i32[a]!, i32[a + 1]!, i32[a + 2]!, which, i32[S.FPU_CW]!);
    if ((flags & C2) !== 0) return commit(cpu, C2);
    clearC2(cpu);
    finish(cpu, d, flags);
  };
}

/** The first result of FPTAN and FSINCOS replaces ST(0), the second is pushed. */
function double(which: number, second: (lo: number, hi: number, se: number, cw: number) => number): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    const d = physical(i32, 0), a = words(d), cw = i32[S.FPU_CW]!;
    if (isEmpty(i32, d) || !isEmpty(i32, physical(i32, 7))) {
      clearC2(cpu);
      return spreadIndefinite(cpu, isEmpty(i32, d));
    }
    const lo = i32[a]!, hi = i32[a + 1]!, se = i32[a + 2]!;
    const flags = trigonometric(lo, hi, se, which, cw);
    if ((flags & C2) !== 0) return commit(cpu, C2);
    clearC2(cpu);
    if (stops(i32, flags)) return commit(cpu, flags);
    finish(cpu, d, flags);
    const more = second(lo, hi, se, cw);
    push(cpu, (flags & ~C1) | more);
  };
}

const isNumber = (hi: number, se: number): boolean => (se & EXP_MASK) !== EXP_MASK && (hi < 0 || (se & EXP_MASK) === 0);

/** FPTAN pushes 1, or the NaN that the tangent is. */
function one(_lo: number, hi: number, se: number): number {
  if (isNumber(hi, se)) setResult(BIAS, TOP_BIT, 0);
  return 0;
}

const cosine = (lo: number, hi: number, se: number, cw: number): number => trigonometric(lo, hi, se, COSINE, cw);

export const X87_TRIGONOMETRIC: Readonly<Record<string, Semantics>> = {
  FSIN: helper(single(SINE)),
  FCOS: helper(single(COSINE)),
  FPTAN: helper(double(TANGENT, one)),
  FSINCOS: helper(double(SINE, cosine)),
};

