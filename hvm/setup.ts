/** The monitor's policy: how the VMCS is filled before the first entry, and the guest state it starts from. */
import * as S from "../hypervisor/cpu-state.js";
import { REAL_ATTR, SYS_TSS32_BUSY } from "../hypervisor/segmentation.js";
import { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP } from "../hypervisor/model-specific-registers.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import { interceptMsr } from "./bitmaps.js";
import * as C from "./controls.js";
import { saveGuestState } from "./guest-state.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const PRIMARY = C.ALLOWED.primary.zero | C.PROC_USE_TSC_OFFSETTING | C.PROC_HLT_EXITING | C.PROC_MWAIT_EXITING | C.PROC_MONITOR_EXITING |
  C.PROC_RDPMC_EXITING | C.PROC_MOV_DR_EXITING | C.PROC_USE_IO_BITMAPS | C.PROC_USE_MSR_BITMAPS | C.PROC_ACTIVATE_SECONDARY_CONTROLS;

/** Fills controls and host state: all ports, all MSRs but SYSENTER's, HLT, MOV DR and physical interrupts exit. */
export function setUpVmcs(vcpu: Vcpu, tprShadow: boolean): void {
  vcpu.write(F.PIN_BASED_CONTROLS, C.ALLOWED.pin.zero | C.PIN_EXTERNAL_INTERRUPT_EXITING | C.PIN_NMI_EXITING);
  vcpu.primaryControls = tprShadow ? PRIMARY | C.PROC_USE_TPR_SHADOW : PRIMARY;
  vcpu.write(F.PRIMARY_CONTROLS, vcpu.primaryControls);
  if (tprShadow) vcpu.write(F.VIRTUAL_APIC_ADDRESS, vcpu.newFrame());
  vcpu.write(F.VM_EXIT_CONTROLS, C.ALLOWED.exit.zero | C.EXIT_SAVE_DEBUG_CONTROLS);
  vcpu.write(F.VM_ENTRY_CONTROLS, C.ALLOWED.entry.zero | C.ENTRY_LOAD_DEBUG_CONTROLS);
  vcpu.write(F.VMCS_LINK_POINTER, -1);
  vcpu.write(F.VMCS_LINK_POINTER + 1, -1);
  setUpBitmaps(vcpu);
  setUpHostState(vcpu);
  const { virtualization } = vcpu;
  vcpu.write(F.CR0_GUEST_HOST_MASK, ~virtualization.cr0GuestOwned);
  vcpu.write(F.CR4_GUEST_HOST_MASK, ~virtualization.cr4GuestOwned);
  virtualization.setUp(vcpu);
}

function onesFrame(vcpu: Vcpu): number {
  const address = vcpu.newFrame();
  vcpu.cpu.u8.fill(0xff, RAM_BASE + address, RAM_BASE + address + 4096);
  return address;
}

function setUpBitmaps(vcpu: Vcpu): void {
  vcpu.write(F.IO_BITMAP_A, onesFrame(vcpu));
  vcpu.write(F.IO_BITMAP_B, onesFrame(vcpu));
  const msrs = onesFrame(vcpu);
  for (const index of [MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP]) {
    interceptMsr(vcpu.memory, msrs, index, false, false);
    interceptMsr(vcpu.memory, msrs, index, true, false);
  }
  vcpu.write(F.MSR_BITMAP, msrs);
}

const HOST_CODE = 0x08, HOST_DATA = 0x10, HOST_TSS = 0x18;

/** Flat segments and paging: what a 32-bit host kernel would have. Nothing is ever executed with it. */
function setUpHostState(vcpu: Vcpu): void {
  vcpu.write(F.HOST_CR0, S.CR0_PE | S.CR0_ET | S.CR0_NE | S.CR0_WP | S.CR0_PG);
  vcpu.write(F.HOST_CR4, C.CR4_VMXE);
  vcpu.write(F.HOST_CS_SELECTOR, HOST_CODE);
  for (const field of [F.HOST_SS_SELECTOR, F.HOST_DS_SELECTOR, F.HOST_ES_SELECTOR]) vcpu.write(field, HOST_DATA);
  vcpu.write(F.HOST_TR_SELECTOR, HOST_TSS);
}

/** Makes the processor's present state the guest's, with what VMX operation demands put in behind masks and shadows. */
export function startGuest(vcpu: Vcpu): void {
  const { cpu, virtualization } = vcpu;
  const cr0 = cpu.cr0, cr4 = cpu.cr4;
  if ((cpu.segAttr(S.TR) & (S.ATTR_S | S.ATTR_TYPE)) !== SYS_TSS32_BUSY) {
    cpu.setSegment(S.TR, cpu.selector(S.TR), cpu.segBase(S.TR), 0xffff, S.ATTR_P | SYS_TSS32_BUSY);
  }
  for (let sreg = S.ES; sreg <= S.GS; sreg++) if ((cpu.segAttr(sreg) & S.ATTR_P) === 0) cpu.setSegment(sreg, 0, 0, 0xffff, REAL_ATTR);
  saveGuestState(cpu, vcpu.vmcs);
  vcpu.vmcs.launched = false;
  vcpu.blocked = vcpu.interrupted = false;
  vcpu.queued = undefined;
  vcpu.write(F.VM_ENTRY_INTERRUPTION_INFO, 0);
  vcpu.write(F.CR0_READ_SHADOW, cr0);
  vcpu.write(F.GUEST_CR0, cr0 | virtualization.cr0Forced);
  vcpu.write(F.CR4_READ_SHADOW, cr4);
  vcpu.write(F.GUEST_CR4, virtualization.hardwareCr4(cr4, cr0));
  vcpu.write(F.TSC_OFFSET, 0);
  vcpu.write(F.TSC_OFFSET + 1, 0);
  virtualization.start(vcpu);
  vcpu.started = true;
}
