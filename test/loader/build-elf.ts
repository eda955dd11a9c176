/** Builds small ELF32 files byte by byte, so that a test can spoil any field. */

export interface SegmentSpec {
  type?: number;
  vaddr?: number;
  paddr?: number;
  data: Uint8Array;
  memSize?: number;
  flags?: number;
}

export interface SectionSpec {
  name: string;
  type: number;
  addr?: number;
  data: Uint8Array;
}

export interface ElfSpec {
  entry?: number;
  segments: SegmentSpec[];
  sections?: SectionSpec[];
}

/** Offsets of header fields, for tests that spoil them. */
export const EHDR = { class: 4, data: 5, version: 6, type: 16, machine: 18, phoff: 28, shoff: 32, phentsize: 42, phnum: 44, shentsize: 46, shstrndx: 50 } as const;
export const PHDR = { at: 52, size: 32, offset: 4, vaddr: 8, paddr: 12, fileSize: 16, memSize: 20 } as const;

/** Lays out header, program headers, segment bytes, section bytes, names, section headers. */
export function buildElf(spec: ElfSpec): Uint8Array {
  const sections = spec.sections ?? [];
  const chunks: Uint8Array[] = [];
  let at = PHDR.at + spec.segments.length * PHDR.size;
  const place = (data: Uint8Array): number => {
    const padding = (4 - (at % 4)) % 4;
    chunks.push(new Uint8Array(padding), data);
    at += padding + data.length;
    return at - data.length;
  };
  const head = new Uint8Array(at);
  const view = new DataView(head.buffer);
  head.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true); view.setUint16(18, 3, true); view.setUint32(20, 1, true);
  view.setUint32(24, spec.entry ?? 0x100000, true); view.setUint32(28, PHDR.at, true);
  view.setUint16(40, 52, true); view.setUint16(42, PHDR.size, true); view.setUint16(44, spec.segments.length, true);
  spec.segments.forEach((segment, i) => {
    const base = PHDR.at + i * PHDR.size;
    const vaddr = segment.vaddr ?? 0x100000;
    [segment.type ?? 1, place(segment.data), vaddr, segment.paddr ?? vaddr, segment.data.length,
      segment.memSize ?? segment.data.length, segment.flags ?? 7, 4].forEach((value, word) => view.setUint32(base + 4 * word, value, true));
  });
  if (sections.length > 0) {
    const names = `\0.shstrtab\0${sections.map((section) => `${section.name}\0`).join("")}`;
    const all = [...sections, { name: ".shstrtab", type: 3, data: Buffer.from(names, "latin1") } as SectionSpec];
    const headers = new Uint8Array((all.length + 1) * 40);
    const table = new DataView(headers.buffer);
    all.forEach((section, i) => {
      [names.indexOf(`\0${section.name}\0`) + 1, section.type, 0, section.addr ?? 0, place(section.data), section.data.length]
        .forEach((value, word) => table.setUint32((i + 1) * 40 + 4 * word, value, true));
    });
    view.setUint32(EHDR.shoff, place(headers), true);
    view.setUint16(46, 40, true); view.setUint16(48, all.length + 1, true); view.setUint16(EHDR.shstrndx, all.length, true);
  }
  const file = new Uint8Array(at);
  let offset = 0;
  for (const chunk of [head, ...chunks]) {
    file.set(chunk, offset);
    offset += chunk.length;
  }
  return file;
}

/** A copy of the bytes with one little-endian field changed. */
export function spoil(bytes: Uint8Array, at: number, value: number, size: 1 | 2 | 4): Uint8Array {
  const copy = bytes.slice();
  for (let i = 0; i < size; i++) copy[at + i] = value >>> (8 * i);
  return copy;
}

export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => new DataView(bytes.buffer).setUint32(4 * i, value, true));
  return bytes;
}

/** One ELF note; a string gets its terminating zero, a number is 4 bytes. */
export function note(name: string, type: number, desc: string | number | Uint8Array): Uint8Array {
  const owner = Buffer.from(`${name}\0`);
  const body = typeof desc === "number" ? words(desc) : typeof desc === "string" ? Buffer.from(`${desc}\0`) : desc;
  const pad = (bytes: Uint8Array): Uint8Array => join(bytes, new Uint8Array((4 - (bytes.length % 4)) % 4));
  return join(words(owner.length, body.length, type), pad(owner), pad(body));
}

export function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
