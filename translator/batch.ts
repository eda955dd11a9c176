/** Things that are made together: what asks waits until there are enough, or until it asks again. */
export class Batch<T> {
  private readonly size: number;
  private waiting: T[] = [];

  constructor(size: number) {
    this.size = size;
  }

  /** All that wait, `one` among them, when they are to wait no longer; else undefined. */
  ask(one: T): readonly T[] | undefined {
    const again = this.waiting.includes(one);
    if (!again) this.waiting.push(one);
    if (!again && this.waiting.length < this.size) return undefined;
    return this.clear();
  }

  /** Nobody waits any longer; gives those who did. */
  clear(): readonly T[] {
    const { waiting } = this;
    this.waiting = [];
    return waiting;
  }
}
