/**
 * INT 10h: the text screen through video memory and the CRTC's registers, and the part of VBE that boot loaders use.
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference, interrupt 10h; VESA BIOS Extension 2.0.
 * Left out: light pen, pixels, loading fonts, saving state, CGA and EGA graphics, palettes but those of mode 3 and 13h.
 */
import type { Vga } from "../devices/vga.js";
import * as B from "./bda.js";
import type { Frame } from "./frame.js";
import { VbeServices } from "./vbe.js";
import { buildVideoRom, FONT_8X16, FONT_8X8, FONT_8X8_HIGH, VIDEO_SEGMENT } from "./video-rom.js";

const TEXT_OFFSET = 0x1_8000, GRAPHICS_OFFSET = 0x0_0000;
const COLUMNS = 80, ROWS = 25, CHAR_HEIGHT = 16, PAGE_BYTES = 0x1000, PAGES = 8;
const CRTC_PORT = 0x3d4, CRTC = 0x24, CRTC_DATA = 0x25;
const CURSOR_START = 0x0a, CURSOR_END = 0x0b, START_HIGH = 0x0c, START_LOW = 0x0d, CURSOR_HIGH = 0x0e, CURSOR_LOW = 0x0f;
const BELL = 7, BACKSPACE = 8, LINE_FEED = 10, RETURN = 13;
const GREY = 0x07, BLANK = 0x20;
const MODE_3 = 3, MODE_13 = 0x13, KEEP_MEMORY = 0x80;
const VGA_IN_COLOUR = 0x08;
/** Vectors of the services and of the fonts: the upper half of the small one, and the one in use. */
const VECTOR_VIDEO = 0x10, VECTOR_FONT_HIGH = 0x1f, VECTOR_FONT = 0x43;

export class VideoServices {
  private readonly vga: Vga;
  private readonly cells: B.Cells;
  private readonly vbe: VbeServices;

  constructor(cells: B.Cells, vga: Vga) {
    this.cells = cells;
    this.vga = vga;
    this.vbe = new VbeServices(cells, vga, () => this.setMode(MODE_3));
  }

  /** What the ROM's entry does: vectors, and the text screen. */
  start(): void {
    const { cells } = this;
    cells.setVector(VECTOR_VIDEO, VIDEO_SEGMENT, buildVideoRom().int10);
    cells.setVector(VECTOR_FONT_HIGH, VIDEO_SEGMENT, FONT_8X8_HIGH);
    cells.setVector(VECTOR_FONT, VIDEO_SEGMENT, FONT_8X16);
    this.setMode(MODE_3);
  }

  serve(f: Frame): void {
    const { cells } = this;
    switch (f.ah) {
      case 0x00: return this.setMode(f.al);
      case 0x01: return this.setCursorShape(f.cx);
      case 0x02: return this.setCursor(f.bh, f.dh, f.dl);
      case 0x03:
        f.dx = cells.word(B.BDA_CURSOR + 2 * (f.bh & 7));
        f.cx = cells.word(B.BDA_CURSOR_SHAPE);
        return;
      case 0x05: return this.setPage(f.al);
      case 0x06: return this.scroll(f, 1);
      case 0x07: return this.scroll(f, -1);
      case 0x08: f.ax = this.cell(this.at(f.bh)); return;
      case 0x09: return this.fill(f.bh, f.al, f.bl, f.cx);
      case 0x0a: return this.fill(f.bh, f.al, undefined, f.cx);
      case 0x0e: return this.teletype(f.al, this.page);
      case 0x0f:
        f.al = cells.byte(B.BDA_VIDEO_MODE);
        f.ah = cells.byte(B.BDA_COLUMNS);
        f.bh = this.page;
        return;
      case 0x10: return this.colours(f);
      case 0x11: return this.fonts(f);
      case 0x12: return this.alternate(f);
      case 0x13: return this.writeString(f);
      case 0x1a: return this.displayCode(f);
      case 0x4f: return this.vbe.serve(f);
      default: return;
    }
  }

  /** Text in colour is mode 3 whatever was asked; mode 13h is 320 by 200 in 256 colours. */
  setMode(asked: number): void {
    const { cells, vga } = this;
    const mode = (asked & 0x7f) === MODE_13 ? MODE_13 : MODE_3;
    vga.dispi.reset();
    if (mode === MODE_13) vga.setMode13();
    else {
      vga.setMode3();
      if ((asked & KEEP_MEMORY) === 0) for (let i = 0; i < PAGES * PAGE_BYTES; i += 2) this.put(i, BLANK | GREY << 8);
    }
    vga.loadPalette(mode === MODE_13);
    if (mode === MODE_13 && (asked & KEEP_MEMORY) === 0) for (let i = 0; i < 0x1_0000; i += 4) vga.window.write(GRAPHICS_OFFSET + i, 4, 0);
    cells.setByte(B.BDA_VIDEO_MODE, mode);
    cells.setWord(B.BDA_COLUMNS, mode === MODE_13 ? 40 : COLUMNS);
    cells.setWord(B.BDA_PAGE_BYTES, PAGE_BYTES);
    cells.setWord(B.BDA_PAGE_START, 0);
    cells.memory.write(B.BDA_CURSOR, new Uint8Array(2 * PAGES));
    cells.setByte(B.BDA_PAGE, 0);
    cells.setWord(B.BDA_CRTC, CRTC_PORT);
    cells.setByte(B.BDA_ROWS, ROWS - 1);
    cells.setWord(B.BDA_CHAR_HEIGHT, mode === MODE_13 ? 8 : CHAR_HEIGHT);
    cells.setByte(B.BDA_VIDEO_CONTROL, 0x60);
    cells.setByte(B.BDA_VIDEO_SWITCHES, 0xf9);
    cells.setByte(B.BDA_VGA_FLAGS, 0x51);
    this.setCursorShape(0x0607);
    this.showPage(0);
  }

  private get page(): number {
    return this.cells.byte(B.BDA_PAGE) & (PAGES - 1);
  }

  private crtc(index: number, value: number): void {
    this.vga.write(CRTC, 1, index);
    this.vga.write(CRTC_DATA, 1, value & 0xff);
  }

  /** Shapes are given in the eight lines of a CGA's character. */
  private setCursorShape(shape: number): void {
    this.cells.setWord(B.BDA_CURSOR_SHAPE, shape);
    const start = shape >>> 8 & 0x1f, end = shape & 0x1f, scale = end < 8 && start < 8 ? 2 : 1;
    this.crtc(CURSOR_START, (shape >>> 8 & 0x60) !== 0 ? 0x20 : start * scale + scale - 1);
    this.crtc(CURSOR_END, Math.min(CHAR_HEIGHT - 1, end * scale + scale - 1));
  }

  private setCursor(page: number, row: number, column: number): void {
    this.cells.setWord(B.BDA_CURSOR + 2 * (page & (PAGES - 1)), row << 8 | column);
    if ((page & (PAGES - 1)) === this.page) this.showCursor();
  }

  private showCursor(): void {
    const at = this.at(this.page) / 2;
    this.crtc(CURSOR_HIGH, at >>> 8);
    this.crtc(CURSOR_LOW, at);
  }

  private setPage(page: number): void {
    this.cells.setByte(B.BDA_PAGE, page & (PAGES - 1));
    this.showPage(page & (PAGES - 1));
  }

  private showPage(page: number): void {
    const start = page * PAGE_BYTES;
    this.cells.setWord(B.BDA_PAGE_START, start);
    this.crtc(START_HIGH, start >>> 9);
    this.crtc(START_LOW, start >>> 1);
    this.showCursor();
  }

  /** Offset of the cell under a page's cursor. */
  private at(page: number): number {
    const cursor = this.cells.word(B.BDA_CURSOR + 2 * (page & (PAGES - 1)));
    return this.offset(page, cursor >>> 8, cursor & 0xff);
  }

  private offset(page: number, row: number, column: number): number {
    return (page & (PAGES - 1)) * PAGE_BYTES + (row * COLUMNS + column) * 2;
  }

  private cell(offset: number): number { return this.vga.window.read(TEXT_OFFSET + offset, 2); }
  private put(offset: number, cell: number): void { if (offset < 0x8000) this.vga.window.write(TEXT_OFFSET + offset, 2, cell); }

  /** Writes a character `count` times from the cursor on; without an attribute the cells keep theirs. */
  private fill(page: number, char: number, attribute: number | undefined, count: number): void {
    const at = this.at(page);
    for (let i = 0; i < Math.min(count, COLUMNS * ROWS); i++) {
      this.put(at + 2 * i, char | (attribute ?? this.cell(at + 2 * i) >>> 8) << 8);
    }
  }

  private scroll(f: Frame, direction: 1 | -1): void {
    this.scrollWindow(this.page, direction, f.al, f.ch, f.cl, Math.min(f.dh, ROWS - 1), Math.min(f.dl, COLUMNS - 1), f.bh);
  }

  /** Moves the lines of a window up (1) or down (-1); `lines` 0 clears it. */
  private scrollWindow(page: number, direction: 1 | -1, lines: number, top: number, left: number, bottom: number, right: number, attribute: number): void {
    const height = bottom - top + 1, moved = lines === 0 || lines > height ? height : lines;
    for (let i = 0; i < height; i++) {
      const row = direction === 1 ? top + i : bottom - i, from = row + direction * moved;
      const blank = from < top || from > bottom;
      for (let column = left; column <= right; column++) {
        this.put(this.offset(page, row, column), blank ? BLANK | attribute << 8 : this.cell(this.offset(page, from, column)));
      }
    }
  }

  /** Writes as a teleprinter does: control characters act, the screen scrolls. */
  teletype(char: number, page: number, attribute?: number): void {
    const cursor = this.cells.word(B.BDA_CURSOR + 2 * (page & (PAGES - 1)));
    let row = cursor >>> 8, column = cursor & 0xff;
    if (char === RETURN) column = 0;
    else if (char === LINE_FEED) row++;
    else if (char === BACKSPACE) column = Math.max(0, column - 1);
    else if (char !== BELL) {
      const at = this.offset(page, row, column);
      this.put(at, char | (attribute ?? this.cell(at) >>> 8) << 8);
      if (++column === COLUMNS) { column = 0; row++; }
    }
    if (row >= ROWS) {
      const last = this.cell(this.offset(page, ROWS - 1, 0)) >>> 8;
      this.scrollWindow(page, 1, 1, 0, 0, ROWS - 1, COLUMNS - 1, last);
      row = ROWS - 1;
    }
    this.setCursor(page, row, column);
  }

  private writeString(f: Frame): void {
    const page = f.bh, before = this.cells.word(B.BDA_CURSOR + 2 * (page & (PAGES - 1)));
    const step = (f.al & 2) !== 0 ? 2 : 1, start = f.es * 16 + f.bp;
    this.setCursor(page, f.dh, f.dl);
    for (let i = 0; i < f.cx; i++) {
      this.teletype(this.cells.byte(start + i * step), page, step === 2 ? this.cells.byte(start + i * 2 + 1) : f.bl);
    }
    if ((f.al & 1) === 0) this.setCursor(page, before >>> 8, before & 0xff);
  }

  /** Single DAC registers and blocks of them. */
  private colours(f: Frame): void {
    const { vga, cells } = this, dac = (value: number): void => vga.write(0x19, 1, value & 0x3f);
    if (f.al === 0x10) {
      vga.write(0x18, 1, f.bl);
      for (const part of [f.dh, f.ch, f.cl]) dac(part);
    } else if (f.al === 0x12) {
      vga.write(0x18, 1, f.bl);
      for (let i = 0; i < Math.min(f.cx, 256) * 3; i++) dac(cells.byte(f.es * 16 + f.dx + i));
    } else if (f.al === 0x17) {
      vga.write(0x17, 1, f.bl);
      for (let i = 0; i < Math.min(f.cx, 256) * 3; i++) cells.setByte(f.es * 16 + f.dx + i, vga.read(0x19));
    }
  }

  private fonts(f: Frame): void {
    if (f.al !== 0x30) return;
    const offsets: Readonly<Record<number, number>> = { 2: FONT_8X16, 3: FONT_8X8, 4: FONT_8X8_HIGH, 6: FONT_8X16 };
    f.es = VIDEO_SEGMENT;
    f.bp = offsets[f.bh] ?? FONT_8X16;
    f.cx = this.cells.word(B.BDA_CHAR_HEIGHT);
    f.dl = ROWS - 1;
  }

  private alternate(f: Frame): void {
    if (f.bl === 0x10) {
      f.bx = 0x0003; // colour, 256 KiB
      f.cx = 0x0009;
    } else if (f.bl >= 0x30 && f.bl <= 0x36) f.al = 0x12;
  }

  private displayCode(f: Frame): void {
    if (f.al > 1) return;
    f.al = 0x1a;
    f.bx = VGA_IN_COLOUR; // VGA with a colour display, no other
  }
}
