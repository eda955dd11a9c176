import { suite } from "uvu";
import * as assert from "uvu/assert";
import { civilFromDays, daysFromCivil } from "../../hypervisor/devices/civil-time.js";
import { Rtc146818 } from "../../hypervisor/devices/rtc146818.js";
import { FakeClock, FakeLedger, FakeLine } from "./fake.js";

const test = suite("rtc MC146818");
const HZ = 1_000_000;

function setUp(startTime?: number, memoryBytes?: number) {
  const clock = new FakeClock(HZ), line = new FakeLine(), ledger = new FakeLedger();
  const rtc = new Rtc146818({ clock, irq: line.drive, count: ledger.count, startTime, memoryBytes });
  const r = (index: number): number => { rtc.write(0, 1, index); return rtc.read(1); };
  const w = (index: number, value: number): void => { rtc.write(0, 1, index); rtc.write(1, 1, value); };
  const time = (): number[] => [0x32, 9, 8, 7, 4, 2, 0].map(r);
  const seconds = (n: number): void => clock.advance(n * HZ);
  return { clock, line, ledger, rtc, r, w, time, seconds };
}

test("the default start is Sunday 2003-10-19 00:00:00, BCD, 24-hour", () => {
  const { time, r } = setUp();
  assert.equal(time(), [0x20, 0x03, 0x10, 0x19, 0x00, 0x00, 0x00]);
  assert.is(r(6), 1);
  assert.is(r(0x0b), 0x02);
});

test("time runs with the virtual clock over minutes, days, months and years", () => {
  const { time, seconds } = setUp();
  seconds(59);
  assert.is(time()[6], 0x59);
  seconds(1);
  assert.equal(time().slice(4), [0, 1, 0]);
  seconds(74 * 86_400 - 61);
  assert.equal(time(), [0x20, 0x03, 0x12, 0x31, 0x23, 0x59, 0x59]);
  seconds(1);
  assert.equal(time(), [0x20, 0x04, 0x01, 0x01, 0, 0, 0]);
});

test("MC146818A table 3: DM chooses binary, 24/12 the hour form with PM in bit 7", () => {
  const { r, w } = setUp(1_066_521_600 + 13 * 3600 + 45 * 60);
  assert.equal([r(4), r(2)], [0x13, 0x45]);
  w(0x0b, 0x06);
  assert.equal([r(4), r(2)], [13, 45]);
  w(0x0b, 0x04);
  assert.is(r(4), 0x81);
  w(0x0b, 0x00);
  assert.is(r(4), 0x81);
  const midnight = setUp();
  midnight.w(0x0b, 0x00);
  assert.is(midnight.r(4), 0x12, "midnight is 12 AM");
});

test("register B SET: time holds, is set field by field, and runs on when released", () => {
  const { w, time, seconds } = setUp();
  w(0x0b, 0x82);
  seconds(10);
  assert.is(time()[6], 0);
  for (const [index, value] of [[0x32, 0x19], [9, 0x99], [8, 0x12], [7, 0x31], [4, 0x23], [2, 0x59], [0, 0x58]] as const) w(index, value);
  seconds(10);
  w(0x0b, 0x02);
  assert.equal(time(), [0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58]);
  seconds(2);
  assert.equal(time(), [0x20, 0x00, 0x01, 0x01, 0, 0, 0]);
});

test("register A: divider bits 11x hold the time", () => {
  const { w, time, seconds } = setUp();
  w(0x0a, 0x70); seconds(5);
  assert.is(time()[6], 0);
  w(0x0a, 0x26); seconds(5);
  assert.is(time()[6], 0x05);
});

test("UIP is high for the last 2,228 us before the second changes (244 us and the update cycle)", () => {
  const { r, clock } = setUp();
  clock.advance(HZ - 2229);
  assert.is(r(0x0a) & 0x80, 0);
  clock.advance(2);
  assert.is(r(0x0a) & 0x80, 0x80);
  clock.advance(2227);
  assert.is(r(0x0a) & 0x80, 0);
});

test("periodic interrupt: rate 6 is 1,024 Hz; nothing more is scheduled until C is read", () => {
  const { w, r, clock, line, ledger } = setUp();
  w(0x0b, 0x42);
  clock.advance(976);
  assert.is(line.level, false);
  clock.advance(1);
  assert.is(line.level, true);
  const scheduled = clock.scheduled;
  clock.advance(10 * HZ);
  assert.is(clock.scheduled, scheduled);
  assert.is(r(0x0c) & 0xc0, 0xc0);
  assert.is(line.level, false);
  clock.advance(HZ - 977); // on to a whole second
  r(0x0c);
  line.rises = 0;
  for (let i = 1; i <= 1_024; i++) { clock.advance(Math.ceil(i * HZ / 1024) - Math.ceil((i - 1) * HZ / 1024)); r(0x0c); }
  assert.is(line.rises, 1024);
  assert.is(ledger.counts["device.rtc.interrupt"], 1026);
});

test("MC146818A table 5: rates 1 and 2 are 256 and 128 Hz, 3 is 8,192, 15 is 2, 0 is off", () => {
  for (const [rs, hz] of [[1, 256], [2, 128], [3, 8192], [15, 2], [0, 0]] as const) {
    const { w, r, clock, line } = setUp();
    w(0x0a, 0x20 | rs); w(0x0b, 0x42); r(0x0c);
    if (hz === 0) { clock.advance(HZ); assert.is(line.level, false); continue; }
    clock.advance(Math.ceil(HZ / hz) - 1);
    assert.is(line.level, false, `${hz} Hz`);
    clock.advance(1);
    assert.is(line.level, true, `${hz} Hz`);
  }
});

test("update-ended interrupt comes with each second; SET clears UIE", () => {
  const { w, r, seconds, line } = setUp();
  w(0x0b, 0x12); seconds(1);
  assert.is(line.level, true);
  assert.is(r(0x0c) & 0x90, 0x90);
  w(0x0b, 0x92);
  assert.is(r(0x0b), 0x82);
});

test("alarm: matches hours, minutes and seconds; C0-FF matches any", () => {
  const { w, r, seconds, line } = setUp();
  w(5, 0x00); w(3, 0x01); w(1, 0x30); w(0x0b, 0x22);
  seconds(89);
  assert.is(line.level, false);
  seconds(1);
  assert.is(line.level, true);
  assert.is(r(0x0c) & 0xa0, 0xa0);
  w(5, 0xff); w(3, 0xc0);
  seconds(59);
  assert.is(line.level, false);
  seconds(1);
  assert.is(line.level, true);
});

test("flags are set without their enables and read as one; reading clears them", () => {
  const { r, seconds, line } = setUp();
  seconds(2);
  assert.is(line.level, false);
  assert.is(r(0x0c) & 0x50, 0x50, "PF and UF, no IRQF");
  assert.is(r(0x0c), 0);
});

test("register D is VRT, C and D cannot be written", () => {
  const { r, w } = setUp();
  w(0x0d, 0); w(0x0c, 0xff);
  assert.equal([r(0x0d), r(0x0c)], [0x80, 0]);
});

test("PC AT: CMOS bytes hold, bit 7 of the index masks NMI, port 0x70 does not read back", () => {
  const { rtc, r, w } = setUp();
  w(0x5f, 0xab);
  assert.is(r(0x5f), 0xab);
  assert.is(rtc.nmiMasked, false);
  rtc.write(0, 1, 0xdf);
  assert.is(rtc.nmiMasked, true);
  assert.is(rtc.read(1), 0xab);
  assert.is(rtc.read(0), 0xff);
});

test("PC AT: memory size in KiB above 1 MiB and in 64 KiB units above 16 MiB", () => {
  const { r } = setUp(0, 64 << 20);
  const word = (i: number): number => r(i) | (r(i + 1) << 8);
  assert.equal([word(0x15), word(0x17), word(0x30), word(0x34)], [640, 64_512, 64_512, 768]);
  let sum = 0;
  for (let i = 0x10; i <= 0x2d; i++) sum += r(i);
  assert.is((r(0x2e) << 8) | r(0x2f), sum & 0xffff);
});

test("a nonsense date neither throws nor leaves the byte range", () => {
  const { r, w } = setUp();
  for (let value = 0; value < 256; value += 17) {
    for (const index of [0, 2, 4, 6, 7, 8, 9, 0x32, 1, 3, 5]) w(index, value);
    for (let index = 0; index < 128; index++) assert.ok(r(index) >= 0 && r(index) <= 255 && Number.isInteger(r(index)));
  }
});

test("calendar: every day from 1900 to 2100 comes back, and in order", () => {
  let before = { year: 0, month: 0, day: 0 };
  for (let days = daysFromCivil({ year: 1900, month: 1, day: 1 }); days <= daysFromCivil({ year: 2100, month: 12, day: 31 }); days++) {
    const date = civilFromDays(days);
    assert.is(daysFromCivil(date), days);
    const follows = date.day === before.day + 1 || (date.day === 1 && before.day >= 28) || before.year === 0;
    if (!follows) assert.unreachable(`${date.year}-${date.month}-${date.day}`);
    before = date;
  }
  assert.equal(civilFromDays(0), { year: 1970, month: 1, day: 1 });
  assert.equal(civilFromDays(11_016), { year: 2000, month: 2, day: 29 });
});

test.run();
