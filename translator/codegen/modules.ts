import { type WasmModule, webAssembly } from "../../hypervisor/webassembly.js";

const modules = new Map<string, WasmModule>();

/** The module that `make` gives the bytes of, for a heap of `pages` pages of WebAssembly's: compiled once a process for each number of pages. `key` tells modules apart. */
export function moduleOf(key: string, pages: number, make: () => Uint8Array): WasmModule {
  const full = `${pages} ${key}`;
  let module = modules.get(full);
  if (module === undefined) modules.set(full, module = new webAssembly!.Module(make()));
  return module;
}
