import { type WasmTable, webAssembly } from "../../hypervisor/webassembly.js";

/** The table of everything that threaded code calls by number; place 0 is never given out. */
export class FunctionTable {
  readonly table: WasmTable = new webAssembly!.Table({ element: "anyfunc", initial: 1 });
  private readonly free: number[] = [];

  /** Puts a function at a place that is free; gives its number. */
  add(run: unknown): number {
    const place = this.free.pop() ?? this.table.grow(1);
    this.table.set(place, run);
    return place;
  }

  /** The place is free again. What runs there may go on to its end. */
  remove(place: number): void {
    this.table.set(place, null);
    this.free.push(place);
  }
}
