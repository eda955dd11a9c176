import type { Cpu } from "../../../hypervisor/cpu.js";
import * as S from "../../../hypervisor/cpu-state.js";
import { segmentAddress } from "../../../hypervisor/segmentation.js";
import { Frame, peek, setStackPointer, stackPointer } from "../../../hypervisor/stack.js";
import { BR, GP } from "../../../hypervisor/trap.js";
import type { Instruction } from "../instruction.js";
import { linearAddress, loadLinear, readOperand } from "./operand-access.js";
import { exit, helper, type Semantics } from "./semantics.js";

/** Flag control (SDM vol. 2, CLI STI POPF) and the instructions that push and pop several values. */

const operandBytes = (instruction: Instruction): 2 | 4 => instruction.opSize === 32 ? 4 : 2;


type InterruptFlagRule = "real" | "virtual" | "refused";

/** Which flag CLI and STI work on (SDM vol. 2, CLI, table 3-7): IF, or VIF with VME or PVI. */
function interruptFlagRule(cpu: Cpu): InterruptFlagRule {
  if (!cpu.protectedMode || cpu.cpl <= cpu.iopl) return "real";
  const extension = cpu.v86 ? S.CR4_VME : S.CR4_PVI;
  return cpu.cpl === 3 && (cpu.cr4 & extension) !== 0 ? "virtual" : "refused";
}

function cli(cpu: Cpu): void {
  const rule = interruptFlagRule(cpu);
  if (rule === "refused") cpu.raise(GP, 0);
  // Nothing waits for this: the run loop need not look.
  cpu.i32[S.EFLAGS_SYS] = cpu.i32[S.EFLAGS_SYS]! & ~(rule === "real" ? S.FLAG_IF : S.FLAG_VIF);
}

/** After STI that sets IF the next instruction still runs without interrupts. */
function sti(cpu: Cpu): void {
  const rule = interruptFlagRule(cpu);
  if (rule === "refused" || (rule === "virtual" && (cpu.i32[S.EFLAGS_SYS]! & S.FLAG_VIP) !== 0)) cpu.raise(GP, 0);
  if (rule === "real" && !cpu.interruptFlag) cpu.interruptShadow = true;
  cpu.i32[S.EFLAGS_SYS] = cpu.i32[S.EFLAGS_SYS]! | (rule === "real" ? S.FLAG_IF : S.FLAG_VIF);
  cpu.modeChanged();
}

const POPF_ALWAYS = S.FLAGS_ARITHMETIC | S.FLAG_TF | S.FLAG_DF | S.FLAG_NT;
const POPF_ALWAYS32 = POPF_ALWAYS | S.FLAG_AC | S.FLAG_ID;

/** IF needs CPL <= IOPL and IOPL CPL 0, else they stay silently; VM, VIF and VIP stay; RF is cleared (SDM vol. 2, POPF). */
function popf(cpu: Cpu, instruction: Instruction): void {
  const bytes = operandBytes(instruction);
  const old = cpu.eflags;
  const virtual = cpu.v86 && cpu.iopl < 3;
  if (virtual && ((cpu.cr4 & S.CR4_VME) === 0 || bytes === 4)) cpu.raise(GP, 0);
  const value = peek(cpu, 0, bytes);
  let next: number;
  if (virtual) {
    if ((value & S.FLAG_TF) !== 0 || ((value & S.FLAG_IF) !== 0 && (old & S.FLAG_VIP) !== 0)) cpu.raise(GP, 0);
    next = old & ~(POPF_ALWAYS | S.FLAG_VIF) | value & POPF_ALWAYS | ((value & S.FLAG_IF) !== 0 ? S.FLAG_VIF : 0);
  } else {
    const mask = (bytes === 4 ? POPF_ALWAYS32 : POPF_ALWAYS) | (cpu.cpl <= cpu.iopl ? S.FLAG_IF : 0) | (cpu.cpl === 0 ? S.FLAG_IOPL : 0);
    next = old & ~mask | value & mask;
  }
  setStackPointer(cpu, cpu.esp + bytes);
  cpu.eflags = next & ~S.FLAG_RF;
  cpu.modeChanged();
}

function pusha(cpu: Cpu, instruction: Instruction): void {
  const frame = Frame.onCurrentStack(cpu, operandBytes(instruction));
  for (let r = 0; r < 8; r++) frame.push(cpu.reg(r, instruction.opSize));
  cpu.esp = frame.check().write();
}

function popa(cpu: Cpu, instruction: Instruction): void {
  const bytes = operandBytes(instruction);
  const values: number[] = [];
  for (let r = 0; r < 8; r++) values.push(peek(cpu, (7 - r) * bytes, bytes));
  for (let r = 0; r < 8; r++) if (r !== S.ESP) cpu.setReg(r, instruction.opSize, values[r]!);
  setStackPointer(cpu, cpu.esp + 8 * bytes);
}

/**
 * ENTER: pushes EBP, copies `level` - 1 frame pointers of the enclosing procedures and this one's, makes room. The frame is
 * built in order, for the copies may overlap it; all it touches is probed first, the last byte of the room included.
 */
function enter(cpu: Cpu, instruction: Instruction): void {
  const bytes = operandBytes(instruction);
  const z = bytes * 8;
  const room = readOperand(cpu, instruction, 0), level = readOperand(cpu, instruction, 1) & 31;
  const wide = (cpu.segAttr(S.SS) & S.ATTR_DB) !== 0;
  const inStack = (value: number): number => wide ? value | 0 : value & 0xffff;
  const at = (offset: number, write: boolean): number => segmentAddress(cpu, S.SS, inStack(offset), bytes, write);
  const sp = stackPointer(cpu), bp = cpu.reg(S.EBP, 32);
  const values = level === 0 ? 1 : level + 1;
  for (let i = 1; i <= values; i++) cpu.mmu.probeWrite(at(sp - i * bytes, true), bytes);
  for (let i = 1; i < level; i++) cpu.mmu.probeRead(at(bp - i * bytes, false), bytes);
  const last = inStack(sp - values * bytes - room);
  cpu.mmu.probeWrite(at(last, true), bytes);

  const put = (i: number, value: number): void => cpu.mmu.writeAs(at(sp - i * bytes, true), bytes, value, cpu.mmu.user);
  put(1, cpu.reg(S.EBP, z));
  for (let i = 1; i < level; i++) put(1 + i, cpu.mmu.readAs(at(bp - i * bytes, false), bytes, cpu.mmu.user));
  const framePointer = inStack(sp - bytes);
  if (level > 0) put(values, bytes === 2 ? framePointer & 0xffff : wide ? framePointer : cpu.esp & 0xffff0000 | framePointer);
  if (bytes === 2) cpu.setReg(S.EBP, 16, framePointer & 0xffff);
  else cpu.i32[S.EBP] = wide ? framePointer : cpu.esp & 0xffff0000 | framePointer;
  setStackPointer(cpu, last);
}

/** BOUND: #BR unless the signed index lies between the two bounds in memory. */
function bound(cpu: Cpu, instruction: Instruction): void {
  const memory = instruction.operands[1]!;
  if (memory.kind !== "mem") throw new Error("BOUND takes memory");
  const z = instruction.opSize, bytes = z >> 3;
  const signed = (value: number): number => z === 16 ? value << 16 >> 16 : value;
  const la = linearAddress(cpu, memory, 2 * bytes, false, bytes);
  const index = signed(readOperand(cpu, instruction, 0));
  const lower = signed(loadLinear(cpu, la, z)), upper = signed(loadLinear(cpu, la + bytes | 0, z));
  if (index < lower || index > upper) cpu.raise(BR);
}

export const FLAG_CONTROL: Readonly<Record<string, Semantics>> = {
  CLI: helper(cli),
  STI: exit(sti),
  POPF: exit(popf),
  PUSHA: helper(pusha),
  POPA: helper(popa),
  ENTER: helper(enter),
  BOUND: helper(bound),
};
