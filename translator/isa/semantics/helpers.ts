import type { Cpu } from "../../../hypervisor/cpu.js";
import * as S from "../../../hypervisor/cpu-state.js";
import { arithmeticFlags, CC_EFLAGS, CC_LOGIC, parity } from "../../../hypervisor/flags.js";
import { segmentAddress } from "../../../hypervisor/segmentation.js";
import { DE } from "../../../hypervisor/trap.js";
import type { Instruction } from "../instruction.js";
import { effectiveAddress, linearAddress, loadLinear, readOperand, storeLinear } from "./operand-access.js";
import { helper, type Semantics } from "./semantics.js";
import { sext, trunc } from "./subset.js";

const AF = S.FLAG_AF, CF = S.FLAG_CF;

function flagsOf(cpu: Cpu): number {
  const { i32 } = cpu;
  return arithmeticFlags(i32[S.CC_OP]!, i32[S.CC_DST]!, i32[S.CC_SRC]!, i32[S.CC_AUX]!);
}

function setFlags(cpu: Cpu, flags: number): void {
  cpu.i32[S.CC_OP] = CC_EFLAGS;
  cpu.i32[S.CC_DST] = flags;
}

function resultFlags(value: number): number {
  return (value & 0xff) === 0 ? S.FLAG_ZF | parity(0) << 2 : (value & 0x80) | parity(value) << 2;
}

/** Unsigned and signed division of the double-width accumulator; #DE on zero and on overflow. */
function divide(cpu: Cpu, instruction: Instruction): void {
  const signed = instruction.mnemonic === "IDIV";
  const z = instruction.size;
  const divisor = readOperand(cpu, instruction, 0);
  if (divisor === 0) cpu.raise(DE);
  if (z === 32) return divideLong(cpu, divisor, signed);
  const dividend = z === 16 ? cpu.reg(2, 16) << 16 | cpu.reg(0, 16) : cpu.reg(0, 16);
  const n = signed ? (z === 16 ? dividend : sext(16, dividend)) : dividend >>> 0;
  const d = signed ? sext(z, divisor) : divisor;
  const quotient = Math.trunc(n / d);
  const top = 2 ** z;
  if (signed ? quotient < -top / 2 || quotient >= top / 2 : quotient >= top) cpu.raise(DE);
  const remainder = n % d;
  if (z === 16) {
    cpu.setReg(0, 16, quotient & 0xffff);
    cpu.setReg(2, 16, remainder & 0xffff);
  } else cpu.setReg(0, 16, quotient & 0xff | (remainder & 0xff) << 8);
}

function divideLong(cpu: Cpu, divisor: number, signed: boolean): void {
  const high = cpu.reg(2, 32), low = cpu.reg(0, 32);
  // Most dividends are a sign or zero extension of EAX: doubles are exact there.
  if (!signed && (high >>> 0) < 0x200000) {
    const n = (high >>> 0) * 4294967296 + (low >>> 0), d = divisor >>> 0;
    const quotient = Math.floor(n / d);
    if (quotient > 0xffffffff) cpu.raise(DE);
    cpu.setReg(2, 32, n % d | 0);
    return cpu.setReg(0, 32, quotient | 0);
  }
  if (signed && high === low >> 31) {
    if (low === -0x80000000 && divisor === -1) cpu.raise(DE);
    cpu.setReg(0, 32, low / divisor | 0);
    return cpu.setReg(2, 32, low % divisor | 0);
  }
  const n = signed ? BigInt(high) << 32n | BigInt(low >>> 0) : BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
  const d = signed ? BigInt(divisor) : BigInt(divisor >>> 0);
  const quotient = n / d;
  if (signed ? quotient < -0x80000000n || quotient > 0x7fffffffn : quotient > 0xffffffffn) cpu.raise(DE);
  cpu.setReg(0, 32, Number(BigInt.asIntN(32, quotient)));
  cpu.setReg(2, 32, Number(BigInt.asIntN(32, n % d)));
}

/** BT, BTS, BTR, BTC with a bit string in memory: the index reaches beyond the operand (SDM vol. 2, BT). */
function bitString(cpu: Cpu, instruction: Instruction): void {
  const memory = instruction.operands[0]!;
  if (memory.kind !== "mem") throw new Error("bit string without memory");
  const z = memory.size;
  const index = sext(z, readOperand(cpu, instruction, 1));
  const offset = effectiveAddress(cpu, memory) + (index >> (z === 32 ? 5 : 4)) * (z >> 3);
  const writes = instruction.mnemonic !== "BT";
  const la = segmentAddress(cpu, memory.seg, memory.addrSize === 16 ? offset & 0xffff : offset | 0, z >> 3, writes);
  if (writes) cpu.mmu.probeWrite(la, z >> 3);
  const value = loadLinear(cpu, la, z);
  const bit = 1 << (index & z - 1);
  if (instruction.mnemonic === "BTS") storeLinear(cpu, la, z, value | bit);
  else if (instruction.mnemonic === "BTR") storeLinear(cpu, la, z, value & ~bit);
  else if (instruction.mnemonic === "BTC") storeLinear(cpu, la, z, value ^ bit);
  setFlags(cpu, flagsOf(cpu) & ~CF | ((value & bit) !== 0 ? CF : 0));
}

/** POP to memory: the address is computed with ESP already incremented (SDM vol. 2, POP). */
function popMemory(cpu: Cpu, instruction: Instruction): void {
  const { i32 } = cpu;
  const destination = instruction.operands[0]!;
  if (destination.kind !== "mem") throw new Error("POP without memory");
  const z = destination.size;
  const wide = (i32[S.MODE]! & S.MODE_STACK32) !== 0;
  const before = i32[S.ESP]!;
  const sp = wide ? before : before & 0xffff;
  const value = loadLinear(cpu, segmentAddress(cpu, S.SS, sp, z >> 3, false), z);
  const after = wide ? before + (z >> 3) | 0 : before & ~0xffff | (before + (z >> 3)) & 0xffff;
  i32[S.ESP] = after;
  try {
    const la = linearAddress(cpu, destination, z >> 3, true);
    storeLinear(cpu, la, z, value);
  } catch (trap) {
    i32[S.ESP] = before;
    throw trap;
  }
}

function decimalAdjust(cpu: Cpu, add: boolean): void {
  const al = cpu.reg(0, 8);
  const flags = flagsOf(cpu);
  let value = al, out = 0;
  if ((al & 15) > 9 || (flags & AF) !== 0) {
    value = add ? value + 6 : value - 6;
    // DAS by a borrow out of the low step alone sets CF too (SDM vol. 2, DAS).
    out = AF | (flags & CF) | (!add && al < 6 ? CF : 0);
  }
  if (al > 0x99 || (flags & CF) !== 0) {
    value = add ? value + 0x60 : value - 0x60;
    out |= CF;
  } else if (add) out &= ~CF;
  cpu.setReg(0, 8, value & 0xff);
  setFlags(cpu, out | resultFlags(value));
}

function asciiAdjust(cpu: Cpu, add: boolean): void {
  const ax = cpu.reg(0, 16);
  const adjust = (ax & 15) > 9 || (flagsOf(cpu) & AF) !== 0;
  const value = !adjust ? ax : add ? ax + 0x106 : ax - 0x106;
  const al = value & 15;
  cpu.setReg(0, 16, value & 0xff00 | al);
  setFlags(cpu, (adjust ? AF | CF : 0) | resultFlags(al));
}

/** Instructions too rare or too branchy to be worth splicing (SDM vol. 2). */
export const HELPERS: Readonly<Record<string, Semantics>> = {
  DIV: helper(divide),
  IDIV: helper(divide),
  BT_MEMORY: helper(bitString),
  BTS_MEMORY: helper(bitString),
  BTR_MEMORY: helper(bitString),
  BTC_MEMORY: helper(bitString),
  POP_MEMORY: helper(popMemory),
  DAA: helper((cpu) => decimalAdjust(cpu, true)),
  DAS: helper((cpu) => decimalAdjust(cpu, false)),
  AAA: helper((cpu) => asciiAdjust(cpu, true)),
  AAS: helper((cpu) => asciiAdjust(cpu, false)),
  AAM: helper((cpu, instruction) => {
    const base = readOperand(cpu, instruction, 0) & 0xff;
    if (base === 0) cpu.raise(DE);
    const al = cpu.reg(0, 8);
    cpu.setReg(0, 16, Math.trunc(al / base) << 8 | al % base);
    cpu.i32[S.CC_OP] = CC_LOGIC << 2;
    cpu.i32[S.CC_DST] = al % base;
  }),
  AAD: helper((cpu, instruction) => {
    const base = readOperand(cpu, instruction, 0) & 0xff;
    const ax = cpu.reg(0, 16);
    const al = (ax & 0xff) + (ax >> 8) * base & 0xff;
    cpu.setReg(0, 16, al);
    cpu.i32[S.CC_OP] = CC_LOGIC << 2;
    cpu.i32[S.CC_DST] = al;
  }),
  XLAT: helper((cpu, instruction) => {
    const address = cpu.reg(3, instruction.addrSize) + cpu.reg(0, 8);
    const offset = trunc(instruction.addrSize, address);
    const la = segmentAddress(cpu, instruction.seg >= 0 ? instruction.seg : S.DS, offset, 1, false);
    cpu.setReg(0, 8, cpu.mmu.read8(la));
  }),
};
