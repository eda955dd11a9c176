import * as S from "../../hypervisor/cpu-state.js";
import type { Heap } from "../../hypervisor/heap.js";
import { WASM_PAGE_BYTES, webAssembly } from "../../hypervisor/webassembly.js";
import { REGION_CALLS } from "./foreign.js";
import { moduleOf } from "./modules.js";
import { TSC_DONE, TSC_LEAVE } from "./region.js";
import { Bytes, IMPORTED_FUNCTIONS, IMPORTED_HEAP, IMPORTED_MEMORY, wasmModule } from "./wasm-binary.js";

/**
 * RDTSC for generated code as WebAssembly: while the ledger lends its clock (Ledger.lend) the reading is made from the heap's words, with the
 * ledger's own operations on doubles in their order, so that it is the same to the last bit. Else it is JavaScript's to make.
 */

const NAME = "rdtsc";
const { parameters, result } = REGION_CALLS[NAME]!;

const OP = {
  if: [0x04, 0x40], end: [0x0b], return: [0x0f], call: [0x10, 0], select: [0x1b], budget: [0x20, 0], eqz: [0x45], add: [0x6a], and: [0x71],
  f64Add: [0xa0], f64Sub: [0xa1], f64Mul: [0xa2], f64OfI32: [0xb7], i64OfF64: [0xb0],
} as const;
const CONST = 0x41, I32_LOAD = 0x28, F64_LOAD = 0x2b, I32_STORE = 0x36, I64_STORE = 0x37, F64_STORE = 0x39;

class Assembler {
  readonly out = new Bytes();

  op(...names: readonly (keyof typeof OP)[]): this {
    for (const name of names) for (const byte of OP[name]) this.out.byte(byte);
    return this;
  }

  constant(value: number): this {
    this.out.byte(CONST);
    this.out.signed(value);
    return this;
  }

  /** An access at the address on the stack plus `bytes`. */
  private access(op: number, log2: number, bytes: number): this {
    this.out.byte(op);
    this.out.unsigned(log2);
    this.out.unsigned(bytes);
    return this;
  }

  word(index: number): this { return this.constant(0).access(I32_LOAD, 2, index << 2); }
  double(index: number): this { return this.constant(0).access(F64_LOAD, 3, index << 3); }
  pointed(): this { return this.access(I32_LOAD, 2, 0); }
  setWord(index: number, value: () => void): this { return this.set(I32_STORE, 2, index, value); }
  setDouble(index: number, value: () => void): this { return this.set(F64_STORE, 3, index, value); }
  setLong(index: number, value: () => void): this { return this.set(I64_STORE, 3, index, value); }

  private set(op: number, log2: number, index: number, value: () => void): this {
    this.constant(0);
    value();
    return this.access(op, log2, index << log2);
  }
}

function body(): Bytes {
  const a = new Assembler();
  const slow = (): Assembler => a.op("if", "budget", "call", "return", "end");
  a.word(S.CLOCK_LENT).op("eqz");
  slow();
  a.word(S.CR4).constant(S.CR4_TSD).op("and", "if").word(S.CPL);
  slow().op("end");
  a.setLong(S.CLOCK_READING, () => {
    a.double(S.CLOCK_ORIGIN).op("budget", "f64OfI32", "f64Sub").double(S.CLOCK_RATE).op("f64Mul").double(S.CLOCK_EXTRA).op("f64Add");
    for (let i = 0; i < S.CLOCK_EVENTS; i++) {
      a.double(S.CLOCK_COUNTS + i).word(S.CLOCK_TALLIES + i).pointed().op("f64OfI32", "f64Add").double(S.CLOCK_PRICES + i).op("f64Mul");
      if (i !== 0) a.op("f64Add");
    }
    a.op("f64Add", "i64OfF64");
  });
  a.setWord(S.EAX, () => a.word(S.CLOCK_READING << 1)).setWord(S.EDX, () => a.word((S.CLOCK_READING << 1) + 1));
  a.setDouble(S.CLOCK_EXTRA, () => a.double(S.CLOCK_EXTRA).double(S.CLOCK_PRICE).op("f64Add"));
  a.setWord(S.CLOCK_READ, () => a.word(S.CLOCK_READ).constant(1).op("add"));
  return a.constant(TSC_LEAVE).constant(TSC_DONE).word(S.LEAVE).op("select").out;
}

/** `rdtsc` to link generated code with, made of `slow`'s, JavaScript's or a relay to it. The heap must be WebAssembly's. */
export function lentClock({ memory, buffer }: Heap, slow: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const pages = buffer.byteLength / WASM_PAGE_BYTES;
  const module = moduleOf(NAME, pages, () => wasmModule(pages, [{ name: NAME, parameters, result }], [{ name: NAME, parameters, result, locals: 0, body: body(), hints: [] }]));
  return new webAssembly!.Instance(module, { [IMPORTED_HEAP]: { [IMPORTED_MEMORY]: memory }, [IMPORTED_FUNCTIONS]: slow }).exports;
}
