/** What the Linux test and its worker threads say to each other. */
import type { MmuKind, Mode } from "../../vm/options.js";
import type { VmOutcome } from "../../vm/run-types.js";

export const KERNELS = ["686", "686-pae"] as const;

/** A mode that runs an unmodified guest, with both kernels in it. */
export interface Job {
  readonly index: number;
  readonly name: string;
  readonly mode: Mode;
  readonly mmu?: MmuKind;
}

export interface GuestResult {
  readonly outcome: VmOutcome;
  readonly instructions: number;
  /** All it sent on its serial port. */
  readonly output: string;
}

/** The guests in the order of KERNELS. */
export interface Answer {
  readonly index: number;
  readonly guests: readonly GuestResult[];
  readonly seconds: number;
}
