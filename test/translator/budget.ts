// Where execution stops and looks around, in every tier: exact limits, HLT, the shadows of STI and of loads of SS, the trap flag,
// repeated string instructions, timers, a guest that only faults.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DR6, DR6_BS } from "../../hypervisor/debug-registers.js";
import { DB, UD } from "../../hypervisor/trap.js";
import { add, addImmediate, assemble, call, CLI, dec, EAX, EBX, ECX, EDI, EDX, ESI, ESP, HLT, inc, INT3, jnz, label, load, loop, mov, NOP, type Part, pop, POPF, push, PUSHF, RET, STI, store, UD2 } from "./asm.js";
import { CALM, CODE, DATA, DATA0, difference, EXCEPTION, INTERRUPT, Rig, type Scenario, STACK_TOP } from "./rig.js";
import { compiled, runEverywhere, TIERS, tierRigs } from "./tiers.js";

const name = suite("budget");

const LOOPS: Part[] = [
  label("start"), mov(ECX, 1000), label("again"), inc(EBX), call("f"), [0xf7, 0xc1, 7, 0, 0, 0], jnz("skip"), addImmediate(EDX, 3), label("skip"), dec(ECX), jnz("again"), HLT,
  label("f"), add(EAX, EBX), store(DATA, EAX), RET,
];

name("a limit is met exactly, wherever it falls", () => {
  const program = assemble(CODE, ...LOOPS);
  const image = Rig.image(program.code, CODE, 1);
  const rigs = tierRigs();
  // EIP after each instruction.
  const path: number[] = [];
  rigs[0]!.start(image, CODE);
  for (let i = 0; i < 3000; i++) {
    rigs[0]!.run(1);
    path.push(rigs[0]!.cpu.eip);
  }
  for (const rig of rigs) {
    for (const piece of [1, 2, 3, 5, 8, 13, 31, 100, 997]) {
      rig.start(image, CODE);
      for (let total = piece; total < 3000; total += piece) {
        assert.equal(rig.engine.run(piece), { reason: "limit" });
        assert.is(rig.instructions, total);
        assert.is(rig.cpu.eip, path[total - 1]);
      }
    }
  }
  assert.ok(compiled(rigs[1]!, CODE + 5));
});

name("a limit of nothing runs nothing", () => {
  runEverywhere(CODE, LOOPS, { instructions: 0 }, (rig) => {
    assert.equal(rig.engine.run(0), { reason: "limit" });
    assert.is(rig.cpu.eip, CODE);
  });
});

name("long loops are left now and then, and come to the same end", () => {
  runEverywhere(CODE, [
    label("start"), mov(EDX, 300), label("outer"), mov(ECX, 200), label("inner"), add(EAX, ECX), dec(ECX), jnz("inner"), dec(EDX), jnz("outer"), HLT,
  ], { instructions: 10_000_000 }, (rig) => {
    assert.ok(rig.cpu.halted);
    assert.is(rig.instructions, 2 + 300 * (3 + 200 * 3));
  });
});

name("HLT with nothing to wait for", () => {
  runEverywhere(CODE, [NOP, HLT, NOP], {}, (rig) => {
    assert.ok(rig.cpu.halted);
    assert.is(rig.cpu.eip, CODE + 2);
    assert.is(rig.instructions, 2);
    assert.equal(rig.engine.run(5), { reason: "idle" });
    assert.is(rig.instructions, 2);
  });
});

name("HLT with interrupts off is for good, whatever timers run", () => {
  runEverywhere(CODE, [CLI, HLT], { scenario: { timer: [100] } }, (rig) => {
    assert.equal(rig.engine.run(5), { reason: "idle" });
    assert.ok(rig.cycles < 1000);
  });
});

/** Instructions executed when each interrupt came, and where. */
function interrupts(rig: Rig, kind = INTERRUPT): { at: number; eip: number }[] {
  const out: { at: number; eip: number }[] = [];
  for (let i = 0; i + 5 < rig.log.length; i++) if (rig.log[i] === kind && rig.log[i + 1] === (kind === INTERRUPT ? 0 : DB)) {
    out.push({ eip: rig.log[i + 3]!, at: rig.log[i + 5]! });
    i += 14;
  }
  return out;
}

const INTERRUPTED: Partial<Scenario> = { recovery: [CODE], faults: 5 };

name("HLT sleeps until the timer, in virtual time", () => {
  runEverywhere(CODE, [STI, HLT, inc(EBX), HLT], { scenario: { ...INTERRUPTED, timer: [5000] }, instructions: 3 }, (rig) => {
    assert.is(rig.cpu.i32[EBX], 1);
    assert.ok(rig.cycles >= 5000);
    assert.equal(interrupts(rig)[0], { at: 2, eip: CODE + 2 });
  });
});

name("STI holds a waiting interrupt off for one instruction", () => {
  runEverywhere(CODE, [CLI, STI, inc(EBX), inc(EBX)], { scenario: INTERRUPTED, prepare: (rig) => { rig.pending = true; }, instructions: 3 }, (rig, _p, tier) => {
    rig.run(4);
    assert.equal(interrupts(rig)[0], { at: 3, eip: CODE + 3 }, tier);
  });
});

name("STI when interrupts were on already holds nothing off", () => {
  runEverywhere(CODE, [NOP, STI, inc(EBX), inc(EBX)], { scenario: { ...INTERRUPTED, eflags: 0x202 }, instructions: 2 }, (rig) => {
    rig.pending = true;
    rig.run(1);
    assert.equal(interrupts(rig)[0], { at: 2, eip: CODE + 2 });
  });
});

name("an interrupt that comes with STI finds HLT executed: no wake-up is lost", () => {
  // For each length of the timer, so that it runs out before, at and after STI.
  for (let delay = 1; delay < 140; delay++) {
    runEverywhere(CODE, [CLI, NOP, NOP, STI, HLT, inc(EBX), CLI, HLT], { scenario: { ...INTERRUPTED, timer: [delay, 1e9] }, instructions: 6 }, (rig, _p, tier) => {
      const [first] = interrupts(rig);
      assert.equal(first, { at: 5, eip: CODE + 5 }, `${tier}, ${delay}`);
    });
  }
});

name("loads of SS hold interrupts off for one instruction", () => {
  for (const bytes of [[0x8e, 0xd0], [0x17]]) { // mov ss, eax; pop ss
    const rigs = tierRigs();
    for (const rig of rigs) {
      const program = assemble(CODE, mov(EAX, DATA0), push(EAX), NOP, bytes, NOP, NOP, NOP);
      rig.start(Rig.image(program.code, CODE, 1), CODE, { ...CALM, ...INTERRUPTED, eflags: 0x202 });
      rig.run(4);
      rig.pending = true;
      assert.ok(rig.cpu.interruptShadow);
      rig.run(3);
      assert.equal(interrupts(rig)[0], { at: 5, eip: CODE + 5 + 1 + 1 + bytes.length + 1 });
    }
    for (const rig of rigs) assert.is(difference(rigs[0]!, rig), null);
  }
});

// ---- the trap flag -----------------------------------------------------------------------------------------------------

const TRAPPED: Partial<Scenario> = { eflags: 0x102, faults: 1000, recovery: [CODE] };
/** Where each #DB was delivered. */
const steps = (rig: Rig): number[] => interrupts(rig, EXCEPTION).map(({ eip }) => eip);

name("TF traps after each instruction, with DR6.BS", () => {
  runEverywhere(CODE, [mov(EAX, 1), inc(EBX), store(DATA, EAX), [0xeb, 0], NOP, NOP], { scenario: TRAPPED, instructions: 5 }, (rig) => {
    assert.equal(steps(rig), [CODE + 5, CODE + 6, CODE + 12, CODE + 14, CODE + 15]);
    assert.ok((rig.cpu.i32[DR6]! & DR6_BS) !== 0);
  });
});

name("TF in code that is hot", () => {
  const program = assemble(CODE, ...LOOPS);
  const image = Rig.image(program.code, CODE, 1);
  const rigs = tierRigs();
  for (const rig of rigs) {
    rig.start(image, CODE);
    rig.run(2000);
    rig.start(image, CODE, { ...CALM, ...TRAPPED });
    rig.run(100);
    assert.is(steps(rig).length, 100);
    assert.is(difference(rigs[0]!, rig), null);
  }
});

name("POPF that sets TF traps after the next instruction, one that clears it after itself", () => {
  runEverywhere(CODE, [PUSHF, [0x81, 0x0c, 0x24, 0, 1, 0, 0], POPF, inc(EBX), inc(EBX), PUSHF, [0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff], POPF, inc(EBX), inc(EBX)],
    { scenario: { ...TRAPPED, eflags: 2 }, instructions: 10 }, (rig) => {
      const first = CODE + 1 + 7 + 1;
      assert.equal(steps(rig), [first + 1, first + 2, first + 3, first + 10, first + 11]);
    });
});

name("INT n and INT3 do not trap: the handler runs without TF", () => {
  runEverywhere(CODE, [NOP, INT3, [0xcd, 0x80], NOP], { scenario: TRAPPED, instructions: 4 }, (rig) => {
    assert.equal(steps(rig), [CODE + 1, CODE + 5]);
  });
});

name("a fault in a stepped instruction is delivered alone", () => {
  runEverywhere(CODE, [NOP, UD2, NOP], { scenario: { ...TRAPPED, faults: 3 }, instructions: 2 }, (rig) => {
    assert.equal(steps(rig)[0], CODE + 1);
    assert.is(rig.log.filter((word, i) => word === EXCEPTION && rig.log[i + 1] === UD).length >= 1, true);
  });
});

name("a stepped string instruction traps after each iteration", () => {
  runEverywhere(CODE, [mov(ECX, 3), mov(EDI, DATA), mov(ESI, DATA + 100), [0xf3, 0xa4], NOP], { scenario: TRAPPED, instructions: 7 }, (rig) => {
    const rep = CODE + 15;
    assert.equal(steps(rig), [CODE + 5, CODE + 10, rep, rep, rep, rep + 2, rep + 3]);
    assert.is(rig.cpu.i32[ECX], 0);
  });
});

name("a load of SS swallows the trap", () => {
  const rigs = tierRigs();
  for (const rig of rigs) {
    const program = assemble(CODE, mov(EAX, DATA0), [0x8e, 0xd0], NOP, NOP);
    rig.start(Rig.image(program.code, CODE, 1), CODE, { ...CALM, ...TRAPPED });
    rig.run(4);
    assert.equal(steps(rig), [CODE + 5, CODE + 8, CODE + 9]);
    assert.is(difference(rigs[0]!, rig), null);
  }
});

name("HLT with TF traps instead of sleeping", () => {
  runEverywhere(CODE, [HLT, inc(EBX), NOP], { scenario: TRAPPED, instructions: 2 }, (rig) => {
    assert.equal(steps(rig), [CODE + 1, CODE + 2]);
    assert.is(rig.cpu.i32[EBX], 1);
  });
});

// ---- strings, timers, faults ---------------------------------------------------------------------------------------------

name("long strings are interrupted and go on", () => {
  runEverywhere(CODE, [STI, mov(ECX, 30_000), mov(EDI, DATA), mov(EAX, 0x90), [0x66, 0xf3, 0x90], mov(EDX, 0), [0xf3, 0xac], mov(EBX, 1), CLI, HLT], {
    scenario: { ...INTERRUPTED, registers: [0, 0, 0, 0, STACK_TOP, 0, DATA, 0], timer: [20], recovery: [] }, instructions: 5,
  }, () => {});
  runEverywhere(CODE, [mov(ECX, 10_000), mov(EDI, DATA), mov(ESI, DATA), [0xf3, 0xac], HLT], { instructions: 4 }, (rig) => {
    // 4096 iterations an execution; EIP is still at it.
    assert.is(rig.cpu.i32[ECX], 10_000 - 4096);
    assert.is(rig.cpu.eip, CODE + 15);
    rig.run(100);
    assert.is(rig.cpu.i32[ECX], 0);
    assert.ok(rig.cpu.halted);
    assert.is(rig.instructions, 3 + 3 + 1);
  });
});

name("a timer fires after the same instruction whatever the pieces", () => {
  const program = assemble(CODE, ...LOOPS);
  const image = Rig.image(program.code, CODE, 1);
  for (const timer of [[1], [2], [17], [100], [333, 50, 7]]) {
    const rigs = [...tierRigs(), ...tierRigs()];
    const pieces = [(left: number) => left, (left: number) => left, (left: number) => left, () => 1, () => 7, () => 1000];
    rigs.forEach((rig, i) => {
      rig.start(image, CODE, { ...CALM, timer, recovery: [CODE + 5], eflags: 0x202 });
      rig.run(4000, pieces[i]!);
      assert.is(difference(rigs[0]!, rig), null, `${TIERS[i % TIERS.length]}, ${i}`);
      assert.ok(interrupts(rig).length > 5);
    });
  }
});

name("a device that asks for attention in a block is heard after its instruction", () => {
  // Port and MMIO accesses of the rig raise an interrupt now and then.
  runEverywhere(CODE, [STI, label("again"), [0xe4, 0x60], inc(EBX), load(EDX, 0x27000), inc(EBX), inc(EBX), store(0x27010, EBX), add(EAX, EDX), inc(EBX), [0xe6, 0x61], jnz("again")], {
    scenario: { ...INTERRUPTED, faults: 100 }, instructions: 3000,
  }, (rig) => { assert.ok(interrupts(rig).length > 20); });
});

name("a guest that only faults comes to its limit", () => {
  for (const rig of tierRigs()) {
    rig.start(Rig.image(assemble(CODE, UD2).code, CODE, 1), CODE, { ...CALM, faults: 1e9, recovery: [CODE] });
    assert.equal(rig.engine.run(1000), { reason: "limit" });
    assert.is(rig.instructions, 1000, "exceptions in a row count as instructions");
    assert.is(rig.cpu.i32[EBX], 0);
  }
});

name("one that faults now and then has all its instructions", () => {
  runEverywhere(CODE, [inc(EBX), UD2], { scenario: { faults: 1e9, recovery: [CODE] }, instructions: 1000 }, (rig) => {
    assert.is(rig.instructions, 1000);
    assert.is(rig.cpu.i32[EBX], 1000);
  });
});

name("stop leaves at the next boundary", () => {
  for (const rig of tierRigs()) {
    rig.start(Rig.image(assemble(CODE, ...LOOPS).code, CODE, 1), CODE);
    rig.run(500);
    const { clock } = rig.machine;
    clock.schedule(clock.now() + 500, () => rig.engine.stop());
    assert.equal(rig.engine.run(1e6), { reason: "stopped" });
    assert.ok(rig.instructions >= 1000 - 200 && rig.instructions <= 1100, `${rig.instructions}`);
  }
});

name("LOOP with pushes and pops in it", () => {
  runEverywhere(CODE, [mov(ECX, 500), label("again"), push(ECX), pop(EAX), add(EBX, EAX), loop("again"), HLT], {}, (rig) => {
    assert.is(rig.cpu.i32[EBX], 500 * 501 / 2);
    assert.is(rig.cpu.i32[ESP], CALM.registers[ESP]);
  });
});

name.run();
