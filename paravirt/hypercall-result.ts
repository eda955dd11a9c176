/**
 * What a hypercall's handler answers: its return value (a negative errno is negative), or that it was preempted and is to be
 * called again with other arguments once timers and events have had their turn.
 */
export type HypercallResult = number | Continuation;

export class Continuation {
  readonly args: readonly number[];
  constructor(args: readonly number[]) {
    this.args = args;
  }
}
