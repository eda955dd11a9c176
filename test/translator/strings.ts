// String instructions in generated code (codegen/string-emit.ts) against the interpreter: SDM vol. 2, REP/REPE/REPZ/REPNE/REPNZ.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../isa/random.js";
import { dec, EAX, ECX, EDI, ESI, HLT, jnz, label, load, mov, type Part, pop, store, POPF, push, PUSHF } from "./asm.js";
import { ABSENT, CODE, DATA, ON_DEMAND, type Rig, STACK, STACK_TOP } from "./rig.js";
import { compiled, runEverywhere } from "./tiers.js";

const name = suite("strings");

const STRINGS = [[0xf3, 0xa4], [0xf3, 0xa5], [0xf3, 0x66, 0xa5], [0xf3, 0xaa], [0xf3, 0xab], [0xf3, 0x66, 0xab], [0xf2, 0xa5], [0xf2, 0xaa]];
/** A counter of turns that no string instruction writes to, and what EFLAGS is for STD and CLD. */
const TURNS = STACK_TOP - 8, STD = [0xfd], CLD = [0xfc];

/** `turns` times the parts, in a loop that its register pressure does not disturb. */
function repeatedly(turns: number, parts: readonly Part[]): Part[] {
  return [label("start"), mov(EAX, turns), store(TURNS, EAX), label("again"), ...parts, load(EAX, TURNS), dec(EAX), store(TURNS, EAX), jnz("again"), HLT];
}

function bulk(random: Random): Part[] {
  const places = [DATA, DATA + 0x1000, DATA + 0x2000, ON_DEMAND, ON_DEMAND + 0x1000, ABSENT - 0x40, STACK];
  const place = (): number => places[random.below(places.length)]! + (random.below(3) === 0 ? random.below(0x1000) : 4 * random.below(0x400));
  const counts = [0, 1, 2, 3, 7, 16, 64, 300, 1024, 2000, 4096, 4097, 9000];
  const edi = place(), count = counts[random.below(counts.length)]!;
  // Near one another now and then, so that they overlap either way.
  const esi = random.below(3) === 0 ? edi + random.below(41) - 20 : place();
  const value = [0, -1, 0x11111111, 0x1212, random.next() | 0][random.below(5)]!;
  const backwards = random.below(8) === 0;
  const instruction = STRINGS[random.below(STRINGS.length)]!;
  return [mov(ESI, esi), mov(EDI, edi), mov(ECX, count), mov(EAX, value), ...(backwards ? [STD] : []), instruction, ...(backwards ? [CLD] : []), PUSHF, pop(EAX), push(EAX), POPF];
}

name("whatever the operands are, iterations, faults and time are the interpreter's", () => {
  const random = new Random(23);
  for (let k = 0; k < 40; k++) {
    const parts = Array.from({ length: 1 + random.below(3) }, () => bulk(random)).flat();
    const pieces = [0, 1, 7, 50][random.below(4)]!;
    runEverywhere(CODE, repeatedly(12, parts), {
      instructions: 2000, piece: pieces === 0 ? (left) => left : () => pieces,
      scenario: { user: random.below(2) === 0, faults: 8, recovery: [CODE], timer: random.below(2) === 0 ? [] : [1 + random.below(400)], actions: [0, 2, 3] },
    }, () => {});
  }
});

name("a long one is left when the budget is used up, each execution as one instruction", () => {
  const count = 3 * 4096 + 5;
  for (let limit = 1; limit < 60; limit += 3) {
    runEverywhere(CODE, repeatedly(10, [mov(ESI, DATA), mov(EDI, STACK + 0x4000), mov(ECX, count), [0xf3, 0xa4]]), { instructions: limit }, (rig) => {
      assert.is(rig.instructions, limit);
    });
  }
});

name("it is made in place, and copies and fills", () => {
  const parts = [mov(ESI, DATA), mov(EDI, DATA + 0x1000), mov(ECX, 0x200), [0xf3, 0xa5], mov(EAX, 0x5a5a5a5a), mov(EDI, DATA + 0x2000), mov(ECX, 0x123), [0xf3, 0xab]];
  runEverywhere(CODE, repeatedly(40, parts), { instructions: 100_000 }, (rig: Rig, program, tier) => {
    if (tier === "asm.js") assert.ok(compiled(rig, program.labels["again"]));
    const memory = rig.memory();
    assert.equal(memory.slice(DATA + 0x1000, DATA + 0x1800), memory.slice(DATA, DATA + 0x800));
    assert.ok(memory.slice(DATA + 0x2000, DATA + 0x2000 + 4 * 0x123).every((byte) => byte === 0x5a));
    assert.is(rig.events()["instruction.string_iteration"], 40 * (0x200 + 0x123));
    assert.is(rig.cpu.i32[EDI], DATA + 0x2000 + 4 * 0x123);
  });
});

const SINGLE = [[0xa4], [0xa5], [0x66, 0xa5], [0xa6], [0xa7], [0x66, 0xa7], [0xaa], [0xab], [0x66, 0xab], [0xac], [0xad], [0x66, 0xad], [0xae], [0xaf], [0x66, 0xaf]];

name("single elements of any width, either way, at any place: registers, flags, faults and time are the interpreter's", () => {
  const random = new Random(31);
  const places = [DATA, DATA + 0xffd, ON_DEMAND - 2, ON_DEMAND + 0x1000, ABSENT - 3, STACK];
  for (let k = 0; k < 30; k++) {
    const parts = Array.from({ length: 6 }, () => {
      const place = (): number => random.pick(places) + random.below(6);
      const backwards = random.below(6) === 0;
      return [
        mov(ESI, place()), mov(EDI, place()), ...(random.below(3) === 0 ? [mov(EAX, random.pick([0, 0x11, -1, random.next() | 0]))] : []), ...(backwards ? [STD] : []),
        random.pick(SINGLE), random.pick(SINGLE), ...(backwards ? [CLD] : []), PUSHF, pop(EAX), push(EAX), POPF,
      ];
    }).flat();
    runEverywhere(CODE, repeatedly(12, parts), {
      instructions: 2000, scenario: { user: random.below(2) === 0, faults: 8, recovery: [CODE], timer: random.below(2) === 0 ? [] : [1 + random.below(400)], actions: [0, 2, 3] },
    }, () => {});
  }
});

name("each element is counted", () => {
  const parts = [mov(ESI, DATA), mov(EDI, DATA + 0x1000), [0xac], [0xae], [0xa5]];
  runEverywhere(CODE, repeatedly(40, parts), { instructions: 100_000 }, (rig: Rig, program, tier) => {
    if (tier === "asm.js") assert.ok(compiled(rig, program.labels["again"]));
    assert.is(rig.events()["instruction.string"], 3 * 40);
  });
});

name.run();
