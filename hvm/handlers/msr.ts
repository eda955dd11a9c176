/** RDMSR, WRMSR and RDTSC. The SYSENTER MSRs are in the guest-state area; the others are the machine's. */
import * as S from "../../hypervisor/cpu-state.js";
import { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, MSR_TSC, readMsr, timeStampCounter, writeMsr } from "../../hypervisor/model-specific-registers.js";
import type { Outcome } from "../exit-record.js";
import type { Vcpu } from "../vcpu.js";
import { F } from "../vmcs-fields.js";
import { trying } from "./instructions.js";

const IN_VMCS: ReadonlyMap<number, number> = new Map<number, number>([
  [MSR_SYSENTER_CS, F.GUEST_IA32_SYSENTER_CS], [MSR_SYSENTER_ESP, F.GUEST_IA32_SYSENTER_ESP], [MSR_SYSENTER_EIP, F.GUEST_IA32_SYSENTER_EIP],
]);

function result(vcpu: Vcpu, low: number, high: number): void {
  vcpu.cpu.i32[S.EAX] = low;
  vcpu.cpu.i32[S.EDX] = high;
}

/** The counter and the TSC offset. */
function guestTsc(vcpu: Vcpu): void {
  const [low, high] = timeStampCounter(vcpu.cpu);
  const sum = (low >>> 0) + (vcpu.read(F.TSC_OFFSET) >>> 0);
  result(vcpu, sum | 0, (high + vcpu.read(F.TSC_OFFSET + 1) + (sum > 0xffffffff ? 1 : 0)) | 0);
}

export function rdtsc(vcpu: Vcpu): Outcome {
  guestTsc(vcpu);
  return "next";
}

export function rdmsr(vcpu: Vcpu): Outcome {
  const index = vcpu.cpu.i32[S.ECX]! >>> 0;
  const field = IN_VMCS.get(index);
  return trying(vcpu, () => {
    if (index === MSR_TSC) guestTsc(vcpu);
    else if (field !== undefined) result(vcpu, vcpu.read(field), 0);
    else result(vcpu, ...readMsr(vcpu.cpu, index));
  });
}

/** A write of the TSC moves the offset, not the processor's counter. */
export function wrmsr(vcpu: Vcpu): Outcome {
  const { i32 } = vcpu.cpu;
  const index = i32[S.ECX]! >>> 0;
  const field = IN_VMCS.get(index);
  return trying(vcpu, () => {
    if (vcpu.guestInterface?.writeMsr(index, i32[S.EAX]! >>> 0)) return;
    if (index === MSR_TSC) setGuestTsc(vcpu, i32[S.EAX]!, i32[S.EDX]!);
    else if (field !== undefined) vcpu.write(field, i32[S.EAX]!);
    else writeMsr(vcpu.cpu, index, i32[S.EAX]!, i32[S.EDX]!);
  });
}

function setGuestTsc(vcpu: Vcpu, low: number, high: number): void {
  const [nowLow, nowHigh] = timeStampCounter(vcpu.cpu);
  vcpu.write(F.TSC_OFFSET, low - nowLow | 0);
  vcpu.write(F.TSC_OFFSET + 1, high - nowHigh - (low >>> 0 < nowLow >>> 0 ? 1 : 0) | 0);
}
