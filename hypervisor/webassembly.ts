/** The part of the WebAssembly JavaScript interface (webassembly.github.io/spec/js-api) that is used here; the types of Node do not have it. */
export interface WasmMemory { readonly buffer: ArrayBuffer }
/** A table of functions. */
export interface WasmTable {
  readonly length: number;
  grow(by: number): number;
  set(index: number, value: unknown): void;
}
export interface WasmModule { readonly [Symbol.toStringTag]: "WebAssembly.Module" }
export interface WasmInstance { readonly exports: Readonly<Record<string, unknown>> }

export interface WebAssemblyInterface {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: {
    new (bytes: Uint8Array): WasmModule;
    customSections(module: WasmModule, name: string): ArrayBuffer[];
  };
  readonly Table: new (descriptor: { element: "anyfunc"; initial: number }) => WasmTable;
  readonly Instance: new (module: WasmModule, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>) => WasmInstance;
}

/** Bytes of a page of its memory. */
export const WASM_PAGE_BYTES = 65536;

/** null where the host has none (`node --jitless`, `node --no-expose-wasm`). */
export const webAssembly: WebAssemblyInterface | null = (globalThis as { WebAssembly?: WebAssemblyInterface }).WebAssembly ?? null;
