import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { MSR_SYSENTER_CS } from "../../hypervisor/model-specific-registers.js";
import { isNull } from "../../hypervisor/segmentation.js";
import type { Shadow } from "../../hypervisor/shadow/shadow.js";
import { GDT_AT, IDT_AT, LDT_ATTR, LDT_AT, LDT_SELECTOR, MONITOR_LIMIT, TSS_AT, TSS_ATTR, TSS_LIMIT, TSS_SELECTOR } from "./monitor-region.js";

/** State words of which the processor and the virtual processor have one each. */
const OWN_WORDS: readonly number[] = [
  S.CR0, S.CR3, S.CR4, S.GDTR_BASE, S.GDTR_LIMIT, S.IDTR_BASE, S.IDTR_LIMIT,
  ...[S.LDTR, S.TR].flatMap((register) => [S.SELECTOR, S.SEG_BASE, S.SEG_LIMIT, S.SEG_ATTR].map((word) => word + register)),
];
const OWN_FLAGS = S.FLAG_IF | S.FLAG_IOPL | S.FLAG_VIF | S.FLAG_VIP;
/** Bits of CR0 and CR4 that the guest's own choice decides on the processor too: they make instructions fault as it wants. */
const CR0_SHARED = S.CR0_MP | S.CR0_EM | S.CR0_TS | S.CR0_NE | S.CR0_AM;
const CR4_SHARED = S.CR4_TSD | S.CR4_DE | S.CR4_OSFXSR | S.CR4_OSXMMEXCPT | S.CR4_PCE;
const DPL_MASK = 3 << S.ATTR_DPL_SHIFT, DPL1 = 1 << S.ATTR_DPL_SHIFT;

/**
 * The guest's virtual processor. While the guest runs, the processor's words are the monitor's (ring 1 for the guest's
 * ring 0, the monitor's descriptor tables, interrupts on, IOPL 0) and the guest's are kept here; while the monitor
 * emulates, it is the other way round. General registers, the arithmetic flags, CR2 and the debug registers are shared.
 * The guest's ring 1 is not told apart from its ring 0.
 */
export class VirtualCpu {
  private readonly cpu: Cpu;
  private readonly shadow: Shadow;
  private readonly words = new Int32Array(OWN_WORDS.length);
  private flags = 0;
  private sysenterCs: [number, number] | undefined;
  /** The processor's words are the virtual processor's: the monitor is at work, or the guest is in real mode. */
  assumed = true;

  constructor(cpu: Cpu, shadow: Shadow) {
    this.cpu = cpu;
    this.shadow = shadow;
  }

  /** One of the virtual processor's own words, whoever is running. */
  word(index: number): number {
    return this.assumed ? this.cpu.i32[index]! : this.words[OWN_WORDS.indexOf(index)]!;
  }

  /** IF, IOPL, VIF and VIP of the virtual processor. */
  get ownFlags(): number {
    return this.assumed ? this.cpu.i32[S.EFLAGS_SYS]! & OWN_FLAGS : this.flags;
  }

  /** Privilege level of the guest as it believes it has. */
  get cpl(): number {
    const { cpl } = this.cpu;
    return !this.assumed && cpl === 1 ? 0 : cpl;
  }

  /** Puts the virtual processor's state in place of the processor's. */
  assume(): void {
    const { cpu } = this;
    const { i32 } = cpu;
    OWN_WORDS.forEach((index, i) => { i32[index] = this.words[i]!; });
    i32[S.EFLAGS_SYS] = i32[S.EFLAGS_SYS]! & ~OWN_FLAGS | this.flags;
    if (this.sysenterCs !== undefined) cpu.msrs.set(MSR_SYSENTER_CS, this.sysenterCs);
    for (let sreg = S.ES; sreg <= S.GS; sreg++) this.widen(sreg);
    cpu.setCpl(this.cpl);
    this.assumed = true;
    cpu.modeChanged();
  }

  /** Undoes what `narrow` does to a segment register. */
  private widen(sreg: number): void {
    const { i32 } = this.cpu;
    const attr = i32[S.SEG_ATTR + sreg]!;
    if (this.cpu.v86) return;
    if ((attr & DPL_MASK) === DPL1) i32[S.SEG_ATTR + sreg] = attr & ~DPL_MASK;
    const end = (i32[S.SEG_BASE + sreg]! >>> 0) + (i32[S.SEG_LIMIT + sreg]! >>> 0);
    if (end === MONITOR_LIMIT && (attr & S.ATTR_NULL) === 0) i32[S.SEG_LIMIT + sreg] = 0xffffffff | 0;
    if (this.cpu.cpl === 1 && (sreg === S.CS || sreg === S.SS)) i32[S.SELECTOR + sreg] = i32[S.SELECTOR + sreg]! & ~3;
  }

  /** Takes the virtual processor's state away and lets the guest run on the monitor's, unless it is in real mode. */
  deprivilege(): void {
    const { cpu } = this;
    const { i32 } = cpu;
    if (!cpu.protectedMode) return;
    OWN_WORDS.forEach((index, i) => { this.words[i] = i32[index]!; });
    this.flags = i32[S.EFLAGS_SYS]! & OWN_FLAGS;
    this.sysenterCs = cpu.msrs.get(MSR_SYSENTER_CS);
    cpu.msrs.delete(MSR_SYSENTER_CS);
    const kernel = cpu.cpl === 0;
    for (let sreg = S.ES; sreg <= S.GS; sreg++) this.narrow(sreg, kernel);
    if (kernel) cpu.setCpl(1);
    this.loadMonitorState();
    this.assumed = false;
    cpu.modeChanged();
  }

  /** Ring 0 becomes ring 1, and no segment reaches the monitor. */
  private narrow(sreg: number, kernel: boolean): void {
    const { i32 } = this.cpu;
    const attr = i32[S.SEG_ATTR + sreg]!;
    if (this.cpu.v86 || (attr & S.ATTR_NULL) !== 0) return;
    if ((attr & DPL_MASK) === 0) i32[S.SEG_ATTR + sreg] = attr | DPL1;
    const base = i32[S.SEG_BASE + sreg]! >>> 0;
    if (base + (i32[S.SEG_LIMIT + sreg]! >>> 0) > MONITOR_LIMIT && base <= MONITOR_LIMIT) i32[S.SEG_LIMIT + sreg] = MONITOR_LIMIT - base;
    if (kernel && (sreg === S.CS || sreg === S.SS)) i32[S.SELECTOR + sreg] = i32[S.SELECTOR + sreg]! & ~3 | 1;
  }

  private loadMonitorState(): void {
    const { cpu } = this;
    const { i32 } = cpu;
    i32[S.EFLAGS_SYS] = i32[S.EFLAGS_SYS]! & ~OWN_FLAGS | S.FLAG_IF;
    i32[S.CR0] = cpu.cr0 & CR0_SHARED | S.CR0_PE | S.CR0_PG | S.CR0_WP | S.CR0_ET;
    i32[S.CR3] = this.shadow.shadowRoot;
    i32[S.CR4] = cpu.cr4 & CR4_SHARED | (this.shadow.guestPaging.pae ? S.CR4_PAE : 0) | S.CR4_PGE;
    i32[S.GDTR_BASE] = GDT_AT | 0;
    i32[S.GDTR_LIMIT] = 0xffff;
    i32[S.IDTR_BASE] = IDT_AT | 0;
    i32[S.IDTR_LIMIT] = 0x7ff;
    const ldt = (cpu.segAttr(S.LDTR) & S.ATTR_P) !== 0 && !isNull(cpu.selector(S.LDTR));
    cpu.setSegment(S.LDTR, ldt ? LDT_SELECTOR : 0, LDT_AT | 0, ldt ? 0xffff : 0, ldt ? LDT_ATTR : S.ATTR_NULL);
    cpu.setSegment(S.TR, TSS_SELECTOR, TSS_AT | 0, TSS_LIMIT, TSS_ATTR);
  }
}
