/**
 * The fields of a VMCS by Intel's names and encodings (SDM vol. 3C, 24.3 to 24.9 and appendix B). An encoding says all
 * about its field: bit 0 the high half of a 64-bit field, bits 11:10 its type, bits 14:13 its width.
 */
export const F = {
  VIRTUAL_PROCESSOR_ID: 0x0000,
  GUEST_ES_SELECTOR: 0x0800, GUEST_CS_SELECTOR: 0x0802, GUEST_SS_SELECTOR: 0x0804, GUEST_DS_SELECTOR: 0x0806,
  GUEST_FS_SELECTOR: 0x0808, GUEST_GS_SELECTOR: 0x080a, GUEST_LDTR_SELECTOR: 0x080c, GUEST_TR_SELECTOR: 0x080e,
  HOST_ES_SELECTOR: 0x0c00, HOST_CS_SELECTOR: 0x0c02, HOST_SS_SELECTOR: 0x0c04, HOST_DS_SELECTOR: 0x0c06,
  HOST_FS_SELECTOR: 0x0c08, HOST_GS_SELECTOR: 0x0c0a, HOST_TR_SELECTOR: 0x0c0c,

  IO_BITMAP_A: 0x2000, IO_BITMAP_B: 0x2002, MSR_BITMAP: 0x2004,
  VM_EXIT_MSR_STORE_ADDRESS: 0x2006, VM_EXIT_MSR_LOAD_ADDRESS: 0x2008, VM_ENTRY_MSR_LOAD_ADDRESS: 0x200a,
  EXECUTIVE_VMCS_POINTER: 0x200c, TSC_OFFSET: 0x2010, VIRTUAL_APIC_ADDRESS: 0x2012, APIC_ACCESS_ADDRESS: 0x2014, EPT_POINTER: 0x201a,
  GUEST_PHYSICAL_ADDRESS: 0x2400,
  VMCS_LINK_POINTER: 0x2800, GUEST_IA32_DEBUGCTL: 0x2802, GUEST_IA32_PAT: 0x2804, GUEST_IA32_EFER: 0x2806,
  GUEST_PDPTE0: 0x280a, GUEST_PDPTE1: 0x280c, GUEST_PDPTE2: 0x280e, GUEST_PDPTE3: 0x2810,
  HOST_IA32_PAT: 0x2c00, HOST_IA32_EFER: 0x2c02,

  PIN_BASED_CONTROLS: 0x4000, PRIMARY_CONTROLS: 0x4002, EXCEPTION_BITMAP: 0x4004, PFEC_MASK: 0x4006, PFEC_MATCH: 0x4008,
  CR3_TARGET_COUNT: 0x400a, VM_EXIT_CONTROLS: 0x400c, VM_EXIT_MSR_STORE_COUNT: 0x400e, VM_EXIT_MSR_LOAD_COUNT: 0x4010,
  VM_ENTRY_CONTROLS: 0x4012, VM_ENTRY_MSR_LOAD_COUNT: 0x4014, VM_ENTRY_INTERRUPTION_INFO: 0x4016,
  VM_ENTRY_EXCEPTION_ERROR_CODE: 0x4018, VM_ENTRY_INSTRUCTION_LENGTH: 0x401a, TPR_THRESHOLD: 0x401c, SECONDARY_CONTROLS: 0x401e,
  PLE_GAP: 0x4020, PLE_WINDOW: 0x4022,
  VM_INSTRUCTION_ERROR: 0x4400, EXIT_REASON: 0x4402, VM_EXIT_INTERRUPTION_INFO: 0x4404, VM_EXIT_INTERRUPTION_ERROR_CODE: 0x4406,
  IDT_VECTORING_INFO: 0x4408, IDT_VECTORING_ERROR_CODE: 0x440a, VM_EXIT_INSTRUCTION_LENGTH: 0x440c, VM_EXIT_INSTRUCTION_INFO: 0x440e,
  GUEST_ES_LIMIT: 0x4800, GUEST_CS_LIMIT: 0x4802, GUEST_SS_LIMIT: 0x4804, GUEST_DS_LIMIT: 0x4806,
  GUEST_FS_LIMIT: 0x4808, GUEST_GS_LIMIT: 0x480a, GUEST_LDTR_LIMIT: 0x480c, GUEST_TR_LIMIT: 0x480e,
  GUEST_GDTR_LIMIT: 0x4810, GUEST_IDTR_LIMIT: 0x4812,
  GUEST_ES_ACCESS_RIGHTS: 0x4814, GUEST_CS_ACCESS_RIGHTS: 0x4816, GUEST_SS_ACCESS_RIGHTS: 0x4818, GUEST_DS_ACCESS_RIGHTS: 0x481a,
  GUEST_FS_ACCESS_RIGHTS: 0x481c, GUEST_GS_ACCESS_RIGHTS: 0x481e, GUEST_LDTR_ACCESS_RIGHTS: 0x4820, GUEST_TR_ACCESS_RIGHTS: 0x4822,
  GUEST_INTERRUPTIBILITY_STATE: 0x4824, GUEST_ACTIVITY_STATE: 0x4826, GUEST_SMBASE: 0x4828, GUEST_IA32_SYSENTER_CS: 0x482a,
  HOST_IA32_SYSENTER_CS: 0x4c00,

  CR0_GUEST_HOST_MASK: 0x6000, CR4_GUEST_HOST_MASK: 0x6002, CR0_READ_SHADOW: 0x6004, CR4_READ_SHADOW: 0x6006,
  CR3_TARGET_VALUE0: 0x6008, CR3_TARGET_VALUE1: 0x600a, CR3_TARGET_VALUE2: 0x600c, CR3_TARGET_VALUE3: 0x600e,
  EXIT_QUALIFICATION: 0x6400, IO_RCX: 0x6402, IO_RSI: 0x6404, IO_RDI: 0x6406, IO_RIP: 0x6408, GUEST_LINEAR_ADDRESS: 0x640a,
  GUEST_CR0: 0x6800, GUEST_CR3: 0x6802, GUEST_CR4: 0x6804,
  GUEST_ES_BASE: 0x6806, GUEST_CS_BASE: 0x6808, GUEST_SS_BASE: 0x680a, GUEST_DS_BASE: 0x680c,
  GUEST_FS_BASE: 0x680e, GUEST_GS_BASE: 0x6810, GUEST_LDTR_BASE: 0x6812, GUEST_TR_BASE: 0x6814,
  GUEST_GDTR_BASE: 0x6816, GUEST_IDTR_BASE: 0x6818, GUEST_DR7: 0x681a, GUEST_RSP: 0x681c, GUEST_RIP: 0x681e, GUEST_RFLAGS: 0x6820,
  GUEST_PENDING_DEBUG_EXCEPTIONS: 0x6822, GUEST_IA32_SYSENTER_ESP: 0x6824, GUEST_IA32_SYSENTER_EIP: 0x6826,
  HOST_CR0: 0x6c00, HOST_CR3: 0x6c02, HOST_CR4: 0x6c04, HOST_FS_BASE: 0x6c06, HOST_GS_BASE: 0x6c08, HOST_TR_BASE: 0x6c0a,
  HOST_GDTR_BASE: 0x6c0c, HOST_IDTR_BASE: 0x6c0e, HOST_IA32_SYSENTER_ESP: 0x6c10, HOST_IA32_SYSENTER_EIP: 0x6c12,
  HOST_RSP: 0x6c14, HOST_RIP: 0x6c16,
} as const;

export type FieldName = keyof typeof F;

/** Added to a 64-bit field's encoding, it names the field's bits 63:32. */
export const HIGH = 1;

export type FieldGroup = "control" | "exit_information" | "guest_state" | "host_state";
/** Bits; natural width is 32 on this processor, which has no Intel 64. */
export type FieldWidth = 16 | 32 | 64;

const GROUPS: readonly FieldGroup[] = ["control", "exit_information", "guest_state", "host_state"];
/** By bits 14:13 of the encoding: 16-bit, 64-bit, 32-bit, natural width. */
const WIDTHS: readonly FieldWidth[] = [16, 64, 32, 32];

export const groupOf = (encoding: number): FieldGroup => GROUPS[encoding >> 10 & 3]!;
export const widthOf = (encoding: number): FieldWidth => WIDTHS[encoding >> 13 & 3]!;
/** VM-exit information fields cannot be written by VMWRITE (SDM vol. 3C, 24.9). */
export const isReadOnly = (encoding: number): boolean => groupOf(encoding) === "exit_information";

/** The first two words of a region are architectural: revision identifier and VMX-abort indicator (24.2). */
export const REVISION_WORD = 0;
export const ABORT_WORD = 1;
/** The region's launch state, which software cannot read: 0 clear, 1 launched (24.11.3). */
export const LAUNCH_WORD = 2;
const FIRST_FIELD_WORD = 8;

const names = new Map<number, string>();
/** For each encoding its word in the region, -1 where there is no such field. */
export const FIELD_WORD = ((): Int16Array => {
  const words = new Int16Array(0x8000).fill(-1);
  let next = FIRST_FIELD_WORD;
  for (const [name, encoding] of Object.entries(F)) {
    names.set(encoding, name);
    words[encoding] = next++;
    if (widthOf(encoding) !== 64) continue;
    words[encoding + HIGH] = next++;
    names.set(encoding + HIGH, `${name}_HIGH`);
  }
  return words;
})();

/** A field's name for messages, its encoding in hexadecimal where there is none. */
export function fieldName(encoding: number): string {
  return names.get(encoding) ?? `0x${encoding.toString(16)}`;
}
