import type { GuestMemory } from "../hypervisor/devices/device.js";
import { UsageError } from "../hypervisor/errors.js";
import { PAGE_SIZE } from "../hypervisor/heap.js";
import { identifyImage } from "../hypervisor/loader/identify.js";
import { parseXenElf } from "../hypervisor/loader/xen-elf.js";
import type { Machine } from "../hypervisor/machine.js";
import type { Domain } from "../paravirt/domain.js";
import { createParavirt, paravirtMonitorBytes } from "../paravirt/index.js";
import { type Assembly, type Builder, describe, type Parts } from "./assembly.js";
import { eachPage, linearToPhysical } from "./linear.js";

/** A Xen domain with its disks as virtual block devices. It sees no PC: the console is a ring. */
function buildParavirt({ machine, image, imageName, initrd, disks, options, outside }: Parts): Assembly {
  const { kinds } = identifyImage(image, imageName);
  if (!kinds.includes("xen-pv")) throw new UsageError(`${imageName} is a ${describe(kinds[0]!)}; mode paravirt runs kernels ported to Xen`);
  const xen = createParavirt(machine, {
    image: parseXenElf(image, imageName), imageName, commandLine: options.append, initrd, disks, network: options.network, consoleOut: outside.serialOut,
    onReboot: outside.reset,
  });
  return {
    strategy: xen.strategy,
    memory: pseudoPhysical(machine, xen.domain),
    linear: (cpu, la) => linearToPhysical(cpu, machine.memory, la),
    send: (bytes) => { for (const byte of bytes) xen.consoleIn(byte); },
    start: () => {},
    retire: () => xen.dom0.nic?.unplug(),
  };
}

export const PARAVIRT: Builder = { monitorBytes: paravirtMonitorBytes, build: buildParavirt };

/** The domain's memory by the frame numbers it uses itself, as the machine-to-physical table has them. */
function pseudoPhysical(machine: Machine, domain: Domain): GuestMemory {
  const { memory, guestBytes } = machine;
  const frames = guestBytes / PAGE_SIZE;
  const machineFrames = (): Map<number, number> => {
    const map = new Map<number, number>();
    for (let mfn = 1; mfn < frames; mfn++) if (domain.frames.owner[mfn] === domain.id) map.set(domain.reserved.m2p(mfn), mfn);
    return map;
  };
  const walk = (pa: number, length: number, use: (at: number, offset: number, n: number) => void): void => {
    const map = machineFrames();
    eachPage(pa, length, (address, offset, n) => {
      const mfn = map.get(Math.floor(address / PAGE_SIZE));
      if (mfn !== undefined) use(mfn * PAGE_SIZE + address % PAGE_SIZE, offset, n);
    });
  };
  return {
    size: guestBytes,
    read: (pa, into) => walk(pa, into.length, (at, offset, n) => memory.readBytes(at, into.subarray(offset, offset + n))),
    write: (pa, from) => walk(pa, from.length, (at, offset, n) => memory.writeBytes(at, from.subarray(offset, offset + n))),
  };
}
