// Breakpoints and single steps in the run loop, in every tier and under every strategy of a PC's (SDM vol. 3, chapter 17).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { breakpointsChanged, DR6, DR6_BS, DR7 } from "../../hypervisor/debug-registers.js";
import { DB, PF } from "../../hypervisor/trap.js";
import { createVm } from "../../index.js";
import { add, assemble, at, dec, EAX, EBX, ECX, EDX, HLT, inc, jmp, jnz, label, load, mov, NOP, type Part, push, PUSHF, pop, STI, store, word } from "../translator/asm.js";
import { ABSENT, CODE, DATA, DATA0, EXCEPTION, Rig, STACK_TOP } from "../translator/rig.js";
import { runEverywhere } from "../translator/tiers.js";
import { ENTRY, tinyImage } from "../vm/tiny-image.js";

const debug = suite("debug registers");

/** R/W and LEN fields of DR7. */
const EXECUTE = 0, WRITE = 1, PORT = 2, ACCESS = 3, BYTE = 0, WORD = 1, DWORD = 3;
const dr7 = (n: number, kind: number, length: number): number => 1 << 2 * n | kind << 16 + 4 * n | length << 18 + 4 * n;

/** Where each #DB came, and DR6's low bits of it; sets RF after a fault, as a debugger does. */
function arm(rig: Rig, addresses: readonly number[], control: number): { eip: number; bits: number }[] {
  const { cpu } = rig;
  addresses.forEach((address, n) => { cpu.i32[S.DR0 + n] = address; });
  cpu.i32[DR7] = control | 0x400;
  breakpointsChanged(cpu);
  const seen: { eip: number; bits: number }[] = [];
  rig.onException = (trap) => {
    if (trap.vector !== DB) return false;
    seen.push({ eip: cpu.eip, bits: cpu.i32[DR6]! & 0xf00f });
    cpu.i32[DR6] = 0xffff0ff0 | 0;
    cpu.i32[S.EFLAGS_SYS]! |= S.FLAG_RF;
    return true;
  };
  return seen;
}

const loopOf = (...body: Part[]): Part[] => [mov(ECX, 100), label("again"), ...body, dec(ECX), jnz("again"), HLT];

debug("an instruction breakpoint is a fault before the instruction; RF lets it pass once (17.3.1.1)", () => {
  runEverywhere(CODE, loopOf(inc(EBX), label("here"), inc(EDX)), {
    prepare: (rig, { labels }) => { Object.assign(rig, { seen: arm(rig, [labels["here"]!], dr7(0, EXECUTE, BYTE)) }); },
  }, (rig, { labels }) => {
    const { seen } = rig as Rig & { seen: { eip: number; bits: number }[] };
    assert.is(seen.length, 100);
    assert.ok(seen.every(({ eip, bits }) => eip === labels["here"] && bits === 1));
    assert.equal([rig.cpu.i32[EBX], rig.cpu.i32[EDX]], [100, 100]);
    assert.is(rig.cpu.eflags & S.FLAG_RF, 0, "RF holds for one instruction");
  });
});

debug("a data breakpoint is a trap after the instruction that wrote; other words of its page are not met, nor reads (17.2.4)", () => {
  const watch = DATA + 0x104;
  runEverywhere(CODE, loopOf(load(EAX, watch), inc(EAX), store(watch, EAX), label("after"), store(watch + 4, EAX), store(watch - 4, EAX)), {
    prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [0, watch], dr7(1, WRITE, DWORD)) }); },
  }, (rig, { labels }) => {
    const { seen } = rig as Rig & { seen: { eip: number; bits: number }[] };
    assert.is(seen.length, 100);
    assert.ok(seen.every(({ eip, bits }) => eip === labels["after"] && bits === 2));
  });
});

debug("only the page of a data breakpoint is slow: code that leaves it alone is generated code, and one access in a thousand is met", () => {
  const watch = DATA + 0x1104;
  runEverywhere(CODE, [
    mov(ECX, 5000), label("again"), [0xff, 5, ...word(DATA)], [0xf7, 0xc1, ...word(1023)], jnz("on"), store(watch, ECX), label("on"), dec(ECX), jnz("again"), HLT,
  ], {
    prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [watch], dr7(0, WRITE, DWORD)) }); },
  }, (rig, { labels }, tier) => {
    const { seen } = rig as Rig & { seen: { eip: number }[] };
    assert.equal(seen.map(({ eip }) => eip), Array.from({ length: 4 }, () => labels["on"]));
    for (const block of rig.engine.blocks.all()) block.countEntries();
    const generated = [...rig.engine.blocks.all()].reduce((sum, block) => sum + (block.code?.instructions ?? 0), 0);
    if (tier === "hot 1" || tier === "asm.js") assert.ok(generated > 20_000, `${generated} instructions in generated code`);
  });
});

debug("read-write breakpoints by length: any byte in common is enough", () => {
  runEverywhere(CODE, [load(EAX, DATA + 0x101), [0x8a, 5, ...word(DATA + 0x105)], [0x8a, 5, ...word(DATA + 0x106)], [0x66, 0x89, 5, ...word(DATA + 0x1ff)], HLT], {
    prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [DATA + 0x104, DATA + 0x200], dr7(0, ACCESS, WORD) | dr7(1, ACCESS, BYTE)) }); },
  }, (rig) => {
    const { seen } = rig as Rig & { seen: { eip: number; bits: number }[] };
    assert.equal(seen.map(({ bits }) => bits), [1, 1, 2]);
  });
});

debug("a repeated string instruction traps after the iteration that meets a data breakpoint (17.2.4)", () => {
  runEverywhere(CODE, [mov(ECX, 32), mov(7, DATA), [0xf3, 0xaa], label("after"), HLT], {
    prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [DATA + 9], dr7(0, WRITE, BYTE)), left: [] as number[] });
      const { onException } = rig, { left } = rig as Rig & { left: number[] };
      rig.onException = (trap) => { left.push(rig.cpu.i32[ECX]!); return onException(trap); } },
  }, (rig) => {
    const { seen, left } = rig as Rig & { seen: { eip: number }[]; left: number[] };
    assert.equal([seen.length, left[0], rig.cpu.i32[ECX]], [1, 22, 0]);
  });
});

debug("breakpoints on ports need CR4.DE, and trap after IN, OUT and each iteration of OUTS (17.2.4)", () => {
  const code = [mov(EDX, 0x60), [0xee], [0xec], [0x66, 0xed], mov(6, DATA), mov(ECX, 3), [0xf3, 0x6e], HLT];
  for (const extensions of [0, S.CR4_DE]) {
    runEverywhere(CODE, code, {
      prepare: (rig) => {
        rig.cpu.i32[S.CR4] = extensions;
        Object.assign(rig, { seen: arm(rig, [0x61], dr7(0, PORT, BYTE) | dr7(1, EXECUTE, BYTE)) });
        rig.cpu.i32[S.DR0 + 1] = 0;
      },
    }, (rig) => {
      const { seen } = rig as Rig & { seen: unknown[] };
      assert.is(seen.length, extensions === 0 ? 0 : 1, "of the byte and word accesses only IN AX, DX covers port 61H");
    });
  }
});

debug("a fault takes the place of the traps of what its instruction touched before (6.9)", () => {
  runEverywhere(CODE, [mov(4, ABSENT + 4), [0xff, 0x35, ...word(DATA)], HLT], {
    prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [DATA], dr7(0, ACCESS, DWORD)) }); },
  }, (rig) => {
    assert.equal((rig as Rig & { seen: unknown[] }).seen, []);
    assert.is(rig.log[1], PF);
  });
});

debug("MOV SS holds off the breakpoint on the next instruction, and its own data breakpoint until after it; STI holds off neither (6.8.3)", () => {
  const program = [mov(EAX, DATA0), store(DATA, EAX), mov(EBX, DATA), NOP, [0x8e, 0x13], label("shadowed"), NOP, label("after"), NOP, STI, label("enabled"), NOP, HLT];
  runEverywhere(CODE, program, {
    prepare: (rig, { labels }) => {
      Object.assign(rig, { seen: arm(rig, [labels["shadowed"]!, labels["enabled"]!, DATA], dr7(0, EXECUTE, BYTE) | dr7(1, EXECUTE, BYTE) | dr7(2, ACCESS, DWORD)) });
    },
  }, (rig, { labels }) => {
    const { seen } = rig as Rig & { seen: { eip: number; bits: number }[] };
    // The store of the selector meets DR2 too.
    assert.equal(seen.slice(1), [{ eip: labels["after"], bits: 4 }, { eip: labels["enabled"], bits: 2 }]);
  });
});

debug("one #DB for a step and a breakpoint together, BS and B0 (17.2.3)", () => {
  runEverywhere(CODE, [store(DATA, EAX), NOP, HLT], { scenario: { eflags: 0x102 }, instructions: 1,
    prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [DATA], dr7(0, WRITE, BYTE)) }); } }, (rig) => {
    assert.equal((rig as Rig & { seen: unknown[] }).seen, [{ eip: CODE + 6, bits: DR6_BS | 1 }]);
  });
});

debug("PUSHF shows RF clear whatever it was (SDM vol. 2, PUSHF)", () => {
  runEverywhere(CODE, [PUSHF, pop(EAX), HLT], { scenario: { eflags: 0x10002 } }, (rig) => assert.is(rig.cpu.i32[EAX]! & S.FLAG_RF, 0));
});

debug("the run is the same however it is cut, with breakpoints that come and go", () => {
  const body = loopOf(store(DATA, ECX), push(EAX), pop(EBX), add(EAX, ECX));
  for (const piece of [1, 3, 7]) {
    runEverywhere(CODE, body, { piece: () => piece, prepare: (rig) => { Object.assign(rig, { seen: arm(rig, [DATA, CODE + 12], dr7(0, WRITE, DWORD) | dr7(1, EXECUTE, BYTE)) }); } },
      (rig) => assert.ok((rig as Rig & { seen: unknown[] }).seen.length >= 100));
  }
  assert.ok(STACK_TOP > 0 && EXCEPTION > 0);
});

// ---- under a hypervisor --------------------------------------------------------------------------------------------------

const movDr = (n: number, r: number): number[] => [0x0f, 0x23, 0xc0 | n << 3 | r];
const GDT = [0, 0, 0x0000ffff, 0x00cf9b00, 0x0000ffff, 0x00cf9300];

/** A kernel with its own GDT and IDT, whose #DB handler counts at `count` and gathers DR6 in `seen`; leaves with 16 * B bits + count. */
function kernel(): Uint8Array {
  const { code } = assemble(ENTRY,
    at([0x0f, 0x01, 0x15], "gdtr"), [0xea], at([], "flat"), [8, 0], label("flat"), mov(EAX, 0x10), [0x8e, 0xd8], [0x8e, 0xd0], [0x8e, 0xc0],
    mov(4, 0x9000), at([0xb8], "handler"), store(0x7008, EAX), [0x66, 0xc7, 5, ...word(0x700a), 8, 0], [0xc7, 5, ...word(0x700c), 0, 0x8e, 0, 0],
    // The gate's offset: its upper half goes behind.
    at([0xb8], "handler"), [0xc1, 0xe8, 16], [0x66, 0xa3, ...word(0x700e)], at([0x0f, 0x01, 0x1d], "idtr"),
    mov(EAX, 0x6000), movDr(0, EAX), at([0xb8], "here"), movDr(1, EAX), mov(EAX, dr7(0, WRITE, DWORD) | dr7(1, EXECUTE, BYTE)), movDr(7, EAX),
    mov(ECX, 3), label("again"), store(0x6000, ECX), store(0x6004, ECX), label("here"), NOP, dec(ECX), jnz("again"),
    [0xa1, ...word(0x6010)], [0xc1, 0xe0, 4], [3, 5, ...word(0x600c)], [0xe6, 0xf4], label("end"), jmp("end"),
    label("handler"), push(EAX), [0xff, 5, ...word(0x600c)], [0x0f, 0x21, 0xf0], [0x83, 0xe0, 0x0f], [9, 5, ...word(0x6010)], [0x31, 0xc0], movDr(6, EAX),
    [0x81, 0x4c, 0x24, 0x0c, ...word(S.FLAG_RF)], pop(EAX), [0xcf],
    label("gdtr"), [23, 0], at([], "gdt"), label("idtr"), [0xff, 7, ...word(0x7000)], label("gdt"), GDT.flatMap(word));
  return tinyImage([...code]);
}

for (const mode of ["native", "dbt", "hvm", "classic"] as const) {
  debug(`${mode}: a guest's breakpoints are its own`, () => {
    const outcome = createVm({ image: kernel(), mode, memory: 8 }).run({ instructions: 1e5 });
    assert.equal(outcome, { reason: "exit", code: 3 * 16 + 6 });
  });
}

debug.run();
