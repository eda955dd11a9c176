// Random x87 programs on the interpreter, which has the semantics only, and on generated code, which does the common case
// on pairs of doubles: registers, tags, status, pointers, memory and time are the same. TRIVISOR_FUZZ=N runs N programs
// instead of the default; TRIVISOR_SEED begins at another one.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { addPairs, dividePairs, fromWords, multiplyPairs, P, toWords } from "../../translator/codegen/x87-pairs.js";
import { ADD_DOUBLE, ADD_PAIRS, MULTIPLY_DOUBLE, MULTIPLY_PAIRS } from "../../translator/codegen/x87-templates.js";
import { add, subtract } from "../../translator/isa/semantics/x87/add.js";
import type { Binary } from "../../translator/isa/semantics/x87/arithmetic-instructions.js";
import { HI, LO, R, SE } from "../../translator/isa/semantics/x87/bits.js";
import { divide } from "../../translator/isa/semantics/x87/divide.js";
import { multiply } from "../../translator/isa/semantics/x87/multiply.js";
import { Random } from "../isa/random.js";
import { assemble, dec, ECX, jnz, label, mov, type Part, word } from "./asm.js";
import { CODE, CALM, DATA, difference, hex, Rig } from "./rig.js";

const PROGRAMS = Number(process.env["TRIVISOR_FUZZ"] ?? 160);
const SEED = Number(process.env["TRIVISOR_SEED"] ?? 1);
const LENGTH = 40, TURNS = 12;

/** Operands in memory: 64 of 16 bytes, then places to store to. */
const OPERANDS = 64;
const STORES = DATA + OPERANDS * 16;

/** Numbers that meet in ties, cancellation and long carries, all of the exponent range of doubles' pairs and beyond, and what is no number. */
function significand(random: Random): [number, number] {
  switch (random.below(8)) {
    case 0: return [0, 0x80000000 | 0];
    case 1: return [-1, -1];
    case 2: return [0, 0x80000000 | random.next()];
    case 3: return [1 << random.below(32), 0x80000000 | 1 << random.below(32)];
    case 4: return [-1 << random.below(32), -1 << random.below(31)];
    case 5: return [random.pick([0, 0x400, 0x800, 0xc00, 0x7ff, 0x401]), 0x80000000 | random.next()];
    case 6: return [random.pick([1, -1, 0, -2]), random.pick([0x80000000 | 0, -1, 0xc0000000 | 0])];
    default: return [random.next() | 0, 0x80000000 | random.next()];
  }
}

function exponent(random: Random, calm: boolean): number {
  const e = random.below(calm ? 12 : 24);
  if (e < 6) return 16383 + random.below(5) - 2;
  if (e < 9) return 16383 + random.below(140) - 70;
  if (e < 12) return 16383 + random.below(600) - 300;
  if (e < 14) return 16383 + random.pick([-441, -440, -439, -438, 437, 438, 439, 440, -126, -127, 126, 127, -1022, -1023, 1023]);
  if (e < 18) return 16383 + random.below(30) - 15;
  return random.pick([0, 1, 2, 32766, 32767, 16383 + random.below(2200) - 1100]);
}

function writeOperand(random: Random, view: DataView, at: number, format: Format, calm: boolean): void {
  const [lo, hi] = significand(random);
  const se = exponent(random, calm) | random.below(2) << 15;
  const biased = (bias: number): number => Math.max(calm ? 1 : 0, Math.min(2 * bias + (calm ? 0 : 1), (se & 0x7fff) - 16383 + bias));
  const sign = (se & 0x8000) << 16;
  switch (format) {
    case 80:
      view.setInt32(at, lo, true);
      view.setInt32(at + 4, !calm && random.below(16) === 0 ? hi & 0x7fffffff : hi, true);
      view.setUint16(at + 8, se, true);
      break;
    case 64:
      if (random.below(3) === 0) {
        view.setFloat64(at, random.pick([0, -0, 1, -1, 0.5, 2, 3, 10, 0.1, 1.5, 1e10, 4503599627370497, 9007199254740993, 2147483647.5, -2147483648.5, 65536]), true);
        break;
      }
      view.setInt32(at, lo, true);
      view.setInt32(at + 4, sign | biased(1023) << 20 | hi >>> 11 & 0xfffff, true);
      break;
    case 32:
      view.setInt32(at, sign | biased(127) << 23 | hi >>> 8 & 0x7fffff, true);
      break;
    default:
      view.setInt32(at, random.pick([0, 1, -1, 2, 3, 0x7fffffff, 0x80000000 | 0, 0x12345678, random.next() | 0]), true);
      view.setInt32(at + 4, random.pick([0, -1, random.next() | 0]), true);
  }
}

/** A quarter of the operands each suits one format best; in wild programs any is taken as any. */
const FORMATS = [80, 64, 32, 0] as const;
const STRIDE = 16;
type Format = (typeof FORMATS)[number];

const place = (random: Random, format: Format, calm: boolean): number =>
  DATA + (calm || random.below(3) !== 0 ? FORMATS.indexOf(format) * STRIDE + random.below(STRIDE) : random.below(OPERANDS)) * 16;
const target = (random: Random): number => STORES + random.below(32) * 16 + (random.below(12) === 0 ? random.below(4) : 0);
const absolute = (opcode: number, digit: number, address: number): number[] => [opcode, digit << 3 | 5, ...word(address)];

const LOADS: readonly (readonly [number, number, Format])[] = [[0xd9, 0, 32], [0xdd, 0, 64], [0xdd, 0, 64], [0xdb, 5, 80], [0xdb, 5, 80], [0xdb, 0, 0], [0xdf, 0, 0], [0xdf, 5, 0]];

/** An instruction, and how it changes the number of registers in use, which is `depth` before. */
function instruction(random: Random, calm: boolean, depth: number): [number[], number] {
  const i = calm || random.below(10) !== 0 ? random.below(Math.max(1, depth)) : random.below(8);
  const kind = random.below(100);
  const mayPop = !calm || depth > 2, mayPush = !calm || depth < 7;
  // ADD MUL SUB SUBR DIV DIVR; 2 and 3 are the comparisons.
  const operation = random.pick([0, 1, 4, 5, 0, 1, 4, 1, 6, 7]);
  if (kind < 6) return [absolute(0xdd, 7, target(random)), 0];
  if (kind < 24) return [[random.pick([0xd8, 0xdc]), 0xc0 | operation << 3 | i], 0];
  if (kind < 32) return mayPop ? [[0xde, 0xc0 | operation << 3 | (calm ? Math.max(1, i) : i)], -1] : [[0xd8, 0xc0 | operation << 3 | i], 0];
  if (kind < 42) {
    const [opcode, format] = random.pick([[0xd8, 32], [0xdc, 64], [0xdc, 64], [0xda, 0], [0xde, 0]] as const);
    return [absolute(opcode, operation, place(random, format, calm)), 0];
  }
  if (kind < 54) {
    const [opcode, digit, format] = random.pick(LOADS);
    return mayPush ? [absolute(opcode, digit, place(random, format, calm)), 1] : [[0xd9, 0xc8 | i], 0];
  }
  if (kind < 60) return mayPush ? [[0xd9, 0xc0 | i], 1] : [[0xd9, 0xc8 | i], 0];
  if (kind < 66) return [[0xd9, 0xc8 | i], 0];
  if (kind < 70) return mayPop && random.below(2) === 0 ? [[0xdd, 0xd8 | i], -1] : [[0xdd, 0xd0 | i], 0];
  if (kind < 76) return mayPop && random.below(2) === 0 ? [absolute(random.pick([0xd9, 0xdd]), 3, target(random)), -1] : [absolute(random.pick([0xd9, 0xdd]), 2, target(random)), 0];
  if (kind < 78) return mayPop ? [absolute(random.pick([0xdb, 0xdb, 0xdf]), 7, target(random)), -1] : [[0xd9, 0xe0], 0];
  if (kind < 81) {
    const opcode = random.pick([0xdb, 0xdf]);
    return mayPop && random.below(2) === 0 ? [absolute(opcode, 3, target(random)), -1] : [absolute(opcode, 2, target(random)), 0];
  }
  if (kind < 84) return [[0xd9, random.pick([0xe0, 0xe1])], 0];
  if (kind < 86) return mayPush ? [[0xd9, random.pick([0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee])], 1] : [[0xd9, 0xc8 | i], 0];
  if (kind < 93) {
    if (random.below(3) === 0 && mayPop) {
      const [bytes, change] = random.pick([[[0xd8, 0xd8 | i], -1], [[0xdd, 0xe8 | i], -1], [[0xdf, 0xe8 | i], -1], [[0xdf, 0xf0 | i], -1], [[0xde, 0xd9], -2], [[0xda, 0xe9], -2]] as const);
      return [[...bytes], change];
    }
    return [random.pick([[0xd8, 0xd0 | i], [0xdd, 0xe0 | i], [0xdb, 0xe8 | i], [0xdb, 0xf0 | i], absolute(0xd8, 2, place(random, 32, calm)), absolute(0xdc, 2, place(random, 64, calm)), [0xd9, 0xe4]]), 0];
  }
  if (kind < 97) return [random.pick([[0xdf, 0xe0], [0x9b], [0x9f], [0x9e], [0x01, 0xc2], [0x43], [0x29, 0xd8], [0xb8, 1, 2, 3, 4], [0x72, 0x00], absolute(0xd9, 5, STORES + 0x400 + random.below(16) * 2)]), 0];
  if (calm) return [[0xd9, 0xc8 | i], 0];
  return [random.pick([[0xd9, 0xfa], [0xd9, 0xfc], [0xd9, 0xf7], [0xd9, 0xf6], [0xdd, 0xc0 | i], [0xd9, 0xe5], [0xda, 0xc0 | i], [0xd9, 0xd0]]), 0];
}

function program(random: Random, calm: boolean): Part[] {
  const stream: Part[] = [];
  let depth = calm ? 0 : 4;
  const finish = (to: number): void => {
    for (; depth > to; depth--) stream.push(absolute(0xdb, 7, STORES + random.below(32) * 16));
    for (; depth < to; depth++) stream.push(absolute(0xdb, 5, place(random, 80, calm)));
  };
  const start = depth;
  finish(4);
  for (let k = 0; k < LENGTH; k++) {
    const [bytes, change] = instruction(random, calm, depth);
    stream.push(bytes);
    // Between them, instructions on registers, which runs of x87 instructions are done across.
    if (random.below(6) === 0) stream.push(random.pick([[0x43], [0x29, 0xd8], [0xb8, 1, 2, 3, 4], [0x8d, 0x7c, 0x06, 0x04], [0x88, 0xe2], [0xc1, 0xe0, 0x03], [0x39, 0xf7]]));
    depth += change;
  }
  if (calm) finish(start);
  if (random.below(4) === 0) stream.splice(random.below(stream.length), 0, absolute(0x89, 0, 0x24ffc), absolute(0xdd, 2, 0x24ffc));
  return stream;
}

const CONTROL = [0x37f, 0x37f, 0x37f, 0x37f, 0x37f, 0x27f, 0x7f, 0x77f, 0xb7f, 0xf7f, 0x17f, 0xe7f, 0x37e, 0x35f, 0x36f, 0x340];

const rigs = [new Rig({ jit: false }), new Rig({ hot: 1 }), new Rig({ hot: 3 })] as const;

function prepare(rig: Rig, random: Random, calm: boolean): void {
  const { i32 } = rig.cpu;
  const sw = random.below(8) << 11 | random.next() & 0x4700;
  i32[S.FPU_SW] = sw;
  i32[S.FPU_CW] = calm ? 0x37f : random.pick(CONTROL) | 0x40;
  i32[S.FPU_TAG] = calm ? 0 : random.next() & 0xff;
  for (let r = 0; r < 8; r++) {
    const [lo, hi] = significand(random);
    i32.set([lo, hi, exponent(random, calm) | random.below(2) << 15, 0], S.FPU_REGS + r * 4);
  }
  i32.fill(0, S.FPU_FIP, S.FPU_FOP + 1);
}

const name = suite("x87 in generated code");

name("does what the semantics do, to the bit", () => {
  let operations = 0;
  for (let n = 0; n < PROGRAMS; n++) {
    const random = new Random(SEED + n);
    const calm = random.below(3) !== 0;
    const assembled = assemble(CODE, mov(ECX, TURNS), label("again"), ...program(random, calm), dec(ECX), jnz("again"), [0xf4]);
    const image = Rig.image(assembled.code, CODE, n);
    const view = new DataView(image.buffer);
    for (let k = 0; k < OPERANDS; k++) writeOperand(random, view, DATA + k * 16, FORMATS[Math.floor(k / STRIDE)]!, calm);
    for (let k = 0; k < 16; k++) view.setUint16(STORES + 0x400 + k * 2, random.pick(CONTROL), true);
    const seed = random.next();
    const piece = random.below(4) === 0 ? (): number => 7 : (left: number): number => left;
    for (const rig of rigs) {
      rig.start(image, CODE, { ...CALM, recovery: [CODE], faults: 6, user: (n & 1) !== 0 });
      prepare(rig, new Random(seed), calm);
      rig.cpu.modeChanged();
      rig.run((LENGTH + 10) * TURNS, piece);
    }
    operations += rigs[0].instructions;
    for (const rig of rigs.slice(1)) {
      const found = difference(rigs[0], rig);
      if (found !== null) assert.unreachable(`seed ${SEED + n}: ${found}\n${[...assembled.code].map((b) => hex(b).padStart(2, "0")).join(" ")}`);
    }
  }
  assert.ok(operations > PROGRAMS * LENGTH);
});

/** A template of runs as a function; what it would leave to `xslow2` is refused. */
function inPlace(template: string, sign: number): (d: number, a: number, b: number) => number {
  const body = `return function (d, a, b) {
    const AH = xp[a], AL = xp[a + 1], BH = ${sign} * xp[b], BL = ${sign} * xp[b + 1], OTHER = AL, OPERATION = 0, xslow2 = () => -1;
    let HI = 0, LO = 0, $g = 0, $k = 0.5;
    $T: { ${template.replaceAll("xp[1", "xp[2")} xp[d] = HI; xp[d + 1] = LO; return ($g !== 0 ? 32 : 0) | ($k < 0 ? 512 : 0); }
    return -1;
  }`;
  return new Function("xp", body)(P) as (d: number, a: number, b: number) => number;
}

const OPERATIONS: readonly (readonly [string, (d: number, a: number, b: number) => number, Binary])[] = [
  ["add", (d, a, b) => addPairs(d, a, b, false), add], ["subtract", (d, a, b) => addPairs(d, a, b, true), subtract], ["multiply", multiplyPairs, multiply],
  ["divide", dividePairs, divide],
  ["add in place", inPlace(ADD_PAIRS, 1), add], ["subtract in place", inPlace(ADD_PAIRS, -1), subtract], ["multiply in place", inPlace(MULTIPLY_PAIRS, 1), multiply],
  ["add a double in place", inPlace(ADD_DOUBLE, 1), add], ["multiply by a double in place", inPlace(MULTIPLY_DOUBLE, 1), multiply],
];

name("arithmetic on pairs is that on words, and seldom refused", () => {
  const random = new Random(SEED);
  const out = new Int32Array(3);
  const tried = OPERATIONS.map(() => 0), refused = OPERATIONS.map(() => 0);
  const operand = (): [number, number, number] => {
    const [lo, hi] = significand(random);
    const spread = random.pick([2, 3, 12, 70, 140, 300]);
    return [lo, hi, 16383 + random.below(spread) - (spread >> 1) | random.below(2) << 15];
  };
  for (let n = 0; n < PROGRAMS * 500; n++) {
    const a = operand();
    // Now and then within a few units of the other: results are near powers of two, or near nothing.
    const b: [number, number, number] = random.below(4) === 0 ? [a[0] + random.below(5) - 2 | 0, a[1], a[2] ^ random.below(2) << 15] : operand();
    assert.ok(fromWords(0, ...a) && fromWords(2, ...b));
    const which = n % OPERATIONS.length;
    const [title, fast, exact] = OPERATIONS[which]!;
    if (title.includes("double")) {
      b[0] &= 0xfffff800;
      fromWords(2, ...b);
    }
    tried[which]!++;
    const flags = fast(4, 0, 2);
    if (flags < 0) {
      refused[which]!++;
      continue;
    }
    toWords(4, out, 0);
    const expected = exact(...a, ...b, 0x37f);
    if (flags !== expected || out[0] !== R[LO] || out[1] !== R[HI] || out[2] !== R[SE]) {
      assert.unreachable(`${title} ${a.map(hex).join(":")} ${b.map(hex).join(":")}: ${[...out].map(hex).join(":")} ${flags}, not ${[R[LO]!, R[HI]!, R[SE]!].map(hex).join(":")} ${expected}`);
    }
    assert.ok(fromWords(6, out[0]!, out[1]!, out[2]!));
    assert.is(P[6], P[4]);
    assert.is(P[7]! + 0, P[5]! + 0);
  }
  OPERATIONS.forEach(([title], i) => assert.ok(refused[i]! < tried[i]! / 2, `${title}: ${refused[i]} of ${tried[i]} refused`));
});

name.run();
