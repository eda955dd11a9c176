import type { TrapInfo } from "../hypervisor/strategy.js";
import { BP, NMI, OF } from "../hypervisor/trap.js";
import * as C from "./controls.js";

/** An event as interruption information describes it (SDM vol. 3C, 24.8.3). */
export interface VmxEvent {
  /** TYPE_*. */
  readonly type: number;
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** Bytes of the instruction that made a software event, else 0. */
  readonly instructionLength: number;
}

/** Why the processor leaves non-root operation; what is absent is 0 in the VMCS. */
export interface ExitCause {
  readonly reason: number;
  /** Exit qualification (27.2.1). */
  readonly qualification?: number;
  readonly instructionLength?: number;
  readonly instructionInfo?: number;
  readonly guestLinear?: number;
  readonly guestPhysical?: number;
  /** The event that exits (27.2.2). */
  readonly event?: VmxEvent;
  /** The event whose delivery the exit interrupted (27.2.3). */
  readonly vectoring?: VmxEvent;
}

/** The VM-exit information a handler is given: what it asked for is read from the VMCS, the rest is 0. */
export interface Exit {
  readonly reason: number;
  readonly qualification: number;
  readonly instructionLength: number;
  readonly instructionInfo: number;
  readonly guestLinear: number;
  readonly guestPhysical: number;
  readonly interruptionInfo: number;
  readonly interruptionErrorCode: number;
  readonly idtVectoringInfo: number;
  readonly idtVectoringErrorCode: number;
}

/** What the dispatcher does after a handler: go past the instruction, resume at the same one, or end the run. */
export type Outcome = "next" | "again" | "stop";

/** The interruption-information word of an event. */
export function informationOf(event: VmxEvent): number {
  return C.INFO_VALID | event.type | event.vector | (event.errorCode === undefined ? 0 : C.INFO_ERROR_CODE);
}

/** The event of a valid interruption-information word. */
export function eventOf(info: number, errorCode: number, instructionLength: number): VmxEvent {
  const type = info & C.INFO_TYPE;
  return {
    type,
    vector: info & C.INFO_VECTOR,
    errorCode: (info & C.INFO_ERROR_CODE) !== 0 ? errorCode : undefined,
    instructionLength: isSoftware(type) ? instructionLength : 0,
  };
}

export function hardwareException(trap: TrapInfo): VmxEvent {
  return { type: C.TYPE_HARDWARE_EXCEPTION, vector: trap.vector, errorCode: trap.errorCode, instructionLength: 0 };
}

export function externalInterrupt(vector: number): VmxEvent {
  return { type: C.TYPE_EXTERNAL_INTERRUPT, vector, errorCode: undefined, instructionLength: 0 };
}

export function nonMaskable(): VmxEvent {
  return { type: C.TYPE_NMI, vector: NMI, errorCode: undefined, instructionLength: 0 };
}

/** INT n, or the one-byte INT3 and INTO, which are software exceptions. */
export function softwareEvent(vector: number, instructionLength: number): VmxEvent {
  const exception = instructionLength === 1 && (vector === BP || vector === OF);
  return { type: exception ? C.TYPE_SOFTWARE_EXCEPTION : C.TYPE_SOFTWARE_INTERRUPT, vector, errorCode: undefined, instructionLength };
}

/** Whether an event of this type comes from an instruction, whose length delivery needs. */
export function isSoftware(type: number): boolean {
  return type === C.TYPE_SOFTWARE_INTERRUPT || type === C.TYPE_SOFTWARE_EXCEPTION || type === C.TYPE_PRIVILEGED_SOFTWARE_EXCEPTION;
}
