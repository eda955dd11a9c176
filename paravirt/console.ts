import type { Domain } from "./domain.js";
import { accessOk, copyFromGuest, copyToGuest } from "./guest-access.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { EFAULT, EINVAL, ENOSYS } from "../hypervisor/xen/public/errno.js";
import { CONSOLEIO_read, CONSOLEIO_write } from "../hypervisor/xen/public/xen.js";
import type { Memory } from "../hypervisor/memory.js";

/** The two ways a guest writes to its console: the hypercall, and the ring that Dom0's console daemon serves (public/io/console.h). */

/** Bytes that one console_io copies before the other business of the machine has its turn. */
const CHUNK = 4096;

/** HYPERVISOR_console_io(cmd, count, buffer): Xen's own console, which shares the sink with the ring's. */
export function consoleIo(d: Domain, [command, count, buffer]: readonly number[]): HypercallResult {
  if (command === CONSOLEIO_read) return readInput(d, count, buffer);
  if (command !== CONSOLEIO_write) return -ENOSYS;
  if (count > 0x7fffffff) return -EINVAL;
  if (!accessOk(d, buffer, count)) return -EFAULT;
  const bytes = Math.min(count, CHUNK);
  const view = copyFromGuest(d, buffer, bytes);
  if (view === undefined) return -EFAULT;
  d.count("hypercall.console_io.byte", bytes);
  for (let i = 0; i < bytes; i++) d.consoleOut(view.getUint8(i));
  return bytes === count ? 0 : new Continuation([command, count - bytes, buffer + bytes]);
}

function readInput(d: Domain, count: number, buffer: number): number {
  const bytes = d.console?.takeInput(Math.min(count, CHUNK)) ?? new Uint8Array(0);
  return copyToGuest(d, buffer, bytes) ? bytes.length : -EFAULT;
}

/** struct xencons_interface. */
const IN = 0, IN_BYTES = 1024, OUT = 1024, OUT_BYTES = 2048, IN_CONS = 3072, IN_PROD = 3076, OUT_CONS = 3080, OUT_PROD = 3084;

/** Dom0's end of the console ring: what the guest writes goes to the sink, what is typed goes into the ring. */
export class ConsoleBackend {
  private readonly memory: Memory;
  private readonly base: number;
  private readonly out: (byte: number) => void;
  private readonly notify: () => void;
  private readonly waiting: number[] = [];

  /** `mfn`: the ring's frame; `notify` tells the guest that the ring has changed. */
  constructor(memory: Memory, mfn: number, out: (byte: number) => void, notify: () => void) {
    this.memory = memory;
    this.base = mfn * 4096;
    this.out = out;
    this.notify = notify;
  }

  /** The guest has said that it wrote, or that it has read. */
  serve(): void {
    const { memory, base } = this;
    let cons = memory.read(base + OUT_CONS, 4);
    const prod = memory.read(base + OUT_PROD, 4);
    // A producer index beyond the ring is nonsense: no more than a ring's worth is believed.
    const bytes = Math.min((prod - cons) >>> 0, OUT_BYTES);
    for (let i = 0; i < bytes; i++, cons++) this.out(memory.read(base + OUT + (cons & (OUT_BYTES - 1)), 1));
    if (bytes !== 0) {
      memory.write32(base + OUT_CONS, prod);
      this.notify();
    }
    this.fill();
  }

  /** Something was typed. */
  input(byte: number): void {
    this.waiting.push(byte);
    this.fill();
  }

  /** Takes typed bytes by the other way. */
  takeInput(limit: number): Uint8Array {
    return Uint8Array.from(this.waiting.splice(0, limit));
  }

  private fill(): void {
    const { memory, base, waiting } = this;
    const cons = memory.read(base + IN_CONS, 4);
    let prod = memory.read(base + IN_PROD, 4);
    let moved = false;
    while (waiting.length !== 0 && ((prod - cons) >>> 0) < IN_BYTES) {
      memory.write(base + IN + (prod++ & (IN_BYTES - 1)), 1, waiting.shift()!);
      moved = true;
    }
    if (!moved) return;
    memory.write32(base + IN_PROD, prod);
    this.notify();
  }
}
