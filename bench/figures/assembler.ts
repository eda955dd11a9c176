/** Machine code by hand, as a Multiboot kernel: bytes in hexadecimal, words, and labels that addresses and distances refer to. */

/** Where an image is loaded; its Multiboot header comes first, its code after that. */
export const LOAD = 0x100000, ENTRY = LOAD + 0x20;
const MAGIC = 0x1badb002, HAS_ADDRESSES = 0x10000, HEADER_BYTES = 0x20;

export class Assembler {
  private readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixups: { readonly at: number; readonly label: string; readonly width: 1 | 4; readonly relative: boolean }[] = [];
  private readonly base: number;

  constructor(base = ENTRY) {
    this.base = base;
  }

  get here(): number {
    return this.base + this.bytes.length;
  }

  /** Bytes in hexadecimal; `@name` is a label's address, `>name` its 32-bit distance, `~name` its 8-bit distance, `=1234` a word in hexadecimal. */
  put(text: string): this {
    for (const token of text.split(/\s+/).filter(Boolean)) {
      const name = token.slice(1);
      if (token[0] === "=") this.word(parseInt(name, 16));
      else if ("@>~".includes(token[0]!)) {
        const width = token[0] === "~" ? 1 : 4;
        this.fixups.push({ at: this.bytes.length, label: name, width, relative: token[0] !== "@" });
        for (let i = 0; i < width; i++) this.bytes.push(0);
      } else for (let i = 0; i < token.length; i += 2) this.bytes.push(parseInt(token.slice(i, i + 2), 16));
    }
    return this;
  }

  word(...values: readonly number[]): this {
    for (const value of values) this.bytes.push(value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >>> 24);
    return this;
  }

  label(name: string): this {
    this.labels.set(name, this.here);
    return this;
  }

  align(to: number): this {
    while (this.here % to !== 0) this.bytes.push(0);
    return this;
  }

  addressOf(name: string): number {
    const address = this.labels.get(name);
    if (address === undefined) throw new Error(`no label ${name}`);
    return address;
  }

  /** The bytes, with all labels in place. */
  assemble(): Uint8Array {
    for (const { at, label, width, relative } of this.fixups) {
      const value = this.addressOf(label) - (relative ? this.base + at + width : 0);
      for (let i = 0; i < width; i++) this.bytes[at + i] = value >> 8 * i & 0xff;
    }
    return Uint8Array.from(this.bytes);
  }

  /** The code as a kernel that a Multiboot loader enters at ENTRY. */
  kernel(): Uint8Array {
    const code = this.assemble();
    const image = new Uint8Array(HEADER_BYTES + code.length);
    const view = new DataView(image.buffer);
    [MAGIC, HAS_ADDRESSES, -(MAGIC + HAS_ADDRESSES), LOAD, LOAD, LOAD + image.length, 0, ENTRY].forEach((word, i) => view.setUint32(4 * i, word >>> 0, true));
    image.set(code, HEADER_BYTES);
    return image;
  }
}

/** Descriptors of the kernels here: flat code and data of both rings in the order SYSENTER wants them, a TSS, and room for more. */
export const KERNEL_CS = 0x08, KERNEL_DS = 0x10, USER_CS = 0x1b, USER_DS = 0x23, TSS = 0x28;

export function flatDescriptors(tss: number): number[] {
  return [0, 0, 0xffff, 0xcf9a00, 0xffff, 0xcf9200, 0xffff, 0xcffa00, 0xffff, 0xcff200, 0x67 | tss << 16, (tss >>> 16 & 0xff) | 0x8900 | (tss & 0xff000000)];
}

/** An IDT of `count` gates: vector to the handler's label and the gate's type (0x8e interrupt, 0xee reachable from ring 3). */
export function interruptTable(code: Assembler, count: number, gates: ReadonlyMap<number, readonly [label: string, type: number]>): void {
  for (let vector = 0; vector < count; vector++) {
    const gate = gates.get(vector);
    const offset = gate === undefined ? 0 : code.addressOf(gate[0]);
    code.word(gate === undefined ? 0 : KERNEL_CS << 16 | offset & 0xffff, gate === undefined ? 0 : offset & 0xffff0000 | gate[1] << 8);
  }
}
