import type { Instruction } from "../../translator/isa/instruction.js";
import { NO_FAULT, type State, VECTOR_AT } from "./state.js";

/**
 * What the manual leaves undefined, or the recording processor does otherwise than the modelled one, by mnemonic. Each
 * entry says why.
 */
const C = 1, P = 4, A = 0x10, Z = 0x40, S = 0x80, O = 0x800;
export const ARITHMETIC_FLAGS = C | P | A | Z | S | O;
/** Bits of EFLAGS that are compared at all: RF, IF and the like are the kernel's. */
export const COMPARED_FLAGS = ARITHMETIC_FLAGS | 0x400;

/** EFLAGS left undefined (SDM vol. 2, "Flags Affected" of each; vol. 1, appendix A). */
const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {
  AAA: O | S | Z | P, AAS: O | S | Z | P,
  AAD: O | A | C, AAM: O | A | C,
  DAA: O, DAS: O,
  AND: A, OR: A, XOR: A, TEST: A,
  BSF: C | O | S | A | P, BSR: C | O | S | A | P,
  BT: O | S | A | P, BTC: O | S | A | P, BTR: O | S | A | P, BTS: O | S | A | P,
  DIV: ARITHMETIC_FLAGS, IDIV: ARITHMETIC_FLAGS,
  MUL: S | Z | A | P, IMUL: S | Z | A | P, IMUL2: S | Z | A | P, IMUL3: S | Z | A | P,
};

/** Shifts and rotates: flags undefined when the count is not zero; OF is defined for a count of one. */
const COUNTED_FLAGS: Readonly<Record<string, number>> = {
  SHL: A | O, SAL: A | O, SHR: A | O, SAR: A | O, ROL: O, ROR: O, RCL: O, RCR: O, SHLD: A | O, SHRD: A | O,
};

/** The count of a shift or rotate, of which the processor takes five bits. */
function countOf(instruction: Instruction, input: State): number {
  const last = instruction.operands[instruction.operands.length - 1];
  return (last?.kind === "imm" ? last.value : input.reg(1)) & 31;
}

export function undefinedFlags(instruction: Instruction, input: State): number {
  const { mnemonic } = instruction;
  const counted = COUNTED_FLAGS[mnemonic];
  if (counted === undefined) return UNDEFINED_FLAGS[mnemonic] ?? 0;
  const count = countOf(instruction, input);
  if (count === 0) return 0;
  // Shifts of bytes and words by their size or more leave CF undefined.
  const carry = /^SH[LR]$|^SAL$/.test(mnemonic) && count >= instruction.size ? C : 0;
  return (count === 1 ? counted & ~O : counted) | carry;
}

/**
 * Cases whose result itself is undefined: SHLD and SHRD of a word by more than 16; MASKMOVQ and MASKMOVDQU where bytes
 * that are not selected cannot be written (SDM vol. 2: which exceptions there are depends on the implementation).
 */
export function undefinedResult(instruction: Instruction, input: State, expected: State): boolean {
  if (instruction.mnemonic.startsWith("MASKMOV")) return expected.get32(VECTOR_AT) !== NO_FAULT;
  return /^SH[LR]D$/.test(instruction.mnemonic) && countOf(instruction, input) > instruction.size;
}

const C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000;

/** x87 status bits in which processors differ. */
export const UNDEFINED_STATUS: Readonly<Record<string, number>> = {
  // The manual says "C1: set to 0"; AMD's processors leave it.
  FCOMI: C1, FCOMIP: C1, FUCOMI: C1, FUCOMIP: C1,
};

/**
 * Comparisons: after an unmasked exception the manual has condition bits and EFLAGS stay as they were (SDM vol. 2,
 * table 3-21); AMD's processors set them.
 */
export const COMPARISONS: ReadonlySet<string> = new Set([
  "FCOM", "FCOMP", "FCOMPP", "FUCOM", "FUCOMP", "FUCOMPP", "FICOM", "FICOMP", "FTST", "FCOMI", "FCOMIP", "FUCOMI", "FUCOMIP",
]);
export const COMPARISON_STATUS = C0 | C2 | C3;

/** Approximations with a relative error of at most 1.5 * 2^-12: two of them differ by twice that. */
export const APPROXIMATE: ReadonlySet<string> = new Set(["RCPPS", "RCPSS", "RSQRTPS", "RSQRTSS"]);
export const APPROXIMATION_ERROR = 3 * 2 ** -12;

/**
 * Bytes of FXSAVE's image in which processors differ: MXCSR_MASK (AMD's has a bit for misaligned operands), and the
 * pointers, which AMD's processors store only while an exception is pending.
 */
export const FXSAVE_VARIES: readonly (readonly [number, number])[] = [[6, 24], [28, 32]];

/** Results that may differ in the last place: the transcendental instructions' error is bounded, not their value. */
export const ONE_ULP: ReadonlySet<string> = new Set(["F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS"]);
