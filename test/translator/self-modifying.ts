// Code that changes under way: by itself, by another mapping, by DMA, by a new page; and a cache that is too small.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { add, addImmediate, at, call, dec, EAX, EBX, ECX, EDX, ESP, HLT, inc, jcc, jnz, label, load, mov, movRegister, NOP, type Part, pop, push, RET, store, storeWord, word } from "./asm.js";
import { ALIAS, CODE, DATA, type Rig } from "./rig.js";
import { compiled, runEverywhere } from "./tiers.js";

const name = suite("self-modifying code");
const ITERATIONS = 60;
/** 1 + 2 + ... + n */
const triangle = (n: number): number => n * (n + 1) / 2;
const register = (rig: Rig, r: number): number => rig.cpu.i32[r]!;

/** Sums into EBX what the instruction at `patch` (MOV EAX, imm32) says, after `change` in each round. */
function patched(change: readonly Part[], between: readonly Part[] = []): Part[] {
  return [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"),
    ...change, ...between, label("patch"), mov(EAX, 0), add(EBX, EAX),
    dec(ECX), jnz("again"), HLT,
  ];
}
const sums = (rig: Rig, _program: unknown, tier: string): void => { assert.is(register(rig, EBX), triangle(ITERATIONS), tier); };

name("the next instruction", () => {
  runEverywhere(CODE, patched([at([0xff, 0x05], "patch", 1)]), {}, sums); // inc dword [patch + 1]
});

name("later in the same block", () => {
  runEverywhere(CODE, patched([at([0xff, 0x05], "patch", 1)], [NOP, inc(EDX), NOP]), {}, sums);
});

name("a byte at a time", () => {
  runEverywhere(CODE, patched([at([0xfe, 0x05], "patch", 1)], [NOP]), {}, sums); // inc byte
});

name("a block further on, in the same region", () => {
  runEverywhere(CODE, patched([at([0xff, 0x05], "patch", 1)], [[0xa8, 0x00], jcc(4, "patch"), NOP]), {}, sums);
});

name("another page's block", () => {
  const filler = new Array<number>(0x1000).fill(0x90);
  runEverywhere(CODE, [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"), at([0xff, 0x05], "patch", 1), call("patch"), add(EBX, EAX), dec(ECX), jnz("again"), HLT,
    filler, label("patch"), mov(EAX, 0), RET,
  ], {}, sums);
});

name("by the second mapping of its page", () => {
  runEverywhere(CODE, patched([at([0xff, 0x05], "patch", 1 + ALIAS - CODE)], [NOP]), {}, sums);
});

name("executed through both mappings", () => {
  runEverywhere(CODE, [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"), at([0xff, 0x05], "patch", 1), call("patch"), add(EBX, EAX),
    at([0xba], "patch", ALIAS - CODE), [0xff, 0xd2], add(EBX, EAX), // mov edx, alias of patch; call edx
    dec(ECX), jnz("again"), HLT, label("patch"), mov(EAX, 0), RET,
  ], {}, (rig, _p, tier) => { assert.is(register(rig, EBX), 2 * triangle(ITERATIONS), tier); });
});

name("by a string store", () => {
  // edx counts; eax = edx; edi = patch + 1; stosd
  runEverywhere(CODE, patched([inc(EDX), movRegister(EAX, EDX), at([0xbf], "patch", 1), [0xab]]), { scenario: { registers: [0, 0, 0, 0, 0x31000, 0, 0, 0] } }, sums);
});

name("by a repeated string store that overwrites itself", () => {
  // rep stosb of NOPs over the rest of the block: the round goes on as the new bytes say
  runEverywhere(CODE, [
    label("start"), mov(EBX, 7), mov(EAX, 0x90), mov(ECX, 12), at([0xbf], "rep"), label("rep"), [0xf3, 0xaa],
    mov(EBX, 1), mov(EDX, 2), HLT,
  ], {}, (rig, _p, tier) => {
    // Once through, its own bytes gone as well: the processor had fetched it.
    assert.is(register(rig, EBX), 7, tier);
    assert.is(register(rig, EDX), 0, tier);
    assert.ok(rig.cpu.halted, tier);
  });
});

name("by a push, a call, XADD and CMPXCHG", () => {
  const counted: Part[] = [inc(EDX), movRegister(EAX, EDX)];
  runEverywhere(CODE, patched([...counted, at([0xbc], "patch", 5), push(EAX)]), {}, sums); // mov esp, patch + 5; push
  runEverywhere(CODE, patched([mov(EAX, 1), at([0x0f, 0xc1, 0x05], "patch", 1)]), {}, sums); // xadd [patch + 1], eax
  runEverywhere(CODE, patched([ // cmpxchg [patch + 1], edx
    movRegister(EAX, EDX), inc(EDX), at([0x0f, 0xb1, 0x15], "patch", 1),
  ]), {}, sums);
});

name("the return address of a call lands in code", () => {
  // call pushes over the immediate of patch: what it returns to is what patch loads
  const { program } = runEverywhere(CODE, [
    label("start"), mov(ECX, 20), label("again"), at([0xbc], "patch", 5), call("below"), label("after"), label("patch"), mov(EAX, 0), dec(ECX), jnz("again"), HLT,
    label("below"), [0xff, 0x24, 0x24], // jmp [esp]
  ], {}, (rig, { labels }, tier) => { assert.is(register(rig, EAX), labels["after"]!, tier); });
  assert.ok(program.code.length > 0);
});

name("an instruction that crosses pages, both of its parts", () => {
  for (const split of [1, 2, 3, 4]) {
    // mov eax, imm32 with `split` bytes on the first page; the immediate counts up
    const head: Part[] = [label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"), at([0xff, 0x05], "patch", 1)];
    const length = 5 + 5 + 6;
    const origin = CODE + 0x1000 - split - length;
    runEverywhere(origin, [...head, label("patch"), mov(EAX, 0), add(EBX, EAX), dec(ECX), jnz("again"), HLT], {}, sums);
  }
});

name("a write that crosses from data into code", () => {
  // The dword begins on the page before the code's and ends in the immediate's low byte.
  const origin = CODE + 0xffc;
  runEverywhere(origin, [
    [0x90, 0x90, 0x90], label("patch"), mov(EAX, 0), add(EBX, EAX), RET,
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"), at([0x80, 0x05], "patch", 1), [1], // add byte [patch + 1], 1
    at([0xa1], "patch", -1), at([0xa3], "patch", -1), // mov eax, [patch - 1]; mov [patch - 1], eax
    at([0x81, 0x05], "patch", -2), [0, 0, 0, 0], call("patch"), dec(ECX), jnz("again"), HLT,
  ], {}, sums);
});

name("code and data on one page: the code stays compiled", () => {
  const { rigs } = runEverywhere(CODE, [
    label("start"), mov(ECX, 500), label("again"), at([0xff, 0x05], "counter"), dec(ECX), jnz("again"), HLT, label("counter"), word(0),
  ], {}, (rig, { labels }, tier) => { assert.is(rig.read(labels["counter"]!), 500, tier); });
  assert.ok(compiled(rigs[1]!, CODE + 5) && compiled(rigs[2]!, CODE + 5));
});

name("by DMA, between runs and in the middle of one", () => {
  const parts: Part[] = [label("start"), mov(EBX, 0), label("again"), label("patch"), mov(EAX, 1), add(EBX, EAX), inc(EDX), jnz("again")];
  runEverywhere(CODE, parts, {
    instructions: 2 + 4 * 100,
    prepare: (rig, { labels }) => {
      rig.run(1 + 4 * 50);
      rig.writeBytes(labels["patch"]! + 1, 3);
      const { clock } = rig.machine;
      clock.schedule(clock.now() + 4 * 20, () => rig.writeBytes(labels["patch"]! + 1, 100));
    },
  }, (rig, _p, tier) => {
    // How late the timer is depends on the TLB's walks alone; tiers are compared with each other.
    assert.ok(register(rig, EBX) > 50 + 3 * 10 + 100 * 20, `${tier}: ${register(rig, EBX)}`);
  });
});

const REMAPPED = 0x60000;

/** Calls a page that changes between two frames; `flush` makes the processor see it. */
function remapping(flush: readonly number[]): Part[] {
  const entry = 0x2000 + (REMAPPED >>> 12) * 4;
  return [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"),
    load(EAX, entry), [0x35, ...word(0x1000)], store(entry, EAX), flush, // xor eax, 1000h: the other frame
    mov(EDX, REMAPPED), [0xff, 0xd2], add(EBX, EAX), dec(ECX), jnz("again"), HLT, // call edx
  ];
}

for (const [how, flush] of [
  ["INVLPG", [0x0f, 0x01, 0x3d, ...word(REMAPPED)]],
  ["a load of CR3", [0x0f, 0x20, 0xdf, 0x0f, 0x22, 0xdf]], // mov edi, cr3; mov cr3, edi
] as const) {
  name(`a page that ${how} makes another`, () => {
    runEverywhere(CODE, remapping(flush), {
      prepare: (rig) => {
        rig.writeBytes(DATA, ...mov(EAX, 5), ...RET);
        rig.writeBytes(DATA + 0x1000, ...mov(EAX, 70), ...RET);
        rig.map(REMAPPED, DATA, 7);
      },
    }, (rig, _p, tier) => { assert.is(register(rig, EBX), ITERATIONS / 2 * 75, tier); });
  });
}

name("a mapping that changed without a flush may last, but not past it", () => {
  runEverywhere(CODE, [
    label("start"), mov(ECX, 20), label("again"), mov(EDX, REMAPPED), [0xff, 0xd2], dec(ECX), jnz("again"),
    storeWord(0x2000 + (REMAPPED >>> 12) * 4, DATA + 0x1000 | 7), [0x0f, 0x01, 0x3d, ...word(REMAPPED)], [0xff, 0xd2], HLT,
  ], {
    prepare: (rig) => {
      rig.writeBytes(DATA, ...mov(EAX, 5), ...RET);
      rig.writeBytes(DATA + 0x1000, ...mov(EAX, 70), ...RET);
      rig.map(REMAPPED, DATA, 7);
    },
  }, (rig, _p, tier) => { assert.is(register(rig, EAX), 70, tier); });
});

name("the second page of an instruction is mapped elsewhere", () => {
  // mov eax, imm32 whose immediate lies on the next page
  const first = REMAPPED + 0xfff;
  const entry = 0x2000 + (REMAPPED + 0x1000 >>> 12) * 4;
  runEverywhere(CODE, [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"),
    load(EAX, entry), [0x35, ...word(0x1000)], store(entry, EAX), [0x0f, 0x01, 0x3d, ...word(REMAPPED + 0x1000)],
    mov(EDX, first), [0xff, 0xd2], add(EBX, EAX), dec(ECX), jnz("again"), HLT,
  ], {
    prepare: (rig) => {
      rig.map(REMAPPED, DATA, 7);
      rig.writeBytes(DATA + 0xfff, 0xb8);
      rig.writeBytes(DATA + 0x3000, ...word(9), ...RET);
      rig.writeBytes(DATA + 0x2000, ...word(400), ...RET);
      rig.map(REMAPPED + 0x1000, DATA + 0x2000, 7);
    },
  }, (rig, _p, tier) => { assert.is(register(rig, EBX), ITERATIONS / 2 * 409, tier); });
});

name("an instruction whose two pages are one frame", () => {
  // mov eax, imm32: opcode at the frame's end, immediate at its start
  const entry = REMAPPED + 0xfff;
  runEverywhere(CODE, [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"), [0xff, 0x05, ...word(REMAPPED)], // inc dword [REMAPPED]
    mov(EDX, entry), [0xff, 0xd2], add(EBX, EAX), dec(ECX), jnz("again"), HLT,
  ], {
    prepare: (rig) => {
      rig.map(REMAPPED, DATA, 7);
      rig.map(REMAPPED + 0x1000, DATA, 7);
      rig.writeBytes(DATA + 0xfff, 0xb8);
      rig.writeBytes(DATA, ...word(0), ...RET);
    },
  }, sums);
});

name("a cache too small for the program", () => {
  const pieces = 24;
  const parts: Part[] = [label("start"), mov(EBX, 0), mov(ECX, 40), label("again")];
  for (let i = 0; i < pieces; i++) parts.push(call(`f${i}`));
  parts.push(dec(ECX), jnz("again"), HLT);
  for (let i = 0; i < pieces; i++) parts.push(label(`f${i}`), addImmediate(EBX, i), RET);
  for (const blockCapacity of [1, 2, 7, 30, 1000]) {
    runEverywhere(CODE, parts, { blockCapacity }, (rig, _p, tier) => { assert.is(register(rig, EBX), 40 * triangle(pieces - 1), `${tier}, ${blockCapacity}`); });
  }
});

name("eviction and change together", () => {
  for (const blockCapacity of [1, 3, 5]) runEverywhere(CODE, patched([at([0xff, 0x05], "patch", 1)], [NOP, push(EAX), pop(EAX)]), { blockCapacity }, sums);
});

name("code written after its page was executed, never before", () => {
  // A trampoline is built on the stack each round.
  runEverywhere(CODE, [
    label("start"), mov(EBX, 0), mov(ECX, ITERATIONS), label("again"),
    [0x68, 0x90, 0x90, 0x90, 0xc3], // push: nop nop nop ret
    movRegister(EAX, ECX), [0xc1, 0xe0, 0x08], [0x0d, ...word(0xb8)], push(EAX), // eax = ecx << 8 | b8: mov eax, imm (three of its bytes)
    movRegister(EAX, ESP), [0xff, 0xd0], [0x81, 0xe0, ...word(0xffffff)], add(EBX, EAX), addImmediate(ESP, 8), dec(ECX), jnz("again"), HLT,
  ], {}, (rig, _p, tier) => { assert.is(register(rig, EBX), triangle(ITERATIONS), tier); });
});

name("an interrupted program that is changed meanwhile goes on with the new code", () => {
  const timer = [33];
  runEverywhere(CODE, [
    label("start"), [0xfb], mov(EBX, 0), mov(ECX, 200), label("again"), label("patch"), mov(EAX, 1), add(EBX, EAX), dec(ECX), jnz("again"), HLT,
  ], {
    scenario: { timer, actions: [1, 0, 1], seed: 9, faults: 3, recovery: [CODE], eflags: 2 | S.FLAG_IF }, instructions: 3000,
  }, () => {});
});

name.run();
