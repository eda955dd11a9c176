import type { Exit, Outcome } from "../exit-record.js";
import type { Vcpu } from "../vcpu.js";

/** INVLPG: the qualification is the linear address. */
export function invlpg(vcpu: Vcpu, exit: Exit): Outcome {
  vcpu.virtualization.pageInvalidated(vcpu, exit.qualification);
  return "next";
}
