// DIV and IDIV of EDX:EAX in generated code (codegen/division-emit.ts) against the interpreter: SDM vol. 2, DIV and IDIV.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../isa/random.js";
import { dec, EAX, EBX, ECX, EDX, HLT, jnz, label, load, mov, type Part, store } from "./asm.js";
import { CODE, DATA, type Rig, STACK_TOP } from "./rig.js";
import { compiled, runEverywhere } from "./tiers.js";

const name = suite("division");

/** By EBX, by the word at DATA. */
const DIVISIONS = [[0xf7, 0xf3], [0xf7, 0xfb], [0xf7, 0x35, 0, 0, DATA >> 16, 0], [0xf7, 0x3d, 0, 0, DATA >> 16, 0]];
const CORNERS = [0, 1, 2, 3, 7, 10, 100, 0x7fffffff, -0x80000000, -1, -2, -7, 0x10000, 0xffff];
const TURNS = STACK_TOP - 8;

function repeatedly(turns: number, parts: readonly Part[]): Part[] {
  return [label("start"), mov(ECX, turns), store(TURNS, ECX), label("again"), ...parts, load(ECX, TURNS), dec(ECX), store(TURNS, ECX), jnz("again"), HLT];
}

name("quotients, remainders and #DE are the interpreter's, at the corners and elsewhere", () => {
  const random = new Random(41);
  const value = (): number => random.below(2) === 0 ? random.pick(CORNERS) : (random.next() | 0) >> random.below(32);
  for (let k = 0; k < 120; k++) {
    const parts = Array.from({ length: 4 }, () => {
      const low = value(), high = random.pick([0, 0, low >> 31, value()]);
      return [mov(EBX, value()), store(DATA, EBX), mov(EBX, value()), mov(EAX, low), mov(EDX, high), random.pick(DIVISIONS)];
    }).flat();
    runEverywhere(CODE, repeatedly(8, parts), { instructions: 600, scenario: { user: random.below(2) === 0, faults: 12, recovery: [CODE] } }, () => {});
  }
});

name("each is counted, and made in place", () => {
  const parts = [mov(EBX, 7), mov(EAX, 1000), mov(EDX, 0), DIVISIONS[0]!, mov(EDX, -1), mov(EAX, -1000), DIVISIONS[1]!, store(DATA, EAX), store(DATA + 4, EDX)];
  runEverywhere(CODE, repeatedly(40, parts), { instructions: 100_000 }, (rig: Rig, program, tier) => {
    if (tier === "asm.js") assert.ok(compiled(rig, program.labels["again"]));
    assert.is(rig.events()["instruction.div"], 2 * 40);
    const memory = new DataView(rig.memory().slice(DATA, DATA + 8).buffer);
    assert.is(memory.getInt32(0, true), -142);
    assert.is(memory.getInt32(4, true), -6);
  });
});

name.run();
