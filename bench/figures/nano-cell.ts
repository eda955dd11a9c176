/** Runs a nanobenchmark in a mode and counts its last pass. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { MmuKind, Mode } from "../../vm/options.js";
import { createVm } from "../../vm/create.js";
import type { VmStats } from "../../vm/vm.js";
import type { Cell } from "../cell.js";
import { nanoBenchmark, nanoKernel, turnsOf } from "./nano-kernel.js";

const MEMORY_MIB = 24, LIMIT = 20_000_000, READINGS = 6;

export function runNano(name: string, mode: Mode, mmu: MmuKind | undefined, profile: CostProfile): Cell {
  const benchmark = nanoBenchmark(name)!;
  const vm = createVm({ image: nanoKernel(benchmark), mode, memory: MEMORY_MIB, profile, alternateCr8: benchmark.cr8 ?? false, ...(mmu === undefined ? {} : { mmu }) });
  const readings: VmStats[] = [];
  vm.onTimestamp(() => {
    readings.push(vm.stats());
    if (readings.length === READINGS) vm.stop();
  });
  const outcome = vm.run({ instructions: LIMIT });
  const [before, after] = readings.slice(-2);
  const operations = benchmark.unrolled * turnsOf(benchmark);
  if (readings.length !== READINGS || !before || !after) {
    return { value: null, checksum: null, cycles: 0, idleCycles: 0, instructions: 0, events: {}, failed: `ended with ${outcome.reason} after ${readings.length} readings` };
  }
  const events = Object.entries(after.events).map(([event, count]) => [event, count - (before.events[event] ?? 0)] as const).filter(([, count]) => count !== 0);
  const cycles = after.cycles - before.cycles;
  return {
    value: cycles / operations, checksum: null, cycles, idleCycles: after.idleCycles - before.idleCycles,
    instructions: after.instructions - before.instructions, events: Object.fromEntries(events),
  };
}
