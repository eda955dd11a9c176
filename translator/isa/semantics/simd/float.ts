import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import type { Instruction } from "../../instruction.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { add, subtract } from "../x87/add.js";
import { DE, IE } from "../x87/bits.js";
import { divide } from "../x87/divide.js";
import { multiply } from "../x87/multiply.js";
import { squareRoot } from "../x87/square-root.js";
import { type Arithmetic, binaryLane, isNaNLane, isSignalingLane, settleDenormal, unaryLane } from "./float-lanes.js";
import { controlWord, report } from "./mxcsr.js";
import { A, B, enterSse, immediate, loadSource, loadXmm, registerOf, storeXmm } from "./registers.js";

/** Arithmetic and comparison of packed and scalar floats (SDM vol. 1, 10.4.1.2, 10.4.2, 11.4.1.2 and 11.4.1.4). */

/** The fours of a mnemonic's forms: PS, SS, PD, SD. */
interface Shape { readonly suffix: string; readonly double: boolean; readonly lanes: number }
const SHAPES: readonly Shape[] = [
  { suffix: "PS", double: false, lanes: 4 }, { suffix: "SS", double: false, lanes: 1 },
  { suffix: "PD", double: true, lanes: 2 }, { suffix: "SD", double: true, lanes: 1 },
];

/** Computes one lane of A from A and B; gives its exceptions. */
type LaneOperation = (lane: number, double: boolean, cw: number, mxcsr: number, instruction: Instruction) => number;

function lanewise(shape: Shape, operation: LaneOperation): Semantics {
  const { double, lanes } = shape;
  return helper((cpu, instruction) => {
    enterSse(cpu);
    const index = registerOf(instruction, 0);
    loadSource(cpu, instruction.operands[1]!, B);
    loadXmm(cpu, index, A);
    const mxcsr = cpu.i32[S.MXCSR]!;
    const cw = controlWord(mxcsr, double);
    let flags = 0;
    for (let lane = 0; lane < lanes; lane++) flags |= operation(lane, double, cw, mxcsr, instruction);
    report(cpu, flags);
    storeXmm(cpu, index);
  });
}

function shapes(name: string, operation: LaneOperation): [string, Semantics][] {
  return SHAPES.map((shape) => [name + shape.suffix, lanewise(shape, operation)]);
}

// ---- arithmetic ------------------------------------------------------------------------------------------------------

/** All exceptions masked, rounding to nearest, no DAZ or FTZ, and inexact already recorded: the host's arithmetic does where nothing is special. */
const PLAIN_MASK = 0xffe0, PLAIN = 0x1fa0;

function isPlain(bits: number, double: boolean): boolean {
  const exp = double ? bits >> 20 & 0x7ff : bits >> 23 & 0xff;
  return exp > 1 && exp < (double ? 0x7ff : 0xff);
}

/** Arithmetic with a fast path: normal operands and a result well within the normal range raise nothing but inexact. */
function arithmetic(op: Arithmetic, host: (a: number, b: number) => number): LaneOperation {
  return (lane, double, cw, mxcsr) => {
    if ((mxcsr & PLAIN_MASK) === PLAIN) {
      const word = double ? 2 * lane + 1 : lane;
      const aHigh = A.i32[word]!, bHigh = B.i32[word]!;
      if (isPlain(aHigh, double) && isPlain(bHigh, double)) {
        const aLow = A.i32[2 * lane & 3]!;
        if (double) A.f64[lane] = host(A.f64[lane]!, B.f64[lane]!);
        else A.f32[lane] = host(A.f32[lane]!, B.f32[lane]!);
        if (isPlain(A.i32[word]!, double)) return 0;
        A.i32[word] = aHigh;
        if (double) A.i32[2 * lane] = aLow;
      }
    }
    return binaryLane(op, lane, double, cw, mxcsr);
  };
}

const squareRootLane: LaneOperation = (lane, double, cw, mxcsr) => unaryLane(squareRoot, lane, double, cw, mxcsr);

/** MIN and MAX: the second operand when either is a NaN or both are zeros, without a change to it. */
function extreme(takesFirst: (a: number, b: number) => boolean): LaneOperation {
  return (lane, double, _cw, mxcsr) => {
    const denormal = settleDenormal(A, lane, double, mxcsr) | settleDenormal(B, lane, double, mxcsr);
    const nan = isNaNLane(A, lane, double) || isNaNLane(B, lane, double);
    const first = !nan && (double ? takesFirst(A.f64[lane]!, B.f64[lane]!) : takesFirst(A.f32[lane]!, B.f32[lane]!));
    if (!first) {
      if (double) {
        A.i32[2 * lane] = B.i32[2 * lane]!;
        A.i32[2 * lane + 1] = B.i32[2 * lane + 1]!;
      } else A.i32[lane] = B.i32[lane]!;
    }
    return nan ? IE : denormal;
  };
}

// ---- comparison ------------------------------------------------------------------------------------------------------

const LESS = 0, EQUAL = 1, GREATER = 2, UNORDERED = 3;

/** How a lane of A compares with B's. */
function relation(lane: number, double: boolean): number {
  if (isNaNLane(A, lane, double) || isNaNLane(B, lane, double)) return UNORDERED;
  const a = double ? A.f64[lane]! : A.f32[lane]!, b = double ? B.f64[lane]! : B.f32[lane]!;
  return a < b ? LESS : a > b ? GREATER : EQUAL;
}

/** Exceptions of a comparison; `quiet` ones let quiet NaNs pass. */
function compareFlags(lane: number, double: boolean, quiet: boolean, denormal: number): number {
  if (isSignalingLane(A, lane, double) || isSignalingLane(B, lane, double)) return IE;
  if (isNaNLane(A, lane, double) || isNaNLane(B, lane, double)) return quiet ? 0 : IE;
  return denormal & DE;
}

/** The relations for which predicates EQ, LT, LE and UNORD hold, as bits; 4 to 7 are their negations (SDM vol. 2, table 3-1). */
const PREDICATES = [1 << EQUAL, 1 << LESS, 1 << LESS | 1 << EQUAL, 1 << UNORDERED];

const compareLane: LaneOperation = (lane, double, _cw, mxcsr, instruction) => {
  const predicate = immediate(instruction) & 7;
  const denormal = settleDenormal(A, lane, double, mxcsr) | settleDenormal(B, lane, double, mxcsr);
  const quiet = (predicate & 3) === 0 || (predicate & 3) === 3;
  const flags = compareFlags(lane, double, quiet, denormal);
  const holds = (PREDICATES[predicate & 3]! >> relation(lane, double) & 1) !== predicate >> 2;
  const bits = holds ? -1 : 0;
  if (double) A.i32[2 * lane] = A.i32[2 * lane + 1] = bits;
  else A.i32[lane] = bits;
  return flags;
};

/** COMIS and UCOMIS: the relation in ZF, PF and CF; OF, SF and AF are cleared. */
function compareToFlags(double: boolean, quiet: boolean): ComplexFunction {
  return (cpu: Cpu, instruction: Instruction) => {
    enterSse(cpu);
    loadSource(cpu, instruction.operands[1]!, B);
    loadXmm(cpu, registerOf(instruction, 0), A);
    const mxcsr = cpu.i32[S.MXCSR]!;
    const denormal = settleDenormal(A, 0, double, mxcsr) | settleDenormal(B, 0, double, mxcsr);
    report(cpu, compareFlags(0, double, quiet, denormal));
    const found = relation(0, double);
    const flags = found === UNORDERED ? S.FLAG_ZF | S.FLAG_PF | S.FLAG_CF : found === EQUAL ? S.FLAG_ZF : found === LESS ? S.FLAG_CF : 0;
    cpu.eflags = cpu.eflags & ~S.FLAGS_ARITHMETIC | flags;
  };
}

// ---- approximations --------------------------------------------------------------------------------------------------

/** RCP and RSQRT: within 1.5 * 2^-12 of the value, no exceptions; denormals are zeros, and tiny results too. */
function approximate(f: (x: number) => number): LaneOperation {
  return (lane) => {
    if (isNaNLane(B, lane, false)) A.i32[lane] = B.i32[lane]! | 0x400000;
    else {
      if ((B.i32[lane]! & 0x7f800000) === 0) B.i32[lane]! &= 0x80000000;
      A.f32[lane] = f(B.f32[lane]!);
      if (isNaNLane(A, lane, false)) A.i32[lane] = 0xffc00000;
      else if ((A.i32[lane]! & 0x7f800000) === 0) A.i32[lane]! &= 0x80000000;
      else if ((A.i32[lane]! & 0x7f800000) !== 0x7f800000) A.i32[lane] = A.i32[lane]! + 0x400 & 0xfffff800;
    }
    return 0;
  };
}

const single = SHAPES.slice(0, 2);
const reciprocal = approximate((x) => 1 / x), reciprocalRoot = approximate((x) => 1 / Math.sqrt(x));

export const FLOAT: Readonly<Record<string, Semantics>> = Object.fromEntries([
  ...shapes("ADD", arithmetic(add, (a, b) => a + b)),
  ...shapes("SUB", arithmetic(subtract, (a, b) => a - b)),
  ...shapes("MUL", arithmetic(multiply, (a, b) => a * b)),
  ...shapes("DIV", arithmetic(divide, (a, b) => a / b)),
  ...shapes("SQRT", squareRootLane),
  ...shapes("MIN", extreme((a, b) => a < b)),
  ...shapes("MAX", extreme((a, b) => a > b)),
  ...shapes("CMP", compareLane),
  ...single.map((shape): [string, Semantics] => [`RCP${shape.suffix}`, lanewise(shape, reciprocal)]),
  ...single.map((shape): [string, Semantics] => [`RSQRT${shape.suffix}`, lanewise(shape, reciprocalRoot)]),
  ["COMISS", helper(compareToFlags(false, false))], ["UCOMISS", helper(compareToFlags(false, true))],
  ["COMISD", helper(compareToFlags(true, false))], ["UCOMISD", helper(compareToFlags(true, true))],
]);
