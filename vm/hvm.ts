import type { GuestMemory } from "../hypervisor/devices/device.js";
import type { Platform } from "../hypervisor/devices/platform.js";
import { createPhysicalMap } from "../hypervisor/shadow/p2m.js";
import { createHvm } from "../hvm/hvm.js";
import type { InterruptController } from "../hypervisor/native.js";
import type { PvOnHvm, XenOffer } from "./pv-on-hvm.js";
import { besideGuest } from "./host-devices.js";
import { type Assembly, type Builder, MONITOR_BYTES, type Parts } from "./assembly.js";
import { assemblePlatform, bootPc, lateController } from "./pc.js";

/** VT-x: with EPT the processor's CR3 is the guest's own, with shadow page tables it is the monitor's. */
function buildHvm(parts: Parts, offer: XenOffer | undefined): Assembly {
  const { machine } = parts;
  const { mmu = "ept", network } = parts.options;
  const map = createPhysicalMap(machine, mmu === "ept");
  let platform: Platform | undefined = undefined;
  let xen: PvOnHvm | undefined = undefined;
  const controller = lateController(() => platform!);
  const hvm = createHvm(machine, { mmu, tprShadow: parts.options.alternateCr8 ?? false, pic: offer ? refreshed(controller, () => xen?.refresh()) : controller, map });
  const memory: GuestMemory = offer ? { ...hvm.memory, size: hvm.memory.size - offer.specialBytes } : hvm.memory;
  platform = assemblePlatform(parts, memory, hvm.setA20, besideGuest);
  if (offer) hvm.vcpu.guestInterface = xen = offer.create({ machine, map, network, linear: (la) => hvm.linear(la), callback: platform.xenCallback! });
  const { ports, uart, vga } = platform;
  return {
    strategy: hvm.strategy, memory, ...(offer ? { engine: { features: ["vmx"] } } : {}),
    linear: (_cpu, la) => {
      const gpa = hvm.linear(la);
      return gpa < 0 ? -1 : map.machineAddress(gpa);
    },
    retire: () => xen?.retire(),
    send: (bytes) => uart.receive(bytes),
    screenText: () => vga.screenText(),
    start: () => {
      machine.cpu.ports = ports;
      bootPc(parts, memory, machine.cpu);
    },
  };
}

/** `offer`: what a machine with `pvDrivers` shows its guest. */
export function hvmBuilder(offer?: XenOffer): Builder {
  return { monitorBytes: () => MONITOR_BYTES, build: (parts) => buildHvm(parts, offer) };
}

/** A controller whose line is brought up to date before it is looked at. */
function refreshed(controller: InterruptController, refresh: () => void): InterruptController {
  return {
    get intr() {
      refresh();
      return controller.intr;
    },
    get mayInterrupt() { return controller.mayInterrupt; },
    get mayNmi() { return controller.mayNmi; },
    acknowledge: () => controller.acknowledge(),
  };
}
