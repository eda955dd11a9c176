import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import type { Semantics } from "../semantics.js";
import { X87_ARITHMETIC } from "./arithmetic-instructions.js";
import { X87_COMPARE } from "./compare-instructions.js";
import { X87_CONTROL } from "./control-instructions.js";
import { initialize } from "./environment.js";
import { X87_TRANSFER } from "./transfer-instructions.js";
import { X87_TRIGONOMETRIC } from "./trigonometric-instructions.js";

/** The x87 FPU by the opcode table's mnemonics. */
export const X87: Record<string, Semantics> = { ...X87_ARITHMETIC, ...X87_COMPARE, ...X87_CONTROL, ...X87_TRANSFER, ...X87_TRIGONOMETRIC };

export { connectFerr } from "./stack.js";

/** The FPU after power-up or reset (SDM vol. 3, table 9-1): all registers +0, all exceptions unmasked, single precision. */
export function resetFpu(cpu: Cpu): void {
  const { i32 } = cpu;
  initialize(i32);
  i32.fill(0, S.FPU_REGS, S.FPU_REGS + 32);
  i32.fill(0, S.XMM_REGS, S.XMM_REGS + 32);
  i32[S.FPU_CW] = 0x40;
  i32[S.FPU_TAG] = 0xff;
  i32[S.MXCSR] = 0x1f80;
}
