import { type WasmModule, webAssembly } from "../../hypervisor/webassembly.js";
import { call, identifier, returns, statement } from "./ast.js";
import { slowName, SORTS } from "./memory-access.js";
import { IMPORTED_FUNCTIONS, type Signature, wasmModule } from "./wasm-binary.js";
import { FunctionEncoder } from "./wasm-encode.js";

export type Signatures = Readonly<Record<string, Signature>>;

/** The slow halves of accesses. */
export const SLOW_HALVES: Signatures =
  Object.fromEntries(SORTS.map(({ kind, z }) => [slowName(kind, z), kind === "store" ? { parameters: 3, result: false } : { parameters: 2, result: true }]));

/** What a region calls of JavaScript: slow halves of accesses, the run loop's help. */
export const REGION_CALLS: Signatures = {
  ...SLOW_HALVES,
  rdtsc: { parameters: 1, result: true },
  op: { parameters: 1, result: true },
  iterations: { parameters: 1, result: false },
  executed: { parameters: 0, result: false },
  fault: { parameters: 1, result: false },
};

/** Flags by an operation that is not known (flag-functions.ts). */
export const FLAG_SIGNATURES: Signatures = {
  arithmeticFlags: { parameters: 4, result: true },
  carryFlag: { parameters: 4, result: true },
  condition: { parameters: 5, result: true },
};

/** Everything that asm.js code calls and its module does not have, by name. */
export const FOREIGN: Signatures = { ...REGION_CALLS, ...FLAG_SIGNATURES };

const relays = new Map<Signatures, WasmModule>();

/**
 * Functions of JavaScript as WebAssembly's, each calling the one it is made of: to modules that are linked with these, and not with
 * JavaScript's own, the host makes no transitions to JavaScript, which would take it longer than many a module itself.
 */
export function relayed(foreign: Readonly<Record<string, unknown>>, signatures: Signatures): Readonly<Record<string, unknown>> {
  let relay = relays.get(signatures);
  if (relay === undefined) relays.set(signatures, relay = new webAssembly!.Module(relayModule(signatures)));
  return new webAssembly!.Instance(relay, { [IMPORTED_FUNCTIONS]: foreign }).exports;
}

function relayModule(signatures: Signatures): Uint8Array {
  const imported = Object.entries(signatures).map(([name, signature]) => ({ name, ...signature }));
  return wasmModule(0, imported, imported.map(({ name, parameters, result }, index) => {
    const names = Array.from({ length: parameters }, (_, i) => `p${i}`);
    const encoder = new FunctionEncoder(new Map(names.map((local, i) => [local, i])), () => ({ parameters, result, index }));
    const called = call(name, names.map(identifier));
    encoder.statements([result ? returns(called) : statement(called)]);
    return { name, parameters, result, locals: 0, body: encoder.out, hints: [] };
  }));
}
