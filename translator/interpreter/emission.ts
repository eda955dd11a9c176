import type { Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import { CC_ADD, CC_DEC, CC_EFLAGS, CC_INC, CC_LOGIC, CC_SUB } from "../../hypervisor/flags.js";
import * as A from "../codegen/ast.js";
import { arithmeticOf, asksCarry, carryOf, conditionOf, FLAG_AUX, FLAG_DST, FLAG_OP, FLAG_SRC, needsAux, needsSource, UNKNOWN } from "../codegen/conditions.js";
import { expandInline, treeOf, type Vocabulary } from "../codegen/splice.js";
import type { Instruction, MemOperand, Operand } from "../isa/instruction.js";
import { SHOWN } from "../isa/semantics/exec.js";
import { branchTarget, semanticWidth } from "../isa/semantics/registry.js";
import type { Semantics } from "../isa/semantics/semantics.js";

/**
 * One instruction's semantics as a syntax tree that works on the heap, made from the same trees as generated code, and once for each shape of
 * operands: what differs between instructions of a shape (registers, displacements, immediates, targets) are named values.
 */

/** MODE bits that an instruction must run under: flat 32-bit segments. */
const SHAPED_MODE = S.MODE_FLAT | S.MODE_CODE32 | S.MODE_STACK32;

export type Inline = Semantics & { kind: "inline" };

/** An operand: what of it is in the tree, and the values that are not. */
interface OperandShape { readonly key: string; readonly names: readonly string[]; readonly values: readonly number[] }

/** An instruction: what its tree is found by, the tree's named values, and whether its memory accesses are the user's. */
export interface Shape extends OperandShape { readonly user: boolean }

/** The instruction's shape, or null when it has none. */
export function instructionShape(instruction: Instruction, next: number, mode: number): Shape | null {
  if ((mode & SHAPED_MODE) !== SHAPED_MODE) return null;
  const { operands, cc, addrSize, row } = instruction;
  const z = semanticWidth(instruction);
  const user = (mode & S.MODE_USER) !== 0;
  let key = `${instruction.mnemonic} ${z} ${cc} ${addrSize} ${user ? 1 : 0}`;
  const names: string[] = [], values: number[] = [];
  for (let k = 0; k < operands.length; k++) {
    const shape = shapeOf(instruction, operands[k]!, k, z, next);
    if (shape === null) return null;
    key += ` ${shape.key}`;
    names.push(...shape.names);
    values.push(...shape.values);
  }
  if (row.ends !== null) {
    names.push("next");
    values.push(next);
  }
  return { key, names, values, user };
}

/** The tree of an instruction's shape; null for what has none. */
export function shapeTree(instruction: Instruction, semantics: Inline): Statement[] | null {
  return new Emission(instruction, semanticWidth(instruction), UNKNOWN).statements(semantics);
}

/** A shape's tree where CC_OP is known (or UNKNOWN); what it is afterwards, null: as before; whether the tree depends on it. */
export interface FlagsTree { readonly body: readonly Statement[]; readonly after: number | null; readonly asks: boolean }

export function shapeTreeAfter(instruction: Instruction, semantics: Inline, op: number): FlagsTree | null {
  const emission = new Emission(instruction, semanticWidth(instruction), op);
  const body = emission.statements(semantics);
  return body === null ? null : { body, after: emission.writes ? emission.op : null, asks: emission.asks };
}

function shapeOf(instruction: Instruction, operand: Operand, k: number, z: number, next: number): OperandShape | null {
  switch (operand.kind) {
    case "reg": {
      const { size, index } = operand;
      return { key: `r${size}`, names: [`r${k}`], values: [size === 32 ? index : size === 16 ? index << 1 : (index & 3) << 2 | index >> 2] };
    }
    case "imm": return { key: "i", names: [`v${k}`], values: [z === 32 ? operand.value : operand.value & (z === 16 ? 0xffff : 0xff)] };
    case "sreg": return { key: "g", names: [`g${k}`], values: [S.SELECTOR + operand.index] };
    case "rel": return { key: "i", names: [`v${k}`], values: [branchTarget(instruction, next)] };
    case "mem": return memoryShape(operand, k);
    default: return null;
  }
}

/** A flat code segment cannot be written. */
function memoryShape({ seg, base, index, scale, disp, addrSize, size }: MemOperand, k: number): OperandShape | null {
  if (seg === S.CS || addrSize !== 32) return null;
  const names = [`d${k}`], values = [disp];
  if (base >= 0) {
    names.push(`b${k}`);
    values.push(base);
  }
  if (index >= 0) {
    names.push(`x${k}`, `s${k}`);
    values.push(index, scale);
  }
  return { key: `m${size}${seg >= S.FS ? `s${seg}` : ""}${base >= 0 ? "b" : ""}${index >= 0 ? "x" : ""}`, names, values };
}

/** The function of (segment register, offset, bytes, whether it is written) that trees call; see segmentation.ts. */
export const SEGMENT_ADDRESS = "segmentAddress";

/** The local for what the second operand gets. */
const SECOND = "second";

const zero = A.literal(0);
/** A word of the heap, and what sets it. */
export const word = (index: number): Expression => A.element("i32", A.literal(index));
export const setWord = (index: number, value: Expression): Expression => A.assignElement("i32", A.literal(index), value);
const or = (left: Expression, right: Expression): Expression => A.binary(left, "|", right);
const named = (letter: string, k: number): Expression => A.identifier(`${letter}${k}`);

/** Operations that flags are asked of most often, with 32-bit operands; for the rest there are the functions of flags.ts. */
const ASKED_CONDITION = [CC_SUB, CC_LOGIC].map((kind) => kind << 2 | 2);
const ASKED_CARRY = [CC_SUB, CC_ADD, CC_INC, CC_DEC, CC_LOGIC].map((kind) => kind << 2 | 2);

const FLAG_WORDS = [[FLAG_OP, S.CC_OP], [FLAG_DST, S.CC_DST], [FLAG_SRC, S.CC_SRC], [FLAG_AUX, S.CC_AUX]] as const;

/** One instruction's semantics on the heap, with its operands' variables. */
class Emission implements Vocabulary {
  private readonly instruction: Instruction;
  private readonly z: number;
  /** CC_OP, if it is known. */
  op: number;
  /** Flags from before have been asked for. */
  asks = false;
  /** Flags are written. */
  writes = false;
  private refused = false;
  /** The body has a value for the second operand too. */
  private second = false;
  /** Statements before the body. */
  private readonly before: Statement[] = [];

  constructor(instruction: Instruction, z: number, op: number) {
    this.instruction = instruction;
    this.z = z;
    this.op = op;
  }

  /** null for what is not in the vocabulary here. */
  statements(semantics: Inline): Statement[] | null {
    const { instruction, z } = this;
    const [first, second, third] = instruction.operands;
    const rights = semantics.access === "" ? [] : semantics.access.split(",");
    const { before } = this;
    const written = rights[0]?.includes("w") === true && first !== undefined ? first : null;
    if (written?.kind === "mem") before.push(A.constant("m", this.linear(written, 0, true)));
    const fetch = (name: string, e: Expression): Expression => {
      before.push(A.constant(name, e));
      return A.identifier(name);
    };
    let a: Expression = zero, b: Expression = zero, c: Expression = zero;
    if (first !== undefined && rights[0]?.startsWith("r") === true) {
      a = fetch("a", written?.kind === "mem" ? A.call(`update${z}`, [A.identifier("m"), zero]) : this.value(first, 0));
    }
    if (second !== undefined && rights[1] !== undefined) b = fetch("b", rights[1] === "-" ? this.address(second as MemOperand, 1) : this.value(second, 1));
    if (third !== undefined) c = fetch("c", this.value(third, 2));
    else if (second?.kind === "reg" || second?.kind === "mem") c = A.literal(second.size);
    const { statements, result } = expandInline(treeOf(semantics.fn), [A.literal(z), a, b, c], this);
    if (this.refused) return null;
    const asked = this.asks ? FLAG_WORDS.filter(([name]) => A.mentions(result, name) || A.mentions(statements, name)) : [];
    const declared = this.second ? [A.variables([SECOND], () => null)] : [];
    const out = [...declared, ...before, ...asked.map(([name, index]) => A.constant(name, word(index))), ...statements];
    if (result !== null && instruction.row.ends !== null) out.push(A.statement(setWord(S.EIP, result)));
    else if (result !== null && written !== null && this.second) out.push(...this.exchange(written, result));
    else if (result !== null && written !== null) out.push(A.statement(this.store(written, result)));
    return out;
  }

  /** FS and GS are never taken to be flat: beyond what the segment holds (SEG_REACH) the checks are made in full. */
  private linear(m: MemOperand, k: number, write: boolean): Expression {
    if (m.seg < S.FS) return this.address(m, k);
    const offset = named("f", k);
    this.before.push(A.constant(`f${k}`, this.address(m, k)));
    const within = A.binary(A.binary(offset, ">>>", zero), "<", A.binary(word(S.SEG_REACH + m.seg - S.FS), ">>>", zero));
    const checked = A.call(SEGMENT_ADDRESS, [A.literal(m.seg), offset, A.literal(m.size >> 3), A.literal(write ? 1 : 0)]);
    return A.conditional(within, A.binary(A.binary(offset, "+", word(S.SEG_BASE + m.seg)), "|", zero), checked);
  }

  private address({ base, index }: MemOperand, k: number): Expression {
    const register = (letter: string): Expression => A.element("i32", named(letter, k));
    const scaled = index < 0 ? null : A.binary(register("x"), "<<", named("s", k));
    const parts = [...(base < 0 ? [] : [register("b")]), ...(scaled === null ? [] : [scaled]), named("d", k)];
    return A.binary(parts.reduce((sum, part) => A.binary(sum, "+", part)), "|", zero);
  }

  private value(operand: Operand, k: number): Expression {
    switch (operand.kind) {
      case "reg": return A.element(operand.size === 32 ? "i32" : operand.size === 16 ? "u16" : "u8", named("r", k));
      case "sreg": return A.element("i32", named("g", k));
      case "mem": return A.call(`load${operand.size}`, [this.linear(operand, k, false), zero]);
      default: return named("v", k);
    }
  }

  private store(operand: Operand, value: Expression): Expression {
    if (operand.kind === "mem") return A.call(`store${this.z}`, [A.identifier("m"), value, zero]);
    return this.setRegister(0, value);
  }

  private setRegister(k: number, value: Expression): Expression {
    return A.assignElement(this.z === 32 ? "i32" : this.z === 16 ? "u16" : "u8", named("r", k), value);
  }

  /** Both results. Of one register named twice the first operand's value stays; a store that leaves changes nothing. */
  private exchange(first: Operand, result: Expression): Statement[] {
    const other = A.statement(this.setRegister(1, A.identifier(SECOND)));
    if (first.kind === "mem") return [A.statement(this.store(first, result)), other];
    return [A.constant("first", result), other, A.statement(this.store(first, A.identifier("first")))];
  }

  // ---- Vocabulary --------------------------------------------------------------------------------------------------

  invoke(member: string, args: Expression[]): Expression {
    const number = (i: number): number => A.numberOf(args[i]!)!;
    switch (member) {
      case "flags": {
        const kind = number(0);
        this.writes = true;
        this.op = kind << 2 | number(1) >> 4;
        return A.sequence([
          setWord(S.CC_OP, A.literal(this.op)), setWord(S.CC_DST, args[2]!),
          ...(needsSource(kind) ? [setWord(S.CC_SRC, args[3]!)] : []), ...(needsAux(kind) ? [setWord(S.CC_AUX, args[4]!)] : []),
        ]);
      }
      case "carry": return this.ask(ASKED_CARRY, carryOf);
      case "arithmetic": return this.arithmetic();
      case "setArithmetic": return this.setFlags(args[0]!);
      case "setCarryOverflow": return this.setFlags(or(or(A.binary(this.arithmetic(), "&", A.literal(~0x801)), args[0]!), A.binary(args[1]!, "<<", A.literal(11))));
      case "condition": return this.condition(this.instruction.cc);
      case "reg": return A.element(...cell(number(0), number(1)));
      case "setReg": return A.assignElement(...cell(number(0), number(1)), args[2]!);
      case "system": return word(S.EFLAGS_SYS);
      case "setSystem": return setWord(S.EFLAGS_SYS, args[0]!);
      case "shownSystem": return A.binary(word(S.EFLAGS_SYS), "&", A.literal(SHOWN));
      case "sp": return word(S.ESP);
      case "setSp": return setWord(S.ESP, args[0]!);
      case "loadStack": return A.call(`load${number(0)}`, [args[1]!, zero]);
      case "storeStack": return A.call(`store${number(0)}`, [args[1]!, args[2]!, zero]);
      default:
        this.refused = true;
        return zero;
    }
  }

  private setFlags(flags: Expression): Expression {
    this.writes = true;
    this.op = CC_EFLAGS << 2;
    return A.sequence([setWord(S.CC_DST, flags), setWord(S.CC_OP, A.literal(this.op))]);
  }

  private arithmetic(): Expression {
    this.asks = true;
    return arithmeticOf(this.op);
  }

  /** The rule of the operation that is known, else of each in `ops` written out, and the function for the others. */
  private ask(ops: readonly number[], rule: (op: number) => Expression): Expression {
    this.asks = true;
    if (this.op !== UNKNOWN) return rule(this.op);
    return ops.reduceRight<Expression>((other, op) => A.conditional(A.binary(A.identifier(FLAG_OP), "===", A.literal(op)), rule(op), other), rule(UNKNOWN));
  }

  private condition(cc: number): Expression {
    const ops = asksCarry(cc) || cc >> 1 === 0 ? ASKED_CONDITION : [...ASKED_CONDITION, ...[CC_ADD, CC_DEC, CC_INC].map((kind) => kind << 2 | 2)];
    return this.ask(ops, (op) => conditionOf(cc, op));
  }

  read(member: string): Expression {
    if (member === "next") return A.identifier("next");
    if (member === "addressSize") return A.literal(this.instruction.addrSize);
    this.refused = true;
    return zero;
  }

  write(member: string, value: Expression): Expression {
    if (member !== "second") this.refused = true;
    this.second = true;
    return A.assign(SECOND, value);
  }

  fork(): number {
    return this.op;
  }

  rejoin(now: number, other: number): void {
    if (now !== other) this.op = UNKNOWN;
  }

  restore(op: number): void {
    this.op = op;
  }
}

/** Array and index of a register of `z` bits. */
function cell(r: number, z: number): [string, Expression] {
  return z === 32 ? ["i32", A.literal(r)] : z === 16 ? ["u16", A.literal(r << 1)] : ["u8", A.literal((r & 3) << 2 | r >> 2)];
}
