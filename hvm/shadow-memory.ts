/**
 * Guest memory by shadow page tables, as the first generation of VT-x had it: no EPT, no VPID, paging always on. Every
 * #PF exits; so do loads and stores of CR3, INVLPG, and changes of the bits of CR0 and CR4 that paging depends on.
 */
import * as S from "../hypervisor/cpu-state.js";
import { UsageError } from "../hypervisor/errors.js";
import type { Machine } from "../hypervisor/machine.js";
import type { MonitorFrames } from "../hypervisor/shadow/monitor-frames.js";
import type { PhysicalMap } from "../hypervisor/shadow/p2m.js";
import { createShadow, type GuestPaging, type Shadow } from "../hypervisor/shadow/shadow.js";
import { PF } from "../hypervisor/trap.js";
import * as C from "./controls.js";
import type { Outcome } from "./exit-record.js";
import { emulateInstruction, injectPageFault } from "./inject.js";
import { paePaging, readPdptes } from "./non-root-memory.js";
import { shadowed } from "./intercepts-cr.js";
import type { MemoryVirtualization, Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const EXITS = C.PROC_CR3_LOAD_EXITING | C.PROC_CR3_STORE_EXITING | C.PROC_INVLPG_EXITING;

function pagingOf(cr0: number, cr4: number): GuestPaging {
  return {
    paging: (cr0 & S.CR0_PG) !== 0, wp: (cr0 & S.CR0_WP) !== 0,
    pae: (cr4 & S.CR4_PAE) !== 0, pse: (cr4 & S.CR4_PSE) !== 0, pge: (cr4 & S.CR4_PGE) !== 0,
  };
}

export class ShadowMemory implements MemoryVirtualization {
  readonly name = "shadow";
  readonly ept = undefined;
  readonly cr0Forced = S.CR0_NE | S.CR0_PE | S.CR0_PG | S.CR0_WP;
  readonly cr0GuestOwned = S.CR0_TS;
  readonly cr4GuestOwned = S.CR4_TSD | S.CR4_DE | S.CR4_PCE | S.CR4_OSFXSR | S.CR4_OSXMMEXCPT;
  readonly shadow: Shadow;
  /** CR3 as the guest loaded it. */
  private cr3 = 0;
  /** What GUEST_CR3 holds. */
  private root = -1;

  constructor(shadow: Shadow) {
    this.shadow = shadow;
  }

  setUp(vcpu: Vcpu): void {
    vcpu.primaryControls = (vcpu.primaryControls | EXITS) & ~C.PROC_ACTIVATE_SECONDARY_CONTROLS;
    vcpu.write(F.PRIMARY_CONTROLS, vcpu.primaryControls);
    vcpu.write(F.EXCEPTION_BITMAP, 1 << PF | 1 << 18);
    vcpu.write(F.PFEC_MASK, 0);
    vcpu.write(F.PFEC_MATCH, 0);
  }

  start(vcpu: Vcpu): void {
    const { cpu } = vcpu;
    this.requireProtectedMode(cpu.cr0);
    this.cr3 = cpu.cr3;
    this.switchRoot(vcpu, cpu.cr0, cpu.cr4);
  }

  /** The shadow tables' own format: PAE when the guest pages so, global pages likewise. */
  hardwareCr4(cr4: number, cr0: number): number {
    const paging = (cr0 & S.CR0_PG) !== 0;
    return (paging ? cr4 : cr4 & ~(S.CR4_PAE | S.CR4_PGE)) & ~S.CR4_PSE | C.CR4_FIXED1;
  }

  guestCr3(): number {
    return this.cr3;
  }

  rootLoaded(vcpu: Vcpu, cr3: number): boolean {
    const cr0 = vcpu.read(F.CR0_READ_SHADOW), cr4 = vcpu.read(F.CR4_READ_SHADOW);
    if (paePaging(cr0, cr4) && readPdptes(vcpu.map, cr3) === undefined) return false;
    this.cr3 = cr3;
    this.switchRoot(vcpu, cr0, cr4);
    return true;
  }

  pagingChanged(vcpu: Vcpu, cr0: number, cr4: number): boolean {
    this.requireProtectedMode(cr0);
    if (paePaging(cr0, cr4) && readPdptes(vcpu.map, this.cr3) === undefined) return false;
    this.switchRoot(vcpu, cr0, cr4);
    vcpu.write(F.GUEST_CR4, this.hardwareCr4(cr4, cr0));
    return true;
  }

  pageInvalidated(_vcpu: Vcpu, la: number): void {
    this.shadow.invalidate(la);
  }

  mapChanged(): void {
    this.shadow.flush();
  }

  /** Hidden faults have filled the shadow; the guest's own go to it; stopped writes and devices' registers are emulated. */
  pageFault(vcpu: Vcpu, la: number, errorCode: number): Outcome {
    const kind = this.shadow.handleFault(la, errorCode);
    this.loadRoot(vcpu);
    switch (kind) {
      case "hidden": return "again";
      case "true": return injectPageFault(vcpu, la, this.shadow.errorCode);
      case "trace": case "mmio": return emulateInstruction(vcpu);
      default: return kind satisfies never;
    }
  }

  /** The emulator sees the guest's control registers; a task switch may load CR3. */
  whileEmulating(vcpu: Vcpu, action: () => void): void {
    const { cpu, vmcs } = vcpu;
    const { i32 } = cpu;
    const cr0 = i32[S.CR0]!, cr4 = i32[S.CR4]!;
    const guestCr0 = shadowed(cr0, ~this.cr0GuestOwned, vmcs.get(F.CR0_READ_SHADOW));
    i32[S.CR0] = guestCr0;
    i32[S.CR3] = this.cr3;
    i32[S.CR4] = shadowed(cr4, ~this.cr4GuestOwned, vmcs.get(F.CR4_READ_SHADOW));
    try {
      this.shadow.step(action);
    } finally {
      i32[S.CR0] = cr0 & ~this.cr0GuestOwned | i32[S.CR0]! & this.cr0GuestOwned;
      i32[S.CR4] = cr4;
      if (i32[S.CR3] !== this.cr3) this.rootLoaded(vcpu, i32[S.CR3]!);
      this.loadRoot(vcpu);
      i32[S.CR3] = this.root;
    }
  }

  translateForEmulation(vcpu: Vcpu, la: number, access: number, user: boolean): void {
    vcpu.faultAddress = la;
    vcpu.emulatedPages.push(la);
    this.shadow.translate(la, access, user);
  }

  private switchRoot(vcpu: Vcpu, cr0: number, cr4: number): void {
    this.shadow.setRoot(this.cr3, pagingOf(cr0, cr4));
    this.loadRoot(vcpu);
  }

  /** The shadow root can move when tables are evicted. */
  private loadRoot(vcpu: Vcpu): void {
    const { shadowRoot } = this.shadow;
    if (shadowRoot === this.root) return;
    this.root = shadowRoot;
    vcpu.write(F.GUEST_CR3, shadowRoot);
  }

  private requireProtectedMode(cr0: number): void {
    if ((cr0 & S.CR0_PE) === 0) throw new UsageError("hvm with shadow page tables cannot run real-address mode; use --mmu ept");
  }
}

/** Shadow tables in the monitor frames that the VMCS and its pages leave. */
export function createShadowMemory(machine: Machine, map: PhysicalMap, frames: MonitorFrames): ShadowMemory {
  return new ShadowMemory(createShadow(machine, map, { frames }));
}
