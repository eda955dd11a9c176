import type { Statement } from "acorn";
import { type WasmModule, webAssembly } from "../../hypervisor/webassembly.js";
import { type AsmFunction, asmFunction, encodeFunctions } from "../codegen/asm-module.js";
import * as A from "../codegen/ast.js";
import { recordWord } from "../codegen/wasm-encode.js";
import type { Instruction } from "../isa/instruction.js";
import type { Op } from "./bind.js";
import { type Source, TEMPLATE_CALLS } from "./copy-and-patch.js";
import { type Inline, type Shape, shapeTree } from "./emission.js";
import type { FunctionTable } from "./function-table.js";
import { interpreterAccesses } from "./slow-accesses.js";

/** Executions of closures in handlers' places after which the handlers are made, however few they are. */
const EXECUTIONS = 1000;

/** The modules that handlers are in, by the heap's pages and the shape's key: made once a process. null: a shape that has no tree. */
const modules = new Map<string, WasmModule | null>();

interface Waiting { readonly number: number; readonly key: string; readonly made: AsmFunction }

/**
 * The functions of WebAssembly that threaded code calls, one for each shape of instruction, by their numbers in its table. Some are compiled together, for
 * a module costs the host some tenths of a millisecond however little is in it; what is executed before then is the binder's closures.
 */
export class Handlers {
  /** What the handlers are made of, by their numbers. */
  readonly sources: (Source | undefined)[] = [];
  private readonly table: FunctionTable;
  private readonly pages: number;
  private readonly batch: number;
  private readonly instance: (module: WasmModule) => Readonly<Record<string, unknown>>;
  private readonly exports = new Map<WasmModule, Readonly<Record<string, unknown>>>();
  /** By shapes' keys; -1: none. */
  private readonly numbers = new Map<string, number>();
  private waiting: Waiting[] = [];
  private readonly unmade = new Set<number>();
  private readonly closures = new Map<number, Op>();
  private executions = 0;
  /** A handler that calls `execute` with its record. */
  standIn: unknown = null;

  /** `batch` handlers are compiled at once, for a heap of `pages` pages of WebAssembly's; `instance` links a module. */
  constructor(table: FunctionTable, pages: number, batch: number, instance: Handlers["instance"]) {
    this.table = table;
    this.pages = pages;
    this.batch = batch;
    this.instance = instance;
  }

  /** Number of a shape's handler, -1 if it has none. */
  number(instruction: Instruction, semantics: Inline, shape: Shape): number {
    let number = this.numbers.get(shape.key);
    if (number === undefined) {
      number = this.add(instruction, semantics, shape);
      this.numbers.set(shape.key, number);
      if (number >= 0) this.sources[number] = { instruction, semantics, shape };
      if (this.waiting.length >= this.batch) this.make();
    }
    return number;
  }

  private add(instruction: Instruction, semantics: Inline, shape: Shape): number {
    const { key } = shape, module = modules.get(this.inProcess(key));
    if (module === null) return -1;
    if (module !== undefined) return this.table.add(this.exportsOf(module)[key]);
    const body = shapeTree(instruction, semantics);
    if (body === null) {
      modules.set(this.inProcess(key), null);
      return -1;
    }
    const number = this.table.add(this.standIn);
    this.waiting.push({ number, key, made: handlerFunction(shape, body) });
    this.unmade.add(number);
    return number;
  }

  private inProcess(key: string): string {
    return `${this.pages} ${key}`;
  }

  private exportsOf(module: WasmModule): Readonly<Record<string, unknown>> {
    let exports = this.exports.get(module);
    if (exports === undefined) this.exports.set(module, exports = this.instance(module));
    return exports;
  }

  /** The handler is not there yet: `record`, which names it, needs a closure. */
  waits(number: number): boolean {
    return this.unmade.has(number);
  }

  /** What is executed for a record whose handler waits. */
  lend(record: number, closure: Op): void {
    this.closures.set(record, closure);
  }

  /** Executes the instruction of a record whose handler waits. */
  execute(record: number): void {
    const closure = this.closures.get(record)!;
    if (++this.executions >= EXECUTIONS) this.make();
    closure();
  }

  private make(): void {
    const { waiting } = this;
    const module = new webAssembly!.Module(encodeFunctions(waiting.map(({ made }) => made), this.pages, TEMPLATE_CALLS));
    const exports = this.exportsOf(module);
    for (const { number, key } of waiting) {
      modules.set(this.inProcess(key), module);
      this.table.table.set(number, exports[key]);
    }
    this.waiting = [];
    this.unmade.clear();
    this.closures.clear();
    this.executions = 0;
  }

  /** No record holds any longer. */
  clear(): void {
    this.closures.clear();
  }
}

function handlerFunction({ key, names, user }: Shape, body: readonly Statement[]): AsmFunction {
  const values = names.map((name, k) => A.constant(name, A.call(recordWord(k + 1), [A.identifier("p")])));
  return asmFunction(key, ["p"], [...values, ...body], false, interpreterAccesses(user));
}
