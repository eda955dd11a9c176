import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { DB, UD } from "./trap.js";

/** Debug registers (SDM vol. 3, 17.2): MOV DR, and which breakpoints a reference meets. The run loop asks. */

export const DR6 = S.DR0 + 6, DR7 = S.DR0 + 7;
export const DR6_BD = 0x2000, DR6_BS = 0x4000, DR6_BT = 0x8000;
const DR6_FIXED = 0xffff0ff0 | 0, DR6_WRITABLE = 0xe00f;
const DR7_FIXED = 0x400, DR7_WRITABLE = 0xffff23ff | 0, DR7_ENABLES = 0xff;
export const DR7_GD = 0x2000;
/** L0-L3 and LE, which a task switch clears. */
export const DR7_LOCAL = 0x155;

export const DR6_RESET = DR6_FIXED, DR7_RESET = DR7_FIXED;

/** What a breakpoint watches, as its R/W field encodes it. */
export const WATCH_EXECUTE = 0, WATCH_WRITE = 1, WATCH_IO = 2, WATCH_ACCESS = 3;

/** DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE; any access is #DB with DR6.BD while DR7.GD is set. */
function debugIndex(cpu: Cpu, n: number): number {
  if ((n === 4 || n === 5) && (cpu.cr4 & S.CR4_DE) !== 0) cpu.raise(UD);
  if ((cpu.i32[DR7]! & DR7_GD) !== 0) raiseDebug(cpu, DR6_BD);
  return S.DR0 + (n === 4 || n === 5 ? n + 2 : n);
}

export function readDebugRegister(cpu: Cpu, n: number): number {
  return cpu.i32[debugIndex(cpu, n)]!;
}

export function writeDebugRegister(cpu: Cpu, n: number, value: number): void {
  const index = debugIndex(cpu, n);
  if (index === DR6) value = value & DR6_WRITABLE | DR6_FIXED;
  else if (index === DR7) value = value & DR7_WRITABLE | DR7_FIXED;
  cpu.i32[index] = value;
  breakpointsChanged(cpu);
}

/** To be called when DR0-DR3, DR7 or CR4.DE has changed: says what has to be looked at from now on. Nothing is while no breakpoint is enabled. */
export function breakpointsChanged(cpu: Cpu): void {
  const dr7 = cpu.i32[DR7]!;
  const pages = new Set<number>();
  cpu.instructionBreakpoints = cpu.portBreakpoints = false;
  for (let n = 0; n < 4 && (dr7 & DR7_ENABLES) !== 0; n++) {
    if ((dr7 >> (2 * n) & 3) === 0) continue;
    const watched = dr7 >> (16 + 4 * n) & 3;
    if (watched === WATCH_EXECUTE) cpu.instructionBreakpoints = true;
    else if (watched !== WATCH_IO) pages.add(cpu.i32[S.DR0 + n]! >>> 12);
    else if ((cpu.cr4 & S.CR4_DE) !== 0) cpu.portBreakpoints = true;
  }
  cpu.mmu.watch(pages);
  cpu.recheck = true;
}

/**
 * DR6's B0-B3 for the enabled breakpoints that a reference to `bytes` bytes at `address` meets (SDM vol. 3, 17.2.5):
 * `watch` is WATCH_EXECUTE, WATCH_WRITE for a write, WATCH_ACCESS for a read, WATCH_IO for a port (with CR4.DE only).
 */
export function breakpointsHit(cpu: Cpu, address: number, bytes: number, watch: number): number {
  const { i32 } = cpu;
  const dr7 = i32[DR7]!;
  let hit = 0;
  for (let n = 0; n < 4; n++) {
    if ((dr7 >> (2 * n) & 3) === 0) continue;
    const watched = dr7 >> (16 + 4 * n) & 3;
    if (watched !== watch && !(watched === WATCH_ACCESS && watch === WATCH_WRITE)) continue;
    if (watched === WATCH_IO && (cpu.cr4 & S.CR4_DE) === 0) continue;
    const length = [1, 2, 8, 4][dr7 >>> (18 + 4 * n) & 3]!;
    const first = (i32[S.DR0 + n]! & -length) >>> 0;
    if (first < (address >>> 0) + bytes && (address >>> 0) < first + length) hit |= 1 << n;
  }
  return hit;
}

/** Throws #DB with `bits` set in DR6. */
export function raiseDebug(cpu: Cpu, bits: number): never {
  cpu.i32[DR6]! |= bits;
  return cpu.raise(DB);
}
