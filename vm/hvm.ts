import type { Platform } from "../hypervisor/devices/platform.js";
import { createPhysicalMap } from "../hypervisor/shadow/p2m.js";
import { createHvm } from "../hvm/hvm.js";
import { besideGuest } from "./host-network.js";
import { assemblePlatform, bootPc, type Builder, lateController } from "./assembly.js";

/** VT-x: with EPT the processor's CR3 is the guest's own, with shadow page tables it is the monitor's. */
export const buildHvm: Builder = (parts) => {
  const { machine } = parts;
  const mmu = parts.options.mmu ?? "ept";
  const map = createPhysicalMap(machine, mmu === "ept");
  let platform: Platform | undefined = undefined;
  const hvm = createHvm(machine, { mmu, pic: lateController(() => platform!), map });
  const { memory } = hvm;
  platform = assemblePlatform(parts, memory, hvm.setA20, besideGuest);
  const { ports, uart, vga } = platform;
  return {
    strategy: hvm.strategy, memory,
    linear: (_cpu, la) => {
      const gpa = hvm.linear(la);
      return gpa < 0 ? -1 : map.machineAddress(gpa);
    },
    send: (bytes) => uart.receive(bytes),
    screenText: () => vga.screenText(),
    start: () => {
      machine.cpu.ports = ports;
      bootPc(parts, memory, machine.cpu);
    },
  };
};
