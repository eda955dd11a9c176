/**
 * The A20 gate and system control port A (0x92): fast A20 and fast reset.
 * Reference: IBM PS/2 technical reference, "System Control Port A"; Intel 82371FB/SB PIIX datasheet.
 * Left out: the security lock and watchdog bits of the PS/2.
 */
import type { PortDevice, SignalLine } from "./device.js";

const PORT92_FAST_RESET = 0x01;
const PORT92_FAST_A20 = 0x02;

/** Address line 20 is open when either the keyboard controller or port 0x92 opens it. */
export class A20Gate {
  private readonly onChange: SignalLine;
  private fast = true; // a loaded image starts as its loader would leave the machine: open
  private keyboard = true;

  constructor(onChange: SignalLine) {
    this.onChange = onChange;
  }

  get open(): boolean {
    return this.fast || this.keyboard;
  }

  setFast(level: boolean): void {
    const before = this.open;
    this.fast = level;
    if (this.open !== before) this.onChange(this.open);
  }

  setKeyboard(level: boolean): void {
    const before = this.open;
    this.keyboard = level;
    if (this.open !== before) this.onChange(this.open);
  }
}

export class SystemControlPortA implements PortDevice {
  private readonly a20: A20Gate;
  private readonly onReset: () => void;
  private value = PORT92_FAST_A20;

  constructor(a20: A20Gate, onReset: () => void) {
    this.a20 = a20;
    this.onReset = onReset;
  }

  reset(): void {
    this.value = PORT92_FAST_A20;
    this.a20.setFast(true);
  }

  read(): number {
    return this.value;
  }

  write(_offset: number, _size: number, value: number): void {
    const pulled = value & ~this.value & PORT92_FAST_RESET; // the rise of bit 0 resets
    this.value = value;
    this.a20.setFast((value & PORT92_FAST_A20) !== 0);
    if (pulled) this.onReset();
  }
}
