/**
 * Address translation in non-root operation, as the processor does it on a TLB miss: through the tables at CR3, whose own
 * addresses go through EPT where it is enabled (SDM vol. 3, chapter 4; vol. 3C, 28.2).
 */
import * as S from "../hypervisor/cpu-state.js";
import { createWalk, type PagingMode, type TableMemory, walkPageTables } from "../hypervisor/paging.js";
import { ACCESS_WRITE } from "../hypervisor/strategy.js";
import { GP, PF } from "../hypervisor/trap.js";
import { PROC2_ENABLE_EPT } from "./controls.js";
import { secondary } from "./entry-rule.js";
import { createEptWalk, LEVELS, walkEpt } from "./ept.js";
import type { ExitCause } from "./exit-record.js";
import { REASON } from "./exit-reasons.js";
import { GuestPhysicalMappings } from "./guest-physical-mappings.js";
import { PagingStructureCache } from "./paging-structure-cache.js";
import { EPT_EXECUTE, EPT_FINAL, EPT_LINEAR_VALID, EPT_READ, EPT_RIGHTS_SHIFT, EPT_WRITE } from "./qualifications.js";
import type { Vcpu } from "./vcpu.js";
import { F } from "./vmcs-fields.js";

const ACCESS_TO_EPT = [EPT_READ, EPT_WRITE, EPT_EXECUTE];
/** Entries of a walk in two dimensions: three EPT walks, and the guest's two levels. */
const LONGEST_WALK = 3 * LEVELS + 2;
const PDPTE_RESERVED = 0x1e6;
const PDPTE_TABLE = 0xffffffe0;

/** Whether CR0 and CR4 select PAE paging. */
export const paePaging = (cr0: number, cr4: number): boolean => (cr0 & S.CR0_PG) !== 0 && (cr4 & S.CR4_PAE) !== 0;

/** The eight words of the PDPTEs at `cr3`, undefined when a present one has a reserved bit set (vol. 3, 4.4.1). */
export function readPdptes(tables: TableMemory, cr3: number): Int32Array | undefined {
  const words = new Int32Array(8);
  for (let i = 0; i < 8; i++) words[i] = tables.read32(((cr3 & PDPTE_TABLE) >>> 0) + i * 4);
  for (let i = 0; i < 8; i += 2) if ((words[i]! & 1) !== 0 && ((words[i]! & PDPTE_RESERVED) !== 0 || words[i + 1] !== 0)) return undefined;
  return words;
}

export class NonRootMemory implements TableMemory {
  private readonly vcpu: Vcpu;
  private readonly walk = createWalk();
  private readonly eptWalk = createEptWalk();
  private readonly mode: { -readonly [K in keyof PagingMode]: boolean } = { pae: false, pse: false, wp: false, pge: false };
  private readonly eptWalkEvent: number;
  private readonly mappings = new GuestPhysicalMappings();
  private readonly structures: PagingStructureCache;
  /** Addresses of the entries that the next EPT walk is counted with: what the guest's page table was found by. */
  private readonly entries = new Int32Array(LONGEST_WALK);
  private savedReads = 0;

  private ept = false;
  private pointer = 0;
  private linear = 0;
  private linearValid = true;
  /** Under PAE paging the next word read is the PDPTE's. */
  private expectsPdpte = false;
  /** The guest table entry read last, guest-physical and machine-physical: its other half is no new reference. */
  private entryGuest = -1;
  private entryMachine = 0;

  constructor(vcpu: Vcpu) {
    this.vcpu = vcpu;
    this.eptWalkEvent = vcpu.ledger.id("ept.walk");
    this.structures = new PagingStructureCache(vcpu.memory, this.mappings);
  }

  /** Strategy.translate. */
  translate(la: number, access: number, user: boolean): void {
    const { vcpu, mode, walk } = this;
    const { cpu } = vcpu;
    this.begin(la);
    let gpa = la >>> 0, writable = true, userPage = true, dirty = true, global = false, pageBytes = 4096;
    mode.wp = (cpu.cr0 & S.CR0_WP) !== 0;
    if (cpu.paging) {
      const { cr4 } = cpu;
      mode.pae = (cr4 & S.CR4_PAE) !== 0;
      mode.pse = (cr4 & S.CR4_PSE) !== 0;
      mode.pge = (cr4 & S.CR4_PGE) !== 0;
      this.walkGuestTables(la, access === ACCESS_WRITE, user);
      gpa = walk.pa >>> 0;
      ({ writable, user: userPage, dirty, global, pageBytes } = walk);
    }
    let address = gpa, mayWrite = true;
    if (this.ept) {
      this.throughEpt((gpa | la & 0xfff) >>> 0, ACCESS_TO_EPT[access]!, true);
      address = this.eptWalk.address;
      mayWrite = (this.eptWalk.rights & EPT_WRITE) !== 0;
      pageBytes = Math.min(pageBytes, this.eptWalk.pageBytes);
    }
    cpu.mmu.insert(la, address, access, userPage, writable && mayWrite, dirty, global, !mode.wp && mayWrite, pageBytes);
  }

  /** Leaves the guest-physical page in `walk`, or raises the page fault. */
  private walkGuestTables(la: number, write: boolean, user: boolean): void {
    const { vcpu, mode, walk, structures } = this;
    const { cpu } = vcpu;
    const root = mode.pae ? vcpu.pdptes[la >>> 30 << 1]! : cpu.cr3;
    if (this.ept) {
      this.savedReads = structures.walk(walk, this.entries, root, mode, la, write, user);
      if (this.savedReads !== 0) return;
    }
    this.expectsPdpte = mode.pae;
    walkPageTables(walk, this, cpu.cr3, mode, la, write, user, true);
    if (walk.fault) {
      vcpu.faultAddress = la;
      cpu.raise(PF, walk.error);
    }
    if (this.ept) structures.keep(walk, root, mode.pae, la);
  }

  /** VM entry loads the controls that translation depends on. */
  loadControls(): void {
    const { vmcs } = this.vcpu, pointer = vmcs.get(F.EPT_POINTER);
    this.ept = secondary(vmcs, PROC2_ENABLE_EPT);
    if (pointer !== this.pointer) this.invalidateMappings();
    this.pointer = pointer;
  }

  private begin(la: number): void {
    this.linear = la;
    this.linearValid = true;
    this.entryGuest = -1;
  }

  /** Leaves the machine-physical address in `eptWalk`, or exits by EPT violation or misconfiguration. */
  private throughEpt(gpa: number, access: number, final: boolean): void {
    const { vcpu, eptWalk } = this;
    this.walkTables(gpa, access);
    const { entries, savedReads } = this, { references } = eptWalk;
    for (let i = 0; i < references; i++) entries[savedReads + i] = eptWalk.entries[i]!;
    vcpu.ledger.count(this.eptWalkEvent, savedReads === 0 ? 1 : 3);
    vcpu.cpu.mmu.allReferenced(entries, savedReads + references);
    this.savedReads = 0;
    if (eptWalk.outcome === "mapped") return;
    vcpu.exitFromInstruction(this.eptExit(gpa, access, final));
  }

  private walkTables(gpa: number, access: number): void {
    const { eptWalk, mappings, pointer } = this;
    if (mappings.find(eptWalk, gpa, access)) return;
    walkEpt(eptWalk, this.vcpu.memory, pointer, gpa, access);
    if (eptWalk.outcome === "mapped") mappings.keep(eptWalk, gpa);
  }

  /** INVEPT: the tables have changed. */
  invalidateMappings(): void {
    this.mappings.invalidate();
    this.structures.invalidate();
  }

  /** Exit information of an EPT violation or misconfiguration (27.2.1, table 27-7). */
  private eptExit(gpa: number, access: number, final: boolean): ExitCause {
    if (this.eptWalk.outcome === "misconfig") return { reason: REASON.ept_misconfig, guestPhysical: gpa };
    const linear = this.linearValid ? EPT_LINEAR_VALID | (final ? EPT_FINAL : 0) : 0;
    return {
      reason: REASON.ept_violation,
      qualification: access | this.eptWalk.rights << EPT_RIGHTS_SHIFT | linear,
      guestPhysical: gpa,
      guestLinear: this.linearValid ? this.linear : 0,
    };
  }

  // ---- the guest's tables --------------------------------------------------------------------------------------------

  /** A word of a guest paging structure. The two words of a PAE entry are one reference, and PDPTEs are in registers. */
  read32(gpa: number): number {
    gpa >>>= 0;
    const { vcpu, mode } = this;
    if (this.expectsPdpte) {
      this.expectsPdpte = false;
      return this.ept ? vcpu.pdptes[(gpa & 0x1f) >> 2]! : vcpu.memory.read32(gpa);
    }
    if (mode.pae && gpa === this.entryGuest + 4) return vcpu.memory.read32(this.entryMachine + 4);
    this.entryMachine = gpa;
    if (this.ept) {
      this.throughEpt(gpa, EPT_READ, false);
      this.entryMachine = this.eptWalk.address;
    }
    vcpu.cpu.mmu.referenced(this.entryMachine);
    this.entryGuest = gpa;
    return vcpu.memory.read32(this.entryMachine);
  }

  /** Sets accessed and dirty bits: a write, which EPT must allow too. */
  write32(gpa: number, value: number): void {
    gpa >>>= 0;
    const { vcpu } = this;
    let address = gpa;
    if (this.ept) {
      this.walkTables(gpa, EPT_WRITE);
      if (this.eptWalk.outcome !== "mapped") {
        vcpu.exitFromInstruction(this.eptExit(gpa, EPT_WRITE, false));
      }
      address = this.eptWalk.address;
    }
    vcpu.memory.write32(address, value);
  }

  /** Loads the PDPTE registers as MOV CR3 does under PAE paging; #GP(0) for bad ones. They stay as they are without EPT's help. */
  loadPdptes(cr3: number): void {
    const { vcpu } = this;
    this.begin(0);
    this.linearValid = false;
    const words = readPdptes({ read32: (gpa) => this.pdpteWord(gpa), write32: () => {} }, cr3);
    vcpu.pdptes.set(words ?? vcpu.cpu.raise(GP, 0));
  }

  private pdpteWord(gpa: number): number {
    if (!this.ept) return this.vcpu.memory.read32(gpa);
    this.throughEpt(gpa, EPT_READ, false);
    return this.vcpu.memory.read32(this.eptWalk.address);
  }
}
