import type { Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import type { Instruction } from "../isa/instruction.js";
import { ITERATIONS_AT_ONCE } from "../isa/semantics/strings.js";
import { CC_SUB } from "../../hypervisor/flags.js";
import { trunc } from "../isa/semantics/subset.js";
import * as A from "./ast.js";
import type { Emitter } from "./emit.js";
import type { AccessTables } from "./memory-access.js";
import { expandPure } from "./splice.js";

/**
 * String instructions in place. One that is not repeated is its accesses, as in other instructions. REP MOVS and REP STOS: while the pages of both
 * sides are in the software TLB iterations are made in pieces, each one copy or fill, none of which can fault. What remains of an execution
 * then is the interpreter's (isa/semantics/strings.ts).
 */

/** Locals: iterations that this execution has left, and of the piece; bytes of the piece; the TLB's words for both sides. */
const LEFT = "$c", PIECE = "$i", BYTES = "$y", FROM = "$j", TO = "$k";

const zero = A.literal(0);
const left = A.identifier(LEFT), piece = A.identifier(PIECE), bytes = A.identifier(BYTES);
const set = (name: string, e: Expression): Statement => A.statement(A.assign(name, e));
const sum = (a: Expression, b: Expression): Expression => A.binary(A.binary(a, "+", b), "|", zero);
const difference = (a: Expression, b: Expression): Expression => A.binary(A.binary(a, "-", b), "|", zero);
const unsigned = (e: Expression): Expression => A.binary(e, ">>>", zero);
const when = (test: Expression, ...then: Statement[]): Statement => A.ifThen(test, A.block(then));

/** Its operands are in flat data segments: a code segment need not be readable. */
function isFlat({ addrSize, seg }: Instruction): boolean {
  return addrSize === 32 && seg < S.FS && seg !== S.CS;
}

/** Whether an instruction is a repeated one that can be made so, in flat 32-bit code. */
export function isBulk(instruction: Instruction): boolean {
  const { mnemonic, rep } = instruction;
  return (mnemonic === "MOVS" || mnemonic === "STOS") && rep !== "" && isFlat(instruction);
}

/**
 * Statements that make one execution, and leave by the label `rest` when the interpreter is to go on with it. The registers are as after the
 * iterations that were made. `label` is a name of this place.
 */
export function emitBulk(emitter: Emitter, { mnemonic, size }: Instruction, { read, write }: AccessTables, label: string, rest: string): Statement[] {
  const moves = mnemonic === "MOVS", shift = size >> 4, through = `${label}T`, again = `${label}L`;
  const ecx = emitter.readRegister(S.ECX, 32), edi = emitter.readRegister(S.EDI, 32);
  const esi = moves ? emitter.readRegister(S.ESI, 32) : zero, eax = moves ? zero : emitter.readRegister(S.EAX, 32);
  const least = A.conditional(A.binary(unsigned(ecx), "<", unsigned(A.literal(ITERATIONS_AT_ONCE))), ecx, A.literal(ITERATIONS_AT_ONCE));
  const advance = (r: number, e: Expression): Statement => A.statement(emitter.writeRegister(r, 32, e));
  const at = (address: Expression, word: string): Expression => A.binary(A.binary(address, "+", A.identifier(word)), "-", A.literal(1));
  const byte = A.binary(eax, "&", A.literal(255));
  const sameBytes = A.binary(A.call("imul", [byte, A.literal(size === 32 ? 0x01010101 : 0x0101)]), "===", size === 32 ? eax : A.binary(eax, "&", A.literal(0xffff)));
  // What is copied must not be read after it was written.
  const apart = A.binary(A.binary(A.binary(at(edi, TO), "-", at(esi, FROM)), ">>>", zero), ">=", unsigned(bytes));
  const suits = moves ? apart : size === 8 ? null : sameBytes;
  const behind = (r: number, e: Expression): Statement[] => [advance(r, sum(e, bytes))];
  return [
    set(LEFT, least),
    A.statement(A.assignElement("i32", A.literal(S.STRING_DONE), zero)),
    when(A.binary(A.binary(A.element("i32", A.literal(S.EFLAGS_SYS)), "&", A.literal(S.FLAG_DF | S.FLAG_TF)), "!==", zero), A.breakTo(rest)),
    A.labeled(through, A.block([A.labeled(again, A.forever([
      when(A.binary(left, "===", zero), A.breakTo(through)),
      set(BYTES, A.binary(left, "<<", A.literal(shift))),
      ...reach(edi, TO, write, `${label}D`, rest), ...(moves ? reach(esi, FROM, read, `${label}S`, rest) : []),
      set(PIECE, A.binary(bytes, ">>", A.literal(shift))),
      set(BYTES, A.binary(piece, "<<", A.literal(shift))),
      when(A.binary(piece, "===", zero), A.breakTo(rest)),
      ...(suits === null ? [] : [when(A.unary("!", suits), A.breakTo(rest))]),
      A.statement(moves ? A.call("copyBytes", [at(edi, TO), at(esi, FROM), bytes]) : A.call("fillBytes", [at(edi, TO), byte, bytes])),
      A.statement(A.call("iterations", [piece])),
      ...(moves ? behind(S.ESI, esi) : []), ...behind(S.EDI, edi), advance(S.ECX, difference(ecx, piece)),
      set(LEFT, difference(left, piece)),
      A.statement(A.assignElement("i32", A.literal(S.STRING_DONE), sum(A.element("i32", A.literal(S.STRING_DONE)), piece))),
      A.continueTo(again),
    ]))])),
    A.statement(A.assignElement("i32", A.literal(S.STRING_DONE), zero)),
    A.statement(A.call("executed", [])),
  ];
}

const ELEMENTS = new Set(["MOVS", "STOS", "LODS", "SCAS", "CMPS"]);

/** Whether an instruction is a single element's, to be made in place, in flat 32-bit code. */
export function isElement(instruction: Instruction): boolean {
  return ELEMENTS.has(instruction.mnemonic) && instruction.rep === "" && isFlat(instruction);
}

/** Statements for one element upwards. Accesses come first: what faults leaves all as it was. */
export function emitElement(emitter: Emitter, { mnemonic, size }: Instruction): Statement[] {
  const esi = emitter.readRegister(S.ESI, 32), edi = emitter.readRegister(S.EDI, 32);
  const value = A.identifier("$u"), other = A.identifier("$b");
  const advance = (r: number): Statement => A.statement(emitter.writeRegister(r, 32, sum(emitter.readRegister(r, 32), A.literal(size >> 3))));
  const compared = (a: Expression, b: Expression): Statement => {
    return A.statement(emitter.invoke("flags", [A.literal(CC_SUB), A.literal(size), expandPure(trunc, [A.literal(size), A.binary(a, "-", b)]), b, zero]));
  };
  switch (mnemonic) {
    case "LODS": return [A.constant("$u", emitter.load(esi, size)), A.statement(emitter.writeRegister(S.EAX, size, value)), advance(S.ESI)];
    case "STOS": return [A.statement(emitter.storeAt(edi, size, emitter.readRegister(S.EAX, size))), advance(S.EDI)];
    case "SCAS": return [A.constant("$u", emitter.load(edi, size)), compared(emitter.readRegister(S.EAX, size), value), advance(S.EDI)];
    case "CMPS": return [A.constant("$u", emitter.load(esi, size)), A.constant("$b", emitter.load(edi, size)), compared(value, other), advance(S.ESI), advance(S.EDI)];
    default: return [A.constant("$u", emitter.load(esi, size)), A.statement(emitter.storeAt(edi, size, value)), advance(S.ESI), advance(S.EDI)];
  }
}

/** Sets `word` to the TLB's word for `address`, and lessens BYTES to where the pages do not follow one another any more, here or in the heap. */
function reach(address: Expression, word: string, table: number, label: string, rest: string): Statement[] {
  const end = A.identifier(`${word}e`), out = `${label}X`;
  const page = sum(address, end);
  return [
    set(word, tlbWord(address, table)),
    when(A.binary(A.identifier(word), "===", zero), A.breakTo(rest)),
    set(`${word}e`, A.binary(A.literal(4096), "-", A.binary(address, "&", A.literal(4095)))),
    A.labeled(out, A.block([A.labeled(label, A.forever([
      when(A.binary(end, ">=", bytes), A.breakTo(out)),
      when(A.binary(page, "===", zero), set(BYTES, end), A.breakTo(out)),
      when(A.binary(tlbWord(page, table), "!==", A.identifier(word)), set(BYTES, end), A.breakTo(out)),
      set(`${word}e`, sum(end, A.literal(4096))),
      A.continueTo(label),
    ]))])),
  ];
}

function tlbWord(at: Expression, table: number): Expression {
  const page = A.binary(A.binary(at, ">>>", A.literal(10)), "&", A.literal(0x3ffffc));
  return A.element("i32", A.binary(A.binary(page, "+", A.literal(table << 2)), ">>", A.literal(2)));
}
