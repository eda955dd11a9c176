/**
 * Three one-register devices a guest talks to its makers with: the exit port (0xf4), the POST code port
 * (0x80) and the debug console (0xe9).
 * Reference: QEMU's isa-debug-exit and Bochs' port E9 conventions, the PC/AT technical reference for 0x80.
 * Departure: the exit code is the value written, not the value shifted.
 */
import type { AccessSize, CountEvent, PortDevice } from "./device.js";

/** A write ends the run with the value as its exit code. */
export class ExitPort implements PortDevice {
  private readonly onExit: (code: number) => void;

  constructor(onExit: (code: number) => void) {
    this.onExit = onExit;
  }

  widest(): AccessSize {
    return 4;
  }

  read(): number {
    return 0;
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.onExit(value >>> 0);
  }
}

/** The POST code latch; kernels also write it to let a microsecond pass. */
export class PostPort implements PortDevice {
  /** The code written last. */
  code = 0;

  read(): number {
    return this.code;
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.code = value;
  }
}

/** What a Bochs or QEMU debug console reads as, by which guests find it. */
const DEBUG_CONSOLE_PRESENT = 0xe9;

/** Each byte written goes to the host's error output. */
export class DebugConsole implements PortDevice {
  private readonly output: (byte: number) => void;
  private readonly count: CountEvent;

  constructor(output: (byte: number) => void, count: CountEvent) {
    this.output = output;
    this.count = count;
  }

  read(): number {
    return DEBUG_CONSOLE_PRESENT;
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.count("device.debug_console.byte");
    this.output(value);
  }
}
