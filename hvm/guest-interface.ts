import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import type { Outcome } from "./exit-record.js";
import { injectInvalidOpcode } from "./inject.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const DPL_SHIFT = 5;

/** What a monitor offers to guests that know it is there: leaves of CPUID, model-specific registers and VMCALL. Without it they do not exist. */
export interface GuestInterface {
  /** EAX, EBX, ECX and EDX of a leaf of the monitor's own; undefined: the processor answers. */
  cpuid(leaf: number): readonly [number, number, number, number] | undefined;
  /** A write of a register of the monitor's own; false: it is none of them. */
  writeMsr(index: number, low: number): boolean;
  /** VMCALL at privilege level `cpl`: arguments and result are in the processor's registers. */
  hypercall(cpu: Cpu, cpl: number): void;
}

/** VMCALL is a hypercall where somebody takes it, and no instruction where nobody does. */
export function vmcall(vcpu: Vcpu): Outcome {
  if (vcpu.guestInterface === undefined) return injectInvalidOpcode(vcpu);
  vcpu.guestInterface.hypercall(vcpu.cpu, vcpu.read(F.GUEST_SS_ACCESS_RIGHTS) >>> DPL_SHIFT & 3);
  return "next";
}

/** Puts the monitor's answer into the registers; false when the leaf is the processor's. */
export function ownLeaf(vcpu: Vcpu): boolean {
  const { i32 } = vcpu.cpu;
  const answer = vcpu.guestInterface?.cpuid(i32[S.EAX]! >>> 0);
  if (answer === undefined) return false;
  [i32[S.EAX], i32[S.EBX], i32[S.ECX], i32[S.EDX]] = answer as [number, number, number, number];
  return true;
}
