/** What a machine boots from that starts as a PC does, and the user's firmware for it. */
import * as fs from "node:fs";
import { FileBackend, MemoryBackend, type BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { PlatformOptions } from "../hypervisor/devices/platform.js";
import { UsageError } from "../hypervisor/errors.js";
import { isIso } from "../hypervisor/firmware/el-torito.js";
import { diskette } from "../hypervisor/firmware/drives.js";
import { identifyFile, identifyImage, readImage } from "../hypervisor/loader/identify.js";
import type { VmOptions } from "./options.js";

export interface BootMedium {
  readonly backend: BlockBackend;
  readonly kind: "disk" | "diskette" | "cd-rom";
  /** The user's firmware, in place of ours. */
  readonly bios: Uint8Array | undefined;
}

const MOST_DISKS = 4;
/** Position of a CD-ROM drive: secondary master, or slave when that has a disk. */
const CD_POSITION = 2;
const MOST_ROM_BYTES = 0x100_0000, ROM_GRAIN = 0x1_0000;

/** The medium that the options ask to boot from, undefined when the image is a kernel. */
export function openMedium(options: VmOptions): BootMedium | undefined {
  const { image, bios, mode = "native", mmu = "ept", disks = [] } = options;
  if (bios === undefined && kindOf(image) !== "disk") return undefined;
  if (mode !== "native" && !(mode === "hvm" && mmu === "ept")) {
    throw new UsageError(`a disk image starts in real mode, which mode ${mode}${mode === "hvm" ? " with shadow page tables" : ""} cannot run: use native, or hvm with ept`);
  }
  const backend = open(image);
  const kind = isIso(backend) ? "cd-rom" : diskette(backend) ? "diskette" : "disk";
  if (kind !== "diskette" && disks.length >= MOST_DISKS) throw new UsageError(`a machine has ${MOST_DISKS} disks at most, and the image is one of them`);
  return { backend, kind, bios: bios === undefined ? undefined : readRom(bios) };
}

function kindOf(image: string | Uint8Array): string {
  return (typeof image === "string" ? identifyFile(image) : identifyImage(image)).kind;
}

/** A file that may not be written, and a CD, is read only. */
function open(image: string | Uint8Array): BlockBackend {
  if (typeof image !== "string") return new MemoryBackend(image);
  const backend = new FileBackend(image, { readOnly: true });
  if (isIso(backend) || !writable(image)) return backend;
  backend.close();
  return new FileBackend(image);
}

function writable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readRom(source: string | Uint8Array): Uint8Array {
  const bytes = typeof source === "string" ? readImage(source) : source;
  if (bytes.length === 0 || bytes.length % ROM_GRAIN !== 0 || bytes.length > MOST_ROM_BYTES) {
    throw new UsageError(`a BIOS has a multiple of 64 KiB and 16 MiB at most; this one has ${bytes.length} bytes`);
  }
  return bytes;
}

/** Which drives are on the cables: the image first when it is a hard disk. */
export function drivesOf(parts: { readonly disks: readonly BlockBackend[]; readonly medium?: BootMedium | undefined }): Pick<PlatformOptions, "disks" | "discs"> {
  const { disks, medium } = parts;
  if (medium?.kind === "disk") return { disks: [medium.backend, ...disks] };
  if (medium?.kind !== "cd-rom") return { disks };
  const discs: (BlockBackend | undefined)[] = [];
  discs[disks.length > CD_POSITION ? disks.length : CD_POSITION] = medium.backend;
  return { disks, discs };
}
