import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Uart16550 } from "../../hypervisor/devices/uart16550.js";
import { FakeLedger, FakeLine } from "./fake.js";

const test = suite("uart 16550A");

function setUp() {
  const line = new FakeLine(), ledger = new FakeLedger(), sent: number[] = [];
  const uart = new Uart16550({ irq: line.drive, output: byte => sent.push(byte), count: ledger.count });
  const w = (register: number, value: number): void => uart.write(register, 1, value);
  const r = (register: number): number => uart.read(register);
  return { uart, line, ledger, sent, w, r };
}

test("PC16550D table I: after master reset IIR is 01, LSR 60, LCR, MCR and IER 0", () => {
  const { r } = setUp();
  assert.equal([r(1), r(2), r(3), r(4), r(5)], [0, 0x01, 0, 0, 0x60]);
});

test("PC16550D 8.4: SCR holds what is written and does nothing else", () => {
  const { r, w, line } = setUp();
  w(7, 0xa5);
  assert.is(r(7), 0xa5);
  assert.is(line.level, false);
});

test("PC16550D 8.3: with DLAB set, registers 0 and 1 are the divisor latch", () => {
  const { r, w, sent } = setUp();
  w(3, 0x83); w(0, 0x34); w(1, 0x12);
  assert.equal([r(0), r(1)], [0x34, 0x12]);
  w(3, 0x03);
  assert.equal([r(0), r(1)], [0, 0]);
  assert.equal(sent, []);
});

test("THR: bytes leave in order and are counted", () => {
  const { w, sent, ledger } = setUp();
  for (const byte of [0x41, 0x00, 0xff]) w(0, byte);
  assert.equal(sent, [0x41, 0x00, 0xff]);
  assert.is(ledger.counts["device.serial.byte"], 3);
});

test("PC16550D 8.6: enabling ETBEI with THR empty interrupts; reading IIR resets the source", () => {
  const { r, w, line } = setUp();
  w(4, 0x08); w(1, 0x02);
  assert.is(line.level, true);
  assert.is(r(2), 0x02);
  assert.is(line.level, false);
  assert.is(r(2), 0x01);
  w(0, 0x55);
  assert.is(r(2), 0x02, "THR empty again after a byte");
});

test("IIR read while a higher source is shown leaves the THRE interrupt pending", () => {
  const { uart, r, w } = setUp();
  w(1, 0x03);
  uart.receive([1]);
  assert.is(r(2), 0x04);
  r(0);
  assert.is(r(2), 0x02);
});

test("PC AT: MCR OUT2 gates the interrupt to the bus", () => {
  const { uart, w, line } = setUp();
  w(1, 0x01);
  uart.receive([1]);
  assert.is(line.level, false);
  w(4, 0x08);
  assert.is(line.level, true);
});

test("PC16550D table II: line status over data available over THR empty over modem status", () => {
  const { uart, r, w } = setUp();
  w(4, 0x10);           // loopback, to make an overrun
  w(0, 1); w(0, 2);     // no FIFO: the second byte is lost
  w(1, 0x0f); w(4, 0x11);
  assert.is(r(2), 0x06);
  assert.is(r(5) & 0x03, 0x03, "DR and OE");
  assert.is(r(5) & 0x02, 0, "reading LSR clears OE");
  assert.is(r(2), 0x04);
  assert.is(r(0), 1);
  assert.is(r(2), 0x02);
  assert.is(r(2), 0x00);
  r(6);
  assert.is(r(2), 0x01);
  uart.reset();
});

test("PC16550D 8.5: FIFO trigger levels 1, 4, 8, 14; fewer bytes give the character time-out", () => {
  for (const [bits, level] of [[0, 1], [1, 4], [2, 8], [3, 14]] as const) {
    const { uart, r, w } = setUp();
    w(2, 0x01 | (bits << 6)); w(1, 0x01);
    uart.receive(new Array<number>(level).fill(7));
    assert.is(r(2), 0xc4, `level ${level}`);
    r(0);
    assert.is(r(2), level === 1 ? 0xc1 : 0xcc);
  }
});

test("receive: more than 16 bytes wait for room instead of overrunning", () => {
  const { uart, r, w } = setUp();
  w(2, 0x01);
  const bytes = Array.from({ length: 40 }, (_, i) => i);
  uart.receive(bytes);
  const got: number[] = [];
  while (r(5) & 0x01) got.push(r(0));
  assert.equal(got, bytes);
});

test("FCR bit 1 clears the receiver FIFO; changing bit 0 clears it too", () => {
  const { uart, r, w } = setUp();
  w(2, 0x01); uart.receive([1, 2]); w(2, 0x03);
  assert.is(r(5) & 1, 0);
  uart.receive([3]); w(2, 0x00);
  assert.is(r(5) & 1, 0);
  assert.is(r(2) & 0xc0, 0);
});

test("PC16550D 8.7 loopback: outputs come back as CTS, DSR, RI, DCD, bytes as received", () => {
  const { uart, r, w, sent } = setUp();
  w(4, 0x10); r(6);
  for (const [mcr, msr] of [[0x12, 0x10], [0x11, 0x20], [0x14, 0x40], [0x18, 0x80]] as const) {
    w(4, mcr);
    assert.is(r(6) & 0xf0, msr);
  }
  w(0, 0x5a);
  assert.is(r(0), 0x5a);
  assert.equal(sent, []);
  uart.receive([9]);
  assert.is(r(5) & 1, 0, "the line is disconnected");
  w(4, 0);
  assert.is(r(0), 9);
});

test("PC16550D 8.8: deltas are set by changes, TERI by the trailing edge of RI only, and clear on read", () => {
  const { uart, r, w, line } = setUp();
  w(4, 0x08); w(1, 0x08);
  assert.is(r(6), 0xb0);
  uart.setModemLines(0xf0);
  assert.is(r(6), 0xf0, "RI rising is no delta");
  uart.setModemLines(0x00);
  assert.is(line.level, true);
  assert.is(r(6), 0x0f);
  assert.is(line.level, false);
  assert.is(r(6), 0x00);
});

test.run();
