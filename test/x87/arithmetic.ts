import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { BIAS, HI, LO, R, SE } from "../../translator/isa/semantics/x87/bits.js";
import { exponentialMinusOne, yLog2X, yLog2XPlusOne } from "../../translator/isa/semantics/x87/logarithm.js";
import { arctangent2, COSINE, SINE, TANGENT, trigonometric } from "../../translator/isa/semantics/x87/trigonometric.js";
import { Random } from "../silicon/random.js";
import { atan, divide, exp, HALF_PI, ln, multiply, ONE, PLACES, sineCosine } from "./reference.js";
import { createRig, setControl, statusOf } from "./rig.js";

// Results known from the manual, and transcendental functions against long integer arithmetic. The bulk of the proof is test/silicon.

const arithmetic = suite("x87 arithmetic");
const C1 = 0x200, IE = 1, SF = 0x40, PE = 0x20;

arithmetic("1/3 in every precision and rounding", () => {
  const { cpu, run, st } = createRig();
  const expected: readonly [number, string][] = [
    [0x37f, "3ffdaaaaaaaaaaaaaaab"], [0x77f, "3ffdaaaaaaaaaaaaaaaa"], [0xb7f, "3ffdaaaaaaaaaaaaaaab"], [0xf7f, "3ffdaaaaaaaaaaaaaaaa"],
    [0x27f, "3ffdaaaaaaaaaaaaa800"], [0xa7f, "3ffdaaaaaaaaaaaab000"], [0x07f, "3ffdaaaaab0000000000"], [0xc7f, "3ffdaaaaaa0000000000"],
  ];
  for (const [cw, result] of expected) {
    run("db e3", "d9 e8", "d9 e8", "d9 e8", "d9 e8", "de c1", "de c1");
    setControl(cpu, cw);
    run("de f9");
    assert.is(st(0), result, cw.toString(16));
    assert.is(statusOf(cpu) & PE, PE);
  }
});

arithmetic("constants are rounded from 66 bits", () => {
  const { cpu, run, st } = createRig();
  for (const [cw, result] of [[0x37f, "4000c90fdaa22168c235"], [0x77f, "4000c90fdaa22168c234"], [0xb7f, "4000c90fdaa22168c235"]] as const) {
    run("db e3");
    setControl(cpu, cw);
    run("d9 eb");
    assert.is(st(0), result);
  }
});

arithmetic("stack overflow sets C1, underflow clears it, and both give the indefinite", () => {
  const { cpu, run, st } = createRig();
  run("db e3", ...Array<string>(8).fill("d9 e8"));
  assert.is(statusOf(cpu) & (IE | SF | C1), 0);
  run("d9 e8");
  assert.is(statusOf(cpu) & (IE | SF | C1), IE | SF | C1);
  assert.is(st(0), "ffffc000000000000000");
  run("db e3", "d8 c1");
  assert.is(statusOf(cpu) & (IE | SF | C1), IE | SF);
  assert.is(st(0), "ffffc000000000000000");
});

arithmetic("no NaN of two is lost: the larger significand, quiet, stands", () => {
  const { run, set, st } = createRig();
  set(0, 0x7fff, 0xc0000000 | 0, 5);
  set(1, 0xffff, 0xc0000000 | 0, 9);
  run("d8 c1");
  assert.is(st(0), "ffffc000000000000009");
});

arithmetic("FPREM1 of 5 by 3 is -1 with quotient 2", () => {
  const { cpu, run, set, st } = createRig();
  set(0, 0x4001, 0xa0000000 | 0, 0);
  set(1, 0x4000, 0xc0000000 | 0, 0);
  run("d9 f5");
  assert.is(st(0), "bfff8000000000000000");
  assert.is(statusOf(cpu) & 0x4700, 0x4000);
});

arithmetic("FSIN out of range sets C2 and leaves the operand", () => {
  const { cpu, run, set, st } = createRig();
  set(0, BIAS + 63, 0x80000000 | 0, 0);
  cpu.i32[S.FPU_TAG] = 0x7f;
  run("d9 fe");
  assert.is(st(0), "403e8000000000000000");
  assert.is(statusOf(cpu) & 0x400, 0x400);
});

// ---- transcendental functions ----------------------------------------------------------------------------------------

/** |result| less |reference|, in ulps of the result. */
function error(reference: bigint): number {
  const shift = BigInt(63 - ((R[SE]! & 0x7fff) - BIAS));
  const got = (BigInt(R[HI]! >>> 0) << 32n | BigInt(R[LO]! >>> 0)) << PLACES;
  const want = (reference < 0n ? -reference : reference) << shift;
  return Math.abs(Number(got - want) / Number(ONE));
}

/** The value of a significand in the reference's fixed point. */
const fixed = (hi: number, lo: number, exponent: number): bigint => (BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0)) << PLACES >> BigInt(63 - exponent);

const NEAREST = 0x37f, LIMIT = 0.501, SAMPLES = 300;

arithmetic("sines, cosines and tangents are rounded right, by the 66-bit pi", () => {
  const random = new Random(1);
  for (let i = 0; i < SAMPLES; i++) {
    const lo = random.word() | 0, hi = random.word() | 0x80000000, e = random.below(24) - 14;
    const x = fixed(hi, lo, e);
    const q = (2n * x + HALF_PI) / (2n * HALF_PI);
    const [s, c] = sineCosine(x - q * HALF_PI);
    const quadrant = Number(q & 3n);
    const sine = [s, c, -s, -c][quadrant]!, cosine = [c, -s, -c, s][quadrant]!;
    for (const [which, value] of [[SINE, sine], [COSINE, cosine], [TANGENT, divide(sine, cosine)]] as const) {
      trigonometric(lo, hi, e + BIAS, which, NEAREST);
      assert.ok(error(value) < LIMIT, `function ${which} of ${hi >>> 0}:${lo >>> 0} e${e}: ${error(value)} ulp`);
      assert.is((R[SE]! & 0x8000) !== 0, value < 0n);
    }
  }
});

arithmetic("logarithms and powers are rounded right, near 1 and near 0 too", () => {
  const random = new Random(2);
  const ln2 = ln(2n * ONE);
  for (let i = 0; i < SAMPLES; i++) {
    const lo = random.word() | 0, hi = random.word() | 0x80000000, sign = random.below(2) << 15;
    let e = -1 - random.below(40);
    let x = fixed(hi, lo, e);
    exponentialMinusOne(lo, hi, sign | (e + BIAS), NEAREST);
    assert.ok(error(exp(multiply(sign !== 0 ? -x : x, ln2)) - ONE) < LIMIT, "2^x - 1");
    e = -2 - random.below(40);
    x = fixed(hi, lo, e);
    yLog2XPlusOne(0, 0x80000000 | 0, BIAS, lo, hi, sign | (e + BIAS), NEAREST);
    assert.ok(error(divide(ln(ONE + (sign !== 0 ? -x : x)), ln2)) < LIMIT, "log2(x + 1)");
    e = -random.below(2);
    const close = random.chance(40) ? (e === 0 ? 0x80000000 | 0 : -1) : hi;
    yLog2X(0, 0x80000000 | 0, BIAS, lo, close, e + BIAS, NEAREST);
    assert.ok(error(divide(ln(fixed(close, lo, e)), ln2)) < LIMIT, "log2 x");
  }
});

arithmetic("arctangents are rounded right", () => {
  const random = new Random(3);
  for (let i = 0; i < SAMPLES / 6; i++) {
    const yLo = random.word() | 0, yHi = random.word() | 0x80000000, xLo = random.word() | 0, xHi = random.word() | 0x80000000, e = -random.below(30);
    arctangent2(yLo, yHi, e + BIAS, xLo, xHi, BIAS + 1, NEAREST);
    assert.ok(error(atan(divide(fixed(yHi, yLo, e), fixed(xHi, xLo, 1)))) < LIMIT);
  }
});

arithmetic.run();
