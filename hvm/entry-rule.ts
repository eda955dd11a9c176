import * as C from "./controls.js";
import { F } from "./vmcs-fields.js";

/** The fields of a VMCS as VM entry reads them. */
export interface Fields {
  get(encoding: number): number;
}

/** One check VM entry makes. */
export interface EntryRule {
  /** What must hold. */
  readonly rule: string;
  /** Section of SDM vol. 3C. */
  readonly section: string;
  /** `memoryBytes` bounds machine-physical addresses. */
  violated(fields: Fields, memoryBytes: number): boolean;
  /** Exit qualification of the failure, where it is not 0 (26.7). */
  readonly qualification?: number;
}

export function rule(section: string, text: string, violated: EntryRule["violated"], qualification = 0): EntryRule {
  return { section, rule: text, violated, qualification };
}

/** The first rule that does not hold, undefined when all do. */
export function firstViolation(rules: readonly EntryRule[], fields: Fields, memoryBytes: number): EntryRule | undefined {
  for (const r of rules) if (r.violated(fields, memoryBytes)) return r;
  return undefined;
}

export const primary = (v: Fields, bit: number): boolean => (v.get(F.PRIMARY_CONTROLS) & bit) !== 0;
/** A secondary control counts as 0 while they are not activated (24.6.2). */
export const secondary = (v: Fields, bit: number): boolean =>
  primary(v, C.PROC_ACTIVATE_SECONDARY_CONTROLS) && (v.get(F.SECONDARY_CONTROLS) & bit) !== 0;
export const unrestricted = (v: Fields): boolean => secondary(v, C.PROC2_UNRESTRICTED_GUEST);

/** Whether the event to inject is valid and of this type. */
export function injects(v: Fields, type: number): boolean {
  const info = v.get(F.VM_ENTRY_INTERRUPTION_INFO);
  return (info & C.INFO_VALID) !== 0 && (info & C.INFO_TYPE) === type;
}

/** A 64-bit machine-physical address that is not aligned to `alignment` bytes or lies outside memory. */
export function badAddress(v: Fields, encoding: number, alignment: number, memoryBytes: number): boolean {
  const low = v.get(encoding) >>> 0;
  return v.get(encoding + 1) !== 0 || low % alignment !== 0 || low >= memoryBytes;
}
