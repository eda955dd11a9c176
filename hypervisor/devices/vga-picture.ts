/** What a screen shows, in pixels: from the registers and memory of a VGA and its frame buffer. */
import type { Dispi } from "./vga-dispi.js";
import { font } from "./vga-font.js";

/** Three bytes a pixel, red first, line by line from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** A VGA's state as far as one can see it. */
export interface VgaState {
  /** Byte p of group a is plane p's byte a. */
  readonly planes: Uint8Array;
  /** 256 colours of three 6-bit parts. */
  readonly palette: Uint8Array;
  readonly attribute: Uint8Array;
  readonly crtc: Uint8Array;
  readonly columns: number;
  /** Scan lines. */
  readonly height: number;
  readonly textMode: boolean;
  /** 256 colours of one byte a pixel. */
  readonly colour256: boolean;
  /** First address shown. */
  readonly start: number;
  readonly cursor: number;
}

const CRTC_MAX_SCAN = 0x09, CRTC_CURSOR_START = 0x0a, CRTC_CURSOR_END = 0x0b, CRTC_OFFSET = 0x13, CRTC_UNDERLINE = 0x14, CURSOR_OFF = 0x20, DOUBLE_WORD = 0x40;
const CELL_WIDTH = 8, FONT_HEIGHT = 16;

/** Colours 0 to 15 by attribute and DAC, as a VGA has them after mode 3 is set; the rest is grey. */
export function defaultPalette(): Uint8Array {
  const palette = new Uint8Array(768);
  for (let i = 0; i < 64; i++) {
    const level = (high: number, low: number): number => (i >>> high & 1) * 0x2a + (i >>> low & 1) * 0x15;
    palette.set([level(2, 5), level(1, 4), level(0, 3)], i * 3);
  }
  return palette;
}

/** The DAC of mode 13h: 16 colours, 16 greys, then hues in steps. */
export function palette256(): Uint8Array {
  const palette = new Uint8Array(768);
  const ega = defaultPalette();
  for (let i = 0; i < 16; i++) palette.set(ega.subarray((i < 8 ? i === 6 ? 0x14 : i : 0x30 + i) * 3).subarray(0, 3), i * 3);
  for (let i = 0; i < 16; i++) palette.fill(Math.round(i * 63 / 15), (16 + i) * 3, (17 + i) * 3);
  for (let i = 32; i < 248; i++) {
    const hue = (i - 32) % 24 / 4, group = Math.floor((i - 32) / 24);
    const high = [63, 28, 16][Math.floor(group / 3)]!, low = high * [0, 0.5, 0.72][group % 3]!;
    const part = (shift: number): number => Math.round(low + (high - low) * Math.max(0, Math.min(1, Math.abs((hue + shift) % 6 - 3) - 1)));
    palette.set([part(5), part(3), part(1)], i * 3);
  }
  return palette;
}

export function drawFrameBuffer(dispi: Dispi, palette: Uint8Array): Picture {
  const { width, height, bitsPerPixel, bytesPerPixel, pitch, start, memory } = dispi;
  const rgb = new Uint8Array(width * height * 3);
  const wide = (value: number, bits: number): number => Math.round(value * 255 / ((1 << bits) - 1));
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0, at = start + y * pitch; x < width; x++, at += bytesPerPixel, out += 3) {
      const first = memory[at] ?? 0, second = memory[at + 1] ?? 0;
      if (bitsPerPixel === 8) for (let i = 0; i < 3; i++) rgb[out + i] = wide(palette[first * 3 + i]! & 0x3f, 6);
      else if (bitsPerPixel >= 24) rgb.set([memory[at + 2] ?? 0, second, first], out);
      else {
        const pixel = first | second << 8, green = bitsPerPixel === 15 ? 5 : 6;
        rgb.set([wide(pixel >>> (5 + green) & 0x1f, 5), wide(pixel >>> 5 & (1 << green) - 1, green), wide(pixel & 0x1f, 5)], out);
      }
    }
  }
  return { width, height, rgb };
}

export function drawVga(state: VgaState): Picture {
  return state.textMode ? drawText(state) : state.colour256 ? draw256(state) : drawPlanes(state);
}

/** Puts DAC colour `index` at pixel `at`. */
function put(rgb: Uint8Array, at: number, palette: Uint8Array, index: number): void {
  for (let i = 0; i < 3; i++) rgb[at * 3 + i] = Math.round((palette[index * 3 + i]! & 0x3f) * 255 / 63);
}

function drawText(state: VgaState): Picture {
  const { planes, palette, attribute, crtc, columns, height } = state;
  const cellHeight = (crtc[CRTC_MAX_SCAN]! & 0x1f) + 1;
  const width = columns * CELL_WIDTH, glyphs = font(FONT_HEIGHT), rgb = new Uint8Array(width * height * 3);
  const cursorOn = (crtc[CRTC_CURSOR_START]! & CURSOR_OFF) === 0;
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cellHeight), line = y % cellHeight;
    const underCursor = cursorOn && line >= (crtc[CRTC_CURSOR_START]! & 0x1f) && line <= (crtc[CRTC_CURSOR_END]! & 0x1f);
    for (let column = 0; column < columns; column++) {
      const cell = state.start + row * crtc[CRTC_OFFSET]! * 2 + column & 0x7fff;
      const code = planes[cell * 8 & 0x3_ffff]!, colours = planes[(cell * 8 & 0x3_ffff) + 1]!;
      const dots = underCursor && cell === state.cursor ? 0xff : glyphs[code * FONT_HEIGHT + Math.min(FONT_HEIGHT - 1, line)]!;
      for (let x = 0; x < CELL_WIDTH; x++) {
        const colour = (dots << x & 0x80) !== 0 ? colours & 0xf : colours >>> 4 & 7;
        put(rgb, y * width + column * CELL_WIDTH + x, palette, attribute[colour]! & 0x3f);
      }
    }
  }
  return { width, height, rgb };
}

/**
 * Mode 13h: each pixel two dots wide and two lines high on the wire, one here. In double-word addressing the groups of four
 * are four addresses apart, as chained writes leave them.
 */
function draw256(state: VgaState): Picture {
  const { planes, palette, crtc } = state;
  const apart = (crtc[CRTC_UNDERLINE]! & DOUBLE_WORD) !== 0;
  const doubled = (crtc[CRTC_MAX_SCAN]! & 0x1f) + 1;
  const width = state.columns * 4, height = Math.floor(state.height / doubled), rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = state.start * 4 + y * crtc[CRTC_OFFSET]! * 8 + x;
      put(rgb, y * width + x, palette, planes[(apart ? (at & ~3) * 4 + (at & 3) : at) & 0x3_ffff]!);
    }
  }
  return { width, height, rgb };
}

/** Sixteen colours, one bit of a pixel in each plane. */
function drawPlanes(state: VgaState): Picture {
  const { planes, palette, attribute, crtc, columns, height } = state;
  const width = columns * 8, rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (state.start + y * crtc[CRTC_OFFSET]! * 2 + (x >>> 3) & 0xffff) * 4;
      let colour = 0;
      for (let plane = 0; plane < 4; plane++) colour |= (planes[at + plane]! >>> (7 - (x & 7)) & 1) << plane;
      put(rgb, y * width + x, palette, attribute[colour]! & 0x3f);
    }
  }
  return { width, height, rgb };
}
