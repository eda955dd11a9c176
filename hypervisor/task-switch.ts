import { validPdptes, writeCr3 } from "./control-registers.js";
import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { breakpointsChanged, DR6_BT, DR7, DR7_LOCAL, raiseDebug } from "./debug-registers.js";
import { checkLdt, type Descriptor, dplOf, fetchDescriptor, installLdt, installSegment, isCode, isConforming, isNull, isReadable, isWritableData,
  loadNull, loadV86Segment, markAccessed, selectorError, SYS_TSS16, SYS_TSS16_BUSY, SYS_TSS32, SYS_TSS32_BUSY, systemType } from "./segmentation.js";
import { Frame } from "./stack.js";
import { hasTss32 } from "./tss.js";
import { GP, NP, SS_FAULT, TS } from "./trap.js";

/** Hardware task switches (SDM vol. 3, 7.3). */

export type SwitchReason = "jump" | "call" | "interrupt" | "iret";

/** Layout of the two kinds of TSS (SDM vol. 3, figures 7-2 and 7-10). */
interface TssLayout {
  readonly bytes: 2 | 4;
  /** Least limit. */
  readonly limit: number;
  readonly eip: number;
  readonly eflags: number;
  readonly registers: number;
  readonly segments: number;
  readonly segmentCount: number;
  readonly ldt: number;
}
const TSS16: TssLayout = { bytes: 2, limit: 0x2b, eip: 0x0e, eflags: 0x10, registers: 0x12, segments: 0x22, segmentCount: 4, ldt: 0x2a };
const TSS32: TssLayout = { bytes: 4, limit: 0x67, eip: 0x20, eflags: 0x24, registers: 0x28, segments: 0x48, segmentCount: 6, ldt: 0x60 };
const TSS32_CR3 = 0x1c, TSS32_TRAP = 0x64;
const BUSY = 2;

/** What is read of a TSS before anything changes. */
interface TaskState {
  readonly cr3: number;
  readonly eip: number;
  readonly eflags: number;
  readonly registers: readonly number[];
  readonly segments: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

/** Checks a TSS selector of a task gate, JMP or CALL: in the GDT, available (`vector` else), present (#NP else). */
export function checkAvailableTask(cpu: Cpu, selector: number, vector: number, ext = 0): Descriptor {
  if (isNull(selector) || (selector & 4) !== 0) cpu.raise(vector, selectorError(selector, ext));
  const d = fetchDescriptor(cpu, selector, vector, ext);
  const type = systemType(d.attr);
  if (type !== SYS_TSS16 && type !== SYS_TSS32) cpu.raise(vector, selectorError(selector, ext));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector, ext));
  return d;
}

/** Checks the back link of the current TSS for a return from a nested task: a busy TSS in the GDT, present. */
export function checkNestedTask(cpu: Cpu): Descriptor {
  const selector = cpu.mmu.readAs(cpu.segBase(S.TR), 2, false);
  if (isNull(selector) || (selector & 4) !== 0) cpu.raise(TS, selectorError(selector));
  const d = fetchDescriptor(cpu, selector, TS);
  const type = systemType(d.attr);
  if (type !== SYS_TSS16_BUSY && type !== SYS_TSS32_BUSY) cpu.raise(TS, selectorError(selector));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector));
  return d;
}

function setBusy(cpu: Cpu, address: number, busy: boolean): void {
  const type = cpu.mmu.readAs(address + 5, 1, false);
  cpu.mmu.writeAs(address + 5, 1, busy ? type | BUSY : type & ~BUSY, false);
}

function readTask(cpu: Cpu, base: number, layout: TssLayout): TaskState {
  const { bytes } = layout;
  const word = (at: number): number => cpu.mmu.readAs(base + at, bytes, false);
  const wide = bytes === 4;
  const registers: number[] = [], segments: number[] = [];
  // The upper halves that a 16-bit TSS does not hold are undefined: all ones, as on a P6.
  for (let r = 0; r < 8; r++) registers.push(word(layout.registers + r * bytes) | (wide ? 0 : 0xffff0000));
  for (let sreg = 0; sreg < 6; sreg++) segments.push(sreg < layout.segmentCount ? cpu.mmu.readAs(base + layout.segments + sreg * bytes, 2, false) : 0);
  return {
    cr3: wide ? word(TSS32_CR3) | 0 : 0, eip: word(layout.eip) | 0, eflags: word(layout.eflags) | 0, registers, segments,
    ldt: cpu.mmu.readAs(base + layout.ldt, 2, false), trap: wide && (cpu.mmu.readAs(base + TSS32_TRAP, 2, false) & 1) !== 0,
  };
}

function saveTask(cpu: Cpu, base: number, layout: TssLayout, eip: number, eflags: number): void {
  const { bytes } = layout;
  cpu.mmu.writeAs(base + layout.eip, bytes, bytes === 2 ? eip & 0xffff : eip, false);
  cpu.mmu.writeAs(base + layout.eflags, bytes, bytes === 2 ? eflags & 0xffff : eflags, false);
  for (let r = 0; r < 8; r++) cpu.mmu.writeAs(base + layout.registers + r * bytes, bytes, cpu.reg(r, bytes * 8), false);
  for (let sreg = 0; sreg < layout.segmentCount; sreg++) cpu.mmu.writeAs(base + layout.segments + sreg * bytes, 2, cpu.selector(sreg), false);
}

/**
 * Switches to the task of TSS descriptor `d`, which the caller has checked. `eip` is where the old task goes on; `errorCode`
 * goes on the new task's stack. Up to the point where TR changes a fault leaves the old task as it was; after it, faults
 * are the new task's, at its EIP, as the manual has it.
 */
export function switchTask(cpu: Cpu, d: Descriptor, reason: SwitchReason, eip: number, ext = 0, errorCode?: number): void {
  const { mmu, i32 } = cpu;
  const oldLayout = hasTss32(cpu) ? TSS32 : TSS16;
  const wide = (d.attr & 8) !== 0;
  const layout = wide ? TSS32 : TSS16;
  const nested = reason === "call" || reason === "interrupt";
  const oldBase = cpu.segBase(S.TR), oldSelector = cpu.selector(S.TR);
  if (d.limit >>> 0 < layout.limit) cpu.raise(TS, selectorError(d.selector, ext));
  if (cpu.segLimit(S.TR) < oldLayout.limit) cpu.raise(TS, selectorError(oldSelector, ext));

  // Everything that is going to be touched is made present first.
  mmu.probeWrite(oldBase, oldLayout.limit + 1, false);
  if (nested) mmu.probeWrite(d.base, 2, false);
  if (reason !== "iret") mmu.probeWrite(d.address + 5, 1, false);
  const oldDescriptor = (i32[S.GDTR_BASE]! + (oldSelector & 0xfff8)) | 0;
  if (!nested) mmu.probeWrite(oldDescriptor + 5, 1, false);
  const task = readTask(cpu, d.base, layout);
  const loadsCr3 = wide && cpu.paging;
  if (loadsCr3 && (cpu.cr4 & S.CR4_PAE) !== 0 && !validPdptes(cpu, task.cr3)) cpu.raise(GP, 0);

  if (!nested) setBusy(cpu, oldDescriptor, false);
  saveTask(cpu, oldBase, oldLayout, eip, reason === "iret" ? cpu.eflags & ~S.FLAG_NT : cpu.eflags);
  if (nested) mmu.writeAs(d.base, 2, oldSelector, false);
  if (reason !== "iret") setBusy(cpu, d.address, true);

  cpu.setSegment(S.TR, d.selector & 0xffff, d.base, d.limit, d.attr | BUSY);
  i32[S.CR0]! |= S.CR0_TS;
  i32[DR7]! &= ~DR7_LOCAL;
  breakpointsChanged(cpu);
  if (loadsCr3) writeCr3(cpu, task.cr3);
  cpu.eip = task.eip;
  cpu.eflags = task.eflags & (wide ? -1 : 0xffff) | (nested ? S.FLAG_NT : 0);
  for (let r = 0; r < 8; r++) i32[r] = task.registers[r]!;
  loadTaskSegments(cpu, task, ext);

  if (errorCode !== undefined) i32[S.ESP] = Frame.onCurrentStack(cpu, layout.bytes, ext).push(errorCode).check().write();
  if (cpu.eip >>> 0 > cpu.segLimit(S.CS)) cpu.raise(GP, ext);
  if (task.trap) raiseDebug(cpu, DR6_BT);
}

/** Loads and checks LDTR and the segment registers in the new task's context (SDM vol. 3, table 7-1). */
function loadTaskSegments(cpu: Cpu, task: TaskState, ext: number): void {
  const selector = task.segments;
  for (let sreg = 0; sreg < 6; sreg++) loadNull(cpu, sreg, selector[sreg]!);
  installLdt(cpu, task.ldt, undefined);
  const v86 = cpu.v86;
  const cpl = v86 ? 3 : selector[S.CS]! & 3;
  cpu.setCpl(cpl);
  cpu.modeChanged();
  installLdt(cpu, task.ldt, checkLdt(cpu, task.ldt, TS, TS, ext));
  if (v86) {
    for (let sreg = 0; sreg < 6; sreg++) loadV86Segment(cpu, sreg, selector[sreg]!);
    return cpu.modeChanged();
  }
  installChecked(cpu, S.CS, selector[S.CS]!, (d) => isCode(d.attr) && (isConforming(d.attr) ? dplOf(d.attr) <= cpl : dplOf(d.attr) === cpl), NP, ext);
  installChecked(cpu, S.SS, selector[S.SS]!, (d) => isWritableData(d.attr) && dplOf(d.attr) === cpl && (selector[S.SS]! & 3) === cpl, SS_FAULT, ext);
  for (const sreg of [S.DS, S.ES, S.FS, S.GS]) {
    const value = selector[sreg]!;
    if (isNull(value)) continue;
    installChecked(cpu, sreg, value, (d) => isReadable(d.attr) && (isConforming(d.attr) || dplOf(d.attr) >= Math.max(cpl, value & 3)), NP, ext);
  }
  cpu.modeChanged();
}

function installChecked(cpu: Cpu, sreg: number, selector: number, valid: (d: Descriptor) => boolean, absent: number, ext: number): void {
  if (isNull(selector)) cpu.raise(TS, selectorError(selector, ext));
  const d = fetchDescriptor(cpu, selector, TS, ext);
  if (!valid(d)) cpu.raise(TS, selectorError(selector, ext));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(absent, selectorError(selector, ext));
  markAccessed(cpu, d);
  installSegment(cpu, sreg, selector, d);
  cpu.modeChanged();
}
