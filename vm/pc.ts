/** The PC around a guest that is not paravirtual. */
import type { Cpu } from "../hypervisor/cpu.js";
import type { GuestMemory } from "../hypervisor/devices/device.js";
import { DESKTOP_DISK_2003, diskTiming } from "../hypervisor/devices/disk-timing.js";
import { createPlatform, type Platform } from "../hypervisor/devices/platform.js";
import { UsageError } from "../hypervisor/errors.js";
import { installTables } from "../hypervisor/firmware/tables.js";
import { buildVideoRom, VIDEO_ROM_BYTES } from "../hypervisor/firmware/video-rom.js";
import { BOOT_CS, BOOT_DS, loadLinux } from "../hypervisor/loader/bzimage.js";
import { identifyImage } from "../hypervisor/loader/identify.js";
import { loadMultiboot } from "../hypervisor/loader/multiboot.js";
import type { Machine } from "../hypervisor/machine.js";
import { FRAME_MMIO } from "../hypervisor/memory.js";
import type { InterruptController } from "../hypervisor/native.js";
import { enterFirmware, enterProtectedFlat } from "../hypervisor/reset.js";
import * as S from "../hypervisor/cpu-state.js";
import { describe, type Parts } from "./assembly.js";
import { drivesOf } from "./boot-medium.js";
import { hostNetwork, type HostPath } from "./host-devices.js";

/** Device windows and the BIOS's area below 1 MiB that are not memory: the VGA's 128 KiB. */
const VGA_FIRST = 0xa0, VGA_END = 0xc0;

/**
 * The PC around a guest that is not paravirtual; interrupts make the run loop look up. `onA20` is what the gate means to the mode; `path`
 * how a frame gets to the host's network adapter, where there is a host.
 */
export function assemblePlatform(parts: Parts, memory: GuestMemory, onA20: (open: boolean) => void, path?: HostPath): Platform {
  const { machine, outside, medium } = parts;
  const { clock, ledger, cpu } = machine;
  const platform = createPlatform({
    clock, memory, ...drivesOf(parts),
    count: (name, n) => ledger.event(name, n),
    serialOut: outside.serialOut, debugOut: outside.debugOut, onExit: outside.exit, onReset: outside.reset,
    onInterrupt: () => { cpu.recheck = true; },
    onNmi: () => cpu.signalNmi(),
    onA20,
    diskTiming: diskTiming(DESKTOP_DISK_2003, clock.hz),
    xenPlatform: parts.options.pvDrivers ?? false,
    network: parts.options.pvDrivers ? undefined : hostNetwork(parts.options.network, (name, n) => ledger.event(name, n), path), videoRom: { length: VIDEO_ROM_BYTES, contents: () => buildVideoRom().bytes },
  });
  for (let frame = VGA_FIRST; frame < VGA_END; frame++) machine.memory.kind[frame] = FRAME_MMIO;
  machine.memory.mmio = platform.mmio;
  if (medium) parts.installFirmware!(platform, memory, medium, parts.disks, (name, n) => ledger.event(name, n));
  if (parts.options.alternateCr8) cpu.priority = platform.interrupts.localApic;
  outside.platform?.(platform);
  return platform;
}

/** An interrupt controller for a strategy that is made before the platform. */
export function lateController(platform: () => Platform): InterruptController {
  return {
    get intr() { return platform().interrupts.intr; },
    get mayInterrupt() { return platform().interrupts.mayInterrupt; },
    get mayNmi() { return platform().interrupts.mayNmi; },
    acknowledge: () => platform().interrupts.acknowledge(),
  };
}

/** Loads an image that boots on a PC and puts the processor, as the guest is to find it, at its entry. */
export function bootPc(parts: Parts, memory: GuestMemory, cpu: Cpu): void {
  const { image, imageName, initrd, options } = parts;
  if (parts.medium) return enterFirmware(cpu);
  const { kinds } = identifyImage(image, imageName);
  installTables(memory);
  if (kinds.includes("multiboot")) {
    const entry = loadMultiboot(image, memory, {
      name: imageName, commandLine: commandLine(imageName, options.append), modules: initrd ? [{ bytes: initrd }] : [],
    });
    enterProtectedFlat(cpu, entry.entry);
    cpu.i32[S.EAX] = entry.eax;
    cpu.i32[S.EBX] = entry.ebx;
  } else if (kinds.includes("bzimage")) {
    const entry = loadLinux(image, memory, { name: imageName, commandLine: options.append, initrd });
    enterProtectedFlat(cpu, entry.entry, BOOT_CS, BOOT_DS);
    cpu.i32[S.ESI] = entry.esi;
    cpu.i32[S.ESP] = entry.esp;
    cpu.i32[S.GDTR_BASE] = entry.gdtBase;
    cpu.i32[S.GDTR_LIMIT] = entry.gdtLimit;
  } else {
    throw new UsageError(`${imageName} is a ${describe(kinds[0]!)}; mode ${options.mode ?? "native"} boots Multiboot kernels and Linux bzImages`);
  }
}

/** As boot loaders pass it: the image's name, then what the user appended. */
function commandLine(imageName: string, append = ""): string {
  return append === "" ? imageName : `${imageName} ${append}`;
}

/** Guest-physical memory that is machine memory. */
export function identityMemory(machine: Machine): GuestMemory {
  const { memory, guestBytes } = machine;
  const inside = (pa: number, bytes: Uint8Array): Uint8Array => bytes.subarray(0, Math.max(0, Math.min(bytes.length, guestBytes - pa)));
  return {
    size: guestBytes,
    read: (pa, into) => { into.fill(0); memory.readBytes(pa, inside(pa, into)); },
    write: (pa, from) => memory.writeBytes(pa, inside(pa, from)),
  };
}
