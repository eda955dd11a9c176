import type { WrongInstruction } from "./assembly.js";
import type { Mode } from "./options.js";

/** Which addresses `read` and `write` mean. */
export type Space = "linear" | "guest-physical" | "machine";

/** When `run` comes back at the latest. */
export interface RunLimits {
  /** This many more instructions have completed. */
  readonly instructions?: number;
  /** The ledger has counted this event (`vmexit.hlt`), or one of a family (`hypercall.*`). */
  readonly event?: string;
  /** The guest has ended a line on COM1 that holds this text or matches this pattern. */
  readonly serial?: string | RegExp;
  /** Asked now and then while the guest runs; true ends the run. Nothing in the guest depends on when it is asked. */
  readonly pause?: () => boolean;
}

/** Why `run` came back. */
export type VmOutcome =
  /** The guest powered off, or wrote `code` to port 0xf4. */
  | { readonly reason: "exit"; readonly code: number }
  /** The guest asked for a reset, and option `noReboot` is set. */
  | { readonly reason: "reset" }
  /** Triple fault, or the domain was killed: what happened, and the registers at that moment. */
  | { readonly reason: "crash"; readonly message: string; readonly registers: string }
  | { readonly reason: "limit" | "event" | "serial" }
  /** `stop` was called or `pause` said so. */
  | { readonly reason: "stopped" }
  /** Halted, with nothing to wake it but bytes on its console. */
  | { readonly reason: "idle" };

/** What a run counted; the same bytes each time as JSON. */
export interface VmStats {
  readonly schema: "trivisor/stats@1";
  readonly mode: Mode;
  readonly profile: string;
  readonly memory: number;
  readonly instructions: number;
  readonly cycles: number;
  /** Those of `cycles` in which the processor was halted. */
  readonly idleCycles: number;
  readonly events: Record<string, number>;
  /** Mode classic: what went wrong without a trap. */
  readonly wrong?: readonly WrongInstruction[];
}
