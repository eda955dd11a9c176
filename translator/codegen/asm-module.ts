import type { Statement } from "acorn";
import { parity } from "../../hypervisor/flags.js";
import { highestBit, lowestBit, mulhs, mulhu, reverseBytes } from "../isa/semantics/subset.js";
import { type AccessContext, AsmLowerer } from "./asm-lower.js";
import { assign, binary, identifier, literal, parseFunction, program, statement } from "./ast.js";
import { print } from "./print.js";
import { FOREIGN, type Signatures } from "./foreign.js";
import { parametersOf, treeOf } from "./splice.js";
import { stackSource } from "./stack-access.js";
import { type Signature, wasmModule } from "./wasm-binary.js";
import { BULK, type Callee, FunctionEncoder, INTRINSICS } from "./wasm-encode.js";

/** Pure functions of ours that a module has a copy of, made from their own source. */
const PURE: Readonly<Record<string, (...args: never[]) => number>> = { mulhu, mulhs, reverseBytes, lowestBit, highestBit, parity };
const STANDARD = new Set(["imul", "clz32"]);
const VIEWS = [["i32", "Int32Array"], ["u8", "Uint8Array"], ["u16", "Uint16Array"]] as const;

/** A function in asm.js, and the functions it calls. */
export interface AsmFunction {
  readonly name: string;
  readonly parameters: readonly string[];
  /** The locals behind the parameters, with what they are at the start. */
  readonly locals: readonly (readonly [string, number])[];
  readonly body: readonly Statement[];
  readonly result: boolean;
  readonly called: ReadonlySet<string>;
}

const NO_ACCESSES: AccessContext = { read: 0, write: 0, sites: [], stack: null };

export function asmFunction(name: string, parameters: readonly string[], body: readonly Statement[], result: boolean, context: AccessContext = NO_ACCESSES): AsmFunction {
  const lowerer = new AsmLowerer(context);
  const lowered = lowerer.statements(body);
  const locals = [...lowerer.locals].filter((local) => !parameters.includes(local)).map((local) => [local, lowerer.initial(local)] as const);
  return { name, parameters, locals, body: lowered, result, called: lowerer.called };
}

const pure = new Map<string, AsmFunction>();

/** The function `name` of PURE. */
export function pureFunction(name: string): AsmFunction {
  let made = pure.get(name);
  if (made === undefined) {
    const tree = treeOf(PURE[name]!);
    pure.set(name, made = asmFunction(name, parametersOf(tree), tree.body.body, true));
  }
  return made;
}

/** A module of asm.js whose first function is its export. */
export interface AsmModule {
  /** Its text: linked with the standard library, an object that has the functions it calls and that are not its own, and the heap. */
  readonly print: () => string;
  /** The functions of its own, for encodeModule. */
  readonly functions: readonly AsmFunction[];
}

export function asmModule(name: string, parameters: readonly string[], body: readonly Statement[], context: AccessContext): AsmModule {
  const main = asmFunction(name, parameters, body, false, context);
  const mains = [main, ...stackFunctions(main, context)];
  return { print: () => printModule(mains), functions: mains };
}

/** Modules as one of WebAssembly, which exports all of `functions`, for a heap of `pages` pages of WebAssembly's. Those of one name must be one function. */
export function encodeModule(functions: readonly AsmFunction[], pages: number): Uint8Array {
  return encodeFunctions([...new Set(functions)], pages, FOREIGN);
}

const stack = new Map<string, AsmFunction>();

/** Those of the functions of stack-access.ts that a function calls. */
function stackFunctions({ called }: AsmFunction, context: AccessContext): AsmFunction[] {
  if (context.stack === null) return [];
  const tables = { read: context.read, write: context.write, user: context.stack.user };
  return [...called].flatMap((name) => {
    const source = stackSource(name, tables);
    if (source === undefined) return [];
    let made = stack.get(source);
    if (made === undefined) {
      const tree = parseFunction(source);
      stack.set(source, made = asmFunction(name, parametersOf(tree), tree.body.body, name.includes("load")));
    }
    return [made];
  });
}

/** `mains`, the functions they need of ours that `own` wants in the module, and the names of all others that are called. */
function closure(mains: readonly AsmFunction[], own: (name: string) => boolean): { functions: AsmFunction[]; imports: string[] } {
  const functions: AsmFunction[] = [];
  const called = new Set<string>(), defined = new Set(mains.map(({ name }) => name));
  const need = (made: AsmFunction): void => {
    functions.push(made);
    for (const callee of made.called) {
      if (called.has(callee) || defined.has(callee)) continue;
      called.add(callee);
      if (own(callee)) need(pureFunction(callee));
    }
  };
  mains.forEach(need);
  return { functions, imports: [...called].filter((callee) => !own(callee)) };
}

/** The first of `mains` is the export. */
function printModule(mains: readonly AsmFunction[]): string {
  const { functions, imports } = closure(mains, (name) => PURE[name] !== undefined);
  return [
    '"use asm";\n',
    ...VIEWS.map(([view, type]) => `var ${view} = new stdlib.${type}(heap);\n`),
    ...imports.map((callee) => `var ${callee} = ${STANDARD.has(callee) ? "stdlib.Math" : "foreign"}.${callee};\n`),
    ...functions.map(printFunction), `return ${mains[0]!.name};\n`,
  ].join("");
}

function printFunction({ name, parameters, locals, body }: AsmFunction): string {
  const coercions = parameters.map((p) => statement(assign(p, binary(identifier(p), "|", literal(0)))));
  const declared = locals.length === 0 ? "" : `var ${locals.map(([local, value]) => `${local} = ${value}`).join(", ")};\n`;
  return `function ${name}(${parameters.join(", ")}) {\n${print(program(coercions))}${declared}${print(program([...body]))}}\n`;
}

/**
 * A module of WebAssembly with these functions and those of ours that they call; all others are imported, with these signatures. See
 * wasmModule for `pages` and `indirect`.
 */
export function encodeFunctions(mains: readonly AsmFunction[], pages: number, signatures: Signatures, indirect: Signature | null = null): Uint8Array {
  const { functions, imports } = closure(mains, (name) => PURE[name] !== undefined && !INTRINSICS.has(name));
  const imported = imports.filter((name) => !INTRINSICS.has(name) && !BULK.has(name)).map((name) => ({ name, ...signatures[name]! }));
  const callees = new Map<string, Callee>();
  for (const one of imported) callees.set(one.name, { ...one, index: callees.size });
  for (const one of functions) callees.set(one.name, { parameters: one.parameters.length, result: one.result, index: callees.size });
  return wasmModule(pages, imported, functions.map(({ name, parameters, locals, body, result }) => {
    const numbers = new Map<string, number>();
    for (const local of [...parameters, ...locals.map(([local]) => local)]) numbers.set(local, numbers.size);
    const encoder = new FunctionEncoder(numbers, (callee) => callees.get(callee)!);
    for (const [local, value] of locals) if (value !== 0) encoder.setLocal(local, value);
    encoder.statements(body);
    if (result) encoder.unreachable();
    return { name, parameters: parameters.length, result, locals: locals.length, body: encoder.out, hints: encoder.hints };
  }), indirect);
}
