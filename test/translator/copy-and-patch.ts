/** Blocks' own code (translator/interpreter/copy-and-patch.ts) beyond what the tiers' comparison shows. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { CODE as OWN_CODE } from "../../translator/interpreter/records.js";
import { addImmediate, assemble, call, dec, EAX, EBX, ECX, HLT, inc, jnz, label, load, mov, type Part, RET, store } from "./asm.js";
import { ABSENT, CALM, CODE, DATA, Rig } from "./rig.js";
import { runEverywhere, TEMPLATES } from "./tiers.js";

const name = suite("copy and patch");
const ROUNDS = 50;

function ownCode(rig: Rig, eip: number): boolean {
  const { record } = rig.engine.blocks.find(eip, eip, rig.cpu.i32[S.MODE]!)!;
  return rig.cpu.i32[(record >> 2) + OWN_CODE] !== 0;
}

const LOOP: readonly Part[] = [label("start"), mov(EBX, 0), mov(ECX, ROUNDS), label("again"), call("f"), dec(ECX), jnz("again"), HLT, label("f"), inc(EBX), RET];

function loop(options: ConstructorParameters<typeof Rig>[0]): { rig: Rig; labels: Readonly<Record<string, number>> } {
  const program = assemble(CODE, ...LOOP), rig = new Rig(options);
  rig.start(Rig.image(program.code, CODE, 1), CODE, CALM);
  rig.run(1000);
  assert.is(rig.cpu.i32[EBX], ROUNDS);
  return { rig, labels: program.labels };
}

name("a block gets code when it has been executed often enough, its batch is full or it has waited long", () => {
  const full = loop({ warm: 10, batch: 2, hot: Infinity });
  assert.ok(ownCode(full.rig, full.labels["f"]!));
  const waited = loop({ warm: 10, batch: 100, hot: Infinity });
  assert.ok(ownCode(waited.rig, waited.labels["f"]!));
  const waiting = loop({ warm: 40, batch: 100, hot: Infinity });
  assert.not(ownCode(waiting.rig, waiting.labels["f"]!));
  const never = loop({ warm: Infinity, hot: Infinity });
  assert.not(ownCode(never.rig, never.labels["f"]!));
});

name("its executions count, and a region takes its place", () => {
  const { rig, labels } = loop({ warm: 2, batch: 1, hot: 30 });
  const [again, f] = ["again", "f"].map((at) => rig.engine.blocks.find(labels[at]!, labels[at]!, rig.cpu.i32[S.MODE]!)!);
  const entry = again!.code !== null ? again! : f!, other = entry === f ? again! : f!;
  assert.is(entry.heat, 30);
  assert.ok(entry.code!.blocks.includes(other));
  assert.ok(other.heat === 29 || other.heat === 30);
  entry.countEntries();
  assert.ok(entry.code!.instructions > 0);
});

name("an access that faults in it has executed what stands before, and nothing else", () => {
  const parts: Part[] = [
    label("start"), mov(ECX, ROUNDS), mov(EAX, 0), label("again"), addImmediate(EBX, 3), load(EAX, DATA), store(ABSENT + 0x10, EAX), addImmediate(EBX, 5), dec(ECX), jnz("again"), HLT,
  ];
  runEverywhere(CODE, parts, { scenario: { faults: 1 }, instructions: 300 }, () => {});
});

name("code that is dropped gives its place in the table back", () => {
  const { rig, labels } = loop(TEMPLATES);
  const f = labels["f"]!, { blocks } = rig.engine;
  assert.ok(ownCode(rig, f));
  const block = blocks.find(f, f, rig.cpu.i32[S.MODE]!)!;
  blocks.drop(block);
  assert.is(block.record, 0);
  rig.start(Rig.image(assemble(CODE, ...LOOP).code, CODE, 1), CODE, CALM);
  rig.run(1000);
  assert.is(rig.cpu.i32[EBX], ROUNDS);
  assert.ok(ownCode(rig, f));
});

name.run();
