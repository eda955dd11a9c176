import type { Platform } from "../hypervisor/devices/platform.js";
import { createDbt } from "../translator/fullvirt/dbt.js";
import { hosted, hostedDisk } from "./host-devices.js";
import { type Assembly, type Builder, MONITOR_BYTES, type Parts } from "./assembly.js";
import { linearToPhysical } from "./linear.js";
import { assemblePlatform, bootPc, lateController } from "./pc.js";

/** Binary translation: the processor's registers are the guest's virtual ones, and its tables are walked where the guest sees them. */
function buildDbt(parts: Parts): Assembly {
  const { machine } = parts;
  let platform: Platform | undefined = undefined;
  const { strategy, memory, shadow, p2m, hooks } = createDbt(machine, lateController(() => platform!));
  const disks = parts.disks.map((disk) => hostedDisk(disk, (name, n) => machine.ledger.event(name, n)));
  platform = assemblePlatform({ ...parts, disks }, memory, (open) => shadow.setA20(open), hosted);
  const { ports, uart, vga } = platform;
  return {
    strategy, memory, engine: { translation: hooks },
    linear: (cpu, la) => {
      const gpa = linearToPhysical(cpu, p2m, la);
      return gpa < 0 ? -1 : p2m.machineAddress(gpa);
    },
    send: (bytes) => uart.receive(bytes),
    screenText: () => vga.screenText(),
    start: () => {
      machine.cpu.ports = ports;
      bootPc(parts, memory, machine.cpu);
    },
  };
}

export const DBT: Builder = { monitorBytes: () => MONITOR_BYTES, build: buildDbt };
