import type { Instruction } from "../instruction.js";
import { ARITHMETIC } from "./arithmetic.js";
import { HELPERS } from "./helpers.js";
import { MOVES } from "./moves.js";
import type { Semantics } from "./semantics.js";
import { SHIFTS } from "./shifts.js";
import { SYSTEM } from "./system.js";
import { SIMD } from "./simd/simd.js";
import { X87 } from "./x87/x87.js";

/** Every instruction's semantics, by the opcode table's mnemonic. */
export const SEMANTICS: Readonly<Record<string, Semantics>> = { ...ARITHMETIC, ...SHIFTS, ...MOVES, ...HELPERS, ...SYSTEM, ...X87, ...SIMD };

/** What the processor implements: the decoder gives #UD for the rest. */
export const IMPLEMENTED: ReadonlySet<string> = new Set(Object.keys(SEMANTICS));

const BIT_STRING = new Set(["BT", "BTS", "BTR", "BTC"]);

/** The semantics of a decoded instruction: by mnemonic, but for the few whose memory form is another mechanism. */
export function semanticsOf(instruction: Instruction): Semantics {
  const { mnemonic, operands } = instruction;
  if (operands[0]?.kind === "mem") {
    if (mnemonic === "POP") return SEMANTICS["POP_MEMORY"]!;
    if (BIT_STRING.has(mnemonic) && operands[1]?.kind === "reg") return SEMANTICS[`${mnemonic}_MEMORY`]!;
  }
  return SEMANTICS[mnemonic]!;
}

/** Width in bits that inline semantics work at: the first operand's, else the operand size. */
export function semanticWidth(instruction: Instruction): number {
  const first = instruction.operands[0];
  if ((first?.kind === "reg" || first?.kind === "mem") && first.size !== 0 && first.size <= 32) return first.size;
  return instruction.opSize;
}

/** Absolute EIP that a relative operand of an instruction ending at `next` names. */
export function branchTarget(instruction: Instruction, next: number): number {
  const operand = instruction.operands[0]!;
  if (operand.kind !== "rel") throw new Error("not a relative branch");
  const target = next + operand.disp | 0;
  return instruction.opSize === 16 ? target & 0xffff : target;
}
