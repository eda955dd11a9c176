import { MODE, MODE_USER } from "../../hypervisor/cpu-state.js";
import { type Heap, TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_USER_READ, TLB_USER_WRITE } from "../../hypervisor/heap.js";
import { WASM_PAGE_BYTES, type WasmModule, webAssembly } from "../../hypervisor/webassembly.js";
import { type AsmFunction, asmFunction, encodeFunctions } from "./asm-module.js";
import { parseFunction } from "./ast.js";
import { SLOW_HALVES } from "./foreign.js";
import { type Access, slowName, SORTS } from "./memory-access.js";
import { parametersOf } from "./splice.js";
import { IMPORTED_FUNCTIONS, IMPORTED_HEAP, IMPORTED_MEMORY } from "./wasm-binary.js";

/**
 * Accesses that are not aligned, as WebAssembly, which has no need of alignment: between the fast half of an access and its slow half, which is
 * JavaScript's. What the TLB does not have, or crosses pages, goes on to that.
 */

const ELEMENTS = { 8: ["u8", "0"], 16: ["u16", "1"], 32: ["i32", "2"] } as const;

const exportName = (kind: Access["kind"], z: number): string => `within_${kind}${z}`;

function within(kind: Access["kind"], z: 8 | 16 | 32): AsmFunction {
  const [user, supervisor] = kind === "load" ? [TLB_USER_READ, TLB_SUPERVISOR_READ] : [TLB_USER_WRITE, TLB_SUPERVISOR_WRITE];
  const [array, shift] = ELEMENTS[z];
  const place = `${array}[(a + s - 1) >> ${shift}]`, slow = slowName(kind, z), last = 4096 - (z >> 3);
  const table = `(i32[${MODE}] & ${MODE_USER}) !== 0 ? ${user << 2} : ${supervisor << 2}`;
  const look = `const s = i32[((${table}) + (a >>> 12 << 2)) >> 2]; let r = 0;`;
  const source = kind === "store"
    ? `(a, v, k) => { ${look} if (s !== 0) { if ((a & 4095) <= ${last}) { ${place} = v; return; } } ${slow}(a, v, k); }`
    : `(a, k) => { ${look} if (s !== 0) { if ((a & 4095) <= ${last}) return ${place}; } r = ${slow}(a, k); return r; }`;
  const tree = parseFunction(source);
  return asmFunction(exportName(kind, z), parametersOf(tree), tree.body.body, kind !== "store");
}

/** By the heap's pages. */
const modules = new Map<number, WasmModule>();

/** The slow halves to link generated code with, made of `slow`, JavaScript's or relays to them, by the same names. The heap must be WebAssembly's. */
export function withinPages({ memory, buffer }: Heap, slow: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const pages = buffer.byteLength / WASM_PAGE_BYTES;
  let module = modules.get(pages);
  if (module === undefined) modules.set(pages, module = new webAssembly!.Module(encodeFunctions(SORTS.map(({ kind, z }) => within(kind, z)), pages, SLOW_HALVES)));
  const { exports } = new webAssembly!.Instance(module, { [IMPORTED_HEAP]: { [IMPORTED_MEMORY]: memory }, [IMPORTED_FUNCTIONS]: slow });
  return Object.fromEntries(SORTS.map(({ kind, z }) => [slowName(kind, z), exports[exportName(kind, z)]]));
}
