import type { Cpu } from "../../../hypervisor/cpu.js";
import { segmentAddress } from "../../../hypervisor/segmentation.js";
import type { Instruction, MemOperand } from "../instruction.js";

/** The effective address (offset in its segment) of a memory operand, wrapped to its address size. */
export function effectiveAddress(cpu: Cpu, m: MemOperand): number {
  const { i32 } = cpu;
  let address = m.disp;
  if (m.base >= 0) address = (address + i32[m.base]!) | 0;
  if (m.index >= 0) address = (address + (i32[m.index]! << m.scale)) | 0;
  return m.addrSize === 16 ? address & 0xffff : address;
}

/** Linear address of a memory operand; throws #GP or #SS unless `bytes` bytes from it may be read (or written). */
export function linearAddress(cpu: Cpu, m: MemOperand, bytes: number, write: boolean, alignment = bytes): number {
  return segmentAddress(cpu, m.seg, effectiveAddress(cpu, m), bytes, write, alignment);
}

/** Reads `size` bits (8, 16: unsigned; 32: signed) at a linear address as the running code. */
export function loadLinear(cpu: Cpu, la: number, size: number): number {
  return size === 32 ? cpu.mmu.read32(la) : size === 16 ? cpu.mmu.read16(la) : cpu.mmu.read8(la);
}

export function storeLinear(cpu: Cpu, la: number, size: number, value: number): void {
  if (size === 32) cpu.mmu.write32(la, value);
  else if (size === 16) cpu.mmu.write16(la, value);
  else cpu.mmu.write8(la, value);
}

/** Value of explicit operand `i`: register, memory or immediate. */
export function readOperand(cpu: Cpu, instruction: Instruction, i: number): number {
  const operand = instruction.operands[i]!;
  switch (operand.kind) {
    case "reg": return cpu.reg(operand.index, operand.size);
    case "imm": return operand.value;
    case "mem": return loadLinear(cpu, linearAddress(cpu, operand, operand.size >> 3, false), operand.size);
    case "sreg": return cpu.selector(operand.index);
    case "rel": case "far": case "creg": case "dreg": case "st": case "mm": case "xmm":
      throw new Error(`operand ${operand.kind} has no plain value`);
  }
}

/** Writes explicit operand `i`, a register or memory. */
export function writeOperand(cpu: Cpu, instruction: Instruction, i: number, value: number): void {
  const operand = instruction.operands[i]!;
  if (operand.kind === "reg") cpu.setReg(operand.index, operand.size, value);
  else if (operand.kind === "mem") storeLinear(cpu, linearAddress(cpu, operand, operand.size >> 3, true), operand.size, value);
  else throw new Error(`operand ${operand.kind} cannot be written`);
}
