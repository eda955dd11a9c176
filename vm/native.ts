import { createNative } from "../hypervisor/native.js";
import { assemblePlatform, bootPc, type Builder, identityMemory } from "./assembly.js";
import { linearToPhysical } from "./linear.js";

/** The bare machine: guest-physical memory is machine memory, and the processor itself does everything. */
export const buildNative: Builder = (parts) => {
  const { machine } = parts;
  const memory = identityMemory(machine);
  const platform = assemblePlatform(parts, memory);
  return {
    strategy: createNative(platform.pic),
    memory,
    linear: (cpu, la) => linearToPhysical(cpu, machine.memory, la),
    send: (bytes) => platform.uart.receive(bytes),
    start: () => {
      machine.cpu.ports = platform.ports;
      bootPc(parts, memory, machine.cpu);
    },
  };
};
