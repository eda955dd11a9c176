/**
 * The monitor: from a VM exit through its handler back to VM entry. Everything the processor does is elsewhere (exit.ts,
 * entry.ts, events.ts); everything here goes through VMREAD and VMWRITE, which are counted.
 */
import * as S from "../hypervisor/cpu-state.js";
import { GuestCrash } from "../hypervisor/trap.js";
import { BLOCKING_BY_MOV_SS, BLOCKING_BY_STI, INFO_VALID, PROC_INTERRUPT_WINDOW_EXITING, PROC_USE_TPR_SHADOW } from "./controls.js";
import { vmEntry } from "./entry.js";
import { recordExit } from "./exit.js";
import { eventOf, externalInterrupt, type Exit, type ExitCause } from "./exit-record.js";
import { VTPR } from "./intercepts-cr.js";
import { BASIC_REASON, REASON_NAMES } from "./exit-reasons.js";
import { type ExitField, HANDLERS } from "./handlers/index.js";
import { VM_EXIT_VECTOR, type Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const EXIT_FIELDS: Readonly<Record<ExitField, number>> = {
  qualification: F.EXIT_QUALIFICATION,
  instructionLength: F.VM_EXIT_INSTRUCTION_LENGTH,
  instructionInfo: F.VM_EXIT_INSTRUCTION_INFO,
  guestLinear: F.GUEST_LINEAR_ADDRESS,
  guestPhysical: F.GUEST_PHYSICAL_ADDRESS,
  interruptionInfo: F.VM_EXIT_INTERRUPTION_INFO,
  interruptionErrorCode: F.VM_EXIT_INTERRUPTION_ERROR_CODE,
};

const SHADOWS = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;

/** The processor leaves non-root operation for `cause`; comes back when the guest runs again, or has halted. */
export function vmExit(vcpu: Vcpu, cause: ExitCause): void {
  recordExit(vcpu, cause);
  runMonitor(vcpu);
}

/** The guest, blocked in HLT, has an interrupt to take. */
export function wake(vcpu: Vcpu): void {
  vcpu.blocked = false;
  vcpu.cpu.halted = false;
  enterGuest(vcpu);
}

/** Exits handled in a row without the guest's running between them: more can come, for ever, from task gates that lead to each other. */
const EXITS_AT_ONCE = 4;

/**
 * Dispatches the recorded exit, and those that entries end in, until the guest runs or halts. After many without either the
 * run loop gets to look at its limits: VM_EXIT_VECTOR comes back to `resumeMonitor`.
 */
function runMonitor(vcpu: Vcpu): void {
  let exits = 0;
  do {
    if (++exits > EXITS_AT_ONCE) {
      vcpu.interrupted = true;
      vcpu.cpu.raise(VM_EXIT_VECTOR);
    }
    dispatch(vcpu);
    if (vcpu.blocked) {
      if (!wakes(vcpu)) return halt(vcpu);
      vcpu.blocked = false;
    }
  } while (!tryEntry(vcpu));
}

/** Goes on where `runMonitor` has stopped. */
export function resumeMonitor(vcpu: Vcpu): void {
  vcpu.interrupted = false;
  runMonitor(vcpu);
}

function enterGuest(vcpu: Vcpu): void {
  if (!tryEntry(vcpu)) runMonitor(vcpu);
}

/** False when the entry ended in another exit, which has been recorded. */
function tryEntry(vcpu: Vcpu): boolean {
  prepareEvents(vcpu);
  shadowTaskPriority(vcpu);
  const exit = vmEntry(vcpu);
  if (exit === undefined) return true;
  recordExit(vcpu, exit);
  return false;
}

/** Nothing runs until an interrupt: the processor stays with the monitor, and EIP shows where the guest will go on. */
function halt(vcpu: Vcpu): void {
  vcpu.cpu.halted = true;
  vcpu.cpu.recheck = true;
  vcpu.cpu.eip = vcpu.vmcs.get(F.GUEST_RIP);
}

/** Whether an interrupt wakes the blocked guest. */
export function wakes(vcpu: Vcpu): boolean {
  return vcpu.pic.intr && (vcpu.vmcs.get(F.GUEST_RFLAGS) & S.FLAG_IF) !== 0;
}

// ---- dispatch --------------------------------------------------------------------------------------------------------

/** Runs the handler of the exit in the VMCS and does what its outcome asks for. */
export function dispatch(vcpu: Vcpu): void {
  const reason = vcpu.read(F.EXIT_REASON);
  const basic = reason & BASIC_REASON;
  const row = HANDLERS[basic];
  vcpu.ledger.event(`vmexit.${REASON_NAMES[basic] ?? `reason_${basic}`}`);
  if (row === undefined) stop(vcpu, "has no handler");
  const exit = readExit(vcpu, reason, row.reads);
  requeueInterrupted(vcpu, exit);
  const outcome = row.handler(vcpu, exit);
  switch (outcome) {
    case "next": return skipInstruction(vcpu, exit);
    case "again": return;
    case "stop": return stop(vcpu, vcpu.stopReason);
    default: outcome satisfies never;
  }
}

/** Reads from the VMCS what the handler wants to know, and the IDT-vectoring information, which every exit may have. */
function readExit(vcpu: Vcpu, reason: number, reads: readonly ExitField[]): Exit {
  const exit: { -readonly [K in keyof Exit]: number } = {
    reason, qualification: 0, instructionLength: 0, instructionInfo: 0, guestLinear: 0, guestPhysical: 0, interruptionInfo: 0,
    interruptionErrorCode: 0, idtVectoringInfo: vcpu.read(F.IDT_VECTORING_INFO), idtVectoringErrorCode: 0,
  };
  for (const field of reads) exit[field] = vcpu.read(EXIT_FIELDS[field]);
  if ((exit.idtVectoringInfo & INFO_VALID) !== 0) {
    exit.idtVectoringErrorCode = vcpu.read(F.IDT_VECTORING_ERROR_CODE);
    exit.instructionLength = vcpu.read(F.VM_EXIT_INSTRUCTION_LENGTH);
  }
  return exit;
}

/** An event whose delivery the exit interrupted is to be injected again, unless the handler thinks otherwise. */
function requeueInterrupted(vcpu: Vcpu, exit: Exit): void {
  if ((exit.idtVectoringInfo & INFO_VALID) === 0) return;
  vcpu.queued = eventOf(exit.idtVectoringInfo, exit.idtVectoringErrorCode, exit.instructionLength);
}

/** The handler has done the instruction: RIP goes past it, and the blocking it stood under ends. */
function skipInstruction(vcpu: Vcpu, exit: Exit): void {
  const length = exit.instructionLength !== 0 ? exit.instructionLength : vcpu.read(F.VM_EXIT_INSTRUCTION_LENGTH);
  vcpu.write(F.GUEST_RIP, vcpu.read(F.GUEST_RIP) + length);
  const blocking = vcpu.read(F.GUEST_INTERRUPTIBILITY_STATE);
  if ((blocking & SHADOWS) !== 0) vcpu.write(F.GUEST_INTERRUPTIBILITY_STATE, blocking & ~SHADOWS);
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

function stop(vcpu: Vcpu, why: string): never {
  const { vmcs } = vcpu;
  const basic = vmcs.get(F.EXIT_REASON) & BASIC_REASON;
  throw new GuestCrash(`VM exit ${basic} (${REASON_NAMES[basic] ?? "unknown"}) ${why}: RIP ${hex(vmcs.get(F.GUEST_RIP))}, ` +
    `qualification ${hex(vmcs.get(F.EXIT_QUALIFICATION))}`);
}

// ---- before the entry ------------------------------------------------------------------------------------------------

/** Injects the queued event or, when the guest can take it, a pending interrupt; else asks for an exit as soon as it can. */
function prepareEvents(vcpu: Vcpu): void {
  if (vcpu.queued !== undefined) {
    vcpu.writeEvent(vcpu.queued);
    vcpu.queued = undefined;
    return setInterruptWindow(vcpu, vcpu.pic.intr);
  }
  if (vcpu.pic.intr && interruptible(vcpu)) vcpu.writeEvent(externalInterrupt(vcpu.pic.acknowledge()));
  setInterruptWindow(vcpu, vcpu.pic.intr);
}

/** What the virtual local APIC has goes to the virtual-APIC page; the threshold is the class of what its priority holds back. */
function shadowTaskPriority(vcpu: Vcpu): void {
  const { priority } = vcpu.cpu;
  if (priority === undefined || (vcpu.primaryControls & PROC_USE_TPR_SHADOW) === 0) return;
  vcpu.memory.write32(vcpu.vmcs.get(F.VIRTUAL_APIC_ADDRESS) + VTPR, priority.taskPriority << 4);
  if (vcpu.vmcs.get(F.TPR_THRESHOLD) !== priority.heldBack) vcpu.write(F.TPR_THRESHOLD, priority.heldBack);
}

/** Whether the guest takes interrupts at its next instruction. */
function interruptible(vcpu: Vcpu): boolean {
  if ((vcpu.read(F.GUEST_RFLAGS) & S.FLAG_IF) === 0) return false;
  return (vcpu.read(F.GUEST_INTERRUPTIBILITY_STATE) & SHADOWS) === 0;
}

function setInterruptWindow(vcpu: Vcpu, open: boolean): void {
  const controls = open ? vcpu.primaryControls | PROC_INTERRUPT_WINDOW_EXITING : vcpu.primaryControls & ~PROC_INTERRUPT_WINDOW_EXITING;
  if (controls === vcpu.primaryControls) return;
  vcpu.primaryControls = controls;
  vcpu.write(F.PRIMARY_CONTROLS, controls);
}
