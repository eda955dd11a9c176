/** Control-register accesses: the guest's value goes to the read shadow, the processor gets what it must have beside. */
import { validCr0, validCr4 } from "../../hypervisor/control-registers.js";
import * as S from "../../hypervisor/cpu-state.js";
import type { Exit, Outcome } from "../exit-record.js";
import { injectGeneralProtection } from "../inject.js";
import { shadowed } from "../intercepts-cr.js";
import { CR_CLTS, CR_MOV_FROM, CR_MOV_TO, decodeCrAccess } from "../qualifications.js";
import type { Vcpu } from "../vcpu.js";
import { F } from "../vmcs-fields.js";

const CR0_WRITABLE = S.CR0_PE | S.CR0_MP | S.CR0_EM | S.CR0_TS | S.CR0_NE | S.CR0_WP | S.CR0_AM | S.CR0_NW | S.CR0_CD | S.CR0_PG;
const CR0_PAGING = S.CR0_PE | S.CR0_WP | S.CR0_PG;
const CR4_PAGING = S.CR4_PSE | S.CR4_PAE | S.CR4_PGE;
const LMSW_OTHERS = S.CR0_MP | S.CR0_EM | S.CR0_TS;

/** CR0 as the guest sees it. */
export function guestCr0(vcpu: Vcpu): number {
  return shadowed(vcpu.read(F.GUEST_CR0), ~vcpu.virtualization.cr0GuestOwned, vcpu.read(F.CR0_READ_SHADOW));
}

export function guestCr4(vcpu: Vcpu): number {
  return shadowed(vcpu.read(F.GUEST_CR4), ~vcpu.virtualization.cr4GuestOwned, vcpu.read(F.CR4_READ_SHADOW));
}

/** MOV to and from CR0, CR3 and CR4, CLTS and LMSW. */
export function crAccess(vcpu: Vcpu, exit: Exit): Outcome {
  const { cr, access, register, lmswSource } = decodeCrAccess(exit.qualification);
  if (access === CR_CLTS) return setCr0(vcpu, guestCr0(vcpu) & ~S.CR0_TS);
  if (access === CR_MOV_FROM) {
    vcpu.setGpr(register, vcpu.virtualization.guestCr3(vcpu));
    return "next";
  }
  if (access !== CR_MOV_TO) {
    return setCr0(vcpu, guestCr0(vcpu) & ~LMSW_OTHERS | lmswSource & (LMSW_OTHERS | S.CR0_PE));
  }
  const value = vcpu.gpr(register);
  if (cr === 0) return setCr0(vcpu, value);
  return cr === 3 ? setCr3(vcpu, value) : setCr4(vcpu, value);
}

function setCr0(vcpu: Vcpu, value: number): Outcome {
  const { virtualization } = vcpu;
  const old = guestCr0(vcpu);
  if (!validCr0(value)) return injectGeneralProtection(vcpu);
  const next = value & CR0_WRITABLE | S.CR0_ET;
  vcpu.write(F.CR0_READ_SHADOW, next);
  vcpu.write(F.GUEST_CR0, next | virtualization.cr0Forced);
  if (((old ^ next) & CR0_PAGING) === 0 || virtualization.pagingChanged(vcpu, next, guestCr4(vcpu))) return "next";
  vcpu.write(F.CR0_READ_SHADOW, old);
  vcpu.write(F.GUEST_CR0, old | virtualization.cr0Forced);
  return injectGeneralProtection(vcpu);
}

function setCr3(vcpu: Vcpu, value: number): Outcome {
  return vcpu.virtualization.rootLoaded(vcpu, value) ? "next" : injectGeneralProtection(vcpu);
}

function setCr4(vcpu: Vcpu, value: number): Outcome {
  const { virtualization } = vcpu;
  const old = guestCr4(vcpu);
  if (!validCr4(value)) return injectGeneralProtection(vcpu);
  vcpu.write(F.CR4_READ_SHADOW, value);
  vcpu.write(F.GUEST_CR4, virtualization.hardwareCr4(value, guestCr0(vcpu)));
  if (((old ^ value) & CR4_PAGING) === 0 || virtualization.pagingChanged(vcpu, guestCr0(vcpu), value)) return "next";
  vcpu.write(F.CR4_READ_SHADOW, old);
  vcpu.write(F.GUEST_CR4, virtualization.hardwareCr4(old, guestCr0(vcpu)));
  return injectGeneralProtection(vcpu);
}
