import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { deliverException, deliverExternal, deliverNonMaskable, deliverSoftware } from "./interrupts.js";
import { createWalk, type PagingMode, type TableMemory, type Walk, walkPageTables } from "./paging.js";
import { ACCESS_WRITE, type Strategy } from "./strategy.js";

/** What the processor sees of an interrupt controller: its INTR line, and the vector it gives when acknowledged. */
export interface InterruptController {
  readonly intr: boolean;
  acknowledge(): number;
  /** Whether INTR could rise by itself, as the controllers are programmed; and whether an NMI could. */
  readonly mayInterrupt?: boolean;
  readonly mayNmi?: boolean;
}

/** Whether a processor halted with IF as given could be woken by its controllers. */
export function controllerCanWake(pic: InterruptController, interruptFlag: boolean): boolean {
  return (interruptFlag && (pic.mayInterrupt ?? true)) || (pic.mayNmi ?? false);
}

const PAE = 1, PSE = 2, WP = 4, PGE = 8;
/** All there are, made once: every TLB miss asks for one. */
const MODES: readonly PagingMode[] = Array.from({ length: 16 }, (_, bits) => (
  { pae: (bits & PAE) !== 0, pse: (bits & PSE) !== 0, wp: (bits & WP) !== 0, pge: (bits & PGE) !== 0 }));

/** The paging mode that CR0 and CR4 select. */
export function pagingMode(cpu: Cpu): PagingMode {
  const { cr0, cr4 } = cpu;
  return MODES[((cr4 & S.CR4_PAE) !== 0 ? PAE : 0) | ((cr4 & S.CR4_PSE) !== 0 ? PSE : 0) | ((cr0 & S.CR0_WP) !== 0 ? WP : 0) | ((cr4 & S.CR4_PGE) !== 0 ? PGE : 0)]!;
}

/** A TLB miss with paging off: the linear address is the physical one. */
export function translateIdentity(cpu: Cpu, la: number, access: number): void {
  cpu.mmu.insert(la, la & cpu.a20Mask, access, true, true, true, false, true);
}

/**
 * A TLB miss by the page tables at CR3 in `memory`: walks them, counts the references, sets A and D, fills the TLB or raises
 * the page fault. `walk` is the caller's record and is left filled.
 */
export function translateByPageTables(cpu: Cpu, memory: TableMemory, walk: Walk, la: number, access: number, user: boolean): void {
  const mode = pagingMode(cpu);
  const write = access === ACCESS_WRITE;
  walkPageTables(walk, memory, cpu.cr3, mode, la, write, user, true);
  cpu.mmu.walked(walk);
  if (walk.fault) cpu.pageFault(la, walk.error);
  cpu.mmu.insert(la, walk.pa & cpu.a20Mask, access, walk.user, walk.writable, walk.dirty, walk.global, !mode.wp, walk.pageBytes);
}

/** Memory as page tables are read with address line 20 held low. */
function throughA20(cpu: Cpu): TableMemory {
  return { read32: (pa) => cpu.memory.read32(pa & cpu.a20Mask), write32: (pa, value) => cpu.memory.write32(pa & cpu.a20Mask, value) };
}

/** The processor's own translation, in machine memory. */
export function createTranslate(): Strategy["translate"] {
  const walk = createWalk();
  return (cpu, la, access, user) => {
    if (cpu.paging) translateByPageTables(cpu, cpu.a20Mask === -1 ? cpu.memory : throughA20(cpu), walk, la, access, user);
    else translateIdentity(cpu, la, access);
  };
}

/** Whether the processor takes external interrupts at this boundary (SDM vol. 3, 6.8.1 and 6.8.3). */
export function acceptsInterrupts(cpu: Cpu): boolean {
  return cpu.interruptFlag && !cpu.interruptShadow;
}

/** The bare machine: what the processor itself does, and nothing else. */
export function createNative(pic: InterruptController): Strategy {
  return {
    name: "native",
    flatLimit: 0xffffffff,
    translate: createTranslate(),
    exception: deliverException,
    softwareInterrupt: deliverSoftware,
    interruptPending: (cpu) => pic.intr && acceptsInterrupts(cpu),
    acceptInterrupt: (cpu) => deliverExternal(cpu, pic.acknowledge()),
    acceptNonMaskable: deliverNonMaskable,
    canWake: (cpu) => controllerCanWake(pic, cpu.interruptFlag),
    sensitive: {},
    guestToMachine: (gpa) => gpa,
    modeBits: () => 0,
  };
}
