import type { Cpu } from "./cpu.js";

/**
 * What a trap to the processor (or to the hypervisor under it) carries. `vector` as in SDM vol. 3, table 6-1;
 * errorCode is undefined where the vector has none. For #PF the linear address is in CR2 already.
 */
export interface TrapInfo {
  readonly vector: number;
  readonly errorCode: number | undefined;
}

/**
 * A sensitive instruction about to execute at CS:EIP (cpu.eip is its own address; nothing of it has been done).
 * `mnemonic` is the opcode table's `sensitive` name. Gives true when the hook has done all of it, EIP included,
 * false when the processor shall execute it as it stands.
 */
export type SensitiveHook = (cpu: Cpu, instruction: SensitiveInstruction) => boolean;

/** The part of a decoded instruction that hypervisors look at; the decoder's Instruction has these fields. */
export interface SensitiveInstruction {
  readonly mnemonic: string;
  readonly length: number;
  /** Operand size in bits. */
  readonly size: number;
  readonly opSize: number;
  readonly operands: readonly SensitiveOperand[];
}
export type SensitiveOperand = { readonly kind: string };

/** What a page walk found, in machine-physical terms; filled in by Strategy.translate through Mmu.found(). */
export const ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_EXECUTE = 2;

/**
 * A way to run the guest. Every hook is an obligation; `native` (hypervisor/native.ts) is the processor's own answer to each.
 */
export interface Strategy {
  readonly name: string;
  /** Linear address up to which a flat segment must reach to count as flat (0xffffffff on a bare machine). */
  readonly flatLimit: number;
  /**
   * A TLB miss: finds the page of linear address `la` for `access` (ACCESS_*) with user or supervisor rights and calls
   * `cpu.mmu.insert(...)`, or raises the page fault (`cpu.pageFault(la, errorCode)`), or throws another trap.
   */
  translate(cpu: Cpu, la: number, access: number, user: boolean): void;
  /** An exception (fault, trap or abort) of the instruction at cpu.eip; delivers it: to the guest's IDT, or to the hypervisor. */
  exception(cpu: Cpu, trap: TrapInfo): void;
  /** INT n, INT3 or INTO; cpu.eip is the instruction's, `next` the address after it. */
  softwareInterrupt(cpu: Cpu, vector: number, next: number): void;
  /** Is an external interrupt waiting that the processor would take now? Called between instructions only when cheap state changed. */
  interruptPending(cpu: Cpu): boolean;
  /** Takes it. */
  acceptInterrupt(cpu: Cpu): void;
  /** Takes a non-maskable interrupt (cpu.nmiPending). */
  acceptNonMaskable(cpu: Cpu): void;
  /** By the table's `sensitive` name. An absent entry executes as the processor does. Bound once, when the machine is built. */
  readonly sensitive: Readonly<Record<string, SensitiveHook>>;
  /** Whether RDTSC's hook would only let the processor go on, so that generated code may do without it; absent: not if there is a hook. */
  readonly plainTimeStamps?: () => boolean;
  /** Guest-physical to machine-physical byte address for device DMA; -1 where there is no memory. */
  guestToMachine(gpa: number): number;
  /** Extra MODE_* bits for the current state (MODE_TRANSLATED under dbt). */
  modeBits(cpu: Cpu): number;
  /** Whether anything but the console's input could wake the halted processor as it is. */
  canWake(cpu: Cpu): boolean;
  /** CR3 was loaded with `value` by the processor's own MOV CR3 or a task switch (after the TLB flush). */
  pageTableRootLoaded?(cpu: Cpu, value: number): void;
  /** INVLPG executed natively for `la`. */
  pageInvalidated?(cpu: Cpu, la: number): void;
}
