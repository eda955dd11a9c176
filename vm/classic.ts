import type { Platform } from "../hypervisor/devices/platform.js";
import { createClassic } from "../translator/classic/classic.js";
import { inMonitor } from "./host-devices.js";
import { type Assembly, type Builder, MONITOR_BYTES, type Parts } from "./assembly.js";
import { linearToPhysical } from "./linear.js";
import { assemblePlatform, bootPc, lateController } from "./pc.js";

/** Trap and emulate: the guest boots as on a PC and then loses its privilege. */
function buildClassic(parts: Parts): Assembly {
  const { machine } = parts;
  let platform: Platform | undefined = undefined;
  const { strategy, memory, shadow, start, report } = createClassic(machine, lateController(() => platform!));
  platform = assemblePlatform(parts, memory, (open) => shadow.setA20(open), inMonitor);
  const { ports, uart, vga } = platform;
  return {
    strategy, memory,
    // CR3 is the shadow tables' root while the guest runs: what it has not touched yet is not there.
    linear: (cpu, la) => linearToPhysical(cpu, machine.memory, la),
    send: (bytes) => uart.receive(bytes),
    screenText: () => vga.screenText(),
    start: () => {
      machine.cpu.ports = ports;
      bootPc(parts, memory, machine.cpu);
      start();
    },
    wrongInstructions: report,
  };
}

export const CLASSIC: Builder = { monitorBytes: () => MONITOR_BYTES, build: buildClassic };
