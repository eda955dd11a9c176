/** What handlers do to the guest's course: exceptions, and instructions executed for it in software. */
import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { combineFaults, deliverException } from "../hypervisor/interrupts.js";
import { isCode } from "../hypervisor/segmentation.js";
import type { TrapInfo } from "../hypervisor/strategy.js";
import { GP, PF, Trap, UD } from "../hypervisor/trap.js";
import { TYPE_HARDWARE_EXCEPTION } from "./controls.js";
import { hardwareException, type Outcome } from "./exit-record.js";
import { loadGuestState, saveGuestState } from "./guest-state.js";
import type { Vcpu } from "./vcpu.js";

/** Queues an exception for the next entry. During the delivery of another it may become a double fault (vol. 3, table 6-5) or the end. */
export function injectException(vcpu: Vcpu, trap: TrapInfo): Outcome {
  const first = vcpu.queued?.type === TYPE_HARDWARE_EXCEPTION ? vcpu.queued.vector : undefined;
  const combined = combineFaults(first, trap);
  if (combined === undefined) {
    vcpu.stopReason = "is a triple fault";
    return "stop";
  }
  vcpu.queued = hardwareException(combined);
  return "again";
}

export const injectInvalidOpcode = (vcpu: Vcpu): Outcome => injectException(vcpu, { vector: UD, errorCode: undefined });
export const injectGeneralProtection = (vcpu: Vcpu): Outcome => injectException(vcpu, { vector: GP, errorCode: 0 });

/** A page fault of the guest's own, with CR2, which is in no VMCS field. */
export function injectPageFault(vcpu: Vcpu, la: number, errorCode: number): Outcome {
  vcpu.cpu.i32[S.CR2] = la;
  return injectException(vcpu, { vector: PF, errorCode });
}

/**
 * Runs `action` on the guest's registers with nothing exiting, as an instruction emulator would work, and puts the result
 * back in the VMCS. A trap it throws is injected.
 */
export function emulate(vcpu: Vcpu, action: () => void): Outcome {
  const { cpu, vmcs } = vcpu;
  let outcome: Outcome = "again";
  loadGuestState(cpu, vmcs);
  vcpu.emulating = true;
  try {
    vcpu.virtualization.whileEmulating(vcpu, action);
  } catch (thrown) {
    if (!(thrown instanceof Trap)) throw thrown;
    if (thrown.vector === PF) cpu.i32[S.CR2] = vcpu.faultAddress;
    const trap = { vector: thrown.vector, errorCode: thrown.errorCode };
    outcome = hasCodeSegment(cpu) ? injectException(vcpu, trap) : deliverInSoftware(vcpu, trap);
  } finally {
    vcpu.emulating = false;
    for (const la of vcpu.emulatedPages.splice(0)) cpu.mmu.invalidate(la);
  }
  saveGuestState(cpu, vmcs);
  return outcome;
}

function hasCodeSegment(cpu: Cpu): boolean {
  return !cpu.protectedMode || cpu.v86 || isCode(cpu.segAttr(S.CS));
}

/** A task switch has failed behind the point of no return: no VM entry takes a guest without code, so the monitor delivers the fault itself. */
function deliverInSoftware(vcpu: Vcpu, trap: TrapInfo): Outcome {
  try {
    vcpu.virtualization.whileEmulating(vcpu, () => deliverException(vcpu.cpu, trap));
    return "again";
  } catch (thrown) {
    if (!(thrown instanceof Trap)) throw thrown;
    vcpu.stopReason = "has no end: one task gate leads to the next";
    return "stop";
  }
}

/** Emulates the instruction at RIP; RIP is then past it, or still at it with an exception queued. */
export function emulateInstruction(vcpu: Vcpu): Outcome {
  vcpu.ledger.event("hvm.emulated_instruction");
  return emulate(vcpu, () => vcpu.cpu.interpretOne());
}
