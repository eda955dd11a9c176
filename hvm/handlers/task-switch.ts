import { deliverOnce } from "../../hypervisor/interrupts.js";
import { INFO_TYPE, INFO_VALID, TYPE_HARDWARE_EXCEPTION, TYPE_NMI } from "../controls.js";
import { eventOf, type Exit, isSoftware, type Outcome } from "../exit-record.js";
import { emulate, emulateInstruction } from "../inject.js";
import { decodeTaskSwitch, TASK_IDT_GATE } from "../qualifications.js";
import type { Vcpu } from "../vcpu.js";

/** Task switches are the monitor's work in non-root operation: by the instruction itself, or by the event whose gate is a task gate. */
export function taskSwitch(vcpu: Vcpu, exit: Exit): Outcome {
  const { source } = decodeTaskSwitch(exit.qualification);
  if (source !== TASK_IDT_GATE || (exit.idtVectoringInfo & INFO_VALID) === 0) return emulateInstruction(vcpu);
  const { cpu } = vcpu;
  const event = eventOf(exit.idtVectoringInfo, exit.idtVectoringErrorCode, exit.instructionLength);
  const type = exit.idtVectoringInfo & INFO_TYPE;
  vcpu.queued = undefined;
  vcpu.ledger.event("hvm.emulated_instruction");
  return emulate(vcpu, () => {
    deliverOnce(cpu, {
      vector: event.vector,
      errorCode: event.errorCode,
      source: isSoftware(type) ? "software" : type === TYPE_HARDWARE_EXCEPTION ? "exception" : "external",
      returnEip: (cpu.eip + event.instructionLength) | 0,
    });
    if (type === TYPE_NMI) cpu.nmiBlocked = true;
  });
}
