import * as S from "../../hypervisor/cpu-state.js";
import type { Cpu } from "../../hypervisor/cpu.js";
import { Trap } from "../../hypervisor/trap.js";
import { SIMD } from "../../translator/isa/semantics/simd/simd.js";
import { X87 } from "../../translator/isa/semantics/x87/x87.js";
import { createBench, load } from "../silicon/emulator.js";
import { formOf } from "../silicon/forms.js";
import { baseState, WINDOW_BASE } from "../silicon/state.js";

/** A processor for single x87 and SIMD instructions, with a page of memory at WINDOW_BASE. */
export interface Rig {
  readonly cpu: Cpu;
  /** Executes instructions given as hexadecimal bytes; gives the vector of the exception, or -1. EIP moves on. */
  readonly run: (...instructions: string[]) => number;
  /** Sets ST(i). */
  readonly set: (i: number, se: number, hi: number, lo: number) => void;
  /** ST(i) as twenty hexadecimal digits. */
  readonly st: (i: number) => string;
  /** Linear address `offset` bytes into memory. */
  readonly at: (offset: number) => number;
  readonly read32: (offset: number) => number;
  readonly write32: (offset: number, value: number) => void;
}

const hex = (value: number, digits: number): string => (value >>> 0).toString(16).padStart(digits, "0");

export function createRig(): Rig {
  const bench = createBench();
  const { cpu } = bench;
  const { i32 } = cpu;
  load(bench, new Uint8Array([0x90]), baseState());
  cpu.i32[S.ESI] = WINDOW_BASE;
  const semantics = { ...X87, ...SIMD };
  const word = (i: number): number => S.FPU_REGS + ((i32[S.FPU_SW]! >> 11) + i & 7) * 4;
  const run = (...instructions: string[]): number => {
    for (const text of instructions) {
      const bytes = text.split(" ").map((byte) => parseInt(byte, 16));
      const { instruction } = formOf(bytes);
      const row = semantics[instruction.mnemonic];
      if (row === undefined || row.kind === "inline") throw new Error(`no helper for ${instruction.mnemonic}`);
      // Where the exception pointers and opcode are read from.
      cpu.memory.writeBytes(0x2000 + (cpu.eip & 0xfff), new Uint8Array(bytes));
      try {
        row.fn(cpu, instruction);
      } catch (error) {
        if (!(error instanceof Trap)) throw error;
        return error.vector;
      }
      cpu.eip += instruction.length;
    }
    return -1;
  };
  return {
    cpu, run,
    set: (i, se, hi, lo) => {
      i32[word(i)] = lo;
      i32[word(i) + 1] = hi;
      i32[word(i) + 2] = se;
      i32[S.FPU_TAG]! |= 1 << ((i32[S.FPU_SW]! >> 11) + i & 7);
    },
    st: (i) => hex(i32[word(i) + 2]!, 4) + hex(i32[word(i) + 1]!, 8) + hex(i32[word(i)]!, 8),
    at: (offset) => WINDOW_BASE + offset,
    read32: (offset) => cpu.mmu.read32(WINDOW_BASE + offset) >>> 0,
    write32: (offset, value) => cpu.mmu.write32(WINDOW_BASE + offset, value),
  };
}

export const statusOf = (cpu: Cpu): number => cpu.i32[S.FPU_SW]!;
export const setControl = (cpu: Cpu, value: number): void => { cpu.i32[S.FPU_CW] = value; };
