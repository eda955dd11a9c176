import { MODEL, signature } from "./cpu-model.js";
import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { breakpointsChanged, DR6, DR6_RESET, DR7, DR7_RESET } from "./debug-registers.js";
import { REAL_ATTR, SYS_LDT, SYS_TSS32_BUSY } from "./segmentation.js";

const FPU_CW_RESET = 0x40, FPU_TAG_RESET = 0xff, MXCSR_RESET = 0x1f80;

/** State after power-up or RESET (SDM vol. 3, table 9-1): real mode, first instruction at physical FFFFFFF0H. */
export function resetCpu(cpu: Cpu): void {
  const { i32 } = cpu;
  const budget = i32[S.BUDGET]!;
  i32.fill(0, 0, S.STATE_WORDS);
  i32[S.BUDGET] = budget;
  i32[S.EDX] = signature(MODEL);
  cpu.eflags = 2;
  i32[S.CR0] = S.CR0_CD | S.CR0_NW | S.CR0_ET;
  for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, 0, 0, 0xffff, REAL_ATTR);
  cpu.setSegment(S.CS, 0xf000, 0xffff0000 | 0, 0xffff, REAL_ATTR);
  cpu.setSegment(S.LDTR, 0, 0, 0xffff, S.ATTR_P | SYS_LDT);
  cpu.setSegment(S.TR, 0, 0, 0xffff, S.ATTR_P | SYS_TSS32_BUSY);
  i32[S.EIP] = 0xfff0;
  i32[S.GDTR_LIMIT] = 0xffff;
  i32[S.IDTR_LIMIT] = 0xffff;
  i32[DR6] = DR6_RESET;
  i32[DR7] = DR7_RESET;
  i32[S.FPU_CW] = FPU_CW_RESET;
  i32[S.FPU_TAG] = FPU_TAG_RESET;
  i32[S.MXCSR] = MXCSR_RESET;
  cpu.msrs.clear();
  cpu.tscOffset = null;
  cpu.halted = false;
  cpu.interruptShadow = cpu.stackShadow = false;
  cpu.debugHits = 0;
  cpu.nmiPending = cpu.nmiBlocked = false;
  breakpointsChanged(cpu);
  cpu.mmu.flush(true);
  cpu.modeChanged();
}

/**
 * The state after reset, but with the code segment's base at F0000H: firmware is there as it is below 4 GiB, and the jump it begins
 * with leads there.
 */
export function enterFirmware(cpu: Cpu): void {
  resetCpu(cpu);
  cpu.setSegment(S.CS, 0xf000, 0xf_0000, 0xffff, REAL_ATTR);
  cpu.modeChanged();
}

const FLAT = S.ATTR_P | S.ATTR_S | S.ATTR_DB | S.ATTR_G;
export const FLAT_CODE = FLAT | S.ATTR_CODE | S.ATTR_READABLE | S.ATTR_ACCESSED;
export const FLAT_DATA = FLAT | S.ATTR_WRITABLE | S.ATTR_ACCESSED;

/**
 * The state a Multiboot loader leaves (Multiboot 0.6.96, 3.2): protected mode without paging, flat 32-bit segments at
 * CPL 0, interrupts off; GDTR and IDTR are not usable. Everything else is as after reset.
 */
export function enterProtectedFlat(cpu: Cpu, eip: number, codeSelector = 0x08, dataSelector = 0x10): void {
  resetCpu(cpu);
  const { i32 } = cpu;
  i32[S.CR0] = S.CR0_PE | S.CR0_ET;
  for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, dataSelector, 0, 0xffffffff | 0, FLAT_DATA);
  cpu.setSegment(S.CS, codeSelector, 0, 0xffffffff | 0, FLAT_CODE);
  i32[S.GDTR_LIMIT] = 0;
  i32[S.IDTR_LIMIT] = 0;
  i32[S.EIP] = eip;
  i32[S.EDX] = 0;
  cpu.modeChanged();
}
