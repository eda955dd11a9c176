/**
 * Numbers of xen/include/public/xen.h, arch-x86/xen.h and arch-x86/xen-x86_32.h, under their names there. Layouts are given as
 * byte offsets, for x86_32 (4-byte longs and pointers, 64-bit fields aligned to 4).
 */

// ---- domains ----------------------------------------------------------------------------------------------------------

export const DOMID_FIRST_RESERVED = 0x7ff0, DOMID_SELF = 0x7ff0, DOMID_IO = 0x7ff1, DOMID_XEN = 0x7ff2, DOMID_INVALID = 0x7ff4;

// ---- mmu_update, mmuext_op, update_va_mapping -------------------------------------------------------------------------

export const MMU_NORMAL_PT_UPDATE = 0, MMU_MACHPHYS_UPDATE = 1, MMU_PT_UPDATE_PRESERVE_AD = 2, MMU_PT_UPDATE_NO_TRANSLATE = 3;
/** Bit of a count argument: the call goes on after a preemption (private to Xen and its continuations). */
export const MMU_UPDATE_PREEMPTED = 0x8000_0000;

export const MMUEXT_PIN_L1_TABLE = 0, MMUEXT_PIN_L2_TABLE = 1, MMUEXT_PIN_L3_TABLE = 2, MMUEXT_PIN_L4_TABLE = 3, MMUEXT_UNPIN_TABLE = 4,
  MMUEXT_NEW_BASEPTR = 5, MMUEXT_TLB_FLUSH_LOCAL = 6, MMUEXT_INVLPG_LOCAL = 7, MMUEXT_TLB_FLUSH_MULTI = 8, MMUEXT_INVLPG_MULTI = 9,
  MMUEXT_TLB_FLUSH_ALL = 10, MMUEXT_INVLPG_ALL = 11, MMUEXT_FLUSH_CACHE = 12, MMUEXT_SET_LDT = 13, MMUEXT_NEW_USER_BASEPTR = 15,
  MMUEXT_CLEAR_PAGE = 16, MMUEXT_COPY_PAGE = 17, MMUEXT_FLUSH_CACHE_GLOBAL = 18;

export const UVMF_NONE = 0, UVMF_TLB_FLUSH = 1, UVMF_INVLPG = 2, UVMF_FLUSHTYPE_MASK = 3, UVMF_LOCAL = 0, UVMF_ALL = 4;

// ---- virtual interrupts -----------------------------------------------------------------------------------------------

export const VIRQ_TIMER = 0, VIRQ_DEBUG = 1, VIRQ_CONSOLE = 2, VIRQ_DOM_EXC = 3, VIRQ_XENOPROF = 7, VIRQ_ARCH_0 = 16, NR_VIRQS = 24;

// ---- vm_assist --------------------------------------------------------------------------------------------------------

export const VMASST_CMD_enable = 0, VMASST_CMD_disable = 1;
export const VMASST_TYPE_4gb_segments = 0, VMASST_TYPE_4gb_segments_notify = 1, VMASST_TYPE_writable_pagetables = 2,
  VMASST_TYPE_pae_extended_cr3 = 3, MAX_VMASST_TYPE = 3;

// ---- the reserved part of every address space, and the segments that reach up to it ------------------------------------

export const FIRST_RESERVED_GDT_PAGE = 14, FIRST_RESERVED_GDT_BYTE = FIRST_RESERVED_GDT_PAGE * 4096, FIRST_RESERVED_GDT_ENTRY = FIRST_RESERVED_GDT_BYTE / 8;
export const FLAT_RING1_CS = 0xe019, FLAT_RING1_DS = 0xe021, FLAT_RING1_SS = 0xe021, FLAT_RING3_CS = 0xe02b, FLAT_RING3_DS = 0xe033, FLAT_RING3_SS = 0xe033;
export const HYPERVISOR_VIRT_START_PAE = 0xf580_0000, MACH2PHYS_VIRT_END_PAE = 0xf680_0000;
export const HYPERVISOR_VIRT_START_NONPAE = 0xfc00_0000, MACH2PHYS_VIRT_END_NONPAE = 0xfc40_0000;
/** The interrupt vector of a hypercall. */
export const HYPERCALL_VECTOR = 0x82;
/** What an entry of the machine-to-physical table holds for a frame that belongs to nobody. */
export const INVALID_M2P_ENTRY = 0xffff_ffff;

// ---- trap_info --------------------------------------------------------------------------------------------------------

export const TRAP_INFO_BYTES = 8;
/** trap_info.flags: privilege level in bits 0-1; bit 2: the gate masks events. */
export const TI_DPL = 3, TI_IF = 4;

// ---- shared_info ------------------------------------------------------------------------------------------------------

/** struct vcpu_info, the first of which is at offset 0 of shared_info. */
export const VCPU_INFO_BYTES = 64, VCPU_EVTCHN_UPCALL_PENDING = 0, VCPU_EVTCHN_UPCALL_MASK = 1, VCPU_EVTCHN_PENDING_SEL = 4, VCPU_CR2 = 8,
  VCPU_TIME = 32;
export const XEN_LEGACY_MAX_VCPUS = 32;
/** struct vcpu_time_info, relative to VCPU_TIME. */
export const TIME_VERSION = 0, TIME_TSC_TIMESTAMP = 8, TIME_SYSTEM_TIME = 16, TIME_TSC_TO_SYSTEM_MUL = 24, TIME_TSC_SHIFT = 28;
export const SHARED_EVTCHN_PENDING = 0x800, SHARED_EVTCHN_MASK = 0x880, SHARED_WC_VERSION = 0x900, SHARED_WC_SEC = 0x904, SHARED_WC_NSEC = 0x908;
/** struct arch_shared_info. */
export const SHARED_MAX_PFN = 0x90c, SHARED_PFN_TO_MFN_FRAME_LIST_LIST = 0x910, SHARED_NMI_REASON = 0x914;
export const EVTCHN_2L_NR_CHANNELS = 1024;

// ---- start_info -------------------------------------------------------------------------------------------------------

export const START_MAGIC = 0, START_NR_PAGES = 32, START_SHARED_INFO = 36, START_FLAGS = 40, START_STORE_MFN = 44, START_STORE_EVTCHN = 48,
  START_CONSOLE_MFN = 52, START_CONSOLE_EVTCHN = 56, START_PT_BASE = 60, START_NR_PT_FRAMES = 64, START_MFN_LIST = 68, START_MOD_START = 72,
  START_MOD_LEN = 76, START_CMD_LINE = 80, START_FIRST_P2M_PFN = 80 + 1024, START_NR_P2M_FRAMES = 84 + 1024, MAX_GUEST_CMDLINE = 1024;
export const SIF_PRIVILEGED = 1, SIF_INITDOMAIN = 2;

// ---- console_io -------------------------------------------------------------------------------------------------------

export const CONSOLEIO_write = 0, CONSOLEIO_read = 1;
