import { Clock } from "./clock.js";
import { Cpu, type Ports } from "./cpu.js";
import { createHeap, PAGE_SIZE, RAM_BASE, type Heap } from "./heap.js";
import { type CostProfile, Ledger } from "./ledger.js";
import { Memory } from "./memory.js";
import type { Strategy, TrapInfo } from "./strategy.js";

/** What every machine is made of, before a strategy and its devices are put in. */
export interface Machine {
  readonly heap: Heap;
  readonly memory: Memory;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly cpu: Cpu;
  /** Bytes of memory the guest has. Frames above are the hypervisor's. */
  readonly guestBytes: number;
}

const NO_PORTS: Ports = { read: (_port, size) => size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff, write: () => {} };

const UNBOUND: Strategy = {
  name: "unbound",
  flatLimit: 0xffffffff,
  translate: unbound,
  exception: (_cpu: Cpu, _trap: TrapInfo) => unbound(),
  softwareInterrupt: unbound,
  interruptPending: () => false,
  acceptInterrupt: unbound,
  acceptNonMaskable: unbound,
  canWake: () => false,
  sensitive: {},
  guestToMachine: () => -1,
  modeBits: () => 0,
};

function unbound(): never {
  throw new Error("no strategy has been installed");
}

/**
 * Makes the processor, memory and clock of a machine: `guestBytes` of memory for the guest and `monitorBytes` above it
 * for the hypervisor's own structures (shadow page tables, EPT, VMCS, Xen's heap), both multiples of PAGE_SIZE.
 */
export function createMachine(profile: CostProfile, guestBytes: number, monitorBytes: number): Machine {
  if (guestBytes % PAGE_SIZE !== 0 || monitorBytes % PAGE_SIZE !== 0) throw new RangeError("memory is given in whole pages");
  const ledger = new Ledger(profile);
  return assemble(createHeap(guestBytes + monitorBytes), ledger, new Clock(ledger), guestBytes);
}

/**
 * The machine after a reset: a new processor, and nothing of the hypervisor's, on the same memory, whose first `keptBytes` keep what they
 * hold. Counts and time go on. `machine` is not to be used any more.
 */
export function restartMachine(machine: Machine, keptBytes: number): Machine {
  const { heap, ledger, clock, guestBytes } = machine;
  ledger.settleTallies();
  heap.u8.fill(0, 0, RAM_BASE);
  heap.u8.fill(0, RAM_BASE + keptBytes);
  clock.cancelAll();
  return assemble(heap, ledger, clock, guestBytes);
}

function assemble(heap: Heap, ledger: Ledger, clock: Clock, guestBytes: number): Machine {
  const memory = new Memory(heap);
  const cpu = new Cpu(memory, ledger, clock, UNBOUND, NO_PORTS);
  clock.onReschedule = () => { cpu.recheck = true; };
  return { heap, memory, ledger, clock, cpu, guestBytes };
}
