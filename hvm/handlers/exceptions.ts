import { PF } from "../../hypervisor/trap.js";
import { eventOf, type Exit, type Outcome } from "../exit-record.js";
import { injectException } from "../inject.js";
import { INFO_VECTOR, TYPE_HARDWARE_EXCEPTION } from "../controls.js";
import type { Vcpu } from "../vcpu.js";
import { F } from "../vmcs-fields.js";

/** Page faults are the memory virtualization's to tell apart; any other exception is the guest's own and goes back to it. */
export function exceptionNmi(vcpu: Vcpu, exit: Exit): Outcome {
  const vector = exit.interruptionInfo & INFO_VECTOR;
  if (vector === PF) return vcpu.virtualization.pageFault(vcpu, exit.qualification, exit.interruptionErrorCode);
  const event = eventOf(exit.interruptionInfo, exit.interruptionErrorCode, 0);
  if (event.type === TYPE_HARDWARE_EXCEPTION) return injectException(vcpu, event);
  vcpu.queued = { ...event, instructionLength: vcpu.read(F.VM_EXIT_INSTRUCTION_LENGTH) };
  return "again";
}

export function tripleFault(vcpu: Vcpu): Outcome {
  vcpu.stopReason = "ends the guest";
  return "stop";
}
