/**
 * What a device knows of the machine around it: offsets, an interrupt line, a clock,
 * a way to reach memory, and a counter of events. It never sees the bus, the processor or
 * the way the guest is virtualized, so the same device serves every mode.
 */

/** Width of one access in bytes. */
export type AccessSize = 1 | 2 | 4;

/**
 * One window of ports (or of memory-mapped registers). Offsets count bytes from the start of
 * the window; values are unsigned and fit the access size.
 */
export interface PortDevice {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
  /**
   * Widest access in bytes the register at this offset takes as a whole; the bus splits wider
   * ones into bytes, lowest address first. Absent: an 8-bit part, every access is one byte.
   * Asked once per offset when a port window is registered, so it must not depend on state.
   */
  widest?(offset: number): AccessSize;
}

/** Drives one interrupt input: true is asserted. Calling it twice with the same level is harmless. */
export type IrqLine = (level: boolean) => void;

/** Drives a named signal of the machine, such as the A20 gate. */
export type SignalLine = (level: boolean) => void;

/** Virtual time. Nothing in a device may ask the host what time it is. */
export interface DeviceClock {
  /** Virtual cycles in one virtual second. */
  readonly hz: number;
  /** Virtual cycles since the machine was made; a double that never goes backwards. */
  now(): number;
  /** Calls `fire` once when `now()` has reached `at` (virtual cycles); returns a handle. */
  schedule(at: number, fire: () => void): number;
  /** Forgets a scheduled call; a handle that has fired or was cancelled is ignored. */
  cancel(handle: number): void;
}

/**
 * Guest-physical memory as a bus master sees it: writes also invalidate translated code.
 * Bytes out of range read as zero, and writes to them are ignored.
 */
export interface GuestMemory {
  /** Bytes of RAM, from guest-physical 0. */
  readonly size: number;
  read(pa: number, into: Uint8Array): void;
  write(pa: number, from: Uint8Array): void;
}

/** Counts an event in the ledger, `n` times (default 1): `device.ide.command`, `device.serial.byte`. */
export type CountEvent = (name: string, n?: number) => void;
