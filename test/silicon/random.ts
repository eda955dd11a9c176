/** Deterministic random numbers with a taste for corners. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** Unsigned 32 bits. */
  word(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(n: number): number {
    return this.word() % n;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  /** 32 bits: half of them corners of 8, 16 or 32 bits, powers of two and their neighbours. */
  value(): number {
    switch (this.below(6)) {
      case 0: return this.pick(CORNERS);
      case 1: return (2 ** this.below(32) + this.below(3) - 1) >>> 0;
      case 2: return this.below(256);
      default: return this.word();
    }
  }
}

const CORNERS: readonly number[] = [
  0, 1, 2, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
  0x0f, 0x99, 0x9a, 0xf9, 0x80808080, 0x7fff7fff, 0x80008000, 0xff00ff00, 0x55555555, 0xaaaaaaaa,
];

/** A seed for a name, so that forms do not share their inputs. */
export function seedOf(name: string, salt: number): number {
  let hash = salt | 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}
