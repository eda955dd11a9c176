import type { Statement } from "acorn";
import { FLAG_RULES } from "../../hypervisor/flags.js";
import { webAssembly } from "../../hypervisor/webassembly.js";
import { type AsmFunction, asmFunction, encodeFunctions } from "./asm-module.js";
import { binary, call, constant, identifier, ifThen, literal, parseFunction, returns } from "./ast.js";
import { expandPure, parametersOf } from "./splice.js";

/** hypervisor/flags.ts as WebAssembly, made from its rules: flags by an operation that is known only when the code runs. */

const PARAMETERS = ["op", "d", "s", "x"];

/** The rule of each kind in turn. */
function byKind(name: string, which: "cf" | "of" | "af"): AsmFunction {
  const kind = binary(identifier("op"), ">>", literal(2));
  const rules: Statement[] = FLAG_RULES.map((rules, k) => {
    return ifThen(binary(kind, "===", literal(k)), returns(expandPure(rules[which], [identifier("z"), ...PARAMETERS.slice(1).map(identifier)])));
  });
  return asmFunction(name, PARAMETERS, [constant("z", call("width", [identifier("op")])), ...rules, returns(literal(0))], true);
}

function written(name: string, source: string): AsmFunction {
  const tree = parseFunction(source);
  return asmFunction(name, parametersOf(tree), tree.body.body, true);
}

function functions(): AsmFunction[] {
  return [
    byKind("carryFlag", "cf"), byKind("overflowFlag", "of"), byKind("adjustFlag", "af"),
    written("width", "(op) => { return 8 << (op & 3); }"),
    written("zeroFlag", "(op, d) => { return op < 4 ? d >>> 6 & 1 : d === 0; }"),
    written("signFlag", "(op, d) => { return op < 4 ? d >>> 7 & 1 : d >>> width(op) - 1 & 1; }"),
    written("parityFlag", "(op, d) => { return op < 4 ? d >>> 2 & 1 : parity(d); }"),
    written("arithmeticFlags", `(op, d, s, x) => {
      if (op < 4) return d;
      return carryFlag(op, d, s, x) | parityFlag(op, d) << 2 | adjustFlag(op, d, s, x) << 4 | zeroFlag(op, d) << 6 | signFlag(op, d) << 7 | overflowFlag(op, d, s, x) << 11;
    }`),
    written("condition", `(cc, op, d, s, x) => {
      const pair = cc >> 1;
      let holds = 0;
      if (pair === 0) holds = overflowFlag(op, d, s, x);
      else if (pair === 1) holds = carryFlag(op, d, s, x);
      else if (pair === 2) holds = zeroFlag(op, d);
      else if (pair === 3) holds = carryFlag(op, d, s, x) | zeroFlag(op, d);
      else if (pair === 4) holds = signFlag(op, d);
      else if (pair === 5) holds = parityFlag(op, d);
      else if (pair === 6) holds = signFlag(op, d) ^ overflowFlag(op, d, s, x);
      else holds = zeroFlag(op, d) | signFlag(op, d) ^ overflowFlag(op, d, s, x);
      return holds ^ cc & 1;
    }`),
  ];
}

let made: Readonly<Record<string, unknown>> | null = null;

/** carryFlag, arithmeticFlags, condition and their parts as functions of WebAssembly, by name. */
export function flagFunctions(): Readonly<Record<string, unknown>> {
  return made ??= new webAssembly!.Instance(new webAssembly!.Module(encodeFunctions(functions(), 0, {})), {}).exports;
}
