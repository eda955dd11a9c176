/** Guest memory by extended page tables: the guest's own tables are the processor's, and what it does to them is no event. */
import * as S from "../hypervisor/cpu-state.js";
import { pagingMode } from "../hypervisor/native.js";
import { createWalk, walkPageTables } from "../hypervisor/paging.js";
import { ACCESS_WRITE } from "../hypervisor/strategy.js";
import { PF } from "../hypervisor/trap.js";
import * as C from "./controls.js";
import { Ept } from "./ept.js";
import { readPdptes, paePaging } from "./non-root-memory.js";
import type { MemoryVirtualization, Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const VPID = 1;
const PDPTES = [F.GUEST_PDPTE0, F.GUEST_PDPTE1, F.GUEST_PDPTE2, F.GUEST_PDPTE3] as const;

export class EptMemory implements MemoryVirtualization {
  readonly name = "ept";
  readonly cr0Forced = S.CR0_NE;
  readonly cr0GuestOwned = S.CR0_TS | S.CR0_WP;
  readonly cr4GuestOwned = S.CR4_TSD | S.CR4_DE | S.CR4_PCE | S.CR4_PGE | S.CR4_OSFXSR | S.CR4_OSXMMEXCPT;
  ept: Ept | undefined = undefined;
  private readonly walk = createWalk();

  setUp(vcpu: Vcpu): void {
    this.ept = new Ept(vcpu.memory, vcpu.ledger, vcpu.frames);
    this.ept.onChange = () => vcpu.nonRoot.invalidateMappings();
    vcpu.write(F.EPT_POINTER, this.ept.pointer);
    vcpu.write(F.SECONDARY_CONTROLS, C.PROC2_ENABLE_EPT | C.PROC2_ENABLE_VPID | C.PROC2_UNRESTRICTED_GUEST);
    vcpu.write(F.VIRTUAL_PROCESSOR_ID, VPID);
    vcpu.write(F.EXCEPTION_BITMAP, 1 << 18);
  }

  start(vcpu: Vcpu): void {
    const { cpu } = vcpu;
    if (paePaging(cpu.cr0, cpu.cr4)) this.loadPdptes(vcpu, cpu.cr3);
  }

  hardwareCr4(cr4: number): number {
    return cr4 | C.CR4_FIXED1;
  }

  /** The processor's own: loads do not exit. */
  guestCr3(vcpu: Vcpu): number {
    return vcpu.cpu.cr3;
  }

  rootLoaded(vcpu: Vcpu, cr3: number): boolean {
    if (paePaging(vcpu.read(F.GUEST_CR0), vcpu.read(F.GUEST_CR4)) && !this.loadPdptes(vcpu, cr3)) return false;
    vcpu.write(F.GUEST_CR3, cr3);
    this.invalidateVpid(vcpu, false);
    return true;
  }

  pagingChanged(vcpu: Vcpu, cr0: number, cr4: number): boolean {
    if (paePaging(cr0, cr4) && !this.loadPdptes(vcpu, vcpu.read(F.GUEST_CR3))) return false;
    this.invalidateVpid(vcpu, true);
    return true;
  }

  pageInvalidated(vcpu: Vcpu, la: number): void {
    vcpu.ledger.event("hvm.invvpid");
    vcpu.cpu.mmu.invalidate(la);
  }

  mapChanged(): void {
    this.ept?.clear();
  }

  /** Only a monitor that asks for it sees page faults under EPT; they are the guest's own. */
  pageFault(): never {
    throw new Error("a #PF exit under EPT");
  }

  whileEmulating(_vcpu: Vcpu, action: () => void): void {
    action();
  }

  /** Through the guest's tables and the monitor's map; the translation goes when the instruction is over. */
  translateForEmulation(vcpu: Vcpu, la: number, access: number, user: boolean): void {
    const { cpu, map } = vcpu;
    const { walk } = this;
    vcpu.emulatedPages.push(la);
    if (!cpu.paging) return cpu.mmu.insert(la, map.machineAddress(la >>> 0), access, true, true, true, false, true);
    const mode = pagingMode(cpu);
    walkPageTables(walk, map, cpu.cr3, mode, la, access === ACCESS_WRITE, user, true);
    if (walk.fault) {
      vcpu.faultAddress = la;
      cpu.raise(PF, walk.error);
    }
    cpu.mmu.insert(la, map.machineAddress(walk.pa >>> 0), access, walk.user, walk.writable, walk.dirty, walk.global, !mode.wp);
  }

  /** INVVPID, single context, with or without global translations (30.3). */
  private invalidateVpid(vcpu: Vcpu, global: boolean): void {
    vcpu.ledger.event("hvm.invvpid");
    vcpu.cpu.mmu.flush(global);
  }

  private loadPdptes(vcpu: Vcpu, cr3: number): boolean {
    const words = readPdptes(vcpu.map, cr3);
    if (words === undefined) return false;
    PDPTES.forEach((field, i) => {
      vcpu.write(field, words[2 * i]!);
      vcpu.write(field + 1, words[2 * i + 1]!);
    });
    return true;
  }
}
