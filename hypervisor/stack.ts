import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { checkAlignment, referenceAllowed, segmentAddress } from "./segmentation.js";
import { SS_FAULT } from "./trap.js";

/** Stacks (SDM vol. 3, 3.4.3 and vol. 1, 6.2): the running one, and one about to be switched to. */

const inStack = (attr: number, value: number): number => (attr & S.ATTR_DB) !== 0 ? value | 0 : value & 0xffff;

/** ESP or SP, by the B flag of SS. */
export function stackPointer(cpu: Cpu): number {
  return inStack(cpu.segAttr(S.SS), cpu.esp);
}

/** Sets ESP, or SP alone, by the B flag of SS. */
export function setStackPointer(cpu: Cpu, value: number): void {
  if ((cpu.segAttr(S.SS) & S.ATTR_DB) !== 0) cpu.esp = value;
  else cpu.setReg(S.ESP, 16, value);
}

/** Linear address of `bytes` bytes at `offset` beyond the stack pointer, checked against SS. */
export function stackAddress(cpu: Cpu, offset: number, bytes: number, write: boolean): number {
  return segmentAddress(cpu, S.SS, inStack(cpu.segAttr(S.SS), cpu.esp + offset), bytes, write);
}

/** Reads a value of `bytes` bytes (2 unsigned, 4 signed) at `offset` beyond the stack pointer. */
export function peek(cpu: Cpu, offset: number, bytes: 2 | 4): number {
  const la = stackAddress(cpu, offset, bytes, false);
  return bytes === 4 ? cpu.mmu.read32(la) : cpu.mmu.read16(la);
}

/** The part of a segment that stack references need: a Descriptor, or a segment register's hidden part. */
export interface StackSegment { readonly base: number; readonly limit: number; readonly attr: number }

/**
 * Values to be pushed together on one stack. `check` raises what any of the pushes would, before anything is written;
 * after it `write` does them all and gives the new stack pointer.
 */
export class Frame {
  private readonly cpu: Cpu;
  private readonly segment: StackSegment;
  private readonly esp: number;
  private readonly user: boolean;
  private readonly bytes: 2 | 4;
  /** Error code of #SS when the frame does not fit. */
  private readonly error: number;
  private readonly values: number[] = [];

  constructor(cpu: Cpu, segment: StackSegment, esp: number, user: boolean, bytes: 2 | 4, error: number) {
    this.cpu = cpu;
    this.segment = segment;
    this.esp = esp;
    this.user = user;
    this.bytes = bytes;
    this.error = error;
  }

  /** A frame on the running stack. */
  static onCurrentStack(cpu: Cpu, bytes: 2 | 4, error = 0): Frame {
    return new Frame(cpu, { base: cpu.segBase(S.SS), limit: cpu.segLimit(S.SS), attr: cpu.segAttr(S.SS) }, cpu.esp, cpu.mmu.user, bytes, error);
  }

  /** Adds a value; the first one added ends up at the highest address. */
  push(...values: number[]): this {
    for (const value of values) this.values.push(value);
    return this;
  }

  private offset(i: number): number {
    return inStack(this.segment.attr, this.esp - (i + 1) * this.bytes);
  }

  check(): this {
    const { cpu, segment, bytes } = this;
    for (let i = 0; i < this.values.length; i++) {
      if (!referenceAllowed(segment.attr, segment.limit >>> 0, this.offset(i) >>> 0, bytes, true)) cpu.raise(SS_FAULT, this.error);
    }
    for (let i = 0; i < this.values.length; i++) cpu.mmu.probeWrite((segment.base + this.offset(i)) | 0, bytes, this.user);
    if (this.user && (cpu.i32[S.MODE]! & S.MODE_ALIGNED) !== 0) checkAlignment(cpu, segment.base + this.offset(0) | 0, bytes, true);
    return this;
  }

  /** Writes the values; gives ESP as it shall be: all of it on a 32-bit stack, its upper half untouched on a 16-bit one. */
  write(): number {
    const { cpu, segment, bytes } = this;
    for (let i = 0; i < this.values.length; i++) {
      const value = this.values[i]!;
      cpu.mmu.writeAs((segment.base + this.offset(i)) | 0, bytes, bytes === 2 ? value & 0xffff : value, this.user);
    }
    const sp = inStack(segment.attr, this.esp - this.values.length * bytes);
    return (segment.attr & S.ATTR_DB) !== 0 ? sp : this.esp & 0xffff0000 | sp;
  }
}
