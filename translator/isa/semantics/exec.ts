import type { Cpu } from "../../../hypervisor/cpu.js";
import * as S from "../../../hypervisor/cpu-state.js";
import { arithmeticFlags, carryFlag, CC_EFLAGS, condition } from "../../../hypervisor/flags.js";
import { segmentAddress } from "../../../hypervisor/segmentation.js";
import { GP } from "../../../hypervisor/trap.js";
import { loadLinear, storeLinear } from "./operand-access.js";

/** PUSHF shows VM and RF as 0 (SDM vol. 2, PUSHF). */
export const SHOWN = ~(S.FLAG_VM | S.FLAG_RF);

const FLAT_STACK = S.MODE_FLAT | S.MODE_STACK32;

/**
 * The vocabulary of inline semantics, as the interpreter means it. The translator knows each member by its name and
 * expands it instead (codegen/splice.ts).
 */
export class Exec {
  private readonly cpu: Cpu;
  private readonly i32: Int32Array;

  /** Set by the interpreter before a body that reads them. */
  cc = 0;
  /** EIP after the instruction. */
  next = 0;
  /** Address size in bits, which is the count register's width of LOOP and JCXZ. */
  addressSize = 32;
  /** The value for the second operand, where its access says `w` too. */
  second = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.i32 = cpu.i32;
  }

  /** Leaves the arithmetic flags to be computed from a CC_* kind and its operands (hypervisor/flags.ts). */
  flags(kind: number, z: number, dst: number, src: number, aux: number): void {
    const { i32 } = this;
    i32[S.CC_OP] = kind << 2 | z >> 4;
    i32[S.CC_DST] = dst;
    i32[S.CC_SRC] = src;
    i32[S.CC_AUX] = aux;
  }

  /** CF, 0 or 1. */
  carry(): number {
    const { i32 } = this;
    return carryFlag(i32[S.CC_OP]!, i32[S.CC_DST]!, i32[S.CC_SRC]!, i32[S.CC_AUX]!);
  }

  /** All six arithmetic flags as EFLAGS bits. */
  arithmetic(): number {
    const { i32 } = this;
    return arithmeticFlags(i32[S.CC_OP]!, i32[S.CC_DST]!, i32[S.CC_SRC]!, i32[S.CC_AUX]!);
  }

  setArithmetic(flags: number): void {
    const { i32 } = this;
    i32[S.CC_OP] = CC_EFLAGS;
    i32[S.CC_DST] = flags;
  }

  /** Replaces CF and OF (each 0 or 1), keeps the other flags. */
  setCarryOverflow(carry: number, overflow: number): void {
    this.setArithmetic(this.arithmetic() & ~0x801 | carry | overflow << 11);
  }

  /** Whether the instruction's condition holds. */
  condition(): boolean {
    const { i32 } = this;
    return condition(this.cc, i32[S.CC_OP]!, i32[S.CC_DST]!, i32[S.CC_SRC]!, i32[S.CC_AUX]!);
  }

  /** EFLAGS but for the arithmetic flags, with DF; and what takes its place. */
  system(): number {
    return this.i32[S.EFLAGS_SYS]!;
  }

  setSystem(flags: number): void {
    this.i32[S.EFLAGS_SYS] = flags;
  }

  /** The same as PUSHF of `z` bits shows it: in virtual-8086 mode below IOPL 3, VME shows VIF as IF and IOPL as 3 to 16-bit PUSHF; else #GP(0). */
  shownSystem(z: number): number {
    const { cpu } = this;
    const image = this.system() & SHOWN;
    if (!cpu.v86 || cpu.iopl === 3) return image;
    if ((cpu.cr4 & S.CR4_VME) === 0 || z === 32) cpu.raise(GP, 0);
    return image & ~S.FLAG_IF | S.FLAG_IOPL | ((image & S.FLAG_VIF) !== 0 ? S.FLAG_IF : 0);
  }

  reg(r: number, z: number): number {
    return this.cpu.reg(r, z);
  }

  setReg(r: number, z: number, value: number): void {
    this.cpu.setReg(r, z, value);
  }

  /** The stack pointer as wide as the stack segment says. */
  sp(): number {
    const { i32 } = this;
    return (i32[S.MODE]! & S.MODE_STACK32) !== 0 ? i32[S.ESP]! : i32[S.ESP]! & 0xffff;
  }

  setSp(value: number): void {
    const { i32 } = this;
    if ((i32[S.MODE]! & S.MODE_STACK32) !== 0) i32[S.ESP] = value;
    else i32[S.ESP] = i32[S.ESP]! & ~0xffff | value & 0xffff;
  }

  /** Reads `z` bits at offset `offset` of the stack segment. */
  loadStack(z: number, offset: number): number {
    return loadLinear(this.cpu, this.stackAddress(z, offset, false), z);
  }

  storeStack(z: number, offset: number, value: number): void {
    storeLinear(this.cpu, this.stackAddress(z, offset, true), z, value);
  }

  private stackAddress(z: number, offset: number, write: boolean): number {
    const mode = this.i32[S.MODE]!;
    if ((mode & FLAT_STACK) === FLAT_STACK) return offset | 0;
    return segmentAddress(this.cpu, S.SS, (mode & S.MODE_STACK32) !== 0 ? offset : offset & 0xffff, z >> 3, write);
  }
}
