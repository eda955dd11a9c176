/**
 * The trap policy: what becomes of each sensitive instruction in each mode. One row for each name in the opcode table's
 * `sensitive` column. dbt's hooks are built from its column; `trivisor explain` and the Popek and Goldberg table print all.
 */

/**
 * - execute: the processor runs it as it stands, with the right result;
 * - trap: it faults in the deprivileged guest and the hypervisor emulates it;
 * - silent: it neither faults nor gives the right result: what makes the architecture not virtualizable;
 * - identical: translated into itself;
 * - inline: translated into a few operations on the virtual processor, without leaving the translation cache;
 * - callout: translated into a call of the monitor;
 * - replaced: the ported guest does something else instead, named in the note;
 * - exit: a VM exit, its reason in the note;
 * - undefined: #UD in this machine, in every mode.
 */
export type Treatment = "execute" | "trap" | "silent" | "identical" | "inline" | "callout" | "replaced" | "exit" | "undefined";

export interface PolicyCell {
  readonly treatment: Treatment;
  /** The hypercall, exit reason or condition; empty when there is nothing to add. */
  readonly note: string;
}

export interface PolicyRow {
  readonly name: string;
  readonly native: PolicyCell;
  readonly classic: PolicyCell;
  readonly dbt: PolicyCell;
  readonly paravirt: PolicyCell;
  readonly hvm: PolicyCell;
}

/** A cell is written as its treatment, and the note after a colon. */
type Cell = Treatment | `${Treatment}: ${string}`;

function cell(text: Cell): PolicyCell {
  const colon = text.indexOf(": ");
  return colon < 0 ? { treatment: text as Treatment, note: "" } : { treatment: text.slice(0, colon) as Treatment, note: text.slice(colon + 2) };
}

/** Name, then classic, dbt, paravirt and hvm; native executes everything that exists. */
const TABLE: readonly (readonly [string, Cell, Cell, Cell, Cell])[] = [
  ["CLI", "trap", "inline", "replaced: evtchn_upcall_mask = 1", "execute"],
  ["STI", "trap", "inline: callout when an interrupt is waiting", "replaced: evtchn_upcall_mask = 0", "execute"],
  ["PUSHF", "silent: IF and IOPL are the monitor's", "inline", "replaced: evtchn_upcall_mask is read", "execute"],
  ["POPF", "silent: IF and IOPL stay as they are", "inline: callout when it lets a waiting interrupt in", "replaced: evtchn_upcall_mask is written", "execute"],
  ["IRET", "silent: to an outer ring IF stays; to ring 0 it traps", "callout", "replaced: iret", "execute"],
  ["INT", "trap: every gate is the monitor's", "callout", "execute: trap_table", "execute"],
  ["INT3", "trap: every gate is the monitor's", "callout", "execute: trap_table", "execute"],
  ["INTO", "trap: every gate is the monitor's", "callout", "execute: trap_table", "execute"],
  ["INT1", "trap: every gate is the monitor's", "callout", "execute: trap_table", "execute"],
  ["HLT", "trap", "callout", "replaced: sched_op block", "exit: hlt"],
  ["IN", "trap", "callout", "trap: permitted ports; else #GP to the guest", "exit: io_instruction"],
  ["OUT", "trap", "callout", "trap: permitted ports; else #GP to the guest", "exit: io_instruction"],
  ["INS", "trap", "callout", "trap: permitted ports; else #GP to the guest", "exit: io_instruction"],
  ["OUTS", "trap", "callout", "trap: permitted ports; else #GP to the guest", "exit: io_instruction"],
  ["MOV_CR", "trap", "callout: writes; reads, and CR8, are inline", "replaced: mmuext_op new_baseptr; others trap", "exit: cr_access (CR3 and owned bits, under shadow paging; EPT executes)"],
  ["MOV_DR", "trap", "callout", "replaced: set_debugreg", "exit: mov_dr"],
  ["CLTS", "trap", "inline", "replaced: fpu_taskswitch", "execute"],
  ["LMSW", "trap", "callout", "trap: #GP to the guest", "exit: cr_access (when it changes an owned bit)"],
  ["SMSW", "silent: CR0 is the monitor's", "inline", "silent", "execute"],
  ["INVLPG", "trap", "callout", "replaced: mmuext_op invlpg", "exit: invlpg (shadow paging)"],
  ["INVD", "trap", "callout", "trap", "exit: invd"],
  ["WBINVD", "trap", "callout", "replaced: mmuext_op flush_cache", "execute"],
  ["LGDT", "trap", "callout", "replaced: set_gdt", "execute"],
  ["LIDT", "trap", "callout", "replaced: set_trap_table", "execute"],
  ["LLDT", "trap", "callout", "replaced: mmuext_op set_ldt", "execute"],
  ["LTR", "trap", "callout", "replaced: stack_switch", "execute"],
  ["SGDT", "silent: the base is the monitor's", "inline", "silent", "execute"],
  ["SIDT", "silent: the base is the monitor's", "inline", "silent", "execute"],
  ["SLDT", "silent: the selector is the monitor's", "inline", "silent", "execute"],
  ["STR", "silent: the selector is the monitor's", "inline", "silent", "execute"],
  ["LAR", "silent: DPL 0 reads as 1", "callout", "silent", "execute"],
  ["LSL", "silent: limits are truncated below the monitor", "callout", "silent", "execute"],
  ["VERR", "silent: by the monitor's descriptors", "callout", "silent", "execute"],
  ["VERW", "silent: by the monitor's descriptors", "callout", "silent", "execute"],
  ["PUSH_SREG", "silent: RPL 1 in CS and SS", "inline", "execute: selectors of ring 1", "execute"],
  ["POP_SREG", "silent: the monitor's descriptor; SS traps", "inline", "execute: selectors of ring 1", "execute"],
  ["MOV_SREG", "silent: RPL 1 in CS and SS", "inline", "execute: selectors of ring 1", "execute"],
  ["LOAD_SREG", "silent: the monitor's descriptor; SS traps", "inline", "execute: selectors of ring 1", "execute"],
  ["CALLF", "silent: RPL 1 in the pushed CS", "callout", "execute", "execute"],
  ["JMPF", "silent: RPL 1 in CS", "callout", "execute", "execute"],
  ["RETF", "silent: outwards; to ring 0 it traps", "callout", "execute", "execute"],
  ["SYSENTER", "trap: SYSENTER_CS is 0", "callout", "execute", "execute"],
  ["SYSEXIT", "trap", "callout", "replaced: iret", "execute"],
  ["RDMSR", "trap", "callout", "trap", "exit: rdmsr (by the MSR bitmap; not SYSENTER's)"],
  ["WRMSR", "trap", "callout", "trap", "exit: wrmsr (by the MSR bitmap; not SYSENTER's)"],
  ["RDTSC", "execute", "inline", "execute", "execute: with the TSC offset"],
  ["RDPMC", "trap", "callout", "trap: #GP to the guest", "exit: rdpmc"],
  ["CPUID", "execute", "callout", "replaced: the forced-emulation prefix", "exit: cpuid"],
  ["RSM", "undefined", "undefined", "undefined", "undefined"],
  ["VMCALL", "undefined", "undefined", "undefined", "undefined"],
  ["VMLAUNCH", "undefined", "undefined", "undefined", "undefined"],
  ["VMRESUME", "undefined", "undefined", "undefined", "undefined"],
  ["VMXOFF", "undefined", "undefined", "undefined", "undefined"],
  ["VMXON", "undefined", "undefined", "undefined", "undefined"],
  ["VMREAD", "undefined", "undefined", "undefined", "undefined"],
  ["VMWRITE", "undefined", "undefined", "undefined", "undefined"],
  ["VMPTRLD", "undefined", "undefined", "undefined", "undefined"],
  ["VMPTRST", "undefined", "undefined", "undefined", "undefined"],
  ["VMCLEAR", "undefined", "undefined", "undefined", "undefined"],
];

export const POLICY: readonly PolicyRow[] = TABLE.map(([name, classic, dbt, paravirt, hvm]) => ({
  name,
  native: cell(dbt === "undefined" ? "undefined" : "execute"),
  classic: cell(classic), dbt: cell(dbt), paravirt: cell(paravirt), hvm: cell(hvm),
}));

const BY_NAME: ReadonlyMap<string, PolicyRow> = new Map(POLICY.map((row) => [row.name, row]));

/** The row of a sensitive instruction, undefined for an innocuous one. */
export function policyOf(name: string): PolicyRow | undefined {
  return BY_NAME.get(name);
}

/** Sensitive and not privileged: the instructions that break Popek and Goldberg's theorem 1 (CACM 17:7, 1974). */
export function criticalInstructions(): readonly string[] {
  return POLICY.filter((row) => row.classic.treatment === "silent").map((row) => row.name);
}
