import type { Ports } from "../hypervisor/cpu.js";
import type { Ledger } from "../hypervisor/ledger.js";
import { createNative } from "../hypervisor/native.js";
import type { Assembly, Builder, Parts } from "./assembly.js";
import { linearToPhysical } from "./linear.js";
import { assemblePlatform, bootPc, identityMemory } from "./pc.js";

/** The data ports of the two IDE channels, which answer faster than the rest. */
const IDE_DATA: readonly number[] = [0x1f0, 0x170];

/** The bare machine: guest-physical memory is machine memory, and the processor itself does everything. */
function buildNative(parts: Parts): Assembly {
  const { machine } = parts;
  const memory = identityMemory(machine);
  const platform = assemblePlatform(parts, memory, (open) => machine.cpu.setA20(open));
  return {
    strategy: createNative(platform.interrupts),
    memory,
    linear: (cpu, la) => linearToPhysical(cpu, machine.memory, la),
    send: (bytes) => platform.uart.receive(bytes),
    screenText: () => platform.vga.screenText(),
    start: () => {
      machine.cpu.ports = hardwarePorts(platform.ports, machine.ledger);
      bootPc(parts, memory, machine.cpu);
    },
  };
}

export const NATIVE: Builder = { monitorBytes: () => 0, build: buildNative };

/** Ports behind a real bus, which takes its time; under a hypervisor the devices are its software, and no bus is in the way. */
function hardwarePorts(ports: Ports, ledger: Ledger): Ports {
  const bus = ledger.id("bus.port"), data = ledger.id("bus.ide_data");
  const charge = (port: number): void => ledger.count(IDE_DATA.includes(port) ? data : bus);
  return {
    read: (port, size) => {
      charge(port);
      return ports.read(port, size);
    },
    write: (port, size, value) => {
      charge(port);
      ports.write(port, size, value);
    },
  };
}
