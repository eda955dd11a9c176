import type { AnyNode, AssignmentExpression, BinaryExpression, CallExpression, Expression, MemberExpression, Statement } from "acorn";
import { numberOf } from "./ast.js";
import { likely } from "./branch-hints.js";
import { type BranchHint, Bytes, I32, INDIRECT_TABLE, INDIRECT_TYPE, type Signature } from "./wasm-binary.js";

/**
 * asm.js functions as WebAssembly instructions, one for one: asm.js's integers are WebAssembly's, and so are its blocks, loops and
 * typed arrays. What differs: an access outside the heap traps, where asm.js reads zero; and an index is not rounded down to a
 * whole element, for in generated code it is one.
 */

const OP = {
  block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, return: 0x0f, call: 0x10, callIndirect: 0x11, drop: 0x1a, select: 0x1b, unreachable: 0x00,
  localGet: 0x20, localSet: 0x21, localTee: 0x22, const: 0x41, constLong: 0x42,
  eqz: 0x45, eq: 0x46, ne: 0x47, ltS: 0x48, ltU: 0x49, gtS: 0x4a, gtU: 0x4b, leS: 0x4c, leU: 0x4d, geS: 0x4e, geU: 0x4f,
  clz: 0x67, ctz: 0x68, popcnt: 0x69, add: 0x6a, sub: 0x6b, mul: 0x6c, remS: 0x6f, and: 0x71, or: 0x72, xor: 0x73, shl: 0x74, shrS: 0x75, shrU: 0x76,
  longMul: 0x7e, longShrU: 0x88, longDivU: 0x80, longRemU: 0x82, longOr: 0x84, longShl: 0x86, divS: 0x6d, wrap: 0xa7, extendS: 0xac, extendU: 0xad,
} as const;
const NO_RESULT = 0x40;

const ARITHMETIC = new Map<string, number>([
  ["+", OP.add], ["-", OP.sub], ["&", OP.and], ["|", OP.or], ["^", OP.xor], ["<<", OP.shl], [">>", OP.shrS], [">>>", OP.shrU], ["==", OP.eq], ["!=", OP.ne],
]);
/** Relations of signed and of unsigned numbers. */
const RELATIONS = new Map<string, readonly [number, number]>([["<", [OP.ltS, OP.ltU]], ["<=", [OP.leS, OP.leU]], [">", [OP.gtS, OP.gtU]], [">=", [OP.geS, OP.geU]]]);

/** The heap's views: log2 of the element's bytes, and the instructions that load and store one. */
const VIEWS = new Map<string, { readonly shift: number; readonly load: number; readonly store: number }>([
  ["i32", { shift: 2, load: 0x28, store: 0x36 }], ["u8", { shift: 0, load: 0x2d, store: 0x3a }], ["u16", { shift: 1, load: 0x2f, store: 0x3b }],
]);

const longProduct = (extend: number) => (arg: (i: number) => void, out: Bytes): void => {
  for (const i of [0, 1]) {
    arg(i);
    out.byte(extend);
  }
  for (const byte of [OP.longMul, OP.constLong, 32, OP.longShrU, OP.wrap]) out.byte(byte);
};

/** The quotient, or the remainder, of the 64-bit number of two halves by a third; it fits in 32 bits. */
const longDivision = (op: number) => (arg: (i: number) => void, out: Bytes): void => {
  arg(0);
  for (const byte of [OP.extendU, OP.constLong, 32, OP.longShl]) out.byte(byte);
  arg(1);
  for (const byte of [OP.extendU, OP.longOr]) out.byte(byte);
  arg(2);
  for (const byte of [OP.extendU, op, OP.wrap]) out.byte(byte);
};

/** 255 as a signed LEB128. */
const LOW_BYTE = [0xff, 0x01];

/** Calls the function of a table, its second argument, with the first; it gives no result. */
export const INDIRECT = "indirectly";

/** Reads word `k` at an aligned heap address. */
export const recordWord = (k: number): string => `word${k}`;
const RECORD_WORDS = 16;

/** Functions that are a few instructions. The bit searches are for numbers other than 0 (subset.ts). */
export const INTRINSICS: ReadonlyMap<string, (arg: (i: number) => void, out: Bytes) => void> = new Map([
  ["imul", (arg: (i: number) => void, out: Bytes): void => { arg(0); arg(1); out.byte(OP.mul); }],
  ["clz32", (arg: (i: number) => void, out: Bytes): void => { arg(0); out.byte(OP.clz); }],
  ["lowestBit", (arg: (i: number) => void, out: Bytes): void => { arg(0); out.byte(OP.ctz); }],
  ["highestBit", (arg: (i: number) => void, out: Bytes): void => { out.byte(OP.const); out.signed(31); arg(0); out.byte(OP.clz); out.byte(OP.sub); }],
  ["divideUnsigned", longDivision(OP.longDivU)], ["remainderUnsigned", longDivision(OP.longRemU)],
  ["divideSigned", (arg: (i: number) => void, out: Bytes): void => { arg(0); arg(1); out.byte(OP.divS); }],
  ["remainderSigned", (arg: (i: number) => void, out: Bytes): void => { arg(0); arg(1); out.byte(OP.remS); }],
  ["mulhu", longProduct(OP.extendU)], ["mulhs", longProduct(OP.extendS)],
  ["parity", (arg: (i: number) => void, out: Bytes): void => {
    arg(0);
    for (const byte of [OP.const, ...LOW_BYTE, OP.and, OP.popcnt, OP.const, 1, OP.and, OP.eqz]) out.byte(byte);
  }],
  ...Array.from({ length: RECORD_WORDS }, (_, k) => [recordWord(k), (arg: (i: number) => void, out: Bytes): void => {
    arg(0);
    for (const byte of [VIEWS.get("i32")!.load, 2, 4 * k]) out.byte(byte);
  }] as const),
  [INDIRECT, (arg: (i: number) => void, out: Bytes): void => {
    arg(0);
    arg(1);
    for (const byte of [OP.callIndirect, INDIRECT_TYPE, INDIRECT_TABLE]) out.byte(byte);
  }],
]);

/** Functions on a piece of the heap that are one instruction without a result: memory.copy and memory.fill of memory 0. */
export const BULK: ReadonlyMap<string, readonly number[]> = new Map([["copyBytes", [0xfc, 0x0a, 0, 0]], ["fillBytes", [0xfc, 0x0b, 0]]]);

const NONE: ReadonlySet<string> = new Set();

/** A function that can be called: its number in the module. */
export interface Callee extends Signature { readonly index: number }

/** Where a constant is to be written that is not known yet: the value `name`, shifted left. */
export interface Hole { readonly at: number; readonly name: string; readonly shift: number }

/** Encodes the body of one function. */
export class FunctionEncoder {
  readonly out = new Bytes();
  readonly hints: BranchHint[] = [];
  /** In order of places. */
  readonly holes: Hole[] = [];
  private readonly locals: ReadonlyMap<string, number>;
  private readonly callee: (name: string) => Callee;
  private readonly open: ReadonlySet<string>;
  /** What encloses the instruction being written, innermost last: labels of blocks and loops, null for an `if`. */
  private readonly enclosing: (string | null)[] = [];

  /** `locals` numbers the parameters and then the other locals; `open` names constants for which there are to be holes. */
  constructor(locals: ReadonlyMap<string, number>, callee: (name: string) => Callee, open: ReadonlySet<string> = NONE) {
    this.locals = locals;
    this.callee = callee;
    this.open = open;
  }

  setLocal(name: string, value: number): void {
    this.constant(value);
    this.local(OP.localSet, name);
  }

  /** The end of a function that gives a result has been returned from before. */
  unreachable(): void {
    this.out.byte(OP.unreachable);
  }

  // ---- statements ------------------------------------------------------------------------------------------------------

  statements(list: readonly Statement[]): void {
    for (const node of list) this.statement(node);
  }

  private statement(node: Statement): void {
    const { out } = this;
    switch (node.type) {
      case "BlockStatement": return this.statements(node.body);
      case "ExpressionStatement": return this.effect(node.expression);
      case "IfStatement":
        this.expression(node.test);
        this.hint(likely(node));
        this.nested(OP.if, null, () => {
          this.statement(node.consequent);
          if (node.alternate == null) return;
          out.byte(OP.else);
          this.statement(node.alternate);
        });
        return;
      case "LabeledStatement": {
        const { body, label: { name } } = node;
        if (body.type !== "ForStatement") return this.nested(OP.block, name, () => this.statement(body));
        return this.nested(OP.loop, name, () => {
          this.statement(body.body);
          this.branch(name);
        });
      }
      case "BreakStatement": case "ContinueStatement": return this.branch(node.label!.name);
      case "ReturnStatement":
        if (node.argument != null) this.expression(node.argument);
        out.byte(OP.return);
        return;
      default:
        if ((node.type as string) !== "CommentStatement") throw new Error(`${node.type} is not asm.js`);
    }
  }

  /** Says how the condition of the `if` that is written next turns out. */
  private hint(holds: boolean | undefined): void {
    if (holds !== undefined) this.hints.push({ offset: this.out.length, likely: holds });
  }

  private nested(op: number, label: string | null, inner: () => void): void {
    this.out.byte(op);
    this.out.byte(NO_RESULT);
    this.enclosing.push(label);
    inner();
    this.enclosing.pop();
    this.out.byte(OP.end);
  }

  private branch(label: string): void {
    this.out.byte(OP.br);
    this.out.unsigned(this.enclosing.length - 1 - this.enclosing.lastIndexOf(label));
  }

  /** An expression for what it does. */
  private effect(node: Expression): void {
    switch (node.type) {
      case "SequenceExpression": return node.expressions.forEach((e) => this.effect(e));
      case "AssignmentExpression": return this.assign(node);
      case "BinaryExpression":
        if (isCoercion(node)) return this.effect(node.left as Expression);
        break;
      case "CallExpression":
        if (this.call(node)) this.out.byte(OP.drop);
        return;
      default:
    }
    this.expression(node);
    this.out.byte(OP.drop);
  }

  private assign({ left, right }: AssignmentExpression): void {
    if (left.type === "Identifier") {
      this.expression(right);
      return this.local(OP.localSet, left.name);
    }
    const { view, offset } = this.address(left as MemberExpression);
    this.expression(right);
    this.access(view.store, view.shift, offset);
  }

  // ---- expressions -------------------------------------------------------------------------------------------------------

  private expression(node: AnyNode): void {
    const value = numberOf(node);
    if (value !== undefined) return this.constant(value);
    switch (node.type) {
      case "Identifier": return this.open.has(node.name) ? this.hole(node.name, 0) : this.local(OP.localGet, node.name);
      case "BinaryExpression": return this.binary(node);
      case "UnaryExpression": return this.unary(node.operator, node.argument);
      case "ConditionalExpression": return this.conditional(node.test, node.consequent, node.alternate);
      case "SequenceExpression":
        node.expressions.slice(0, -1).forEach((e) => this.effect(e));
        return this.expression(node.expressions[node.expressions.length - 1]!);
      case "AssignmentExpression":
        if (node.left.type !== "Identifier") throw new Error("a store stands alone in generated code");
        this.expression(node.right);
        return this.local(OP.localTee, node.left.name);
      case "MemberExpression": {
        const { view, offset } = this.address(node);
        return this.access(view.load, view.shift, offset);
      }
      case "CallExpression":
        if (!this.call(node)) throw new Error("a call without a result has no value");
        return;
      default: throw new Error(`${node.type} is not asm.js`);
    }
  }

  private unary(operator: string, argument: Expression): void {
    const { out } = this;
    if (operator === "-") this.constant(0);
    this.expression(argument);
    if (operator === "-") out.byte(OP.sub);
    else if (operator === "!") out.byte(OP.eqz);
    else if (operator === "~") {
      this.constant(-1);
      out.byte(OP.xor);
    } else throw new Error(`${operator} is not for integers`);
  }

  private binary(node: BinaryExpression): void {
    const { left, operator, right } = node;
    const shift = operator === "<<" ? numberOf(right) : undefined;
    if (shift !== undefined && left.type === "Identifier" && this.open.has(left.name)) return this.hole(left.name, shift);
    this.expression(left);
    if (isCoercion(node)) return;
    if (operator === "==" && numberOf(right) === 0) return this.out.byte(OP.eqz);
    this.expression(right);
    const relation = RELATIONS.get(operator);
    if (relation !== undefined) return this.out.byte(relation[isUnsigned(left) || isUnsigned(right) ? 1 : 0]);
    if (operator === "%" && (numberOf(right) ?? 0) !== 0) return this.out.byte(OP.remS);
    const op = ARITHMETIC.get(operator);
    if (op === undefined) throw new Error(`${operator} is not for integers`);
    this.out.byte(op);
  }

  private conditional(test: Expression, consequent: Expression, alternate: Expression): void {
    const { out } = this;
    if (isCheap(consequent) && isCheap(alternate) && leavesLocals(test)) {
      for (const e of [consequent, alternate, test]) this.expression(e);
      return out.byte(OP.select);
    }
    this.expression(test);
    out.byte(OP.if);
    out.byte(I32);
    this.enclosing.push(null);
    this.expression(consequent);
    out.byte(OP.else);
    this.expression(alternate);
    this.enclosing.pop();
    out.byte(OP.end);
  }

  /** Calls; whether there is a result. */
  private call(node: CallExpression): boolean {
    if (node.callee.type !== "Identifier") throw new Error("generated code calls by name");
    const { name } = node.callee;
    const args = node.arguments as Expression[];
    const intrinsic = INTRINSICS.get(name);
    if (intrinsic !== undefined) {
      intrinsic((i) => this.expression(args[i]!), this.out);
      return name !== INDIRECT;
    }
    const bulk = BULK.get(name);
    if (bulk !== undefined) {
      for (const arg of args) this.expression(arg);
      for (const byte of bulk) this.out.byte(byte);
      return false;
    }
    const { index, result } = this.callee(name);
    for (const arg of args) this.expression(arg);
    this.out.byte(OP.call);
    this.out.unsigned(index);
    return result;
  }

  // ---- memory ------------------------------------------------------------------------------------------------------------

  /** Writes the address of an element but for the constant part, `offset`, which the access itself adds. */
  private address(node: MemberExpression): { view: { shift: number; load: number; store: number }; offset: number } {
    const view = node.object.type === "Identifier" ? VIEWS.get(node.object.name) : undefined;
    if (view === undefined) throw new Error("generated code has the heap's arrays only");
    const { shift } = view;
    const index = numberOf(node.property);
    if (index !== undefined) {
      this.constant(0);
      return { view, offset: index << shift };
    }
    const property = node.property as Expression;
    if (shift === 0) {
      this.expression(property);
      return { view, offset: 0 };
    }
    if (property.type !== "BinaryExpression" || property.operator !== ">>" || numberOf(property.right) !== shift) throw new Error("an index is shifted by the size of the element");
    const { left } = property;
    if (left.type === "BinaryExpression" && left.operator === "+" && isMasked(left.left)) {
      const constant = numberOf(left.right);
      if (constant !== undefined && constant >= 0) {
        this.expression(left.left);
        return { view, offset: constant };
      }
    }
    this.expression(left);
    return { view, offset: 0 };
  }

  private access(op: number, align: number, offset: number): void {
    this.out.byte(op);
    this.out.byte(align);
    this.out.unsigned(offset);
  }

  private hole(name: string, shift: number): void {
    this.out.byte(OP.const);
    this.holes.push({ at: this.out.length, name, shift });
    this.out.hole();
  }

  private constant(value: number): void {
    this.out.byte(OP.const);
    this.out.signed(value);
  }

  private local(op: number, name: string): void {
    const index = this.locals.get(name);
    if (index === undefined) throw new Error(`${name} is no local`);
    this.out.byte(op);
    this.out.unsigned(index);
  }
}

/** e | 0: every expression is a 32-bit integer here. */
function isCoercion({ operator, right }: BinaryExpression): boolean {
  return operator === "|" && numberOf(right) === 0;
}

function isUnsigned(node: AnyNode): boolean {
  return node.type === "BinaryExpression" && node.operator === ">>>";
}

/** A number that is not negative: a constant added to it does not wrap. */
function isMasked(node: AnyNode): boolean {
  if (node.type !== "BinaryExpression" || node.operator !== "&") return false;
  const mask = numberOf(node.right);
  return mask !== undefined && mask >= 0;
}

/** To be computed whether it is wanted or not. */
function isCheap(node: Expression): boolean {
  return node.type === "Identifier" || numberOf(node) !== undefined || (node.type === "BinaryExpression" && isCoercion(node) && isCheap(node.left as Expression));
}

/** The expression is certain to change no local, so that it may be evaluated after what stands behind it. */
function leavesLocals(node: AnyNode): boolean {
  switch (node.type) {
    case "Literal": case "Identifier": return true;
    case "UnaryExpression": return leavesLocals(node.argument);
    case "BinaryExpression": return leavesLocals(node.left) && leavesLocals(node.right);
    default: return false;
  }
}
