import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Classic, createClassic } from "../../translator/classic/classic.js";
import type { EngineOptions } from "../../translator/engine.js";
import { MEMORY, miniKernel } from "../fullvirt/mini-kernel.js";
import { type Code, type Finished, run } from "../fullvirt/program.js";

const test = suite("classic on a small kernel");

function deprivileged(code: Code, options: EngineOptions = {}): Finished & { readonly classic: Classic } {
  const made: Classic[] = [];
  const finished = run(code, (machine, pic) => {
    const classic = createClassic(machine, pic);
    made.push(classic);
    return {
      strategy: classic.strategy, write: (pa, from) => classic.memory.write(pa, from), read: (pa, into) => classic.memory.read(pa, into),
      start: () => classic.start(),
    };
  }, options);
  assert.equal(made[0]!.shadow.auditCoherence(), []);
  return { ...finished, classic: made[0]! };
}

function word(finished: Finished, at: number): number {
  return new DataView(finished.memory.buffer).getUint32(at, true);
}

test("what traps is emulated: the program runs to its end with the right sums", () => {
  const guest = deprivileged(miniKernel());
  assert.is(word(guest, MEMORY.calls), 50);
  assert.is(word(guest, MEMORY.cr2), 0x500000);
  assert.is(word(guest, MEMORY.subroutine), 3);
  assert.is(word(guest, MEMORY.sum), 0);
  assert.equal(guest.ports, ["20=1", "20=1", "f4=2a"]);
  const count = (name: string): number => guest.machine.ledger.countOf(name);
  assert.is(count("classic.emulate.lgdt"), 1);
  assert.is(count("classic.emulate.mov_to_cr"), 2);
  assert.is(count("classic.emulate.cli"), 3);
  assert.is(count("classic.emulate.invlpg"), 100);
  assert.is(count("classic.emulate.out"), 3);
  assert.is(count("shadow.trace"), 100);
});

test("what does not trap is wrong, and is said to be", () => {
  const guest = deprivileged(miniKernel());
  // The monitor's interrupt flag is on, the guest's is off: PUSHF shows the former, POPF changes neither.
  assert.is(word(guest, MEMORY.flags) & 0x200, 0x200);
  assert.is(word(guest, MEMORY.selectors), 0x09);
  assert.is(word(guest, MEMORY.selectors + 4), 0x11);
  assert.is(word(guest, MEMORY.interrupts), 1);
  const report = guest.classic.report();
  const told = (mnemonic: string): readonly string[] => report.filter((r) => r.mnemonic === mnemonic).map((r) => `${r.times}: ${r.did} / ${r.native}`);
  assert.equal(told("PUSHF"), ["1: IF 1, IOPL 0 / IF 0, IOPL 0", "1: IF 1, IOPL 0 / IF 0, IOPL 0"]);
  assert.equal(told("POPF"), ["1: IF 0, IOPL 0 / IF 1, IOPL 0"]);
  assert.equal(told("MOV_FROM_SREG"), ["1: 0x9 / 0x8", "1: 0x11 / 0x10"]);
  assert.is(told("IRET").length, 1);
  assert.is(guest.machine.ledger.countOf("classic.wrong"), report.reduce((sum, r) => sum + r.times, 0));
});

test("the same events whichever tier executes", () => {
  const [first, ...rest] = [{ jit: false }, { hot: 1 }, { blockCapacity: 3 }].map((options) => deprivileged(miniKernel(), options).machine.ledger.events());
  for (const other of rest) assert.equal(other, first);
});

test.run();
