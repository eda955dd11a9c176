import type { Block } from "../block.js";
import { Batch } from "../batch.js";
import type { DefinedFunction } from "../codegen/wasm-binary.js";
import { blockCode, type Source } from "./copy-and-patch.js";
import type { FunctionTable } from "./function-table.js";
import * as R from "./records.js";

/** Blocks get their own code (copy-and-patch.ts) many at a time: a module costs the host about a millisecond, however little is in it. */
export class CodeBatches {
  private readonly i32: Int32Array;
  private readonly table: FunctionTable;
  private readonly sources: readonly (Source | undefined)[];
  private readonly link: (code: readonly DefinedFunction[]) => Readonly<Record<string, unknown>>;
  private readonly waiting: Batch<Block>;

  /** Batches of `size` blocks; `sources` as blockCode's; `link` gives functions by their names. */
  constructor(i32: Int32Array, table: FunctionTable, size: number, sources: CodeBatches["sources"], link: CodeBatches["link"]) {
    this.i32 = i32;
    this.table = table;
    this.waiting = new Batch(size);
    this.sources = sources;
    this.link = link;
  }

  /** The block is to have code with the next batch. One that asks for it again has waited long enough. */
  wait(block: Block): void {
    const batch = this.waiting.ask(block);
    if (batch !== undefined) this.make(batch);
  }

  private make(batch: readonly Block[]): void {
    const { i32, table } = this;
    const made: { block: Block; code: DefinedFunction }[] = [];
    for (const block of batch) {
      if (block.record === 0 || block.code !== null) continue;
      const code = blockCode(i32, block.record, `block_${block.record.toString(16)}`, this.sources);
      if (code !== null) made.push({ block, code });
    }
    if (made.length === 0) return;
    const functions = this.link(made.map(({ code }) => code));
    for (const { block, code } of made) i32[(block.record >> 2) + R.CODE] = table.add(functions[code.name]);
  }

  /** Takes the code of a block that is dropped; it may be the one that runs. */
  drop({ record }: Block): void {
    const at = (record >> 2) + R.CODE, place = this.i32[at]!;
    if (place === 0) return;
    this.i32[at] = 0;
    this.table.remove(place);
  }

  clear(): void {
    this.waiting.clear();
  }
}
