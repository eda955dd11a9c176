/** Stand-ins for the machine around a device: a clock moved by hand, a line and a ledger that remember. */
import type { CountEvent, DeviceClock, GuestMemory, IrqLine } from "../../hypervisor/devices/device.js";

export class FakeClock implements DeviceClock {
  readonly hz: number;
  private time = 0;
  private next = 1;
  private events: { handle: number; at: number; fire: () => void }[] = [];
  /** Number of calls to `schedule`, to catch storms. */
  scheduled = 0;

  constructor(hz: number) {
    this.hz = hz;
  }

  now(): number {
    return this.time;
  }

  schedule(at: number, fire: () => void): number {
    this.scheduled++;
    this.events.push({ handle: this.next, at, fire });
    return this.next++;
  }

  cancel(handle: number): void {
    this.events = this.events.filter(event => event.handle !== handle);
  }

  get pending(): number {
    return this.events.length;
  }

  /** Moves time on by some cycles, firing what falls due on the way. */
  advance(cycles: number): void {
    const end = this.time + cycles;
    for (;;) {
      const due = this.events.filter(event => event.at <= end).sort((a, b) => a.at - b.at || a.handle - b.handle)[0];
      if (!due) break;
      this.cancel(due.handle);
      this.time = Math.max(this.time, due.at);
      due.fire();
    }
    this.time = end;
  }

  /** Moves time without firing anything until the end: a processor that was busy for long. */
  jump(cycles: number): void {
    this.time += cycles;
    this.advance(0);
  }
}

/** An interrupt line that counts its rising edges. */
export class FakeLine {
  level = false;
  rises = 0;
  readonly drive: IrqLine = level => {
    if (level && !this.level) this.rises++;
    this.level = level;
  };
}

export class FakeLedger {
  readonly counts: Record<string, number> = {};
  readonly count: CountEvent = (name, n = 1) => {
    this.counts[name] = (this.counts[name] ?? 0) + n;
  };
}

export class FakeMemory implements GuestMemory {
  readonly size: number;
  readonly bytes: Uint8Array;

  constructor(size: number) {
    this.size = size;
    this.bytes = new Uint8Array(size);
  }

  read(pa: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(pa, pa + into.length));
  }

  write(pa: number, from: Uint8Array): void {
    if (pa < this.size) this.bytes.set(from.subarray(0, this.size - pa), pa);
  }

  u32(pa: number): number {
    return new DataView(this.bytes.buffer).getUint32(pa, true);
  }

  /** The zero-terminated string at an address. */
  text(pa: number): string {
    return Buffer.from(this.bytes.subarray(pa, this.bytes.indexOf(0, pa))).toString();
  }
}
