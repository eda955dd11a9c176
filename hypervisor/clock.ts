import type { Ledger } from "./ledger.js";

interface Timer { readonly at: number; readonly handle: number; readonly fire: () => void }

/** Virtual time: a list of callbacks on the ledger's cycle counter, in order of time, then of scheduling. */
export class Clock {
  private readonly ledger: Ledger;
  private timers: Timer[] = [];
  private nextHandle = 1;
  /** Told when the earliest deadline may have moved nearer, so that a running slice is cut short. */
  onReschedule: () => void = () => {};

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** Cycles a second. */
  get hz(): number {
    return this.ledger.profile.hz;
  }

  /** Cycles since the machine was switched on. */
  now(): number {
    return this.ledger.cycles;
  }

  /** Calls `fire` once virtual time has reached `at` cycles; gives a handle for `cancel`. */
  schedule(at: number, fire: () => void): number {
    const timer = { at, handle: this.nextHandle++, fire };
    let i = this.timers.length;
    while (i > 0 && this.timers[i - 1]!.at > at) i--;
    this.timers.splice(i, 0, timer);
    this.onReschedule();
    return timer.handle;
  }

  cancel(handle: number): void {
    const i = this.timers.findIndex((t) => t.handle === handle);
    if (i >= 0) this.timers.splice(i, 1);
  }

  /** Nothing that was scheduled will happen. */
  cancelAll(): void {
    this.timers.length = 0;
  }

  /** Cycle count of the earliest timer, Infinity without one. */
  nextDeadline(): number {
    return this.timers.length === 0 ? Infinity : this.timers[0]!.at;
  }

  /** Fires what is due, in order. */
  runDue(): void {
    while (this.timers.length !== 0 && this.timers[0]!.at <= this.now()) this.timers.shift()!.fire();
  }
}
