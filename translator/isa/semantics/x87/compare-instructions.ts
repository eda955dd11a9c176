import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import type { Instruction } from "../../instruction.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { loadFloat } from "./arithmetic-instructions.js";
import { C0, C2, C3, CONDITIONS, DE, EXCEPTIONS, HI, IE, LO, R, SE, setZero, SF } from "./bits.js";
import { classify, compare, UNORDERED } from "./compare.js";
import { fromInt32 } from "./convert.js";
import { commit, enter, isEmpty, memoryOperand, physical, pop, setMemoryPointers, setPointers, sourceAddress, stackOperand, stops, words } from "./stack.js";

/** Comparisons and FXAM (SDM vol. 1, 8.3.6). An unmasked exception leaves condition bits, EFLAGS and the stack alone. */

/** Records a comparison in C0, C2, C3; gives whether it completed. */
function record(cpu: Cpu, flags: number): boolean {
  const { i32 } = cpu;
  const done = !stops(i32, flags);
  if (done) i32[S.FPU_SW] = i32[S.FPU_SW]! & ~CONDITIONS | flags & (C0 | C2 | C3);
  commit(cpu, flags & (EXCEPTIONS | SF));
  return done;
}

/** Compares ST(0) with ST(i). */
function registers(cpu: Cpu, i: number, quiet: boolean): number {
  const { i32 } = cpu;
  const p = physical(i32, 0), q = physical(i32, i);
  if (isEmpty(i32, p) || isEmpty(i32, q)) return UNORDERED | IE | SF;
  const a = words(p), b = words(q);
  return compare(i32[a]!, i32[a + 1]!, i32[a + 2]!, i32[b]!, i32[b + 1]!, i32[b + 2]!, quiet);
}

/** Compares ST(0) with R; `flags` is DE when R was a denormal in memory. */
function withResult(cpu: Cpu, flags: number, quiet: boolean): number {
  const { i32 } = cpu;
  const p = physical(i32, 0);
  if (isEmpty(i32, p)) return UNORDERED | IE | SF;
  const a = words(p);
  const result = compare(i32[a]!, i32[a + 1]!, i32[a + 2]!, R[LO]!, R[HI]!, R[SE]!, quiet);
  return (result & UNORDERED) === UNORDERED ? result : result | flags & DE;
}

function fcom(pops: number, quiet: boolean): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    const operand = instruction.operands[0];
    let flags: number;
    if (operand?.kind === "mem") {
      const la = sourceAddress(cpu, operand, operand.size >> 3);
      const denormal = loadFloat(cpu, operand, la);
      setMemoryPointers(cpu, operand, la);
      flags = withResult(cpu, denormal, quiet);
    } else {
      setPointers(cpu);
      flags = registers(cpu, stackOperand(instruction, 1, 1), quiet);
    }
    if (record(cpu, flags)) for (let i = 0; i < pops; i++) pop(cpu.i32);
  };
}

function ficom(popped: boolean): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    const m = memoryOperand(instruction);
    const la = sourceAddress(cpu, m, m.size >> 3);
    fromInt32(m.size === 16 ? cpu.mmu.read16(la) << 16 >> 16 : cpu.mmu.read32(la));
    setMemoryPointers(cpu, m, la);
    if (record(cpu, withResult(cpu, 0, false)) && popped) pop(cpu.i32);
  };
}

/** FCOMI and its kin set ZF, PF and CF, and clear OF, SF and AF. */
function fcomi(popped: boolean, quiet: boolean): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    setPointers(cpu);
    const flags = registers(cpu, stackOperand(instruction, 1, 1), quiet);
    const done = !stops(cpu.i32, flags);
    commit(cpu, flags & (EXCEPTIONS | SF));
    if (!done) return;
    cpu.eflags = cpu.eflags & ~S.FLAGS_ARITHMETIC | ((flags & C3) !== 0 ? S.FLAG_ZF : 0) | ((flags & C2) !== 0 ? S.FLAG_PF : 0) |
      ((flags & C0) !== 0 ? S.FLAG_CF : 0);
    if (popped) pop(cpu.i32);
  };
}

function ftst(cpu: Cpu): void {
  enter(cpu);
  setPointers(cpu);
  setZero(0);
  record(cpu, withResult(cpu, 0, false));
}

function fxam(cpu: Cpu, _instruction: Instruction): void {
  enter(cpu);
  setPointers(cpu);
  const { i32 } = cpu;
  const p = physical(i32, 0), a = words(p);
  const sign = (i32[a + 2]! & 0x8000) >> 6;
  const flags = isEmpty(i32, p) ? C3 | C0 | sign : classify(i32[a]!, i32[a + 1]!, i32[a + 2]!);
  i32[S.FPU_SW] = i32[S.FPU_SW]! & ~CONDITIONS | flags;
}

export const X87_COMPARE: Readonly<Record<string, Semantics>> = {
  FCOM: helper(fcom(0, false)),
  FCOMP: helper(fcom(1, false)),
  FCOMPP: helper(fcom(2, false)),
  FUCOM: helper(fcom(0, true)),
  FUCOMP: helper(fcom(1, true)),
  FUCOMPP: helper(fcom(2, true)),
  FICOM: helper(ficom(false)),
  FICOMP: helper(ficom(true)),
  FCOMI: helper(fcomi(false, false)),
  FCOMIP: helper(fcomi(true, false)),
  FUCOMI: helper(fcomi(false, true)),
  FUCOMIP: helper(fcomi(true, true)),
  FTST: helper(ftst),
  FXAM: helper(fxam),
};
