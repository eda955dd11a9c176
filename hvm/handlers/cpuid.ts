import * as S from "../../hypervisor/cpu-state.js";
import { cpuid as leafOf, MODEL } from "../../hypervisor/cpu-model.js";
import type { Outcome } from "../exit-record.js";
import { ownLeaf } from "../guest-interface.js";
import type { Vcpu } from "../vcpu.js";

/** CPUID: the machine's own answers; VMX is not among its features, so there is nothing to hide. */
export function cpuid(vcpu: Vcpu): Outcome {
  if (ownLeaf(vcpu)) return "next";
  const { i32 } = vcpu.cpu;
  const [eax, ebx, ecx, edx] = leafOf(MODEL, i32[S.EAX]!);
  i32[S.EAX] = eax;
  i32[S.EBX] = ebx;
  i32[S.ECX] = ecx;
  i32[S.EDX] = edx;
  return "next";
}
