import type { Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import { CC_DEC, CC_EFLAGS, CC_INC, CC_SUB } from "../../hypervisor/flags.js";
import type { Instruction, MemOperand, Operand } from "../isa/instruction.js";
import { SHOWN } from "../isa/semantics/exec.js";
import { trunc } from "../isa/semantics/subset.js";
import { branchTarget, semanticWidth } from "../isa/semantics/registry.js";
import type { Semantics } from "../isa/semantics/semantics.js";
import { assign, assignElement, binary, block, breakTo, call, constant, element, identifier, ifThen, literal, mentions, numberOf, sequence, statement, variables } from "./ast.js";
import { arithmeticOf, asksCarry, carryOf, conditionOf, FLAG_AUX, FLAG_DST, FLAG_FIRST, FLAG_OP, FLAG_PATCH, FLAG_PENDING, FLAG_SRC, needsAux, needsSource, PENDING_ROTATE, UNKNOWN } from "./conditions.js";
import { type Access, type LoopCaches, type StackAccesses, tablesFor } from "./memory-access.js";
import { expandInline, expandPure, folded, parametersOf, treeOf, type Vocabulary } from "./splice.js";

/** Locals of generated code beside the registers r0..r7 and the lazy flags. */
export const BUDGET_LOCAL = "$n", TARGET = "$t", EXIT_EIP = "$e";

/** The label that a region's code leaves by. */
export const EXIT = "X";

/** The effective address of an operand in FS or GS. */
const OFFSET = "$f";

const zero = literal(0);

/** Where an instruction that may fault stands: its address, what of the block's count is given back if it does, and its loop. */
export interface Site { readonly eip: number; readonly giveBack: number; readonly loop: LoopCaches | null }

/** What the instructions of one region share while they are emitted. */
export interface RegionContext {
  readonly user: boolean;
  readonly sites: Site[];
  /** The innermost loop that the code being emitted is in. */
  loop: LoopCaches | null;
  readonly stack: StackAccesses;
  /** Registers read or written, and written, anywhere in the region (bits). */
  used: number;
  written: number;
  flagsWritten: boolean;
  /** Flags may be pending somewhere. */
  pending: boolean;
  /** There are rotates: what is pending may be theirs. */
  readonly rotates: boolean;
  /** There are x87 instructions. */
  x87: boolean;
}

/** What a block's instruction became. */
export interface Emitted {
  statements: Statement[];
  /** For a transfer: the new EIP, as an expression over the locals (evaluated once, after the statements). */
  target: Expression | null;
}

/** Relative to ESP and in no segment of its own, or a local variable as compilers address one by a frame pointer: below EBP. */
function atStack({ base, index, seg, disp }: MemOperand): boolean {
  return (base === S.ESP || (base === S.EBP && disp < 0)) && index < 0 && seg < S.FS;
}

/** The local for a register's lowest byte. */
export function lowByte(index: number): string {
  return `b${index}`;
}

/** Their first operand is what the second is taken from. */
const SUBTRACTIONS = new Set(["CMP", "SUB"]);

function register(index: number): string {
  return `r${index}`;
}

/**
 * Emits one instruction with inline semantics in flat 32-bit code. One emitter serves a block: it tracks which lazy
 * flags operation is known (`op`) from instruction to instruction.
 */
export class Emitter implements Vocabulary {
  private readonly region: RegionContext;
  /** The known CC_OP, or UNKNOWN. */
  op = UNKNOWN;
  /** The known value of FLAG_PENDING, or UNKNOWN. */
  pending = UNKNOWN;
  /** Registers (bits) whose lowest byte has a local of its own, which holds it as a number: what reads it waits for nothing else. */
  bytes = 0;
  private instruction!: Instruction;
  private next = 0;
  private site = -1;
  private usesSecond = false;
  private updates = false;
  /** Flag results of the instruction being emitted are dead: leave them out. */
  private dropFlags = false;
  private eip = 0;
  private giveBack = 0;
  /** Statements before the body of the instruction being emitted. */
  private before: Statement[] = [];
  private siteFactory: () => number = () => -1;
  /** The value of the first operand of the instruction being emitted. */
  private first: Expression = zero;

  constructor(region: RegionContext) {
    this.region = region;
  }

  /** `giveBack` is how many of the block's instructions have not completed when this one faults. */
  begin(instruction: Instruction, eip: number, giveBack: number, dropFlags: boolean): void {
    this.instruction = instruction;
    this.eip = eip;
    this.giveBack = giveBack;
    this.next = eip + instruction.length | 0;
    this.site = -1;
    this.usesSecond = false;
    this.updates = false;
    this.dropFlags = dropFlags;
    this.siteFactory = () => this.region.sites.push({ eip, giveBack, loop: this.region.loop }) - 1;
  }

  emit(instruction: Instruction, semantics: Semantics & { kind: "inline" }, eip: number, giveBack: number, dropFlags: boolean): Emitted {
    this.begin(instruction, eip, giveBack, dropFlags);
    const prelude = this.settleFlags(instruction, factsOf(semantics), dropFlags);
    const body = this.body(semantics);
    return {
      statements: [...prelude, ...body.statements], target: body.target,
    };
  }

  // ---- pending flags -----------------------------------------------------------------------------------------------

  /** Folds pending flags into the others where the instruction cannot live with them. */
  private settleFlags(instruction: Instruction, facts: BodyFacts, drop: boolean): Statement[] {
    const { pending } = this;
    if (pending === 0) return [];
    if (facts.readsFlags) {
      const steps = pending > PENDING_ROTATE && instruction.cc >= 0 && !asksCarry(instruction.cc);
      return steps ? [] : this.normalise();
    }
    if (drop) return [];
    if (facts.passesCarry && (pending === PENDING_ROTATE || (pending === UNKNOWN && this.region.rotates))) {
      return pending === UNKNOWN ? this.normaliseIf("===") : this.normalise();
    }
    if (facts.rotates && pending !== PENDING_ROTATE) return pending === UNKNOWN ? this.normaliseIf(">") : this.normalise();
    return [];
  }

  /** Statements after which nothing is pending. */
  normalise(): Statement[] {
    const { pending } = this;
    this.pending = 0;
    if (pending === 0) return [];
    if (pending === UNKNOWN) {
      this.op = UNKNOWN;
      return [foldPending()];
    }
    const folded = pending === PENDING_ROTATE
      ? [statement(assign(FLAG_DST, withCarryOverflow(arithmeticOf(this.op)))), statement(assign(FLAG_OP, zero))]
      : [statement(assign(FLAG_AUX, carryOf(this.op))), statement(assign(FLAG_DST, identifier(FLAG_PATCH))), statement(assign(FLAG_OP, literal(pending)))];
    this.op = pending === PENDING_ROTATE ? CC_EFLAGS << 2 : pending;
    return [...folded, statement(assign(FLAG_PENDING, zero))];
  }

  private normaliseIf(operator: "===" | ">"): Statement[] {
    this.op = UNKNOWN;
    return [ifThen(binary(identifier(FLAG_PENDING), operator, literal(PENDING_ROTATE)), foldPending())];
  }

  private clearPending(): Expression[] {
    const known = this.pending === 0;
    this.pending = 0;
    return known ? [] : [assign(FLAG_PENDING, zero)];
  }

  private body(semantics: Semantics & { kind: "inline" }): { statements: Statement[]; target: Expression | null } {
    const { instruction } = this;
    const { operands } = instruction;
    const z = semanticWidth(instruction);
    const rights = semantics.access === "" ? [] : semantics.access.split(",");
    const tree = treeOf(semantics.fn);
    const before: Statement[] = [];
    const first = operands[0], second = operands[1], third = operands[2];
    const destination = rights[0] !== undefined && rights[0].includes("w") ? first : undefined;
    const memory = destination?.kind === "mem" ? destination : null;
    const { used, hazardous } = factsOf(semantics);
    this.before = before;
    if (memory !== null) before.push(constant("$m", this.linear(memory)));
    const read = (operand: Operand, width: number, name: string, position: number): Expression => {
      if (!used[position] && operand.kind !== "mem") return zero;
      const e = this.value(operand, width);
      if (numberOf(e) !== undefined || (e.type === "Identifier" && !hazardous)) return e;
      before.push(constant(name, e));
      return identifier(name);
    };
    let a: Expression = zero, b: Expression = zero, c: Expression = zero;
    if (first !== undefined && rights[0] !== undefined && rights[0].startsWith("r")) {
      if (memory !== null) {
        before.push(constant("$u", this.access("update", z, [identifier("$m")], atStack(memory))));
        a = identifier("$u");
      } else a = read(first, z, "$p", 2);
    }
    if (second !== undefined && rights[1] !== undefined) {
      if (rights[1] === "-") b = this.effective(second as MemOperand);
      else b = read(second, second.kind === "reg" || second.kind === "mem" ? second.size : z, "$b", 3);
    }
    if (third !== undefined) c = read(third, z, "$c", 4);
    else if (second !== undefined && (second.kind === "reg" || second.kind === "mem")) c = literal(second.size);

    this.first = a;
    const expansion = expandInline(tree, [literal(z), a, b, c], this);
    const statements = [...before, ...expansion.statements];
    if (this.usesSecond) statements.unshift(variables(["$2"], () => null));
    if (instruction.row.ends !== null) return { statements, target: expansion.result };
    if (destination !== undefined && expansion.result !== null) {
      if (this.usesSecond) statements.push(constant("$r", expansion.result), ...this.writeOperand(second!, identifier("$2"), z), ...this.store(destination, identifier("$r"), z));
      else statements.push(...this.store(destination, expansion.result, z));
      if (instruction.mnemonic === "MOVZX") statements.push(...this.zeroExtended(destination, z, c));
    }
    return { statements, target: null };
  }

  // ---- registers -------------------------------------------------------------------------------------------------

  readRegister(index: number, size: number): Expression {
    const r = size === 8 ? index & 3 : index;
    this.region.used |= 1 << r;
    const local = identifier(register(r));
    if (size === 32) return local;
    if (size === 16) return binary(local, "&", literal(65535));
    if (index < 4 && (this.bytes & 1 << r) !== 0) return identifier(lowByte(r));
    return index < 4 ? binary(local, "&", literal(255)) : binary(binary(local, ">>>", literal(8)), "&", literal(255));
  }

  writeRegister(index: number, size: number, value: Expression): Expression {
    const r = size === 8 ? index & 3 : index;
    this.region.used |= 1 << r;
    this.region.written |= 1 << r;
    const name = register(r);
    const local = identifier(name);
    if (size === 8 && index < 4) {
      this.bytes |= 1 << r;
      return sequence([assign(lowByte(r), value), assign(name, binary(binary(local, "&", literal(-256)), "|", identifier(lowByte(r))))]);
    }
    if (size !== 8) this.bytes &= ~(1 << r);
    if (size === 32) return assign(name, value);
    if (size === 16) return assign(name, binary(binary(local, "&", literal(-65536)), "|", value));
    return assign(name, binary(binary(local, "&", literal(-65281)), "|", folded(value, "<<", literal(8))));
  }

  /** A register got a byte: it is its own lowest one. */
  private zeroExtended(destination: Operand, z: number, width: Expression): Statement[] {
    if (destination.kind !== "reg" || z !== 32 || numberOf(width) !== 8 || destination.index >= 4) return [];
    this.bytes |= 1 << destination.index;
    return [statement(assign(lowByte(destination.index), identifier(register(destination.index))))];
  }

  // ---- memory ----------------------------------------------------------------------------------------------------

  /** The effective address of an operand, which is its linear address in a flat segment. */
  effective(m: MemOperand): Expression {
    let e: Expression | null = null;
    if (m.base >= 0) e = this.readRegister(m.base, 32);
    if (m.index >= 0) {
      const scaled = folded(this.readRegister(m.index, 32), "<<", literal(m.scale));
      e = e === null ? scaled : binary(e, "+", scaled);
    }
    if (e === null) return literal(m.disp);
    if (m.disp !== 0) e = m.disp < 0 && m.disp !== -0x80000000 ? binary(e, "-", literal(-m.disp)) : binary(e, "+", literal(m.disp));
    if (m.addrSize === 16) return binary(e, "&", literal(65535));
    return e.type === "Identifier" ? e : binary(e, "|", zero);
  }

  /**
   * The linear address of an operand. One in FS or GS is checked against what the segment holds (SEG_REACH): beyond that the code
   * leaves, and the interpreter makes the access or the fault.
   */
  private linear(m: MemOperand): Expression {
    const effective = this.effective(m);
    if (m.seg < S.FS) return effective;
    const within = binary(binary(identifier(OFFSET), ">>>", zero), "<", binary(element("i32", literal(S.SEG_REACH + m.seg - S.FS)), ">>>", zero));
    this.before.push(constant(OFFSET, effective), ifThen(within, block([]), block([
      statement(assign(EXIT_EIP, literal(this.eip))), statement(assign(BUDGET_LOCAL, binary(binary(identifier(BUDGET_LOCAL), "+", literal(this.giveBack)), "|", zero))), breakTo(EXIT),
    ])));
    return binary(binary(identifier(OFFSET), "+", element("i32", literal(S.SEG_BASE + m.seg))), "|", zero);
  }

  siteNumber(): Expression {
    if (this.site < 0) this.site = this.siteFactory();
    return literal(this.site);
  }

  private access(kind: Access["kind"], z: number, args: readonly Expression[], stack: boolean): Expression {
    const site = this.siteNumber();
    if (kind === "update") this.updates = true;
    // The store of a read-modify-write uses what the update has found.
    if (kind !== "store" || !this.updates) (stack ? this.region.stack : this.region.loop)?.note(kind, this.site, this.eip);
    return call(`${kind}${z}`, [...args, site]);
  }

  /** The TLB's word for an access written out in place (x87-emit.ts). */
  tlbWord(address: string, write: boolean): Expression {
    const tables = tablesFor(this.region.user);
    const table = write ? tables.write : tables.read;
    return element("i32", binary(literal(table), "+", binary(identifier(address), ">>>", literal(12))));
  }

  /** Test that the TLB word `word` serves an access of `z` bits at `address` on the fast path. */
  hits(address: string, word: string, z: number): Expression {
    if (z === 8) return binary(identifier(word), "!==", zero);
    return binary(binary(identifier(address), "&", literal(z === 32 ? 3 : 1)), "<", binary(identifier(word), "&", literal(1)));
  }

  cell(address: string, word: string, z: number): [string, Expression] {
    const sum = binary(identifier(address), "+", identifier(word));
    if (z === 8) return ["u8", binary(binary(sum, "-", literal(1)), "|", zero)];
    return z === 16 ? ["u16", binary(sum, ">>>", literal(1))] : ["i32", binary(sum, ">>>", literal(2))];
  }

  /** Accesses are calls of the runtime's functions for the region's privilege (memory-access.ts). */
  load(address: Expression, z: number, stack = false): Expression {
    return this.access("load", z, [address], stack);
  }

  storeAt(address: Expression, z: number, value: Expression, stack = false): Expression {
    return this.access("store", z, [address, value], stack);
  }

  private store(operand: Operand, value: Expression, z: number): Statement[] {
    if (operand.kind !== "mem") return this.writeOperand(operand, value, z);
    return [statement(this.storeAt(identifier("$m"), z, value, atStack(operand)))];
  }

  private writeOperand(operand: Operand, value: Expression, z: number): Statement[] {
    if (operand.kind !== "reg") throw new Error("only registers and memory are written");
    return [statement(this.writeRegister(operand.index, z, value))];
  }

  /** The value of an operand of the instruction that has begun. Of one in memory it is an access, which has to stand alone. */
  operand(k: number): Expression {
    const operand = this.instruction.operands[k]!;
    return this.value(operand, semanticWidth(this.instruction));
  }

  private value(operand: Operand, z: number): Expression {
    switch (operand.kind) {
      case "reg": return this.readRegister(operand.index, operand.size);
      case "imm": return literal(z === 32 ? operand.value : operand.value & (z === 16 ? 65535 : 255));
      case "sreg": return element("i32", literal(S.SELECTOR + operand.index));
      case "rel": return literal(branchTarget(this.instruction, this.next));
      case "mem": return this.load(this.linear(operand), operand.size, atStack(operand));
      default: throw new Error(`generated code cannot read ${operand.kind}`);
    }
  }

  // ---- Vocabulary --------------------------------------------------------------------------------------------------

  invoke(member: string, args: Expression[]): Expression {
    switch (member) {
      case "flags": return this.setFlags(args);
      case "carry":
        return carryOf(this.op);
      case "arithmetic":
        return arithmeticOf(this.op);
      case "setCarryOverflow": return this.setCarryOverflow(args[0]!, args[1]!);
      case "setArithmetic": return this.setArithmetic(args[0]!);
      case "condition":
        return this.pending > PENDING_ROTATE ? conditionOf(this.instruction.cc, this.pending, FLAG_PATCH) : conditionOf(this.instruction.cc, this.op, FLAG_DST, identifier(FLAG_FIRST));
      case "reg": return this.readRegister(numberOf(args[0]!)!, numberOf(args[1]!)!);
      case "setReg": return this.writeRegister(numberOf(args[0]!)!, numberOf(args[1]!)!, args[2]!);
      case "system": return element("i32", literal(S.EFLAGS_SYS));
      case "setSystem": return assignElement("i32", literal(S.EFLAGS_SYS), args[0]!);
      case "shownSystem": return binary(element("i32", literal(S.EFLAGS_SYS)), "&", literal(SHOWN));
      case "sp": return this.readRegister(S.ESP, 32);
      case "setSp": return this.writeRegister(S.ESP, 32, args[0]!);
      case "loadStack": return this.load(args[1]!, numberOf(args[0]!)!, true);
      case "storeStack": return this.storeAt(args[1]!, numberOf(args[0]!)!, args[2]!, true);
      default: throw new Error(`Exec has no ${member} in generated code`);
    }
  }

  read(member: string): Expression {
    switch (member) {
      case "next": return literal(this.next);
      case "cc": return literal(this.instruction.cc);
      case "addressSize": return literal(this.instruction.addrSize);
      default: throw new Error(`Exec.${member} cannot be read in generated code`);
    }
  }

  write(member: string, value: Expression): Expression {
    if (member !== "second") throw new Error(`Exec.${member} cannot be set in generated code`);
    this.usesSecond = true;
    return assign("$2", value);
  }

  private setFlags(args: Expression[]): Expression {
    if (this.dropFlags) return { type: "SequenceExpression", expressions: [], start: 0, end: 0 };
    const kind = numberOf(args[0]!)!, z = numberOf(args[1]!)!;
    const [, , dst, src, aux] = args;
    this.region.flagsWritten = true;
    if (kind === CC_INC || kind === CC_DEC) return this.setPending(kind << 2 | z >> 4, dst!);
    const parts: Expression[] = this.clearPending();
    if (needsAux(kind)) parts.push(assign(FLAG_AUX, aux!));
    if (needsSource(kind)) parts.push(assign(FLAG_SRC, src!));
    const op = kind << 2 | z >> 4;
    if (kind === CC_SUB) parts.push(assign(FLAG_FIRST, this.minuend(z, dst!, src!)));
    parts.push(assign(FLAG_DST, dst!));
    parts.push(assign(FLAG_OP, literal(op)));
    this.op = op;
    return sequence(parts);
  }

  /** The first operand of the subtraction that leaves `dst` and `src`. */
  private minuend(z: number, dst: Expression, src: Expression): Expression {
    if (SUBTRACTIONS.has(this.instruction.mnemonic)) return this.first;
    return expandPure(trunc, [literal(z), binary(dst, "+", src)]);
  }

  private setPending(pending: number, patch: Expression): Expression {
    this.region.pending = true;
    this.pending = pending;
    return sequence([assign(FLAG_PATCH, patch), assign(FLAG_PENDING, literal(pending))]);
  }

  private setCarryOverflow(carry: Expression, overflow: Expression): Expression {
    if (this.dropFlags) return { type: "SequenceExpression", expressions: [], start: 0, end: 0 };
    this.region.flagsWritten = true;
    return this.setPending(PENDING_ROTATE, binary(carry, "|", folded(overflow, "<<", literal(11))));
  }

  setArithmetic(flags: Expression): Expression {
    this.region.flagsWritten = true;
    const e = sequence([...this.clearPending(), assign(FLAG_DST, flags), assign(FLAG_OP, literal(CC_EFLAGS << 2))]);
    this.op = CC_EFLAGS << 2;
    return e;
  }

  /** What is known of the flags, as one number. */
  fork(): number {
    return this.op + 1 | this.pending + 1 << 8 | this.bytes << 16;
  }

  restore(state: number): void {
    this.op = (state & 0xff) - 1;
    this.pending = (state >> 8 & 0xff) - 1;
    this.bytes = state >> 16;
  }

  rejoin(now: number, other: number): void {
    if ((now & 0xff) !== (other & 0xff)) this.op = UNKNOWN;
    if ((now & 0xff00) !== (other & 0xff00)) this.pending = UNKNOWN;
    this.bytes = (now & other) >> 16;
  }

  /** The interpreter has run: flags are whole, and in the heap. */
  reloaded(): void {
    this.forget();
    this.pending = 0;
  }

  forget(): void {
    this.op = UNKNOWN;
    this.pending = UNKNOWN;
    this.bytes = 0;
  }
}

function withCarryOverflow(flags: Expression): Expression {
  return binary(binary(flags, "&", literal(~0x801)), "|", identifier(FLAG_PATCH));
}

/** if (something is pending) fold it into the other flags */
export function foldPending(): Statement {
  const rotate = [
    statement(assign(FLAG_DST, withCarryOverflow(arithmeticOf(UNKNOWN)))), statement(assign(FLAG_OP, zero)),
  ];
  const step = [
    statement(assign(FLAG_AUX, carryOf(UNKNOWN))), statement(assign(FLAG_DST, identifier(FLAG_PATCH))), statement(assign(FLAG_OP, identifier(FLAG_PENDING))),
  ];
  return ifThen(binary(identifier(FLAG_PENDING), "!==", zero), block([
    ifThen(binary(identifier(FLAG_PENDING), "===", literal(PENDING_ROTATE)), block(rotate), block(step)),
    statement(assign(FLAG_PENDING, zero)),
  ]));
}

/** What emission and liveness need to know of a body, read off its source once. */
export interface BodyFacts {
  /** By parameter position: the body mentions it. */
  readonly used: readonly boolean[];
  /** It changes registers other than through its result, so operands must be read first. */
  readonly hazardous: boolean;
  /** It replaces all six arithmetic flags (when it sets them at all). */
  readonly setsAll: boolean;
  /** It needs the flags from before: for its effect, or only to pass some on. */
  readonly readsFlags: boolean;
  /** INC and DEC: CF stays. */
  readonly passesCarry: boolean;
  /** Rotates: only CF and OF change. */
  readonly rotates: boolean;
}

const facts = new Map<unknown, BodyFacts>();

export function factsOf(semantics: Semantics & { kind: "inline" }): BodyFacts {
  let known = facts.get(semantics.fn);
  if (known === undefined) {
    const source: string = Function.prototype.toString.call(semantics.fn);
    const tree = treeOf(semantics.fn);
    const passesCarry = /CC_(INC|DEC)/.test(source);
    known = {
      used: parametersOf(tree).map((name) => mentions(tree.body, name)),
      hazardous: /\.(setReg|setSp|second)\b/.test(source),
      setsAll: /\.flags\(/.test(source),
      readsFlags: /\.(arithmetic|condition)\(/.test(source) || (/\.carry\(/.test(source) && !passesCarry),
      passesCarry,
      rotates: /\.setCarryOverflow\(/.test(source),
    };
    facts.set(semantics.fn, known);
  }
  return known;
}
