/**
 * A VGA: registers, four planes of 64 KiB behind 0xa0000-0xbffff, and the text screen as characters.
 * Reference: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; Abrash, Graphics Programming Black
 * Book, chapters 23-28 (write and read modes).
 * vga-dispi.ts has the linear frame buffer, vga-picture.ts draws what is seen.
 * Left out: loadable fonts, panning, split screen, blinking, timing other than the retrace bits, the monochrome ports' own
 * registers (0x3b4 and 0x3d4 reach the same controller).
 */
import type { AccessSize, DeviceClock, PortDevice } from "./device.js";
import { COMMAND_IO, COMMAND_MEMORY, PCI_BAR0, PciFunction } from "./pci.js";
import { Dispi, LFB_BYTES } from "./vga-dispi.js";
import { character } from "./vga-font.js";
import { GC_MISC, GC_MODE, PlaneMemory } from "./vga-planes.js";
import { defaultPalette, drawFrameBuffer, drawVga, palette256, type Picture } from "./vga-picture.js";

export const VGA_MEMORY = 0xa_0000, VGA_MEMORY_BYTES = 0x2_0000;
export const VGA_PORTS = 0x3b0, VGA_PORT_COUNT = 48;

/** Ports, counted from 0x3b0. */
const CRTC_INDEX_MONO = 0x04, CRTC_DATA_MONO = 0x05, STATUS1_MONO = 0x0a, ATTRIBUTE = 0x10, ATTRIBUTE_READ = 0x11, MISC_WRITE = 0x12,
  SEQUENCER_INDEX = 0x14, SEQUENCER_DATA = 0x15, DAC_MASK = 0x16, DAC_READ = 0x17, DAC_WRITE = 0x18, DAC_DATA = 0x19, MISC_READ = 0x1c,
  GRAPHICS_INDEX = 0x1e, GRAPHICS_DATA = 0x1f, CRTC_INDEX = 0x24, CRTC_DATA = 0x25, STATUS1 = 0x2a;

const MISC_GRAPHICS = 0x01, MODE_256_COLOURS = 0x40;
const CRTC_DISPLAY_END = 0x12, CRTC_HORIZONTAL_END = 0x01, CRTC_OVERFLOW = 0x07, CRTC_MAX_SCAN = 0x09, CRTC_START_HIGH = 0x0c, CRTC_START_LOW = 0x0d,
  CRTC_CURSOR_HIGH = 0x0e, CRTC_CURSOR_LOW = 0x0f, CRTC_RETRACE_END = 0x11, CRTC_PROTECT = 0x80, CRTC_OFFSET = 0x13;
const STATUS_DISPLAY_OFF = 0x01, STATUS_RETRACE = 0x08;
const BANK_BYTES = 0x1_0000;
const FRAMES_A_SECOND = 70, RETRACE_SHARE = 0.05;

/** Mode 3 (80 x 25 characters), as a BIOS programs it. */
const MODE3 = {
  misc: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 8, 0],
} as const;
/** Mode 13h (320 x 200, 256 colours): what differs from mode 3. */
const MODE13 = {
  misc: 0x63,
  sequencer: [0x03, 0x01, 0x0f, 0x00, 0x0e],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0f, 0, 0],
} as const;
const BLANK = 0x20, GREY_ON_BLACK = 0x07;

/** As QEMU's standard VGA is identified on PCI. */
export const VGA_VENDOR = 0x1234, VGA_DEVICE = 0x1111;
const BAR_FRAME_BUFFER = 0;

export class Vga implements PortDevice {
  readonly config = new PciFunction({ vendor: VGA_VENDOR, device: VGA_DEVICE, revision: 2, classCode: 0x03_0000, command: COMMAND_IO | COMMAND_MEMORY });
  /** The 128 KiB at 0xa0000. */
  readonly window: PortDevice;
  /** Frame buffer modes. */
  readonly dispi = new Dispi();
  private readonly clock: DeviceClock;
  private readonly crtc = new Uint8Array(32);
  private readonly sequencer = new Uint8Array(8);
  private readonly graphics = new Uint8Array(16);
  private readonly memory = new PlaneMemory(this.sequencer, this.graphics);
  private readonly attribute = new Uint8Array(32);
  private readonly palette = new Uint8Array(768);
  private crtcIndex = 0;
  private sequencerIndex = 0;
  private graphicsIndex = 0;
  private attributeIndex = 0;
  private attributeData = false;
  private misc = 0;
  private dacMask = 0xff;
  private dacIndex = 0;
  private dacReading = false;

  constructor(clock: DeviceClock) {
    this.clock = clock;
    this.window = {
      read: (offset, size) => this.readMemory(offset, size), write: (offset, size, value) => this.writeMemory(offset, size, value), widest: () => 4,
    };
    this.reset();
  }

  /** Makes the frame buffer's window, which its base address register moves. */
  bind(frameBuffer: (base: number | undefined) => void): void {
    this.config.addBar(BAR_FRAME_BUFFER, LFB_BYTES, false, { place: frameBuffer }, true);
  }

  /** Guest-physical address of the frame buffer, as firmware has set it. */
  get frameBufferBase(): number {
    return (this.config.get(PCI_BAR0, 4) & -16) >>> 0;
  }

  /** Mode 3 with an empty screen. */
  reset(): void {
    this.setMode3();
    this.palette.set(defaultPalette());
    this.dispi.reset();
    for (let a = 0; a < 0x4000; a++) {
      this.memory.planes[a * 4] = a % 2 === 0 ? BLANK : 0;
      this.memory.planes[a * 4 + 1] = a % 2 === 0 ? GREY_ON_BLACK : 0;
    }
  }

  // ---- the screen ----------------------------------------------------------------------------------------------

  get textMode(): boolean {
    return (this.graphics[GC_MISC]! & MISC_GRAPHICS) === 0;
  }

  /** Registers of mode 3; memory and colours stay. */
  setMode3(): void {
    this.program(MODE3);
  }

  /** Registers of mode 13h; memory and colours stay. */
  setMode13(): void {
    this.program(MODE13);
  }

  private program(mode: typeof MODE3 | typeof MODE13): void {
    this.crtc.set(mode.crtc);
    this.sequencer.set(mode.sequencer);
    this.graphics.set(mode.graphics);
    this.attribute.set(mode.attribute);
    this.misc = mode.misc;
    this.attributeIndex = 0x20;
  }

  /** Loads the colours a BIOS loads for a mode: those of sixteen, or of 256. */
  loadPalette(colour256: boolean): void {
    this.palette.set(colour256 ? palette256() : defaultPalette());
  }

  private get columns(): number {
    return this.crtc[CRTC_HORIZONTAL_END]! + 1;
  }

  /** Scan lines shown. */
  private get lines(): number {
    const { crtc } = this;
    return (crtc[CRTC_DISPLAY_END]! | (crtc[CRTC_OVERFLOW]! & 0x02) << 7 | (crtc[CRTC_OVERFLOW]! & 0x40) << 3) + 1;
  }

  /** The picture, whatever the mode. */
  screenRgb(): Picture {
    const { dispi, memory: { planes }, palette, attribute, crtc, columns, textMode, cursor } = this;
    if (dispi.enabled) return drawFrameBuffer(dispi, palette);
    return drawVga({
      planes, palette, attribute, crtc, columns, textMode, cursor, height: this.lines,
      colour256: (this.graphics[GC_MODE]! & MODE_256_COLOURS) !== 0, start: crtc[CRTC_START_HIGH]! << 8 | crtc[CRTC_START_LOW]!,
    });
  }

  /** The text screen, lines without the spaces at their ends; a graphics mode gives its size in one line. */
  screenText(): string {
    const { crtc, columns, dispi, lines: height } = this;
    if (dispi.enabled) return `(graphics, ${dispi.width} x ${dispi.height}, ${dispi.bitsPerPixel} bits a pixel)\n`;
    if (!this.textMode) return `(graphics, ${columns * 8} x ${height})\n`;
    const rows = Math.floor(height / ((crtc[CRTC_MAX_SCAN]! & 0x1f) + 1));
    const start = crtc[CRTC_START_HIGH]! << 8 | crtc[CRTC_START_LOW]!;
    const lines: string[] = [];
    for (let row = 0; row < rows; row++) {
      let line = "";
      for (let column = 0; column < columns; column++) {
        const cell = start + row * crtc[CRTC_OFFSET]! * 2 + column & 0x7fff;
        line += character(this.memory.planes[cell * 8 & 0x3_ffff]!);
      }
      lines.push(line.trimEnd());
    }
    return lines.join("\n") + "\n";
  }

  /** Cell the cursor is at, counted from the start of video memory. */
  get cursor(): number {
    return this.crtc[CRTC_CURSOR_HIGH]! << 8 | this.crtc[CRTC_CURSOR_LOW]!;
  }

  // ---- memory --------------------------------------------------------------------------------------------------

  private readMemory(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  private writeMemory(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  private readByte(offset: number): number {
    if (this.dispi.enabled) return offset < BANK_BYTES ? this.dispi.memory[this.dispi.bank + offset]! : 0xff;
    return this.memory.read(offset);
  }

  private writeByte(offset: number, value: number): void {
    if (!this.dispi.enabled) this.memory.write(offset, value);
    else if (offset < BANK_BYTES) this.dispi.memory[this.dispi.bank + offset] = value;
  }

  // ---- registers -----------------------------------------------------------------------------------------------

  read(port: number): number {
    switch (port) {
      case CRTC_INDEX: case CRTC_INDEX_MONO: return this.crtcIndex;
      case CRTC_DATA: case CRTC_DATA_MONO: return this.crtc[this.crtcIndex & 31]!;
      case STATUS1: case STATUS1_MONO: this.attributeData = false; return this.status1();
      case ATTRIBUTE: return this.attributeIndex;
      case ATTRIBUTE_READ: return this.attribute[this.attributeIndex & 31]!;
      case MISC_WRITE: return 0; // input status 0
      case MISC_READ: return this.misc;
      case SEQUENCER_INDEX: return this.sequencerIndex;
      case SEQUENCER_DATA: return this.sequencer[this.sequencerIndex & 7]!;
      case DAC_MASK: return this.dacMask;
      case DAC_READ: return this.dacReading ? 3 : 0;
      case DAC_WRITE: return Math.floor(this.dacIndex / 3);
      case DAC_DATA: return this.palette[this.nextColour()]!;
      case GRAPHICS_INDEX: return this.graphicsIndex;
      case GRAPHICS_DATA: return this.graphics[this.graphicsIndex & 15]!;
      default: return 0xff;
    }
  }

  write(port: number, _size: AccessSize, value: number): void {
    switch (port) {
      case CRTC_INDEX: case CRTC_INDEX_MONO: this.crtcIndex = value & 31; break;
      case CRTC_DATA: case CRTC_DATA_MONO: this.writeCrtc(value); break;
      case ATTRIBUTE:
        if (this.attributeData) this.attribute[this.attributeIndex & 31] = value & 0x3f;
        else this.attributeIndex = value & 0x3f;
        this.attributeData = !this.attributeData;
        break;
      case MISC_WRITE: this.misc = value; break;
      case SEQUENCER_INDEX: this.sequencerIndex = value & 7; break;
      case SEQUENCER_DATA: this.sequencer[this.sequencerIndex] = value; break;
      case DAC_MASK: this.dacMask = value; break;
      case DAC_READ: case DAC_WRITE:
        this.dacReading = port === DAC_READ;
        this.dacIndex = value * 3;
        break;
      case DAC_DATA: this.palette[this.nextColour()] = value & 0x3f; break;
      case GRAPHICS_INDEX: this.graphicsIndex = value & 15; break;
      case GRAPHICS_DATA: this.graphics[this.graphicsIndex] = value; break;
      default: break;
    }
  }

  /** Registers 0 to 7 are locked by bit 7 of register 0x11, but for one bit of the overflow register. */
  private writeCrtc(value: number): void {
    const i = this.crtcIndex;
    if (i > 7 || (this.crtc[CRTC_RETRACE_END]! & CRTC_PROTECT) === 0) this.crtc[i] = value;
    else if (i === CRTC_OVERFLOW) this.crtc[i] = this.crtc[i]! & ~0x10 | value & 0x10;
  }

  private nextColour(): number {
    const index = this.dacIndex;
    this.dacIndex = (index + 1) % 768;
    return index;
  }

  /** Software waits for the vertical retrace to begin or end: it takes a part of each frame. */
  private status1(): number {
    const frames = this.clock.now() / this.clock.hz * FRAMES_A_SECOND;
    return frames - Math.floor(frames) < RETRACE_SHARE ? STATUS_RETRACE | STATUS_DISPLAY_OFF : 0;
  }
}
