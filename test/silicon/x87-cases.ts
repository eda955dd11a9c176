import type { Instruction } from "../../translator/isa/instruction.js";
import { ROWS } from "../../translator/isa/opcodes.js";
import { double, extended, near, single } from "./floats.js";
import { type Form, formsOf } from "./forms.js";
import { Random, seedOf } from "./random.js";
import { baseState, DATA_PAGE, EFLAGS_AT, FCW_AT, type FormCases, FSW_AT, FTW_AT, MEMORY_OPERAND, PAGE, ST_AT, State } from "./state.js";

/** Inputs for the x87. */

const ARITHMETIC_FLAGS = 0x8d5;

/** Forms of the x87, without FWAIT, which has nothing to wait for here. */
export function x87Forms(): Form[] {
  return ROWS.filter((row) => row.feature === "fpu" || /^F(COMI|UCOMI|CMOV)/.test(row.mnemonic)).filter((row) => row.mnemonic !== "FWAIT").flatMap(formsOf);
}

export function x87Cases(form: Form, count: number, salt: number): FormCases {
  const random = new Random(seedOf(form.name, salt));
  const { mnemonic } = form.instruction;
  return { name: form.name, mnemonic, code: form.code, inputs: Array.from({ length: count }, () => input(random, form.instruction)), outputs: [] };
}

function input(random: Random, instruction: Instruction): State {
  const state = baseState();
  const { view } = state;
  const other = registerOperand(instruction);
  extended(random, view, ST_AT);
  const second = ST_AT + 16 * other;
  if (random.chance(25)) near(random, view, ST_AT, second);
  else extended(random, view, second);
  narrow(random, instruction.mnemonic, state);
  control(random, state);
  if (random.chance(6)) state.bytes[FTW_AT] = random.below(256);
  // Where an instruction pushes, ST(7) is free but for a few times.
  else if (random.chance(90)) state.bytes[FTW_AT] = 0xff & ~(1 << ((state.get16(FSW_AT) >> 11) + 7 & 7));
  state.set32(EFLAGS_AT, 0x202 | random.word() & ARITHMETIC_FLAGS);
  const operand = instruction.operands[0];
  if (operand?.kind === "mem") {
    memory(random, instruction, operand.size, state);
    if (random.chance(2)) state.setReg(6, DATA_PAGE + PAGE - random.below(12));
  }
  return state;
}

/** The stack register beside ST(0) that an instruction uses. */
function registerOperand(instruction: Instruction): number {
  for (const operand of instruction.operands) if (operand.kind === "st" && operand.index !== 0) return operand.index;
  return 1;
}

/** Control word with all roundings and precisions; exceptions unmasked in a quarter of the cases. Flags that are set are masked ones. */
function control(random: Random, state: State): void {
  const masks = random.chance(75) ? 0x3f : random.below(64);
  state.set16(FCW_AT, 0x40 | masks | random.pick([0, 0x200, 0x300, 0x300, 0x300]) | random.below(4) << 10);
  const flags = random.chance(50) ? 0 : random.below(64) & masks;
  state.set16(FSW_AT, flags | random.below(8) << 11 | random.pick([0, 0x4700, random.word() & 0x4700]));
}

/** Operands in the range that the transcendental instructions are for. */
function narrow(random: Random, mnemonic: string, state: State): void {
  const exponent = (at: number, from: number, to: number): void => {
    const hi = state.get32(at + 4);
    if (random.chance(10) || hi < 0x80000000) return;
    state.set16(at + 8, state.get16(at + 8) & 0x8000 | (0x3fff + from + random.below(to - from + 1)));
  };
  if (/^F(SIN|COS|SINCOS|PTAN)$/.test(mnemonic)) exponent(ST_AT, -70, random.chance(50) ? 3 : 64);
  else if (mnemonic === "F2XM1") {
    const se = state.get16(ST_AT + 8) & 0x7fff;
    if (se >= 0x3fff && se < 0x7fff) state.set16(ST_AT + 8, state.get16(ST_AT + 8) & 0x8000 | (0x3ffe - random.below(72)));
  } else if (mnemonic === "FYL2XP1") {
    const se = state.get16(ST_AT + 8) & 0x7fff;
    if (se >= 0x3ffd && se < 0x7fff) state.set16(ST_AT + 8, state.get16(ST_AT + 8) & 0x8000 | (0x3ffc - random.below(72)));
    exponent(ST_AT + 16, -20, 20);
  } else if (mnemonic === "FYL2X") {
    if (random.chance(80)) state.set16(ST_AT + 8, state.get16(ST_AT + 8) & 0x7fff);
    exponent(ST_AT, random.chance(50) ? -1 : -100, random.chance(50) ? 0 : 100);
    exponent(ST_AT + 16, -20, 20);
  } else if (mnemonic === "FPATAN") {
    exponent(ST_AT, -20, 20);
    exponent(ST_AT + 16, -20, 20);
  } else if (mnemonic === "FSCALE") exponent(ST_AT + 16, -2, 15);
  else if (mnemonic === "FBSTP") exponent(ST_AT, -3, 61);
}

function memory(random: Random, instruction: Instruction, size: number, state: State): void {
  const at = State.memoryIndex(MEMORY_OPERAND);
  const { mnemonic } = instruction;
  const { view } = state;
  if (/^FI|^FILD/.test(mnemonic)) {
    state.set32(at, random.value());
    state.set32(at + 4, random.chance(30) ? (random.chance(50) ? 0 : 0xffffffff) : random.value());
  } else if (mnemonic === "FBLD") for (let i = 0; i < 10; i++) state.bytes[at + i] = i === 9 ? random.below(2) * 128 : random.below(10) << 4 | random.below(10);
  else if (mnemonic === "FLDCW") state.set16(at, random.word() & 0xffff);
  else if (mnemonic === "FLDENV" || mnemonic === "FRSTOR") {
    for (let i = 0; i < 128; i += 4) state.set32(at + i, random.word());
    if (random.chance(50)) state.set16(at, 0x37f);
  } else if (size === 80) extended(random, view, at);
  else if (size === 64) double(random, view, at);
  else if (size === 32) single(random, view, at);
}
