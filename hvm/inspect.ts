import * as S from "../hypervisor/cpu-state.js";
import { createWalk, walkPageTables } from "../hypervisor/paging.js";
import { shadowed } from "./intercepts-cr.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

/**
 * Guest-physical address of a linear one by the guest's own tables and its own view of CR0, CR3 and CR4, as a debugger
 * asks: -1 where nothing is mapped. Sets no bit, fills no TLB, counts nothing.
 */
export function guestPhysical(vcpu: Vcpu, la: number): number {
  const { cpu, vmcs, virtualization, started } = vcpu;
  const cr0 = started ? shadowed(cpu.cr0, ~virtualization.cr0GuestOwned, vmcs.get(F.CR0_READ_SHADOW)) : cpu.cr0;
  const cr4 = started ? shadowed(cpu.cr4, ~virtualization.cr4GuestOwned, vmcs.get(F.CR4_READ_SHADOW)) : cpu.cr4;
  const root = started ? virtualization.guestCr3(vcpu) : cpu.cr3;
  if ((cr0 & S.CR0_PG) === 0) return la >>> 0;
  const mode = { pae: (cr4 & S.CR4_PAE) !== 0, pse: (cr4 & S.CR4_PSE) !== 0, wp: (cr0 & S.CR0_WP) !== 0, pge: (cr4 & S.CR4_PGE) !== 0 };
  const walk = walkPageTables(createWalk(), vcpu.map, root, mode, la | 0, false, false, false);
  return walk.fault ? -1 : (walk.pa >>> 0) + (la & 0xfff);
}
