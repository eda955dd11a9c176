import { readFileSync } from "node:fs";
import type { GuestMemory } from "../../hypervisor/devices/device.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import type { InterruptController } from "../../hypervisor/native.js";
import type { Strategy } from "../../hypervisor/strategy.js";
import { Engine, type EngineOptions } from "../../translator/engine.js";
import type { Parts } from "../../vm/assembly.js";
import { assemblePlatform, bootPc } from "../../vm/pc.js";
import { loadProfile } from "../../vm/profiles.js";
import { openDisks } from "../../vm/disks.js";

/** What a mode makes of an empty machine; `memory` is handed to devices and the loader. */
export interface Guest {
  readonly memory: GuestMemory;
  /** Made once the interrupt controller is there. */
  strategy(pic: InterruptController): Strategy;
  readonly options?: () => EngineOptions;
  /** After the image is loaded and the processor at its entry. */
  start?(): void;
}

export interface GuestRun {
  readonly output: string;
  readonly reason: string;
  readonly machine: Machine;
}

const MIB = 1 << 20;

/** Boots the committed guest image with a kernel command line and runs it to its end. */
export function bootGuest(append: string, make: (machine: Machine) => Guest, limit = 100e6, disk = 0): GuestRun {
  const machine = createMachine(loadProfile(), 64 * MIB, 16 * MIB);
  const output: number[] = [];
  const name = "guest/images/guest-bare.elf";
  const parts: Parts = {
    machine, options: { image: name, append }, image: new Uint8Array(readFileSync(name)), imageName: name, initrd: undefined,
    disks: disk === 0 ? [] : openDisks([new Uint8Array(disk)]),
    outside: {
      serialOut: (byte) => output.push(byte), debugOut: () => {}, reset: () => {},
      exit: (code) => { machine.cpu.exitCode = code; machine.cpu.recheck = true; },
    },
  };
  const guest = make(machine);
  const platform = assemblePlatform(parts, guest.memory, () => {});
  machine.cpu.strategy = guest.strategy(platform.pic);
  machine.cpu.ports = platform.ports;
  const engine = new Engine(machine, guest.options?.() ?? {});
  bootPc(parts, guest.memory, machine.cpu);
  guest.start?.();
  const outcome = engine.run(limit);
  return { output: Buffer.from(output).toString("latin1"), reason: outcome.reason, machine };
}
