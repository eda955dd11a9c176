import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { checkReturnCode, enterCode, enterOuterLevel } from "../hypervisor/control-transfer.js";
import { checkDataSegment, checkStackSegment, type Descriptor, installSegment, isNull, loadNull, loadV86Segment, markAccessed } from "../hypervisor/segmentation.js";
import { GP, Trap } from "../hypervisor/trap.js";
import type { Domain } from "./domain.js";

/**
 * Ways into the guest: the stack frame that an exception or event finds on the guest kernel's stack (Xen's create_bounce_frame),
 * and the return from Xen that loads selectors which the guest chose, with its failsafe callback for those that cannot be loaded.
 */

/** What of the processor a bounce frame saves, and a return from Xen loads. */
export interface GuestContext {
  eip: number;
  cs: number;
  eflags: number;
  esp: number;
  ss: number;
}

const DATA_SEGMENTS = [S.DS, S.ES, S.FS, S.GS];
/** The order in which an interrupt out of virtual-8086 mode has them, lowest address first. */
const V86_SEGMENTS = [S.ES, S.DS, S.FS, S.GS];

export function currentContext(cpu: Cpu): GuestContext {
  return { eip: cpu.eip, cs: cpu.selector(S.CS), eflags: cpu.eflags, esp: cpu.esp, ss: cpu.selector(S.SS) };
}

export interface Bounce {
  readonly cs: number;
  readonly eip: number;
  readonly errorCode?: number | undefined;
  /** Events are masked while the handler runs (an interrupt gate). */
  readonly masksEvents: boolean;
  /** The data selectors go on the stack too. */
  readonly failsafe?: boolean;
}

/**
 * Makes the guest's kernel run the handler of `bounce`, with `from` (else what the processor runs) to go back to. From outside the kernel
 * the frame goes on the stack given by stack_switch. The saved CS word carries the event mask, the saved EFLAGS its inverse as IF.
 */
export function bounceToGuest(d: Domain, bounce: Bounce, from: GuestContext = currentContext(d.cpu)): void {
  const { cpu } = d;
  const v86 = (from.eflags & S.FLAG_VM) !== 0;
  const inKernel = !v86 && (from.cs & 2) === 0;
  const ss = inKernel ? from.ss : d.kernelSs;
  const words: number[] = [];
  const masked = d.upcallMask;
  if (bounce.failsafe) words.push(...DATA_SEGMENTS.map((sreg) => v86 ? 0 : cpu.selector(sreg)));
  if (bounce.errorCode !== undefined) words.push(bounce.errorCode);
  words.push(from.eip, (from.cs & 0xffff) | (masked ? 1 << 16 : 0), from.eflags & ~S.FLAG_IF | (masked ? 0 : S.FLAG_IF));
  if (!inKernel) words.push(from.esp, from.ss);
  if (v86) words.push(...V86_SEGMENTS.map((sreg) => cpu.selector(sreg)));

  const esp = ((inKernel ? from.esp : d.kernelSp) - words.length * 4) | 0;
  if ((bounce.cs & ~3) === 0) d.crash("no handler has been set for a trap or event");
  pushFrame(d, ss, esp, words);
  if (bounce.masksEvents) d.upcallMask = true;
  if (v86) for (const sreg of DATA_SEGMENTS) loadNull(cpu, sreg, 0);
  const eflags = from.eflags & ~(S.FLAG_VM | S.FLAG_RF | S.FLAG_NT | S.FLAG_TF | S.FLAG_IOPL) | S.FLAG_IF;
  returnToGuest(d, { eip: bounce.eip, cs: bounce.cs, eflags, esp, ss }, bounce.failsafe === true);
}

function pushFrame(d: Domain, ss: number, esp: number, words: readonly number[]): void {
  const { cpu } = d;
  try {
    const base = stackBase(cpu, ss);
    const end = (esp >>> 0) + words.length * 4;
    if (base + end > d.layout.hypervisorStart) d.crash("the kernel's stack lies in the reserved area");
    words.forEach((word, i) => cpu.mmu.writeAs((base + esp + i * 4) | 0, 4, word >>> 0, false));
  } catch (e) {
    if (e instanceof Trap) d.crash(`the kernel's stack at ${ss.toString(16)}:${(esp >>> 0).toString(16)} cannot be written`);
    throw e;
  }
}

function stackBase(cpu: Cpu, ss: number): number {
  if (ss === cpu.selector(S.SS) && cpu.cpl === (ss & 3)) return cpu.segBase(S.SS);
  return checkStackSegment(cpu, ss, ss & 3, GP).base;
}

/**
 * Loads a context as Xen's IRET does, from CPL 0: CS and SS are checked against the guest's tables, IF is always set and IOPL
 * always 0. Selectors that cannot be loaded lead to the failsafe callback; there, to the domain's end.
 */
export function returnToGuest(d: Domain, to: GuestContext, last = false): void {
  const { cpu } = d;
  const eflags = to.eflags & ~S.FLAG_IOPL | S.FLAG_IF;
  if ((eflags & S.FLAG_VM) !== 0) return enterVirtual8086(cpu, to, eflags);
  let code: Descriptor, stack: Descriptor;
  const cpl = cpu.cpl;
  try {
    cpu.setCpl(0);
    code = checkReturnCode(cpu, to.cs & 0xffff);
    stack = checkStackSegment(cpu, to.ss & 0xffff, to.cs & 3, GP);
    if (to.eip >>> 0 > code.limit >>> 0) cpu.raise(GP, 0);
    markAccessed(cpu, code);
    markAccessed(cpu, stack);
  } catch (e) {
    cpu.setCpl(cpl);
    if (!(e instanceof Trap)) throw e;
    if (last) d.crash(`CS ${to.cs.toString(16)} or SS ${to.ss.toString(16)} of a handler cannot be loaded`);
    return failsafe(d, to);
  }
  cpu.eflags = eflags;
  if ((to.cs & 3) > 1) enterOuterLevel(cpu, to.cs & 0xffff, code, to.eip, to.ss & 0xffff, stack, to.esp);
  else {
    installSegment(cpu, S.SS, to.ss & 0xffff, stack);
    cpu.esp = to.esp;
    enterCode(cpu, to.cs & 0xffff, code, to.cs & 3, to.eip);
  }
}

function enterVirtual8086(cpu: Cpu, to: GuestContext, eflags: number): void {
  cpu.eflags = eflags;
  loadV86Segment(cpu, S.CS, to.cs);
  loadV86Segment(cpu, S.SS, to.ss);
  cpu.esp = to.esp;
  cpu.eip = to.eip & 0xffff;
  cpu.setCpl(3);
  cpu.modeChanged();
}

/** Runs the failsafe callback: the context that could not be loaded is on its stack, the data selectors with it, and are null now. */
function failsafe(d: Domain, to: GuestContext): void {
  const { failsafeCallback: callback, cpu } = d;
  d.count("paravirt.failsafe");
  if ((to.cs & 3) === 0) to = { ...to, cs: to.cs | 1 };
  bounceToGuest(d, { cs: callback.cs, eip: callback.eip, masksEvents: callback.masksEvents, failsafe: true }, to);
  for (const sreg of DATA_SEGMENTS) loadNull(cpu, sreg, 0);
  cpu.modeChanged();
}

/** Loads the segment registers again, as every return from Xen does, after a descriptor may have changed. */
export function reloadSegments(d: Domain): void {
  const { cpu } = d;
  d.reloadSegments = false;
  if (cpu.v86) return;
  try {
    for (const sreg of DATA_SEGMENTS) {
      const selector = cpu.selector(sreg);
      if (isNull(selector)) continue;
      const segment = checkDataSegment(cpu, selector, selector & 3, GP);
      markAccessed(cpu, segment);
      installSegment(cpu, sreg, selector, segment);
    }
  } catch (e) {
    if (!(e instanceof Trap)) throw e;
    return failsafe(d, currentContext(cpu));
  }
  returnToGuest(d, currentContext(cpu));
}
