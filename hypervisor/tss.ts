import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { selectorError, SYS_TSS32, SYS_TSS32_BUSY, systemType } from "./segmentation.js";
import { GP, TS } from "./trap.js";

/** What the processor reads of the current TSS outside task switches (SDM vol. 3, 7.2; vol. 1, 19.5.2; vol. 3, 20.3.3). */

const IO_MAP_BASE = 0x66;

/** Whether TR holds a 32-bit TSS. */
export function hasTss32(cpu: Cpu): boolean {
  const type = systemType(cpu.segAttr(S.TR));
  return type === SYS_TSS32 || type === SYS_TSS32_BUSY;
}

export interface StackPointer { readonly ss: number; readonly esp: number }

/** SS and ESP for privilege `cpl` out of the current TSS; #TS(TR) when its limit is too small (SDM vol. 3, 5.8.5). */
export function innerStack(cpu: Cpu, cpl: number, ext: number): StackPointer {
  const base = cpu.segBase(S.TR), limit = cpu.segLimit(S.TR);
  if (hasTss32(cpu)) {
    const at = 4 + cpl * 8;
    if (at + 7 > limit) cpu.raise(TS, selectorError(cpu.selector(S.TR), ext));
    return { esp: cpu.mmu.readAs(base + at, 4, false) | 0, ss: cpu.mmu.readAs(base + at + 4, 2, false) };
  }
  const at = 2 + cpl * 4;
  if (at + 3 > limit) cpu.raise(TS, selectorError(cpu.selector(S.TR), ext));
  return { esp: cpu.mmu.readAs(base + at, 2, false), ss: cpu.mmu.readAs(base + at + 2, 2, false) };
}

/** Whether the running code may use `bytes` ports from `port`: IOPL, else the I/O permission bit map (SDM vol. 1, 19.5). */
export function portPermitted(cpu: Cpu, port: number, bytes: number): boolean {
  if (!cpu.protectedMode || (!cpu.v86 && cpu.cpl <= cpu.iopl)) return true;
  const limit = cpu.segLimit(S.TR);
  if (!hasTss32(cpu) || limit < IO_MAP_BASE + 1) return false;
  const base = cpu.segBase(S.TR);
  const at = cpu.mmu.readAs(base + IO_MAP_BASE, 2, false) + (port >> 3);
  if (at + 1 > limit) return false;
  return (cpu.mmu.readAs(base + at, 2, false) >> (port & 7) & ((1 << bytes) - 1)) === 0;
}

/** #GP(0) unless the running code may use the ports. */
export function checkPort(cpu: Cpu, port: number, bytes: number): void {
  if (!portPermitted(cpu, port, bytes)) cpu.raise(GP, 0);
}

/** Whether INT `vector` of a virtual-8086 program goes to its own handler: its bit in the software interrupt redirection bit map is clear. */
export function interruptRedirected(cpu: Cpu, vector: number): boolean {
  const limit = cpu.segLimit(S.TR);
  if (!hasTss32(cpu) || limit < IO_MAP_BASE + 1) return cpu.raise(GP, 0);
  const base = cpu.segBase(S.TR);
  const at = cpu.mmu.readAs(base + IO_MAP_BASE, 2, false) - 32 + (vector >> 3);
  if (at < 0 || at > limit) return cpu.raise(GP, 0);
  return (cpu.mmu.readAs(base + at, 1, false) >> (vector & 7) & 1) === 0;
}
