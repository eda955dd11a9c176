import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GuestPaging } from "../../hypervisor/shadow/shadow.js";
import { A, D, Guest, type Outcome, P, PAE, PLAIN, PS, RW, US } from "./guest-tables.js";

const test = suite("shadow page tables against the guest's own, on random histories");

/** xorshift32: the same history every time. */
function random(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** Frames that serve as directories, tables and data at once, so that every confusion of them happens. */
const FIRST = 0x10, FRAMES = 24;
const ROOTS = [0x10, 0x11, 0x12];

/** A kernel window, through tables no random write touches, on which page tables are written. */
const WINDOW = 0xe0000000 | 0;

function buildWindow(guest: Guest, pae: boolean): void {
  if (!pae) {
    for (let i = 0; i < 0x400; i++) guest.poke(0x80000 + 4 * i, i << 12 | P | RW);
    for (const root of ROOTS) guest.poke((root << 12) + 4 * (WINDOW >>> 22), 0x80000 | P | RW);
    return;
  }
  guest.poke(0x81000 + 8 * 0x100, P | RW | PS, 0);
  ROOTS.forEach((root, i) => {
    for (let j = 0; j < 3; j++) guest.poke(0x82000 + 32 * i + 8 * j, (root + j) << 12 | P, 0);
    guest.poke(0x82000 + 32 * i + 24, 0x81000 | P, 0);
  });
}

function randomEntry(below: (n: number) => number): number {
  const frame = below(12) === 0 ? below(0x100000) : FIRST + below(FRAMES);
  return frame << 12 | (below(8) === 0 ? 0 : P) | (below(3) === 0 ? 0 : RW) | (below(3) === 0 ? 0 : US) | (below(2) === 0 ? A : 0) | (below(2) === 0 ? D : 0) |
    (below(10) === 0 ? PS : 0);
}

/** The value the guest's own tables lead to, or the fault; without the accessed and dirty bits set on the way. */
function expectation(guest: Guest, la: number, write: boolean, user: boolean): Outcome {
  const walk = guest.expected(la, write, user);
  if ("fault" in walk) return walk;
  return { value: guest.machine.memory.read(guest.p2m.machineAddress(walk.pa), 4) | 0 };
}

function history(seed: number, steps: number, mode: GuestPaging, monitorPages: number): void {
  const below = random(seed);
  const guest = new Guest(0x200, monitorPages);
  const roots = mode.pae ? [0x82000, 0x82020, 0x82040] : ROOTS.map((frame) => frame << 12);
  // With 4-byte entries the window's own directory slot stays; indices are kept small so that tables are dense.
  const slots = mode.pae ? 24 : 12;
  buildWindow(guest, mode.pae);
  guest.load(roots[0]!, mode);
  const address = (): number => (mode.pae ? below(3) << 30 | below(12) << 21 : below(12) << 22) | below(12) << 12 | below(1024) << 2;
  for (let step = 0; step < steps; step++) {
    const user = below(2) === 0;
    const action = below(10);
    if (action < 4) {
      const target = WINDOW + ((FIRST + below(FRAMES)) << 12) + 4 * below(slots) | 0;
      guest.write(target, mode.pae && (target & 4) !== 0 ? Number(below(30) === 0) : randomEntry(below));
    } else if (action < 9) {
      const la = address();
      // The TLB may be behind the tables until the guest invalidates it, as on hardware.
      guest.shadow.invalidate(la);
      const write = action === 8;
      const wanted = expectation(guest, la, write, user);
      const got = write ? guest.write(la, step, user) : guest.read(la, user);
      if (!write || "fault" in wanted) assert.equal(got, wanted, `step ${step} of seed ${seed} at ${la.toString(16)}`);
      else assert.ok("value" in got, `step ${step} of seed ${seed} at ${la.toString(16)}`);
    } else if (below(4) === 0) guest.load(roots[below(3)]!, below(2) === 0 ? mode : { ...mode, wp: !mode.wp });
    else guest.shadow.guestToMachine((FIRST + below(FRAMES)) << 12);
    if (step % 31 === 0) assert.equal(guest.shadow.auditCoherence(), [], `step ${step} of seed ${seed}`);
  }
}

for (const [name, mode] of [["two-level", PLAIN], ["without PSE and PGE", { ...PLAIN, pse: false, pge: false }], ["PAE", PAE]] as const) {
  test(`${name} tables that are directories, tables and data at once`, () => {
    for (let seed = 1; seed <= 8; seed++) history(seed * 7919, 600, mode, 64);
  });
  test(`${name}, in a monitor memory that is too small`, () => {
    for (let seed = 1; seed <= 4; seed++) history(seed * 104729, 600, mode, 6);
  });
}

test.run();
