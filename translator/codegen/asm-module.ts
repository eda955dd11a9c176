import type { Statement } from "acorn";
import { parity } from "../../hypervisor/flags.js";
import { highestBit, lowestBit, mulhs, mulhu, reverseBytes } from "../isa/semantics/subset.js";
import { type AccessContext, AsmLowerer } from "./asm-lower.js";
import { assign, binary, identifier, literal, program, statement } from "./ast.js";
import { print } from "./print.js";
import { parametersOf, treeOf } from "./splice.js";

/** Pure functions of ours that a module has a copy of, made from their own source. */
const PURE: Readonly<Record<string, (...args: never[]) => number>> = { mulhu, mulhs, reverseBytes, lowestBit, highestBit, parity };
const STANDARD = new Set(["imul", "clz32"]);
const VIEWS = [["i32", "Int32Array"], ["u8", "Uint8Array"], ["u16", "Uint16Array"]] as const;

/** A function in asm.js, and the functions it calls. */
interface AsmFunction { readonly print: () => string; readonly called: ReadonlySet<string> }

function asmFunction(name: string, parameters: readonly string[], body: readonly Statement[], context: AccessContext): AsmFunction {
  const lowerer = new AsmLowerer(context);
  const lowered = lowerer.statements(body);
  const coercions = parameters.map((p) => statement(assign(p, binary(identifier(p), "|", literal(0)))));
  const locals = [...lowerer.locals].filter((local) => !parameters.includes(local));
  const declared = locals.length === 0 ? "" : `var ${locals.map((local) => `${local} = ${lowerer.initial(local)}`).join(", ")};\n`;
  const text = (): string => `function ${name}(${parameters.join(", ")}) {\n${print(program(coercions))}${declared}${print(program(lowered))}}\n`;
  return { print: text, called: lowerer.called };
}

const NO_ACCESSES: AccessContext = { read: 0, write: 0, sites: [] };
const pure = new Map<string, AsmFunction>();

function pureFunction(name: string): AsmFunction {
  let made = pure.get(name);
  if (made === undefined) {
    const tree = treeOf(PURE[name]!);
    const { print: printed, called } = asmFunction(name, parametersOf(tree), tree.body.body, NO_ACCESSES);
    const text = printed();
    made = { print: () => text, called };
    pure.set(name, made);
  }
  return made;
}

/**
 * Prints a module whose one function, which is its export, has the given parameters and body. It is linked with the standard library, an object that has the
 * functions it calls and that are not its own, and the heap.
 */
export function asmModule(name: string, parameters: readonly string[], body: readonly Statement[], context: AccessContext): () => string {
  const functions: AsmFunction[] = [];
  const called = new Set<string>();
  const need = (made: AsmFunction): void => {
    functions.push(made);
    for (const callee of made.called) {
      if (called.has(callee)) continue;
      called.add(callee);
      if (PURE[callee] !== undefined) need(pureFunction(callee));
    }
  };
  need(asmFunction(name, parameters, body, context));
  const imports = [...called].filter((callee) => PURE[callee] === undefined);
  return () => [
    '"use asm";\n',
    ...VIEWS.map(([view, type]) => `var ${view} = new stdlib.${type}(heap);\n`),
    ...imports.map((callee) => `var ${callee} = ${STANDARD.has(callee) ? "stdlib.Math" : "foreign"}.${callee};\n`),
    ...functions.map((made) => made.print()), `return ${name};\n`,
  ].join("");
}
