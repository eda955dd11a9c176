import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { DR7, DR7_GD } from "./debug-registers.js";
import { checkStackSegment, dplOf, fetchDescriptor, installSegment, isCode, isConforming, isNull, loadNull, loadRealSegment, loadV86Segment, markAccessed,
  selectorError, SYS_INTERRUPT_GATE16, SYS_INTERRUPT_GATE32, SYS_TASK_GATE, SYS_TRAP_GATE16, SYS_TRAP_GATE32 } from "./segmentation.js";
import { Frame } from "./stack.js";
import type { TrapInfo } from "./strategy.js";
import { checkAvailableTask, switchTask } from "./task-switch.js";
import { innerStack, interruptRedirected } from "./tss.js";
import * as V from "./trap.js";

/**
 * Delivery of exceptions and interrupts through the IDT or the IVT (SDM vol. 3, 6.12 and 20.1.4). It works on the
 * processor's state words alone (IDTR, GDTR, TR, ...): a hypervisor that keeps a guest's tables elsewhere puts the guest's
 * there for the time of the call.
 */

/** What is delivered. A software interrupt is INT n, INT3 or INTO: the gate's DPL is checked and EXT is 0. */
export interface InterruptEvent {
  readonly vector: number;
  readonly errorCode: number | undefined;
  readonly source: "exception" | "external" | "software";
  /** Where the handler returns to. */
  readonly returnEip: number;
}

const IDT_ERROR = 2;
/** Exceptions that are no faults, for which RF is not set in the pushed EFLAGS (SDM vol. 3, 17.3.1.1). */
const NOT_FAULTS: ReadonlySet<number> = new Set([V.DB, V.NMI, V.BP, V.OF, V.DF, V.MC]);
const CONTRIBUTORY: ReadonlySet<number> = new Set([V.DE, V.TS, V.NP, V.SS_FAULT, V.GP]);

/** An exception of the instruction at EIP. */
export function deliverException(cpu: Cpu, trap: TrapInfo): void {
  deliver(cpu, { vector: trap.vector, errorCode: trap.errorCode, source: "exception", returnEip: cpu.eip });
}

/** INT n, INT3 or INTO at EIP; `next` is the address after it. */
export function deliverSoftware(cpu: Cpu, vector: number, next: number): void {
  cpu.ledger.event("interrupt.software");
  deliver(cpu, { vector, errorCode: undefined, source: "software", returnEip: next });
}

/** An interrupt from outside. */
export function deliverExternal(cpu: Cpu, vector: number): void {
  cpu.ledger.event("interrupt.external");
  deliver(cpu, { vector, errorCode: undefined, source: "external", returnEip: cpu.eip });
}

/** A non-maskable interrupt: no other is taken before the next IRET (SDM vol. 3, 6.7.1). */
export function deliverNonMaskable(cpu: Cpu): void {
  cpu.nmiPending = false;
  cpu.nmiBlocked = true;
  cpu.ledger.event("interrupt.nmi");
  deliver(cpu, { vector: V.NMI, errorCode: undefined, source: "external", returnEip: cpu.eip });
}

/** Deliveries in a row that only led to the next: task gates can make it go on for ever. */
const DELIVERIES_AT_ONCE = 4;

/**
 * Delivers an event, and in its place or after it whatever faults its delivery meets; throws GuestCrash on a triple fault, and
 * the Trap that is to be delivered next when there is no end to them.
 */
export function deliver(cpu: Cpu, event: InterruptEvent): void {
  for (let n = 0; ; n++) {
    if (n === DELIVERIES_AT_ONCE) cpu.raise(event.vector, event.errorCode);
    if (event.source === "exception") cpu.ledger.event("trap." + (V.VECTOR_NAMES[event.vector] ?? `vector_${event.vector}`));
    try {
      return deliverOnce(cpu, event);
    } catch (thrown) {
      if (!(thrown instanceof V.Trap)) throw thrown;
      const first = event.source === "exception" ? event.vector : undefined;
      const combined = combineFaults(first, { vector: thrown.vector, errorCode: thrown.errorCode });
      if (combined === undefined) throw new V.GuestCrash(tripleFault(cpu, thrown.vector));
      event = { vector: combined.vector, errorCode: combined.errorCode, source: "exception", returnEip: cpu.eip };
    }
  }
}

const hex = (value: number, digits: number): string => (value >>> 0).toString(16).padStart(digits, "0");

function tripleFault(cpu: Cpu, vector: number): string {
  return `triple fault at ${hex(cpu.selector(S.CS), 4)}:${hex(cpu.eip, 8)}: ${V.VECTOR_NAMES[vector] ?? vector} while delivering double_fault`;
}

/**
 * What a fault during the delivery of exception `first` becomes (SDM vol. 3, tables 6-4 and 6-5): itself, a double fault,
 * or undefined for shutdown. `first` is undefined for an interrupt.
 */
export function combineFaults(first: number | undefined, second: TrapInfo): TrapInfo | undefined {
  const contributory = CONTRIBUTORY.has(second.vector);
  if (first === undefined || (!contributory && second.vector !== V.PF)) return second;
  if (first === V.DF) return undefined;
  if (first === V.PF || (CONTRIBUTORY.has(first) && contributory)) return { vector: V.DF, errorCode: 0 };
  return second;
}

/** One attempt at delivery: completes, or throws the fault met with the state unchanged (past a task switch: in the new task). */
export function deliverOnce(cpu: Cpu, event: InterruptEvent): void {
  if (cpu.protectedMode) deliverProtected(cpu, event);
  else deliverReal(cpu, event);
  if (event.vector === V.DB && event.source === "exception") cpu.i32[DR7]! &= ~DR7_GD;
  cpu.halted = false;
  cpu.singleStep = false;
  cpu.recheck = true;
}

/** Real mode: flags, CS and IP on the stack, through the IVT at IDTR's base (SDM vol. 3, 20.1.4). */
function deliverReal(cpu: Cpu, event: InterruptEvent): void {
  const at = event.vector * 4;
  if (at + 3 > cpu.i32[S.IDTR_LIMIT]!) cpu.raise(V.GP, at + IDT_ERROR);
  const base = cpu.i32[S.IDTR_BASE]!;
  const offset = cpu.mmu.readAs(base + at, 2, false), selector = cpu.mmu.readAs(base + at + 2, 2, false);
  const frame = Frame.onCurrentStack(cpu, 2).push(cpu.eflags, cpu.selector(S.CS), event.returnEip).check();
  if (offset > cpu.segLimit(S.CS)) cpu.raise(V.GP, 0);
  cpu.esp = frame.write();
  loadRealSegment(cpu, S.CS, selector);
  cpu.eip = offset;
  cpu.eflags = cpu.eflags & ~(S.FLAG_IF | S.FLAG_TF | S.FLAG_AC);
  cpu.modeChanged();
}

function deliverProtected(cpu: Cpu, event: InterruptEvent): void {
  const ext = event.source === "software" ? 0 : 1;
  const index = event.vector * 8;
  const idtError = index + IDT_ERROR + ext;
  if (index + 7 > cpu.i32[S.IDTR_LIMIT]!) cpu.raise(V.GP, idtError);
  const address = cpu.i32[S.IDTR_BASE]! + index;
  const low = cpu.mmu.readAs(address, 4, false) | 0, high = cpu.mmu.readAs(address + 4, 4, false) | 0;
  const type = high >> 8 & 0x1f;
  const wide = type === SYS_INTERRUPT_GATE32 || type === SYS_TRAP_GATE32;
  if (!wide && type !== SYS_TASK_GATE && type !== SYS_INTERRUPT_GATE16 && type !== SYS_TRAP_GATE16) cpu.raise(V.GP, idtError);
  if (event.source === "software" && (high >> 13 & 3) < cpu.cpl) cpu.raise(V.GP, idtError);
  if ((high & 0x8000) === 0) cpu.raise(V.NP, idtError);
  const selector = low >>> 16;
  if (type === SYS_TASK_GATE) {
    const task = checkAvailableTask(cpu, selector, V.GP, ext);
    return switchTask(cpu, task, "interrupt", event.returnEip, ext, event.errorCode);
  }
  const offset = wide ? high & 0xffff0000 | low & 0xffff : low & 0xffff;
  const masksInterrupts = type === SYS_INTERRUPT_GATE16 || type === SYS_INTERRUPT_GATE32;
  enterHandler(cpu, event, selector, offset, wide ? 4 : 2, masksInterrupts, ext);
}

/** Through an interrupt or trap gate (SDM vol. 3, 6.12.1). */
function enterHandler(cpu: Cpu, event: InterruptEvent, selector: number, offset: number, bytes: 2 | 4, masksInterrupts: boolean, ext: number): void {
  const { v86, cpl } = cpu;
  if (isNull(selector)) cpu.raise(V.GP, ext);
  const code = fetchDescriptor(cpu, selector, V.GP, ext);
  const dpl = dplOf(code.attr);
  if (!isCode(code.attr) || dpl > cpl) cpu.raise(V.GP, selectorError(selector, ext));
  if ((code.attr & S.ATTR_P) === 0) cpu.raise(V.NP, selectorError(selector, ext));
  const inner = !isConforming(code.attr) && dpl < cpl;
  if (v86 && (!inner || dpl !== 0)) cpu.raise(V.GP, selectorError(selector, ext));
  const newCpl = inner ? dpl : cpl;

  const flags = cpu.eflags | (event.source === "exception" && !NOT_FAULTS.has(event.vector) ? S.FLAG_RF : 0);
  const stack = inner ? innerStack(cpu, dpl, ext) : undefined;
  const ss = stack && checkStackSegment(cpu, stack.ss, dpl, V.TS, ext);
  let frame: Frame;
  if (stack !== undefined && ss !== undefined) {
    frame = new Frame(cpu, ss, stack.esp, newCpl === 3, bytes, selectorError(stack.ss, ext));
    if (v86) frame.push(cpu.selector(S.GS), cpu.selector(S.FS), cpu.selector(S.DS), cpu.selector(S.ES));
    frame.push(cpu.selector(S.SS), cpu.esp);
  } else frame = Frame.onCurrentStack(cpu, bytes, ext);
  frame.push(flags, cpu.selector(S.CS), event.returnEip);
  if (event.errorCode !== undefined) frame.push(event.errorCode);
  frame.check();
  if (offset >>> 0 > code.limit >>> 0) cpu.raise(V.GP, ext);
  markAccessed(cpu, code);
  if (ss !== undefined) markAccessed(cpu, ss);

  const esp = frame.write();
  if (stack !== undefined && ss !== undefined) installSegment(cpu, S.SS, stack.ss, ss);
  cpu.esp = esp;
  installSegment(cpu, S.CS, selector & 0xfffc | newCpl, code);
  cpu.eip = offset;
  if (v86) for (const sreg of [S.ES, S.DS, S.FS, S.GS]) loadNull(cpu, sreg, 0);
  cpu.setCpl(newCpl);
  cpu.eflags = cpu.eflags & ~(S.FLAG_TF | S.FLAG_VM | S.FLAG_RF | S.FLAG_NT | (masksInterrupts ? S.FLAG_IF : 0));
  cpu.modeChanged();
}

/**
 * INT n in virtual-8086 mode (SDM vol. 3, 20.2.7, table 20-2). True: it went to the program's own handler through the IVT at
 * linear address 0 (methods 5 and 6). False: it is to be delivered as in protected mode. #GP(0) for the monitor else.
 */
export function redirectVirtual8086(cpu: Cpu, vector: number, next: number): boolean {
  const iopl3 = cpu.iopl === 3;
  if ((cpu.cr4 & S.CR4_VME) === 0 || !interruptRedirected(cpu, vector)) return iopl3 ? false : cpu.raise(V.GP, 0);
  const offset = cpu.mmu.readAs(vector * 4, 2, false), selector = cpu.mmu.readAs(vector * 4 + 2, 2, false);
  const flags = cpu.eflags;
  const image = iopl3 ? flags : flags & ~S.FLAG_IF | S.FLAG_IOPL | ((flags & S.FLAG_VIF) !== 0 ? S.FLAG_IF : 0);
  cpu.esp = Frame.onCurrentStack(cpu, 2).push(image, cpu.selector(S.CS), next).check().write();
  loadV86Segment(cpu, S.CS, selector);
  cpu.eip = offset;
  cpu.eflags = flags & ~(S.FLAG_TF | (iopl3 ? S.FLAG_IF : S.FLAG_VIF));
  cpu.ledger.event("interrupt.software");
  cpu.modeChanged();
  return true;
}
