// Accesses at ESP in generated code (codegen/stack-access.ts): the page that is kept goes when its TLB entry goes (SDM vol. 3, 4.10.4), and does
// not outlive what may be done with it.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PF } from "../../hypervisor/trap.js";
import { dec, EAX, EBX, ECX, ESP, HLT, inc, jnz, label, load, mov, type Part, pop, push, RET, call, store } from "./asm.js";
import { CODE, CODE0, DATA, EXCEPTION, ON_DEMAND, READ_ONLY, type Rig, STACK } from "./rig.js";
import { runEverywhere } from "./tiers.js";

const name = suite("stack");
const PRESENT = 1, WRITABLE = 2, USER = 4;
const SECOND = STACK + 0x5000;

/** Forty turns with the stack at `top`: pushes, a call, loads and stores relative to ESP. */
function turns(top: number, end: readonly Part[] = [HLT]): Part[] {
  return [
    label("start"), mov(ESP, top), mov(ECX, 40), label("again"), push(ECX), call("f"), pop(EBX), [0x89, 0x5c, 0x24, 0xf0], [0x8b, 0x44, 0x24, 0xf4], dec(ECX), jnz("again"), ...end,
    label("f"), inc(EAX), [0xff, 0x44, 0x24, 0x04], [0x8b, 0x54, 0x24, 0x04], RET,
  ];
}

name("on one page, and over the border of two", () => {
  for (const top of [STACK + 0x800, STACK + 0x1000, STACK + 0x1004, STACK + 0x1008, STACK + 0x100a, ON_DEMAND + 0x804]) {
    for (const user of [false, true]) runEverywhere(CODE, turns(top), { scenario: { user, faults: 30, recovery: [CODE] }, instructions: 1500 }, () => {});
  }
});

name("flags and selectors pushed: DF and all the others, two bytes of a selector's four written (SDM vol. 2, PUSH, PUSHF)", () => {
  const CLD = [0xfc], STD = [0xfd], PUSHF = [0x9c], PUSHFW = [0x66, 0x9c], PUSH_CS = [0x0e], PUSH_GS = [0x0f, 0xa8], PUSH_DS_WORD = [0x66, 0x1e];
  const filled: Part[] = [mov(EAX, -1), push(EAX), push(EAX), pop(EAX), pop(EAX)];
  const parts: Part[] = [...filled, PUSH_CS, PUSH_GS, pop(EBX), pop(EAX), STD, dec(EAX), PUSHF, pop(EAX), CLD, PUSHFW, PUSH_DS_WORD, inc(ECX), PUSHF, dec(ECX), pop(EBX), pop(EAX)];
  for (const top of [STACK + 0x800, STACK + 0x1002, ON_DEMAND + 0x804, ON_DEMAND + 0x1000]) {
    for (const user of [false, true]) {
      const { rigs } = runEverywhere(CODE, [label("start"), mov(ESP, top), mov(ECX, 40), label("again"), ...parts, dec(ECX), jnz("again"), HLT], { scenario: { user, faults: 30, recovery: [CODE] }, instructions: 1500 }, () => {});
      assert.ok(rigs[0]!.instructions > 100);
    }
  }
  const [rig] = runEverywhere(CODE, [label("start"), ...filled, PUSH_CS, pop(EBX), STD, PUSHF, CLD, pop(EAX), HLT], {}, () => {}).rigs;
  assert.is(rig!.cpu.i32[EBX]! | 0, 0xffff0000 | CODE0);
  assert.is(rig!.cpu.i32[EAX]! & 0x400, 0x400);
});

name("after another page has come in the place of the first, it is that one", () => {
  const again = (rig: Rig, pa: number, rights: number): void => {
    rig.map(STACK, pa, rights);
    rig.cpu.eip = CODE;
    rig.cpu.halted = false;
  };
  runEverywhere(CODE, turns(STACK + 0x800), { instructions: 2000 }, (rig) => {
    const before = rig.memory().slice(STACK, STACK + 0x1000);
    again(rig, SECOND, PRESENT | WRITABLE | USER);
    rig.run(2000);
    assert.equal(rig.memory().slice(STACK, STACK + 0x1000), before);
    assert.is(rig.read(SECOND + 0x800 - 16), rig.read(STACK + 0x800 - 16));
    again(rig, SECOND, PRESENT | USER);
    rig.run(2000);
    assert.is(rig.log[rig.log.indexOf(EXCEPTION) + 1], PF);
    assert.is(rig.cpu.eip - CODE, 10);
  });
});

name("what the supervisor may use, the user may not", () => {
  runEverywhere(CODE, turns(READ_ONLY + 0x800), { scenario: { writeProtect: false }, instructions: 2000 }, (rig) => {
    assert.ok(rig.cpu.halted);
    rig.start(rig.memory().slice(), CODE, { user: true, writeProtect: false, timer: [], actions: [0], recovery: [], faults: 1, registers: [], eflags: 2, seed: 1 });
    rig.run(2000);
    assert.is(rig.log[1], PF);
  });
});

name("a page of which code has been made is watched", () => {
  // The function is called on the stack's own page, and a push changes its immediate operand.
  const parts: Part[] = [
    label("start"), mov(ESP, DATA + 0x100), mov(ECX, 60), label("again"), push(ECX), pop(EAX), [0xff, 0x15, 0xf0, 0x0f, 2, 0], push(EBX), pop(EAX), dec(ECX), jnz("again"), store(DATA + 0x200, EBX), load(EAX, DATA + 0x200), HLT,
  ];
  runEverywhere(CODE, parts, {
    instructions: 5000, prepare: (rig) => {
      rig.writeBytes(DATA + 0xff0, 0xfb, 0, 2, 0);
      // mov ebx, imm32 whose operand is at DATA + 0xfc; ret
      rig.writeBytes(DATA + 0xfb, 0xbb, 0, 0, 0, 0, 0xc3);
    },
  }, (rig) => assert.ok(rig.instructions > 100));
});

name.run();
