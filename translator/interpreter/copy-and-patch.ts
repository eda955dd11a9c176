import type { Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import { type AsmFunction, asmFunction } from "../codegen/asm-module.js";
import * as A from "../codegen/ast.js";
import { UNKNOWN } from "../codegen/conditions.js";
import { FLAG_SIGNATURES, type Signatures, SLOW_HALVES } from "../codegen/foreign.js";
import { Bytes, type DefinedFunction, type ImportedFunction, wasmModule } from "../codegen/wasm-binary.js";
import { BULK, type Callee, FunctionEncoder, INTRINSICS } from "../codegen/wasm-encode.js";
import type { Instruction } from "../isa/instruction.js";
import { type Inline, SEGMENT_ADDRESS, setWord, type Shape, shapeTreeAfter, word } from "./emission.js";
import * as R from "./records.js";
import { interpreterAccesses } from "./slow-accesses.js";

/**
 * Copy-and-patch compilation (Xu and Kjolstad, OOPSLA 2021) of single blocks: each shape of instruction has a template, the WebAssembly of its handler
 * with holes where the values of its record belong. A block's code is its instructions' templates one behind the other, with the holes filled.
 * It costs a small part of what a region's code does, and saves going from record to record.
 */

/** What a handler is made of. */
export interface Source { readonly instruction: Instruction; readonly semantics: Inline; readonly shape: Shape }

/** Where a word of the instruction's record is to be written, shifted left, or its number in the block. */
interface Hole { readonly at: number; readonly word: number; readonly shift: number }
const NUMBER = -1, NEXT_NUMBER = -2;
const NUMBER_NAME = "$number", NEXT_NAME = "$next";

/** A shape's code. `after`: CC_OP behind it; null: as before. */
interface Template { readonly code: Uint8Array; readonly holes: readonly Hole[]; readonly locals: number; readonly after: number | null }

/** Of one shape, by the operation known before; under UNKNOWN alone where the shape does not ask. null: there is none. */
interface Templates { readonly asks: boolean; readonly byOp: Map<number, Template | null> }

/** Calls the closure of a number. */
export const CLOSURE = "closure";
/** What handlers call of JavaScript. */
export const HANDLER_CALLS: Signatures = { ...SLOW_HALVES, [SEGMENT_ADDRESS]: { parameters: 4, result: true } };
/** Everything that templates call, in the order of their numbers. */
export const TEMPLATE_CALLS: Signatures = { ...HANDLER_CALLS, [CLOSURE]: { parameters: 1, result: false }, ...FLAG_SIGNATURES, reverseBytes: { parameters: 1, result: true } };
/** Of these, what may trap or ask the block to be left. */
const MAY_LEAVE = new Set([...Object.keys(HANDLER_CALLS), CLOSURE]);

const imported: readonly ImportedFunction[] = Object.entries(TEMPLATE_CALLS).map(([name, signature]) => ({ name, ...signature }));
const callees = new Map<string, Callee>(imported.map((one, index) => [one.name, { ...one, index }]));

const PARAMETER = "b";
const setIndex = (name: string): Statement => A.statement(setWord(S.INDEX, A.identifier(name)));
const LEAVE = A.ifThen(A.binary(word(S.END), "==", A.literal(0)), A.block([setIndex(NEXT_NAME), A.returns()]));

function template(names: readonly string[], made: AsmFunction, ends: boolean, after: number | null): Template | null {
  for (const name of made.called) if (!callees.has(name) && !INTRINSICS.has(name) && !BULK.has(name)) return null;
  const leaves = [...made.called].some((name) => MAY_LEAVE.has(name));
  const open = new Set([...names, NUMBER_NAME, NEXT_NAME]);
  const locals = [PARAMETER, ...made.locals.map(([name]) => name).filter((name) => !open.has(name))];
  const encoder = new FunctionEncoder(new Map(locals.map((name, i) => [name, i])), (name) => callees.get(name)!, open);
  encoder.statements(leaves ? [setIndex(NUMBER_NAME), ...made.body, ...(ends ? [] : [LEAVE])] : made.body);
  const holes = encoder.holes.map(({ at, name, shift }) => ({ at, word: name === NUMBER_NAME ? NUMBER : name === NEXT_NAME ? NEXT_NUMBER : names.indexOf(name) + 1, shift }));
  return { code: encoder.out.bytes().slice(), holes, locals: locals.length - 1, after };
}

/** Made once a process, by their shapes' keys. */
const shapes = new Map<string, Templates>();

/** The shape's template where CC_OP is `op`. */
function templateAfter({ instruction, semantics, shape }: Source, op: number): Template | null {
  const known = shapes.get(shape.key);
  const at = known === undefined || known.asks ? op : UNKNOWN;
  const found = known?.byOp.get(at);
  if (found !== undefined) return found;
  const tree = shapeTreeAfter(instruction, semantics, op);
  let made: Template | null = null;
  if (tree !== null) {
    const { user, names, key } = shape;
    const code = asmFunction(key, [PARAMETER], tree.body, false, interpreterAccesses(user));
    made = template(names, code, instruction.row.ends !== null, tree.after);
  }
  const asks = tree?.asks === true;
  const templates = known ?? { asks, byOp: new Map<number, Template | null>() };
  templates.byOp.set(asks ? op : UNKNOWN, made);
  if (known === undefined) shapes.set(shape.key, templates);
  return made;
}

let closures: Template | null = null;

/** Of an instruction that is a closure, whose number is the first value of its record. */
function closureTemplate(): Template {
  return closures ??= template([CLOSURE], plainFunction(A.statement(A.call(CLOSURE, [A.identifier(CLOSURE)]))), false, UNKNOWN)!;
}

let ending: Template | null = null;

/** Behind the last instruction: all of them, as many as its number says, have been executed. */
function endTemplate(): Template {
  return ending ??= template([], plainFunction(setIndex(NUMBER_NAME)), true, null)!;
}

function plainFunction(body: Statement): AsmFunction {
  return asmFunction("", [PARAMETER], [body], false);
}

/** Copies the template of instruction `number`, whose record is at word `at`. */
function copy(body: Bytes, { code, holes }: Template, i32: Int32Array, at: number, number: number): void {
  const start = body.length;
  body.write(code);
  for (const { at: hole, word, shift } of holes) body.patch(start + hole, (word === NUMBER ? number : word === NEXT_NUMBER ? number + 1 : i32[at + word]!) << shift);
}

/** The code of the block of a record; `sources` by the number of the handler, undefined for closures. null: some instruction has no template. */
export function blockCode(i32: Int32Array, record: number, name: string, sources: readonly (Source | undefined)[]): DefinedFunction | null {
  const body = new Bytes();
  const count = i32[(record >> 2) + R.COUNT]!;
  let op = UNKNOWN, locals = 0;
  for (let i = 0; i < count; i++) {
    const at = i32[(record >> 2) + R.FIRST_INSTRUCTION + i]! >> 2;
    const source = sources[i32[at]!];
    const made = source === undefined ? closureTemplate() : templateAfter(source, op);
    if (made === null) return null;
    copy(body, made, i32, at, i);
    locals = Math.max(locals, made.locals);
    if (made.after !== null) op = made.after;
  }
  copy(body, endTemplate(), i32, 0, count);
  return { name, parameters: 1, result: false, locals, body, hints: [] };
}

/** A module that exports blocks' code, for a heap of `pages` pages of WebAssembly's. */
export function blocksModule(code: readonly DefinedFunction[], pages: number): Uint8Array {
  return wasmModule(pages, imported, code);
}
