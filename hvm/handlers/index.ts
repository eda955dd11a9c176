import type { Exit, Outcome } from "../exit-record.js";
import { REASON, REASON_COUNT, type ReasonName } from "../exit-reasons.js";
import { vmcall } from "../guest-interface.js";
import type { Vcpu } from "../vcpu.js";
import { cpuid } from "./cpuid.js";
import { crAccess } from "./control-registers.js";
import { eptMisconfig, eptViolation } from "./ept.js";
import { exceptionNmi, tripleFault } from "./exceptions.js";
import { entryFailure, invalidInstruction, invd, movDr, readPerformanceCounter, softwareInstruction } from "./instructions.js";
import { externalInterrupt, hlt, interruptWindow } from "./interrupts.js";
import { ioInstruction } from "./io.js";
import { invlpg } from "./invlpg.js";
import { rdmsr, rdtsc, wrmsr } from "./msr.js";
import { taskSwitch } from "./task-switch.js";

/** Exit information a handler may ask for; the IDT-vectoring information is always there. */
export type ExitField = Exclude<keyof Exit, "reason" | "idtVectoringInfo" | "idtVectoringErrorCode">;
export type Handler = (vcpu: Vcpu, exit: Exit) => Outcome;

export interface HandlerRow {
  readonly handler: Handler;
  /** The fields of `exit` that it looks at: one VMREAD each. */
  readonly reads: readonly ExitField[];
}

const row = (handler: Handler, ...reads: ExitField[]): HandlerRow => ({ handler, reads });

const TABLE: Readonly<Partial<Record<ReasonName, HandlerRow>>> = {
  exception_nmi: row(exceptionNmi, "interruptionInfo", "interruptionErrorCode", "qualification"),
  external_interrupt: row(externalInterrupt),
  triple_fault: row(tripleFault),
  interrupt_window: row(interruptWindow),
  task_switch: row(taskSwitch, "qualification"),
  cpuid: row(cpuid),
  hlt: row(hlt),
  invd: row(invd),
  invlpg: row(invlpg, "qualification"),
  rdpmc: row(readPerformanceCounter),
  rdtsc: row(rdtsc),
  vmcall: row(vmcall),
  vmclear: row(invalidInstruction),
  vmlaunch: row(invalidInstruction),
  vmptrld: row(invalidInstruction),
  vmptrst: row(invalidInstruction),
  vmread: row(invalidInstruction),
  vmresume: row(invalidInstruction),
  vmwrite: row(invalidInstruction),
  vmxoff: row(invalidInstruction),
  vmxon: row(invalidInstruction),
  cr_access: row(crAccess, "qualification"),
  mov_dr: row(movDr, "qualification"),
  io_instruction: row(ioInstruction, "qualification"),
  rdmsr: row(rdmsr),
  wrmsr: row(wrmsr),
  entry_failure_guest_state: row(entryFailure),
  entry_failure_msr_loading: row(entryFailure),
  gdtr_idtr_access: row(softwareInstruction),
  ldtr_tr_access: row(softwareInstruction),
  /** The interrupt that has waited is injected on the way back. */
  tpr_below_threshold: row(() => "again"),
  ept_violation: row(eptViolation, "qualification", "guestPhysical"),
  ept_misconfig: row(eptMisconfig, "guestPhysical"),
  wbinvd: row(invd),
};

/** By basic exit reason; undefined where the monitor's controls never cause the exit. */
export const HANDLERS: readonly (HandlerRow | undefined)[] = ((): (HandlerRow | undefined)[] => {
  const handlers = new Array<HandlerRow | undefined>(REASON_COUNT).fill(undefined);
  for (const [name, handler] of Object.entries(TABLE)) handlers[REASON[name as ReasonName]] = handler;
  return handlers;
})();
