import { suite } from "uvu";
import * as assert from "uvu/assert";
import { I8042 } from "../../hypervisor/devices/i8042.js";
import { toSet1 } from "../../hypervisor/devices/scan-codes.js";
import { A20Gate } from "../../hypervisor/devices/system-control.js";
import { FakeLine } from "./fake.js";

const test = suite("keyboard controller, keyboard, mouse");

function setUp(config = 0x47) {
  const irq1 = new FakeLine(), irq12 = new FakeLine();
  const controller = new I8042({ irq1: irq1.drive, irq12: irq12.drive, a20: new A20Gate(() => {}), onReset: () => {} });
  const command = (value: number): void => controller.command.write(0, 1, value);
  const send = (value: number): void => controller.data.write(0, 1, value);
  const status = (): number => controller.command.read(0, 1);
  const take = (): number[] => {
    const bytes: number[] = [];
    while ((status() & 1) !== 0) bytes.push(controller.data.read(0, 1));
    return bytes;
  };
  command(0x60); send(config);
  return { controller, irq1, irq12, command, send, status, take };
}

test("the keyboard answers reset, identify and set LEDs", () => {
  const { send, take } = setUp(0x05);
  send(0xff);
  assert.equal(take(), [0xfa, 0xaa]);
  send(0xf2);
  assert.equal(take(), [0xfa, 0xab, 0x83]);
  send(0xed); send(0x02);
  assert.equal(take(), [0xfa, 0xfa]);
  send(0xf0); send(0x00);
  assert.equal(take(), [0xfa, 0xfa, 2]);
});

test("keys come as set 1 through translation, as set 2 without", () => {
  const { controller, take, irq1 } = setUp();
  controller.keyboard.key(0x1c, true); controller.keyboard.key(0x1c, false);
  assert.is(irq1.level, true);
  assert.equal(take(), [0x1e, 0x9e]);
  controller.keyboard.key(0xe075, true); controller.keyboard.key(0xe075, false);
  assert.equal(take(), [0xe0, 0x48, 0xe0, 0xc8]);
  const plain = setUp(0x05);
  plain.controller.keyboard.key(0x1c, true); plain.controller.keyboard.key(0x1c, false);
  assert.equal(plain.take(), [0x1c, 0xf0, 0x1c]);
});

test("each byte raises the line of its own device again", () => {
  const { controller, irq1, irq12, take } = setUp();
  controller.keyboard.key(0x1c, true); controller.keyboard.key(0x32, true);
  take();
  assert.is(irq1.rises, 2);
  assert.is(irq12.rises, 0);
});

test("the mouse is behind D4; it reports when it is told to, and shows a wheel to who knocks", () => {
  const { controller, command, send, take, irq12, status } = setUp();
  const mouse = (byte: number): number[] => { command(0xd4); send(byte); assert.is(status() & 0x21, 0x21); return take(); };
  assert.equal(mouse(0xff), [0xfa, 0xaa, 0x00]);
  controller.mouse.move(1, 1, 0);
  assert.equal(take(), []);
  assert.equal(mouse(0xf4), [0xfa]);
  const rises = irq12.rises;
  controller.mouse.move(5, -3, 1);
  assert.equal(take(), [0x29, 5, 0xfd]);
  assert.is(irq12.rises, rises + 3);
  for (const rate of [200, 100, 80]) { mouse(0xf3); mouse(rate); }
  assert.equal(mouse(0xf2), [0xfa, 3]);
});

test("a disabled keyboard keeps its bytes", () => {
  const { controller, command, take } = setUp();
  command(0xad);
  controller.keyboard.key(0x1c, true);
  assert.equal(take(), []);
  command(0xae);
  assert.equal(take(), [0x1e]);
});

test("scan codes: letters, function keys, answers", () => {
  assert.equal([0x76, 0x5a, 0x29, 0x83, 0x78, 0x07, 0xfa, 0xaa].map(toSet1), [0x01, 0x1c, 0x39, 0x41, 0x57, 0x58, 0xfa, 0xaa]);
});

test.run();
