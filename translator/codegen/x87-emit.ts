import type { Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import type { Instruction, MemOperand } from "../isa/instruction.js";
import { X87 } from "../isa/semantics/x87/x87.js";
import { assign, assignElement, binary, block, call, conditional, element, identifier, ifThen, literal, sequence, statement, variables } from "./ast.js";
import type { Emitter } from "./emit.js";
import { ENABLED, HELD, MEMORY, NEAREST, type Operation, operationNumber, OUT } from "./x87-stack.js";

/** Which x87 instructions become calls of x87-stack.ts's functions, and how: a test that does the instruction when it can. */

/** Names of block-level locals: address, words loaded, word of the TLB. */
const AT = "$m", LOW = "$x", MIDDLE = "$y", WORD = "$w";

interface Lowering {
  /** Does the instruction, or is false with nothing done. */
  readonly test: Expression;
  /** What is left to do after that. */
  readonly rest: readonly Statement[];
  /** FIP and FCS are set; with an operand, FDP and FDS too. */
  readonly pointers: boolean;
  readonly memory: MemOperand | null;
}

/** What an x87 instruction's semantics read and write beside the FPU and memory. */
export interface X87Facts {
  /** General registers read and written, as bits. */
  readonly reads: number;
  readonly writes: number;
  readonly flags: boolean;
}

const FLAGS = /^FU?COMIP?$|^FCMOV/;

/** null for an instruction that is none of the x87's. */
export function x87Facts(instruction: Instruction): X87Facts | null {
  const { mnemonic, operands } = instruction;
  if (X87[mnemonic] === undefined) return null;
  let reads = 0, writes = 0;
  for (const operand of operands) {
    if (operand.kind === "mem") reads |= (operand.base >= 0 ? 1 << operand.base : 0) | (operand.index >= 0 ? 1 << operand.index : 0);
    else if (operand.kind === "reg") writes |= 1 << operand.index;
  }
  return { reads: reads | writes, writes, flags: FLAGS.test(mnemonic) };
}

const state = (index: number): Expression => element("x87", literal(index));
const i32 = (word: number): Expression => element("i32", literal(word));
const setI32 = (word: number, value: Expression): Statement => statement(assignElement("i32", literal(word), value));
const and = (left: Expression, right: Expression): Expression => ({ type: "LogicalExpression", operator: "&&", left, right, start: 0, end: 0 });
const enabled = (): Expression => binary(state(HELD), "&", literal(ENABLED));
const at = (offset: number): Expression => offset === 0 ? identifier(AT) : binary(binary(identifier(AT), "+", literal(offset)), "|", literal(0));

const ARITHMETIC = /^F(I?)(ADD|SUBR?|MUL|DIVR?)(P?)$/, COMPARE = /^F(U?)COM(P{0,2})$/, COMPARE_FLAGS = /^FU?COMI(P?)$/, STORE = /^FST(P?)$/, STORE_INTEGER = /^FIST(P?)$/;

/** lo, hi, se, and the control word it needs. */
const CONSTANTS: Readonly<Record<string, readonly [number, number, number, number]>> = {
  FLD1: [0, 0x80000000 | 0, 0x3fff, ENABLED],
  FLDZ: [0, 0, 0, ENABLED],
  FLDL2T: [0xcd1b8afe | 0, 0xd49a784b | 0, 0x4000, NEAREST],
  FLDL2E: [0x5c17f0bc, 0xb8aa3b29 | 0, 0x3fff, NEAREST],
  FLDPI: [0x2168c235, 0xc90fdaa2 | 0, 0x4000, NEAREST],
  FLDLG2: [0xfbcff799 | 0, 0x9a209a84 | 0, 0x3ffd, NEAREST],
  FLDLN2: [0xd1cf79ac | 0, 0xb17217f7 | 0, 0x3ffe, NEAREST],
};

class Lowerer {
  private readonly emitter: Emitter;
  private readonly instruction: Instruction;

  constructor(emitter: Emitter, instruction: Instruction) {
    this.emitter = emitter;
    this.instruction = instruction;
  }

  lower(): Lowering | null {
    const { mnemonic, operands } = this.instruction;
    const [first] = operands;
    const memory = first?.kind === "mem" ? first : null;
    const st = (i: number, absent: number): number => {
      const operand = operands[i];
      return operand?.kind === "st" ? operand.index : absent;
    };
    const registers = (test: Expression): Lowering => ({ test, rest: [], pointers: true, memory: null });
    let match = ARITHMETIC.exec(mnemonic);
    if (match !== null) {
      const operation = literal(operationNumber(match[2] as Operation));
      if (memory !== null) return this.reading(memory, match[1] !== "", call("xarithmetic", [operation, literal(0), literal(MEMORY), literal(0)]));
      const pops = match[3] !== "" ? 1 : 0;
      const d = st(0, pops), s = pops !== 0 ? 0 : st(1, 0);
      return registers(call("xarithmetic", [operation, literal(d), literal(s), literal(pops)]));
    }
    match = COMPARE.exec(mnemonic);
    if (match !== null) {
      const pops = literal(match[2]!.length);
      if (memory !== null) return this.reading(memory, false, call("xcompare", [literal(MEMORY), pops]));
      return registers(call("xcompare", [literal(st(1, 1)), pops]));
    }
    match = COMPARE_FLAGS.exec(mnemonic);
    if (match !== null) {
      const found = assign(LOW, call("xcompareflags", [literal(st(1, 1)), literal(match[1]!.length)]));
      return { test: binary(found, ">=", literal(0)), rest: [statement(this.emitter.setArithmetic(identifier(LOW)))], pointers: true, memory: null };
    }
    match = STORE.exec(mnemonic);
    if (match !== null) {
      const pops = literal(match[1]!.length);
      if (memory === null) return registers(call("xmove", [literal(st(0, 0)), pops]));
      return this.writing(memory, call(memory.size === 32 ? "xtosingle" : memory.size === 64 ? "xtodouble" : "xtoextended", [pops]));
    }
    match = STORE_INTEGER.exec(mnemonic);
    if (match !== null) return this.writing(memory!, call("xtointeger", [literal(memory!.size), literal(match[1]!.length)]));
    const constant = CONSTANTS[mnemonic];
    if (constant !== undefined) return registers(call("xconstant", constant.map(literal)));
    switch (mnemonic) {
      case "FLD": return memory === null ? registers(call("xload", [literal(st(0, 0))])) : this.reading(memory, false, call("xpush", []));
      case "FILD": return this.reading(memory!, true, call("xpush", []));
      case "FXCH": return registers(call("xexchange", [literal(st(1, st(0, 1)))]));
      case "FCHS": return registers(call("xsign", [literal(0)]));
      case "FABS": return registers(call("xsign", [literal(1)]));
      case "FWAIT": return { test: enabled(), rest: [], pointers: false, memory: null };
      case "FNSTSW": return this.storingWord(S.FPU_SW);
      case "FNSTCW": return this.storingWord(S.FPU_CW);
      case "FLDCW": return { test: and(enabled(), call("xcontrol", [this.emitter.load(this.emitter.effective(memory!), 16)])), rest: [], pointers: false, memory: null };
      default: return null;
    }
  }

  private storingWord(word: number): Lowering {
    const [operand] = this.instruction.operands;
    const value = binary(i32(word), "&", literal(65535));
    const store = operand?.kind === "reg" ? this.emitter.writeRegister(operand.index, 16, value)
      : this.emitter.storeAt(this.emitter.effective(operand as MemOperand), 16, value);
    return { test: enabled(), rest: [statement(store)], pointers: false, memory: null };
  }

  /** The operand is read, made the memory operand, then used. It is not read before it is known that no exception is pending. */
  private reading(m: MemOperand, integer: boolean, use: Expression): Lowering {
    const { emitter } = this;
    const low = (): Expression => emitter.load(identifier(AT), 32);
    let operand: Expression;
    if (integer && m.size === 16) {
      operand = call("xinteger", [binary(binary(emitter.load(identifier(AT), 16), "<<", literal(16)), ">>", literal(16))]);
    } else if (m.size === 32) operand = call(integer ? "xinteger" : "xsingle", [low()]);
    else {
      const words: Expression[] = [assign(LOW, low()), assign(MIDDLE, emitter.load(at(4), 32))];
      operand = m.size === 64 ? sequence([...words, call(integer ? "xlong" : "xdouble", [identifier(LOW), identifier(MIDDLE)])])
        : sequence([...words, call("xextended", [identifier(LOW), identifier(MIDDLE), emitter.load(at(8), 16)])]);
    }
    return { test: and(and(enabled(), sequence([assign(AT, emitter.effective(m)), operand])), use), rest: [], pointers: true, memory: m };
  }

  /** The value goes to x87[OUT…] when it can be written at once: not to a device, over code, or to two pages. */
  private writing(m: MemOperand, value: Expression): Lowering {
    const { emitter } = this;
    const bytes = m.size >> 3;
    const width = bytes === 2 ? 16 : 32;
    const word = assign(WORD, sequence([assign(AT, emitter.effective(m)), emitter.tlbWord(AT, true)]));
    const hits = conditional(sequence([word, emitter.hits(AT, WORD, width)]), bytes <= 4 ? literal(1) : binary(binary(identifier(AT), "&", literal(4095)), "<=", literal(4096 - bytes)), literal(0));
    const rest: Statement[] = [];
    for (let i = 0; i < bytes; i += 4) {
      const size = Math.min(32, 8 * (bytes - i));
      const [array, index] = emitter.cell(AT, WORD, size);
      const moved = i === 0 ? index : binary(index, "+", literal(i * 8 / size));
      rest.push(statement(assignElement(array, moved, state(OUT + (i >> 2)))));
    }
    return { test: and(and(enabled(), hits), value), rest, pointers: true, memory: m };
  }
}

/**
 * The instruction in place where it can be, `slow` where that refuses. `flat`: its operand's segment, if any, has base 0
 * and no limit to speak of.
 */
export function emitX87(emitter: Emitter, instruction: Instruction, eip: number, flat: boolean, slow: () => Statement[]): Statement[] {
  const lowered = flat ? new Lowerer(emitter, instruction).lower() : null;
  if (lowered === null) return slow();
  const done: Statement[] = [...lowered.rest];
  if (lowered.pointers) done.push(setI32(S.FPU_FIP, literal(eip)), setI32(S.FPU_FCS, i32(S.SELECTOR + S.CS)));
  if (lowered.memory !== null) done.push(setI32(S.FPU_FDP, identifier(AT)), setI32(S.FPU_FDS, i32(S.SELECTOR + lowered.memory.seg)));
  return [block([
    variables([AT, LOW, MIDDLE, WORD], () => literal(0)),
    ifThen(lowered.test, block(done), block(slow())),
  ])];
}
