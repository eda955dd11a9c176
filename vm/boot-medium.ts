/** A machine that starts as a PC does: firmware, ours or the user's, and the medium it boots from. */
import * as fs from "node:fs";
import { FileBackend, MemoryBackend, type BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { CountEvent, GuestMemory } from "../hypervisor/devices/device.js";
import type { Platform, PlatformOptions } from "../hypervisor/devices/platform.js";
import { romWindow } from "../hypervisor/devices/rom.js";
import { UsageError } from "../hypervisor/errors.js";
import { isIso } from "../hypervisor/firmware/el-torito.js";
import { Bios } from "../hypervisor/firmware/bios.js";
import { cdRom, diskette, hardDisk, type Drive } from "../hypervisor/firmware/int13.js";
import { FIRMWARE_PORT, FIRMWARE_PORT_COUNT } from "../hypervisor/firmware/rom.js";
import { videoBios } from "../hypervisor/firmware/video-bios.js";
import { installTables } from "../hypervisor/firmware/tables.js";
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
const FIRST_HARD_DISK = 0x80, CD_DRIVE = 0xe0;
const MIB = 0x10_0000, FOUR_GIB = 2 ** 32, LOW_ROM_BYTES = 0x4_0000, MOST_ROM_BYTES = 0x100_0000, ROM_GRAIN = 0x1_0000;

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

/** Puts firmware into the machine: ours with its port, or the user's ROM below 1 MiB and below 4 GiB, to which the VGA's own ROM comes. */
export function installFirmware(platform: Platform, memory: GuestMemory, medium: BootMedium, disks: readonly BlockBackend[], count: CountEvent): void {
  const { bios } = medium;
  if (bios) {
    const low = bios.subarray(-LOW_ROM_BYTES);
    memory.write(MIB - low.length, low);
    platform.mmio.register("firmware", FOUR_GIB - bios.length, bios.length, romWindow(() => bios));
    platform.ports.register("firmware", FIRMWARE_PORT, FIRMWARE_PORT_COUNT, videoBios(platform.vga, memory, count));
    return;
  }
  installTables(memory);
  const own = new Bios({ platform, memory, drives: biosDrives(medium, disks), count });
  own.install();
  platform.ports.register("firmware", FIRMWARE_PORT, FIRMWARE_PORT_COUNT, own.port);
}

/** The drives as INT 13h numbers them, that of the image first. */
function biosDrives(medium: BootMedium, disks: readonly BlockBackend[]): Drive[] {
  const hard = (medium.kind === "disk" ? [medium.backend, ...disks] : disks).map((backend, i) => hardDisk(backend, FIRST_HARD_DISK + i));
  if (medium.kind === "disk") return hard;
  return [medium.kind === "cd-rom" ? cdRom(medium.backend, CD_DRIVE) : diskette(medium.backend)!, ...hard];
}

