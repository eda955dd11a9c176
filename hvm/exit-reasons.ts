/** Basic VM-exit reasons (SDM vol. 3C, appendix C). The keys are the ledger's names after `vmexit.`. */
export const REASON = {
  exception_nmi: 0,
  external_interrupt: 1,
  triple_fault: 2,
  init: 3,
  sipi: 4,
  io_smi: 5,
  other_smi: 6,
  interrupt_window: 7,
  nmi_window: 8,
  task_switch: 9,
  cpuid: 10,
  getsec: 11,
  hlt: 12,
  invd: 13,
  invlpg: 14,
  rdpmc: 15,
  rdtsc: 16,
  rsm: 17,
  vmcall: 18,
  vmclear: 19,
  vmlaunch: 20,
  vmptrld: 21,
  vmptrst: 22,
  vmread: 23,
  vmresume: 24,
  vmwrite: 25,
  vmxoff: 26,
  vmxon: 27,
  cr_access: 28,
  mov_dr: 29,
  io_instruction: 30,
  rdmsr: 31,
  wrmsr: 32,
  entry_failure_guest_state: 33,
  entry_failure_msr_loading: 34,
  mwait: 36,
  monitor_trap_flag: 37,
  monitor: 39,
  pause: 40,
  entry_failure_machine_check: 41,
  tpr_below_threshold: 43,
  apic_access: 44,
  virtualized_eoi: 45,
  gdtr_idtr_access: 46,
  ldtr_tr_access: 47,
  ept_violation: 48,
  ept_misconfig: 49,
  invept: 50,
  rdtscp: 51,
  preemption_timer: 52,
  invvpid: 53,
  wbinvd: 54,
  xsetbv: 55,
} as const;

export type ReasonName = keyof typeof REASON;

/** Bit 31 of the exit-reason field: the exit is a VM entry that failed (24.9.1). */
export const ENTRY_FAILURE = 1 << 31;
export const BASIC_REASON = 0xffff;

/** One more than the highest basic reason. */
export const REASON_COUNT = 56;

/** Name of each basic reason, undefined where the number means nothing. */
export const REASON_NAMES: readonly (ReasonName | undefined)[] = ((): (ReasonName | undefined)[] => {
  const names = new Array<ReasonName | undefined>(REASON_COUNT).fill(undefined);
  for (const [name, reason] of Object.entries(REASON)) names[reason] = name as ReasonName;
  return names;
})();
