/**
 * Lazy arithmetic flags. An instruction leaves its kind and operands in CC_OP, CC_DST, CC_SRC, CC_AUX; each flag is a
 * pure function of these. The functions keep to the plain subset that the translator parses and splices
 * (translator/codegen): parameters, one expression, no outside names but those of `isa/semantics/subset.ts`.
 *
 *   kind    dst      src                              aux
 *   EFLAGS  flags    -                                -
 *   ADD     result   second operand                   -
 *   ADC     result   second operand                   carry in
 *   SUB     result   second operand                   -
 *   SBB     result   second operand                   borrow in
 *   LOGIC   result   -                                -
 *   INC/DEC result   -                                carry before
 *   SHL     result   operand shifted by count - 1     -
 *   SHR     result   operand shifted by count - 1     -      (SHR and SAR)
 *   MUL     low half nonzero when the high half counts -
 *
 * Operands of 8 and 16 bits are zero-extended; CC_OP is kind * 4 + (0 for 8 bits, 1 for 16, 2 for 32).
 */
export const CC_EFLAGS = 0, CC_ADD = 1, CC_ADC = 2, CC_SUB = 3, CC_SBB = 4, CC_LOGIC = 5, CC_INC = 6, CC_DEC = 7, CC_SHL = 8, CC_SHR = 9, CC_MUL = 10;
export const CC_NAMES = ["EFLAGS", "ADD", "ADC", "SUB", "SBB", "LOGIC", "INC", "DEC", "SHL", "SHR", "MUL"] as const;

/** z is the operand size in bits; d, s, x are CC_DST, CC_SRC, CC_AUX. Each gives 0 or 1. */
export type FlagFunction = (z: number, d: number, s: number, x: number) => number;
export interface FlagRules { readonly cf: FlagFunction; readonly of: FlagFunction; readonly af: FlagFunction }

const zero: FlagFunction = () => 0;

export const FLAG_RULES: readonly FlagRules[] = [
  { cf: (_z, d) => d & 1, of: (_z, d) => (d >>> 11) & 1, af: (_z, d) => (d >>> 4) & 1 },
  {
    cf: (_z, d, s) => (d >>> 0) < (s >>> 0) ? 1 : 0,
    of: (z, d, s) => (((d - s) ^ d) & (s ^ d)) >>> (z - 1) & 1,
    af: (_z, d, s) => ((d - s) ^ d ^ s) >>> 4 & 1,
  },
  {
    cf: (_z, d, s, x) => (x !== 0 ? (d >>> 0) <= (s >>> 0) : (d >>> 0) < (s >>> 0)) ? 1 : 0,
    of: (z, d, s, x) => (((d - s - x) ^ d) & (s ^ d)) >>> (z - 1) & 1,
    af: (_z, d, s, x) => ((d - s - x) ^ d ^ s) >>> 4 & 1,
  },
  {
    cf: (z, d, s) => (z === 32 ? ((d + s) >>> 0) < (s >>> 0) : ((d + s) & (z === 16 ? 65535 : 255)) < s) ? 1 : 0,
    of: (z, d, s) => (((d + s) ^ s) & ((d + s) ^ d)) >>> (z - 1) & 1,
    af: (_z, d, s) => ((d + s) ^ d ^ s) >>> 4 & 1,
  },
  {
    cf: (z, d, s, x) => (z === 32
      ? (x !== 0 ? ((d + s + 1) >>> 0) <= (s >>> 0) : ((d + s) >>> 0) < (s >>> 0))
      : (x !== 0 ? ((d + s + 1) & (z === 16 ? 65535 : 255)) <= s : ((d + s) & (z === 16 ? 65535 : 255)) < s)) ? 1 : 0,
    of: (z, d, s, x) => (((d + s + x) ^ s) & ((d + s + x) ^ d)) >>> (z - 1) & 1,
    af: (_z, d, s, x) => ((d + s + x) ^ d ^ s) >>> 4 & 1,
  },
  { cf: zero, of: zero, af: zero },
  {
    cf: (_z, _d, _s, x) => x,
    of: (z, d) => (z === 32 ? d === (0x80000000 | 0) : d === (z === 16 ? 32768 : 128)) ? 1 : 0,
    af: (_z, d) => (d & 15) === 0 ? 1 : 0,
  },
  {
    cf: (_z, _d, _s, x) => x,
    of: (z, d) => d === (z === 32 ? 0x7fffffff : z === 16 ? 32767 : 127) ? 1 : 0,
    af: (_z, d) => (d & 15) === 15 ? 1 : 0,
  },
  { cf: (z, _d, s) => s >>> (z - 1) & 1, of: (z, d, s) => (s ^ d) >>> (z - 1) & 1, af: zero },
  { cf: (_z, _d, s) => s & 1, of: (z, d, s) => (s ^ d) >>> (z - 1) & 1, af: zero },
  { cf: (_z, _d, s) => s !== 0 ? 1 : 0, of: (_z, _d, s) => s !== 0 ? 1 : 0, af: zero },
];

/** PF of a result: even parity of its low byte (bit n of 0x9669 is set when nibble n has an even number of ones). */
export const parity = (d: number): number => (0x9669 >>> ((d ^ d >>> 4) & 15)) & 1;

const SIZES = [8, 16, 32];

export function carryFlag(op: number, d: number, s: number, x: number): number {
  return FLAG_RULES[op >> 2]!.cf(SIZES[op & 3]!, d, s, x);
}
export function overflowFlag(op: number, d: number, s: number, x: number): number {
  return FLAG_RULES[op >> 2]!.of(SIZES[op & 3]!, d, s, x);
}
export function adjustFlag(op: number, d: number, s: number, x: number): number {
  return FLAG_RULES[op >> 2]!.af(SIZES[op & 3]!, d, s, x);
}
export function zeroFlag(op: number, d: number): number {
  return op < 4 ? (d >>> 6) & 1 : d === 0 ? 1 : 0;
}
export function signFlag(op: number, d: number): number {
  return op < 4 ? (d >>> 7) & 1 : d >>> (SIZES[op & 3]! - 1) & 1;
}
export function parityFlag(op: number, d: number): number {
  return op < 4 ? (d >>> 2) & 1 : parity(d);
}

/** The six arithmetic flags as EFLAGS bits. */
export function arithmeticFlags(op: number, d: number, s: number, x: number): number {
  if (op < 4) return d;
  return carryFlag(op, d, s, x) | parityFlag(op, d) << 2 | adjustFlag(op, d, s, x) << 4 | zeroFlag(op, d) << 6 |
    signFlag(op, d) << 7 | overflowFlag(op, d, s, x) << 11;
}

/** Whether condition `cc` (SDM vol. 2, appendix B.1.4: 0 O .. 15 NLE) holds. */
export function condition(cc: number, op: number, d: number, s: number, x: number): boolean {
  let holds: boolean;
  switch (cc >> 1) {
    case 0: holds = overflowFlag(op, d, s, x) !== 0; break;
    case 1: holds = carryFlag(op, d, s, x) !== 0; break;
    case 2: holds = zeroFlag(op, d) !== 0; break;
    case 3: holds = carryFlag(op, d, s, x) !== 0 || zeroFlag(op, d) !== 0; break;
    case 4: holds = signFlag(op, d) !== 0; break;
    case 5: holds = parityFlag(op, d) !== 0; break;
    case 6: holds = signFlag(op, d) !== overflowFlag(op, d, s, x); break;
    default: holds = zeroFlag(op, d) !== 0 || signFlag(op, d) !== overflowFlag(op, d, s, x);
  }
  return holds !== ((cc & 1) !== 0);
}
