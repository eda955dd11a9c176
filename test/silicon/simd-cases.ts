import { SIMD_ROWS } from "../../translator/isa/opcodes-simd.js";
import type { Instruction } from "../../translator/isa/instruction.js";
import { double, single } from "./floats.js";
import { type Form, formsOf } from "./forms.js";
import { Random, seedOf } from "./random.js";
import {
  baseState, DATA_PAGE, EFLAGS_AT, FCW_AT, FSW_AT, FTW_AT, type FormCases, MEMORY_OPERAND, MXCSR_AT, PAGE, SECOND_OPERAND, ST_AT, State, XMM_AT,
} from "./state.js";

/** Inputs for MMX, SSE and SSE2. */

export function simdForms(): Form[] {
  return SIMD_ROWS.flatMap(formsOf).filter((form) => form.instruction.mnemonic !== "CLFLUSH");
}

export function simdCases(form: Form, count: number, salt: number): FormCases {
  const random = new Random(seedOf(form.name, salt));
  const { mnemonic } = form.instruction;
  return { name: form.name, mnemonic, code: form.code, inputs: Array.from({ length: count }, () => input(random, form.instruction)), outputs: [] };
}

/** Sixteen bytes of the kind an instruction works on. */
function vector(random: Random, mnemonic: string, view: DataView, at: number): void {
  const doubles = /PD$|SD$|PD2|SD2|TPD|TSD/.test(mnemonic) && !/2P[SD]$|2S[SD]$/.test(mnemonic) || /^CVTT?(PD|SD)/.test(mnemonic);
  const floats = /(PS|SS)$|PS2|SS2/.test(mnemonic);
  const integers = /^CVT(PI|SI|DQ)2/.test(mnemonic);
  for (let i = 0; i < 16; i += 4) view.setUint32(at + i, random.value(), true);
  if (integers) return;
  if (doubles) for (let i = 0; i < 16; i += 8) double(random, view, at + i);
  else if (floats) for (let i = 0; i < 16; i += 4) single(random, view, at + i);
  // Bytes and words that saturate.
  else if (random.chance(50)) for (let i = 0; i < 16; i++) view.setUint8(at + i, random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]));
}

/** Makes b near a: for comparisons, cancellation. */
function similar(random: Random, state: State, a: number, b: number): void {
  for (let i = 0; i < 16; i++) state.bytes[b + i] = state.bytes[a + i]!;
  const flip = random.below(16);
  state.bytes[b + flip] = state.bytes[b + flip]! ^ 1 << random.below(8);
}

function input(random: Random, instruction: Instruction): State {
  const state = baseState();
  const { view } = state;
  const { mnemonic, operands } = instruction;
  const memory = State.memoryIndex(MEMORY_OPERAND);
  const at = operands.map((operand) =>
    operand.kind === "xmm" ? XMM_AT + 16 * operand.index : operand.kind === "mm" ? ST_AT + 16 * operand.index : operand.kind === "mem" ? memory : -1);
  for (const place of at) if (place >= 0) vector(random, mnemonic, view, place);
  if (at.length > 1 && at[0]! >= 0 && at[1]! >= 0 && random.chance(25)) similar(random, state, at[0]!, at[1]!);
  // A count for shifts by register.
  if (/^PS[LR][LA]/.test(mnemonic) && at[1] !== undefined && at[1] >= 0) {
    state.set32(at[1] + 4, random.chance(90) ? 0 : random.below(2));
    state.set32(at[1], random.below(72));
  }
  const masks = random.chance(75) ? 0x1f80 : random.below(64) << 7;
  const flags = random.chance(60) ? 0 : random.below(64) & masks >> 7;
  state.set32(MXCSR_AT, masks | flags | random.below(4) << 13 | (random.chance(20) ? 0x40 : 0) | (random.chance(20) ? 0x8000 : 0));
  for (const r of [0, 1, 2, 3]) state.setReg(r, random.value());
  state.set32(EFLAGS_AT, 0x202 | random.word() & 0x8d5);
  // Significands of MMX registers are at ST(i) only where TOP is 0.
  state.set16(FSW_AT, random.chance(80) ? 0 : random.below(8) << 11);
  state.bytes[FTW_AT] = random.chance(60) ? 0xff : random.below(256);
  for (let i = 0; i < 8; i++) if (random.chance(30)) state.set16(ST_AT + 16 * i + 8, 0xffff);
  special(random, instruction, state, memory);
  if (operands.some((operand) => operand.kind === "mem") && random.chance(4)) {
    state.setReg(6, random.chance(50) ? MEMORY_OPERAND + random.below(16) : DATA_PAGE + PAGE - random.below(17));
  }
  return state;
}

function special(random: Random, instruction: Instruction, state: State, memory: number): void {
  const { mnemonic } = instruction;
  if (mnemonic === "FXRSTOR") {
    const image = memory;
    for (let i = 0; i < 512; i += 4) state.set32(image + i, random.word());
    state.set16(image, 0x37f);
    state.set16(image + 2, random.word() & 0x7f00);
    for (let i = 0; i < 8; i++) for (let k = 10; k < 16; k++) state.bytes[image + 32 + 16 * i + k] = 0;
    state.set32(image + 24, random.chance(90) ? random.word() & 0xffff : random.word());
    state.set16(image + 6, 0);
    for (let i = 8; i < 24; i += 4) state.set32(image + i, 0);
  } else if (mnemonic === "LDMXCSR") state.set32(memory, random.chance(80) ? random.word() & 0xffff : random.word());
  else if (mnemonic.startsWith("MASKMOV")) state.setReg(7, random.chance(90) ? SECOND_OPERAND + random.below(16) : DATA_PAGE + PAGE - random.below(16));
  state.set16(FCW_AT, 0x37f);
}
