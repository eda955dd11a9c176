/** What a screen looks like in pixels, and its PNG. */
import { inflateSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodePng } from "../../cli/png.js";
import { Vga } from "../../hypervisor/devices/vga.js";
import { font } from "../../hypervisor/devices/vga-font.js";

const clock = { hz: 1e9, now: () => 0, schedule: () => 1, cancel: () => {} };
const TEXT = 0x1_8000;

function pixel(vga: Vga, x: number, y: number): number[] {
  const { width, rgb } = vga.screenRgb();
  return [...rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
}

test("text: a full block is its colour, a space its background", () => {
  const vga = new Vga(clock);
  vga.window.write(TEXT, 2, 0x1edb);
  vga.window.write(TEXT + 2, 2, 0x4e20);
  const { width, height } = vga.screenRgb();
  assert.equal([width, height], [640, 400]);
  assert.equal(pixel(vga, 0, 0), [0xff, 0xff, 0x55]);
  assert.equal(pixel(vga, 15, 5), [0xaa, 0, 0]);
  assert.equal(pixel(vga, 639, 399), [0, 0, 0]);
});

test("mode 13h: a byte a pixel", () => {
  const vga = new Vga(clock);
  vga.setMode13();
  vga.loadPalette(true);
  vga.window.write(320 * 2 + 5, 1, 15);
  assert.equal([vga.screenRgb().width, vga.screenRgb().height], [320, 200]);
  assert.equal(pixel(vga, 5, 2), [255, 255, 255]);
  assert.equal(pixel(vga, 6, 2), [0, 0, 0]);
});

test("frame buffer: 8, 15, 16, 24 and 32 bits a pixel", () => {
  for (const [bpp, bytes, colour] of [[15, [0x00, 0x7c], [255, 0, 0]], [16, [0xe0, 0x07], [0, 255, 0]], [24, [1, 2, 3], [3, 2, 1]], [32, [9, 8, 7, 0], [7, 8, 9]]] as const) {
    const vga = new Vga(clock);
    for (const [index, value] of [[1, 64], [2, 4], [3, bpp], [4, 0x41]] as const) {
      vga.dispi.write(0, 2, index);
      vga.dispi.write(1, 2, value);
    }
    bytes.forEach((byte, i) => vga.dispi.window.write((64 * 3 + 63) * bytes.length + i, 1, byte));
    assert.equal(pixel(vga, 63, 3), [...colour], `${bpp} bits`);
    assert.match(vga.screenText(), /^\(graphics, 64 x 4/);
  }
});

test("display interface: capabilities, refused values, virtual width and offsets", () => {
  const { dispi } = new Vga(clock);
  const set = (index: number, value: number): void => { dispi.write(0, 2, index); dispi.write(1, 2, value); };
  const get = (index: number): number => { dispi.write(0, 2, index); return dispi.read(1, 2); };
  assert.is(get(0), 0xb0c5);
  set(4, 1);
  assert.not(dispi.enabled, "no size is set");
  set(4, 2);
  assert.equal([get(1), get(2), get(3)], [1600, 1200, 32]);
  set(4, 0);
  for (const [index, value] of [[1, 800], [2, 600], [3, 16], [3, 17], [4, 0x41], [1, 640]] as const) set(index, value);
  assert.equal([get(1), get(3), dispi.pitch], [800, 16, 1600]);
  set(6, 1024);
  set(9, 10);
  assert.equal([dispi.pitch, dispi.start], [2048, 20480]);
  set(5, 0xffff);
  assert.is(get(5), 0);
});

test("the font has a drawing for every character of ASCII, each different", () => {
  const glyphs = font(16), seen = new Set<string>();
  for (let code = 0x20; code < 0x7f; code++) seen.add([...glyphs.subarray(code * 16, code * 16 + 16)].join());
  assert.is(seen.size, 0x7f - 0x20);
});

test("PNG: signature, size, and the pixels behind their filter bytes", () => {
  const png = Buffer.from(encodePng({ width: 2, height: 2, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) }));
  assert.is(png.subarray(1, 4).toString(), "PNG");
  assert.equal([png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]], [2, 2, 8, 2]);
  const length = png.readUInt32BE(33);
  assert.equal([...inflateSync(png.subarray(41, 41 + length))], [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]);
  assert.is(png.subarray(-12).toString("hex"), "0000000049454e44ae426082");
});

test.run();
