/** An ISO 9660 image with nothing but an El Torito catalogue and its boot image: loaded as it is (kind 0), a diskette of 1.44 MB (2), a hard disk (4). */
export function bootableIso(code: Uint8Array, kind = 0): Uint8Array {
  const iso = new Uint8Array(24 * 2048 + code.length), view = new DataView(iso.buffer), text = new TextEncoder();
  iso.set([1, ...text.encode("CD001"), 1], 16 * 2048);
  iso.set([0, ...text.encode("CD001"), 1, ...text.encode("EL TORITO SPECIFICATION")], 17 * 2048);
  view.setUint32(17 * 2048 + 0x47, 19, true);
  iso.set([255, ...text.encode("CD001"), 1], 18 * 2048);
  iso.set([1, 0], 19 * 2048);
  view.setUint16(19 * 2048 + 0x1e, 0xaa55, true);
  iso.set([0x88, kind, 0, 0, 0, 0, kind === 0 ? 4 : 1, 0, 20, 0, 0, 0], 19 * 2048 + 32);
  iso.set(code, 20 * 2048);
  return iso;
}
