/** VM entry: the checks, loading the guest's state, and event injection (SDM vol. 3C, chapter 26). */
import { writeMsr } from "../hypervisor/model-specific-registers.js";
import { Trap } from "../hypervisor/trap.js";
import * as C from "./controls.js";
import { CONTROL_RULES, HOST_RULES } from "./entry-checks-control.js";
import { GUEST_RULES } from "./entry-checks-guest.js";
import { firstViolation, secondary } from "./entry-rule.js";
import { deliverEvent } from "./events.js";
import { loadSavedPdptes } from "./exit.js";
import { eventOf, type ExitCause } from "./exit-record.js";
import { ENTRY_FAILURE, REASON } from "./exit-reasons.js";
import { loadGuestState } from "./guest-state.js";
import { paePaging } from "./non-root-memory.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

/**
 * VMLAUNCH (of a clear VMCS) or VMRESUME. Gives undefined when the guest runs, else the exit that the entry ends in at
 * once: a guest state that is not valid, or an injected event that cannot be delivered without one. Invalid controls or
 * host state throw VmInstructionError 7 or 8, which names the rule.
 */
export function vmEntry(vcpu: Vcpu): ExitCause | undefined {
  const { vmcs, vmx, cpu } = vcpu;
  vcpu.ledger.event("vmentry");
  if (vmx.controlsChanged) checkControls(vcpu);
  const bad = firstViolation(GUEST_RULES, vmcs, vcpu.memory.size);
  if (bad !== undefined) {
    vcpu.violatedRule = `${bad.rule} (${bad.section})`;
    return { reason: REASON.entry_failure_guest_state | ENTRY_FAILURE, qualification: bad.qualification ?? 0 };
  }
  vcpu.nonRoot.loadControls();
  loadGuestState(cpu, vmcs);
  if (secondary(vmcs, C.PROC2_ENABLE_EPT) && paePaging(cpu.cr0, cpu.cr4)) loadSavedPdptes(vcpu);
  if (!secondary(vmcs, C.PROC2_ENABLE_VPID)) cpu.mmu.flush(true);
  const badMsr = loadMsrs(vcpu);
  if (badMsr !== 0) return { reason: REASON.entry_failure_msr_loading | ENTRY_FAILURE, qualification: badMsr };
  vmcs.launched = true;
  return injectEvent(vcpu);
}

/** Controls and host state: checked when one of their fields has been written, which an event to inject always is. */
function checkControls(vcpu: Vcpu): void {
  const { vmx, vmcs, memory } = vcpu;
  const badControl = firstViolation(CONTROL_RULES, vmcs, memory.size);
  if (badControl !== undefined) vmx.fail(7, badControl.rule);
  const badHost = firstViolation(HOST_RULES, vmcs, memory.size);
  if (badHost !== undefined) vmx.fail(8, badHost.rule);
  vmx.controlsChanged = false;
}

function injectEvent(vcpu: Vcpu): ExitCause | undefined {
  const { vmcs } = vcpu;
  const info = vmcs.get(F.VM_ENTRY_INTERRUPTION_INFO);
  if ((info & C.INFO_VALID) === 0) return undefined;
  return deliverEvent(vcpu, eventOf(info, vmcs.get(F.VM_ENTRY_EXCEPTION_ERROR_CODE), vmcs.get(F.VM_ENTRY_INSTRUCTION_LENGTH)));
}

const MSR_ENTRY_BYTES = 16;
/** FS.base and GS.base, and the x2APIC's MSRs, may not be in the list (26.4). */
const unloadable = (index: number): boolean => index === 0xc0000100 || index === 0xc0000101 || index >>> 8 === 8;

/** Loads the MSRs of the VM-entry MSR-load area; gives the number of the first entry that fails, from 1 on, or 0 (26.4). */
function loadMsrs(vcpu: Vcpu): number {
  const { vmcs, memory, cpu } = vcpu;
  const count = vmcs.get(F.VM_ENTRY_MSR_LOAD_COUNT) >>> 0;
  for (let n = 0; n < count; n++) {
    const at = (vmcs.get(F.VM_ENTRY_MSR_LOAD_ADDRESS) >>> 0) + n * MSR_ENTRY_BYTES;
    const index = memory.read32(at) >>> 0;
    if (unloadable(index) || memory.read32(at + 4) !== 0) return n + 1;
    try {
      writeMsr(cpu, index, memory.read32(at + 8), memory.read32(at + 12));
    } catch (thrown) {
      if (!(thrown instanceof Trap)) throw thrown;
      return n + 1;
    }
  }
  return 0;
}
