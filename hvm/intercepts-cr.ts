/** Control-register accesses in non-root operation: guest/host masks, read shadows and CR3-target values (SDM vol. 3C, 24.6.6, 24.6.7, 25.1.3, 25.3). */
import { validCr0 } from "../hypervisor/control-registers.js";
import * as S from "../hypervisor/cpu-state.js";
import { breakpointsChanged } from "../hypervisor/debug-registers.js";
import { GP } from "../hypervisor/trap.js";
import type { Instruction } from "../translator/isa/instruction.js";
import { effectiveAddress, readOperand, writeOperand } from "../translator/isa/semantics/operand-access.js";
import * as C from "./controls.js";
import { primary, unrestricted, type Fields } from "./entry-rule.js";
import { REASON } from "./exit-reasons.js";
import type { Verdict } from "./intercepts.js";
import { paePaging } from "./non-root-memory.js";
import * as Q from "./qualifications.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const CR0_WRITABLE = S.CR0_PE | S.CR0_MP | S.CR0_EM | S.CR0_TS | S.CR0_NE | S.CR0_WP | S.CR0_AM | S.CR0_NW | S.CR0_CD | S.CR0_PG;
const CR0_FLUSH = S.CR0_PE | S.CR0_WP | S.CR0_PG;
/** A change of these reloads the PDPTEs under PAE paging (vol. 3, 4.4.1). */
const CR0_PDPTE = S.CR0_CD | S.CR0_NW | S.CR0_PG;
const CR4_FLUSH = S.CR4_PSE | S.CR4_PAE | S.CR4_PGE;

/** CR0 or CR4 as the guest reads it: bits the host owns come from the read shadow. */
export function shadowed(register: number, mask: number, shadow: number): number {
  return register & ~mask | shadow & mask;
}

/** Bits of a MOV to CR0 or CR4 that the host owns and that differ from the read shadow: any makes an exit. */
export function hostBitsChanged(value: number, mask: number, shadow: number): number {
  return (value ^ shadow) & mask;
}

/** Whether MOV to CR3 of `value` exits: CR3-load exiting, and none of the CR3-target values matches. */
export function cr3LoadExits(v: Fields, value: number): boolean {
  if (!primary(v, C.PROC_CR3_LOAD_EXITING)) return false;
  const targets = [F.CR3_TARGET_VALUE0, F.CR3_TARGET_VALUE1, F.CR3_TARGET_VALUE2, F.CR3_TARGET_VALUE3];
  return !targets.slice(0, v.get(F.CR3_TARGET_COUNT)).some((field) => v.get(field) === value);
}

export function movCr(vcpu: Vcpu, i: Instruction): Verdict {
  const [to, from] = i.operands as readonly { readonly index: number }[];
  return i.mnemonic === "MOV_FROM_CR" ? movFromCr(vcpu, from!.index, to!.index) : movToCr(vcpu, to!.index, from!.index, i.length);
}

function movFromCr(vcpu: Vcpu, cr: number, register: number): Verdict {
  const { vmcs, cpu } = vcpu;
  if (cr === 3 && primary(vmcs, C.PROC_CR3_STORE_EXITING)) return { reason: REASON.cr_access, qualification: Q.movCr(3, Q.CR_MOV_FROM, register) };
  if (cr === 8) return readCr8(vcpu, register);
  if (cr === 0) cpu.i32[register] = guestCr0(vcpu);
  else if (cr === 4) cpu.i32[register] = shadowed(cpu.cr4, vmcs.get(F.CR4_GUEST_HOST_MASK), vmcs.get(F.CR4_READ_SHADOW));
  else return "native";
  return "done";
}

function guestCr0({ cpu, vmcs }: Vcpu): number {
  return shadowed(cpu.cr0, vmcs.get(F.CR0_GUEST_HOST_MASK), vmcs.get(F.CR0_READ_SHADOW));
}

function movToCr(vcpu: Vcpu, cr: number, register: number, length: number): Verdict {
  const { vmcs, cpu } = vcpu;
  const value = cpu.i32[register]!;
  if (cr === 2) return "native";
  if (cr === 8) return loadCr8(vcpu, register, length);
  const exits = cr === 3 ? cr3LoadExits(vmcs, value)
    : cr === 0 ? hostBitsChanged(value, vmcs.get(F.CR0_GUEST_HOST_MASK), vmcs.get(F.CR0_READ_SHADOW)) !== 0
    : hostBitsChanged(value, vmcs.get(F.CR4_GUEST_HOST_MASK), vmcs.get(F.CR4_READ_SHADOW)) !== 0;
  if (exits) return { reason: REASON.cr_access, qualification: Q.movCr(cr, Q.CR_MOV_TO, register) };
  if (cr === 3) loadCr3(vcpu, value);
  else if (cr === 0) loadCr0(vcpu, value);
  else loadCr4(vcpu, value);
  return "done";
}

/** MOV to CR0 without an exit: host-owned bits stay; #GP for values not allowed in VMX operation (25.3). */
function loadCr0(vcpu: Vcpu, value: number): void {
  const { vmcs, cpu, nonRoot } = vcpu;
  const mask = vmcs.get(F.CR0_GUEST_HOST_MASK);
  const old = cpu.cr0;
  const next = (shadowed(value, mask, old) & CR0_WRITABLE) | S.CR0_ET;
  const fixed = unrestricted(vmcs) ? C.CR0_FIXED1 & ~(S.CR0_PE | S.CR0_PG) : C.CR0_FIXED1;
  if ((next & fixed) !== fixed || !validCr0(next)) cpu.raise(GP, 0);
  if (paePaging(next, cpu.cr4) && ((old ^ next) & CR0_PDPTE) !== 0) nonRoot.loadPdptes(cpu.cr3);
  cpu.i32[S.CR0] = next;
  if (((old ^ next) & CR0_FLUSH) !== 0) cpu.mmu.flush(true);
  cpu.modeChanged();
}

function loadCr3(vcpu: Vcpu, value: number): void {
  const { cpu } = vcpu;
  if (paePaging(cpu.cr0, cpu.cr4)) vcpu.nonRoot.loadPdptes(value);
  cpu.i32[S.CR3] = value;
  cpu.mmu.flush(false);
  cpu.recheck = true;
}

function loadCr4(vcpu: Vcpu, value: number): void {
  const { vmcs, cpu } = vcpu;
  const mask = vmcs.get(F.CR4_GUEST_HOST_MASK);
  const old = cpu.cr4;
  const next = shadowed(value, mask, old);
  if ((next & C.CR4_FIXED1) !== C.CR4_FIXED1 || (next & ~C.CR4_ALLOWED) !== 0) cpu.raise(GP, 0);
  if (paePaging(cpu.cr0, next) && ((old ^ next) & CR4_FLUSH) !== 0) vcpu.nonRoot.loadPdptes(cpu.cr3);
  cpu.i32[S.CR4] = next;
  breakpointsChanged(cpu);
  if (((old ^ next) & CR4_FLUSH) !== 0) cpu.mmu.flush(true);
  cpu.modeChanged();
}

/** VTPR: the task priority in the virtual-APIC page (24.6.8). */
export const VTPR = 0x80;

function readCr8(vcpu: Vcpu, register: number): Verdict {
  const { vmcs, cpu, memory } = vcpu;
  if (primary(vmcs, C.PROC_CR8_STORE_EXITING)) return { reason: REASON.cr_access, qualification: Q.movCr(8, Q.CR_MOV_FROM, register) };
  if (!primary(vmcs, C.PROC_USE_TPR_SHADOW)) return "native";
  cpu.i32[register] = memory.read32(vmcs.get(F.VIRTUAL_APIC_ADDRESS) + VTPR) >>> 4 & 0xf;
  return "done";
}

/** With a TPR shadow the write stays in the virtual-APIC page, and exits afterwards when it is below the threshold (25.3, 29.1.2). */
function loadCr8(vcpu: Vcpu, register: number, length: number): Verdict {
  const { vmcs, cpu, memory } = vcpu;
  const value = cpu.i32[register]!;
  if (primary(vmcs, C.PROC_CR8_LOAD_EXITING)) return { reason: REASON.cr_access, qualification: Q.movCr(8, Q.CR_MOV_TO, register) };
  if (!primary(vmcs, C.PROC_USE_TPR_SHADOW)) return "native";
  if ((value & ~0xf) !== 0) cpu.raise(GP, 0);
  memory.write32(vmcs.get(F.VIRTUAL_APIC_ADDRESS) + VTPR, value << 4);
  cpu.priority!.taskPriority = value;       // the monitor's local APIC has its TPR there
  if (value >= (vmcs.get(F.TPR_THRESHOLD) & 0xf)) return "done";
  cpu.eip = cpu.eip + length | 0;
  return { reason: REASON.tpr_below_threshold, instructionLength: 0 };
}

/** CLTS exits when the host owns TS and its shadow is set; with a clear shadow it does nothing. */
export function clts(vcpu: Vcpu): Verdict {
  const { vmcs } = vcpu;
  if ((vmcs.get(F.CR0_GUEST_HOST_MASK) & S.CR0_TS) === 0) return "native";
  if ((vmcs.get(F.CR0_READ_SHADOW) & S.CR0_TS) === 0) return "done";
  return { reason: REASON.cr_access, qualification: Q.encodeCrAccess({ cr: 0, access: Q.CR_CLTS, register: 0, lmswSource: 0, lmswMemory: false }) };
}

const LMSW_OTHERS = S.CR0_MP | S.CR0_EM | S.CR0_TS;

/** Whether LMSW would change a bit the host owns: PE can only be set (25.1.3). */
export function lmswExits(source: number, mask: number, shadow: number): boolean {
  const setsPe = (mask & source & ~shadow & S.CR0_PE) !== 0;
  return setsPe || ((source ^ shadow) & mask & LMSW_OTHERS) !== 0;
}

export function lmsw(vcpu: Vcpu, i: Instruction): Verdict {
  const { vmcs, cpu } = vcpu;
  const source = readOperand(cpu, i, 0) & 0xffff;
  if (lmswExits(source, vmcs.get(F.CR0_GUEST_HOST_MASK), vmcs.get(F.CR0_READ_SHADOW))) {
    const operand = i.operands[0]!;
    const qualification = Q.encodeCrAccess({ cr: 0, access: Q.CR_LMSW, register: 0, lmswSource: source, lmswMemory: operand.kind === "mem" });
    if (operand.kind !== "mem") return { reason: REASON.cr_access, qualification };
    return { reason: REASON.cr_access, qualification, guestLinear: (cpu.segBase(operand.seg) + effectiveAddress(cpu, operand)) | 0 };
  }
  loadCr0(vcpu, cpu.cr0 & ~LMSW_OTHERS | source & (LMSW_OTHERS | S.CR0_PE));
  return "done";
}

/** SMSW stores the low word of CR0 as the guest reads it; the whole of it in a 32-bit register. */
export function smsw(vcpu: Vcpu, i: Instruction): Verdict {
  const operand = i.operands[0]!;
  const value = guestCr0(vcpu);
  writeOperand(vcpu.cpu, i, 0, operand.kind === "reg" && operand.size === 32 ? value : value & 0xffff);
  return "done";
}
