/**
 * What kind of image a file is, by its contents, never by its name.
 * Reference: the Multiboot and ELF documents; Linux's Documentation/arch/x86/boot.rst for the bzImage; the
 * boot signature of the PC; ECMA-119 for CD images.
 */
import * as fs from "node:fs";
import { UsageError } from "../errors.js";
import { isElf, parseElf } from "./elf.js";
import { findMultibootHeader } from "./multiboot.js";
import { isXenElf } from "./xen-elf.js";

export type ImageKind = "multiboot" | "xen-pv" | "bzimage" | "disk";

export interface IdentifiedImage {
  /** The kind it is run as when nobody asks otherwise: the first of `kinds`. */
  readonly kind: ImageKind;
  /** All it is good for: a kernel may carry both a Multiboot header and Xen notes. */
  readonly kinds: readonly ImageKind[];
}

const BOOT_SIGNATURE_AT = 510;
const BZIMAGE_MAGIC_AT = 0x202;
const ISO_MAGIC_AT = 0x8001;
/** Enough of a file to tell every kind by. */
const HEAD_BYTES = 0x9000;

/** Tells what the bytes are; the head of a file is enough unless it is an ELF file. */
export function identifyImage(bytes: Uint8Array, name = "image"): IdentifiedImage {
  if (bytes.length === 0) throw new UsageError(`${name} is empty`);
  if (isElf(bytes)) return identifyElf(bytes, name);
  const has = (at: number, text: string): boolean => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0));
  if (has(BZIMAGE_MAGIC_AT, "HdrS")) return one("bzimage");
  // Before Multiboot: a disk may have a boot loader with such a header in its first sectors.
  if (has(BOOT_SIGNATURE_AT, "\x55\xaa") || has(ISO_MAGIC_AT, "CD001")) return one("disk");
  if (findMultibootHeader(bytes)?.addresses) return one("multiboot");
  if (has(0, "\x1f\x8b")) throw new UsageError(`${name} is gzip-compressed: unpack it first`);
  throw new UsageError(`${name} is not a kernel or disk image of a known kind`);
}

function identifyElf(bytes: Uint8Array, name: string): IdentifiedImage {
  const kinds: ImageKind[] = [];
  const elf = parseElf(bytes, name);
  if (findMultibootHeader(bytes)) kinds.push("multiboot");
  if (isXenElf(elf)) kinds.push("xen-pv");
  const [kind] = kinds;
  if (!kind) throw new UsageError(`${name} is an ELF file with neither a Multiboot header nor Xen notes`);
  return { kind, kinds };
}

function one(kind: ImageKind): IdentifiedImage {
  return { kind, kinds: [kind] };
}

/** Reads a file the user named, whole. A file that cannot be read is a UsageError. */
export function readImage(path: string): Uint8Array {
  return withFile(path, fd => fs.readFileSync(fd));
}

/** Identifies a file, reading no more of a disk image than its head. */
export function identifyFile(path: string): IdentifiedImage {
  const head = withFile(path, fd => {
    const bytes = new Uint8Array(HEAD_BYTES);
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, HEAD_BYTES, 0));
  });
  return identifyImage(isElf(head) ? readImage(path) : head, path);
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  let fd = -1;
  try {
    if (fs.statSync(path).isDirectory()) throw new UsageError(`${path} is a directory`);
    fd = fs.openSync(path, "r");
    return use(fd);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") throw new UsageError(`${path} does not exist`);
    if (code === "EACCES" || code === "EPERM") throw new UsageError(`${path} may not be read: permission denied`);
    if (code === "EISDIR") throw new UsageError(`${path} is a directory`);
    throw new UsageError(`${path} cannot be read: ${String(code ?? error)}`);
  } finally {
    if (fd >= 0) fs.closeSync(fd);
  }
}
