import * as assert from "uvu/assert";
import { suite } from "uvu";
import { GuestCrash } from "../../hypervisor/trap.js";
import { Continuation } from "../../paravirt/hypercall-result.js";
import { HYPERCALLS } from "../../paravirt/hypercalls.js";
import { mfnOf, readLow } from "../../paravirt/page-tables.js";
import { CODE, PAGE, rig, type Rig, SCRATCH } from "./rig.js";

/**
 * Tens of thousands of hypercalls with arguments between plausible and wild. Whatever comes back, the frame table must add up
 * afterwards, and no byte of another domain's frames may have changed.
 */
const name = suite("paravirt random hypercalls");

/** Marsaglia's xorshift, 32 bits. */
function xorshift(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

const FOREIGN = 7, FOREIGN_PAGES = 16, ARGUMENTS = SCRATCH, ARGUMENT_BYTES = 512;

/** A rig of which some frames belong to somebody else. */
function rigWithForeignFrames(pae: boolean): { r: Rig; foreign: number[] } {
  const r = rig({ pae, mib: 8 });
  const foreign: number[] = [];
  for (let pfn = r.unused + 100; foreign.length < FOREIGN_PAGES; pfn++) {
    const mfn = r.mfn(pfn);
    assert.ok(r.d.frames.steal(mfn, r.d.id));
    r.d.frames.give(mfn, FOREIGN);
    r.d.memory.writeBytes(mfn * PAGE, new Uint8Array(PAGE).fill(0x5a));
    foreign.push(mfn);
  }
  return { r, foreign };
}

/** A number that some hypercall may make something of. */
function interesting(r: Rig, foreign: readonly number[], random: (n: number) => number): number {
  const { d } = r;
  const l2 = d.layout.pae ? mfnOf(readLow(d, d.baseMfn, 3)) : d.baseMfn;
  switch (random(18)) {
    case 0: return random(8);
    case 1: return random(64);
    case 2: return 0x7ff0;
    case 3: return ARGUMENTS + random(64) * 4;
    case 4: return SCRATCH + random(16) * PAGE;
    case 5: return r.mfn(r.unused + random(24));
    case 6: return r.mfn(r.unused + random(24)) << 12 | [0x61, 0x63, 0x67, 0, 1, 0xe3, 0x161][random(7)];
    case 7: return r.mfn(random(24)) << 12 | [0x61, 0x63, 0, random(4096)][random(4)];
    case 8: return foreign[random(foreign.length)];
    case 9: return foreign[random(foreign.length)] << 12 | 0x63;
    case 10: return d.baseMfn;
    case 11: return l2 * PAGE + random(1024) * 4 + random(4);
    case 12: return (r.d.frames.type.indexOf(1) << 12) + random(1024) * 4;
    case 13: return d.frames.frames - 1 - random(80);
    case 14: return d.layout.hypervisorStart - random(3) * 4;
    case 15: return 0xc0000000 + random(8 << 20);
    case 16: return 0xffff_ffff - random(3);
    default: return random(0x1_0000) * 0x1_0000 + random(0x1_0000);
  }
}

/** Hypercalls that change memory are made more often than those that end the domain. */
const OFTEN = ["mmu_update", "mmuext_op", "update_va_mapping", "memory_op", "grant_table_op", "multicall", "set_gdt", "update_descriptor", "event_channel_op"];
const FATAL = new Set(["iret"]);

function storm(pae: boolean, seed: number, calls: number): { crashes: number; succeeded: Map<string, number> } {
  const random = xorshift(seed);
  let { r, foreign } = rigWithForeignFrames(pae);
  const succeeded = new Map<string, number>();
  let crashes = 0, rigs = 1, remade = 0;
  for (let i = 0; i < calls; i++) {
    const value = (): number => interesting(r, foreign, random) >>> 0;
    const name = random(3) !== 0 ? OFTEN[random(OFTEN.length)] : HYPERCALLS[random(HYPERCALLS.length)].name;
    const call = HYPERCALLS.find((h) => h.name === name)!;
    if (FATAL.has(name) && random(40) !== 0) continue;
    try {
      // Structures of plausible shape where a pointer will point.
      const structure = Array.from({ length: random(5) * 4 }, () => random(3) === 0 ? 0 : value());
      if (name === "multicall") structure[0] = HYPERCALLS[random(HYPERCALLS.length)].number;
      if (name === "mmuext_op") structure[0] = random(20);
      if (name === "mmu_update") for (let k = 0; k < structure.length; k += 4) structure.splice(k, 4, tableEntry(r, random), 0, value(), 0);
      if (name === "event_channel_op") structure.splice(0, 3, [0, 1, 0x7ff0][random(3)], random(8), random(8));
      for (let k = 0; k < structure.length; k++) r.d.memory.write32(scratchAddress(r, k * 4), structure[k]);
      const args = [0, 1, 2, 3, 4].map(() => random(3) === 0 ? ARGUMENTS : value());
      if (OFTEN.includes(name) && random(2) === 0) args.splice(0, 4, ...plausible(name, random, () => r.mfn(r.unused + random(24))));
      const result = runAll(r, call.number, args);
      if (result >= 0) succeeded.set(name, (succeeded.get(name) ?? 0) + 1);
    } catch (e) {
      if (!(e instanceof GuestCrash)) throw e;
      crashes++;
      assert.equal(r.pv.audit(), [], `after a crash by ${name}`);
      if (++rigs > 40) return { crashes, succeeded };
      ({ r, foreign } = rigWithForeignFrames(pae));
    }
    // A guest that has unmapped the page of arguments gets nothing but -EFAULT from here on: take another.
    if (!mapped(r)) {
      assert.equal(r.pv.audit(), []);
      ({ r, foreign } = rigWithForeignFrames(pae));
      remade++;
    }
    if (i % 500 === 0) assert.equal(r.pv.audit(), [], `after call ${i}, ${name}`);
  }
  assert.equal(r.pv.audit(), []);
  for (const mfn of foreign) {
    const bytes = new Uint8Array(PAGE);
    r.d.memory.readBytes(mfn * PAGE, bytes);
    assert.ok(bytes.every((b) => b === 0x5a), `frame ${mfn.toString(16)} of another domain has changed`);
  }
  return { crashes, succeeded };
}

/** Machine address of an entry of some page table in use, with a command in its low bits. */
function tableEntry(r: Rig, random: (n: number) => number): number {
  const { frames } = r.d;
  const from = random(frames.frames);
  for (let i = 0; i < frames.frames; i++) {
    const mfn = (from + i) % frames.frames;
    if (frames.owner[mfn] === r.d.id && frames.typeCount[mfn] !== 0 && frames.type[mfn] < 4) return mfn * PAGE + random(512) * 8 + (random(4) === 0 ? random(4) : 0);
  }
  return 0;
}

/** Whether the page of arguments can still be read. */
function mapped(r: Rig): boolean {
  try {
    return r.mfnAt(ARGUMENTS) === scratchAddress(r, 0) / PAGE;
  } catch {
    return false;
  }
}

/** Arguments that reach past the first checks. */
function plausible(name: string, random: (n: number) => number, page: () => number): number[] {
  switch (name) {
    case "mmu_update": case "mmuext_op": return [ARGUMENTS, 1 + random(3), 0, 0x7ff0];
    case "event_channel_op": return [random(11), ARGUMENTS];
    case "update_va_mapping": return [0xc0003000 + random(64) * PAGE, random(2) === 0 ? 0 : 0xdead0061, 0, random(8)];
    case "memory_op": return [random(16), ARGUMENTS];
    case "grant_table_op": return [random(8), ARGUMENTS, 1 + random(2)];
    case "multicall": return [ARGUMENTS, 1];
    case "set_gdt": return [ARGUMENTS, random(1024)];
    default: return [page() * PAGE + random(512) * 8, 0, random(0x10000) * 0x10000 + 0xffff, [0x00cbfa00, 0x0040f200, 0, 0x00c09a00][random(4)]];
  }
}

/** Machine address of the page of arguments, by the page's own number: the guest may have unmapped it. */
function scratchAddress(r: Rig, offset: number): number {
  return r.mfn((ARGUMENTS - CODE) / PAGE + 1) * PAGE + offset % ARGUMENT_BYTES;
}

function runAll(r: Rig, number: number, args: readonly number[]): number {
  let result = r.d.hypercalls!.call(number, args.map((a) => a >>> 0));
  // A call that goes on for ever would be a bug of ours: each turn must get further.
  for (let turns = 0; result instanceof Continuation; turns++) {
    assert.ok(turns < 1000, "a hypercall that never ends");
    result = r.d.hypercalls!.call(number, result.args);
  }
  return result | 0;
}

for (const pae of [true, false]) {
  name(`keep the frame table true (${pae ? "pae" : "two levels"})`, () => {
    let crashes = 0;
    const succeeded = new Map<string, number>();
    for (let seed = 1; seed <= 3; seed++) {
      const result = storm(pae, seed * 0x9e3779b9 | 0, 10_000);
      crashes += result.crashes;
      for (const [call, n] of result.succeeded) succeeded.set(call, (succeeded.get(call) ?? 0) + n);
    }
    for (const call of OFTEN) assert.ok((succeeded.get(call) ?? 0) > 0, `${call} never succeeded: the test is too wild (${crashes} crashes)`);
  });
}

name.run();
