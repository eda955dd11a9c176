import type { Difference } from "./observers.js";

/** An instruction that did, deprivileged, what it does not do on a bare machine. */
export interface WrongResult {
  readonly mnemonic: string;
  /** EIP of the instruction. */
  readonly address: number;
  readonly times: number;
  /** What it did the first time, and what it would have done. */
  readonly did: string;
  readonly native: string;
}

interface Entry {
  readonly mnemonic: string;
  readonly address: number;
  times: number;
  readonly difference: Difference;
}

/**
 * The instructions that went wrong, by address. An instruction is looked at before it executes and may fault after all:
 * what was seen last is kept back until something else has happened.
 */
export class WrongResults {
  private readonly seen = new Map<string, Entry>();
  private pending: Entry | undefined;
  private readonly confirmed: () => void;

  /** `confirmed` is called for each wrong execution, once it is sure. */
  constructor(confirmed: () => void) {
    this.confirmed = confirmed;
  }

  /** The instruction at `address` is about to go wrong. */
  add(mnemonic: string, address: number, difference: Difference): void {
    this.settle();
    this.pending = { mnemonic, address: address >>> 0, times: 1, difference };
  }

  /** The instruction at `address` has faulted and done nothing. */
  faulted(address: number): void {
    if (this.pending?.address === address >>> 0) this.pending = undefined;
  }

  private settle(): void {
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    this.confirmed();
    const key = `${pending.address} ${pending.mnemonic}`;
    const entry = this.seen.get(key);
    if (entry === undefined) this.seen.set(key, pending);
    else entry.times++;
  }

  /** Most frequent first, then by address. */
  report(): WrongResult[] {
    this.settle();
    return [...this.seen.values()]
      .sort((a, b) => b.times - a.times || a.address - b.address)
      .map(({ mnemonic, address, times, difference }) => ({ mnemonic, address, times, ...difference }));
  }
}
