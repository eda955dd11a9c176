/** Regions that are made together (translator/compiler.ts). */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assemble, dec, EBX, ECX, HLT, inc, jnz, label, mov, type Part } from "./asm.js";
import { CALM, CODE, Rig } from "./rig.js";
import { compiled } from "./tiers.js";

const name = suite("compiler");

const ROUNDS = 30;
const counted = (i: number): Part[] => [mov(ECX, ROUNDS), label(`loop ${i}`), inc(EBX), dec(ECX), jnz(`loop ${i}`)];

/** Runs `loops` loops one after the other; gives which of them have generated code. */
function loops(loops: number, options: ConstructorParameters<typeof Rig>[0], drop = -1): boolean[] {
  const numbers = Array.from({ length: loops }, (_, i) => i);
  const program = assemble(CODE, label("start"), mov(EBX, 0), ...numbers.flatMap(counted), HLT), rig = new Rig(options);
  const at = (i: number): number => program.labels[`loop ${i}`]!;
  rig.start(Rig.image(program.code, CODE, 1), CODE, CALM);
  rig.run(2 + (1 + 3 * ROUNDS) * (drop + 1));
  if (drop >= 0) rig.engine.blocks.drop(rig.engine.blocks.find(at(drop), at(drop), rig.cpu.i32[15]!)!);
  rig.run(1000);
  assert.is(rig.cpu.i32[EBX], loops * ROUNDS);
  return numbers.map((i) => compiled(rig, at(i)));
}

name("a hot block waits for others, and all get their code at once", () => {
  assert.equal(loops(2, { hot: 20, regions: 3 }), [false, false]);
  assert.equal(loops(3, { hot: 20, regions: 3 }), [true, true, true]);
  assert.equal(loops(4, { hot: 20, regions: 3 }), [true, true, true, false]);
});

name("one that is as hot once more waits no longer", () => {
  assert.equal(loops(1, { hot: 10, regions: 3 }), [true]);
});

name("one that is dropped meanwhile gets none", () => {
  assert.equal(loops(3, { hot: 20, regions: 3 }, 0), [false, true, true]);
});

name.run();
