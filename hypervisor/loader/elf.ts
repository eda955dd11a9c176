/**
 * ELF32 for the i386: segments, sections and notes of an executable.
 * Reference: Tool Interface Standard (TIS) Executable and Linking Format, version 1.2.
 * Everything the file says is checked before anything is used; what is wrong is one UsageError.
 * Left out: relocatable and shared objects, symbols.
 */
import { UsageError } from "../errors.js";

const EHDR_SIZE = 52;
const PHDR_SIZE = 32;
const SHDR_SIZE = 40;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46] as const;
const EI_CLASS = 4;
const EI_DATA = 5;
const EI_VERSION = 6;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EV_CURRENT = 1;
const ET_EXEC = 2;
const EM_386 = 3;
const PT_LOAD = 1;
const PT_NOTE = 4;
const SHT_NOTE = 7;
const SHT_NOBITS = 8;
const NOTE_HEADER_SIZE = 12;
const FOUR_GIB = 2 ** 32;

/** A part of memory the image fills. */
export interface ElfSegment {
  /** Virtual and physical address of the first byte. */
  readonly vaddr: number;
  readonly paddr: number;
  /** Bytes in memory; those beyond `data` are zero. */
  readonly memSize: number;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number;
  readonly data: Uint8Array;
}

export interface ElfSection {
  readonly name: string;
  /** SHT_ number. */
  readonly type: number;
  readonly addr: number;
  /** Bytes in memory; `data` is empty for SHT_NOBITS. */
  readonly size: number;
  readonly data: Uint8Array;
}

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

export interface ElfImage {
  /** Virtual address of the first instruction. */
  readonly entry: number;
  /** PT_LOAD segments with memory to them, in the file's order. */
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** Notes of the PT_NOTE segments, and those of the SHT_NOTE sections (often the same ones). */
  readonly segmentNotes: readonly ElfNote[];
  readonly sectionNotes: readonly ElfNote[];
}

/** Whether the bytes begin as an ELF file of any kind. */
export function isElf(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/** Parses an executable. `name` stands for the image in messages. */
export function parseElf(bytes: Uint8Array, name = "image"): ElfImage {
  return new ElfReader(bytes, name).parse();
}

/** The section of a name, or undefined. */
export function elfSection(image: ElfImage, name: string): ElfSection | undefined {
  return image.sections.find(section => section.name === name);
}

class ElfReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly name: string;

  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
  }

  parse(): ElfImage {
    this.checkIdentification();
    const segments: ElfSegment[] = [];
    const segmentNotes: ElfNote[] = [];
    const phoff = this.u32(28), phentsize = this.u16(42), phnum = this.u16(44);
    if (phnum === 0) throw this.bad("has no program headers");
    if (phentsize < PHDR_SIZE) throw this.bad(`has program headers of ${phentsize} bytes`);
    this.checkInFile(phoff, phentsize * phnum, "program headers");
    for (let i = 0; i < phnum; i++) this.readProgramHeader(i, phoff + i * phentsize, segments, segmentNotes);
    this.checkOverlap(segments);
    const sections = this.readSections();
    const sectionNotes = sections.filter(section => section.type === SHT_NOTE)
      .flatMap(section => this.readNotes(section.data, `section ${section.name}`));
    return { entry: this.u32(24), segments, sections, segmentNotes, sectionNotes };
  }

  private checkIdentification(): void {
    const { bytes } = this;
    if (!isElf(bytes)) throw this.bad("is not an ELF file");
    if (bytes.length < EHDR_SIZE) throw this.bad("is truncated: the ELF header is not whole");
    if (bytes[EI_CLASS] === ELFCLASS64) throw this.bad("is a 64-bit ELF file; a 32-bit i386 one is needed");
    if (bytes[EI_CLASS] !== ELFCLASS32) throw this.bad(`has unknown ELF class ${bytes[EI_CLASS]}`);
    if (bytes[EI_DATA] !== ELFDATA2LSB) throw this.bad("is not a little-endian ELF file");
    if (bytes[EI_VERSION] !== EV_CURRENT || this.u32(20) !== EV_CURRENT) throw this.bad("has an unknown ELF version");
    if (this.u16(18) !== EM_386) throw this.bad(`is for machine ${this.u16(18)}, not for the i386`);
    if (this.u16(16) !== ET_EXEC) throw this.bad(`is ELF type ${this.u16(16)}, not an executable`);
  }

  private readProgramHeader(index: number, at: number, segments: ElfSegment[], notes: ElfNote[]): void {
    const type = this.u32(at), offset = this.u32(at + 4), fileSize = this.u32(at + 16);
    if (type !== PT_LOAD && type !== PT_NOTE) return;
    const what = `segment ${index}`;
    const data = this.slice(offset, fileSize, what);
    if (type === PT_NOTE) {
      notes.push(...this.readNotes(data, what));
      return;
    }
    const vaddr = this.u32(at + 8), paddr = this.u32(at + 12), memSize = this.u32(at + 20);
    if (fileSize > memSize) throw this.bad(`has more bytes in ${what} than memory for it`);
    if (paddr + memSize > FOUR_GIB || vaddr + memSize > FOUR_GIB) throw this.bad(`has ${what} reaching beyond 4 GiB`);
    if (memSize > 0) segments.push({ vaddr, paddr, memSize, flags: this.u32(at + 24), data });
  }

  private checkOverlap(segments: readonly ElfSegment[]): void {
    const sorted = [...segments].sort((a, b) => a.paddr - b.paddr);
    for (let i = 1; i < sorted.length; i++) {
      const before = sorted[i - 1]!, after = sorted[i]!;
      if (before.paddr + before.memSize > after.paddr) {
        throw this.bad(`has overlapping segments at 0x${after.paddr.toString(16)}`);
      }
    }
  }

  private readSections(): ElfSection[] {
    const shoff = this.u32(32), shentsize = this.u16(46), shnum = this.u16(48), shstrndx = this.u16(50);
    if (shoff === 0 || shnum === 0) return [];
    if (shentsize < SHDR_SIZE) throw this.bad(`has section headers of ${shentsize} bytes`);
    this.checkInFile(shoff, shentsize * shnum, "section headers");
    const header = (index: number): number => shoff + index * shentsize;
    const contents = (index: number): Uint8Array => {
      const at = header(index);
      if (this.u32(at + 4) === SHT_NOBITS || index === 0) return new Uint8Array(0);
      return this.slice(this.u32(at + 16), this.u32(at + 20), `section ${index}`);
    };
    if (shstrndx >= shnum) throw this.bad("has no section name table");
    const names = contents(shstrndx);
    const sections: ElfSection[] = [];
    for (let i = 1; i < shnum; i++) {
      const at = header(i);
      const nameAt = this.u32(at);
      const end = names.indexOf(0, nameAt);
      if (shstrndx !== 0 && (nameAt >= names.length || end < 0)) throw this.bad(`has no name for section ${i}`);
      sections.push({
        name: shstrndx === 0 ? "" : latin1(names.subarray(nameAt, end)),
        type: this.u32(at + 4), addr: this.u32(at + 12), size: this.u32(at + 20), data: contents(i),
      });
    }
    return sections;
  }

  private readNotes(data: Uint8Array, what: string): ElfNote[] {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const notes: ElfNote[] = [];
    for (let at = 0; at < data.length;) {
      if (data.length - at < NOTE_HEADER_SIZE) throw this.bad(`has a truncated note in ${what}`);
      const nameSize = view.getUint32(at, true), descSize = view.getUint32(at + 4, true);
      const nameAt = at + NOTE_HEADER_SIZE;
      const descAt = nameAt + aligned(nameSize);
      if (descAt + descSize > data.length) throw this.bad(`has a truncated note in ${what}`);
      const text = latin1(data.subarray(nameAt, nameAt + nameSize));
      notes.push({
        name: text.replace(/\0+$/, ""), type: view.getUint32(at + 8, true), desc: data.subarray(descAt, descAt + descSize),
      });
      at = descAt + aligned(descSize);
    }
    return notes;
  }

  private checkInFile(offset: number, length: number, what: string): void {
    if (offset + length > this.bytes.length) throw this.bad(`is truncated: its ${what} lies outside the file`);
  }

  private slice(offset: number, length: number, what: string): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    this.checkInFile(offset, length, what);
    return this.bytes.subarray(offset, offset + length);
  }

  private u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  private u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  private bad(fault: string): UsageError {
    return new UsageError(`${this.name} ${fault}`);
  }
}

/** Rounds up to the 4-byte alignment of notes. */
function aligned(size: number): number {
  return Math.ceil(size / 4) * 4;
}

/** Bytes as text, one character each. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
