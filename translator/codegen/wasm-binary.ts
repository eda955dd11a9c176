/**
 * The WebAssembly binary format (webassembly.github.io/spec, Binary Format) of modules whose functions take and give 32-bit
 * integers and work on at most one memory, which is imported.
 */

const HOLE_BYTES = 5;

/** A growing run of bytes. */
export class Bytes {
  private data = new Uint8Array(1024);
  length = 0;

  byte(value: number): void {
    if (this.length === this.data.length) this.grow(1);
    this.data[this.length++] = value;
  }

  /** Unsigned LEB128. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    for (; rest >= 0x80; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  signed(value: number): void {
    let rest = value | 0;
    for (; rest < -64 || rest > 63; rest >>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest & 0x7f);
  }

  /** A signed LEB128 of full length, to be written over by `patch`. */
  hole(): void {
    for (let i = 1; i < HOLE_BYTES; i++) this.byte(0x80);
    this.byte(0);
  }

  /** Writes a 32-bit integer over the hole at `at`. */
  patch(at: number, value: number): void {
    const { data } = this;
    for (let i = 0; i < HOLE_BYTES - 1; i++) data[at + i] = (value >> 7 * i & 0x7f) | 0x80;
    data[at + HOLE_BYTES - 1] = value >> 7 * (HOLE_BYTES - 1) & 0x7f;
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  append(other: Bytes): void {
    this.write(other.bytes());
  }

  write(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.data.length) this.grow(bytes.length);
    this.data.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A view, right until more is written. */
  bytes(): Uint8Array {
    return this.data.subarray(0, this.length);
  }

  private grow(more: number): void {
    const wider = new Uint8Array(Math.max(2 * this.data.length, this.length + more));
    wider.set(this.data);
    this.data = wider;
  }
}

/** How a function is called: its number of parameters, and whether it gives a result. */
export interface Signature { readonly parameters: number; readonly result: boolean }

export interface ImportedFunction extends Signature { readonly name: string }

/** `body` holds instructions alone, without the final `end`. */
export interface DefinedFunction extends Signature {
  readonly name: string;
  /** How many there are behind the parameters. */
  readonly locals: number;
  readonly body: Bytes;
  /** In order of offsets. */
  readonly hints: readonly BranchHint[];
}

/** Whether the condition of the `if` at an offset in a body is likely to hold. */
export interface BranchHint { readonly offset: number; readonly likely: boolean }

/** The names of the two import objects: the memory is `heap.memory`, the table `heap.table`. */
export const IMPORTED_FUNCTIONS = "f", IMPORTED_HEAP = "heap", IMPORTED_MEMORY = "memory", IMPORTED_TABLE = "table";

/** Type and table of an indirect call: a module has one of each at the most. */
export const INDIRECT_TYPE = 0, INDIRECT_TABLE = 0;

export const I32 = 0x7f;
const FUNCTION_TYPE = 0x60, FUNCTION_REFERENCE = 0x70, EXTERNAL_FUNCTION = 0, EXTERNAL_TABLE = 1, EXTERNAL_MEMORY = 2, WITHOUT_MAXIMUM = 0, WITH_MAXIMUM = 1, END = 0x0b;
const SECTION = { custom: 0, type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const NAME_SECTION_FUNCTIONS = 1;
/** The section of the branch hinting proposal (github.com/WebAssembly/branch-hinting). */
const BRANCH_HINTS = "metadata.code.branch_hint";
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/**
 * A module that imports a memory of `pages` pages (0: none) and `imported`, and has `defined`, which it exports by their names. Functions are
 * numbered in this order: imported, then defined. Their names are in the name section, for profilers. With `indirect` it imports a table of functions of that
 * signature as well, to call by their indices.
 */
export function wasmModule(pages: number, imported: readonly ImportedFunction[], defined: readonly DefinedFunction[], indirect: Signature | null = null): Uint8Array {
  const types = new Map<string, number>();
  const typeSection = new Bytes();
  const type = ({ parameters, result }: Signature): number => {
    const key = `${parameters}${result}`;
    let index = types.get(key);
    if (index === undefined) {
      types.set(key, index = types.size);
      typeSection.byte(FUNCTION_TYPE);
      typeSection.unsigned(parameters);
      for (let i = 0; i < parameters; i++) typeSection.byte(I32);
      typeSection.unsigned(result ? 1 : 0);
      if (result) typeSection.byte(I32);
    }
    return index;
  };
  const imports = new Bytes();
  if (indirect !== null) {
    type(indirect);
    imports.name(IMPORTED_HEAP);
    imports.name(IMPORTED_TABLE);
    for (const value of [EXTERNAL_TABLE, FUNCTION_REFERENCE, WITHOUT_MAXIMUM, 0]) imports.unsigned(value);
  }
  if (pages !== 0) {
    imports.name(IMPORTED_HEAP);
    imports.name(IMPORTED_MEMORY);
    for (const value of [EXTERNAL_MEMORY, WITH_MAXIMUM, pages, pages]) imports.unsigned(value);
  }
  for (const one of imported) {
    imports.name(IMPORTED_FUNCTIONS);
    imports.name(one.name);
    imports.byte(EXTERNAL_FUNCTION);
    imports.unsigned(type(one));
  }
  const functions = new Bytes(), exports = new Bytes(), code = new Bytes();
  const firsts: number[] = [];
  defined.forEach((one, i) => {
    functions.unsigned(type(one));
    exports.name(one.name);
    exports.byte(EXTERNAL_FUNCTION);
    exports.unsigned(imported.length + i);
    const body = new Bytes();
    body.unsigned(one.locals === 0 ? 0 : 1);
    if (one.locals !== 0) {
      body.unsigned(one.locals);
      body.byte(I32);
    }
    firsts.push(body.length);
    body.append(one.body);
    body.byte(END);
    code.unsigned(body.length);
    code.append(body);
  });
  const out = new Bytes();
  for (const byte of MAGIC_AND_VERSION) out.byte(byte);
  const vector = (id: number, count: number, contents: Bytes): void => {
    const section = new Bytes();
    section.unsigned(count);
    section.append(contents);
    out.byte(id);
    out.unsigned(section.length);
    out.append(section);
  };
  vector(SECTION.type, types.size, typeSection);
  vector(SECTION.import, (pages === 0 ? 0 : 1) + (indirect === null ? 0 : 1) + imported.length, imports);
  vector(SECTION.function, defined.length, functions);
  vector(SECTION.export, defined.length, exports);
  hintSection(out, imported.length, defined, firsts);
  vector(SECTION.code, defined.length, code);
  nameSection(out, imported.length, defined);
  return out.bytes().slice();
}

/** Before the code section; offsets count from the function's declarations of locals, `firsts` gives where its instructions begin. */
function hintSection(out: Bytes, first: number, defined: readonly DefinedFunction[], firsts: readonly number[]): void {
  const hinted = new Bytes();
  let count = 0;
  defined.forEach(({ hints }, i) => {
    if (hints.length === 0) return;
    count++;
    hinted.unsigned(first + i);
    hinted.unsigned(hints.length);
    for (const { offset, likely } of hints) {
      hinted.unsigned(firsts[i]! + offset);
      hinted.unsigned(1);
      hinted.byte(likely ? 1 : 0);
    }
  });
  if (count === 0) return;
  const section = new Bytes();
  section.name(BRANCH_HINTS);
  section.unsigned(count);
  section.append(hinted);
  customSection(out, section);
}

function nameSection(out: Bytes, first: number, defined: readonly DefinedFunction[]): void {
  const names = new Bytes();
  names.unsigned(defined.length);
  defined.forEach(({ name }, i) => {
    names.unsigned(first + i);
    names.name(name);
  });
  const section = new Bytes();
  section.name("name");
  section.byte(NAME_SECTION_FUNCTIONS);
  section.unsigned(names.length);
  section.append(names);
  customSection(out, section);
}

function customSection(out: Bytes, section: Bytes): void {
  out.byte(SECTION.custom);
  out.unsigned(section.length);
  out.append(section);
}
