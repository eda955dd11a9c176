import type { Cpu } from "../hypervisor/cpu.js";
import type { BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { GuestMemory } from "../hypervisor/devices/device.js";
import type { Platform } from "../hypervisor/devices/platform.js";
import type { Machine } from "../hypervisor/machine.js";
import type { Strategy } from "../hypervisor/strategy.js";
import type { WrongResult } from "../translator/classic/wrong-results.js";
import type { Engine, EngineOptions } from "../translator/engine.js";
import type { BootMedium } from "./boot-medium.js";
import type { installFirmware } from "./firmware.js";
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
  /** There when a medium is. */
  readonly installFirmware?: typeof installFirmware | undefined;
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

/** How a mode's guest is put together. */
export interface Builder {
  /** Machine memory that the mode's hypervisor takes for itself, above the guest's. */
  readonly monitorBytes: (guestBytes: number) => number;
  /** Makes the mode's strategy, devices and guest memory on an empty machine. */
  readonly build: (parts: Parts) => Assembly;
}

/** What a machine is made of that not every machine needs. */
export interface Kit {
  readonly builder: Builder;
  readonly medium: BootMedium | undefined;
  readonly installFirmware: typeof installFirmware | undefined;
}

/** Room for shadow page tables, EPT or a VMCS. */
export const MONITOR_BYTES = 16 << 20;

/** What an image of this kind (identify.ts) is called in messages. */
export function describe(kind: string): string {
  return { multiboot: "Multiboot kernel", "xen-pv": "Xen paravirtual kernel", bzimage: "Linux bzImage", disk: "disk image" }[kind] ?? kind;
}
