/** What the processor does on a VM exit (SDM vol. 3C, chapter 27). */
import { saveGuestState } from "./guest-state.js";
import * as C from "./controls.js";
import { secondary } from "./entry-rule.js";
import { informationOf, isSoftware, type ExitCause, type VmxEvent } from "./exit-record.js";
import { ENTRY_FAILURE } from "./exit-reasons.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";
import type { Vmcs } from "./vmcs.js";

const PDPTES = [F.GUEST_PDPTE0, F.GUEST_PDPTE1, F.GUEST_PDPTE2, F.GUEST_PDPTE3] as const;

/**
 * Records an exit in the VMCS: its information, and the guest's state unless the exit is an entry that failed. Host
 * state is in no register here (the monitor is not x86 code), so none is loaded; translations go unless VPIDs keep them.
 */
export function recordExit(vcpu: Vcpu, cause: ExitCause): void {
  const { vmcs } = vcpu;
  vmcs.set(F.EXIT_REASON, cause.reason);
  vmcs.set(F.EXIT_QUALIFICATION, cause.qualification ?? 0);
  vmcs.set(F.VM_EXIT_INSTRUCTION_LENGTH, cause.instructionLength ?? softwareLength(cause));
  vmcs.set(F.VM_EXIT_INSTRUCTION_INFO, cause.instructionInfo ?? 0);
  vmcs.set(F.GUEST_LINEAR_ADDRESS, cause.guestLinear ?? 0);
  vmcs.set(F.GUEST_PHYSICAL_ADDRESS, cause.guestPhysical ?? 0);
  vmcs.set(F.GUEST_PHYSICAL_ADDRESS + 1, 0);
  recordEvent(vmcs, cause.event, F.VM_EXIT_INTERRUPTION_INFO, F.VM_EXIT_INTERRUPTION_ERROR_CODE);
  recordEvent(vmcs, cause.vectoring, F.IDT_VECTORING_INFO, F.IDT_VECTORING_ERROR_CODE);
  if ((cause.reason & ENTRY_FAILURE) !== 0) return;
  // The event has been injected: the valid bit goes (24.8.3).
  vmcs.set(F.VM_ENTRY_INTERRUPTION_INFO, vmcs.get(F.VM_ENTRY_INTERRUPTION_INFO) & ~C.INFO_VALID);
  saveGuestState(vcpu.cpu, vmcs);
  if (secondary(vmcs, C.PROC2_ENABLE_EPT)) savePdptes(vcpu);
  if (!secondary(vmcs, C.PROC2_ENABLE_VPID)) vcpu.cpu.mmu.flush(true);
}

/** Length of the instruction behind a software event that exits, or whose delivery does (27.2.4). */
function softwareLength({ event, vectoring }: ExitCause): number {
  if (event !== undefined && isSoftware(event.type)) return event.instructionLength;
  return vectoring !== undefined && isSoftware(vectoring.type) ? vectoring.instructionLength : 0;
}

function recordEvent(vmcs: Vmcs, event: VmxEvent | undefined, info: number, errorCode: number): void {
  vmcs.set(info, event === undefined ? 0 : informationOf(event));
  vmcs.set(errorCode, event?.errorCode ?? 0);
}

function savePdptes(vcpu: Vcpu): void {
  PDPTES.forEach((field, i) => {
    vcpu.vmcs.set(field, vcpu.pdptes[2 * i]!);
    vcpu.vmcs.set(field + 1, vcpu.pdptes[2 * i + 1]!);
  });
}

/** Loads the PDPTE registers from the VMCS, as VM entry does with EPT (26.3.2.4). */
export function loadSavedPdptes(vcpu: Vcpu): void {
  PDPTES.forEach((field, i) => {
    vcpu.pdptes[2 * i] = vcpu.vmcs.get(field);
    vcpu.pdptes[2 * i + 1] = vcpu.vmcs.get(field + 1);
  });
}
