import { suite } from "uvu";
import * as assert from "uvu/assert";
import { InterruptRouter } from "../../hypervisor/devices/interrupt-router.js";
import { FakeClock, FakeLedger, FakeLine } from "./fake.js";

const test = suite("local APIC, I/O APIC, interrupt routing");

const TPR = 0x80, PPR = 0xa0, EOI = 0xb0, SVR = 0xf0, ISR1 = 0x110, ESR = 0x280, IRR1 = 0x210, ICR = 0x300, LVT_TIMER = 0x320, LINT0 = 0x350,
  LVT_ERROR = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0;
const LEVEL = 0x8000, MASKED = 0x1_0000;

function setUp(apic = true) {
  const clock = new FakeClock(1e9), intr = new FakeLine();
  const router = new InterruptRouter({ clock, count: new FakeLedger().count, intr: intr.drive, apic });
  const local = router.localApic!, io = router.ioApic!;
  const write = (offset: number, value: number): void => local.write(offset, 4, value);
  const read = (offset: number): number => local.read(offset, 4);
  const entry = (input: number, low: number): void => {
    io.write(0, 4, 0x11 + 2 * input); io.write(0x10, 4, 0);
    io.write(0, 4, 0x10 + 2 * input); io.write(0x10, 4, low);
  };
  const readEntry = (input: number): number => { io.write(0, 4, 0x10 + 2 * input); return io.read(0x10, 4); };
  const startPic = (): void => {
    for (const [chip, vector] of [[router.pic.master, 0x20], [router.pic.slave, 0x28]] as const) {
      chip.write(0, 1, 0x11); chip.write(1, 1, vector); chip.write(1, 1, 4); chip.write(1, 1, 1);
    }
  };
  return { clock, intr, router, local, io, write, read, entry, readEntry, startPic };
}

test("after reset the PIC reaches the processor through LINT0", () => {
  const { router, intr, startPic } = setUp();
  startPic();
  router.line(4)(true);
  assert.is(router.intr, true);
  assert.is(intr.rises, 1);
  assert.is(router.acknowledge(), 0x24);
  assert.is(router.intr, false);
});

test("without APICs INTR is the PIC's alone", () => {
  const { router, startPic } = setUp(false);
  startPic();
  router.line(1)(true);
  assert.is(router.localApic, undefined);
  assert.is(router.acknowledge(), 0x21);
});

test("a masked LINT0 keeps the PIC out", () => {
  const { router, write, startPic } = setUp();
  startPic();
  write(SVR, 0x1ff); write(LINT0, MASKED | 0x700);
  router.line(4)(true);
  assert.is(router.intr, false);
  write(LINT0, 0x700);
  assert.is(router.intr, true);
});

test("an edge input of the I/O APIC sends its vector once; IRQ 0 is input 2", () => {
  const { router, write, read, entry } = setUp();
  write(SVR, 0x1ff); write(LINT0, MASKED);
  entry(2, 0x31);
  router.line(0)(true);
  assert.is(read(IRR1), 1 << 17);
  assert.is(router.acknowledge(), 0x31);
  assert.is(read(ISR1), 1 << 17);
  assert.is(router.intr, false);
  write(EOI, 0);
  assert.is(router.intr, false, "the line is still high, but an edge is needed");
  router.line(0)(false); router.line(0)(true);
  assert.is(router.intr, true);
});

test("a level input sends again at EOI while it is asserted", () => {
  const { router, write, entry, readEntry } = setUp();
  write(SVR, 0x1ff); write(LINT0, MASKED);
  entry(11, 0x59 | LEVEL);
  router.line(11)(true);
  assert.is(router.acknowledge(), 0x59);
  assert.is(readEntry(11) & 0x4000, 0x4000, "remote IRR");
  write(EOI, 0);
  assert.is(router.acknowledge(), 0x59);
  router.line(11)(false);
  write(EOI, 0);
  assert.is(router.intr, false);
  assert.is(readEntry(11) & 0x4000, 0);
});

test("an entry that is masked sends nothing; unmasking a level one that is asserted does", () => {
  const { router, write, entry } = setUp();
  write(SVR, 0x1ff); write(LINT0, MASKED);
  router.line(10)(true);
  entry(10, 0x61 | LEVEL | MASKED);
  assert.is(router.intr, false);
  entry(10, 0x61 | LEVEL);
  assert.is(router.acknowledge(), 0x61);
});

test("priorities: TPR and what is in service hold lower classes back", () => {
  const { router, write, read } = setUp();
  write(SVR, 0x1ff); write(LINT0, MASKED);
  write(TPR, 0x50);
  write(ICR, 0x4_0055); // to itself
  assert.is(router.intr, false);
  write(TPR, 0x40);
  assert.is(router.acknowledge(), 0x55);
  assert.is(read(PPR), 0x50);
  write(ICR, 0x4_0052);
  assert.is(router.intr, false, "same class");
  write(ICR, 0x4_0061);
  assert.is(router.acknowledge(), 0x61, "a higher class interrupts");
  write(EOI, 0);
  assert.is(router.intr, false);
  write(EOI, 0);
  assert.is(router.acknowledge(), 0x52);
});

test("timer: one shot counts down at the bus clock divided", () => {
  const { clock, router, write, read } = setUp(); // 1 GHz: ten cycles a count of the 100 MHz bus
  write(SVR, 0x1ff); write(LINT0, MASKED);
  write(DIVIDE, 0x0b); // by 1
  write(LVT_TIMER, 0x40);
  write(INITIAL, 1000);
  clock.advance(5000);
  assert.is(read(CURRENT), 500);
  clock.advance(5000);
  assert.is(router.acknowledge(), 0x40);
  assert.is(read(CURRENT), 0);
  write(EOI, 0);
  clock.advance(100_000);
  assert.is(router.intr, false);
});

test("timer: periodic goes on without drift until it is stopped", () => {
  const { clock, router, write } = setUp();
  write(SVR, 0x1ff); write(LINT0, MASKED);
  write(DIVIDE, 0x03); // by 16
  write(LVT_TIMER, 0x2_0041);
  write(INITIAL, 10);
  let ticks = 0;
  for (let i = 0; i < 10; i++) {
    clock.advance(1600);
    while (router.intr) { ticks++; assert.is(router.acknowledge(), 0x41); write(EOI, 0); }
  }
  assert.is(ticks, 10);
  write(INITIAL, 0);
  assert.is(clock.pending, 0);
});

test("errors are gathered, latched by a write to ESR, and told by their vector", () => {
  const { router, write, read } = setUp();
  write(SVR, 0x1ff); write(LINT0, MASKED); write(LVT_ERROR, 0x4e);
  write(ICR, 0x4_0003);
  assert.is(router.acknowledge(), 0x4e);
  assert.is(read(ESR), 0);
  write(ESR, 0);
  assert.is(read(ESR), 0x20);
});

test("software disable masks the table and drops messages", () => {
  const { router, write, read, entry } = setUp();
  write(SVR, 0x1ff); write(LVT_TIMER, 0x40);
  write(SVR, 0xff);
  assert.is(read(LVT_TIMER), MASKED | 0x40);
  entry(5, 0x45);
  router.line(5)(true);
  assert.is(router.intr, false);
});

test.run();
