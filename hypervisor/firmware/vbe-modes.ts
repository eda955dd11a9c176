/** VBE's modes, and what a ROM holds of them. */

/** Mode number, width, height, bits a pixel: VESA's numbers, and 0x140 and up for 32 bits. */
export const VBE_MODE_LIST: readonly (readonly [mode: number, width: number, height: number, bpp: number])[] = [
  [0x101, 640, 480, 8], [0x103, 800, 600, 8], [0x105, 1024, 768, 8],
  [0x111, 640, 480, 16], [0x112, 640, 480, 24], [0x114, 800, 600, 16], [0x115, 800, 600, 24], [0x117, 1024, 768, 16], [0x118, 1024, 768, 24],
  [0x11a, 1280, 1024, 16], [0x11b, 1280, 1024, 24], [0x140, 640, 480, 32], [0x141, 800, 600, 32], [0x142, 1024, 768, 32], [0x143, 1280, 1024, 32],
];
const NAME = "Trivisor VBE\0";

/** The list of modes and the name of the maker. */
export function vbeTables(): { readonly modes: Uint8Array; readonly name: Uint8Array } {
  const modes = new Uint8Array((VBE_MODE_LIST.length + 1) * 2), view = new DataView(modes.buffer);
  VBE_MODE_LIST.forEach(([mode], i) => view.setUint16(i * 2, mode, true));
  view.setUint16(VBE_MODE_LIST.length * 2, 0xffff, true);
  return { modes, name: new TextEncoder().encode(NAME) };
}
