import { linearAddress } from "../operand-access.js";
import { helper, type Semantics } from "../semantics.js";
import {
  A, B, enterMmx, enterSse, immediate, type Lanes, loadMm, loadSource, loadXmm, registerOf, storeMm, storeXmm, useMmx,
} from "./registers.js";
import { packed, signedByte, signedWord, unsignedByte } from "./packed-integer.js";

/** Packing, unpacking and shuffling (SDM vol. 1, 9.4.3, 10.4.4, 11.4.1 and 11.4.2). */

const T8 = new Uint8Array(16), T16 = new Int16Array(8), T32 = new Int32Array(4);

/** PACKSS and PACKUS: the lanes of A, then those of B, at half the width. */
function pack(from: Int16Array, second: Int16Array, to: Uint8Array, saturate: (value: number) => number): Semantics {
  return helper(packed((bytes) => {
    const n = bytes >> 1;
    for (let i = 0; i < n; i++) {
      T8[i] = saturate(from[i]!);
      T8[n + i] = saturate(second[i]!);
    }
    for (let i = 0; i < bytes; i++) to[i] = T8[i]!;
  }));
}

function packDoublewords(bytes: number): void {
  const n = bytes >> 2;
  for (let i = 0; i < n; i++) {
    T16[i] = signedWord(A.i32[i]!);
    T16[n + i] = signedWord(B.i32[i]!);
  }
  for (let i = 0; i < bytes >> 1; i++) A.i16[i] = T16[i]!;
}

/** Interleaves units of `unit` bytes of the low or high halves of A and B. */
function unpack(unit: number, high: boolean): Semantics {
  return helper(packed((bytes) => {
    const start = high ? bytes >> 1 : 0;
    for (let i = 0; i < bytes; i += 2 * unit) {
      const from = start + (i >> 1);
      for (let k = 0; k < unit; k++) {
        T8[i + k] = A.u8[from + k]!;
        T8[i + unit + k] = B.u8[from + k]!;
      }
    }
    for (let i = 0; i < bytes; i++) A.u8[i] = T8[i]!;
  }));
}

/** The four doublewords that a control byte chooses, two bits each. */
function shuffleDoublewords(from: Lanes, control: number): void {
  for (let i = 0; i < 4; i++) T32[i] = from.i32[control >> 2 * i & 3]!;
  A.i32.set(T32);
}

const pshufd = helper((cpu, instruction) => {
  enterSse(cpu);
  loadSource(cpu, instruction.operands[1]!, B);
  shuffleDoublewords(B, immediate(instruction));
  storeXmm(cpu, registerOf(instruction, 0));
});

/** PSHUFLW and PSHUFHW: four words from `first` on; the others are copied. */
function shuffleWords(first: number): Semantics {
  return helper((cpu, instruction) => {
    enterSse(cpu);
    loadSource(cpu, instruction.operands[1]!, B);
    const control = immediate(instruction);
    A.i32.set(B.i32);
    for (let i = 0; i < 4; i++) A.i16[first + i] = B.i16[first + (control >> 2 * i & 3)]!;
    storeXmm(cpu, registerOf(instruction, 0));
  });
}

const pshufw = helper((cpu, instruction) => {
  enterMmx(cpu);
  loadSource(cpu, instruction.operands[1]!, B);
  const control = immediate(instruction);
  for (let i = 0; i < 4; i++) A.i16[i] = B.i16[control >> 2 * i & 3]!;
  useMmx(cpu);
  storeMm(cpu, registerOf(instruction, 0));
});

/** SHUFPS: two lanes of A, then two of B; SHUFPD: one of each. */
function shuffleFloats(double: boolean): Semantics {
  return helper((cpu, instruction) => {
    enterSse(cpu);
    const index = registerOf(instruction, 0);
    loadSource(cpu, instruction.operands[1]!, B);
    loadXmm(cpu, index, A);
    const control = immediate(instruction);
    if (double) {
      for (let k = 0; k < 2; k++) {
        T32[k] = A.i32[2 * (control & 1) + k]!;
        T32[2 + k] = B.i32[2 * (control >> 1 & 1) + k]!;
      }
    } else for (let i = 0; i < 4; i++) T32[i] = (i < 2 ? A : B).i32[control >> 2 * i & 3]!;
    A.i32.set(T32);
    storeXmm(cpu, index);
  });
}

/** PINSRW: a word of a register or memory into one lane. */
const pinsrw = helper((cpu, instruction) => {
  const mmx = instruction.operands[0]!.kind === "mm";
  if (mmx) enterMmx(cpu);
  else enterSse(cpu);
  const source = instruction.operands[1]!, index = registerOf(instruction, 0);
  let word: number;
  if (source.kind === "mem") word = cpu.mmu.read16(linearAddress(cpu, source, 2, false));
  else word = cpu.i32[registerOf(instruction, 1)]!;
  if (mmx) {
    loadMm(cpu, index, A);
    A.u16[immediate(instruction) & 3] = word;
    useMmx(cpu);
    storeMm(cpu, index);
  } else {
    loadXmm(cpu, index, A);
    A.u16[immediate(instruction) & 7] = word;
    storeXmm(cpu, index);
  }
});

const pextrw = helper((cpu, instruction) => {
  const mmx = instruction.operands[1]!.kind === "mm";
  if (mmx) enterMmx(cpu);
  else enterSse(cpu);
  loadSource(cpu, instruction.operands[1]!, B);
  if (mmx) useMmx(cpu);
  cpu.i32[registerOf(instruction, 0)] = B.u16[immediate(instruction) & (mmx ? 3 : 7)]!;
});

const unpackLow = (unit: number): Semantics => unpack(unit, false);
const unpackHigh = (unit: number): Semantics => unpack(unit, true);

export const SHUFFLES: Readonly<Record<string, Semantics>> = {
  PACKSSWB: pack(A.i16, B.i16, A.u8, signedByte), PACKUSWB: pack(A.i16, B.i16, A.u8, unsignedByte), PACKSSDW: helper(packed(packDoublewords)),
  PUNPCKLBW: unpackLow(1), PUNPCKLWD: unpackLow(2), PUNPCKLDQ: unpackLow(4), PUNPCKLQDQ: unpackLow(8), UNPCKLPS: unpackLow(4), UNPCKLPD: unpackLow(8),
  PUNPCKHBW: unpackHigh(1), PUNPCKHWD: unpackHigh(2), PUNPCKHDQ: unpackHigh(4), PUNPCKHQDQ: unpackHigh(8), UNPCKHPS: unpackHigh(4), UNPCKHPD: unpackHigh(8),
  PSHUFD: pshufd, PSHUFLW: shuffleWords(0), PSHUFHW: shuffleWords(4), PSHUFW: pshufw,
  SHUFPS: shuffleFloats(false), SHUFPD: shuffleFloats(true), PINSRW: pinsrw, PEXTRW: pextrw,
};
