/** Vectors of the exceptions (SDM vol. 3, table 6-1). */
export const DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, TS = 10, NP = 11, SS_FAULT = 12, GP = 13, PF = 14,
  MF = 16, AC = 17, MC = 18, XM = 19;

/** Event names of the vectors (`trap.page_fault`). */
export const VECTOR_NAMES: Readonly<Record<number, string>> = {
  0: "divide_error", 1: "debug", 2: "nmi", 3: "breakpoint", 4: "overflow", 5: "bound", 6: "invalid_opcode", 7: "device_not_available",
  8: "double_fault", 9: "coprocessor_overrun", 10: "invalid_tss", 11: "segment_not_present", 12: "stack_fault", 13: "general_protection",
  14: "page_fault", 16: "x87_error", 17: "alignment_check", 18: "machine_check", 19: "simd_error",
};

/** Page-fault error code (SDM vol. 3, 4.7). */
export const PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_RESERVED = 8;

/**
 * What an instruction throws when it cannot complete. There is one a CPU, reused: it is control flow, not an error,
 * and makes no stack trace. Architectural state is as before the instruction.
 */
export class Trap {
  vector = 0;
  errorCode: number | undefined = undefined;
}

/** Thrown to leave generated code before an instruction, so that the interpreter executes that one. */
export class Retry {}

/** The guest cannot go on (triple fault, domain killed): ends the run with exit code 3. */
export class GuestCrash extends Error {}
