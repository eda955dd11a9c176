import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { baseState, type FormCases, State, STATE_BYTES } from "./state.js";

/**
 * Recorded cases in a file: a line of JSON that names the forms, then for each case two differences, input from
 * baseState and output from input. A difference is a list of runs: bytes skipped, bytes changed (varints), the bytes;
 * it ends with two zeros.
 */
interface Header {
  readonly processor: string;
  readonly forms: readonly { readonly name: string; readonly mnemonic: string; readonly code: string; readonly cases: number }[];
}

class Writer {
  private bytes = new Uint8Array(1 << 16);
  length = 0;

  byte(value: number): void {
    if (this.length === this.bytes.length) {
      const wider = new Uint8Array(2 * this.length);
      wider.set(this.bytes);
      this.bytes = wider;
    }
    this.bytes[this.length++] = value;
  }

  varint(value: number): void {
    for (; value > 0x7f; value >>>= 7) this.byte(value & 0x7f | 0x80);
    this.byte(value);
  }

  difference(from: State, to: State): void {
    let last = 0;
    for (let at = 0; at < STATE_BYTES;) {
      if (from.bytes[at] === to.bytes[at]) {
        at++;
        continue;
      }
      // A single equal byte inside a run costs less than a new run.
      let end = at + 1;
      while (end < STATE_BYTES && (from.bytes[end] !== to.bytes[end] || from.bytes[end + 1] !== to.bytes[end + 1])) end++;
      this.varint(at - last);
      this.varint(end - at);
      for (; at < end; at++) this.byte(to.bytes[at]!);
      last = end;
    }
    this.varint(0);
    this.varint(0);
  }

  result(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

class Reader {
  private readonly bytes: Uint8Array;
  private at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  private varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError("vector file ends early");
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  difference(from: State): State {
    const to = from.copy();
    for (let at = 0; ;) {
      at += this.varint();
      const length = this.varint();
      if (length === 0) return to;
      to.bytes.set(this.bytes.subarray(this.at, this.at + length), at);
      this.at += length;
      at += length;
    }
  }
}

export function encode(processor: string, forms: readonly FormCases[]): Uint8Array {
  const header: Header = {
    processor,
    forms: forms.map((form) => ({ name: form.name, mnemonic: form.mnemonic, code: Buffer.from(form.code).toString("hex"), cases: form.inputs.length })),
  };
  const base = baseState();
  const writer = new Writer();
  for (const form of forms) {
    form.inputs.forEach((input, i) => {
      writer.difference(base, input);
      writer.difference(input, form.outputs[i]!);
    });
  }
  const all = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), writer.result()]);
  return brotliCompressSync(all, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22 } });
}

export function decode(file: Uint8Array): { readonly processor: string; readonly forms: FormCases[] } {
  const all = brotliDecompressSync(file);
  const line = all.indexOf(10);
  const header = JSON.parse(all.toString("utf8", 0, line)) as Header;
  const base = baseState();
  const reader = new Reader(all, line + 1);
  const forms = header.forms.map((form): FormCases => {
    const inputs: State[] = [], outputs: State[] = [];
    for (let i = 0; i < form.cases; i++) {
      const input = reader.difference(base);
      inputs.push(input);
      outputs.push(reader.difference(input));
    }
    return { name: form.name, mnemonic: form.mnemonic, code: new Uint8Array(Buffer.from(form.code, "hex")), inputs, outputs };
  });
  return { processor: header.processor, forms };
}

/** The file of a suite, in the source tree. */
function path(suite: string): string {
  return fileURLToPath(new URL(`vectors/${suite}.br`, import.meta.url)).replace(`${sep}dist${sep}test${sep}`, `${sep}test${sep}`);
}

export function readVectors(suite: string): ReturnType<typeof decode> | undefined {
  const file = path(suite);
  return existsSync(file) ? decode(readFileSync(file)) : undefined;
}

export function writeVectors(suite: string, processor: string, forms: readonly FormCases[]): number {
  const bytes = encode(processor, forms);
  writeFileSync(path(suite), bytes);
  return bytes.length;
}
