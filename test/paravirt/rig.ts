import type { BlockBackend } from "../../hypervisor/devices/block-backend.js";
import type { XenElf } from "../../hypervisor/loader/xen-elf.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { Network } from "../../hypervisor/network/network.js";
import { Trap } from "../../hypervisor/trap.js";
import { Continuation } from "../../paravirt/hypercall-result.js";
import { HYPERCALLS } from "../../paravirt/hypercalls.js";
import { createParavirt, type Paravirt, paravirtMonitorBytes } from "../../paravirt/index.js";
import type { Domain } from "../../paravirt/domain.js";
import { l1Place, mfnOf, readLow } from "../../paravirt/page-tables.js";
import { Engine } from "../../translator/engine.js";

/** A small paravirtual domain for tests: a kernel of a few pages at 3 GB whose code the test gives. */
export const BASE = 0xc000_0000, PAGE = 4096;
/** Pages of the test kernel: hypercall page, code, then pages to play with. */
export const CODE = BASE + PAGE, SCRATCH = BASE + 2 * PAGE, STACK_TOP = BASE + 7 * PAGE, PLAY_PAGES = 16;

export const PROFILE: CostProfile = {
  schema: "trivisor/profile@1", name: "test", title: "test", hz: 2e9, cyclesPerInstruction: { cycles: 1, source: "test" },
  tlb: { data: 64, instruction: 64, source: "test" }, costs: {},
};

export interface RigOptions {
  readonly pae?: boolean;
  readonly code?: readonly number[] | Uint8Array;
  readonly mib?: number;
  readonly disks?: readonly BlockBackend[];
  readonly network?: Network;
  readonly costs?: CostProfile["costs"];
  readonly image?: Partial<XenElf>;
}

export interface Rig {
  readonly machine: Machine;
  readonly pv: Paravirt;
  readonly d: Domain;
  readonly engine: Engine;
  /** What the guest has written to its console. */
  readonly output: () => string;
  /** Makes a hypercall from the kernel, continuations and all; arguments as 32-bit words. */
  readonly call: (name: string, ...args: number[]) => number;
  readonly read: (va: number) => number;
  readonly write: (va: number, ...words: number[]) => void;
  /** Machine frame mapped at a linear address, and of a pseudo-physical page. */
  readonly mfnAt: (va: number) => number;
  readonly mfn: (pfn: number) => number;
  /** Machine address of the L1 entry for `va`. */
  readonly pteAt: (va: number) => number;
  /** First page that the builder has neither used nor mapped. */
  readonly unused: number;
}

export function xenElf(code: readonly number[] | Uint8Array, pae: boolean, more: Partial<XenElf> = {}): XenElf {
  const data = new Uint8Array((2 + PLAY_PAGES) * PAGE);
  data.set(code, PAGE);
  return {
    source: "notes", guestOs: "test", guestVersion: "", xenVersion: "xen-3.0", loader: "generic", pae: pae ? "yes" : "no", virtBase: BASE, paddrOffset: 0,
    entry: CODE, hypercallPage: BASE, hvStartLow: undefined, initP2m: undefined, modStartPfn: false, suspendCancel: false, bsdSymtab: false,
    l1MfnValid: [], supportedFeatures: 0, requiredFeatures: 0, virtStart: BASE, virtEnd: BASE + data.length,
    segments: [{ vaddr: BASE, paddr: 0, pseudoPhysical: 0, data, memSize: data.length, flags: 7 }], ...more,
  };
}

export function rig(options: RigOptions = {}): Rig {
  const guestBytes = (options.mib ?? 8) << 20;
  const machine = createMachine({ ...PROFILE, costs: options.costs ?? {} }, guestBytes, paravirtMonitorBytes(guestBytes));
  const engine = new Engine(machine);
  const bytes: number[] = [];
  const pv = createParavirt(machine, {
    image: xenElf(options.code ?? [0xeb, 0xfe], options.pae ?? true, options.image), commandLine: "test", disks: options.disks ?? [], ...(options.network ? { network: { hub: options.network } } : {}),
    consoleOut: (byte) => bytes.push(byte),
  });
  const { domain: d } = pv;
  const { mmu } = machine.cpu;
  const read = (va: number): number => faultAsError(va, () => mmu.readAs(va, 4, false));
  const byPfn = new Map<number, number>();
  for (let mfn = 1; mfn < guestBytes / PAGE; mfn++) byPfn.set(d.reserved.m2p(mfn), mfn);
  const call = (name: string, ...args: number[]): number => {
    const { number } = HYPERCALLS.find((h) => h.name === name)!;
    let result = d.hypercalls!.call(number, args.map((a) => a >>> 0));
    while (result instanceof Continuation) {
      machine.clock.runDue();
      result = d.hypercalls!.call(number, result.args);
    }
    return result | 0;
  };
  const place = (va: number): { mfn: number; index: number } => {
    const found = l1Place(d, va);
    if (found === undefined) throw new Error(`nothing is mapped at ${va.toString(16)}`);
    return found;
  };
  return {
    machine, pv, d, engine, call, read,
    output: () => String.fromCharCode(...bytes),
    write: (va, ...words) => words.forEach((word, i) => faultAsError(va, () => mmu.writeAs(va + i * 4, 4, word >>> 0, false))),
    mfnAt: (va) => mfnOf(readLow(d, place(va).mfn, place(va).index)),
    mfn: (pfn) => byPfn.get(pfn)!,
    pteAt: (va) => place(va).mfn * PAGE + place(va).index * d.layout.entryBytes,
    unused: 1536,
  };
}

/** A trap is no Error, and a test runner wants one. */
function faultAsError<T>(va: number, access: () => T): T {
  try {
    return access();
  } catch (e) {
    throw e instanceof Trap ? new Error(`trap ${e.vector} at ${va.toString(16)}`) : e;
  }
}

/** Little-endian words as bytes. */
export const words = (...values: number[]): number[] => values.flatMap((v) => [v & 0xff, v >>> 8 & 0xff, v >>> 16 & 0xff, v >>> 24]);

/** Machine code for tests: hypercall `n` with constant arguments; the result is left in EAX. */
export function hypercall(n: number, ...args: number[]): number[] {
  const opcode = [0xbb, 0xb9, 0xba, 0xbe, 0xbf]; // mov $imm,%ebx %ecx %edx %esi %edi
  return [...args.flatMap((arg, i) => [opcode[i], ...words(arg)]), 0xb8, ...words(n), 0xcd, 0x82];
}

/** Ends the domain: SCHEDOP_shutdown by the older call, whose argument is the reason. */
export const powerOff = (): number[] => hypercall(6, 2, 0);
