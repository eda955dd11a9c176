/**
 * INT 10h AH=4Fh: VBE 2.0's modes on the linear frame buffer.
 * Reference: VESA BIOS Extension (VBE) Core Functions Standard 2.0.
 * Left out: the protected-mode interface, saving state, DAC width, display data channel.
 */
import type { Vga } from "../devices/vga.js";
import * as D from "../devices/vga-dispi.js";
import type { Cells } from "./bda.js";
import type { Frame } from "./frame.js";
import { VBE_MODE_LIST } from "./vbe-modes.js";
import { VBE_MODES, VBE_NAME, VIDEO_SEGMENT } from "./video-rom.js";

const SUPPORTED = 0x4f, FAILED = 0x01;
const LINEAR = 0x4000, KEEP_MEMORY = 0x8000, NUMBER = 0x1ff;
const INFO_BYTES = 512, INFO_OLD_BYTES = 256, MODE_INFO_BYTES = 256;
const ATTRIBUTES = 0x9b; // supported, optional data, colour, graphics, linear frame buffer
const DIRECT_COLOUR = 6, PACKED_PIXEL = 4;
/** Size and position of red, green and blue by bits a pixel. */
const MASKS: Readonly<Record<number, readonly number[]>> = { 16: [5, 11, 6, 5, 5, 0], 24: [8, 16, 8, 8, 8, 0], 32: [8, 16, 8, 8, 8, 0, 8, 24] };
const DISPI_INDEX = 0, DISPI_DATA = 1;

export class VbeServices {
  private readonly cells: Cells;
  private readonly vga: Vga;
  private readonly setText: () => void;
  private mode = 3;

  constructor(cells: Cells, vga: Vga, setText: () => void) {
    this.cells = cells;
    this.vga = vga;
    this.setText = setText;
  }

  serve(f: Frame): void {
    const done = this.command(f);
    if (done !== undefined) f.ax = SUPPORTED | (done ? 0 : FAILED << 8);
  }

  /** Gives whether it worked, undefined for what there is not. */
  private command(f: Frame): boolean | undefined {
    switch (f.al) {
      case 0x00: return this.information(f.es * 16 + f.di);
      case 0x01: return this.modeInformation(f.es * 16 + f.di, f.cx & NUMBER);
      case 0x02: return this.setMode(f.bx);
      case 0x03: f.bx = this.vga.dispi.enabled ? this.mode | LINEAR : 3; return true;
      case 0x05: return this.window(f);
      case 0x06: return this.scanLine(f);
      case 0x07: return this.displayStart(f);
      default: return undefined;
    }
  }

  private information(at: number): boolean {
    const { cells } = this;
    const isNew = cells.dword(at) === 0x32454256; // "VBE2"
    cells.memory.write(at, new Uint8Array(isNew ? INFO_BYTES : INFO_OLD_BYTES));
    cells.memory.write(at, new TextEncoder().encode("VESA"));
    cells.setWord(at + 4, 0x0200);
    cells.setDword(at + 6, (VIDEO_SEGMENT << 16 | VBE_NAME) >>> 0);
    cells.setDword(at + 14, (VIDEO_SEGMENT << 16 | VBE_MODES) >>> 0);
    cells.setWord(at + 18, D.LFB_BYTES >>> 16);
    if (!isNew) return true;
    for (const field of [22, 26, 30]) cells.setDword(at + field, (VIDEO_SEGMENT << 16 | VBE_NAME) >>> 0);
    return true;
  }

  private modeInformation(at: number, number: number): boolean {
    const mode = VBE_MODE_LIST.find(([n]) => n === number), { cells } = this;
    if (!mode) return false;
    const [, width, height, bpp] = mode;
    const bytes = bpp >>> 3, masks = MASKS[bpp];
    cells.memory.write(at, new Uint8Array(MODE_INFO_BYTES));
    cells.setWord(at, ATTRIBUTES);
    cells.setByte(at + 2, 0x07); // window A: there, readable, writable
    cells.setWord(at + 4, 64);
    cells.setWord(at + 6, 64);
    cells.setWord(at + 8, 0xa000);
    cells.setWord(at + 16, width * bytes);
    cells.setWord(at + 18, width);
    cells.setWord(at + 20, height);
    [8, 16, 1, bpp, 1, masks ? DIRECT_COLOUR : PACKED_PIXEL, 0, Math.max(0, Math.floor(D.LFB_BYTES / (width * height * bytes)) - 1), 1]
      .forEach((value, i) => cells.setByte(at + 22 + i, value));
    masks?.forEach((value, i) => cells.setByte(at + 31 + i, value));
    cells.setDword(at + 40, this.vga.frameBufferBase);
    return true;
  }

  private setMode(asked: number): boolean {
    const number = asked & NUMBER;
    const mode = VBE_MODE_LIST.find(([n]) => n === number);
    if (!mode) {
      if (number >= 0x100) return false;
      this.setText();
      return true;
    }
    const [, width, height, bpp] = mode;
    this.dispi(D.DISPI_ENABLE, 0);
    this.dispi(D.DISPI_XRES, width);
    this.dispi(D.DISPI_YRES, height);
    this.dispi(D.DISPI_BPP, bpp);
    this.dispi(D.DISPI_ENABLE, D.ENABLED | D.LFB_ENABLED | ((asked & KEEP_MEMORY) !== 0 ? D.NO_CLEAR : 0));
    if (bpp === 8) this.vga.loadPalette(true);
    this.mode = number;
    return true;
  }

  private dispi(index: number, value: number): void {
    this.vga.dispi.write(DISPI_INDEX, 2, index);
    this.vga.dispi.write(DISPI_DATA, 2, value);
  }

  private window(f: Frame): boolean {
    if (f.bl !== 0 || !this.vga.dispi.enabled) return false;
    if (f.bh === 0) this.dispi(D.DISPI_BANK, f.dx);
    else f.dx = this.vga.dispi.bank >>> 16;
    return true;
  }

  private scanLine(f: Frame): boolean {
    const { dispi } = this.vga;
    if (!dispi.enabled) return false;
    if (f.bl === 0) this.dispi(D.DISPI_VIRT_WIDTH, f.cx);
    f.bx = dispi.pitch;
    f.cx = dispi.pitch / dispi.bytesPerPixel;
    f.dx = Math.min(0xffff, Math.floor(D.LFB_BYTES / dispi.pitch));
    return true;
  }

  private displayStart(f: Frame): boolean {
    const { dispi } = this.vga;
    if (!dispi.enabled) return false;
    if ((f.bl & 0x7f) === 0) {
      this.dispi(D.DISPI_X_OFFSET, f.cx);
      this.dispi(D.DISPI_Y_OFFSET, f.dx);
    } else {
      f.bh = 0;
      f.cx = dispi.start % dispi.pitch / dispi.bytesPerPixel;
      f.dx = Math.floor(dispi.start / dispi.pitch);
    }
    return true;
  }
}
