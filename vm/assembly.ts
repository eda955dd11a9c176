import type { Cpu } from "../hypervisor/cpu.js";
import { type BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { GuestMemory } from "../hypervisor/devices/device.js";
import { DESKTOP_DISK_2003, diskTiming } from "../hypervisor/devices/disk-timing.js";
import { createPlatform, type Platform } from "../hypervisor/devices/platform.js";
import { UsageError } from "../hypervisor/errors.js";
import { identifyImage } from "../hypervisor/loader/identify.js";
import { installTables } from "../hypervisor/firmware/tables.js";
import { buildVideoRom } from "../hypervisor/firmware/video-rom.js";
import { BOOT_CS, BOOT_DS, loadLinux } from "../hypervisor/loader/bzimage.js";
import { loadMultiboot } from "../hypervisor/loader/multiboot.js";
import type { Machine } from "../hypervisor/machine.js";
import { FRAME_MMIO } from "../hypervisor/memory.js";
import type { InterruptController } from "../hypervisor/native.js";
import { enterFirmware, enterProtectedFlat } from "../hypervisor/reset.js";
import * as S from "../hypervisor/cpu-state.js";
import type { Strategy } from "../hypervisor/strategy.js";
import type { WrongResult } from "../translator/classic/wrong-results.js";
import type { Engine, EngineOptions } from "../translator/engine.js";
import { type BootMedium, drivesOf, installFirmware } from "./boot-medium.js";
import { hostNetwork, type HostPath } from "./host-devices.js";
import type { VmOptions } from "./options.js";

/** Classic: an instruction that did, deprivileged, what it does not do on a bare machine. */
export type WrongInstruction = WrongResult;

/** What a builder is handed: an empty machine, and what the guest's world is to be made of. */
export interface Parts {
  readonly machine: Machine;
  readonly options: VmOptions;
  /** Contents of the files that `options` names. */
  readonly image: Uint8Array;
  readonly imageName: string;
  readonly initrd: Uint8Array | undefined;
  readonly disks: readonly BlockBackend[];
  /** What firmware boots; without one the image is a kernel. */
  readonly medium?: BootMedium | undefined;
  readonly outside: Outside;
}

/** The machine's ends that lead to its owner. */
export interface Outside {
  readonly serialOut: (byte: number) => void;
  readonly debugOut: (byte: number) => void;
  readonly exit: (code: number) => void;
  readonly reset: () => void;
  /** Told of the PC, where the guest has one. */
  readonly platform?: (platform: Platform) => void;
}

/** A guest in its mode, loaded and about to execute its first instruction. */
export interface Assembly {
  readonly strategy: Strategy;
  /** Guest-physical memory. */
  readonly memory: GuestMemory;
  /** What the engine has to be told for this strategy. */
  readonly engine?: EngineOptions;
  /** Machine address of a linear address as the guest's code sees it now, -1 where nothing is mapped. Changes nothing. */
  linear(cpu: Cpu, la: number): number;
  /** Bytes for the guest's console. */
  send(bytes: Iterable<number>): void;
  /** Puts the image into memory and the processor at its entry; called once, when the engine is there. */
  start(engine: Engine): void;
  /** The guest's machine goes, and another takes its place: what it held outside is let go. The platform has a `retire` of its own. */
  retire?(): void;
  /** The text on the VGA's screen; absent where there is no VGA. */
  screenText?(): string;
  /** Only classic gives one. */
  wrongInstructions?(): WrongInstruction[];
}

/** Makes the mode's strategy, devices and guest memory on an empty machine. */
export type Builder = (parts: Parts) => Assembly;

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
    network: parts.options.pvDrivers ? undefined : hostNetwork(parts.options.network, (name, n) => ledger.event(name, n), path), videoRom: buildVideoRom().bytes,
  });
  for (let frame = VGA_FIRST; frame < VGA_END; frame++) machine.memory.kind[frame] = FRAME_MMIO;
  machine.memory.mmio = platform.mmio;
  if (medium) installFirmware(platform, memory, medium, parts.disks, (name, n) => ledger.event(name, n));
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

export function describe(kind: string): string {
  return { multiboot: "Multiboot kernel", "xen-pv": "Xen paravirtual kernel", bzimage: "Linux bzImage", disk: "disk image" }[kind] ?? kind;
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

