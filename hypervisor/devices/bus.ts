/**
 * The two buses of the PC: 65,536 ports and the memory-mapped pages. An access is a table lookup
 * and a call. Ranges are registered once, when the machine is built; an overlap is a bug and
 * throws. What nobody claims reads as all ones, as an undriven bus does, and is counted.
 */
import type { AccessSize, CountEvent, PortDevice } from "./device.js";

const PORTS = 0x1_0000;
const PAGE_SHIFT = 12;
const PAGE_SIZE = 1 << PAGE_SHIFT;
const PAGES = 1 << (32 - PAGE_SHIFT);
const FOUR_GIB = 2 ** 32;
const UNCLAIMED = 0;

/** All ones in the low `size` bytes. */
function ones(size: AccessSize): number {
  return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffff_ffff;
}

function unclaimed(count: CountEvent): PortDevice {
  return {
    read: (_offset, size) => { count("device.unclaimed"); return ones(size); },
    write: () => count("device.unclaimed"),
    widest: () => 4,
  };
}

/** The 64 KiB port space. */
export class PortBus {
  private readonly slots = new Uint16Array(PORTS);
  private readonly widths = new Uint8Array(PORTS).fill(4);
  private readonly names: string[] = ["unclaimed"];
  private readonly bases: number[] = [0];
  private readonly devices: PortDevice[];

  constructor(count: CountEvent) {
    this.devices = [unclaimed(count)];
  }

  /** Gives `length` ports from `base` to a device. Throws, naming both, when one is taken. */
  register(name: string, base: number, length: number, device: PortDevice): void {
    if (!(base >= 0 && length > 0 && base + length <= PORTS)) {
      throw new RangeError(`ports of ${name} are outside the port space: 0x${base.toString(16)}+${length}`);
    }
    for (let port = base; port < base + length; port++) {
      if (this.slots[port] !== UNCLAIMED) {
        throw new Error(`port 0x${port.toString(16)} of ${name} already belongs to ${this.nameOf(port)}`);
      }
    }
    const slot = this.devices.length;
    this.names.push(name);
    this.bases.push(base);
    this.devices.push(device);
    for (let offset = 0; offset < length; offset++) {
      this.slots[base + offset] = slot;
      this.widths[base + offset] = device.widest?.(offset) ?? 1;
    }
  }

  /**
   * Makes a window of `length` ports that software moves (a PCI base address register): the function given maps it at a
   * base, or nowhere. Ports that belong to somebody else stay theirs.
   */
  movable(name: string, length: number, device: PortDevice): (base: number | undefined) => void {
    const slot = this.devices.length;
    this.names.push(name);
    this.bases.push(0);
    this.devices.push(device);
    let mapped: number | undefined = undefined;
    return base => {
      if (mapped !== undefined) {
        for (let port = mapped; port < mapped + length; port++) {
          if (this.slots[port] !== slot) continue;
          this.slots[port] = UNCLAIMED;
          this.widths[port] = 4;
        }
      }
      mapped = base;
      if (base === undefined) return;
      this.bases[slot] = base;
      for (let offset = 0; offset < length; offset++) {
        if (this.slots[base + offset] !== UNCLAIMED) continue;
        this.slots[base + offset] = slot;
        this.widths[base + offset] = device.widest?.(offset) ?? 1;
      }
    };
  }

  /** Name of the range a port belongs to, `unclaimed` where nobody does. */
  nameOf(port: number): string {
    return this.names[this.slots[port & 0xffff]!]!;
  }

  /** IN: reads 1, 2 or 4 bytes, unsigned. */
  read(port: number, size: AccessSize): number {
    if (size > this.widths[port]!) return this.readBytes(port, size);
    const slot = this.slots[port]!;
    return this.devices[slot]!.read(port - this.bases[slot]!, size);
  }

  /** OUT: writes 1, 2 or 4 bytes. */
  write(port: number, size: AccessSize, value: number): void {
    if (size > this.widths[port]!) return this.writeBytes(port, size, value);
    const slot = this.slots[port]!;
    this.devices[slot]!.write(port - this.bases[slot]!, size, value);
  }

  private readBytes(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.read((port + i) & 0xffff, 1) << (8 * i);
    return value >>> 0;
  }

  private writeBytes(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.write((port + i) & 0xffff, 1, (value >>> (8 * i)) & 0xff);
  }
}

/** Memory-mapped registers, in ranges of whole pages below 4 GiB of guest-physical space. */
export class MmioBus {
  private readonly slots = new Uint8Array(PAGES);
  private readonly names: string[] = ["unclaimed"];
  private readonly bases: number[] = [0];
  private readonly devices: PortDevice[];

  constructor(count: CountEvent) {
    this.devices = [unclaimed(count)];
  }

  /** Gives whole pages from `base` to a device (bytes). Throws, naming both, when one is taken. */
  register(name: string, base: number, length: number, device: PortDevice): void {
    if (base % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0 || length <= 0 || base < 0 || base + length > FOUR_GIB) {
      throw new RangeError(`registers of ${name} are not whole pages below 4 GiB: 0x${base.toString(16)}+0x${length.toString(16)}`);
    }
    const first = base / PAGE_SIZE;
    const end = first + length / PAGE_SIZE;
    for (let page = first; page < end; page++) {
      if (this.slots[page] !== UNCLAIMED) {
        throw new Error(`page 0x${(page * PAGE_SIZE).toString(16)} of ${name} already belongs to ${this.names[this.slots[page]!]}`);
      }
    }
    const slot = this.devices.length;
    if (slot > 0xff) throw new RangeError(`no index is left for ${name}`);
    this.names.push(name);
    this.bases.push(base);
    this.devices.push(device);
    this.slots.fill(slot, first, end);
  }

  /** As PortBus.movable: a window of whole pages. */
  movable(name: string, length: number, device: PortDevice): (base: number | undefined) => void {
    const slot = this.devices.length;
    if (slot > 0xff) throw new RangeError(`no index is left for ${name}`);
    this.names.push(name);
    this.bases.push(0);
    this.devices.push(device);
    let mapped: number | undefined = undefined;
    const pages = Math.ceil(length / PAGE_SIZE);
    const fill = (base: number, from: number, to: number): void => {
      const first = Math.floor(base / PAGE_SIZE);
      for (let page = first; page < first + pages; page++) if (this.slots[page] === from) this.slots[page] = to;
    };
    return base => {
      if (mapped !== undefined) fill(mapped, slot, UNCLAIMED);
      mapped = base;
      if (base === undefined) return;
      this.bases[slot] = base;
      fill(base, UNCLAIMED, slot);
    };
  }

  /** Whether a device answers at this guest-physical address. */
  claims(pa: number): boolean {
    return pa < FOUR_GIB && this.slots[Math.floor(pa / PAGE_SIZE)] !== UNCLAIMED;
  }

  /** Loads 1, 2 or 4 bytes, unsigned. */
  read(pa: number, size: AccessSize): number {
    const slot = pa < FOUR_GIB ? this.slots[Math.floor(pa / PAGE_SIZE)]! : UNCLAIMED;
    const device = this.devices[slot]!;
    const offset = pa - this.bases[slot]!;
    if (size <= (device.widest?.(offset) ?? 1)) return device.read(offset, size);
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.read(pa + i, 1) << (8 * i);
    return value >>> 0;
  }

  /** Stores 1, 2 or 4 bytes. */
  write(pa: number, size: AccessSize, value: number): void {
    const slot = pa < FOUR_GIB ? this.slots[Math.floor(pa / PAGE_SIZE)]! : UNCLAIMED;
    const device = this.devices[slot]!;
    const offset = pa - this.bases[slot]!;
    if (size <= (device.widest?.(offset) ?? 1)) return device.write(offset, size, value);
    for (let i = 0; i < size; i++) this.write(pa + i, 1, (value >>> (8 * i)) & 0xff);
  }
}
