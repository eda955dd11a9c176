import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { checkReturnCode, enterCode, enterOuterLevel, loadRealCode } from "./control-transfer.js";
import { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, readMsr } from "./model-specific-registers.js";
import { FLAT_CODE, FLAT_DATA } from "./reset.js";
import { checkStackSegment, loadV86Segment, markAccessed } from "./segmentation.js";
import { peek, setStackPointer } from "./stack.js";
import { checkNestedTask, switchTask } from "./task-switch.js";
import { GP } from "./trap.js";

/** IRET in all its forms (SDM vol. 2, IRET), SYSENTER and SYSEXIT (SDM vol. 3, 5.8.7). */

const IRET_ALWAYS = S.FLAGS_ARITHMETIC | S.FLAG_TF | S.FLAG_DF | S.FLAG_NT;
const IRET_ALWAYS32 = IRET_ALWAYS | S.FLAG_RF | S.FLAG_AC | S.FLAG_ID;
const REAL_KEPT = S.FLAG_VM | S.FLAG_VIF | S.FLAG_VIP;

/** EFLAGS with the bits of `mask` taken from `value`. */
function setFlags(cpu: Cpu, value: number, mask: number): void {
  cpu.eflags = cpu.eflags & ~mask | value & mask;
}

/** IRET with operands of `bytes` bytes; `next` is the following instruction's address, for a return from a nested task. */
export function interruptReturn(cpu: Cpu, bytes: 2 | 4, next: number): void {
  // Whether or not it completes (SDM vol. 3, 6.7.1).
  cpu.nmiBlocked = false;
  if (!cpu.protectedMode) return returnReal(cpu, bytes);
  if (cpu.v86) return returnInVirtual8086(cpu, bytes);
  if ((cpu.eflags & S.FLAG_NT) !== 0) return switchTask(cpu, checkNestedTask(cpu), "iret", next);

  const eip = peek(cpu, 0, bytes), selector = peek(cpu, bytes, bytes) & 0xffff, flags = peek(cpu, 2 * bytes, bytes);
  const cpl = cpu.cpl;
  if (bytes === 4 && (flags & S.FLAG_VM) !== 0 && cpl === 0) return returnToVirtual8086(cpu, eip, selector, flags);
  const code = checkReturnCode(cpu, selector);
  const mask = (bytes === 4 ? IRET_ALWAYS32 : IRET_ALWAYS) | (cpl <= cpu.iopl ? S.FLAG_IF : 0) |
    (cpl === 0 ? S.FLAG_IOPL | (bytes === 4 ? S.FLAG_VIF | S.FLAG_VIP : 0) : 0);
  if ((selector & 3) === cpl) {
    if (eip >>> 0 > code.limit >>> 0) cpu.raise(GP, 0);
    markAccessed(cpu, code);
    setStackPointer(cpu, cpu.esp + 3 * bytes);
    setFlags(cpu, flags, mask);
    return enterCode(cpu, selector, code, cpl, eip);
  }
  const esp = peek(cpu, 3 * bytes, bytes), stackSelector = peek(cpu, 4 * bytes, bytes) & 0xffff;
  const ss = checkStackSegment(cpu, stackSelector, selector & 3, GP);
  if (eip >>> 0 > code.limit >>> 0) cpu.raise(GP, 0);
  markAccessed(cpu, code);
  markAccessed(cpu, ss);
  setFlags(cpu, flags, mask);
  enterOuterLevel(cpu, selector, code, eip, stackSelector, ss, esp);
}

function returnReal(cpu: Cpu, bytes: 2 | 4): void {
  const eip = peek(cpu, 0, bytes), selector = peek(cpu, bytes, bytes) & 0xffff, flags = peek(cpu, 2 * bytes, bytes);
  if (eip >>> 0 > cpu.segLimit(S.CS)) cpu.raise(GP, 0);
  setStackPointer(cpu, cpu.esp + 3 * bytes);
  loadRealCode(cpu, selector);
  cpu.eip = eip;
  setFlags(cpu, flags, bytes === 4 ? ~REAL_KEPT : 0xffff);
  cpu.modeChanged();
}

/** IRET by a virtual-8086 program: by IOPL, or with VME on the virtual interrupt flag (SDM vol. 3, 20.2.8 and table 20-2). */
function returnInVirtual8086(cpu: Cpu, bytes: 2 | 4): void {
  const iopl3 = cpu.iopl === 3;
  if (!iopl3 && ((cpu.cr4 & S.CR4_VME) === 0 || bytes === 4)) cpu.raise(GP, 0);
  const eip = peek(cpu, 0, bytes), selector = peek(cpu, bytes, bytes) & 0xffff, flags = peek(cpu, 2 * bytes, bytes);
  if (eip >>> 0 > 0xffff) cpu.raise(GP, 0);
  if (!iopl3 && ((flags & S.FLAG_TF) !== 0 || ((flags & S.FLAG_IF) !== 0 && (cpu.eflags & S.FLAG_VIP) !== 0))) cpu.raise(GP, 0);
  setStackPointer(cpu, cpu.esp + 3 * bytes);
  loadV86Segment(cpu, S.CS, selector);
  cpu.eip = eip;
  if (iopl3) setFlags(cpu, flags, (bytes === 4 ? IRET_ALWAYS32 : IRET_ALWAYS) | S.FLAG_IF);
  else setFlags(cpu, flags & ~S.FLAG_VIF | ((flags & S.FLAG_IF) !== 0 ? S.FLAG_VIF : 0), IRET_ALWAYS | S.FLAG_VIF);
  cpu.modeChanged();
}

/** From CPL 0 into virtual-8086 mode (SDM vol. 3, 20.2.5): the frame of nine words that an interrupt out of it left. */
function returnToVirtual8086(cpu: Cpu, eip: number, selector: number, flags: number): void {
  const esp = peek(cpu, 12, 4);
  const segments = [16, 20, 24, 28, 32].map((at) => peek(cpu, at, 4) & 0xffff);
  if (eip >>> 0 > 0xffff) cpu.raise(GP, 0);
  cpu.eflags = flags;
  loadV86Segment(cpu, S.CS, selector);
  [S.SS, S.ES, S.DS, S.FS, S.GS].forEach((sreg, i) => loadV86Segment(cpu, sreg, segments[i]!));
  cpu.esp = esp;
  cpu.eip = eip;
  cpu.setCpl(3);
  cpu.modeChanged();
}

function loadFlat(cpu: Cpu, selector: number, cpl: number): void {
  const dpl = cpl << S.ATTR_DPL_SHIFT;
  cpu.setSegment(S.CS, selector & 0xfffc | cpl, 0, 0xffffffff | 0, FLAT_CODE | dpl);
  cpu.setSegment(S.SS, (selector + 8) & 0xfffc | cpl, 0, 0xffffffff | 0, FLAT_DATA | dpl);
  cpu.setCpl(cpl);
}

/** SYSENTER: flat CPL 0 by the SYSENTER MSRs; #GP(0) in real mode or while they are not set. */
export function sysenter(cpu: Cpu): void {
  const selector = readMsr(cpu, MSR_SYSENTER_CS)[0];
  if (!cpu.protectedMode || (selector & 0xfffc) === 0) cpu.raise(GP, 0);
  cpu.eflags = cpu.eflags & ~(S.FLAG_VM | S.FLAG_IF | S.FLAG_RF);
  loadFlat(cpu, selector, 0);
  cpu.esp = readMsr(cpu, MSR_SYSENTER_ESP)[0];
  cpu.eip = readMsr(cpu, MSR_SYSENTER_EIP)[0];
  cpu.modeChanged();
}

/** SYSEXIT: flat CPL 3 at EDX with stack ECX. */
export function sysexit(cpu: Cpu): void {
  const selector = readMsr(cpu, MSR_SYSENTER_CS)[0];
  if (!cpu.protectedMode || cpu.cpl !== 0 || (selector & 0xfffc) === 0) cpu.raise(GP, 0);
  loadFlat(cpu, selector + 16, 3);
  cpu.esp = cpu.i32[S.ECX]!;
  cpu.eip = cpu.i32[S.EDX]!;
  cpu.modeChanged();
}
