import * as S from "../../hypervisor/cpu-state.js";
import type { Machine } from "../../hypervisor/machine.js";
import type { MonitorFrames } from "../../hypervisor/shadow/monitor-frames.js";
import { ACCESS_EXECUTE } from "../../hypervisor/strategy.js";
import { PF_PRESENT, PF_USER } from "../../hypervisor/trap.js";

/**
 * The top of every linear address space is the monitor's while the guest runs. Paging does not protect it from ring 1,
 * so every segment the guest can load ends below it (Robin and Irvine, USENIX Security 2000, 4; ASPLOS 2006, 2.4).
 */
export const MONITOR_BASE = 0xffc00000, MONITOR_LIMIT = MONITOR_BASE - 1;
export const GDT_AT = MONITOR_BASE, LDT_AT = MONITOR_BASE + 0x10000, TSS_AT = MONITOR_BASE + 0x20000, IDT_AT = MONITOR_BASE + 0x21000;
const PAGES = 0x22;
/** Selectors in the monitor's GDT that SLDT and STR show; a guest's table never reaches as far. */
export const LDT_SELECTOR = 0xffe8, TSS_SELECTOR = 0xfff0;
export const TSS_LIMIT = 0x67;
const IO_MAP_BASE = 0x66;

/** The monitor's GDT, LDT, TSS and IDT in its own frames, mapped while the guest runs deprivileged. */
export class MonitorRegion {
  private readonly machine: Machine;
  private readonly frames: number[] = [];
  private readonly mapped = new Set<number>();

  constructor(machine: Machine, frames: MonitorFrames) {
    this.machine = machine;
    for (let page = 0; page < PAGES; page++) {
      const frame = frames.allocate();
      if (frame < 0) throw new Error("the monitor's memory is too small for its descriptor tables");
      this.frames.push(frame);
    }
    // No I/O permission bit map: every port access outside ring 0 traps.
    machine.memory.write(this.machineAddress(TSS_AT + IO_MAP_BASE), 2, 0xffff);
  }

  private machineAddress(la: number): number {
    const offset = (la >>> 0) - MONITOR_BASE;
    return this.frames[offset >>> 12]! * 4096 + (offset & 0xfff);
  }

  covers(la: number): boolean {
    return la >>> 0 >= MONITOR_BASE;
  }

  /** Fills the TLB for a page of the region: supervisor data, there or not. */
  translate(la: number, access: number, user: boolean): void {
    const { cpu } = this.machine;
    const page = (la >>> 0) - MONITOR_BASE >>> 12;
    if (user || access === ACCESS_EXECUTE || page >= PAGES) cpu.pageFault(la, (page < PAGES ? PF_PRESENT : 0) | (user ? PF_USER : 0));
    this.mapped.add(la & 0xfffff000);
    cpu.mmu.insert(la, this.machineAddress(la), access, false, true, true, false, false);
  }

  /** The guest's own page at an address of the region is in the TLB while the monitor works on its behalf. */
  noteGuestPage(la: number): void {
    this.mapped.add(la & 0xfffff000);
  }

  /** The addresses change hands between guest and monitor: the TLB forgets them. */
  unmap(): void {
    for (const la of this.mapped) this.machine.cpu.mmu.invalidate(la);
    this.mapped.clear();
  }

  read32(la: number): number {
    return this.machine.memory.read32(this.machineAddress(la));
  }

  write32(la: number, value: number): void {
    this.machine.memory.write32(this.machineAddress(la), value);
  }
}

/** Rights of the monitor's TSS and LDT as the hidden parts of TR and LDTR hold them. */
export const TSS_ATTR = S.ATTR_P | 11, LDT_ATTR = S.ATTR_P | 2;
