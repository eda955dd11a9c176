import type { Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import type { Instruction } from "../isa/instruction.js";
import * as A from "./ast.js";
import type { Emitter } from "./emit.js";

/** DIV and IDIV of EDX:EAX in place; those that raise #DE, and a signed one whose dividend is no sign extension of EAX, are the interpreter's. */

/** The local that the divisor is put into first. */
export const DIVISOR = "$p";

const REMAINDER = "$i";
const divisor = A.identifier(DIVISOR), zero = A.literal(0);
const MOST_NEGATIVE = -0x80000000;

/** Whether an instruction can be made so, but for the segment of its operand: 32 bits wide. */
export function isDivision({ mnemonic, operands }: Instruction): boolean {
  const operand = operands[0];
  if (mnemonic !== "DIV" && mnemonic !== "IDIV") return false;
  return (operand?.kind === "reg" || operand?.kind === "mem") && operand.size === 32;
}

/** Whether the quotient of EDX:EAX by the divisor fits in 32 bits, as far as it is to be made in place. */
export function divisible(emitter: Emitter, { mnemonic }: Instruction): Expression {
  const high = emitter.readRegister(S.EDX, 32), low = emitter.readRegister(S.EAX, 32);
  if (mnemonic === "DIV") return A.binary(A.binary(high, ">>>", zero), "<", A.binary(divisor, ">>>", zero));
  const extended = A.binary(high, "===", A.binary(low, ">>", A.literal(31)));
  const overflows = A.conditional(A.binary(divisor, "===", A.literal(-1)), A.binary(low, "===", A.literal(MOST_NEGATIVE)), zero);
  return A.conditional(extended, A.conditional(A.binary(divisor, "!==", zero), A.not(overflows), zero), zero);
}

/** Statements that put the quotient into EAX and the remainder into EDX. */
export function emitDivision(emitter: Emitter, { mnemonic }: Instruction): Statement[] {
  const high = emitter.readRegister(S.EDX, 32), low = emitter.readRegister(S.EAX, 32);
  const [quotient, remainder, args] = mnemonic === "DIV" ? ["divideUnsigned", "remainderUnsigned", [high, low, divisor]] as const : ["divideSigned", "remainderSigned", [low, divisor]] as const;
  return [
    A.statement(A.assign(REMAINDER, A.call(remainder, [...args]))),
    A.statement(emitter.writeRegister(S.EAX, 32, A.call(quotient, [...args]))),
    A.statement(emitter.writeRegister(S.EDX, 32, A.identifier(REMAINDER))),
  ];
}
