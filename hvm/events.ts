/** Events in non-root operation: which exceptions exit, and delivery through the guest's IDT (SDM vol. 3C, 25.2 and 26.5). */
import * as S from "../hypervisor/cpu-state.js";
import { DR6 } from "../hypervisor/debug-registers.js";
import { combineFaults, deliverOnce, type InterruptEvent } from "../hypervisor/interrupts.js";
import { SYS_TASK_GATE } from "../hypervisor/segmentation.js";
import type { TrapInfo } from "../hypervisor/strategy.js";
import { checkAvailableTask } from "../hypervisor/task-switch.js";
import { DB, GP, PF, Trap, VECTOR_NAMES } from "../hypervisor/trap.js";
import * as C from "./controls.js";
import type { Fields } from "./entry-rule.js";
import { type ExitCause, hardwareException, isSoftware, type VmxEvent } from "./exit-record.js";
import { REASON } from "./exit-reasons.js";
import { encodeTaskSwitch, TASK_IDT_GATE } from "./qualifications.js";
import { VM_EXIT_VECTOR, type Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

/** Whether the exception bitmap, and for #PF the error-code mask and match, make an exception exit (24.6.3). */
export function exceptionExits(v: Fields, trap: TrapInfo): boolean {
  const wanted = (v.get(F.EXCEPTION_BITMAP) >>> trap.vector & 1) !== 0;
  if (trap.vector !== PF) return wanted;
  const matches = ((trap.errorCode ?? 0) & v.get(F.PFEC_MASK)) === v.get(F.PFEC_MATCH);
  return wanted === matches;
}

/** DR6's bits that a #DB exit has in its qualification: B3-B0, BD, BS (27.2.1, table 27-1). */
const DEBUG_QUALIFICATION = 0x600f;

/** The exit an exception makes: for #PF the qualification is the linear address, and CR2 stays as it was. */
export function exceptionExit(vcpu: Vcpu, event: VmxEvent, vectoring?: VmxEvent): ExitCause {
  const qualification = event.vector === PF ? vcpu.faultAddress : event.vector === DB ? vcpu.cpu.i32[DR6]! & DEBUG_QUALIFICATION : 0;
  return { reason: REASON.exception_nmi, event, qualification, ...(vectoring && { vectoring }) };
}

/** An exception the running instruction raised: the exit it makes, undefined when the guest's handler runs. */
export function raiseException(vcpu: Vcpu, trap: TrapInfo): ExitCause | undefined {
  const event = hardwareException(trap);
  if (exceptionExits(vcpu.vmcs, trap)) return exceptionExit(vcpu, event);
  showFault(vcpu, trap);
  return deliverEvent(vcpu, event);
}

/** A page fault the guest is to see: now CR2 gets its address. */
function showFault(vcpu: Vcpu, trap: TrapInfo): void {
  if (trap.vector === PF) vcpu.cpu.i32[S.CR2] = vcpu.faultAddress;
}

/**
 * Delivers an event through the guest's IDT. Faults on the way are delivered in its place, as a double fault, or exit;
 * gives the exit, with the event in its IDT-vectoring information, or undefined when the guest's handler is about to run.
 */
export function deliverEvent(vcpu: Vcpu, event: VmxEvent): ExitCause | undefined {
  for (;;) {
    countEvent(vcpu, event);
    try {
      const task = taskGateSelector(vcpu, event);
      if (task >= 0) return { reason: REASON.task_switch, qualification: encodeTaskSwitch(task, TASK_IDT_GATE), vectoring: event };
      deliverOnce(vcpu.cpu, toInterrupt(vcpu, event));
      if (event.type === C.TYPE_NMI) vcpu.cpu.nmiBlocked = true;
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof Trap)) throw thrown;
      if (thrown.vector === VM_EXIT_VECTOR) return { ...vcpu.pendingExit!, vectoring: event };
      const next = nestedFault(vcpu, event, { vector: thrown.vector, errorCode: thrown.errorCode });
      if ("reason" in next) return next;
      event = next;
    }
  }
}

/** A fault while `event` is delivered: the exit it makes, or the event that is delivered instead. */
function nestedFault(vcpu: Vcpu, event: VmxEvent, fault: TrapInfo): ExitCause | VmxEvent {
  if (exceptionExits(vcpu.vmcs, fault)) return exceptionExit(vcpu, hardwareException(fault), event);
  showFault(vcpu, fault);
  const combined = combineFaults(event.type === C.TYPE_HARDWARE_EXCEPTION ? event.vector : undefined, fault);
  if (combined === undefined) return { reason: REASON.triple_fault };
  const next = hardwareException(combined);
  return combined !== fault && exceptionExits(vcpu.vmcs, combined) ? exceptionExit(vcpu, next) : next;
}

/** As native delivery counts them. */
function countEvent(vcpu: Vcpu, event: VmxEvent): void {
  const { ledger } = vcpu;
  if (event.type === C.TYPE_HARDWARE_EXCEPTION) ledger.event("trap." + (VECTOR_NAMES[event.vector] ?? `vector_${event.vector}`));
  else ledger.event(isSoftware(event.type) ? "interrupt.software" : event.type === C.TYPE_NMI ? "interrupt.nmi" : "interrupt.external");
}

function toInterrupt(vcpu: Vcpu, event: VmxEvent): InterruptEvent {
  const { cpu } = vcpu;
  const next = cpu.eip + event.instructionLength;
  const returnEip = (cpu.i32[S.MODE]! & S.MODE_CODE32) !== 0 ? next | 0 : next & 0xffff;
  const source = isSoftware(event.type) ? "software" : event.type === C.TYPE_HARDWARE_EXCEPTION ? "exception" : "external";
  return { vector: event.vector, errorCode: event.errorCode, source, returnEip };
}

const GATE_BYTES = 8;
const GATE_PRESENT = 0x8000;

/** The TSS selector, checked, when the event's IDT entry is a task gate that it may use; else -1. Delivery sees to other faults. */
function taskGateSelector(vcpu: Vcpu, event: VmxEvent): number {
  const { cpu } = vcpu;
  const at = event.vector * GATE_BYTES;
  if (!cpu.protectedMode || at + 7 > cpu.i32[S.IDTR_LIMIT]!) return -1;
  const address = cpu.i32[S.IDTR_BASE]! + at;
  const high = cpu.mmu.readAs(address + 4, 4, false);
  if ((high >> 8 & 0x1f) !== SYS_TASK_GATE || (high & GATE_PRESENT) === 0) return -1;
  if (isSoftware(event.type) && (high >> 13 & 3) < cpu.cpl) return -1;
  const selector = cpu.mmu.readAs(address, 4, false) >>> 16;
  checkAvailableTask(cpu, selector, GP, isSoftware(event.type) ? 0 : 1);
  return selector;
}
