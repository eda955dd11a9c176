// The transcendental instructions over their whole domains against series of 256 places: within one unit in the last place of an
// extended result (SDM vol. 1, 8.3.10), by the processor's pi of 66 bits (8.3.8).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BIAS, HI, LO, R, SE } from "../../translator/isa/semantics/x87/bits.js";
import { exponentialMinusOne, yLog2X, yLog2XPlusOne } from "../../translator/isa/semantics/x87/logarithm.js";
import { arctangent2, COSINE, SINE, TANGENT, trigonometric } from "../../translator/isa/semantics/x87/trigonometric.js";
import { Random } from "../silicon/random.js";
import { atan, divide, exp, HALF_PI, ln, multiply, ONE, PLACES, sineCosine } from "./reference.js";

const transcendental = suite("x87 transcendental");
const CW = 0x37f, SAMPLES = 400;
/** The manual allows one ulp; what is computed here is rounded right but for the last bits of the intermediate result. */
const LIMIT = 0.501;

interface Extended { readonly lo: number; readonly hi: number; readonly e: number }

const randomSignificand = (random: Random, e: number): Extended => ({ lo: random.word() | 0, hi: random.word() | 0x80000000, e });
const fixed = ({ lo, hi, e }: Extended): bigint => {
  const significand = (BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0)) << PLACES;
  return e >= 63 ? significand << BigInt(e - 63) : significand >> BigInt(63 - e);
};

/** The 64-bit significand next to a positive value in the reference's fixed point. */
function nearest(value: bigint): Extended {
  const bits = BigInt(value.toString(2).length), drop = bits - 64n;
  let significand = (value >> drop - 1n) + 1n >> 1n, e = bits - 1n - PLACES;
  if (significand >> 64n !== 0n) {
    significand >>= 1n;
    e++;
  }
  return { lo: Number(significand & 0xffffffffn) | 0, hi: Number(significand >> 32n) | 0, e: Number(e) };
}

/** |result - reference| in ulps of the result; the signs must be the same. */
function check(reference: bigint, what: string): void {
  const e = (R[SE]! & 0x7fff) - BIAS;
  const got = (BigInt(R[HI]! >>> 0) << 32n | BigInt(R[LO]! >>> 0)) << PLACES;
  const magnitude = reference < 0n ? -reference : reference;
  const want = e <= 63 ? magnitude << BigInt(63 - e) : magnitude >> BigInt(e - 63);
  const error = Math.abs(Number((got - want) >> PLACES - 32n)) / 2 ** 32;
  assert.ok(error < LIMIT, `${what}: ${error} ulp`);
  assert.is((R[SE]! & 0x8000) !== 0, reference < 0n, `${what}: the sign`);
}

const text = ({ lo, hi, e }: Extended): string => `${(hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(8, "0")} e${e}`;

function circular(x: Extended, negative: boolean): void {
  const value = fixed(x);
  const q = (2n * value + HALF_PI) / (2n * HALF_PI);
  const [s, c] = sineCosine(value - q * HALF_PI);
  const quadrant = Number(q & 3n);
  const sine = [s, c, -s, -c][quadrant]!, cosine = [c, -s, -c, s][quadrant]!;
  const odd = negative ? -1n : 1n, sign = negative ? 0x8000 : 0;
  for (const [which, reference] of [[SINE, odd * sine], [COSINE, cosine], [TANGENT, odd * divide(sine, cosine)]] as const) {
    if (reference === 0n) continue;
    trigonometric(x.lo, x.hi, x.e + BIAS | sign, which, CW);
    check(reference, `function ${which} of ${text(x)}`);
  }
}

transcendental("FSIN, FCOS, FPTAN: every magnitude from 2^-60 to 2^63", () => {
  const random = new Random(11);
  for (let i = 0; i < SAMPLES; i++) circular(randomSignificand(random, random.below(123) - 60), random.chance(50));
});

transcendental("FSIN, FCOS, FPTAN next to multiples of pi/2, up to the largest", () => {
  const random = new Random(12);
  for (let i = 0; i < SAMPLES; i++) {
    const k = BigInt(random.word() >>> random.below(31)) + 1n << BigInt(random.below(28));
    const value = k * HALF_PI;
    if (value >> PLACES >= 1n << 63n) continue;
    const x = nearest(value);
    for (const step of [-1, 0, 1]) {
      const lo = x.lo + step | 0;
      // Neighbours, where the last place does not carry.
      if ((lo === 0 && step === 1) || (lo === -1 && step === -1)) continue;
      circular({ ...x, lo }, random.chance(50));
    }
  }
});

transcendental("F2XM1 over [-1, 1]", () => {
  const random = new Random(13), ln2 = ln(2n * ONE);
  for (let i = 0; i < SAMPLES; i++) {
    const x = randomSignificand(random, -1 - random.below(random.chance(50) ? 4 : 60)), negative = random.chance(50);
    exponentialMinusOne(x.lo, x.hi, x.e + BIAS | (negative ? 0x8000 : 0), CW);
    check(exp(multiply(negative ? -fixed(x) : fixed(x), ln2)) - ONE, `2^${text(x)} - 1`);
  }
});

transcendental("FYL2X for x of every exponent and next to 1, with any y", () => {
  const random = new Random(14), ln2 = ln(2n * ONE);
  for (let i = 0; i < SAMPLES; i++) {
    let x = randomSignificand(random, random.below(400) - 200);
    if (random.chance(40)) x = random.chance(50) ? { lo: random.word(), hi: 0x80000000 | 0, e: 0 } : { lo: random.word(), hi: -1, e: -1 };
    const y = randomSignificand(random, random.below(40) - 20), negative = random.chance(50);
    const log = divide(ln(fixed({ ...x, e: 0 })), ln2) + BigInt(x.e) * ONE;
    if (log === 0n) continue;
    yLog2X(y.lo, y.hi, y.e + BIAS | (negative ? 0x8000 : 0), x.lo, x.hi, x.e + BIAS, CW);
    check(multiply(negative ? -fixed(y) : fixed(y), log), `${text(y)} log2 ${text(x)}`);
  }
});

transcendental("FYL2XP1 for |x| < 1 - sqrt(1/2), with any y", () => {
  const random = new Random(15), ln2 = ln(2n * ONE);
  for (let i = 0; i < SAMPLES; i++) {
    const x = randomSignificand(random, -3 - random.below(random.chance(50) ? 4 : 60)), y = randomSignificand(random, random.below(40) - 20), negative = random.chance(50);
    yLog2XPlusOne(y.lo, y.hi, y.e + BIAS, x.lo, x.hi, x.e + BIAS | (negative ? 0x8000 : 0), CW);
    check(multiply(fixed(y), divide(ln(ONE + (negative ? -fixed(x) : fixed(x))), ln2)), `${text(y)} log2 (1 ${negative ? "-" : "+"} ${text(x)})`);
  }
});

/** True pi: FPATAN's is not that of the reductions (SDM vol. 1, 8.3.8: it comes from its own table). */
const PI = 4n * (4n * atan(ONE / 5n) - atan(ONE / 239n));

transcendental("FPATAN in all four quadrants, for every ratio", () => {
  const random = new Random(16);
  for (let i = 0; i < SAMPLES; i++) {
    const e = random.below(60) - 30;
    const y = randomSignificand(random, e), x = randomSignificand(random, e + random.below(100) - 50), left = random.chance(50), below = random.chance(50);
    const angle = atan(divide(fixed(y), fixed(x)));
    const upper = left ? PI - angle : angle;
    arctangent2(y.lo, y.hi, y.e + BIAS | (below ? 0x8000 : 0), x.lo, x.hi, x.e + BIAS | (left ? 0x8000 : 0), CW);
    check(below ? -upper : upper, `atan2(${text(y)}, ${left ? "-" : ""}${text(x)})`);
  }
});

transcendental.run();
