import type { Instruction } from "../../translator/isa/instruction.js";
import {
  CR2_AT, EFLAGS_AT, EIP_AT, ERROR_AT, FCW_AT, FSW_AT, FTW_AT, MEMORY_AT, MEMORY_BYTES, MXCSR_AT, ST_AT, type State, VECTOR_AT, WINDOW_BASE, XMM_AT,
} from "./state.js";
import {
  APPROXIMATE, APPROXIMATION_ERROR, ARITHMETIC_FLAGS, COMPARED_FLAGS, COMPARISON_STATUS, COMPARISONS, ONE_ULP, UNDEFINED_STATUS, undefinedFlags, undefinedResult, FXSAVE_VARIES,
} from "./undefined.js";

const REGISTER_NAMES = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
/** C1, which tells how a result was rounded. */
const C1 = 0x200;
const ES = 0x80;
const PF_FETCH = 0x10, PF_WRITE = 2;

const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, "0");
const block = (state: State, at: number, length: number): string =>
  Array.from({ length }, (_, i) => hex(state.bytes[at + length - 1 - i]!, 2)).join("");

/** How the emulator's state after an instruction departs from the processor's; empty when it does not. */
export function differences(instruction: Instruction, input: State, expected: State, actual: State): string[] {
  const { mnemonic } = instruction;
  if (undefinedResult(instruction, input, expected)) return [];
  const found: string[] = [];
  const compare = (name: string, a: number, b: number): void => {
    if (a !== b) found.push(`${name} ${hex(b)}, on silicon ${hex(a)}`);
  };
  compare("vector", expected.get32(VECTOR_AT), actual.get32(VECTOR_AT));
  if (expected.get32(VECTOR_AT) === 14) {
    // An instruction fetch is marked only where there is execute protection.
    // ARPL: AMD's processors read before they know that they will write.
    const ignored = PF_FETCH | (mnemonic === "ARPL" ? PF_WRITE : 0);
    compare("error code", expected.get32(ERROR_AT) & ~ignored, actual.get32(ERROR_AT) & ~ignored);
    compare("CR2", expected.get32(CR2_AT) >>> 12, actual.get32(CR2_AT) >>> 12);
  }
  compare("EIP", expected.get32(EIP_AT), actual.get32(EIP_AT));
  for (let r = 0; r < 8; r++) compare(REGISTER_NAMES[r]!, expected.reg(r), actual.reg(r));
  const unmasked = COMPARISONS.has(mnemonic) && (expected.get16(FSW_AT) & ES) !== 0;
  // At a fault within a repetition the manual has EFLAGS as before the instruction, AMD's processors as after the last iteration.
  const within = instruction.rep !== "" && /^(CMPS|SCAS)$/.test(mnemonic) && expected.get32(VECTOR_AT) === 14;
  const flags = COMPARED_FLAGS & ~undefinedFlags(instruction, input) & (unmasked || within ? ~ARITHMETIC_FLAGS : -1);
  compare("EFLAGS", expected.get32(EFLAGS_AT) & flags, actual.get32(EFLAGS_AT) & flags);
  compare("FCW", expected.get16(FCW_AT), actual.get16(FCW_AT));
  const loose = ONE_ULP.has(mnemonic);
  const status = ~(UNDEFINED_STATUS[mnemonic] ?? 0) & (loose ? ~C1 : -1) & (unmasked ? ~COMPARISON_STATUS : -1);
  compare("FSW", expected.get16(FSW_AT) & status, actual.get16(FSW_AT) & status);
  compare("FTW", expected.bytes[FTW_AT]!, actual.bytes[FTW_AT]!);
  compare("MXCSR", expected.get32(MXCSR_AT), actual.get32(MXCSR_AT));
  const approximate = APPROXIMATE.has(mnemonic);
  for (let i = 0; i < 8; i++) {
    const at = ST_AT + 16 * i;
    if (!sameRegister(expected, actual, at, loose)) found.push(`ST${i} ${block(actual, at, 10)}, on silicon ${block(expected, at, 10)}`);
    const xmm = XMM_AT + 16 * i;
    if (!sameBytes(expected, actual, xmm, 16) && !(approximate && nearlyEqual(expected, actual, xmm))) found.push(`XMM${i} ${block(actual, xmm, 16)}, on silicon ${block(expected, xmm, 16)}`);
  }
  for (let i = 0; i < MEMORY_BYTES; i++) {
    const at = MEMORY_AT + i;
    if (mnemonic === "FXSAVE" && varies(i + WINDOW_BASE - input.reg(6))) continue;
    if (expected.bytes[at] !== actual.bytes[at]) found.push(`[${hex(WINDOW_BASE + i)}] ${hex(actual.bytes[at]!, 2)}, on silicon ${hex(expected.bytes[at]!, 2)}`);
  }
  return found;
}

function sameBytes(a: State, b: State, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (a.bytes[i] !== b.bytes[i]) return false;
  return true;
}

/** Four singles, each within the error of an approximation. */
function nearlyEqual(expected: State, actual: State, at: number): boolean {
  for (let i = at; i < at + 16; i += 4) {
    if (expected.get32(i) === actual.get32(i)) continue;
    const a = expected.view.getFloat32(i, true), b = actual.view.getFloat32(i, true);
    if (!(Math.abs(a - b) <= Math.abs(a) * APPROXIMATION_ERROR)) return false;
  }
  return true;
}

function varies(offset: number): boolean {
  return FXSAVE_VARIES.some(([from, to]) => offset >= from && offset < to);
}

/** Equal, or when `loose` neighbours among the normal values of a sign. */
function sameRegister(expected: State, actual: State, at: number, loose: boolean): boolean {
  if (sameBytes(expected, actual, at, 10)) return true;
  const distance = ordinal(expected, at) - ordinal(actual, at);
  return loose && (distance === 1n || distance === -1n);
}

/** Sign, exponent and fraction as one integer, in which neighbours differ by 1. The integer bit only repeats the exponent. */
function ordinal(state: State, at: number): bigint {
  return BigInt(state.get16(at + 8)) << 63n | BigInt(state.get32(at + 4) & 0x7fffffff) << 32n | BigInt(state.get32(at));
}
