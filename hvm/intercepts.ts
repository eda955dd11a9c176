/**
 * Which instructions exit, and how those that do not behave in non-root operation (SDM vol. 3C, 25.1 to 25.3). The
 * interpreter has made CPL's check; what else comes before an exit (IOPL and the I/O permission map, CR4.TSD) is made here.
 */
import * as S from "../hypervisor/cpu-state.js";
import { timeStampCounter, checkTimeStamp, MSR_TSC } from "../hypervisor/model-specific-registers.js";
import { checkAvailableTask, checkNestedTask } from "../hypervisor/task-switch.js";
import { readDescriptor, SYS_TASK_GATE, SYS_TSS16, SYS_TSS32, systemType, dplOf } from "../hypervisor/segmentation.js";
import { GP } from "../hypervisor/trap.js";
import { checkPort } from "../hypervisor/tss.js";
import type { FarOperand, Instruction, MemOperand } from "../translator/isa/instruction.js";
import { effectiveAddress, linearAddress, loadLinear } from "../translator/isa/semantics/operand-access.js";
import { msrExits, portExits } from "./bitmaps.js";
import * as C from "./controls.js";
import { primary, secondary } from "./entry-rule.js";
import type { ExitCause } from "./exit-record.js";
import { REASON } from "./exit-reasons.js";
import { clts, lmsw, movCr, smsw } from "./intercepts-cr.js";
import * as Q from "./qualifications.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

/** An exit; or the instruction has been done, except for EIP; or it executes as it stands. */
export type Verdict = ExitCause | "done" | "native";
export type Intercept = (vcpu: Vcpu, i: Instruction) => Verdict;

const always = (reason: number): Intercept => () => ({ reason });
const when = (control: number, reason: number): Intercept => (vcpu) => primary(vcpu.vmcs, control) ? { reason } : "native";

/** Segment base and effective address of a memory operand, without any check. */
function unchecked(vcpu: Vcpu, m: MemOperand): number {
  return (vcpu.cpu.segBase(m.seg) + effectiveAddress(vcpu.cpu, m)) | 0;
}

function invlpg(vcpu: Vcpu, i: Instruction): Verdict {
  if (!primary(vcpu.vmcs, C.PROC_INVLPG_EXITING)) return "native";
  return { reason: REASON.invlpg, qualification: unchecked(vcpu, i.operands[0] as MemOperand) };
}

// ---- time stamps and MSRs ----------------------------------------------------------------------------------------------

function rdtsc(vcpu: Vcpu): Verdict {
  checkTimeStamp(vcpu.cpu);
  if (primary(vcpu.vmcs, C.PROC_RDTSC_EXITING)) return { reason: REASON.rdtsc };
  return readOffsetTsc(vcpu);
}

/** EDX:EAX from the counter and the TSC offset (25.3). */
function readOffsetTsc(vcpu: Vcpu): Verdict {
  const { vmcs, cpu } = vcpu;
  const low = vmcs.get(F.TSC_OFFSET), high = vmcs.get(F.TSC_OFFSET + 1);
  if (!primary(vmcs, C.PROC_USE_TSC_OFFSETTING) || (low | high) === 0) return "native";
  const [tscLow, tscHigh] = timeStampCounter(cpu);
  const sum = (tscLow >>> 0) + (low >>> 0);
  cpu.i32[S.EAX] = sum;
  cpu.i32[S.EDX] = tscHigh + high + (sum > 0xffffffff ? 1 : 0);
  return "done";
}

function accessMsr(write: boolean): Intercept {
  return (vcpu) => {
    const { vmcs, cpu } = vcpu;
    const index = cpu.i32[S.ECX]! >>> 0;
    if (!primary(vmcs, C.PROC_USE_MSR_BITMAPS) || msrExits(vcpu.memory, vmcs.get(F.MSR_BITMAP), index, write)) {
      return { reason: write ? REASON.wrmsr : REASON.rdmsr };
    }
    return index === MSR_TSC && !write ? readOffsetTsc(vcpu) : "native";
  };
}

function rdpmc(vcpu: Vcpu): Verdict {
  const { cpu } = vcpu;
  if (cpu.cpl !== 0 && (cpu.cr4 & S.CR4_PCE) === 0) cpu.raise(GP, 0);
  return primary(vcpu.vmcs, C.PROC_RDPMC_EXITING) ? { reason: REASON.rdpmc } : "native";
}

// ---- ports ---------------------------------------------------------------------------------------------------------------

/** IN, OUT, INS and OUTS: TSS permission first, then the I/O bitmaps (25.1.1, 25.1.3). */
function port(vcpu: Vcpu, i: Instruction): Verdict {
  const { cpu, vmcs } = vcpu;
  const string = i.mnemonic === "INS" || i.mnemonic === "OUTS";
  const input = i.mnemonic === "IN" || i.mnemonic === "INS";
  const immediate = i.operands.find((operand) => operand.kind === "imm");
  const number = immediate === undefined ? cpu.u16[S.EDX << 1]! : immediate.value;
  const size = (i.size >> 3) as 1 | 2 | 4;
  checkPort(cpu, number, size);
  const exits = primary(vmcs, C.PROC_USE_IO_BITMAPS)
    ? portExits(vcpu.memory, vmcs.get(F.IO_BITMAP_A), vmcs.get(F.IO_BITMAP_B), number, size)
    : primary(vmcs, C.PROC_UNCONDITIONAL_IO_EXITING);
  if (!exits) return "native";
  const qualification = Q.encodeIo({ size, input, string, rep: i.rep !== "", immediate: immediate !== undefined, port: number });
  if (!string) return { reason: REASON.io_instruction, qualification };
  const segment = input ? S.ES : i.seg >= 0 ? i.seg : S.DS;
  const offset = cpu.reg(input ? S.EDI : S.ESI, i.addrSize);
  return {
    reason: REASON.io_instruction, qualification, guestLinear: (cpu.segBase(segment) + offset) | 0, instructionInfo: Q.stringIoInfo(i.addrSize, segment),
  };
}

// ---- debug registers and descriptor tables -------------------------------------------------------------------------------

function movDr(vcpu: Vcpu, i: Instruction): Verdict {
  if (!primary(vcpu.vmcs, C.PROC_MOV_DR_EXITING)) return "native";
  const from = i.mnemonic === "MOV_FROM_DR";
  const [to, source] = i.operands as readonly { readonly index: number }[];
  return { reason: REASON.mov_dr, qualification: Q.encodeMovDr((from ? source! : to!).index, from, (from ? to! : source!).index) };
}

function descriptorTable(reason: number): Intercept {
  return (vcpu, i) => {
    if (!secondary(vcpu.vmcs, C.PROC2_DESCRIPTOR_TABLE_EXITING)) return "native";
    const operand = i.operands[0]!;
    return { reason, qualification: operand.kind === "mem" ? operand.disp : 0, instructionInfo: Q.descriptorTableInfo(i) };
  };
}

// ---- task switches -------------------------------------------------------------------------------------------------------

/** The TSS selector, checked, that a far JMP or CALL to `selector` switches to; -1 when it is no task or faults anyhow. */
function taskOf(vcpu: Vcpu, selector: number): number {
  const { cpu } = vcpu;
  if (!cpu.protectedMode || cpu.v86 || (selector & 0xfffc) === 0) return -1;
  const d = readDescriptor(cpu, selector);
  if (d === undefined || (d.attr & S.ATTR_P) === 0 || dplOf(d.attr) < Math.max(cpu.cpl, selector & 3)) return -1;
  const type = systemType(d.attr);
  if (type !== SYS_TASK_GATE && type !== SYS_TSS16 && type !== SYS_TSS32) return -1;
  const tss = type === SYS_TASK_GATE ? d.low >>> 16 : selector;
  checkAvailableTask(cpu, tss, GP);
  return tss;
}

function farTransfer(source: number): Intercept {
  return (vcpu, i) => {
    const operand = i.operands[0] as FarOperand | MemOperand;
    const selector = operand.kind === "far" ? operand.selector : pointerSelector(vcpu, operand, i.opSize >> 3);
    const tss = taskOf(vcpu, selector);
    return tss < 0 ? "native" : { reason: REASON.task_switch, qualification: Q.encodeTaskSwitch(tss, source) };
  };
}

function pointerSelector(vcpu: Vcpu, m: MemOperand, offsetBytes: number): number {
  return loadLinear(vcpu.cpu, linearAddress(vcpu.cpu, m, offsetBytes + 2, false) + offsetBytes | 0, 16);
}

function iret(vcpu: Vcpu): Verdict {
  const { cpu } = vcpu;
  if (!cpu.protectedMode || cpu.v86 || (cpu.i32[S.EFLAGS_SYS]! & S.FLAG_NT) === 0) return "native";
  return { reason: REASON.task_switch, qualification: Q.encodeTaskSwitch(checkNestedTask(cpu).selector, Q.TASK_IRET) };
}

/** By the opcode table's `sensitive` name. */
export const INTERCEPTS: Readonly<Record<string, Intercept>> = {
  // Unconditional exits (25.1.2).
  CPUID: always(REASON.cpuid),
  INVD: always(REASON.invd),
  VMCALL: always(REASON.vmcall),
  VMCLEAR: always(REASON.vmclear),
  VMLAUNCH: always(REASON.vmlaunch),
  VMPTRLD: always(REASON.vmptrld),
  VMPTRST: always(REASON.vmptrst),
  VMREAD: always(REASON.vmread),
  VMRESUME: always(REASON.vmresume),
  VMWRITE: always(REASON.vmwrite),
  VMXOFF: always(REASON.vmxoff),
  VMXON: always(REASON.vmxon),
  // By the controls (25.1.3).
  HLT: when(C.PROC_HLT_EXITING, REASON.hlt),
  INVLPG: invlpg,
  RDTSC: rdtsc,
  RDPMC: rdpmc,
  RDMSR: accessMsr(false),
  WRMSR: accessMsr(true),
  WBINVD: (vcpu) => secondary(vcpu.vmcs, C.PROC2_WBINVD_EXITING) ? { reason: REASON.wbinvd } : "native",
  MOV_CR: movCr,
  CLTS: clts,
  LMSW: lmsw,
  SMSW: smsw,
  MOV_DR: movDr,
  IN: port,
  OUT: port,
  INS: port,
  OUTS: port,
  SGDT: descriptorTable(REASON.gdtr_idtr_access),
  SIDT: descriptorTable(REASON.gdtr_idtr_access),
  LGDT: descriptorTable(REASON.gdtr_idtr_access),
  LIDT: descriptorTable(REASON.gdtr_idtr_access),
  SLDT: descriptorTable(REASON.ldtr_tr_access),
  STR: descriptorTable(REASON.ldtr_tr_access),
  LLDT: descriptorTable(REASON.ldtr_tr_access),
  LTR: descriptorTable(REASON.ldtr_tr_access),
  // Task switches (25.4.2).
  CALLF: farTransfer(Q.TASK_CALL),
  JMPF: farTransfer(Q.TASK_JMP),
  IRET: iret,
};
