import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { NM } from "../../../../hypervisor/trap.js";
import type { Instruction } from "../../instruction.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { BUSY, C1, ES, EXCEPTIONS, SF } from "./bits.js";
import {
  environmentBytes, initialize, loadEnvironment, loadRegisters, setControlWord, storeEnvironment, storeRegisters, updateSummary,
} from "./environment.js";
import {
  commit, destinationAddress, enter, enterNoWait, errorPending, memoryOperand, physical, pop, setFerr, setPointers, sourceAddress, stackOperand,
} from "./stack.js";

/** Control of the x87 (SDM vol. 1, 8.3.11 and 8.3.12; 8.6). The FN… forms do not wait for pending exceptions. */

const REGISTER_BYTES = 80;

/** FWAIT heeds CR0.MP, and CR0.TS only with it (SDM vol. 3, 2.5). */
function fwait(cpu: Cpu): void {
  const { i32 } = cpu;
  if ((i32[S.CR0]! & (S.CR0_MP | S.CR0_TS)) === (S.CR0_MP | S.CR0_TS)) cpu.raise(NM);
  if ((i32[S.FPU_SW]! & ES) !== 0) errorPending(cpu);
}

function fnop(cpu: Cpu, instruction: Instruction): void {
  // FNENI, FNDISI and FNSETPM do not wait.
  if (instruction.row.opcode.startsWith("db")) return enterNoWait(cpu);
  enter(cpu);
  setPointers(cpu);
}

function fninit(cpu: Cpu): void {
  enterNoWait(cpu);
  initialize(cpu.i32);
  setFerr(cpu, false);
}

function fnclex(cpu: Cpu): void {
  enterNoWait(cpu);
  cpu.i32[S.FPU_SW]! &= ~(EXCEPTIONS | SF | ES | BUSY);
  setFerr(cpu, false);
}

function fldcw(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  const value = cpu.mmu.read16(sourceAddress(cpu, memoryOperand(instruction), 2));
  setControlWord(cpu.i32, value);
  setFerr(cpu, (cpu.i32[S.FPU_SW]! & ES) !== 0);
}

function storeWord(index: number): ComplexFunction {
  return (cpu, instruction) => {
    enterNoWait(cpu);
    const value = cpu.i32[index]! & 0xffff;
    const operand = instruction.operands[0]!;
    if (operand.kind === "reg") return cpu.setReg(operand.index, 16, value);
    const m = memoryOperand(instruction);
    cpu.mmu.write16(destinationAddress(cpu, m, 2), value);
  };
}

function fnstenv(cpu: Cpu, instruction: Instruction): void {
  enterNoWait(cpu);
  const la = destinationAddress(cpu, memoryOperand(instruction), environmentBytes(instruction.opSize));
  storeEnvironment(cpu, la, instruction.opSize);
  cpu.i32[S.FPU_CW]! |= EXCEPTIONS;
  updateSummary(cpu.i32);
}

function fldenv(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  const bytes = environmentBytes(instruction.opSize);
  const la = sourceAddress(cpu, memoryOperand(instruction), bytes);
  cpu.mmu.probeRead(la, bytes);
  loadEnvironment(cpu, la, instruction.opSize);
  setFerr(cpu, (cpu.i32[S.FPU_SW]! & ES) !== 0);
}

function fnsave(cpu: Cpu, instruction: Instruction): void {
  enterNoWait(cpu);
  const bytes = environmentBytes(instruction.opSize);
  const la = destinationAddress(cpu, memoryOperand(instruction), bytes + REGISTER_BYTES);
  storeEnvironment(cpu, la, instruction.opSize);
  storeRegisters(cpu, la + bytes | 0);
  initialize(cpu.i32);
  setFerr(cpu, false);
}

function frstor(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  const bytes = environmentBytes(instruction.opSize);
  const la = sourceAddress(cpu, memoryOperand(instruction), bytes + REGISTER_BYTES);
  cpu.mmu.probeRead(la, bytes + REGISTER_BYTES);
  loadEnvironment(cpu, la, instruction.opSize);
  loadRegisters(cpu, la + bytes | 0);
  setFerr(cpu, (cpu.i32[S.FPU_SW]! & ES) !== 0);
}

/** FINCSTP and FDECSTP. */
function moveTop(by: number): ComplexFunction {
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const sw = cpu.i32[S.FPU_SW]!;
    cpu.i32[S.FPU_SW] = sw & ~(0x3800 | C1) | (sw + (by << 11)) & 0x3800;
  };
}

function ffree(popped: boolean): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    i32[S.FPU_TAG]! &= ~(1 << physical(i32, stackOperand(instruction, 0, 0)));
    commit(cpu, 0);
    if (popped) pop(i32);
  };
}

export const X87_CONTROL: Readonly<Record<string, Semantics>> = {
  FWAIT: helper(fwait),
  FNOP: helper(fnop),
  FNINIT: helper(fninit),
  FNCLEX: helper(fnclex),
  FLDCW: helper(fldcw),
  FNSTCW: helper(storeWord(S.FPU_CW)),
  FNSTSW: helper(storeWord(S.FPU_SW)),
  FNSTENV: helper(fnstenv),
  FLDENV: helper(fldenv),
  FNSAVE: helper(fnsave),
  FRSTOR: helper(frstor),
  FINCSTP: helper(moveTop(1)),
  FDECSTP: helper(moveTop(-1)),
  FFREE: helper(ffree(false)),
  FFREEP: helper(ffree(true)),
};
