/** What is timed by the host's clock: a row names something to repeat and the unit its speed is told in. */
import { readFileSync } from "node:fs";
import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import { elfSection, parseElf } from "../../hypervisor/loader/elf.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { FEATURES } from "../../translator/isa/opcodes.js";
import type { Mode } from "../../vm/options.js";
import { createVm } from "../../vm/create.js";
import type { Vm, VmStats } from "../../vm/vm.js";
import { guestImage } from "../cell.js";
import { translationRows } from "./translation.js";

export interface Row {
  readonly name: string;
  /** What is counted. */
  readonly unit: string;
  /** Makes what is timed: a function that does some work and gives how many units of it were done. */
  readonly prepare: () => () => number;
  /** The row that this is a part of: its share of that one's time is told. */
  readonly shareOf?: string | undefined;
}

/** Instructions a guest runs before it is timed, and in one repetition. */
const WARM_UP = 3_000_000, REPETITION = 500_000;
const ENDLESS = 100_000_000, DISK_MIB = 64, DISK_KIB = 4096;

export const ROWS: readonly Row[] = [
  { name: "decoder", unit: "instructions", prepare: decoding },
  { name: "interpreter: compute in native", unit: "instructions", prepare: running("native", "compute", instructions, { jit: false }) },
  ...translationRows(() => boot("native", "syscall", {})),
  { name: "booting and compiling: syscall in native", unit: "instructions", prepare: booting },
  ...(["native", "dbt", "paravirt", "hvm"] as const).flatMap((mode): Row[] => ["compute", "callret", "syscall"].map((name) => (
    { name: `${name} in ${mode}`, unit: "instructions", prepare: running(mode, name, instructions) }))),
  { name: "TLB fill: context switches in native", unit: "fills", prepare: running("native", "ctxsw-8p-16k", event("tlb.walk")) },
  { name: "TLB fill through EPT: context switches in hvm", unit: "fills", prepare: running("hvm", "ctxsw-8p-16k", event("tlb.walk")) },
  { name: "shadow fill: fork in dbt", unit: "fills", prepare: running("dbt", "forkwait", event("shadow.fill")) },
  { name: "page-table write: ptemod in dbt", unit: "writes", prepare: running("dbt", "ptemod", event("shadow.update")) },
  { name: "trapped instruction: syscall in classic", unit: "traps", prepare: running("classic", "syscall", event("trap.general_protection")) },
  { name: "hypercall: page faults in paravirt", unit: "hypercalls", prepare: running("paravirt", "pagefault", event("hypercall.update_va_mapping")) },
  { name: "VM exit: portin in hvm", unit: "exits", prepare: running("hvm", "portin", event("vmexit.io_instruction")) },
  { name: "emulated disk: disk in native, with its boot", unit: "sectors", prepare: wholeDisk("native", ["device.ide.sector_write", "device.ide.sector_read"]) },
  { name: "ring disk: disk in paravirt, with its boot", unit: "sectors", prepare: wholeDisk("paravirt", ["device.blkback.sector"]) },
];

type Measure = (stats: VmStats) => number;

function instructions(stats: VmStats): number {
  return stats.instructions;
}

function event(name: string): Measure {
  return (stats) => stats.events[name] ?? 0;
}

function boot(mode: Mode, workload: string, options: { readonly jit?: boolean }): Vm {
  const vm = createVm({ image: guestImage(mode), mode, append: `workload=${workload} n=${ENDLESS}`, ...options });
  vm.run({ instructions: WARM_UP });
  return vm;
}

/** A guest in the middle of a workload; one that comes to its end is booted again. */
function running(mode: Mode, workload: string, measure: Measure, options: { readonly jit?: boolean } = {}): Row["prepare"] {
  return () => {
    let vm = boot(mode, workload, options);
    return () => {
      const before = measure(vm.stats());
      const { reason } = vm.run({ instructions: REPETITION });
      const done = measure(vm.stats()) - before;
      if (reason !== "limit") vm = boot(mode, workload, options);
      return done;
    };
  };
}

/** The whole of workload `disk` from power-on: its transfers come in few places, and it cannot be made longer than its file system's largest file. */
function wholeDisk(mode: Mode, events: readonly string[]): Row["prepare"] {
  return () => () => {
    const vm = createVm({ image: guestImage(mode), mode, append: `workload=disk n=${DISK_KIB}`, disks: [new MemoryBackend(DISK_MIB * 2048)] });
    vm.run();
    return events.reduce((sum, name) => sum + event(name)(vm.stats()), 0);
  };
}

/** A whole short run from power-on: mostly decoding and compiling. */
function booting(): () => number {
  return () => {
    const vm = createVm({ image: guestImage("native"), append: "workload=syscall n=2000", memory: 16 });
    vm.run();
    return vm.stats().instructions;
  };
}

/** All of the guest kernel's code, one instruction after the other. */
function decoding(): () => number {
  const text = elfSection(parseElf(new Uint8Array(readFileSync(guestImage("native")))), ".text");
  if (!text) throw new Error("the guest's kernel has no .text");
  const decode = decoderFor(FEATURES);
  const code = new Uint8Array(text.data);
  return () => {
    let count = 0;
    for (let at = 0; at < code.length; count++) {
      const instruction = decode(code, at, code.length, 32);
      at += instruction.invalid === null ? instruction.length : 1;
    }
    return count;
  };
}
