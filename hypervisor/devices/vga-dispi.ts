/**
 * The linear frame buffer beside a VGA, switched by the Bochs display interface: an index port (0x1ce), a data port (0x1cf,
 * and 0x1d0 for those who keep words aligned), and memory that PCI maps.
 * Reference: Bochs, VBE display interface (ID 0xb0c5), as QEMU's "Standard VGA" documents it.
 * Left out: 4 bits a pixel, the 8-bit DAC.
 */
import type { AccessSize, PortDevice } from "./device.js";

export const DISPI_PORTS = 0x1ce, DISPI_PORT_COUNT = 3;
/** Size of the frame buffer. */
export const LFB_BYTES = 0x80_0000;

export const DISPI_ID = 0, DISPI_XRES = 1, DISPI_YRES = 2, DISPI_BPP = 3, DISPI_ENABLE = 4, DISPI_BANK = 5, DISPI_VIRT_WIDTH = 6,
  DISPI_VIRT_HEIGHT = 7, DISPI_X_OFFSET = 8, DISPI_Y_OFFSET = 9, DISPI_VIDEO_MEMORY = 10;
export const ENABLED = 0x01, GET_CAPABILITIES = 0x02, LFB_ENABLED = 0x40, NO_CLEAR = 0x80;
const REGISTERS = 11;
const NEWEST_ID = 0xb0c5, OLDEST_ID = 0xb0c0;
const MAX_X = 1600, MAX_Y = 1200, MAX_BPP = 32, BANK_BYTES = 0x1_0000;
const DEPTHS: readonly number[] = [8, 15, 16, 24, 32];

export class Dispi implements PortDevice {
  /** The frame buffer, wherever PCI maps it. */
  readonly window: PortDevice;
  private readonly registers = new Uint16Array(REGISTERS);
  private index = 0;
  private bytes: Uint8Array | undefined;

  constructor() {
    this.window = {
      read: (offset, size) => this.load(offset, size), write: (offset, size, value) => this.store(offset, size, value), widest: () => 4,
    };
    this.reset();
  }

  reset(): void {
    this.registers.fill(0);
    this.registers[DISPI_ID] = NEWEST_ID;
    this.registers[DISPI_VIDEO_MEMORY] = LFB_BYTES / BANK_BYTES;
    this.index = 0;
    this.bytes?.fill(0);
  }

  get enabled(): boolean { return (this.registers[DISPI_ENABLE]! & ENABLED) !== 0; }
  get width(): number { return this.registers[DISPI_XRES]!; }
  get height(): number { return this.registers[DISPI_YRES]!; }
  get bitsPerPixel(): number { return this.registers[DISPI_BPP]!; }
  /** Bytes from one line to the next. */
  get pitch(): number { return this.registers[DISPI_VIRT_WIDTH]! * this.bytesPerPixel; }
  /** Byte of the frame buffer that is the picture's first. */
  get start(): number { return this.registers[DISPI_Y_OFFSET]! * this.pitch + this.registers[DISPI_X_OFFSET]! * this.bytesPerPixel; }
  get bytesPerPixel(): number { return this.bitsPerPixel + 7 >>> 3; }
  /** The frame buffer's bytes; made when first wanted. */
  get memory(): Uint8Array { return this.bytes ??= new Uint8Array(LFB_BYTES); }
  /** First byte that the 64 KiB at 0xa0000 show. */
  get bank(): number { return this.registers[DISPI_BANK]! * BANK_BYTES; }

  widest(): AccessSize {
    return 2;
  }

  read(offset: number, size: AccessSize): number {
    return size === 1 ? this.value(offset) & 0xff : this.value(offset);
  }

  private value(offset: number): number {
    if (offset === 0) return this.index;
    if ((this.registers[DISPI_ENABLE]! & GET_CAPABILITIES) !== 0) {
      if (this.index === DISPI_XRES) return MAX_X;
      if (this.index === DISPI_YRES) return MAX_Y;
      if (this.index === DISPI_BPP) return MAX_BPP;
    }
    return this.registers[this.index] ?? 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset === 0) this.index = value;
    else this.set(this.index, value);
  }

  private set(index: number, value: number): void {
    const { registers } = this;
    switch (index) {
      case DISPI_ID: if (value >= OLDEST_ID && value <= NEWEST_ID) registers[DISPI_ID] = value; break;
      case DISPI_XRES: if (!this.enabled && value <= MAX_X) registers[index] = value; break;
      case DISPI_YRES: if (!this.enabled && value <= MAX_Y) registers[index] = value; break;
      case DISPI_BPP: if (!this.enabled && DEPTHS.includes(value)) registers[index] = value; break;
      case DISPI_ENABLE: this.enable(value); break;
      case DISPI_BANK: if ((value + 1) * BANK_BYTES <= LFB_BYTES) registers[index] = value; break;
      case DISPI_VIRT_WIDTH: this.setVirtualWidth(value); break;
      case DISPI_X_OFFSET: case DISPI_Y_OFFSET: registers[index] = value; break;
      default: break;
    }
  }

  private enable(value: number): void {
    const { registers } = this;
    const starts = (value & ENABLED) !== 0 && !this.enabled;
    if (starts && (this.width === 0 || this.height === 0 || this.bitsPerPixel === 0)) return;
    registers[DISPI_ENABLE] = value;
    if (!starts) return;
    this.setVirtualWidth(this.width);
    registers[DISPI_X_OFFSET] = registers[DISPI_Y_OFFSET] = registers[DISPI_BANK] = 0;
    if ((value & NO_CLEAR) === 0) this.memory.fill(0);
  }

  private setVirtualWidth(width: number): void {
    const { registers } = this;
    if (width < this.width || width * this.bytesPerPixel === 0) return;
    const lines = Math.floor(LFB_BYTES / (width * this.bytesPerPixel));
    if (lines < this.height) return;
    registers[DISPI_VIRT_WIDTH] = width;
    registers[DISPI_VIRT_HEIGHT] = Math.min(lines, 0xffff);
  }

  private load(offset: number, size: AccessSize): number {
    const { memory } = this;
    let value = 0;
    for (let i = 0; i < size; i++) value |= (memory[offset + i] ?? 0xff) << (8 * i);
    return value >>> 0;
  }

  private store(offset: number, size: AccessSize, value: number): void {
    const { memory } = this;
    for (let i = 0; i < size; i++) memory[offset + i] = value >>> (8 * i);
  }
}
