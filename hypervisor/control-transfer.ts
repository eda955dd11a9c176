import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { checkStackSegment, type Descriptor, dplOf, fetchDescriptor, installSegment, isCode, isConforming, isNull, loadNull, loadRealSegment,
  loadV86Segment, markAccessed, selectorError, SYS_CALL_GATE16, SYS_CALL_GATE32, SYS_TASK_GATE, SYS_TSS16, SYS_TSS32, systemType } from "./segmentation.js";
import { Frame, peek, setStackPointer, stackPointer } from "./stack.js";
import { checkAvailableTask, switchTask } from "./task-switch.js";
import { innerStack } from "./tss.js";
import { GP, NP, TS } from "./trap.js";

/**
 * Far JMP, CALL and RET (SDM vol. 3, 5.8). Each completes, EIP included, or throws with the state unchanged; past a task
 * switch faults are the new task's. `next` is the address of the following instruction.
 */

const realAddressing = (cpu: Cpu): boolean => !cpu.protectedMode || cpu.v86;

/** Loads CS in real or virtual-8086 mode. */
export function loadRealCode(cpu: Cpu, selector: number): void {
  if (cpu.v86) loadV86Segment(cpu, S.CS, selector);
  else loadRealSegment(cpu, S.CS, selector);
}

/** Loads CS with a checked descriptor at privilege `cpl`, and EIP. */
export function enterCode(cpu: Cpu, selector: number, d: Descriptor, cpl: number, eip: number): void {
  installSegment(cpu, S.CS, selector & 0xfffc | cpl, d);
  cpu.setCpl(cpl);
  cpu.eip = eip;
  cpu.modeChanged();
}

function checkOffset(cpu: Cpu, offset: number, d: Descriptor): void {
  if (offset >>> 0 > d.limit >>> 0) cpu.raise(GP, 0);
}

/** A code segment as the direct target of JMP or CALL (SDM vol. 3, 5.8.1). */
function checkDirect(cpu: Cpu, selector: number, d: Descriptor): void {
  const dpl = dplOf(d.attr);
  const allowed = isConforming(d.attr) ? dpl <= cpu.cpl : dpl === cpu.cpl && (selector & 3) <= cpu.cpl;
  if (!isCode(d.attr) || !allowed) cpu.raise(GP, selectorError(selector));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector));
}

/** The descriptor a far JMP or CALL names; a system descriptor's privilege and presence are checked. */
function fetchTarget(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) cpu.raise(GP, 0);
  const d = fetchDescriptor(cpu, selector, GP);
  if ((d.attr & S.ATTR_S) !== 0) return d;
  const type = systemType(d.attr);
  const known = type === SYS_CALL_GATE16 || type === SYS_CALL_GATE32 || type === SYS_TASK_GATE || type === SYS_TSS16 || type === SYS_TSS32;
  if (!known || dplOf(d.attr) < Math.max(cpu.cpl, selector & 3)) cpu.raise(GP, selectorError(selector));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector));
  return d;
}

interface CallGate { readonly selector: number; readonly offset: number; readonly bytes: 2 | 4; readonly parameters: number }

function callGate(d: Descriptor): CallGate {
  const wide = systemType(d.attr) === SYS_CALL_GATE32;
  return { selector: d.low >>> 16, offset: wide ? d.high & 0xffff0000 | d.low & 0xffff : d.low & 0xffff, bytes: wide ? 4 : 2, parameters: d.high & 0x1f };
}

/** The code segment behind a call gate; a JMP may not change privilege (SDM vol. 3, 5.8.4). */
function gateTarget(cpu: Cpu, gate: CallGate, jump: boolean): Descriptor {
  if (isNull(gate.selector)) cpu.raise(GP, 0);
  const d = fetchDescriptor(cpu, gate.selector, GP);
  const dpl = dplOf(d.attr);
  if (!isCode(d.attr) || dpl > cpu.cpl || (jump && !isConforming(d.attr) && dpl !== cpu.cpl)) cpu.raise(GP, selectorError(gate.selector));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(gate.selector));
  return d;
}

/** Switches to the task that a TSS or task-gate descriptor names. */
function enterTask(cpu: Cpu, d: Descriptor, reason: "jump" | "call", next: number): void {
  const selector = systemType(d.attr) === SYS_TASK_GATE ? d.low >>> 16 : d.selector;
  switchTask(cpu, checkAvailableTask(cpu, selector, GP), reason, next);
}

const isCallGate = (d: Descriptor): boolean => systemType(d.attr) === SYS_CALL_GATE16 || systemType(d.attr) === SYS_CALL_GATE32;

/** JMP far. */
export function farJump(cpu: Cpu, selector: number, offset: number, next: number): void {
  if (realAddressing(cpu)) {
    if (offset >>> 0 > cpu.segLimit(S.CS)) cpu.raise(GP, 0);
    loadRealCode(cpu, selector);
    cpu.eip = offset;
    return cpu.modeChanged();
  }
  const d = fetchTarget(cpu, selector);
  if ((d.attr & S.ATTR_S) !== 0) {
    checkDirect(cpu, selector, d);
    checkOffset(cpu, offset, d);
    markAccessed(cpu, d);
    return enterCode(cpu, selector, d, cpu.cpl, offset);
  }
  if (!isCallGate(d)) return enterTask(cpu, d, "jump", next);
  const gate = callGate(d);
  const code = gateTarget(cpu, gate, true);
  checkOffset(cpu, gate.offset, code);
  markAccessed(cpu, code);
  enterCode(cpu, gate.selector, code, cpu.cpl, gate.offset);
}

/** CALL far with return addresses of `bytes` bytes each. */
export function farCall(cpu: Cpu, selector: number, offset: number, bytes: 2 | 4, next: number): void {
  if (realAddressing(cpu)) {
    const frame = Frame.onCurrentStack(cpu, bytes).push(cpu.selector(S.CS), next).check();
    if (offset >>> 0 > cpu.segLimit(S.CS)) cpu.raise(GP, 0);
    cpu.esp = frame.write();
    loadRealCode(cpu, selector);
    cpu.eip = offset;
    return cpu.modeChanged();
  }
  const d = fetchTarget(cpu, selector);
  if ((d.attr & S.ATTR_S) !== 0) {
    checkDirect(cpu, selector, d);
    return callSameLevel(cpu, selector, d, offset, bytes, next);
  }
  if (!isCallGate(d)) return enterTask(cpu, d, "call", next);
  const gate = callGate(d);
  const code = gateTarget(cpu, gate, false);
  if (!isConforming(code.attr) && dplOf(code.attr) < cpu.cpl) callInnerLevel(cpu, gate, code, next);
  else callSameLevel(cpu, gate.selector, code, gate.offset, gate.bytes, next);
}

function callSameLevel(cpu: Cpu, selector: number, code: Descriptor, offset: number, bytes: 2 | 4, next: number): void {
  const frame = Frame.onCurrentStack(cpu, bytes).push(cpu.selector(S.CS), next).check();
  checkOffset(cpu, offset, code);
  markAccessed(cpu, code);
  cpu.esp = frame.write();
  enterCode(cpu, selector, code, cpu.cpl, offset);
}

/** Through a call gate to an inner level: old stack pointer, parameters and return address go on the new stack (SDM vol. 3, 5.8.5). */
function callInnerLevel(cpu: Cpu, gate: CallGate, code: Descriptor, next: number): void {
  const cpl = dplOf(code.attr);
  const stack = innerStack(cpu, cpl, 0);
  const ss = checkStackSegment(cpu, stack.ss, cpl, TS);
  const frame = new Frame(cpu, ss, stack.esp, cpl === 3, gate.bytes, selectorError(stack.ss)).push(cpu.selector(S.SS), cpu.esp);
  for (let i = gate.parameters - 1; i >= 0; i--) frame.push(peek(cpu, i * gate.bytes, gate.bytes));
  frame.push(cpu.selector(S.CS), next).check();
  checkOffset(cpu, gate.offset, code);
  markAccessed(cpu, code);
  markAccessed(cpu, ss);
  const esp = frame.write();
  installSegment(cpu, S.SS, stack.ss, ss);
  cpu.esp = esp;
  enterCode(cpu, gate.selector, code, cpl, gate.offset);
}

/** The code segment a return goes to (SDM vol. 3, 5.8.6): at its RPL, never inwards. */
export function checkReturnCode(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) cpu.raise(GP, 0);
  const d = fetchDescriptor(cpu, selector, GP);
  const rpl = selector & 3, dpl = dplOf(d.attr);
  if (!isCode(d.attr) || rpl < cpu.cpl || (isConforming(d.attr) ? dpl > rpl : dpl !== rpl)) cpu.raise(GP, selectorError(selector));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector));
  return d;
}

/**
 * Goes out to privilege `cpl`: CS:EIP and SS:ESP, all checked; data segments that `cpl` may not use become null. On a 16-bit
 * stack the upper half of ESP keeps its inner value, as processors have it.
 */
export function enterOuterLevel(cpu: Cpu, codeSelector: number, code: Descriptor, eip: number, stackSelector: number, ss: Descriptor, esp: number): void {
  const cpl = codeSelector & 3;
  installSegment(cpu, S.SS, stackSelector, ss);
  setStackPointer(cpu, esp);
  for (const sreg of [S.ES, S.DS, S.FS, S.GS]) {
    const attr = cpu.segAttr(sreg);
    if ((attr & S.ATTR_NULL) === 0 && !isConforming(attr) && dplOf(attr) < cpl) loadNull(cpu, sreg, 0);
  }
  enterCode(cpu, codeSelector, code, cpl, eip);
}

/** RET far with operands of `bytes` bytes, releasing `release` bytes of parameters. */
export function farReturn(cpu: Cpu, bytes: 2 | 4, release: number): void {
  const eip = peek(cpu, 0, bytes), selector = peek(cpu, bytes, bytes) & 0xffff;
  if (realAddressing(cpu)) {
    if (eip >>> 0 > cpu.segLimit(S.CS)) cpu.raise(GP, 0);
    setStackPointer(cpu, cpu.esp + 2 * bytes + release);
    loadRealCode(cpu, selector);
    cpu.eip = eip;
    return cpu.modeChanged();
  }
  const code = checkReturnCode(cpu, selector);
  if ((selector & 3) === cpu.cpl) {
    checkOffset(cpu, eip, code);
    markAccessed(cpu, code);
    setStackPointer(cpu, stackPointer(cpu) + 2 * bytes + release);
    return enterCode(cpu, selector, code, cpu.cpl, eip);
  }
  const esp = peek(cpu, 2 * bytes + release, bytes), stackSelector = peek(cpu, 3 * bytes + release, bytes) & 0xffff;
  const ss = checkStackSegment(cpu, stackSelector, selector & 3, GP);
  checkOffset(cpu, eip, code);
  markAccessed(cpu, code);
  markAccessed(cpu, ss);
  enterOuterLevel(cpu, selector, code, eip, stackSelector, ss, esp + release);
}
