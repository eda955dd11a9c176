/** One cell of the comparison: a workload in a mode, run from power-on, with the guest's own measuring windows cut out. */
import { fileURLToPath } from "node:url";
import { MemoryBackend } from "../hypervisor/devices/block-backend.js";
import type { CostProfile } from "../hypervisor/ledger.js";
import { farHost, type Host, NEAR_IP } from "../hypervisor/network/far-host.js";
import { NetworkLink } from "../hypervisor/network/link.js";
import { STANDARD_SERVICES, startWebLoad } from "../hypervisor/network/services.js";
import type { WrongInstruction } from "../vm/assembly.js";
import type { MmuKind, Mode } from "../vm/options.js";
import { createVm } from "../vm/create.js";
import type { Vm, VmOutcome } from "../vm/vm.js";
import type { Workload } from "./workloads.js";

/** What was counted between the guest's readings of the time-stamp counter. */
export interface Counted {
  readonly cycles: number;
  /** Those of `cycles` in which the processor was halted. */
  readonly idleCycles: number;
  readonly instructions: number;
  readonly events: Readonly<Record<string, number>>;
}

export interface Cell extends Counted {
  /** The guest's figure, null when it gave none. */
  readonly value: number | null;
  readonly checksum: string | null;
  /** Why there is no value, or why it does not count. */
  readonly failed?: string;
  /** Mode classic: what silently did the wrong thing, over the whole run. */
  readonly wrong?: readonly WrongInstruction[];
}

/** A run that goes this far has lost its way: instructions, and virtual seconds. */
const INSTRUCTION_LIMIT = 400_000_000, SECONDS_LIMIT = 30;
const SECTORS_A_MIB = 2048;

/** The guest for a mode: the same kernel twice, for a bare PC and ported to Xen. */
export function guestImage(mode: Mode): string {
  return fileURLToPath(new URL(`../../guest/images/${mode === "paravirt" ? "guest-xen" : "guest-bare"}.elf`, import.meta.url));
}

/** `pvDrivers`: mode hvm with Xen's network ring in place of the emulated card. */
export function runCell(workload: Workload, mode: Mode, profile: CostProfile, mmu?: MmuKind, pvDrivers = false): Cell {
  const lines: string[] = [];
  const { mtu, requests } = workload;
  const vm = createVm({
    image: guestImage(mode), mode, profile, ...(mmu === undefined ? {} : { mmu }), pvDrivers,
    append: `workload=${workload.name} n=${workload.size}${mtu === undefined ? "" : ` mtu=${mtu}`}`,
    ...(mtu === undefined ? {} : { network: { hub: new NetworkLink(farHost({ mtu, services: STANDARD_SERVICES, ...(requests === undefined ? {} : { started: (host) => browse(host, requests) }) })) } }),
    disks: workload.disk === undefined ? [] : [new MemoryBackend(workload.disk * SECTORS_A_MIB)],
  });
  vm.onSerialLine((line) => lines.push(line));
  const windows = new Windows(vm);
  const { ledger, clock } = vm.machine;
  const outcome = vm.run({ instructions: INSTRUCTION_LIMIT, pause: () => ledger.cycles > SECONDS_LIMIT * clock.hz });
  const result = lines.map((line) => /^(\S+) (\d+) ([0-9a-f]{8})$/.exec(line)).find((match) => match?.[1] === workload.name);
  const failed = failure(outcome, result !== undefined, lines);
  const { wrong } = vm.stats();
  return {
    value: result ? Number(result[2]) : null, checksum: result ? result[3]! : null, ...windows.total(),
    ...(failed === undefined ? {} : { failed }), ...(wrong === undefined ? {} : { wrong }),
  };
}

/**
 * SPECweb99's mix, by its run rules: of the static requests 35% are for files below 1 KB, 50% below 10 KB, 14% below 100 KB and 1% above,
 * files in the middle of a class most often; 30% of all are dynamic.
 */
function browse(host: Host, requests: number): void {
  const paths = Array.from({ length: 100 }, (_, i) => {
    const at = i * 37 % 100, file = 1 + (at * at + 3 * at) % 9;
    if (at < 30) return `/cgi/${at * 11}`;
    return `/class${at < 54 ? 0 : at < 89 ? 1 : at < 99 ? 2 : 3}_${file}`;
  });
  startWebLoad(host, { ip: NEAR_IP, connections: 8, requests: requests + 1, paths });
}

/** Why a run is no measurement, in a few words; undefined when it is one. */
function failure(outcome: VmOutcome, measured: boolean, lines: readonly string[]): string | undefined {
  const last = lines.filter((line) => line.trim() !== "").at(-1);
  const said = last === undefined ? "the guest printed nothing" : `the guest's last line: ${last}`;
  switch (outcome.reason) {
    case "crash": return `crashed: ${outcome.message}`;
    case "exit": return outcome.code !== 0 ? `exit code ${outcome.code}; ${said}` : measured ? undefined : `no result; ${said}`;
    case "idle": return `halted for good; ${said}`;
    case "limit": return `still running after ${INSTRUCTION_LIMIT / 1e6} million instructions; ${said}`;
    case "stopped": return `still running after ${SECONDS_LIMIT} virtual seconds; ${said}`;
    default: return `${outcome.reason}; ${said}`;
  }
}

/** Adds up what happens between the first and second, third and fourth … RDTSC of the guest's programs. */
class Windows {
  private readonly vm: Vm;
  private opened: Counted | undefined;
  private cycles = 0;
  private idleCycles = 0;
  private instructions = 0;
  private readonly events = new Map<string, number>();

  constructor(vm: Vm) {
    this.vm = vm;
    vm.onTimestamp((user) => { if (user) this.toggle(); });
  }

  private toggle(): void {
    const now = this.vm.stats();
    const { opened } = this;
    if (!opened) {
      this.opened = now;
      return;
    }
    this.opened = undefined;
    this.cycles += now.cycles - opened.cycles;
    this.idleCycles += now.idleCycles - opened.idleCycles;
    this.instructions += now.instructions - opened.instructions;
    for (const [name, count] of Object.entries(now.events)) {
      const more = count - (opened.events[name] ?? 0);
      if (more !== 0) this.events.set(name, (this.events.get(name) ?? 0) + more);
    }
  }

  total(): Counted {
    const { cycles, idleCycles, instructions } = this;
    return { cycles, idleCycles, instructions, events: Object.fromEntries([...this.events].sort(([a], [b]) => a < b ? -1 : 1)) };
  }
}
