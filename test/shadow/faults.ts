import { suite } from "uvu";
import * as assert from "uvu/assert";
import { A, DATA, Guest, KERNEL, P, RW, smallKernel, TABLE, US } from "./guest-tables.js";

const test = suite("hidden and true faults");
const USER = 0x400000;

function counts(guest: Guest): Record<string, number> {
  return Object.fromEntries(["hidden_fault", "true_fault", "trace", "fill"].map((name) => [name, guest.count(`shadow.${name}`)]));
}

test("the first access to a page the guest maps is hidden, the second no fault", () => {
  const guest = new Guest();
  smallKernel(guest);
  guest.read(USER, true);
  assert.equal(counts(guest), { hidden_fault: 1, true_fault: 0, trace: 0, fill: 1 });
  assert.is(guest.count("trap.hidden_page_fault"), 1, "the processor's own exception");
  guest.read(USER + 8, true);
  assert.equal(counts(guest), { hidden_fault: 1, true_fault: 0, trace: 0, fill: 1 });
});

test("what the guest's tables forbid is true, with the guest's error code, and fills nothing", () => {
  const guest = new Guest();
  smallKernel(guest);
  assert.equal(guest.read(0x500000, true), { fault: 4 });
  assert.equal(guest.write(0x800000, 1), { fault: 2 });
  assert.equal(guest.read(KERNEL, true), { fault: 5 });
  guest.poke(TABLE, DATA | P | US);
  assert.equal(guest.write(USER, 1), { fault: 3 });
  assert.equal(guest.write(USER, 1, true), { fault: 7 });
  assert.equal(counts(guest), { hidden_fault: 0, true_fault: 5, trace: 0, fill: 0 });
  assert.is(guest.peek(TABLE) & A, 0);
});

test("CR2 is the guest's: only a true fault sets it", () => {
  const guest = new Guest();
  smallKernel(guest);
  guest.read(0x500000);
  assert.is(guest.machine.cpu.cr2, 0x500000);
  guest.read(USER);
  guest.write(KERNEL + TABLE, DATA | P | RW | US);
  assert.is(guest.count("shadow.trace"), 1);
  assert.is(guest.machine.cpu.cr2, 0x500000);
});

test("a fault handler is told of each, in the hardware's terms", () => {
  const guest = new Guest();
  smallKernel(guest);
  const { shadow } = guest;
  assert.is(shadow.handleFault(USER, 4), "hidden");
  assert.is(shadow.lookup(USER, 0, true), true);
  assert.is(shadow.handleFault(0x500000, 6), "true");
  assert.is(shadow.errorCode, 6);
  assert.is(shadow.handleFault(KERNEL + TABLE, 2), "trace");
  guest.write(KERNEL + TABLE, 0x7fff0000 | P | RW | US);
  assert.is(shadow.handleFault(USER, 4), "mmio");
  assert.is(shadow.gpa >>> 0, 0x7fff0000);
});

test("a write over several entries is seen whole", () => {
  const guest = new Guest();
  smallKernel(guest);
  for (let i = 0; i < 4; i++) guest.read(USER + i * 0x1000);
  guest.read(KERNEL + TABLE);
  guest.shadow.step(() => {
    for (let i = 0; i < 4; i++) guest.machine.cpu.mmu.writeAs(KERNEL + TABLE + 4 * i, 4, DATA + (7 - i) * 0x1000 | P | RW | US, false);
  });
  assert.equal(guest.shadow.auditCoherence(), []);
  for (let i = 0; i < 4; i++) assert.equal(guest.read(USER + i * 0x1000), { value: 0x1007 - i });
});

test.run();
