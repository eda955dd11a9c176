import type { AnyNode, Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import type { Instruction, MemOperand } from "../isa/instruction.js";
import { assign, assignElement, binary, block, breakTo, call, conditional, element, identifier, ifThen, labeled, literal, parseStatements, statement, variables } from "./ast.js";
import type { Emitter } from "./emit.js";
import { HELD, NEAREST, STALE } from "./x87-stack.js";
import { ADD_DOUBLE, ADD_PAIRS, LOAD_DOUBLE, LOAD_SINGLE, MULTIPLY_DOUBLE, MULTIPLY_PAIRS, SLOW_PAIRS } from "./x87-templates.js";

/**
 * Several x87 instructions in a row as one step: registers are read from the pairs once, values go from instruction to
 * instruction in locals, FXCH and FLD of a register cost nothing, and what changed is written back at the end. Nothing
 * is written before, so whatever the step does not cover (an empty register, a special value, a page that is not in the
 * TLB) abandons it, and the instructions are done one at a time.
 *
 * Registers are numbered from the top at the start of the run, modulo 8: a slot.
 */

/** A value held in locals or known: high and low part. */
interface Value { readonly high: Expression; readonly low: Expression }

const ABANDON = "$T", DONE = "$R", TOP = "$p", STATUS = "$z", INEXACT = "$g", ROUNDED = "$k", AT = "$m", WORD = "$w", DATA_AT = "$d";
const PE = 0x20, C1 = 0x200;
const zero = literal(0);

const i32 = (word: number): Expression => element("i32", literal(word));
const setI32 = (word: number, value: Expression): Statement => statement(assignElement("i32", literal(word), value));
const negative = (argument: Expression): Expression => ({ type: "UnaryExpression", operator: "-", prefix: true, argument, start: 0, end: 0 });
const inverted = (argument: Expression): Expression => ({ type: "UnaryExpression", operator: "~", prefix: true, argument, start: 0, end: 0 });

const ARITHMETIC = /^F(I?)(ADD|SUBR?|MUL|DIVR?)(P?)$/;
const templates = new Map<string, Statement[]>();

/** A copy of a template with its placeholders replaced. */
function instantiate(source: string, names: Readonly<Record<string, Expression>>): Statement[] {
  let tree = templates.get(source);
  if (tree === undefined) {
    tree = parseStatements(`$T: { ${source} }`);
    templates.set(source, tree);
  }
  const outer = tree[0] as Statement & { body: { body: Statement[] } };
  return copy(outer.body.body, names) as Statement[];
}

function copy(node: unknown, names: Readonly<Record<string, Expression>>): unknown {
  if (node === null || typeof node !== "object") return node;
  if (Array.isArray(node)) return node.map((child) => copy(child, names));
  const typed = node as AnyNode;
  if (typed.type === "Identifier") return names[typed.name] ?? node;
  return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, copy(child, names)]));
}

export class X87Run {
  private readonly emitter: Emitter;
  private readonly body: Statement[] = [];
  private readonly locals: string[] = [];
  /** Distance of the top from where it was. */
  private top = 0;
  /** What is in each slot that has been looked at, and whether it is in use. */
  private readonly values = new Map<number, Value>();
  private readonly used = new Map<number, boolean>();
  /** Slots that must be in use, or empty, at the start; those whose contents change. */
  private needed = 0;
  private free = 0;
  private changed = 0;
  private divisions = 0;
  private memory: MemOperand | null = null;
  private eip = 0;
  arithmetic = 0;
  count = 0;

  constructor(emitter: Emitter) {
    this.emitter = emitter;
  }

  private slot(i: number): number {
    return this.top + i & 7;
  }

  private fresh(): { value: Value; high: string; low: string } {
    const k = this.locals.length >> 1;
    const high = `$h${k}`, low = `$l${k}`;
    this.locals.push(high, low);
    return { value: { high: identifier(high), low: identifier(low) }, high, low };
  }

  /** Whether ST(i) can be read: it is not surely empty. */
  private readable(i: number): boolean {
    return this.used.get(this.slot(i)) !== false;
  }

  private read(i: number): Value {
    const slot = this.slot(i);
    let value = this.values.get(slot);
    if (value === undefined) {
      value = { high: identifier(`$i${slot}`), low: identifier(`$j${slot}`) };
      this.values.set(slot, value);
      this.needed |= 1 << slot;
      this.used.set(slot, true);
    }
    return value;
  }

  private write(i: number, value: Value): void {
    const slot = this.slot(i);
    this.values.set(slot, value);
    this.used.set(slot, true);
    this.changed |= 1 << slot;
  }

  private pushable(): boolean {
    return this.used.get(this.slot(7)) !== true;
  }

  private push(value: Value): void {
    const slot = this.slot(7);
    if (!this.used.has(slot)) this.free |= 1 << slot;
    this.top = slot;
    this.write(0, value);
  }

  private pop(): void {
    this.used.set(this.top, false);
    this.top = this.top + 1 & 7;
  }

  /** Appends an instruction; false when it cannot be part of the run. */
  add(instruction: Instruction, eip: number): boolean {
    if (!this.lower(instruction)) return false;
    this.count++;
    this.eip = eip;
    return true;
  }

  private lower(instruction: Instruction): boolean {
    const { mnemonic, operands } = instruction;
    const [first] = operands;
    const memory = first?.kind === "mem" ? first : null;
    const st = (i: number, absent: number): number => {
      const operand = operands[i];
      return operand?.kind === "st" ? operand.index : absent;
    };
    const match = ARITHMETIC.exec(mnemonic);
    if (match !== null) {
      const pops = match[3] !== "";
      const d = memory !== null ? 0 : st(0, pops ? 1 : 0), s = pops ? 0 : st(1, 0);
      if (!this.readable(d) || (memory === null && !this.readable(s))) return false;
      const a = this.read(d), b = memory !== null ? this.load(memory, match[1] !== "") : this.read(s);
      this.write(d, this.operate(match[2]!, a, b));
      if (pops) this.pop();
      return true;
    }
    switch (mnemonic) {
      case "FLD": {
        if (!this.pushable() || (memory === null && !this.readable(st(0, 0))) || memory?.size === 80) return false;
        this.push(memory !== null ? this.load(memory, false) : this.read(st(0, 0)));
        break;
      }
      case "FILD":
        if (!this.pushable() || memory!.size === 64) return false;
        this.push(this.load(memory!, true));
        break;
      case "FLD1": case "FLDZ":
        if (!this.pushable()) return false;
        this.push({ high: literal(mnemonic === "FLD1" ? 1 : 0), low: zero });
        break;
      case "FXCH": {
        const other = st(1, st(0, 1));
        if (!this.readable(0) || !this.readable(other)) return false;
        const a = this.read(0), b = this.read(other);
        this.write(0, b);
        this.write(other, a);
        break;
      }
      case "FCHS": {
        if (!this.readable(0)) return false;
        const { high, low } = this.read(0);
        this.write(0, this.keep(negative(high), negative(low)));
        break;
      }
      case "FST": case "FSTP":
        if (memory !== null || !this.readable(0)) return false;
        this.write(st(0, 0), this.read(0));
        if (mnemonic === "FSTP") this.pop();
        break;
      default: return false;
    }
    this.body.push(statement(assign(ROUNDED, literal(0.5))));
    return true;
  }

  private keep(high: Expression, low: Expression): Value {
    const result = this.fresh();
    this.body.push(statement(assign(result.high, high)), statement(assign(result.low, low)));
    return result.value;
  }

  private operate(operation: string, a: Value, b: Value): Value {
    this.arithmetic++;
    const result = this.fresh();
    const reversed = operation.endsWith("R"), subtracts = operation.startsWith("SUB"), divides = operation.startsWith("DIV");
    let left = reversed ? b : a, right = reversed ? a : b;
    if (subtracts) right = { high: negative(right.high), low: right.low === zero ? zero : negative(right.low) };
    if (operation === "MUL" && left.low === zero) [left, right] = [right, left];
    const simple = right.low === zero || (left.low === zero && operation !== "MUL" && !divides);
    const names = {
      AH: left.high, AL: left.low, BH: right.high, BL: right.low, OTHER: right.low === zero ? left.low : right.low,
      HI: identifier(result.high), LO: identifier(result.low), OPERATION: literal(operation === "MUL" ? 3 : divides ? 4 : 0),
    };
    if (divides) this.divisions++;
    const template = operation === "MUL" ? (simple ? MULTIPLY_DOUBLE : MULTIPLY_PAIRS) : divides ? SLOW_PAIRS : simple ? ADD_DOUBLE : ADD_PAIRS;
    this.body.push(block(instantiate(template, names)));
    return result.value;
  }

  /** A memory operand, as long as it is in a page of plain memory that the TLB holds. */
  private load(m: MemOperand, integer: boolean): Value {
    const { emitter, body } = this;
    const width = m.size === 16 ? 16 : 32;
    body.push(statement(assign(AT, emitter.effective(m))), statement(assign(WORD, emitter.tlbWord(AT, false))));
    const hit = emitter.hits(AT, WORD, width);
    body.push(ifThen(hit, block([]), block([breakTo(ABANDON)])));
    if (m.size === 64) body.push(ifThen(binary(binary(identifier(AT), "&", literal(4095)), ">", literal(4088)), block([breakTo(ABANDON)])));
    this.memory = m;
    body.push(statement(assign(DATA_AT, identifier(AT))));
    const [array, index] = emitter.cell(AT, WORD, width);
    const result = this.fresh();
    if (integer) {
      const value = element(array, index);
      body.push(statement(assign(result.high, m.size === 16 ? binary(binary(value, "<<", literal(16)), ">>", literal(16)) : value)));
    } else {
      body.push(block(instantiate(m.size === 32 ? LOAD_SINGLE : LOAD_DOUBLE, {
        LOW: element(array, index), HIGH: element(array, binary(index, "+", literal(1))), HI: identifier(result.high),
      })));
    }
    return { high: result.value.high, low: zero };
  }

  /** A set of slots as one of physical registers. */
  private physical(slots: number): Expression {
    return binary(binary(binary(literal(slots), "<<", identifier(TOP)), "|", binary(literal(slots), ">>", binary(literal(8), "-", identifier(TOP)))), "&", literal(255));
  }

  private pair(slot: number): Expression {
    return binary(binary(binary(identifier(TOP), "+", literal(slot)), "&", literal(7)), "<<", literal(1));
  }

  /** The step and then `after`, or `otherwise` where it does not apply. */
  finish(otherwise: Statement[], after: Statement[]): Statement[] {
    const abandonUnless = (test: Expression): Statement => ifThen(test, block([]), block([breakTo(ABANDON)]));
    const enter: Statement[] = [statement(assign(STATUS, i32(S.FPU_SW))), statement(assign(TOP, binary(binary(identifier(STATUS), ">>", literal(11)), "&", literal(7))))];
    const need = binary(this.physical(this.needed), "|", literal(NEAREST));
    enter.push(statement(assign(WORD, need)));
    const held = binary(binary(element("x87", literal(HELD)), "&", identifier(WORD)), "===", identifier(WORD));
    enter.push(ifThen(held, block([]), block([abandonUnless(call("xhold", [identifier(WORD)]))])));
    if (this.free !== 0) enter.push(abandonUnless(binary(binary(i32(S.FPU_TAG), "&", this.physical(this.free)), "===", zero)));
    const names: string[] = [TOP, STATUS, INEXACT, ROUNDED, AT, WORD, DATA_AT, ...this.locals];
    for (let slot = 0; slot < 8; slot++) {
      if ((this.needed >> slot & 1) === 0) continue;
      names.push(`$i${slot}`, `$j${slot}`);
      enter.push(statement(assign(`$i${slot}`, element("xp", this.pair(slot)))), statement(assign(`$j${slot}`, element("xp", binary(this.pair(slot), "|", literal(1))))));
    }
    const step = [...enter, ...this.body, ...this.leave(), ...after, breakTo(DONE)];
    const integers = new Set([TOP, STATUS, INEXACT, AT, WORD, DATA_AT]);
    const declared = variables(names, (name) => integers.has(name) ? zero : literal(0.5));
    return [labeled(DONE, block([labeled(ABANDON, block([declared, ...step])), ...otherwise]))];
  }

  private leave(): Statement[] {
    const out: Statement[] = [];
    let emptied = 0, filled = 0;
    for (let slot = 0; slot < 8; slot++) {
      const bit = 1 << slot;
      if ((this.changed & bit) !== 0) {
        const { high, low } = this.values.get(slot)!;
        out.push(statement(assignElement("xp", this.pair(slot), high)), statement(assignElement("xp", binary(this.pair(slot), "|", literal(1)), low)));
      }
      if (this.used.get(slot) === false) emptied |= bit;
      else if ((this.changed & bit) !== 0 && (this.needed & bit) === 0) filled |= bit;
    }
    const update = (e: Expression): Expression => {
      const rest = emptied === 0 ? e : binary(e, "&", inverted(this.physical(emptied)));
      return filled === 0 ? rest : binary(rest, "|", this.physical(filled));
    };
    if (this.changed !== 0) out.push(statement(assignElement("x87", literal(STALE), binary(element("x87", literal(STALE)), "|", this.physical(this.changed)))));
    if ((emptied | filled) !== 0) {
      out.push(statement(assignElement("x87", literal(HELD), update(element("x87", literal(HELD))))), setI32(S.FPU_TAG, update(i32(S.FPU_TAG))));
    }
    // The sign bit of the product of result and rest, but for -0: a branch here would be as random as the data.
    out.push(statement(assignElement("xd", zero, binary(identifier(ROUNDED), "+", zero))));
    const rounded = binary(binary(element("xdw", literal(1)), ">>>", literal(31)), "<<", literal(9));
    const top = binary(binary(binary(identifier(TOP), "+", literal(this.top)), "&", literal(7)), "<<", literal(11));
    out.push(setI32(S.FPU_SW, binary(binary(binary(binary(identifier(STATUS), "&", literal(~(0x3800 | C1))), "|", top), "|", conditional(binary(identifier(INEXACT), "!==", zero), literal(PE), zero)), "|", rounded)));
    out.push(setI32(S.FPU_FIP, literal(this.eip)), setI32(S.FPU_FCS, i32(S.SELECTOR + S.CS)));
    if (this.memory !== null) out.push(setI32(S.FPU_FDP, identifier(DATA_AT)), setI32(S.FPU_FDS, i32(S.SELECTOR + this.memory.seg)));
    for (let k = 0; k < this.divisions; k++) out.push(statement(call("xdivided", [])));
    return out;
  }
}
