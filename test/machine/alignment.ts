// #AC: references at CPL 3 with CR0.AM and EFLAGS.AC (SDM vol. 3, 6.15, interrupt 17, and table 6-7), in every tier.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { AC, PF } from "../../hypervisor/trap.js";
import { HLT, load, mov, NOP, type Part, push, PUSHF, store, word } from "../translator/asm.js";
import { ABSENT, CODE, DATA, EXCEPTION, Rig, STACK_TOP } from "../translator/rig.js";
import { runEverywhere } from "../translator/tiers.js";

const alignment = suite("alignment");
const ALL = { user: true, eflags: S.FLAG_AC | 2 };

/** First fault's vector and error code of a program that ends in HLT, which is #GP at CPL 3. */
function first(parts: readonly Part[], scenario: { user: boolean; eflags: number } = ALL, mask = S.CR0_AM): number[] {
  let found: number[] = [];
  runEverywhere(CODE, [...parts, HLT], { scenario, prepare: (rig: Rig) => {
    rig.cpu.i32[S.CR0]! |= mask;
    rig.cpu.i32[S.CR4] = S.CR4_OSFXSR;
    rig.cpu.modeChanged();
  } }, (rig) => {
    assert.is(rig.log[0], EXCEPTION);
    found = rig.log.slice(1, 3);
  });
  return found;
}

const DONE = [13, 0];
const at = (opcode: number[], address: number): number[] => [...opcode, ...word(address)];

alignment("words, doublewords and quadwords by their size; bytes never", () => {
  assert.equal(first([load(0, DATA + 2)]), [AC, 0]);
  assert.equal(first([load(0, DATA + 4)]), DONE);
  assert.equal(first([at([0x66, 0x8b, 5], DATA + 1)]), [AC, 0]);
  assert.equal(first([at([0x66, 0x8b, 5], DATA + 2)]), DONE);
  assert.equal(first([at([0x8a, 5], DATA + 3)]), DONE);
  assert.equal(first([store(DATA + 1, 0)]), [AC, 0]);
  assert.equal(first([at([0x01, 5], DATA + 3)]), [AC, 0]);
  assert.equal(first([at([0xdd, 5], DATA + 4)]), [AC, 0], "FLD m64");
  assert.equal(first([at([0xd9, 5], DATA + 4)]), DONE, "FLD m32");
  assert.equal(first([at([0xdb, 0x2d], DATA + 8)]), DONE, "FLD m80 on 8 bytes");
  assert.equal(first([at([0x0f, 0xc7, 0x0d], DATA + 4)]), [AC, 0], "CMPXCHG8B");
});

alignment("far pointers and BOUND by their parts", () => {
  assert.equal(first([at([0x62, 5], DATA + 4)])[0] === AC, false, "BOUND r32 on 4 bytes");
  assert.equal(first([at([0x62, 5], DATA + 2)]), [AC, 0]);
  assert.equal(first([at([0xff, 0x2d], DATA + 2)]), [AC, 0], "JMP m16:32");
});

alignment("the stack, string instructions, and segments that are not flat", () => {
  assert.equal(first([mov(4, STACK_TOP - 2), push(0)]), [AC, 0]);
  assert.equal(first([mov(4, STACK_TOP - 2), PUSHF]), [AC, 0]);
  assert.equal(first([mov(4, STACK_TOP - 2), [0x60]]), [AC, 0]);
  assert.equal(first([mov(6, DATA + 1), [0xad]]), [AC, 0]);
  assert.equal(first([mov(6, DATA + 1), [0xac]]), DONE);
  assert.equal(first([at([0x64, 0x8b, 5], 1)]), [AC, 0], "FS's base is counted");
});

alignment("a page fault of the same reference comes first (table 6-2)", () => {
  assert.is(first([load(0, ABSENT + 2)])[0], PF);
});

alignment("not without CR0.AM, not without EFLAGS.AC, not for the supervisor", () => {
  assert.equal(first([load(0, DATA + 2)], ALL, 0), DONE);
  assert.equal(first([load(0, DATA + 2)], { user: true, eflags: 2 }), DONE);
  runEverywhere(CODE, [load(0, DATA + 2), NOP, HLT], { scenario: { user: false, eflags: S.FLAG_AC | 2 }, prepare: (rig) => {
    rig.cpu.i32[S.CR0]! |= S.CR0_AM;
    rig.cpu.modeChanged();
  } }, (rig) => assert.equal(rig.log, []));
});

alignment("POPF that sets AC is in force for the next instruction, in code that is hot", () => {
  const body: Part[] = [load(0, DATA + 2), [0x9c], [0x81, 0x0c, 0x24, 0, 0, 4, 0], [0x9d], load(0, DATA + 2)];
  runEverywhere(CODE, [...body, HLT], { scenario: { user: true, eflags: 2 }, prepare: (rig) => {
    rig.cpu.i32[S.CR0]! |= S.CR0_AM;
    rig.cpu.modeChanged();
  } }, (rig) => assert.equal(rig.log.slice(0, 4), [EXCEPTION, AC, 0, CODE + 15]));
});

alignment.run();
