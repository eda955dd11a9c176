import { cr4Mask, MODEL } from "./cpu-model.js";
import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { breakpointsChanged } from "./debug-registers.js";
import { PTE_P } from "./paging.js";
import { GP } from "./trap.js";

/** Control registers (SDM vol. 3, 2.5): what MOV CR, LMSW, CLTS and task switches do, with all checks but CPL's. */

const CR0_WRITABLE = S.CR0_PE | S.CR0_MP | S.CR0_EM | S.CR0_TS | S.CR0_NE | S.CR0_WP | S.CR0_AM | S.CR0_NW | S.CR0_CD | S.CR0_PG;
const CR8_PRIORITY = 0xf;
const CR4_WRITABLE = cr4Mask(MODEL);
/** Bits of CR0 and CR4 whose change drops every translation (SDM vol. 3, 4.10.4.1). */
const CR0_FLUSH = S.CR0_PE | S.CR0_WP | S.CR0_PG;
const CR4_FLUSH = S.CR4_PSE | S.CR4_PAE | S.CR4_PGE;
/** Reserved bits of a PDPTE's low word with 32-bit physical addresses (SDM vol. 3, table 4-8). */
const PDPTE_RESERVED = 0x1e6;

/** Whether the four PDPTEs at `root` may be loaded: a present one has no reserved bit set (SDM vol. 3, 4.4.1). */
export function validPdptes(cpu: Cpu, root: number): boolean {
  const table = cpu.strategy.guestToMachine((root & 0xffffffe0) >>> 0);
  if (table < 0) return false;
  for (let i = 0; i < 4; i++) {
    const low = cpu.memory.read32(table + i * 8);
    if ((low & PTE_P) !== 0 && ((low & PDPTE_RESERVED) !== 0 || cpu.memory.read32(table + i * 8 + 4) !== 0)) return false;
  }
  return true;
}

const paePaging = (cr0: number, cr4: number): boolean => (cr0 & S.CR0_PG) !== 0 && (cr4 & S.CR4_PAE) !== 0;

/** Whether CR0 may take this value at all. */
export function validCr0(value: number): boolean {
  return ((value & S.CR0_PG) === 0 || (value & S.CR0_PE) !== 0) && ((value & S.CR0_NW) === 0 || (value & S.CR0_CD) !== 0);
}

/** Whether CR4 may take this value on this processor. */
export function validCr4(value: number): boolean {
  return (value & ~CR4_WRITABLE) === 0;
}

/** MOV CR0: #GP(0) on a forbidden combination or bad PDPTEs; drops translations when PE, WP or PG changes. */
export function writeCr0(cpu: Cpu, value: number): void {
  const { i32 } = cpu;
  const old = cpu.cr0;
  if (!validCr0(value)) cpu.raise(GP, 0);
  const next = value & CR0_WRITABLE | S.CR0_ET;
  if (paePaging(next, cpu.cr4) && !paePaging(old, cpu.cr4) && !validPdptes(cpu, cpu.cr3)) cpu.raise(GP, 0);
  i32[S.CR0] = next;
  if (((old ^ next) & CR0_FLUSH) !== 0) cpu.mmu.flush(true);
  cpu.modeChanged();
}

/** MOV CR2. */
export function writeCr2(cpu: Cpu, value: number): void {
  cpu.i32[S.CR2] = value;
}

/** MOV CR3: #GP(0) on bad PDPTEs under PAE; drops all translations but global ones. */
export function writeCr3(cpu: Cpu, value: number): void {
  if (paePaging(cpu.cr0, cpu.cr4) && !validPdptes(cpu, value)) cpu.raise(GP, 0);
  cpu.i32[S.CR3] = value;
  cpu.mmu.flush(false);
  cpu.strategy.pageTableRootLoaded?.(cpu, value);
  cpu.recheck = true;
}

/** MOV CR4: #GP(0) on a reserved bit or bad PDPTEs; drops every translation when PSE, PAE or PGE changes. */
export function writeCr4(cpu: Cpu, value: number): void {
  const old = cpu.cr4;
  if (!validCr4(value)) cpu.raise(GP, 0);
  if (paePaging(cpu.cr0, value) && !paePaging(cpu.cr0, old) && !validPdptes(cpu, cpu.cr3)) cpu.raise(GP, 0);
  cpu.i32[S.CR4] = value;
  if (((old ^ value) & CR4_FLUSH) !== 0) cpu.mmu.flush(true);
  if (((old ^ value) & S.CR4_DE) !== 0) breakpointsChanged(cpu);
  cpu.modeChanged();
}

/** MOV CR8: #GP(0) on a reserved bit. A lower priority may let a waiting interrupt in. */
export function writeCr8(cpu: Cpu, value: number): void {
  if ((value & ~CR8_PRIORITY) !== 0) cpu.raise(GP, 0);
  cpu.priority!.taskPriority = value;
  cpu.recheck = true;
}

/** CR0, CR2, CR3, CR4 or CR8 by number. */
export function readControlRegister(cpu: Cpu, n: number): number {
  if (n === 8) return cpu.priority!.taskPriority;
  return cpu.i32[S.CR0 + n]!;
}

export function writeControlRegister(cpu: Cpu, n: number, value: number): void {
  if (n === 0) writeCr0(cpu, value);
  else if (n === 2) writeCr2(cpu, value);
  else if (n === 3) writeCr3(cpu, value);
  else if (n === 8) writeCr8(cpu, value);
  else writeCr4(cpu, value);
}

/** LMSW: PE, MP, EM and TS; PE can be set only. */
export function loadMachineStatus(cpu: Cpu, value: number): void {
  writeCr0(cpu, cpu.cr0 & ~(S.CR0_MP | S.CR0_EM | S.CR0_TS) | value & (S.CR0_PE | S.CR0_MP | S.CR0_EM | S.CR0_TS));
}

/** CLTS. */
export function clearTaskSwitched(cpu: Cpu): void {
  cpu.i32[S.CR0]! &= ~S.CR0_TS;
  cpu.modeChanged();
}

/** INVLPG for linear address `la`. */
export function invalidatePage(cpu: Cpu, la: number): void {
  cpu.mmu.invalidate(la);
  cpu.strategy.pageInvalidated?.(cpu, la);
}
