/**
 * Bits of the VMCS's control fields and of the records made by entries and exits (SDM vol. 3C, 24.4.2, 24.6 to 24.9),
 * and which settings of the controls this processor allows (appendix A).
 */

/** Pin-based VM-execution controls (24.6.1). */
export const PIN_EXTERNAL_INTERRUPT_EXITING = 1 << 0, PIN_NMI_EXITING = 1 << 3, PIN_VIRTUAL_NMIS = 1 << 5;

/** Primary processor-based VM-execution controls (24.6.2). */
export const PROC_INTERRUPT_WINDOW_EXITING = 1 << 2, PROC_USE_TSC_OFFSETTING = 1 << 3, PROC_HLT_EXITING = 1 << 7,
  PROC_INVLPG_EXITING = 1 << 9, PROC_MWAIT_EXITING = 1 << 10, PROC_RDPMC_EXITING = 1 << 11, PROC_RDTSC_EXITING = 1 << 12,
  PROC_CR3_LOAD_EXITING = 1 << 15, PROC_CR3_STORE_EXITING = 1 << 16, PROC_CR8_LOAD_EXITING = 1 << 19,
  PROC_CR8_STORE_EXITING = 1 << 20, PROC_USE_TPR_SHADOW = 1 << 21, PROC_NMI_WINDOW_EXITING = 1 << 22,
  PROC_MOV_DR_EXITING = 1 << 23, PROC_UNCONDITIONAL_IO_EXITING = 1 << 24, PROC_USE_IO_BITMAPS = 1 << 25,
  PROC_USE_MSR_BITMAPS = 1 << 28, PROC_MONITOR_EXITING = 1 << 29, PROC_PAUSE_EXITING = 1 << 30,
  PROC_ACTIVATE_SECONDARY_CONTROLS = 1 << 31;

/** Secondary processor-based VM-execution controls (24.6.2). */
export const PROC2_ENABLE_EPT = 1 << 1, PROC2_DESCRIPTOR_TABLE_EXITING = 1 << 2, PROC2_ENABLE_VPID = 1 << 5,
  PROC2_WBINVD_EXITING = 1 << 6, PROC2_UNRESTRICTED_GUEST = 1 << 7;

/** VM-exit controls (24.7.1). */
export const EXIT_SAVE_DEBUG_CONTROLS = 1 << 2, EXIT_HOST_ADDRESS_SPACE_SIZE = 1 << 9, EXIT_ACKNOWLEDGE_INTERRUPT = 1 << 15;

/** VM-entry controls (24.8.1). */
export const ENTRY_LOAD_DEBUG_CONTROLS = 1 << 2, ENTRY_IA32E_MODE_GUEST = 1 << 9, ENTRY_TO_SMM = 1 << 10, ENTRY_DEACTIVATE_DUAL_MONITOR = 1 << 11;

/** What an IA32_VMX_TRUE_*_CTLS MSR says: bits that must be 1, and bits that may be (A.3 to A.5). */
export interface Allowed {
  readonly zero: number;
  readonly one: number;
}

const DEFAULT1_PIN = 0x16, DEFAULT1_PROC = 0x04006172, DEFAULT1_EXIT = 0x00036dfb, DEFAULT1_ENTRY = 0x000011fb;

export const ALLOWED = {
  pin: { zero: DEFAULT1_PIN, one: DEFAULT1_PIN | PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING },
  primary: {
    zero: DEFAULT1_PROC,
    one: DEFAULT1_PROC | PROC_INTERRUPT_WINDOW_EXITING | PROC_USE_TSC_OFFSETTING | PROC_HLT_EXITING | PROC_INVLPG_EXITING |
      PROC_MWAIT_EXITING | PROC_RDPMC_EXITING | PROC_RDTSC_EXITING | PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING |
      PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING | PROC_USE_TPR_SHADOW | PROC_NMI_WINDOW_EXITING | PROC_MOV_DR_EXITING | PROC_UNCONDITIONAL_IO_EXITING |
      PROC_USE_IO_BITMAPS | PROC_USE_MSR_BITMAPS | PROC_MONITOR_EXITING | PROC_ACTIVATE_SECONDARY_CONTROLS,
  },
  secondary: {
    zero: 0,
    one: PROC2_ENABLE_EPT | PROC2_DESCRIPTOR_TABLE_EXITING | PROC2_ENABLE_VPID | PROC2_WBINVD_EXITING | PROC2_UNRESTRICTED_GUEST,
  },
  exit: { zero: DEFAULT1_EXIT, one: DEFAULT1_EXIT | EXIT_SAVE_DEBUG_CONTROLS | EXIT_ACKNOWLEDGE_INTERRUPT },
  entry: { zero: DEFAULT1_ENTRY, one: DEFAULT1_ENTRY | ENTRY_LOAD_DEBUG_CONTROLS },
} as const satisfies Record<string, Allowed>;

/** Bits CR4 has in VMX operation beyond those of cpu-state.ts. */
export const CR4_VMXE = 1 << 13;
/** Bits of CR0 and CR4 fixed to 1 in VMX operation (A.7, A.8); an unrestricted guest may clear PE and PG. */
export const CR0_FIXED1 = 0x80000021 | 0;
export const CR4_FIXED1 = CR4_VMXE;
/** Bits of CR4 that may be 1: VME to PCE, OSFXSR, OSXMMEXCPT, VMXE. */
export const CR4_ALLOWED = 0x27ff;

/** Interruption information, of entries, exits and IDT vectoring alike (24.8.3, 24.9.2, 24.9.3). */
export const INFO_VECTOR = 0xff, INFO_TYPE = 0x700, INFO_ERROR_CODE = 1 << 11, INFO_NMI_UNBLOCKING = 1 << 12, INFO_VALID = 1 << 31;
export const TYPE_EXTERNAL_INTERRUPT = 0 << 8, TYPE_NMI = 2 << 8, TYPE_HARDWARE_EXCEPTION = 3 << 8, TYPE_SOFTWARE_INTERRUPT = 4 << 8,
  TYPE_PRIVILEGED_SOFTWARE_EXCEPTION = 5 << 8, TYPE_SOFTWARE_EXCEPTION = 6 << 8;

/** Activity state (24.4.2). */
export const ACTIVITY_ACTIVE = 0, ACTIVITY_HLT = 1, ACTIVITY_SHUTDOWN = 2, ACTIVITY_WAIT_FOR_SIPI = 3;
/** Interruptibility state (24.4.2). */
export const BLOCKING_BY_STI = 1 << 0, BLOCKING_BY_MOV_SS = 1 << 1, BLOCKING_BY_SMI = 1 << 2, BLOCKING_BY_NMI = 1 << 3;
/** Pending debug exceptions (24.4.2). */
export const PENDING_DEBUG_ENABLED_BREAKPOINT = 1 << 12, PENDING_DEBUG_BS = 1 << 14;

/** Segment access rights (24.4.1): the descriptor's bits 47:40 and 55:52, and bit 16 for an unusable register. */
export const RIGHTS_UNUSABLE = 1 << 16, RIGHTS_RESERVED = 0xfffe0f00 | 0, RIGHTS_S = 1 << 4, RIGHTS_P = 1 << 7, RIGHTS_DB = 1 << 14, RIGHTS_G = 1 << 15;
