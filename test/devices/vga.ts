import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Vga } from "../../hypervisor/devices/vga.js";
import { FakeClock } from "./fake.js";

const test = suite("VGA");

const TEXT = 0x1_8000; // 0xb8000 in the window

function setUp() {
  const vga = new Vga(new FakeClock(1e9));
  const put = (row: number, column: number, text: string): void => {
    [...text].forEach((c, i) => vga.window.write(TEXT + (row * 80 + column + i) * 2, 2, 0x0700 | c.charCodeAt(0)));
  };
  const out = (port: number, value: number): void => vga.write(port - 0x3b0, 1, value);
  const read = (port: number): number => vga.read(port - 0x3b0);
  const indexed = (port: number, index: number, value: number): void => { out(port, index); out(port + 1, value); };
  return { vga, put, out, read, indexed };
}

test("mode 3 shows 25 lines of what is at 0xb8000", () => {
  const { vga, put } = setUp();
  put(0, 0, "hello");
  put(24, 78, "ok");
  const lines = vga.screenText().split("\n");
  assert.is(lines.length, 26);
  assert.is(lines[0], "hello");
  assert.is(lines[24], "ok".padStart(80));
  assert.is(vga.window.read(TEXT, 2), 0x0768);
  assert.is(vga.window.read(TEXT, 4), 0x07650768);
});

test("the start address scrolls; code page 437", () => {
  const { vga, put, indexed } = setUp();
  put(1, 0, "below");
  vga.window.write(TEXT + 160 + 12, 1, 0xdb);
  indexed(0x3d4, 0x0c, 0); indexed(0x3d4, 0x0d, 80);
  assert.is(vga.screenText().split("\n")[0], "below █");
});

test("the rest of the window is not there in text mode", () => {
  const { vga } = setUp();
  assert.is(vga.window.read(0, 1), 0xff);
});

test("CRTC 0-7 are locked by bit 7 of register 11H", () => {
  const { read, indexed, out } = setUp();
  indexed(0x3d4, 1, 0x27);
  out(0x3d4, 1);
  assert.is(read(0x3d5), 0x4f);
  indexed(0x3d4, 0x11, 0x0e); indexed(0x3d4, 1, 0x27);
  out(0x3d4, 1);
  assert.is(read(0x3d5), 0x27);
});

test("write mode 0 by planes, latches and the bit mask; read mode 1", () => {
  const { vga, indexed } = setUp();
  indexed(0x3c4, 4, 0x06); indexed(0x3ce, 6, 0x05); indexed(0x3ce, 5, 0); // planar, at 0xa0000
  indexed(0x3c4, 2, 0x0f);
  vga.window.write(0, 1, 0xff);
  indexed(0x3c4, 2, 0x02);
  vga.window.write(0, 1, 0x0f);
  indexed(0x3ce, 4, 1);
  assert.is(vga.window.read(0, 1), 0x0f);
  indexed(0x3c4, 2, 0x0f); indexed(0x3ce, 8, 0x80);
  vga.window.read(0, 1);
  vga.window.write(0, 1, 0x00);
  indexed(0x3ce, 4, 0);
  assert.is(vga.window.read(0, 1), 0x7f);
  indexed(0x3ce, 5, 8); indexed(0x3ce, 2, 0x0f); indexed(0x3ce, 7, 0x0f);
  assert.is(vga.window.read(0, 1), 0x0f);
});

test("palette: index and three components, read back", () => {
  const { out, read } = setUp();
  out(0x3c8, 5);
  for (const value of [1, 2, 3]) out(0x3c9, value);
  out(0x3c7, 5);
  assert.equal([read(0x3c9), read(0x3c9), read(0x3c9)], [1, 2, 3]);
});

test.run();
