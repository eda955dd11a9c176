/**
 * Linux's bzImage: checks the setup header, places kernel, command line and initrd, builds the "zero page".
 * Reference: Linux, Documentation/arch/x86/boot.rst (protocol 2.04 to 2.15, 32-bit entry) and zero-page.rst.
 * A kernel that takes one is given a seed for its random numbers, as boot loaders do: the same in every run, since a run
 * depends on nothing of the host, and without it a kernel of 2022 gathers entropy for a second by waiting for it.
 * Left out: protocols before 2.04 (zImage, kernels before 2.6.14), EFI, the real-mode entry.
 */
import type { GuestMemory } from "../devices/device.js";
import { UsageError } from "../errors.js";
import { memoryMap } from "./memory-map.js";

/** Offsets of the setup header's fields, in the file and in the zero page alike. */
const SETUP_SECTS = 0x1f1, BOOT_FLAG = 0x1fe, HEADER_END = 0x201, MAGIC = 0x202, VERSION = 0x206, TYPE_OF_LOADER = 0x210, LOADFLAGS = 0x211,
  CODE32_START = 0x214, RAMDISK_IMAGE = 0x218, RAMDISK_SIZE = 0x21c, CMD_LINE_PTR = 0x228, INITRD_ADDR_MAX = 0x22c, CMDLINE_SIZE = 0x238,
  SETUP_DATA = 0x250, PREF_ADDRESS = 0x258, INIT_SIZE = 0x260;
const HEADER_START = SETUP_SECTS, HEADER_LIMIT = 0x290;
const BOOT_SIGNATURE = 0xaa55, HDRS = 0x53726448;
const LOADED_HIGH = 0x01, UNDEFINED_LOADER = 0xff;
const OLDEST_VERSION = 0x204, VERSION_CMDLINE_SIZE = 0x206, VERSION_SETUP_DATA = 0x209, VERSION_INIT_SIZE = 0x20a;
const SETUP_DATA_HEADER = 16, SETUP_RNG_SEED = 9, SEED_BYTES = 32;
const DEFAULT_SETUP_SECTS = 4, SECTOR = 512;
/** Longest command line of a kernel that does not say. */
const DEFAULT_CMDLINE_SIZE = 255;

/** Offsets of the zero page's own fields. */
const VIDEO_MODE = 0x06, VIDEO_COLS = 0x07, VIDEO_EGA = 0x0a, VIDEO_LINES = 0x0e, VIDEO_IS_VGA = 0x0f, VIDEO_POINTS = 0x10,
  ALT_MEM_K = 0x1e0, E820_ENTRIES = 0x1e8, E820_TABLE = 0x2d0;
const E820_ENTRY = 20;

const PAGE = 4096, MIB = 0x10_0000;
const ZERO_PAGE = 0x9_0000, GDT = 0x9_1000, COMMAND_LINE = 0x9_2000, SEED = 0x9_3000, STACK = 0x9_f000;

/** Selectors the entry point expects (boot.rst, "32-bit Boot Protocol"). */
export const BOOT_CS = 0x10, BOOT_DS = 0x18;
/** Flat code and data at those selectors. */
const GDT_ENTRIES: readonly (readonly [number, number])[] = [[0, 0], [0, 0], [0x0000_ffff, 0x00cf_9b00], [0x0000_ffff, 0x00cf_9300]];

export interface LinuxOptions {
  /** Stands for the image in messages. */
  readonly name?: string;
  readonly commandLine?: string;
  readonly initrd?: Uint8Array;
  /** The text mode the screen is in is not told: there is no VGA. */
  readonly noScreen?: boolean;
}

/** How to start: flat 32-bit protected mode without paging, BOOT_CS and BOOT_DS, this GDT, ESI, interrupts off. */
export interface LinuxEntry {
  readonly entry: number;
  /** Physical address of the zero page. */
  readonly esi: number;
  readonly esp: number;
  readonly gdtBase: number;
  readonly gdtLimit: number;
}

/** Loads a kernel and everything it is handed into memory. */
export function loadLinux(bytes: Uint8Array, memory: GuestMemory, options: LinuxOptions = {}): LinuxEntry {
  const name = options.name ?? "image";
  const { setup, kernel } = checkKernel(bytes, name);
  const version = setup.getUint16(VERSION, true);
  const code = setup.getUint32(CODE32_START, true);
  const needed = version >= VERSION_INIT_SIZE ? Math.max(code, setup.getUint32(PREF_ADDRESS, true)) + setup.getUint32(INIT_SIZE, true) : code + kernel.length;
  if (code < MIB) throw new UsageError(`${name} has no 32-bit entry; a boot loader on a disk or CD image can start it`);
  if (needed > memory.size) {
    throw new UsageError(`${name} needs ${Math.ceil(needed / MIB)} MiB of memory, the machine has ${Math.floor(memory.size / MIB)}`);
  }
  memory.write(code, kernel);

  const page = new Uint8Array(PAGE);
  const zero = new DataView(page.buffer);
  const end = Math.min(MAGIC + bytes[HEADER_END]!, HEADER_LIMIT);
  page.set(bytes.subarray(HEADER_START, end), HEADER_START);
  page[TYPE_OF_LOADER] = UNDEFINED_LOADER;
  placeCommandLine(zero, version, options.commandLine ?? "", memory, name);
  if (options.initrd) placeInitrd(zero, options.initrd, needed, memory, name);
  if (version >= VERSION_SETUP_DATA) placeSeed(zero, memory);
  if (!options.noScreen) describeScreen(zero);
  describeMemory(zero, memory.size);
  memory.write(ZERO_PAGE, page);

  const gdt = new DataView(new ArrayBuffer(GDT_ENTRIES.length * 8));
  GDT_ENTRIES.forEach(([low, high], i) => {
    gdt.setUint32(i * 8, low, true);
    gdt.setUint32(i * 8 + 4, high, true);
  });
  memory.write(GDT, new Uint8Array(gdt.buffer));
  return { entry: code, esi: ZERO_PAGE, esp: STACK, gdtBase: GDT, gdtLimit: gdt.byteLength - 1 };
}

/** The setup part as it is in the file, and the protected-mode kernel behind it; throws UsageError unless it is a bzImage. */
function checkKernel(bytes: Uint8Array, name: string): { setup: DataView; kernel: Uint8Array } {
  if (bytes.length < HEADER_LIMIT) throw new UsageError(`${name} is too short for a Linux kernel`);
  const setup = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (setup.getUint16(BOOT_FLAG, true) !== BOOT_SIGNATURE || setup.getUint32(MAGIC, true) !== HDRS) {
    throw new UsageError(`${name} has no Linux setup header`);
  }
  const version = setup.getUint16(VERSION, true);
  if (version < OLDEST_VERSION) {
    throw new UsageError(`${name} speaks boot protocol ${version >> 8}.${String(version & 0xff).padStart(2, "0")}; 2.04 is the oldest known here`);
  }
  if ((setup.getUint8(LOADFLAGS) & LOADED_HIGH) === 0) throw new UsageError(`${name} is a zImage: only kernels that load high are known here`);
  const setupBytes = ((setup.getUint8(SETUP_SECTS) || DEFAULT_SETUP_SECTS) + 1) * SECTOR;
  if (bytes.length <= setupBytes) throw new UsageError(`${name} ends before its protected-mode kernel begins`);
  return { setup, kernel: bytes.subarray(setupBytes) };
}

function placeCommandLine(zero: DataView, version: number, text: string, memory: GuestMemory, name: string): void {
  const line = new TextEncoder().encode(text + "\0");
  const longest = version >= VERSION_CMDLINE_SIZE ? zero.getUint32(CMDLINE_SIZE, true) : DEFAULT_CMDLINE_SIZE;
  if (line.length - 1 > longest) throw new UsageError(`the kernel command line has ${line.length - 1} bytes; ${name} takes ${longest}`);
  memory.write(COMMAND_LINE, line);
  zero.setUint32(CMD_LINE_PTR, COMMAND_LINE, true);
}

/** As high as the kernel allows, on a page boundary. */
function placeInitrd(zero: DataView, initrd: Uint8Array, kernelEnd: number, memory: GuestMemory, name: string): void {
  const top = Math.min(memory.size, zero.getUint32(INITRD_ADDR_MAX, true) + 1);
  const at = Math.floor((top - initrd.length) / PAGE) * PAGE;
  if (at < kernelEnd) {
    throw new UsageError(`an initrd of ${initrd.length} bytes does not fit beside ${name} in ${Math.floor(memory.size / MIB)} MiB`);
  }
  memory.write(at, initrd);
  zero.setUint32(RAMDISK_IMAGE, at, true);
  zero.setUint32(RAMDISK_SIZE, initrd.length, true);
}

/** A list of one setup_data node: the seed. */
function placeSeed(zero: DataView, memory: GuestMemory): void {
  const node = new DataView(new ArrayBuffer(SETUP_DATA_HEADER + SEED_BYTES));
  node.setUint32(8, SETUP_RNG_SEED, true);
  node.setUint32(12, SEED_BYTES, true);
  for (let i = 0; i < SEED_BYTES; i++) node.setUint8(SETUP_DATA_HEADER + i, i * 167 + 13);
  memory.write(SEED, new Uint8Array(node.buffer));
  zero.setUint32(SETUP_DATA, SEED, true);
}

/** The state firmware leaves a VGA in: mode 3, 80 x 25 characters of 16 lines. */
function describeScreen(zero: DataView): void {
  zero.setUint8(VIDEO_MODE, 3);
  zero.setUint8(VIDEO_COLS, 80);
  zero.setUint8(VIDEO_LINES, 25);
  zero.setUint8(VIDEO_IS_VGA, 1);
  zero.setUint16(VIDEO_POINTS, 16, true);
  zero.setUint16(VIDEO_EGA, 0, true);
}

function describeMemory(zero: DataView, bytes: number): void {
  const map = memoryMap(bytes);
  zero.setUint8(E820_ENTRIES, map.length);
  map.forEach(({ start, length, type }, i) => {
    const at = E820_TABLE + i * E820_ENTRY;
    zero.setUint32(at, start, true);
    zero.setUint32(at + 8, length, true);
    zero.setUint32(at + 16, type, true);
  });
  zero.setUint32(ALT_MEM_K, Math.max(0, bytes - MIB) / 1024, true);
}

