import { MODE, MODE_USER } from "../../hypervisor/cpu-state.js";
import { type Heap, PAGE_SIZE } from "../../hypervisor/heap.js";
import { WASM_PAGE_BYTES, webAssembly } from "../../hypervisor/webassembly.js";
import { type AsmFunction, asmFunction, encodeFunctions } from "./asm-module.js";
import { parseFunction } from "./ast.js";
import { SLOW_HALVES } from "./foreign.js";
import { type Access, slowName, SORTS, tablesFor } from "./memory-access.js";
import { moduleOf } from "./modules.js";
import { parametersOf } from "./splice.js";
import { IMPORTED_FUNCTIONS, IMPORTED_HEAP, IMPORTED_MEMORY } from "./wasm-binary.js";

/**
 * Accesses that are not aligned, as WebAssembly, which has no need of alignment: between the fast half of an access and its slow half, which is
 * JavaScript's. What the TLB does not have, or crosses pages, goes on to that.
 */

/** A byte is aligned wherever it is. */
const WIDE = SORTS.filter(({ z }) => z !== 8);

const exportName = (kind: Access["kind"], z: number): string => `within_${kind}${z}`;

function within(kind: Access["kind"], z: number): AsmFunction {
  const [user, supervisor] = [true, false].map((user) => tablesFor(user)[kind === "load" ? "read" : "write"] << 2);
  const place = z === 16 ? "u16[(a + s - 1) >> 1]" : "i32[(a + s - 1) >> 2]", slow = slowName(kind, z), last = PAGE_SIZE - (z >> 3);
  const look = `const s = i32[(((i32[${MODE}] & ${MODE_USER}) !== 0 ? ${user} : ${supervisor}) + (a >>> 12 << 2)) >> 2];`;
  const source = kind === "store"
    ? `(a, v, k) => { ${look} if (s !== 0) { if ((a & ${PAGE_SIZE - 1}) <= ${last}) { ${place} = v; return; } } ${slow}(a, v, k); }`
    : `(a, k) => { ${look} if (s !== 0) { if ((a & ${PAGE_SIZE - 1}) <= ${last}) return ${place}; } return ${slow}(a, k); }`;
  const tree = parseFunction(source);
  return asmFunction(exportName(kind, z), parametersOf(tree), tree.body.body, kind !== "store");
}

/** The slow halves of 16 and 32 bits to link generated code with, made of `slow`, JavaScript's or relays to them, by the same names. The heap must be WebAssembly's. */
export function withinPages({ memory, buffer }: Heap, slow: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const pages = buffer.byteLength / WASM_PAGE_BYTES;
  const module = moduleOf("within pages", pages, () => encodeFunctions(WIDE.map(({ kind, z }) => within(kind, z)), pages, SLOW_HALVES));
  const { exports } = new webAssembly!.Instance(module, { [IMPORTED_HEAP]: { [IMPORTED_MEMORY]: memory }, [IMPORTED_FUNCTIONS]: slow });
  return Object.fromEntries(WIDE.map(({ kind, z }) => [slowName(kind, z), exports[exportName(kind, z)]]));
}
