/**
 * PCI: configuration mechanism 1 (ports 0xcf8 and 0xcfc), one bus, and the 256 bytes every function has.
 * Reference: PCI Local Bus Specification 2.1, chapter 6; Intel 82441FX (290549), 3.1; the PIIX3's reset control
 * register (0xcf9), which shares the address register's ports.
 * Left out: bridges (bus 0 only), special cycles, configuration mechanism 2, capabilities.
 */
import type { AccessSize, PortDevice } from "./device.js";

/** Offsets of the type 0 header. */
export const PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_REVISION = 0x08, PCI_CLASS = 0x09, PCI_HEADER_TYPE = 0x0e, PCI_BAR0 = 0x10,
  PCI_SUBSYSTEM = 0x2c, PCI_ROM = 0x30, PCI_INTERRUPT_LINE = 0x3c, PCI_INTERRUPT_PIN = 0x3d;
export const COMMAND_IO = 0x01, COMMAND_MEMORY = 0x02, COMMAND_MASTER = 0x04;
const HEADER_MULTIFUNCTION = 0x80;
const BAR_IO = 0x01, BAR_PREFETCHABLE = 0x08, ROM_ENABLE = 0x01, IO_MASK = 0xffff_fffc, MEMORY_MASK = 0xffff_fff0, ROM_MASK = 0xffff_f800;

const ADDRESS_ENABLE = 0x8000_0000;
const RESET_CONTROL = 1, RESET_CPU = 0x04;

/** A window of ports or memory that a base address register moves. */
export interface PciWindow {
  /** Maps the window at `base`, or nowhere. */
  place(base: number | undefined): void;
}

/** A base address register, or the expansion ROM's. */
interface Bar {
  readonly register: number;
  readonly length: number;
  readonly io: boolean;
  /** Address bits. */
  readonly mask: number;
  /** Low bits that say what kind of window it is. */
  readonly kind: number;
  /** A bit of the register that has to be set too. */
  readonly enable: number;
  readonly window: PciWindow;
  at: number | undefined;
}

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, subclass and programming interface, as one 24-bit number. */
  readonly classCode: number;
  readonly subsystem?: readonly [vendor: number, device: number];
  readonly multifunction?: boolean;
  /** Bits of the command register that can be set. */
  readonly command: number;
  readonly status?: number;
  /** 1 to 4 for INTA# to INTD#, 0 for none. */
  readonly interruptPin?: number;
}

/** The configuration space of one function. */
export class PciFunction {
  readonly bytes = new Uint8Array(256);
  private readonly writable = new Uint8Array(256);
  private readonly bars: Bar[] = [];
  /** Told after a write to bytes [offset, offset + size). */
  onWrite: (offset: number, size: AccessSize) => void = () => {};

  constructor(identity: PciIdentity) {
    const { subsystem = [0, 0] } = identity;
    this.put(0x00, 2, identity.vendor);
    this.put(0x02, 2, identity.device);
    this.put(PCI_STATUS, 2, identity.status ?? 0);
    this.put(PCI_REVISION, 1, identity.revision);
    this.put(PCI_CLASS, 3, identity.classCode);
    this.put(PCI_HEADER_TYPE, 1, identity.multifunction ? HEADER_MULTIFUNCTION : 0);
    this.put(PCI_SUBSYSTEM, 2, subsystem[0]);
    this.put(PCI_SUBSYSTEM + 2, 2, subsystem[1]);
    this.put(PCI_INTERRUPT_PIN, 1, identity.interruptPin ?? 0);
    this.allow(PCI_COMMAND, 2, identity.command);
    this.allow(PCI_INTERRUPT_LINE, 1, 0xff);
    this.allow(0x0d, 1, 0xf8); // latency timer
  }

  /** Sets bytes as hardware does, whatever is writable. */
  put(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.bytes[offset + i] = value >>> (8 * i);
  }

  /** Makes bits of a register writable. */
  allow(offset: number, size: number, mask: number): void {
    for (let i = 0; i < size; i++) this.writable[offset + i] = mask >>> (8 * i);
  }

  /** Adds base address register `index`: `length` bytes (a power of two) of ports or memory. */
  addBar(index: number, length: number, io: boolean, window: PciWindow, prefetchable = false): void {
    const kind = io ? BAR_IO : prefetchable ? BAR_PREFETCHABLE : 0;
    this.addWindow({ register: PCI_BAR0 + index * 4, length, io, mask: io ? IO_MASK : MEMORY_MASK, kind, enable: 0, window, at: undefined });
  }

  /** Adds the expansion ROM: `length` bytes (a power of two of at least 2 KiB). */
  addRom(length: number, window: PciWindow): void {
    this.addWindow({ register: PCI_ROM, length, io: false, mask: ROM_MASK, kind: 0, enable: ROM_ENABLE, window, at: undefined });
  }

  private addWindow(bar: Bar): void {
    this.bars.push(bar);
    this.allow(bar.register, 4, -bar.length & bar.mask | bar.enable);
    this.put(bar.register, 4, bar.kind);
  }

  /** Value of `size` bytes, unsigned. */
  get(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.bytes[(offset + i) & 0xff] ?? 0) << (8 * i);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) {
      const mask = this.writable[offset + i]!;
      this.bytes[offset + i] = this.bytes[offset + i]! & ~mask | (value >>> (8 * i)) & mask;
    }
    this.placeWindows();
    this.onWrite(offset, size);
  }

  /** Base address of a register, as firmware sets it; enables nothing. */
  setBar(index: number, base: number): void {
    this.write(PCI_BAR0 + index * 4, 4, base);
  }

  reset(): void {
    this.put(PCI_COMMAND, 2, 0);
    for (const { register, kind } of this.bars) this.put(register, 4, kind);
    this.placeWindows();
  }

  private placeWindows(): void {
    const command = this.get(PCI_COMMAND, 2);
    for (const bar of this.bars) {
      const value = this.get(bar.register, 4), base = (value & bar.mask) >>> 0;
      const enabled = (command & (bar.io ? COMMAND_IO : COMMAND_MEMORY)) !== 0 && (value & bar.enable) === bar.enable;
      // While it is sized a register holds all ones; address 0 is no place for a window either.
      const inside = base !== 0 && base + bar.length <= (bar.io ? 0x1_0000 : 2 ** 32 - 1);
      const at = enabled && inside ? base : undefined;
      if (at === bar.at) continue;
      bar.at = at;
      bar.window.place(at);
    }
  }
}

/** The host bridge's side: address and data registers over the functions of bus 0. */
export class PciHost implements PortDevice {
  private readonly functions = new Map<number, PciFunction>();
  private readonly onReset: () => void;
  private address = 0;
  private resetControl = 0;

  constructor(onReset: () => void) {
    this.onReset = onReset;
  }

  /** Puts a function on the bus. */
  add(device: number, fn: number, config: PciFunction): void {
    this.functions.set(device << 3 | fn, config);
  }

  reset(): void {
    this.address = 0;
    this.resetControl = 0;
    for (const config of this.functions.values()) config.reset();
  }

  widest(): AccessSize {
    return 4;
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= 4) return this.selected()?.get((this.address & 0xfc) + (offset & 3), size) ?? 2 ** (8 * size) - 1;
    if (offset === 0 && size === 4) return this.address;
    return offset === RESET_CONTROL && size === 1 ? this.resetControl : 2 ** (8 * size) - 1;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= 4) this.selected()?.write((this.address & 0xfc) + (offset & 3), size, value);
    else if (offset === 0 && size === 4) this.address = (value & 0x80ff_fffc) >>> 0; // only a doubleword reaches the address register
    else if (offset === RESET_CONTROL && size === 1) {
      const pulled = value & ~this.resetControl & RESET_CPU;
      this.resetControl = value & ~RESET_CPU;
      if (pulled) this.onReset();
    }
  }

  private selected(): PciFunction | undefined {
    if (this.address < ADDRESS_ENABLE || (this.address & 0xff_0000) !== 0) return undefined;
    return this.functions.get((this.address >>> 8) & 0xff);
  }
}
