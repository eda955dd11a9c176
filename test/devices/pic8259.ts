import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Pic8259Pair } from "../../hypervisor/devices/pic8259.js";
import { FakeLedger, FakeLine } from "./fake.js";

const test = suite("pic 8259A pair");

function setUp(icw4 = 0x01) {
  const intr = new FakeLine(), ledger = new FakeLedger();
  const pic = new Pic8259Pair({ intr: intr.drive, count: ledger.count });
  const m = (offset: number, value: number): void => pic.master.write(offset, 1, value);
  const s = (offset: number, value: number): void => pic.slave.write(offset, 1, value);
  m(0, 0x11); m(1, 0x20); m(1, 0x04); m(1, icw4);
  s(0, 0x11); s(1, 0x28); s(1, 0x02); s(1, icw4);
  const pulse = (irq: number): void => { pic.line(irq)(false); pic.line(irq)(true); };
  const isr = (chip = pic.master): number => { chip.write(0, 1, 0x0b); return chip.read(0, 1); };
  const irr = (chip = pic.master): number => { chip.write(0, 1, 0x0a); return chip.read(0, 1); };
  return { pic, intr, ledger, m, s, pulse, isr, irr };
}

test("8259A ICW2: the vector is T7-T3 and the input", () => {
  const { pic, pulse, intr } = setUp();
  pulse(3);
  assert.is(intr.level, true);
  assert.is(pic.acknowledge(), 0x23);
  assert.is(intr.level, false);
});

test("8259A: before ICW1 nothing is delivered", () => {
  const intr = new FakeLine();
  const pic = new Pic8259Pair({ intr: intr.drive, count: () => {} });
  pic.line(0)(true);
  assert.is(intr.level, false);
});

test("8259A ICW1: IMR is cleared, the edge latch reset, the status read is IRR", () => {
  const { pic, pulse, m, irr } = setUp();
  m(1, 0xff); pulse(5); m(0, 0x11); m(1, 0x40); m(1, 0x04); m(1, 0x01);
  assert.is(pic.master.read(1, 1), 0);
  assert.is(irr(), 0, "a level that was already high must rise again");
  pulse(5);
  assert.is(pic.acknowledge(), 0x45);
});

test("8259A fully nested mode: IR0 highest; one in service blocks its own level and lower ones", () => {
  const { pic, pulse, m, intr, isr } = setUp();
  pulse(5); pulse(1);
  assert.is(pic.acknowledge(), 0x21);
  assert.is(intr.level, false);
  pulse(0);
  assert.is(pic.acknowledge(), 0x20);
  assert.is(isr(), 0x03);
  m(0, 0x20); m(0, 0x20);
  assert.is(isr(), 0);
  assert.is(pic.acknowledge(), 0x25);
});

test("8259A OCW1: a masked input is not served, and its request waits", () => {
  const { pic, pulse, m, intr } = setUp();
  m(1, 0x08); pulse(3);
  assert.is(intr.level, false);
  m(1, 0x00);
  assert.is(intr.level, true);
  assert.is(pic.acknowledge(), 0x23);
});

test("8259A OCW2: a specific EOI clears its level whatever else is in service", () => {
  const { pic, pulse, m, isr } = setUp();
  pulse(4); pic.acknowledge(); pulse(1); pic.acknowledge();
  m(0, 0x64);
  assert.is(isr(), 0x02);
});

test("8259A OCW2: rotate on non-specific EOI makes the served level the lowest", () => {
  const { pic, pulse, m } = setUp();
  pulse(0); pic.acknowledge(); m(0, 0xa0);
  pulse(0); pulse(7);
  assert.is(pic.acknowledge(), 0x27);
});

test("8259A OCW2: set priority and rotate on specific EOI", () => {
  const { pic, pulse, m } = setUp();
  m(0, 0xc3); // IR3 lowest, so IR4 highest
  pulse(0); pulse(4);
  assert.is(pic.acknowledge(), 0x24);
  m(0, 0xe4);
  pulse(4); pulse(5);
  assert.is(pic.acknowledge(), 0x25);
});

test("8259A ICW4 AEOI: the in-service bit is not left set; rotation follows when asked", () => {
  const { pic, pulse, m, isr } = setUp(0x03);
  pulse(2 + 1); pic.acknowledge();
  assert.is(isr(), 0);
  m(0, 0x80); // rotate in automatic EOI mode
  pulse(0); pic.acknowledge();
  pulse(0); pulse(6);
  assert.is(pic.acknowledge(), 0x26);
});

test("8259A OCW3 special mask mode: a masked level in service blocks nobody", () => {
  const { pic, pulse, m, intr } = setUp();
  pulse(1); pic.acknowledge();
  pulse(6);
  assert.is(intr.level, false);
  m(1, 0x02); m(0, 0x68);
  assert.is(intr.level, true);
  assert.is(pic.acknowledge(), 0x26);
  m(0, 0x48);
  pulse(5);
  assert.is(intr.level, false, "the mode is off again");
});

test("8259A OCW3: RR and RIS choose IRR or ISR for reading", () => {
  const { pic, pulse, isr, irr } = setUp();
  pulse(6); pulse(3); pic.acknowledge();
  assert.is(irr(), 0x40);
  assert.is(isr(), 0x08);
});

test("8259A OCW3 poll: the next read is the INTA and gives the level", () => {
  const { pic, pulse, m, isr } = setUp();
  m(0, 0x0c);
  assert.is(pic.master.read(0, 1), 0);
  pulse(5); m(0, 0x0c);
  assert.is(pic.master.read(0, 1), 0x85);
  assert.is(isr(), 0x20);
});

test("8259A: a request gone before INTA gives IR7 with no in-service bit", () => {
  const { pic, isr, intr, ledger } = setUp();
  pic.line(4)(true); pic.line(4)(false);
  assert.is(intr.level, false);
  assert.is(pic.acknowledge(), 0x27);
  assert.is(isr(), 0);
  assert.is(ledger.counts["device.pic.spurious"], 1);
});

test("8259A cascade: the slave vector, both chips in service, and one EOI for each", () => {
  const { pic, pulse, m, s, isr, intr } = setUp();
  pulse(14);
  assert.is(pic.acknowledge(), 0x2e);
  assert.equal([isr(), isr(pic.slave)], [0x04, 0x40]);
  pulse(13);
  assert.is(intr.level, false, "the master still serves input 2");
  s(0, 0x20); m(0, 0x20);
  assert.is(pic.acknowledge(), 0x2d);
});

test("8259A cascade: slave inputs rank between IRQ 1 and IRQ 3", () => {
  const { pic, pulse } = setUp();
  pulse(3); pulse(8); pulse(1);
  assert.is(pic.acknowledge(), 0x21);
  pic.master.write(0, 1, 0x20);
  assert.is(pic.acknowledge(), 0x28);
});

test("8259A cascade: a slave with nothing to serve gives its IR7, input 2 stays in service", () => {
  const { pic, isr } = setUp();
  pic.line(2)(true); // noise on the cascade line
  assert.is(pic.acknowledge(), 0x2f);
  assert.equal([isr(), isr(pic.slave)], [0x04, 0]);
});

test("8259A AEOI in the slave: two requests are two edges for the master", () => {
  const { pic, pulse } = setUp(0x03);
  pulse(10); pulse(12);
  assert.is(pic.acknowledge(), 0x2a);
  assert.is(pic.intr, true);
  assert.is(pic.acknowledge(), 0x2c);
});

test("8259A SFNM: a higher slave input interrupts while another is in service", () => {
  const { pic, pulse } = setUp(0x11);
  pulse(14); pic.acknowledge(); pulse(9);
  assert.is(pic.intr, true);
  assert.is(pic.acknowledge(), 0x29);
});

test("PIIX ELCR: level inputs request as long as they are high; inputs 0-2, 8, 13 stay edge", () => {
  const { pic, m, intr } = setUp();
  pic.elcr.write(0, 1, 0xff); pic.elcr.write(1, 1, 0xff);
  assert.equal([pic.elcr.read(0, 1), pic.elcr.read(1, 1)], [0xf8, 0xde]);
  pic.line(5)(true);
  assert.is(pic.acknowledge(), 0x25);
  m(0, 0x20);
  assert.is(intr.level, true, "still high: requested again");
  pic.line(5)(false);
  assert.is(intr.level, false);
});

test("edge inputs: a line that stays high interrupts once", () => {
  const { pic, m, intr, ledger } = setUp();
  pic.line(3)(true); pic.acknowledge(); m(0, 0x20); pic.line(3)(true);
  assert.is(intr.level, false);
  assert.is(ledger.counts["device.pic.interrupt"], 1);
});

test.run();
