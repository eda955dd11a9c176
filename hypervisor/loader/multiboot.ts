/**
 * Multiboot 1: finds the header, loads the image and its modules, builds the information structure.
 * Reference: Multiboot Specification version 0.6.96.
 * Left out: video modes (asking for one is ignored), drives, APM and symbol tables in the information
 * structure; bits for what is not given stay clear.
 */
import type { GuestMemory } from "../devices/device.js";
import { UsageError } from "../errors.js";
import { isElf, parseElf } from "./elf.js";

const HEADER_MAGIC = 0x1bad_b002;
const HEADER_LIMIT = 8192;
/** What EAX tells a multiboot kernel. */
export const MULTIBOOT_EAX = 0x2bad_b002;

const FLAG_VIDEO_MODE = 0x0000_0004;
const FLAG_ADDRESSES = 0x0001_0000;
/** Features a loader must know; 0 and 1 (aligned modules, memory information) are always given. */
const KNOWN_REQUIRED = 0x0000_0003 | FLAG_VIDEO_MODE;
const REQUIRED_MASK = 0x0000_ffff;

const MBI_SIZE = 88;
const MBI_MEMORY = 0x001;
const MBI_CMDLINE = 0x004;
const MBI_MODULES = 0x008;
const MBI_MMAP = 0x040;
const MBI_LOADER_NAME = 0x200;
const MODULE_SIZE = 16;
const MMAP_ENTRY_SIZE = 24;
const MMAP_AVAILABLE = 1;
const MMAP_RESERVED = 2;

const PAGE = 4096;
const KIB = 1024;
const MIB = 1024 * KIB;
/** RAM below 640 KiB ends where a BIOS keeps its extended data area. */
const LOW_END = 639 * KIB;
const LOW_START = 0x1000;
const BIOS_ROM = 0xf_0000;
const LOADER_NAME = "trivisor";

/** The header's fields; addresses are physical. */
export interface MultibootHeader {
  /** Where in the file it is. */
  readonly offset: number;
  readonly flags: number;
  /** Set when the header says itself where to load (not an ELF file, or an ELF file that overrides). */
  readonly addresses?: {
    readonly header: number;
    readonly load: number;
    /** 0: to the end of the file. */
    readonly loadEnd: number;
    /** 0: no bss. */
    readonly bssEnd: number;
    readonly entry: number;
  };
}

export interface MultibootModule {
  readonly bytes: Uint8Array;
  readonly commandLine?: string;
}

export interface MultibootOptions {
  /** Stands for the image in messages. */
  readonly name?: string;
  readonly commandLine?: string;
  readonly modules?: readonly MultibootModule[];
}

/** How to start: EIP, EAX and EBX, in flat 32-bit protected mode without paging. */
export interface MultibootEntry {
  readonly entry: number;
  readonly eax: number;
  readonly ebx: number;
}

/** A run of physical memory, [start, end). */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Finds the header: in the first 8,192 bytes, on a multiple of four, with its checksum right. */
export function findMultibootHeader(bytes: Uint8Array): MultibootHeader | undefined {
  const limit = Math.min(bytes.length, HEADER_LIMIT);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  for (let offset = 0; offset + 12 <= limit; offset += 4) {
    if (u32(offset) !== HEADER_MAGIC) continue;
    const flags = u32(offset + 4);
    if ((HEADER_MAGIC + flags + u32(offset + 8)) % 2 ** 32 !== 0) continue;
    if (!(flags & FLAG_ADDRESSES)) return { offset, flags };
    if (offset + 32 > limit) continue;
    const [header, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map(at => u32(offset + at));
    return { offset, flags, addresses: { header: header!, load: load!, loadEnd: loadEnd!, bssEnd: bssEnd!, entry: entry! } };
  }
  return undefined;
}

/** Loads an image and everything it is handed into memory. */
export function loadMultiboot(bytes: Uint8Array, memory: GuestMemory, options: MultibootOptions = {}): MultibootEntry {
  const name = options.name ?? "image";
  const header = findMultibootHeader(bytes);
  if (!header) throw new UsageError(`${name} has no Multiboot header in its first 8192 bytes`);
  const unknown = header.flags & REQUIRED_MASK & ~KNOWN_REQUIRED;
  if (unknown) throw new UsageError(`${name} requires unknown Multiboot features 0x${unknown.toString(16)}`);
  const { entry, used } = header.addresses
    ? loadByHeader(bytes, header.offset, header.addresses, memory, name)
    : loadElf(bytes, memory, name);
  const modules = placeModules(options.modules ?? [], used, memory);
  const ebx = placeInformation(options.commandLine ?? "", modules, used, memory);
  return { entry, eax: MULTIBOOT_EAX, ebx };
}

function loadElf(bytes: Uint8Array, memory: GuestMemory, name: string): { entry: number; used: Range[] } {
  if (!isElf(bytes)) throw new UsageError(`${name} is no ELF file and its Multiboot header gives no addresses`);
  const elf = parseElf(bytes, name);
  const used: Range[] = [];
  for (const { paddr, memSize } of elf.segments) used.push(claim(paddr, paddr + memSize, memory, name));
  for (const { paddr, memSize, data } of elf.segments) {
    memory.write(paddr, data);
    zero(memory, paddr + data.length, memSize - data.length);
  }
  // Paging is off, so an entry given as linked is taken to where its segment was loaded; kernels that
  // run high in virtual memory often give the physical address itself.
  const home = elf.segments.find(s => elf.entry >= s.vaddr && elf.entry < s.vaddr + s.memSize);
  const physical = elf.segments.some(s => elf.entry >= s.paddr && elf.entry < s.paddr + s.memSize);
  if (!home && !physical) throw new UsageError(`${name} has its entry point outside its segments`);
  return { entry: home ? elf.entry - home.vaddr + home.paddr : elf.entry, used };
}

/** The "a.out kludge": the header itself says what goes where. */
function loadByHeader(
  bytes: Uint8Array, offset: number, at: NonNullable<MultibootHeader["addresses"]>, memory: GuestMemory, name: string,
): { entry: number; used: Range[] } {
  const fileStart = offset - (at.header - at.load);
  const length = at.loadEnd === 0 ? bytes.length - fileStart : at.loadEnd - at.load;
  if (at.load > at.header || fileStart < 0 || length <= 0) throw new UsageError(`${name} has impossible Multiboot load addresses`);
  if (fileStart + length > bytes.length) throw new UsageError(`${name} is truncated: its Multiboot load range ends outside the file`);
  const loadEnd = at.load + length;
  if (at.bssEnd !== 0 && at.bssEnd < loadEnd) throw new UsageError(`${name} has its Multiboot bss end before its load end`);
  const end = Math.max(loadEnd, at.bssEnd);
  if (at.entry < at.load || at.entry >= end) throw new UsageError(`${name} has its Multiboot entry outside the image`);
  const used = [claim(at.load, end, memory, name)];
  memory.write(at.load, bytes.subarray(fileStart, fileStart + length));
  zero(memory, loadEnd, end - loadEnd);
  return { entry: at.entry, used };
}

function claim(start: number, end: number, memory: GuestMemory, name: string): Range {
  if (end > memory.size) {
    throw new UsageError(`${name} needs memory up to 0x${end.toString(16)} but there are ${memory.size / MIB} MiB`);
  }
  return { start, end };
}

function zero(memory: GuestMemory, pa: number, length: number): void {
  const zeros = new Uint8Array(Math.min(length, 64 * KIB));
  for (let done = 0; done < length; done += zeros.length) {
    memory.write(pa + done, zeros.subarray(0, Math.min(zeros.length, length - done)));
  }
}

interface PlacedModule extends Range {
  readonly commandLine: string;
}

/** Modules follow the image, each on its own pages, above 1 MiB. */
function placeModules(modules: readonly MultibootModule[], used: Range[], memory: GuestMemory): PlacedModule[] {
  let next = Math.max(MIB, ...used.map(range => range.end));
  return modules.map(({ bytes, commandLine }, i) => {
    const start = Math.ceil(next / PAGE) * PAGE;
    next = start + bytes.length;
    const range = claim(start, next, memory, `module ${i} (${bytes.length} bytes)`);
    memory.write(start, bytes);
    used.push(range);
    return { ...range, commandLine: commandLine ?? "" };
  });
}

/** Builds the information structure and all it points to as one block; returns its address. */
function placeInformation(commandLine: string, modules: readonly PlacedModule[], used: readonly Range[], memory: GuestMemory): number {
  const map = memoryMap(memory.size);
  const strings = [commandLine, LOADER_NAME, ...modules.map(module => module.commandLine)].map(encode);
  const modulesAt = MBI_SIZE;
  const mapAt = modulesAt + modules.length * MODULE_SIZE;
  const stringsAt = mapAt + map.length * MMAP_ENTRY_SIZE;
  const block = new Uint8Array(strings.reduce((total, s) => total + s.length, stringsAt));
  const base = freeSpace(block.length, used, memory);
  const view = new DataView(block.buffer);
  const put = (at: number, value: number): void => view.setUint32(at, value, true);

  const addresses: number[] = [];
  let at = stringsAt;
  for (const string of strings) {
    addresses.push(base + at);
    block.set(string, at);
    at += string.length;
  }
  put(0, MBI_MEMORY | MBI_CMDLINE | MBI_MODULES | MBI_MMAP | MBI_LOADER_NAME);
  put(4, LOW_END / KIB); // mem_lower, KiB from 0
  put(8, Math.max(0, Math.floor((memory.size - MIB) / KIB))); // mem_upper, KiB from 1 MiB
  put(16, addresses[0]!);
  put(20, modules.length);
  put(24, base + modulesAt);
  put(44, map.length * MMAP_ENTRY_SIZE);
  put(48, base + mapAt);
  put(64, addresses[1]!);
  modules.forEach((module, i) => {
    put(modulesAt + i * MODULE_SIZE, module.start);
    put(modulesAt + i * MODULE_SIZE + 4, module.end);
    put(modulesAt + i * MODULE_SIZE + 8, addresses[2 + i]!);
  });
  map.forEach(({ start, end, type }, i) => {
    const entry = mapAt + i * MMAP_ENTRY_SIZE;
    put(entry, MMAP_ENTRY_SIZE - 4); // the size field does not count itself
    put(entry + 4, start % 2 ** 32);
    put(entry + 8, Math.floor(start / 2 ** 32));
    put(entry + 12, (end - start) % 2 ** 32);
    put(entry + 16, Math.floor((end - start) / 2 ** 32));
    put(entry + 20, type);
  });
  memory.write(base, block);
  return base;
}

/** Memory as a BIOS would list it. */
function memoryMap(size: number): (Range & { type: number })[] {
  return [
    { start: 0, end: Math.min(LOW_END, size), type: MMAP_AVAILABLE },
    { start: LOW_END, end: 640 * KIB, type: MMAP_RESERVED },
    { start: BIOS_ROM, end: MIB, type: MMAP_RESERVED },
    { start: MIB, end: size, type: MMAP_AVAILABLE },
  ].filter(range => range.end > range.start);
}

/** Room for the information: low memory the image does not use, else above everything else. */
function freeSpace(length: number, used: readonly Range[], memory: GuestMemory): number {
  const fits = (start: number): boolean => used.every(range => start + length <= range.start || start >= range.end);
  const lowEnd = Math.min(LOW_END, memory.size);
  for (let start = LOW_START; start + length <= lowEnd; start += PAGE) if (fits(start)) return start;
  const above = Math.ceil(Math.max(MIB, ...used.map(range => range.end)) / PAGE) * PAGE;
  if (above + length > memory.size) throw new UsageError("no memory is left for the Multiboot information");
  return above;
}

/** UTF-8 with its terminating zero. */
function encode(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
