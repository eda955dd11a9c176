import { PAGE_SIZE, RAM_BASE } from "../heap.js";
import type { Machine } from "../machine.js";

/** The monitor's own machine frames, above the guest's memory. Lowest free frame first, so that runs repeat. */
export class MonitorFrames {
  private readonly machine: Machine;
  private readonly free: number[] = [];
  readonly first: number;
  readonly end: number;

  constructor(machine: Machine, limit = Infinity) {
    this.machine = machine;
    this.first = machine.guestBytes / PAGE_SIZE;
    this.end = Math.min(machine.memory.frames, this.first + limit);
    for (let frame = this.end - 1; frame >= this.first; frame--) this.free.push(frame);
  }

  get available(): number {
    return this.free.length;
  }

  /** A zeroed machine frame, or -1 when none is left. */
  allocate(): number {
    const frame = this.free.pop();
    if (frame === undefined) return -1;
    const start = RAM_BASE + frame * PAGE_SIZE >> 2;
    this.machine.heap.i32.fill(0, start, start + PAGE_SIZE / 4);
    return frame;
  }

  release(frame: number): void {
    this.free.push(frame);
  }
}
