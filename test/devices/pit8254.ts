import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PIT_HZ, Pit8254 } from "../../hypervisor/devices/pit8254.js";
import { FakeClock, FakeLedger, FakeLine } from "./fake.js";

const test = suite("pit 8254");
/** Cycles a tick, so that ticks are whole numbers of cycles. */
const TICK = 1000;

function setUp() {
  const clock = new FakeClock(PIT_HZ * TICK), line = new FakeLine(), ledger = new FakeLedger();
  const pit = new Pit8254({ clock, irq0: line.drive, count: ledger.count });
  const control = (value: number): void => pit.write(3, 1, value);
  const load = (counter: number, value: number): void => {
    pit.write(counter, 1, value & 0xff);
    pit.write(counter, 1, value >>> 8);
  };
  const count = (counter: number): number => {
    control(counter << 6);
    return pit.read(counter) | (pit.read(counter) << 8);
  };
  const status = (counter: number): number => {
    control(0xe0 | (2 << counter));
    return pit.read(counter);
  };
  const out = (counter: number): boolean => (status(counter) & 0x80) !== 0;
  const ticks = (n: number): void => clock.advance(n * TICK);
  const gate2 = (level: boolean): void => pit.port61.write(0, 1, level ? 1 : 0);
  /** OUT of counter 2 over the next ticks as a string of 0 and 1. */
  const trace = (n: number): string => {
    let bits = "";
    for (let i = 0; i < n; i++) {
      bits += out(2) ? "1" : "0";
      ticks(1);
    }
    return bits;
  };
  return { clock, line, ledger, pit, control, load, count, status, out, ticks, gate2, trace };
}

test("8254 mode 0: OUT goes low with the control word and high N+1 clocks after the count", () => {
  const { control, load, ticks, line, out } = setUp();
  control(0x30);
  assert.is(line.level, false);
  load(0, 5);
  ticks(5);
  assert.is(out(0), false);
  assert.is(line.level, false);
  ticks(1);
  assert.is(line.level, true);
  assert.is(out(0), true);
  ticks(200_000);
  assert.is(line.rises, 2, "once at power-up, once at terminal count");
});

test("8254 mode 0: the count goes on past zero from FFFF", () => {
  const { control, load, ticks, count } = setUp();
  control(0x30); load(0, 3); ticks(1);
  assert.is(count(0), 3);
  ticks(3);
  assert.is(count(0), 0);
  ticks(1);
  assert.is(count(0), 0xffff);
});

test("8254 mode 0: a new count starts over; its first byte stops the count", () => {
  const { control, load, ticks, pit, line } = setUp();
  control(0x30); load(0, 10); ticks(5);
  pit.write(0, 1, 4);
  ticks(100);
  assert.is(line.level, false);
  pit.write(0, 1, 0);
  ticks(5);
  assert.is(line.level, true);
});

test("8254 mode 0: GATE low holds the count", () => {
  const { control, load, ticks, count, gate2, out } = setUp();
  gate2(true); control(0xb0); load(2, 10); ticks(4);
  assert.is(count(2), 7);
  gate2(false); ticks(50);
  assert.is(count(2), 7);
  gate2(true); ticks(6);
  assert.is(out(2), false);
  ticks(1);
  assert.is(out(2), true);
});

test("8254 mode 1: a rising GATE starts a low pulse of N clocks, and a new trigger prolongs it", () => {
  const { control, load, ticks, gate2, trace } = setUp();
  gate2(false); control(0xb2); load(2, 3);
  assert.is(trace(3), "111");
  gate2(true);
  assert.is(trace(6), "100011");
  gate2(false); gate2(true); ticks(2); gate2(false); gate2(true);
  assert.is(trace(6), "000011");
});

test("8254 mode 1: a new count waits for the next trigger", () => {
  const { control, load, gate2, trace } = setUp();
  gate2(false); control(0xb2); load(2, 3); gate2(true); load(2, 1);
  assert.is(trace(6), "100011");
  gate2(false); gate2(true);
  assert.is(trace(4), "1011");
});

test("8254 mode 2: OUT is low for the last clock of each period", () => {
  const { control, load, gate2, trace } = setUp();
  gate2(true); control(0xb4); load(2, 4);
  assert.is(trace(13), "1111011101110");
});

test("8254 mode 2: IRQ 0 rises once a period", () => {
  const { control, load, ticks, line, ledger } = setUp();
  control(0x34); load(0, 1000); ticks(1);
  line.rises = 0;
  ticks(10_000);
  assert.is(line.rises, 10);
  assert.is(ledger.counts["device.pit.tick"], 10);
});

test("8254 mode 2: a new count takes over at the end of the period", () => {
  const { control, load, ticks, count, line, status } = setUp();
  control(0x34); load(0, 100); ticks(41);
  line.rises = 0;
  load(0, 10);
  assert.is(status(0) & 0x40, 0x40, "null count until it is taken");
  assert.is(count(0), 60);
  ticks(60);
  assert.is(line.rises, 1);
  assert.is(count(0), 10);
  assert.is(status(0) & 0x40, 0);
  ticks(10);
  assert.is(line.rises, 2);
});

test("8254 mode 2: GATE low sets OUT high, its rise reloads", () => {
  const { control, load, ticks, gate2, out, count } = setUp();
  gate2(true); control(0xb4); load(2, 4); ticks(4);
  assert.is(out(2), false);
  gate2(false);
  assert.is(out(2), true);
  ticks(9); gate2(true); ticks(1);
  assert.is(count(2), 4);
});

test("8254 mode 3: even counts are high half the period, odd ones a clock longer", () => {
  for (const [n, expected] of [[4, "1110011001100"], [5, "1111001110011"]] as const) {
    const { control, load, gate2, trace } = setUp();
    gate2(true); control(0xb6); load(2, n);
    assert.is(trace(13), expected, `count ${n}`);
  }
});

test("8254 mode 3: the counter goes down by two", () => {
  const { control, load, gate2, ticks, count } = setUp();
  gate2(true); control(0xb6); load(2, 6); ticks(1);
  const seen: number[] = [];
  for (let i = 0; i < 6; i++) { seen.push(count(2)); ticks(1); }
  assert.equal(seen, [6, 4, 2, 6, 4, 2]);
});

test("8254 mode 4: one strobe of one clock, N+1 clocks after the count", () => {
  const { control, load, gate2, trace, line, ticks } = setUp();
  gate2(true); control(0xb8); load(2, 3);
  assert.is(trace(9), "111101111");
  line.rises = 0;
  control(0x38); load(0, 3); ticks(100_000);
  assert.is(line.rises, 1);
});

test("8254 mode 5: the strobe is triggered by GATE", () => {
  const { control, load, gate2, trace } = setUp();
  gate2(false); control(0xba); load(2, 2);
  assert.is(trace(5), "11111");
  gate2(true);
  assert.is(trace(6), "111011");
});

test("8254: count 0 is the largest, 65,536 in binary and 10,000 in BCD", () => {
  const { control, load, ticks, line } = setUp();
  control(0x34); load(0, 0); ticks(1);
  line.rises = 0;
  ticks(65_535);
  assert.is(line.rises, 0);
  ticks(1);
  assert.is(line.rises, 1);
  control(0x35); load(0, 0); ticks(1);
  line.rises = 0;
  ticks(20_000);
  assert.is(line.rises, 2);
});

test("8254 BCD: counts in decimal", () => {
  const { control, load, ticks, count } = setUp();
  control(0x31); load(0, 0x1000); ticks(1);
  assert.is(count(0), 0x1000);
  ticks(1);
  assert.is(count(0), 0x0999);
});

test("8254 counter latch: holds the count until it is read, a second latch is ignored", () => {
  const { control, load, ticks, pit, count } = setUp();
  control(0x34); load(0, 1000); ticks(101);
  control(0x00); ticks(50); control(0x00);
  assert.is(pit.read(0) | (pit.read(0) << 8), 900);
  assert.is(count(0), 850);
});

test("8254 read/write formats: LSB only, MSB only", () => {
  const { control, pit, ticks, status } = setUp();
  control(0x14); pit.write(0, 1, 200); ticks(1);
  assert.is(pit.read(0), 200);
  control(0x24); pit.write(0, 1, 2); ticks(1);
  assert.is(pit.read(0), 2);
  assert.is(status(0) & 0x3f, 0x24);
});

test("8254 read-back: status comes before count when both are latched, for several counters", () => {
  const { control, load, ticks, pit } = setUp();
  control(0x34); load(0, 0x1234); control(0x74); load(1, 0x5678); ticks(1);
  control(0xc6);
  assert.equal([pit.read(0), pit.read(0), pit.read(0)], [0xb4, 0x34, 0x12]);
  assert.equal([pit.read(1), pit.read(1), pit.read(1)], [0xb4, 0x78, 0x56]);
});

test("8254: modes 6 and 7 are modes 2 and 3", () => {
  const { control, status } = setUp();
  control(0x3c);
  assert.is(status(0) & 0x0e, 0x04);
  control(0x3e);
  assert.is(status(0) & 0x0e, 0x06);
});

test("PC AT port 0x61: bit 5 is OUT of counter 2, bit 4 toggles with refresh, bits 0-3 read back", () => {
  const { control, load, ticks, pit } = setUp();
  const read = (): number => pit.port61.read(0, 1);
  pit.port61.write(0, 1, 0xff);
  assert.is(read() & 0xcf, 0x0f);
  control(0xb0); load(2, 10);
  assert.is(read() & 0x20, 0);
  ticks(11);
  assert.is(read() & 0x20, 0x20);
  let toggles = 0;
  for (let i = 0, last = read() & 0x10; i < 180; i++, ticks(1)) {
    if ((read() & 0x10) !== last) { toggles++; last ^= 0x10; }
  }
  assert.is(toggles, 10);
});

test("edges the clock has jumped over are one edge, and one event is kept scheduled", () => {
  const { control, load, ticks, clock, line } = setUp();
  control(0x34); load(0, 2); ticks(1);
  line.rises = 0;
  const before = clock.scheduled;
  clock.jump(1_000_000 * TICK);
  assert.is(line.rises, 1);
  assert.is(clock.scheduled, before + 1);
  assert.is(clock.pending, 1);
});

test("ticks are exact over a long time at a clock that is no multiple of the input", () => {
  const clock = new FakeClock(2_400_000_000), line = new FakeLine();
  const pit = new Pit8254({ clock, irq0: line.drive, count: () => {} });
  pit.write(3, 1, 0x34); pit.write(0, 1, 11932 & 0xff); pit.write(0, 1, 11932 >>> 8);
  line.rises = 0;
  clock.advance(2_400_000_000 * 100);
  assert.is(line.rises, Math.floor((PIT_HZ * 100 - 1) / 11932));
});

test.run();
