import type { Random } from "./random.js";

/** Random floating-point bit patterns of each format, with every class of value among them. */

/** Biased exponents where something happens in the extended format: ends, the ends of double and single, integers' sizes. */
const EXPONENTS = [0, 1, 2, 0x3c00, 0x3c01, 0x3f80, 0x3f81, 0x3fbe, 0x3ffe, 0x3fff, 0x4000, 0x400d, 0x400e, 0x401d, 0x401e, 0x403d, 0x403e, 0x403f,
  0x407e, 0x407f, 0x43fe, 0x43ff, 0x7ffd, 0x7ffe];

/** Writes a random extended value at byte `at`. */
export function extended(random: Random, view: DataView, at: number): void {
  let hi = random.word(), lo = random.word(), exp = random.below(0x8000), sign = random.below(2) << 15;
  switch (random.below(16)) {
    case 0: hi = lo = exp = 0; break;
    case 1: hi = 0x80000000; lo = 0; exp = 0x7fff; break;
    case 2: hi |= 0xc0000000; exp = 0x7fff; break;
    case 3: hi = (hi & 0x3fffffff) | 0x80000000; lo |= 1; exp = 0x7fff; break;
    case 4: hi = (hi & 0x7fffffff) >>> random.below(31); exp = 0; break;
    case 5: hi = random.chance(30) ? (hi & 0x7fffffff) : (hi | 0x80000000); exp = random.chance(60) ? 0 : exp; break;
    case 6: case 7: hi |= 0x80000000; exp = random.pick(EXPONENTS); break;
    case 8: hi = 0x80000000; lo = random.below(4); exp = random.pick(EXPONENTS); break;
    case 9: hi = 0xffffffff; lo = (0xffffffff - random.below(4)) >>> 0; exp = random.pick(EXPONENTS); break;
    case 10: {
      // Short significands: integers, halves, and what is exact in the smaller formats.
      const keep = random.pick([4, 10, 23, 24, 25]);
      hi = (hi | 0x80000000) & (0xffffffff << (32 - keep)); lo = 0; exp = 0x3fff - 4 + random.below(40);
      break;
    }
    case 11: hi |= 0x80000000; lo &= random.pick([0xfffff800, 0xfffffc00, 0xffffffff, 0x400]); exp = 0x3fff - 8 + random.below(80); break;
    default: hi |= 0x80000000; exp = random.chance(70) ? 0x3fff - 40 + random.below(80) : exp; if (exp === 0x7fff) exp--;
  }
  if (random.chance(2)) sign ^= 0x8000;
  view.setUint32(at, lo, true);
  view.setUint32(at + 4, hi >>> 0, true);
  view.setUint16(at + 8, sign | exp, true);
}

/** Makes the extended value at `to` one near that at `from`, so that sums cancel and quotients come near 1. */
export function near(random: Random, view: DataView, from: number, to: number): void {
  view.setUint32(to, (view.getUint32(from, true) + random.below(5) - 2) >>> 0, true);
  view.setUint32(to + 4, view.getUint32(from + 4, true), true);
  const se = view.getUint16(from + 8, true);
  const exp = Math.max(0, Math.min(0x7ffe, (se & 0x7fff) + random.pick([0, 0, 0, 1, -1, 2, 63, 64, 65, -63, -64, -65, 30, -33])));
  view.setUint16(to + 8, ((se ^ (random.below(2) << 15)) & 0x8000) | exp, true);
}

export function double(random: Random, view: DataView, at: number): void {
  const exp = random.pick([0, 0, 1, 0x380, 0x381, 0x3fe, 0x3ff, 0x400, 0x41d, 0x41e, 0x47e, 0x7fe, 0x7ff, 0x3f0 + random.below(32), random.below(0x800)]);
  let high = random.word() & 0x800fffff, low = random.word();
  if (random.chance(25)) {
    high &= random.pick([0x80000000, 0x80080000, 0x800fffff]);
    low = random.pick([0, 1, 0xffffffff, 0x20000000, 0x10000000]);
  }
  view.setUint32(at, low, true);
  view.setUint32(at + 4, (high | exp << 20) >>> 0, true);
}

export function single(random: Random, view: DataView, at: number): void {
  const exp = random.pick([0, 0, 1, 0x7e, 0x7f, 0x80, 0x9d, 0x9e, 0xfe, 0xff, 0x70 + random.below(32), random.below(256)]);
  let bits = random.word() & 0x807fffff;
  if (random.chance(25)) bits &= random.pick([0x80000000, 0x80000001, 0x80400000, 0x807fffff]);
  view.setUint32(at, (bits | exp << 23) >>> 0, true);
}
