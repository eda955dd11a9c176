import type { Expression } from "acorn";
import { CC_DEC, CC_EFLAGS, CC_INC, CC_LOGIC, CC_MUL, CC_SHL, CC_SHR, CC_SUB, FLAG_RULES, type FlagFunction } from "../../hypervisor/flags.js";
import { binary, call, conditional, identifier, literal, not } from "./ast.js";
import { expandPure } from "./splice.js";

/** The locals that hold lazy flags in generated code: CC_OP, CC_DST, CC_SRC, CC_AUX. */
export const FLAG_OP = "fo", FLAG_DST = "fd", FLAG_SRC = "fs", FLAG_AUX = "fx";

/** After SUB, as long as generated code knows that it was one: the first operand. It never leaves the code. */
export const FLAG_FIRST = "fa";

/**
 * What changes only some flags is kept beside them until somebody looks: FLAG_PENDING is 0, PENDING_ROTATE (FLAG_PATCH
 * holds new CF and OF), or the CC_OP of an INC or DEC (FLAG_PATCH holds its result, CF is the others').
 */
export const FLAG_PENDING = "fp", FLAG_PATCH = "fr", PENDING_ROTATE = 1;

const SIZES = [8, 16, 32];
const dst = (name = FLAG_DST): Expression => identifier(name);
const src = (): Expression => identifier(FLAG_SRC);
const zero = literal(0);

/** CC_OP where it is not known at translation time. */
export const UNKNOWN = -1;

function rule(op: number, which: "cf" | "of" | "af", from = FLAG_DST): Expression {
  const fn: FlagFunction = FLAG_RULES[op >> 2]![which];
  return expandPure(fn, [literal(SIZES[op & 3]!), dst(from), src(), identifier(FLAG_AUX)]);
}

function lookup(name: string): Expression {
  return call(name, [identifier(FLAG_OP), dst(), src(), identifier(FLAG_AUX)]);
}

/** CF as 0 or 1. */
export function carryOf(op: number): Expression {
  return op === UNKNOWN ? lookup("carryFlag") : rule(op, "cf");
}

export function arithmeticOf(op: number): Expression {
  return op >> 2 === CC_EFLAGS ? dst() : op === UNKNOWN ? lookup("arithmeticFlags") : call("arithmeticFlags", [literal(op), dst(), src(), identifier(FLAG_AUX)]);
}

/** `e` as a signed 32-bit number of the same order, for an operand of `z` bits. */
function signed(z: number, e: Expression): Expression {
  return z === 32 ? binary(e, "|", zero) : binary(binary(e, "<<", literal(32 - z)), ">>", literal(32 - z));
}
function unsigned(z: number, e: Expression): Expression {
  return z === 32 ? binary(e, ">>>", zero) : binary(e, "&", literal(z === 16 ? 65535 : 255));
}

/** After SUB comparisons are one relation of its operands, of which the first is dst + src if it is not at hand. */
function afterSubtraction(cc: number, z: number, first: Expression): Expression | null {
  switch (cc) {
    case 2: return binary(unsigned(z, first), "<", unsigned(z, src()));
    case 3: return binary(unsigned(z, first), ">=", unsigned(z, src()));
    case 6: return binary(unsigned(z, first), "<=", unsigned(z, src()));
    case 7: return binary(unsigned(z, first), ">", unsigned(z, src()));
    case 12: return binary(signed(z, first), "<", signed(z, src()));
    case 13: return binary(signed(z, first), ">=", signed(z, src()));
    case 14: return binary(signed(z, first), "<=", signed(z, src()));
    case 15: return binary(signed(z, first), ">", signed(z, src()));
    default: return null;
  }
}

function sign(op: number, from: string): Expression {
  const z = SIZES[op & 3]!;
  if (op >> 2 === CC_EFLAGS) return binary(binary(dst(from), "&", literal(0x80)), "!==", zero);
  return z === 32 ? binary(dst(from), "<", zero) : binary(binary(dst(from), "&", literal(1 << z - 1)), "!==", zero);
}
function isZero(op: number, from: string): Expression {
  return op >> 2 === CC_EFLAGS ? binary(binary(dst(from), "&", literal(0x40)), "!==", zero) : binary(dst(from), "===", zero);
}
function parityOf(op: number, from: string): Expression {
  return op >> 2 === CC_EFLAGS ? binary(binary(dst(from), "&", literal(4)), "!==", zero) : binary(call("parity", [dst(from)]), "!==", zero);
}
function or(a: Expression, b: Expression): Expression {
  return conditional(a, literal(1), conditional(b, literal(1), zero));
}

/**
 * Condition `cc` (0 O .. 15 NLE) as an expression whose truth is the condition's; `from` is the local that holds the
 * result (FLAG_PATCH for a pending INC or DEC, whose CF is not asked); `first` after SUB the first operand.
 */
export function conditionOf(cc: number, op: number, from = FLAG_DST, first: Expression = binary(dst(), "+", src())): Expression {
  if (op === UNKNOWN) return call("condition", [literal(cc), identifier(FLAG_OP), dst(), src(), identifier(FLAG_AUX)]);
  const kind = op >> 2;
  const z = SIZES[op & 3]!;
  if (kind === CC_SUB) {
    const relation = afterSubtraction(cc, z, first);
    if (relation !== null) return relation;
  }
  // After a logical operation OF and CF are clear: L is S, LE is S or Z.
  if (kind === CC_LOGIC && z === 32 && cc >= 12) {
    return binary(dst(), (["<", ">=", "<=", ">"] as const)[cc - 12]!, zero);
  }
  const positive = positiveCondition(cc >> 1, op, from);
  return (cc & 1) === 0 ? positive : not(positive);
}

function positiveCondition(pair: number, op: number, from: string): Expression {
  const overflow = (): Expression => binary(rule(op, "of", from), "!==", zero);
  const carry = (): Expression => binary(rule(op, "cf", from), "!==", zero);
  const less = (): Expression => binary(sign(op, from), "!==", overflow());
  switch (pair) {
    case 0: return overflow();
    case 1: return carry();
    case 2: return isZero(op, from);
    case 3: return or(carry(), isZero(op, from));
    case 4: return sign(op, from);
    case 5: return parityOf(op, from);
    case 6: return less();
    default: return or(isZero(op, from), less());
  }
}

/** Whether a condition looks at CF (B, BE and their opposites). */
export function asksCarry(cc: number): boolean {
  return cc >> 1 === 1 || cc >> 1 === 3;
}

/** Which of src and aux a kind's flags need. */
export function needsSource(kind: number): boolean {
  return kind !== CC_EFLAGS && kind !== CC_LOGIC && kind !== CC_INC && kind !== CC_DEC;
}
export function needsAux(kind: number): boolean {
  return kind !== CC_EFLAGS && kind !== CC_LOGIC && kind !== CC_SUB && kind !== CC_SHL && kind !== CC_SHR && kind !== CC_MUL && kind !== 1;
}
