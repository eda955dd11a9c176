/** Instructions that need little: executed in software on the guest's registers, ignored, or refused. */
import * as S from "../../hypervisor/cpu-state.js";
import { DR7, readDebugRegister, writeDebugRegister } from "../../hypervisor/debug-registers.js";
import { readPerformanceCounter as readCounter } from "../../hypervisor/model-specific-registers.js";
import { Trap } from "../../hypervisor/trap.js";
import type { Exit, Outcome } from "../exit-record.js";
import { emulateInstruction, injectException, injectInvalidOpcode } from "../inject.js";
import { decodeMovDr } from "../qualifications.js";
import type { Vcpu } from "../vcpu.js";
import { F } from "../vmcs-fields.js";

/** Runs what may raise an exception of the guest's. */
export function trying(vcpu: Vcpu, action: () => void): Outcome {
  try {
    action();
    return "next";
  } catch (thrown) {
    if (!(thrown instanceof Trap)) throw thrown;
    return injectException(vcpu, { vector: thrown.vector, errorCode: thrown.errorCode });
  }
}

/** The VMX instructions do not exist on the guest's processor. */
export function invalidInstruction(vcpu: Vcpu): Outcome {
  return injectInvalidOpcode(vcpu);
}

/** INVD and WBINVD: there are no caches to write back. */
export function invd(): Outcome {
  return "next";
}

/** Loads and stores of descriptor-table registers: what native would do. */
export function softwareInstruction(vcpu: Vcpu): Outcome {
  return emulateInstruction(vcpu);
}

export function readPerformanceCounter(vcpu: Vcpu): Outcome {
  const { cpu } = vcpu;
  return trying(vcpu, () => {
    const [low, high] = readCounter(cpu, cpu.i32[S.ECX]!);
    cpu.i32[S.EAX] = low;
    cpu.i32[S.EDX] = high;
  });
}

/** MOV to or from a debug register; the registers are the guest's own. */
export function movDr(vcpu: Vcpu, exit: Exit): Outcome {
  const { dr, from, register } = decodeMovDr(exit.qualification);
  return trying(vcpu, () => {
    if (from) vcpu.setGpr(register, readDebugRegister(vcpu.cpu, dr));
    else {
      writeDebugRegister(vcpu.cpu, dr, vcpu.gpr(register));
      // DR7 is a field of the VMCS; the others stay in the processor.
      vcpu.write(F.GUEST_DR7, vcpu.cpu.i32[DR7]!);
    }
  });
}

/** VM entry failed: the monitor has made a guest state that no processor can be in. */
export function entryFailure(vcpu: Vcpu): Outcome {
  vcpu.stopReason = `violates "${vcpu.violatedRule}"`;
  return "stop";
}
