/** Firmware for a machine that starts as a PC does, ours or the user's. */
import type { BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { CountEvent, GuestMemory } from "../hypervisor/devices/device.js";
import type { Platform } from "../hypervisor/devices/platform.js";
import { romWindow } from "../hypervisor/devices/rom.js";
import { Bios } from "../hypervisor/firmware/bios.js";
import { cdRom, type Drive, diskette, hardDisk } from "../hypervisor/firmware/drives.js";
import { FIRMWARE_PORT, FIRMWARE_PORT_COUNT } from "../hypervisor/firmware/rom.js";
import { installTables } from "../hypervisor/firmware/tables.js";
import { videoBios } from "../hypervisor/firmware/video-bios.js";
import type { BootMedium } from "./boot-medium.js";

const FIRST_HARD_DISK = 0x80, CD_DRIVE = 0xe0;
const MIB = 0x10_0000, FOUR_GIB = 2 ** 32, LOW_ROM_BYTES = 0x4_0000;

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
