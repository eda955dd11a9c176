import { Random } from "../isa/random.js";

/** Cases of one kind that share a machine: what a case does may depend on those before it in its batch, and on nothing else. */
export interface Batch {
  /** One case; anything it throws is a failure. */
  run(random: Random): void;
  /** After the last: throws when something outside the guest has changed. */
  end?(): void;
}

export interface Family {
  readonly name: string;
  /** Cases of a hundred. */
  readonly share: number;
  readonly batch: number;
  begin(random: Random): Batch;
}

/** A generator whose first numbers have nothing in common with those of neighbouring seeds. */
export function seeded(...parts: readonly number[]): Random {
  let h = 0x9e3779b9 | 0;
  for (const part of parts) {
    h = Math.imul(h ^ part, 0x85ebca6b);
    h = Math.imul(h ^ h >>> 13, 0xc2b2ae35) ^ h >>> 16;
  }
  return new Random(h);
}

/** Numbers at which mistakes are made. */
const CORNERS = [0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x10000, 0xfffff, 0x100000, 0x7fffffff, 0x80000000,
  0xfffffffe, 0xffffffff];

export function anyWord(random: Random): number {
  const kind = random.below(4);
  if (kind === 0) return random.pick(CORNERS);
  return kind === 1 ? random.below(0x10000) : kind === 2 ? random.next() : random.next() >>> random.below(32);
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.byte());
}

export class Violation extends Error {}
