import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import type { GuestMemory } from "../../hypervisor/devices/device.js";
import { NetworkHub } from "../../hypervisor/devices/network-hub.js";
import type { Platform } from "../../hypervisor/devices/platform.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { createNative } from "../../hypervisor/native.js";
import { createPhysicalMap } from "../../hypervisor/shadow/p2m.js";
import { createHvm } from "../../hvm/hvm.js";
import { createClassic } from "../../translator/classic/classic.js";
import { Engine, type EngineOptions } from "../../translator/engine.js";
import { createDbt } from "../../translator/fullvirt/dbt.js";
import type { Parts } from "../../vm/assembly.js";
import { assemblePlatform, identityMemory, lateController } from "../../vm/pc.js";
import { PROFILE } from "../paravirt/rig.js";
import { Violation } from "./family.js";
import { auditTlb } from "./tlb-audit.js";

export const STRATEGIES = ["native", "dbt", "hvm-ept", "hvm-shadow", "classic"] as const;
export type StrategyName = (typeof STRATEGIES)[number];

export const GUEST_BYTES = 4 << 20;
const MONITOR_BYTES = 8 << 20, GUARD_BYTES = 1 << 16, GUARD = 0xa5;

/** A PC in one of the modes whose processor can be put into any state, again and again. */
export interface Target {
  readonly machine: Machine;
  readonly engine: Engine;
  readonly platform: Platform;
  readonly memory: GuestMemory;
  /** Before the processor's state is set, and after. */
  before(): void;
  after(): void;
  /** Throws when something outside the guest has changed. */
  audit(): void;
}

export function createTarget(name: StrategyName, options: EngineOptions): Target {
  const native = name === "native";
  const machine = createMachine(PROFILE, GUEST_BYTES, native ? GUARD_BYTES : MONITOR_BYTES);
  const { cpu } = machine;
  const hub = new NetworkHub();
  const peer = hub.connect((frame) => { if (frame.length > 40) peer.send(frame.subarray(0, 40)); });
  const parts: Parts = {
    machine, options: { image: "", network: { hub } }, image: new Uint8Array(0), imageName: "none", initrd: undefined,
    disks: [new MemoryBackend(new Uint8Array(1 << 18))],
    outside: {
      serialOut: () => {}, debugOut: () => {}, reset: () => { cpu.exitCode = 1; cpu.recheck = true; },
      exit: (code) => { cpu.exitCode = code; cpu.recheck = true; },
    },
  };
  let platform: Platform | undefined = undefined;
  const pic = lateController(() => platform!);
  const build = (memory: GuestMemory, onA20: (open: boolean) => void): void => { platform = assemblePlatform(parts, memory, onA20); };
  const made = ((): Pick<Target, "memory" | "before" | "after"> & { audit: () => void; options?: EngineOptions } => {
    if (name === "dbt") {
      const { strategy, memory, shadow, hooks } = createDbt(machine, pic);
      cpu.strategy = strategy;
      build(memory, (open) => shadow.setA20(open));
      return { memory, before: () => {}, after: () => {}, audit: () => coherent(shadow.auditCoherence()), options: { translation: hooks } };
    }
    if (name === "classic") {
      const { strategy, memory, shadow, virtual, start } = createClassic(machine, pic);
      cpu.strategy = strategy;
      build(memory, (open) => shadow.setA20(open));
      return { memory, before: () => { if (!virtual.assumed) virtual.assume(); }, after: start, audit: () => coherent(shadow.auditCoherence()) };
    }
    if (native) {
      const memory = identityMemory(machine);
      machine.memory.writeBytes(GUEST_BYTES, new Uint8Array(GUARD_BYTES).fill(GUARD));
      build(memory, (open) => cpu.setA20(open));
      cpu.strategy = createNative(pic);
      return { memory, before: () => {}, after: () => {}, audit: () => {} };
    }
    const map = createPhysicalMap(machine);
    const hvm = createHvm(machine, { mmu: name === "hvm-ept" ? "ept" : "shadow", pic, map });
    cpu.strategy = hvm.strategy;
    build(hvm.memory, hvm.setA20);
    return { memory: hvm.memory, before: () => {}, after: hvm.restart, audit: () => {} };
  })();
  cpu.ports = platform!.ports;
  const engine = new Engine(machine, { ...options, ...made.options });
  return {
    machine, engine, platform: platform!, memory: made.memory, before: made.before, after: made.after,
    audit: () => {
      made.audit();
      // The frames above the guest's are a bare machine's memory as well: nothing but the guard tells them apart.
      auditTlb(machine, (frame) => native ? frame < machine.memory.frames : name === "classic" && frame < machine.memory.frames);
    },
  };
}

function coherent(wrong: readonly string[]): void {
  if (wrong.length !== 0) throw new Violation(`shadow tables: ${wrong[0]!}`);
}
