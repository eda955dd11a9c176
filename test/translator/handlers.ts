/** Handlers of threaded code that are compiled together (translator/interpreter/handlers.ts). */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { FIRST_INSTRUCTION } from "../../translator/interpreter/records.js";
import { addImmediate, assemble, dec, EAX, EBX, ECX, HLT, inc, jnz, label, load, mov, store } from "./asm.js";
import { ABSENT, CALM, CODE, DATA, difference, Rig } from "./rig.js";

const name = suite("handlers");

const ROUNDS = 200;
/** Seven shapes of instruction, six of them in the loop. */
const LOOP = [
  label("start"), mov(ECX, ROUNDS), label("again"), addImmediate(EBX, 3), load(EAX, DATA), inc(EAX), store(DATA, EAX), dec(ECX), jnz("again"), load(EAX, ABSENT), HLT,
];
const program = assemble(CODE, ...LOOP);

/** What threaded code calls for the loop's first instruction, after the first round and at the end. */
function run(handlers: number): { rig: Rig; early: unknown; late: unknown } {
  const rig = new Rig({ jit: false, handlers });
  rig.start(Rig.image(program.code, CODE, 1), CODE, { ...CALM, faults: 1 });
  const handler = (): unknown => {
    const again = program.labels["again"]!, { record } = rig.engine.blocks.find(again, again, rig.cpu.i32[S.MODE]!)!;
    return rig.cpu.i32[rig.cpu.i32[(record >> 2) + FIRST_INSTRUCTION]! >> 2];
  };
  rig.run(14);
  const early = handler();
  rig.run(ROUNDS * 10);
  return { rig, early, late: handler() };
}

name("closures and handlers do the same, before and after the handlers are there", () => {
  const at = [1, 4, 1000].map(run);
  assert.is(at[0]!.rig.cpu.i32[EBX], ROUNDS * 3);
  for (const { rig, early, late } of at) {
    assert.is(difference(at[0]!.rig, rig), null);
    // Its number is its own from the start: records stay as they are.
    assert.is(early, late);
  }
});

name.run();
