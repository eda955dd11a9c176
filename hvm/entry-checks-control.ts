/**
 * Checks of VM entry on the VMX controls and the host-state area (SDM vol. 3C, 26.2). One that fails is VM-instruction
 * error 7 or 8, and the guest's state is not looked at.
 */
import * as C from "./controls.js";
import { badAddress, primary, rule, secondary, type EntryRule, type Fields } from "./entry-rule.js";
import { CR0_PG } from "../hypervisor/cpu-state.js";
import { F } from "./vmcs-fields.js";

const notAllowed = (value: number, allowed: C.Allowed): boolean => (value & allowed.zero) !== allowed.zero || (value & ~allowed.one) !== 0;

const VECTORS_WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const info = (v: Fields): number => v.get(F.VM_ENTRY_INTERRUPTION_INFO);
const valid = (v: Fields): boolean => (info(v) & C.INFO_VALID) !== 0;
const type = (v: Fields): number => info(v) & C.INFO_TYPE;
const vector = (v: Fields): number => info(v) & C.INFO_VECTOR;
const withErrorCode = (v: Fields): boolean => valid(v) && (info(v) & C.INFO_ERROR_CODE) !== 0;

/** Whether an event of this kind has an error code when it is injected (26.2.1.3). */
function takesErrorCode(v: Fields): boolean {
  const protectedMode = (v.get(F.GUEST_CR0) & 1) !== 0 || !secondary(v, C.PROC2_UNRESTRICTED_GUEST);
  return type(v) === C.TYPE_HARDWARE_EXCEPTION && VECTORS_WITH_ERROR_CODE.has(vector(v)) && protectedMode;
}

function hasSoftwareLength(v: Fields): boolean {
  return valid(v) && (type(v) === C.TYPE_SOFTWARE_INTERRUPT || type(v) === C.TYPE_SOFTWARE_EXCEPTION || type(v) === C.TYPE_PRIVILEGED_SOFTWARE_EXCEPTION);
}

function listRule(section: string, name: string, count: number, address: number): EntryRule {
  return rule(section, `the ${name} area is 16-byte aligned and within physical memory`,
    (v, bytes) => v.get(count) !== 0 && badAddress(v, address, 16, bytes));
}

const EXECUTION = "26.2.1.1", EXIT = "26.2.1.2", ENTRY = "26.2.1.3";
const EPTP_RESERVED = 0xf80;

export const CONTROL_RULES: readonly EntryRule[] = [
  rule(EXECUTION, "reserved bits of the pin-based controls are set properly", (v) => notAllowed(v.get(F.PIN_BASED_CONTROLS), C.ALLOWED.pin)),
  rule(EXECUTION, "reserved bits of the primary controls are set properly", (v) => notAllowed(v.get(F.PRIMARY_CONTROLS), C.ALLOWED.primary)),
  rule(EXECUTION, "reserved bits of the secondary controls are clear",
    (v) => primary(v, C.PROC_ACTIVATE_SECONDARY_CONTROLS) && notAllowed(v.get(F.SECONDARY_CONTROLS), C.ALLOWED.secondary)),
  rule(EXECUTION, "the CR3-target count is at most 4", (v) => v.get(F.CR3_TARGET_COUNT) >>> 0 > 4),
  rule(EXECUTION, "I/O bitmap A is a page of physical memory", (v, bytes) => primary(v, C.PROC_USE_IO_BITMAPS) && badAddress(v, F.IO_BITMAP_A, 4096, bytes)),
  rule(EXECUTION, "I/O bitmap B is a page of physical memory", (v, bytes) => primary(v, C.PROC_USE_IO_BITMAPS) && badAddress(v, F.IO_BITMAP_B, 4096, bytes)),
  rule(EXECUTION, "the MSR bitmap is a page of physical memory", (v, bytes) => primary(v, C.PROC_USE_MSR_BITMAPS) && badAddress(v, F.MSR_BITMAP, 4096, bytes)),
  rule(EXECUTION, "the virtual-APIC page is a page of physical memory", (v, bytes) => primary(v, C.PROC_USE_TPR_SHADOW) && badAddress(v, F.VIRTUAL_APIC_ADDRESS, 4096, bytes)),
  rule(EXECUTION, "bits 31:4 of the TPR threshold are clear", (v) => primary(v, C.PROC_USE_TPR_SHADOW) && (v.get(F.TPR_THRESHOLD) & ~0xf) !== 0),
  rule(EXECUTION, "NMI-window exiting needs virtual NMIs",
    (v) => primary(v, C.PROC_NMI_WINDOW_EXITING) && (v.get(F.PIN_BASED_CONTROLS) & C.PIN_VIRTUAL_NMIS) === 0),
  rule(EXECUTION, "the VPID is not 0", (v) => secondary(v, C.PROC2_ENABLE_VPID) && v.get(F.VIRTUAL_PROCESSOR_ID) === 0),
  rule(EXECUTION, "the EPT memory type is uncacheable or write-back",
    (v) => secondary(v, C.PROC2_ENABLE_EPT) && (v.get(F.EPT_POINTER) & 7) !== 0 && (v.get(F.EPT_POINTER) & 7) !== 6),
  rule(EXECUTION, "the EPT page-walk length is 4", (v) => secondary(v, C.PROC2_ENABLE_EPT) && (v.get(F.EPT_POINTER) >> 3 & 7) !== 3),
  rule(EXECUTION, "accessed and dirty flags for EPT are off", (v) => secondary(v, C.PROC2_ENABLE_EPT) && (v.get(F.EPT_POINTER) & 0x40) !== 0),
  rule(EXECUTION, "reserved bits of the EPT pointer are clear",
    (v, bytes) => secondary(v, C.PROC2_ENABLE_EPT) && ((v.get(F.EPT_POINTER) & EPTP_RESERVED) !== 0 || v.get(F.EPT_POINTER + 1) !== 0 || v.get(F.EPT_POINTER) >>> 0 >= bytes)),
  rule(EXECUTION, "an unrestricted guest needs EPT", (v) => secondary(v, C.PROC2_UNRESTRICTED_GUEST) && !secondary(v, C.PROC2_ENABLE_EPT)),

  rule(EXIT, "reserved bits of the VM-exit controls are set properly", (v) => notAllowed(v.get(F.VM_EXIT_CONTROLS) & ~C.EXIT_HOST_ADDRESS_SPACE_SIZE, C.ALLOWED.exit)),
  listRule(EXIT, "VM-exit MSR-store", F.VM_EXIT_MSR_STORE_COUNT, F.VM_EXIT_MSR_STORE_ADDRESS),
  listRule(EXIT, "VM-exit MSR-load", F.VM_EXIT_MSR_LOAD_COUNT, F.VM_EXIT_MSR_LOAD_ADDRESS),

  rule(ENTRY, "VM entry is not to SMM, and does not leave dual-monitor treatment",
    (v) => (v.get(F.VM_ENTRY_CONTROLS) & (C.ENTRY_TO_SMM | C.ENTRY_DEACTIVATE_DUAL_MONITOR)) !== 0),
  rule(ENTRY, "reserved bits of the VM-entry controls are set properly",
    (v) => notAllowed(v.get(F.VM_ENTRY_CONTROLS) & ~(C.ENTRY_TO_SMM | C.ENTRY_DEACTIVATE_DUAL_MONITOR | C.ENTRY_IA32E_MODE_GUEST), C.ALLOWED.entry)),
  rule(ENTRY, "the injected event's type is not reserved", (v) => valid(v) && (type(v) === 0x100 || type(v) === 0x700)),
  rule(ENTRY, "an injected NMI has vector 2", (v) => valid(v) && type(v) === C.TYPE_NMI && vector(v) !== 2),
  rule(ENTRY, "an injected hardware exception has a vector below 32", (v) => valid(v) && type(v) === C.TYPE_HARDWARE_EXCEPTION && vector(v) > 31),
  rule(ENTRY, "an error code is delivered exactly when the exception has one", (v) => valid(v) && withErrorCode(v) !== takesErrorCode(v)),
  rule(ENTRY, "reserved bits of the interruption information are clear", (v) => valid(v) && (info(v) & 0x7ffff000) !== 0),
  rule(ENTRY, "bits 31:16 of the injected error code are clear", (v) => withErrorCode(v) && v.get(F.VM_ENTRY_EXCEPTION_ERROR_CODE) >>> 16 !== 0),
  rule(ENTRY, "the instruction length of a software event is 1 to 15",
    (v) => hasSoftwareLength(v) && (v.get(F.VM_ENTRY_INSTRUCTION_LENGTH) >>> 0 < 1 || v.get(F.VM_ENTRY_INSTRUCTION_LENGTH) >>> 0 > 15)),
  listRule(ENTRY, "VM-entry MSR-load", F.VM_ENTRY_MSR_LOAD_COUNT, F.VM_ENTRY_MSR_LOAD_ADDRESS),
];

const REGISTERS = "26.2.2", SEGMENTS = "26.2.3", ADDRESS_SPACE = "26.2.4";
const SELECTOR_TI_RPL = 7;
const HOST_SELECTORS = ["ES", "CS", "SS", "DS", "FS", "GS", "TR"] as const;
/** Host CR0 must have PE, NE and PG (A.7). */
const HOST_CR0_FIXED = 0x80000021 | 0;

export const HOST_RULES: readonly EntryRule[] = [
  rule(REGISTERS, "host CR0 has the bits fixed in VMX operation", (v) => (v.get(F.HOST_CR0) & HOST_CR0_FIXED) !== HOST_CR0_FIXED || (v.get(F.HOST_CR0) & CR0_PG) === 0),
  rule(REGISTERS, "host CR4 has the bits fixed in VMX operation and no unsupported one",
    (v) => (v.get(F.HOST_CR4) & C.CR4_FIXED1) !== C.CR4_FIXED1 || (v.get(F.HOST_CR4) & ~C.CR4_ALLOWED) !== 0),
  ...HOST_SELECTORS.map((name) => rule(SEGMENTS, `host ${name} selector has TI and RPL 0`, (v) => (v.get(F[`HOST_${name}_SELECTOR`]) & SELECTOR_TI_RPL) !== 0)),
  rule(SEGMENTS, "host CS selector is not null", (v) => v.get(F.HOST_CS_SELECTOR) === 0),
  rule(SEGMENTS, "host TR selector is not null", (v) => v.get(F.HOST_TR_SELECTOR) === 0),
  rule(SEGMENTS, "host SS selector is not null in a 32-bit host", (v) => v.get(F.HOST_SS_SELECTOR) === 0),
  rule(ADDRESS_SPACE, "IA-32e mode is off for the guest", (v) => (v.get(F.VM_ENTRY_CONTROLS) & C.ENTRY_IA32E_MODE_GUEST) !== 0),
  rule(ADDRESS_SPACE, "the host's address space is 32 bits", (v) => (v.get(F.VM_EXIT_CONTROLS) & C.EXIT_HOST_ADDRESS_SPACE_SIZE) !== 0),
];
