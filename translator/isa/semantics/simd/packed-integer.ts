import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { A, B, enterMmx, enterSse, immediate, type Lanes, loadMm, loadSource, loadXmm, MM_BYTES, registerOf, storeMm, storeXmm, useMmx, XMM_BYTES } from "./registers.js";

/** Arithmetic, logic, comparisons and shifts of packed integers (SDM vol. 1, 9.4 and 11.4.2). */

/** Computes A from A and B, which have `bytes` bytes. */
export type Packed = (bytes: number) => void;

/** An operation on MMX registers or, by its first operand, XMM registers. */
export function packed(op: Packed): ComplexFunction {
  return (cpu, instruction) => {
    const index = registerOf(instruction, 0);
    const source = instruction.operands[1]!;
    if (instruction.operands[0]!.kind === "mm") {
      enterMmx(cpu);
      loadSource(cpu, source, B);
      loadMm(cpu, index, A);
      op(MM_BYTES);
      useMmx(cpu);
      storeMm(cpu, index);
    } else {
      enterSse(cpu);
      loadSource(cpu, source, B);
      loadXmm(cpu, index, A);
      op(XMM_BYTES);
      storeXmm(cpu, index);
    }
  };
}

type View = Exclude<keyof Lanes, "f32" | "f64">;
type LaneFunction = (a: number, b: number) => number;

/** One function for each pair of lanes; storing truncates to the lane. */
function each(view: View, f: LaneFunction): Semantics {
  const a = A[view], b = B[view];
  return helper(packed((bytes) => {
    const n = bytes / a.BYTES_PER_ELEMENT;
    for (let i = 0; i < n; i++) a[i] = f(a[i]!, b[i]!);
  }));
}

const clamp = (value: number, low: number, high: number): number => value < low ? low : value > high ? high : value;
export const signedByte = (value: number): number => clamp(value, -128, 127);
export const signedWord = (value: number): number => clamp(value, -32768, 32767);
export const unsignedByte = (value: number): number => clamp(value, 0, 255);
const unsignedWord = (value: number): number => clamp(value, 0, 65535);

const plus: LaneFunction = (a, b) => a + b;
const minus: LaneFunction = (a, b) => a - b;
const equal: LaneFunction = (a, b) => a === b ? -1 : 0;
const greater: LaneFunction = (a, b) => a > b ? -1 : 0;
const average: LaneFunction = (a, b) => a + b + 1 >> 1;

/** 64-bit sums and differences, and the 64-bit products of the even doublewords. */
function quadwords(negate: boolean): Packed {
  return (bytes) => {
    for (let i = 0; i < bytes >> 2; i += 2) {
      const low = negate ? A.u32[i]! - B.u32[i]! : A.u32[i]! + B.u32[i]!;
      const carry = negate ? (low < 0 ? -1 : 0) : low > 0xffffffff ? 1 : 0;
      A.u32[i + 1] = (negate ? A.u32[i + 1]! - B.u32[i + 1]! : A.u32[i + 1]! + B.u32[i + 1]!) + carry;
      A.u32[i] = low;
    }
  };
}

function multiplyDoublewords(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i += 2) {
    const product = BigInt(A.u32[i]!) * BigInt(B.u32[i]!);
    A.u32[i] = Number(product & 0xffffffffn);
    A.u32[i + 1] = Number(product >> 32n);
  }
}

/** PMADDWD: sums of neighbouring products. */
function multiplyAdd(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i++) A.i32[i] = A.i16[2 * i]! * B.i16[2 * i]! + A.i16[2 * i + 1]! * B.i16[2 * i + 1]!;
}

/** PSADBW: the sum of differences of each eight bytes. */
function sumOfDifferences(bytes: number): void {
  for (let i = 0; i < bytes; i += 8) {
    let sum = 0;
    for (let k = 0; k < 8; k++) sum += Math.abs(A.u8[i + k]! - B.u8[i + k]!);
    A.i32[i >> 2] = sum;
    A.i32[(i >> 2) + 1] = 0;
  }
}

// ---- shifts ----------------------------------------------------------------------------------------------------------

type Shift = (count: number, bytes: number) => void;

/** A shift by an immediate or by the low 64 bits of the source; a count too large acts as 255. */
function shift(op: Shift): Semantics {
  const byRegister = packed((bytes) => op(B.i32[1] !== 0 || B.u32[0]! > 255 ? 255 : B.u32[0]!, bytes));
  return helper((cpu, instruction) => {
    if (instruction.operands[1]!.kind !== "imm") return byRegister(cpu, instruction);
    const index = registerOf(instruction, 0);
    if (instruction.operands[0]!.kind === "mm") {
      enterMmx(cpu);
      loadMm(cpu, index, A);
      op(immediate(instruction), MM_BYTES);
      useMmx(cpu);
      storeMm(cpu, index);
    } else {
      enterSse(cpu);
      loadXmm(cpu, index, A);
      op(immediate(instruction), XMM_BYTES);
      storeXmm(cpu, index);
    }
  });
}

/** Shifts of 16- or 32-bit lanes. An arithmetic shift past the width fills with the sign. */
function laneShift(view: View, width: number, f: (a: number, count: number) => number, arithmetic: boolean): Semantics {
  const a = A[view];
  return shift((count, bytes) => {
    const n = bytes / a.BYTES_PER_ELEMENT;
    if (count >= width && !arithmetic) a.fill(0);
    else for (let i = 0; i < n; i++) a[i] = f(a[i]!, Math.min(count, width - 1));
  });
}

const left = (a: number, count: number): number => a << count;
const right = (a: number, count: number): number => a >>> count;
const arithmetic = (a: number, count: number): number => a >> count;

function quadShift(toLeft: boolean): Semantics {
  return shift((count, bytes) => {
    for (let i = 0; i < bytes >> 2; i += 2) {
      const low = A.i32[i]!, high = A.i32[i + 1]!;
      const n = count & 31;
      const near = n === 0 ? 0 : 32 - n;
      if (count > 63) A.i32[i] = A.i32[i + 1] = 0;
      else if (toLeft) {
        A.i32[i] = count > 31 ? 0 : low << n;
        A.i32[i + 1] = count > 31 ? low << n : n === 0 ? high : high << n | low >>> near;
      } else {
        A.i32[i + 1] = count > 31 ? 0 : high >>> n;
        A.i32[i] = count > 31 ? high >>> n : n === 0 ? low : low >>> n | high << near;
      }
    }
  });
}

/** PSLLDQ and PSRLDQ move whole bytes. */
const bytesLeft = shift((count) => {
  for (let i = 15; i >= 0; i--) A.u8[i] = i >= count ? A.u8[i - count]! : 0;
});
const bytesRight = shift((count) => {
  for (let i = 0; i < 16; i++) A.u8[i] = i + count < 16 ? A.u8[i + count]! : 0;
});

const and = each("i32", (a, b) => a & b), andNot = each("i32", (a, b) => ~a & b), or = each("i32", (a, b) => a | b), xor = each("i32", (a, b) => a ^ b);

export const PACKED_INTEGER: Readonly<Record<string, Semantics>> = {
  PADDB: each("u8", plus), PADDW: each("u16", plus), PADDD: each("i32", plus), PADDQ: helper(packed(quadwords(false))),
  PSUBB: each("u8", minus), PSUBW: each("u16", minus), PSUBD: each("i32", minus), PSUBQ: helper(packed(quadwords(true))),
  PADDSB: each("i8", (a, b) => signedByte(a + b)), PADDSW: each("i16", (a, b) => signedWord(a + b)),
  PADDUSB: each("u8", (a, b) => unsignedByte(a + b)), PADDUSW: each("u16", (a, b) => unsignedWord(a + b)),
  PSUBSB: each("i8", (a, b) => signedByte(a - b)), PSUBSW: each("i16", (a, b) => signedWord(a - b)),
  PSUBUSB: each("u8", (a, b) => unsignedByte(a - b)), PSUBUSW: each("u16", (a, b) => unsignedWord(a - b)),
  PMULLW: each("i16", (a, b) => a * b), PMULHW: each("i16", (a, b) => a * b >> 16), PMULHUW: each("u16", (a, b) => a * b / 65536),
  PMULUDQ: helper(packed(multiplyDoublewords)), PMADDWD: helper(packed(multiplyAdd)), PSADBW: helper(packed(sumOfDifferences)),
  PCMPEQB: each("i8", equal), PCMPEQW: each("i16", equal), PCMPEQD: each("i32", equal),
  PCMPGTB: each("i8", greater), PCMPGTW: each("i16", greater), PCMPGTD: each("i32", greater),
  PMINUB: each("u8", Math.min), PMAXUB: each("u8", Math.max), PMINSW: each("i16", Math.min), PMAXSW: each("i16", Math.max),
  PAVGB: each("u8", average), PAVGW: each("u16", average),
  PAND: and, PANDN: andNot, POR: or, PXOR: xor,
  ANDPS: and, ANDPD: and, ANDNPS: andNot, ANDNPD: andNot, ORPS: or, ORPD: or, XORPS: xor, XORPD: xor,
  PSLLW: laneShift("u16", 16, left, false), PSLLD: laneShift("i32", 32, left, false), PSLLQ: quadShift(true),
  PSRLW: laneShift("u16", 16, right, false), PSRLD: laneShift("u32", 32, right, false), PSRLQ: quadShift(false),
  PSRAW: laneShift("i16", 16, arithmetic, true), PSRAD: laneShift("i32", 32, arithmetic, true),
  PSLLDQ: bytesLeft, PSRLDQ: bytesRight,
};
