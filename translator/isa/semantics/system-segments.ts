import { farCall, farJump, farReturn } from "../../../hypervisor/control-transfer.js";
import type { Cpu } from "../../../hypervisor/cpu.js";
import * as S from "../../../hypervisor/cpu-state.js";
import { redirectVirtual8086 } from "../../../hypervisor/interrupts.js";
import { interruptReturn, sysenter, sysexit } from "../../../hypervisor/interrupt-return.js";
import { accessRights, adjustRpl, loadDataSegment, loadLdtr, loadTaskRegister, segmentLimit, verify } from "../../../hypervisor/segmentation.js";
import { stackAddress } from "../../../hypervisor/stack.js";
import { BP, DB, GP, OF, UD } from "../../../hypervisor/trap.js";
import type { Instruction, MemOperand } from "../instruction.js";
import { linearAddress, loadLinear, readOperand, writeOperand } from "./operand-access.js";
import { exit, helper, transfer, type ComplexFunction, type Semantics } from "./semantics.js";

/** Segment registers, descriptor tables, and transfers between segments (SDM vol. 2; vol. 3, chapters 5 and 6). */

const operandBytes = (instruction: Instruction): 2 | 4 => instruction.opSize === 32 ? 4 : 2;

/** EIP after the instruction, within 16 bits in a 16-bit code segment. */
function nextEip(cpu: Cpu, instruction: Instruction): number {
  const next = cpu.eip + instruction.length;
  return (cpu.segAttr(S.CS) & S.ATTR_DB) !== 0 ? next | 0 : next & 0xffff;
}

function segmentOperand(instruction: Instruction, i: number): number {
  const operand = instruction.operands[i]!;
  if (operand.kind !== "sreg") throw new Error(`${instruction.mnemonic} takes a segment register`);
  return operand.index;
}

export function memoryOperand(instruction: Instruction, i: number): MemOperand {
  const operand = instruction.operands[i]!;
  if (operand.kind !== "mem") throw new Error(`${instruction.mnemonic} takes memory`);
  return operand;
}

/** #GP(0) outside CPL 0. */
export function privileged(fn: ComplexFunction): ComplexFunction {
  return (cpu, instruction) => {
    if (cpu.cpl !== 0) cpu.raise(GP, 0);
    fn(cpu, instruction);
  };
}

/** #UD in real and virtual-8086 mode. */
function protectedOnly(fn: ComplexFunction): ComplexFunction {
  return (cpu, instruction) => {
    if (!cpu.protectedMode || cpu.v86) cpu.raise(UD);
    fn(cpu, instruction);
  };
}

export function setZero(cpu: Cpu, zero: boolean): void {
  const flags = cpu.eflags;
  cpu.eflags = zero ? flags | S.FLAG_ZF : flags & ~S.FLAG_ZF;
}

// ---- segment registers ---------------------------------------------------------------------------------------------------

/** Loads a segment register; a load of SS holds interrupts off for one instruction (SDM vol. 3, 6.8.3). */
function loadSegment(cpu: Cpu, sreg: number, selector: number): void {
  loadDataSegment(cpu, sreg, selector);
  if (sreg === S.SS) cpu.interruptShadow = cpu.stackShadow = true;
  cpu.recheck = true;
}

function movToSegment(cpu: Cpu, instruction: Instruction): void {
  loadSegment(cpu, segmentOperand(instruction, 0), readOperand(cpu, instruction, 1) & 0xffff);
}

function movFromSegment(cpu: Cpu, instruction: Instruction): void {
  writeOperand(cpu, instruction, 0, cpu.selector(segmentOperand(instruction, 1)));
}

function popSegment(cpu: Cpu, instruction: Instruction): void {
  const selector = cpu.mmu.read16(stackAddress(cpu, 0, 2, false));
  const wide = (cpu.segAttr(S.SS) & S.ATTR_DB) !== 0;
  const next = cpu.esp + operandBytes(instruction);
  loadSegment(cpu, segmentOperand(instruction, 0), selector);
  cpu.setReg(S.ESP, wide ? 32 : 16, next);
}

/** LDS, LES, LSS, LFS, LGS. */
function loadFarPointer(sreg: number): Semantics {
  return exit((cpu, instruction) => {
    const bytes = operandBytes(instruction);
    const la = linearAddress(cpu, memoryOperand(instruction, 1), bytes + 2, false, bytes);
    const offset = loadLinear(cpu, la, instruction.opSize), selector = cpu.mmu.read16(la + bytes | 0);
    loadDataSegment(cpu, sreg, selector);
    writeOperand(cpu, instruction, 0, offset);
    cpu.recheck = true;
  });
}

// ---- descriptor tables -----------------------------------------------------------------------------------------------------

function loadTable(base: number, limit: number): Semantics {
  return exit(privileged((cpu, instruction) => {
    const la = linearAddress(cpu, memoryOperand(instruction, 0), 6, false);
    const newLimit = cpu.mmu.read16(la), newBase = cpu.mmu.read32(la + 2 | 0);
    cpu.i32[limit] = newLimit;
    cpu.i32[base] = instruction.opSize === 16 ? newBase & 0xffffff : newBase;
  }));
}

/** SGDT and SIDT store all 32 bits of the base whatever the operand size, as processors since the 386 do. */
function storeTable(base: number, limit: number): Semantics {
  return helper((cpu, instruction) => {
    const la = linearAddress(cpu, memoryOperand(instruction, 0), 6, true);
    cpu.mmu.probeWrite(la, 6);
    cpu.mmu.write16(la, cpu.i32[limit]!);
    cpu.mmu.write32(la + 2 | 0, cpu.i32[base]!);
  });
}

function storeSelector(sreg: number): Semantics {
  return helper(protectedOnly((cpu, instruction) => writeOperand(cpu, instruction, 0, cpu.selector(sreg))));
}

/** LAR and LSL: ZF says whether there was anything to load. */
function probe(read: (cpu: Cpu, selector: number) => number | undefined, mask16: number): Semantics {
  return helper(protectedOnly((cpu, instruction) => {
    const value = read(cpu, readOperand(cpu, instruction, 1) & 0xffff);
    setZero(cpu, value !== undefined);
    if (value !== undefined) writeOperand(cpu, instruction, 0, instruction.opSize === 16 ? value & mask16 : value);
  }));
}

function arpl(cpu: Cpu, instruction: Instruction): void {
  const operand = instruction.operands[0]!;
  if (operand.kind === "mem") cpu.mmu.probeWrite(linearAddress(cpu, operand, 2, true), 2);
  const raised = adjustRpl(readOperand(cpu, instruction, 0), readOperand(cpu, instruction, 1));
  if (raised !== undefined) writeOperand(cpu, instruction, 0, raised);
  setZero(cpu, raised !== undefined);
}

// ---- transfers -------------------------------------------------------------------------------------------------------------

/** Selector and offset of a far JMP or CALL: in the instruction, or in memory with the offset first. */
function farTarget(cpu: Cpu, instruction: Instruction): { readonly selector: number; readonly offset: number } {
  const operand = instruction.operands[0]!;
  if (operand.kind === "far") return { selector: operand.selector & 0xffff, offset: operand.offset };
  const bytes = operandBytes(instruction);
  const la = linearAddress(cpu, memoryOperand(instruction, 0), bytes + 2, false, bytes);
  const offset = loadLinear(cpu, la, instruction.opSize);
  return { selector: cpu.mmu.read16(la + bytes | 0), offset };
}

function jumpFar(cpu: Cpu, instruction: Instruction): void {
  const { selector, offset } = farTarget(cpu, instruction);
  farJump(cpu, selector, offset, nextEip(cpu, instruction));
}

function callFar(cpu: Cpu, instruction: Instruction): void {
  const { selector, offset } = farTarget(cpu, instruction);
  farCall(cpu, selector, offset, operandBytes(instruction), nextEip(cpu, instruction));
}

function returnFar(cpu: Cpu, instruction: Instruction): void {
  farReturn(cpu, operandBytes(instruction), instruction.operands.length === 0 ? 0 : readOperand(cpu, instruction, 0));
}

function int(cpu: Cpu, instruction: Instruction): void {
  const vector = readOperand(cpu, instruction, 0), next = nextEip(cpu, instruction);
  if (cpu.protectedMode && cpu.v86 && redirectVirtual8086(cpu, vector, next)) return;
  cpu.strategy.softwareInterrupt(cpu, vector, next);
}

/** INT1 (ICEBP): a #DB trap that no gate's DPL refuses. */
function int1(cpu: Cpu, instruction: Instruction): void {
  const eip = cpu.eip;
  let delivered = false;
  cpu.eip = nextEip(cpu, instruction);
  try {
    cpu.strategy.exception(cpu, { vector: DB, errorCode: undefined });
    delivered = true;
  } finally {
    if (!delivered) cpu.eip = eip;
  }
}

function into(cpu: Cpu, instruction: Instruction): void {
  const next = nextEip(cpu, instruction);
  if ((cpu.eflags & S.FLAG_OF) !== 0) cpu.strategy.softwareInterrupt(cpu, OF, next);
  else cpu.eip = next;
}

export const SEGMENTS: Readonly<Record<string, Semantics>> = {
  MOV_TO_SREG: exit(movToSegment),
  MOV_FROM_SREG: helper(movFromSegment),
  POP_SREG: exit(popSegment),
  LES: loadFarPointer(S.ES),
  LDS: loadFarPointer(S.DS),
  LSS: loadFarPointer(S.SS),
  LFS: loadFarPointer(S.FS),
  LGS: loadFarPointer(S.GS),
  LGDT: loadTable(S.GDTR_BASE, S.GDTR_LIMIT),
  LIDT: loadTable(S.IDTR_BASE, S.IDTR_LIMIT),
  SGDT: storeTable(S.GDTR_BASE, S.GDTR_LIMIT),
  SIDT: storeTable(S.IDTR_BASE, S.IDTR_LIMIT),
  SLDT: storeSelector(S.LDTR),
  STR: storeSelector(S.TR),
  LLDT: exit(protectedOnly(privileged((cpu, instruction) => loadLdtr(cpu, readOperand(cpu, instruction, 0) & 0xffff)))),
  LTR: exit(protectedOnly(privileged((cpu, instruction) => loadTaskRegister(cpu, readOperand(cpu, instruction, 0) & 0xffff)))),
  LAR: probe(accessRights, 0xff00),
  LSL: probe(segmentLimit, 0xffff),
  VERR: helper(protectedOnly((cpu, instruction) => setZero(cpu, verify(cpu, readOperand(cpu, instruction, 0) & 0xffff, false)))),
  VERW: helper(protectedOnly((cpu, instruction) => setZero(cpu, verify(cpu, readOperand(cpu, instruction, 0) & 0xffff, true)))),
  ARPL: helper(protectedOnly(arpl)),
  JMPF: transfer(jumpFar),
  CALLF: transfer(callFar),
  RETF: transfer(returnFar),
  INT: transfer(int),
  INT3: transfer((cpu, instruction) => cpu.strategy.softwareInterrupt(cpu, BP, nextEip(cpu, instruction))),
  INT1: transfer(int1),
  INTO: transfer(into),
  IRET: transfer((cpu, instruction) => interruptReturn(cpu, operandBytes(instruction), nextEip(cpu, instruction))),
  SYSENTER: transfer((cpu) => sysenter(cpu)),
  SYSEXIT: transfer((cpu) => sysexit(cpu)),
};
