/**
 * The guest-state area and the processor's registers, one into the other, as VM exits save and VM entries load them
 * (SDM vol. 3C, 24.4, 26.3.2 and 27.3). General registers, CR2 and the x87 and SSE state are not in the VMCS.
 */
import * as S from "../hypervisor/cpu-state.js";
import type { Cpu } from "../hypervisor/cpu.js";
import { breakpointsChanged, DR7 } from "../hypervisor/debug-registers.js";
import * as C from "./controls.js";
import { F } from "./vmcs-fields.js";
import type { Vmcs } from "./vmcs.js";

/** MSRs that the guest-state area holds (24.4.1). */
export const MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176;

/** State words that have a field of the same form. */
const WORDS: readonly (readonly [word: number, field: number])[] = [
  [S.CR0, F.GUEST_CR0], [S.CR3, F.GUEST_CR3], [S.CR4, F.GUEST_CR4], [S.ESP, F.GUEST_RSP], [S.EIP, F.GUEST_RIP],
  [S.GDTR_BASE, F.GUEST_GDTR_BASE], [S.GDTR_LIMIT, F.GUEST_GDTR_LIMIT], [S.IDTR_BASE, F.GUEST_IDTR_BASE], [S.IDTR_LIMIT, F.GUEST_IDTR_LIMIT],
];

interface SegmentFields { readonly sreg: number; readonly selector: number; readonly base: number; readonly limit: number; readonly rights: number }

const SEGMENTS: readonly SegmentFields[] = (["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"] as const).map((name, sreg) => ({
  sreg, selector: F[`GUEST_${name}_SELECTOR`], base: F[`GUEST_${name}_BASE`], limit: F[`GUEST_${name}_LIMIT`], rights: F[`GUEST_${name}_ACCESS_RIGHTS`],
}));

const SYSENTER: readonly (readonly [msr: number, field: number])[] = [
  [MSR_SYSENTER_CS, F.GUEST_IA32_SYSENTER_CS], [MSR_SYSENTER_ESP, F.GUEST_IA32_SYSENTER_ESP], [MSR_SYSENTER_EIP, F.GUEST_IA32_SYSENTER_EIP],
];

const DPL_BITS = 3 << S.ATTR_DPL_SHIFT;

/** SEG_ATTR as access rights (24.4.1): bits 11:8 move to 15:12, and a register without a segment is unusable. */
export function rightsOf(attr: number): number {
  return attr & 0xff | (attr & 0xf00) << 4 | ((attr & S.ATTR_NULL) !== 0 || (attr & S.ATTR_P) === 0 ? C.RIGHTS_UNUSABLE : 0);
}

/** Access rights as SEG_ATTR. */
export function attrOf(rights: number): number {
  return rights & 0xff | rights >> 4 & 0xf00 | ((rights & C.RIGHTS_UNUSABLE) !== 0 ? S.ATTR_NULL : 0);
}

/** Saves the processor's state in the VMCS; SS.DPL gets the CPL (27.3.2). */
export function saveGuestState(cpu: Cpu, vmcs: Vmcs): void {
  const { i32 } = cpu;
  for (const [word, field] of WORDS) vmcs.set(field, i32[word]!);
  for (const s of SEGMENTS) {
    vmcs.set(s.selector, i32[S.SELECTOR + s.sreg]!);
    vmcs.set(s.base, i32[S.SEG_BASE + s.sreg]!);
    vmcs.set(s.limit, i32[S.SEG_LIMIT + s.sreg]!);
    vmcs.set(s.rights, rightsOf(i32[S.SEG_ATTR + s.sreg]!));
  }
  vmcs.set(F.GUEST_SS_ACCESS_RIGHTS, vmcs.get(F.GUEST_SS_ACCESS_RIGHTS) & ~DPL_BITS | i32[S.CPL]! << S.ATTR_DPL_SHIFT);
  vmcs.set(F.GUEST_RFLAGS, cpu.eflags);
  if ((vmcs.get(F.VM_EXIT_CONTROLS) & C.EXIT_SAVE_DEBUG_CONTROLS) !== 0) vmcs.set(F.GUEST_DR7, i32[DR7]!);
  for (const [msr, field] of SYSENTER) vmcs.set(field, cpu.msrs.get(msr)?.[0] ?? 0);
  vmcs.set(F.GUEST_INTERRUPTIBILITY_STATE, (!cpu.interruptShadow ? 0 : cpu.stackShadow ? C.BLOCKING_BY_MOV_SS : C.BLOCKING_BY_STI) |
    (cpu.nmiBlocked ? C.BLOCKING_BY_NMI : 0));
  vmcs.set(F.GUEST_ACTIVITY_STATE, cpu.halted ? C.ACTIVITY_HLT : C.ACTIVITY_ACTIVE);
  vmcs.set(F.GUEST_PENDING_DEBUG_EXCEPTIONS, cpu.interruptShadow && (i32[S.EFLAGS_SYS]! & S.FLAG_TF) !== 0 ? C.PENDING_DEBUG_BS : 0);
}

/** Loads the processor's state from a VMCS that has passed the checks; SS.DPL is the CPL (26.3.2). */
export function loadGuestState(cpu: Cpu, vmcs: Vmcs): void {
  const { i32 } = cpu;
  for (const [word, field] of WORDS) i32[word] = vmcs.get(field);
  for (const s of SEGMENTS) cpu.setSegment(s.sreg, vmcs.get(s.selector), vmcs.get(s.base), vmcs.get(s.limit), attrOf(vmcs.get(s.rights)));
  i32[S.CPL] = (vmcs.get(F.GUEST_CR0) & S.CR0_PE) === 0 ? 0 : vmcs.get(F.GUEST_SS_ACCESS_RIGHTS) >> S.ATTR_DPL_SHIFT & 3;
  cpu.eflags = vmcs.get(F.GUEST_RFLAGS);
  const dr7 = i32[DR7]!;
  if ((vmcs.get(F.VM_ENTRY_CONTROLS) & C.ENTRY_LOAD_DEBUG_CONTROLS) !== 0) i32[DR7] = vmcs.get(F.GUEST_DR7);
  if (i32[DR7] !== dr7) breakpointsChanged(cpu);
  for (const [msr, field] of SYSENTER) loadMsr(cpu, msr, vmcs.get(field));
  const blocking = vmcs.get(F.GUEST_INTERRUPTIBILITY_STATE);
  cpu.stackShadow = (blocking & C.BLOCKING_BY_MOV_SS) !== 0;
  cpu.interruptShadow = (blocking & (C.BLOCKING_BY_STI | C.BLOCKING_BY_MOV_SS)) !== 0;
  cpu.nmiBlocked = (blocking & C.BLOCKING_BY_NMI) !== 0;
  cpu.halted = vmcs.get(F.GUEST_ACTIVITY_STATE) === C.ACTIVITY_HLT;
  cpu.modeChanged();
}

function loadMsr(cpu: Cpu, msr: number, value: number): void {
  const old = cpu.msrs.get(msr);
  if (old === undefined) {
    if (value !== 0) cpu.msrs.set(msr, [value, 0]);
  } else old[0] = value;
}

