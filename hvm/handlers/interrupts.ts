import type { Outcome } from "../exit-record.js";
import type { Vcpu } from "../vcpu.js";

/**
 * A physical interrupt: the device model has already raised the virtual controllers' line, and what is pending there is
 * injected before the next entry, or an interrupt window is asked for (monitor.ts).
 */
export function externalInterrupt(): Outcome {
  return "again";
}

/** The guest can take interrupts now. */
export function interruptWindow(): Outcome {
  return "again";
}

/** The guest waits for an interrupt: its processor is blocked, unless one is pending already. */
export function hlt(vcpu: Vcpu): Outcome {
  vcpu.blocked = true;
  return "next";
}
