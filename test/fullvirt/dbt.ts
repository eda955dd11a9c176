import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createNative } from "../../hypervisor/native.js";
import type { Machine } from "../../hypervisor/machine.js";
import type { EngineOptions } from "../../translator/engine.js";
import { createDbt, type Dbt } from "../../translator/fullvirt/dbt.js";
import { MEMORY, miniKernel } from "./mini-kernel.js";
import { Code, type Finished, type Installed, type Line, run } from "./program.js";

const test = suite("dbt on a small kernel");

const native = (machine: Machine, pic: Line): Installed => ({
  strategy: createNative(pic),
  write: (pa, from) => machine.memory.writeBytes(pa, from),
  read: (pa, into) => machine.memory.readBytes(pa, into),
});

/** Runs a program under dbt, with all shadows audited at the end. */
function translated(code: Code, options: EngineOptions = {}, prepare: (machine: Machine) => void = () => {}): Finished & { readonly dbt: Dbt } {
  const made: Dbt[] = [];
  const mutable: { translation?: Dbt["hooks"] } & EngineOptions = { ...options };
  const finished = run(code, (machine, pic) => {
    const dbt = createDbt(machine, pic);
    made.push(dbt);
    prepare(machine);
    Object.assign(mutable, { translation: dbt.hooks });
    return { strategy: dbt.strategy, write: (pa, from) => dbt.p2m.writeBytes(pa, from), read: (pa, into) => dbt.p2m.readBytes(pa, into) };
  }, mutable);
  assert.equal(made[0]!.shadow.auditCoherence(), []);
  return { ...finished, dbt: made[0]! };
}

function word(finished: Finished, at: number): number {
  return new DataView(finished.memory.buffer).getUint32(at, true);
}

test("leaves registers, flags, memory and ports as native does", () => {
  const bare = run(miniKernel(), native);
  assert.is(word(bare, MEMORY.calls), 50);
  assert.is(word(bare, MEMORY.cr2), 0x500000);
  assert.is(word(bare, MEMORY.interrupts), 2);
  assert.is(word(bare, MEMORY.subroutine), 3);
  assert.is(word(bare, MEMORY.flags) & 0x200, 0);
  const virtual = translated(miniKernel());
  assert.equal(virtual.registers, bare.registers);
  assert.equal(virtual.ports, bare.ports);
  assert.ok(Buffer.from(virtual.memory).equals(Buffer.from(bare.memory)));
  assert.is(virtual.machine.ledger.instructions, bare.machine.ledger.instructions);
});

test("counts what the paper's monitor does", () => {
  const { machine } = translated(miniKernel());
  const count = (name: string): number => machine.ledger.countOf(name);
  assert.is(count("dbt.switch_to_direct"), 51 + 1);
  assert.is(count("dbt.switch_to_translated"), 50 + 2);
  assert.is(count("dbt.callout.int"), 51);
  assert.is(count("dbt.callout.iret"), 1 + 50 + 2 + 1);
  assert.is(count("dbt.callout.exception"), 1);
  assert.is(count("dbt.callout.interrupt"), 2);
  assert.is(count("shadow.true_fault"), 1);
  assert.is(count("dbt.callout.cr3_write"), 1);
  assert.is(count("dbt.callout.cr0_write"), 1);
  assert.is(count("dbt.inline.cli"), 3);
  assert.is(count("dbt.inline.sti"), 1);
  assert.is(count("dbt.callout.sti"), 1);
  assert.is(count("dbt.inline.pushf"), 2);
  assert.is(count("dbt.callout.popf"), 1);
  assert.is(count("dbt.callout.lgdt"), 1);
  assert.is(count("dbt.callout.ltr"), 1);
  assert.is(count("dbt.callout.invlpg"), 100);
  assert.is(count("dbt.callout.out"), 3);
  assert.is(count("dbt.indirect"), 4);
});

test("an instruction that keeps tracing becomes a callout", () => {
  const { machine } = translated(miniKernel());
  const count = (name: string): number => machine.ledger.countOf(name);
  assert.is(count("dbt.adapt"), 1);
  assert.is(count("shadow.trace") + count("dbt.callout.pte_write"), 100);
  assert.ok(count("shadow.trace") <= 10);
});

test("counts the same events whichever tier executes", () => {
  const events = [{ jit: false }, { hot: 1 }, { hot: 5 }, { blockCapacity: 3 }].map((options) => translated(miniKernel(), options).machine.ledger.events());
  for (const other of events.slice(1)) assert.equal(other, events[0]);
});

test("indirect transfers are counted one by one, whatever else a loop does in between", () => {
  const code = new Code(0x100000).put("bc00f00900 bb28000000").label("loop").put("be00200000 bf00300000 b908000000 f3a4 b8 @sub ffd0 4b 0f85 >loop b001 e6f4").label("sub").put("c3");
  for (const options of [{ jit: false }, { hot: 1 }, { hot: 1, promote: 0 }, { hot: 5, promote: 5 }]) assert.is(translated(code, options).machine.ledger.countOf("dbt.indirect"), 80, JSON.stringify(options));
});

test("who listens hears the same events in the same order whichever tier executes", () => {
  const [first, ...others] = [{ jit: false }, { hot: 1 }, { hot: 5 }].map((options) => {
    const heard: string[] = [];
    translated(miniKernel(), options, ({ ledger }) => { ledger.listen((name, n) => heard.push(`${name} ${n}`)); });
    return heard;
  });
  assert.ok(first!.includes("dbt.indirect 1"));
  for (const other of others) assert.equal(other, first);
});

test("translates each instruction of the kernel once", () => {
  const { machine } = translated(miniKernel());
  const count = (name: string): number => machine.ledger.countOf(name);
  assert.ok(count("dbt.translate_instruction") > 80 && count("dbt.translate_instruction") < 120, String(count("dbt.translate_instruction")));
  assert.ok(count("dbt.translate") > 10 && count("dbt.translate") < 40, String(count("dbt.translate")));
  assert.is(count("dbt.invalidate"), 0);
});

test.run();
