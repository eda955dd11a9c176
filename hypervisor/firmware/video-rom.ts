/**
 * The video BIOS as an expansion ROM: a stub for INT 10h that traps like those of the system's ROM (rom.ts), the fonts, VBE's list of
 * modes, and an entry that a BIOS of any make calls once to have it all set up.
 * Reference: PCI Local Bus Specification 2.1, 6.3 (expansion ROMs); VESA BIOS Extension 2.0.
 */
import { font } from "../devices/vga-font.js";
import { VGA_DEVICE, VGA_VENDOR } from "../devices/vga.js";
import { Code, emitStub, emitTrap } from "./rom.js";
import { vbeTables } from "./vbe-modes.js";

export const VIDEO_SEGMENT = 0xc000, VIDEO_ROM_BYTES = 0x4000;
/** Vector number of the set-up, which no interrupt has. */
export const VECTOR_VIDEO_INIT = 0x101;
const INT10 = 0x10, BLOCK = 512;
/** Offsets. */
const ENTRY = 0x03, DATA_POINTER = 0x18, VGA_NAME = 0x1e, DATA = 0x40, CODE = 0x80;
export const FONT_8X16 = 0x1000, FONT_8X8 = 0x2000, FONT_8X8_HIGH = FONT_8X8 + 128 * 8, VBE_MODES = 0x2800, VBE_NAME = 0x2900;

export interface VideoRom {
  readonly bytes: Uint8Array;
  /** Offset of INT 10h's stub. */
  readonly int10: number;
}

export function buildVideoRom(): VideoRom {
  const bytes = new Uint8Array(VIDEO_ROM_BYTES), view = new DataView(bytes.buffer);
  const code = new Code(CODE), trap = emitTrap(code);
  const int10 = emitStub(code, INT10, trap), init = emitStub(code, VECTOR_VIDEO_INIT, trap);
  const start = emitEntry(code, init), { modes, name } = vbeTables();
  const parts: readonly (readonly [at: number, bytes: ArrayLike<number>])[] = [
    [0, [0x55, 0xaa, VIDEO_ROM_BYTES / BLOCK, 0xe9]], [VGA_NAME, ascii("IBM")], [DATA, ascii("PCIR")], [CODE, code.bytes],
    [FONT_8X16, font(16)], [FONT_8X8, font(8)], [VBE_MODES, modes], [VBE_NAME, name],
  ];
  for (const [at, part] of parts) bytes.set(part, at);
  const words: readonly (readonly [at: number, value: number])[] = [
    [ENTRY + 1, start - (ENTRY + 3)], [DATA_POINTER, DATA], [DATA + 0x04, VGA_VENDOR], [DATA + 0x06, VGA_DEVICE], [DATA + 0x0a, 0x18], [DATA + 0x0e, 0x0300],
    [DATA + 0x10, VIDEO_ROM_BYTES / BLOCK], [DATA + 0x14, 0x8000], // code for a PC, the last image
  ];
  for (const [at, value] of words) view.setUint16(at, value, true);
  bytes[VIDEO_ROM_BYTES - 1] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return { bytes, int10 };
}

/** Called far: calls the set-up as if it were an interrupt. */
function emitEntry(code: Code, init: number): number {
  const start = code.here;
  code.emit(0x9c, 0x0e); // pushf; push cs
  code.near(0xe8, init); // call
  code.emit(0xcb); // retf
  return start;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
