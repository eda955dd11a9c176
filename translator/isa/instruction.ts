// What a decoded instruction is. Everything downstream (interpreter, translator, disassembly, trap policy)
// reads this record and its table row, and never sees a ModRM byte.

import type { Row } from './opcodes.js';

/** Operand or address width in bits, as an instruction attribute. */
export type Width = 16 | 32;

/** Segment register numbers as Intel encodes them in the sreg field. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;

/** General register numbers, 16 and 32 bit. */
export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;

/** A general register; with `size` 8 the indices 0..7 are AL CL DL BL AH CH DH BH. */
export interface RegOperand {
  readonly kind: 'reg';
  readonly size: 8 | 16 | 32;
  readonly index: number;
}

/** A memory operand. The effective address is (base + (index << scale) + disp) modulo 2^addrSize. */
export interface MemOperand {
  readonly kind: 'mem';
  /** Segment that applies: the override if there is one, else the default of the base register. */
  readonly seg: number;
  /** General register 0..7, or -1. */
  readonly base: number;
  /** General register 0..7, or -1. */
  readonly index: number;
  /** Shift count 0..3 of the index. */
  readonly scale: number;
  /** Sign-extended; a bare 16-bit address is zero-extended, so that it needs no wrap. */
  readonly disp: number;
  readonly addrSize: Width;
  /** Bits accessed; 0 where nothing is (LEA, INVLPG, hints). */
  readonly size: number;
}

/**
 * An immediate. `size` is its width as the operation sees it: 8 for `Ib` (value 0..255), 16 for `Iw` (0..65535),
 * the operand size for `Iv` and for `sIb`. At width 16 `Iv` is 0..65535, `sIb` is -128..127; at width 32 both are int32.
 */
export interface ImmOperand {
  readonly kind: 'imm';
  readonly value: number;
  readonly size: 8 | 16 | 32;
}

/** A branch target: displacement from the end of the instruction. EIP wraps at 16 bits when opSize is 16. */
export interface RelOperand {
  readonly kind: 'rel';
  readonly disp: number;
}

/** A far pointer in the instruction itself; `offset` is int32. */
export interface FarOperand {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: number;
}

/** A register named by number alone: segment, control, debug, x87 stack (ST0 is index 0), MMX, XMM. */
export interface IndexedOperand {
  readonly kind: 'sreg' | 'creg' | 'dreg' | 'st' | 'mm' | 'xmm';
  readonly index: number;
}

export type Operand = RegOperand | MemOperand | ImmOperand | RelOperand | FarOperand | IndexedOperand;

/** '' | 'rep' (F3) | 'repne' (F2). Only string instructions carry one; on all but CMPS and SCAS both mean REP. */
export type Repeat = '' | 'rep' | 'repne';

export interface Instruction {
  /** null tells an instruction from an `Invalid`. */
  readonly invalid: null;
  readonly row: Row;
  readonly mnemonic: string;
  readonly length: number;
  readonly opSize: Width;
  readonly addrSize: Width;
  /** Width in bits of what the instruction works on: 8 for MOVSB and `Eb`, 64 for MMX, 128 for XMM, … */
  readonly size: number;
  readonly lock: boolean;
  readonly rep: Repeat;
  /** Segment override, or -1. Implicit memory operands (string source, XLAT) use it in place of DS. */
  readonly seg: number;
  /** The explicit operands, destination first. */
  readonly operands: readonly Operand[];
  /** Condition number 0..15 of Jcc, SETcc, CMOVcc, FCMOVcc; else -1. */
  readonly cc: number;
}

/** Bytes that are no instruction. */
export interface Invalid {
  /** 'UD' undefined opcode or forbidden LOCK; 'GP' longer than 15 bytes; 'FETCH' bytes ran out at the limit. */
  readonly invalid: 'UD' | 'GP' | 'FETCH';
  /** For 'FETCH': how many bytes must be supplied, at least, to get further. Else the bytes looked at. */
  readonly needed: number;
}

export type Decoded = Instruction | Invalid;

/** EFLAGS bits by the letter the table's flags column uses. */
export const FLAG_BITS = {
  C: 1 << 0,
  P: 1 << 2,
  A: 1 << 4,
  Z: 1 << 6,
  S: 1 << 7,
  T: 1 << 8,
  I: 1 << 9,
  D: 1 << 10,
  O: 1 << 11,
  /** IOPL, both bits. */
  L: 3 << 12,
  /** NT. */
  N: 1 << 14,
  /** RF. */
  R: 1 << 16,
  /** VM. */
  V: 1 << 17,
  /** AC. */
  K: 1 << 18,
} as const;

const COUNT_MASK = 31;

/**
 * The flags this instruction is sure to write, whatever its data: what liveness may kill. An instruction with
 * a repeat prefix writes none when the count is zero; a shift by an immediate that is not zero writes all its flags,
 * OF included, which the manual defines for a count of one only.
 */
export function flagsSurelyWritten(instruction: Instruction): number {
  const { flags } = instruction.row;
  if (instruction.rep !== '') return 0;
  if (flags.maybe === 0) return flags.written;
  const count = instruction.operands[instruction.operands.length - 1];
  const counted = count?.kind === 'imm' && (count.value & COUNT_MASK) !== 0;
  return counted ? flags.written | flags.maybe : flags.written;
}
