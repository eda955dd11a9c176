import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Ledger } from "../../hypervisor/ledger.js";
import { createMachine } from "../../hypervisor/machine.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import { decoderFor } from "../../translator/isa/decode.js";
import type { Instruction } from "../../translator/isa/instruction.js";
import { ADAPT_AFTER, AdaptiveCallouts, REVERT_AFTER } from "../../translator/fullvirt/adaptive.js";
import { TranslationUnits } from "../../translator/fullvirt/translation-units.js";
import { PROFILE } from "./program.js";

const test = suite("adaptive callouts and translation units");

test("a callout after ADAPT_AFTER traces, the instruction itself after REVERT_AFTER idle runs", () => {
  const changed: number[] = [];
  const adaptive = new AdaptiveCallouts(new Ledger(PROFILE), (eip) => changed.push(eip));
  for (let i = 1; i < ADAPT_AFTER; i++) adaptive.traced(0x1000);
  assert.not(adaptive.isCallout(0x1000));
  adaptive.traced(0x1000);
  assert.ok(adaptive.isCallout(0x1000));
  for (let i = 1; i < REVERT_AFTER; i++) adaptive.ran(0x1000, false);
  adaptive.ran(0x1000, true);
  for (let i = 1; i < REVERT_AFTER; i++) adaptive.ran(0x1000, false);
  assert.ok(adaptive.isCallout(0x1000));
  adaptive.ran(0x1000, false);
  assert.not(adaptive.isCallout(0x1000));
  assert.equal(changed, [0x1000, 0x1000]);
});

const decode = decoderFor(["486"]);

/** Puts code at a physical address and announces it, cut into blocks of these lengths. */
function announce(bytes: readonly number[], cuts: readonly number[]): { readonly counts: Record<string, number>; readonly again: (patch: number, byte: number) => Record<string, number> } {
  const machine = createMachine(PROFILE, 1 << 20, 0);
  const units = new TranslationUnits(machine);
  const { u8 } = machine.heap;
  u8.set(bytes, RAM_BASE + 0x1000);
  const add = (): Record<string, number> => {
    let at = 0x1000;
    for (const cut of cuts) {
      const instructions: Instruction[] = [];
      const start = at;
      for (let i = 0; i < cut; i++) {
        const decoded = decode(u8, RAM_BASE + at, RAM_BASE + 0x2000, 32);
        if (decoded.invalid !== null) throw new Error("bad test code");
        instructions.push(decoded);
        at += decoded.length;
      }
      units.add(start, start, instructions);
    }
    return machine.ledger.events();
  };
  const counts = add();
  return { counts, again: (patch, byte) => { u8[RAM_BASE + 0x1000 + patch] = byte; return add(); } };
}

const NOPS = new Array<number>(30).fill(0x90);

test("thirty instructions are three units, however the engine cuts them", () => {
  for (const cuts of [[30], [12, 12, 6], [5, 25], [1, 1, 28], [7, 7, 7, 9]]) {
    assert.equal(announce(NOPS, cuts).counts, { "dbt.chain": 2, "dbt.translate": 3, "dbt.translate_instruction": 30 });
  }
});

test("a transfer ends a unit, and both ends in the cache are chained", () => {
  // A loop of three instructions: its jump back is chained, its fall-through waits for the one behind.
  assert.equal(announce([0x40, 0x90, 0x75, 0xfc, 0x90], [3, 1]).counts, { "dbt.chain": 2, "dbt.translate": 2, "dbt.translate_instruction": 4 });
});

test("translated code costs nothing again; changed bytes do", () => {
  const { again } = announce(NOPS, [30]);
  assert.is(again(0, 0x90)["dbt.translate_instruction"], 30);
  const changed = again(3, 0x40);
  assert.is(changed["dbt.translate_instruction"], 31);
  assert.is(changed["dbt.invalidate"], 1);
});

test.run();
