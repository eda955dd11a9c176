// RDTSC in generated code (codegen/time-stamp.ts) against the interpreter: SDM vol. 2, RDTSC; vol. 3, 17.17.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CR4, CR4_TSD } from "../../hypervisor/cpu-state.js";
import { add, dec, EAX, EBX, ECX, EDX, HLT, jnz, label, mov, type Part, store } from "./asm.js";
import { CODE, DATA, type Rig } from "./rig.js";
import { runEverywhere } from "./tiers.js";

const name = suite("time-stamp");

const RDTSC = [0x0f, 0x31], DIV_ECX = [0xf7, 0xf1], LODSD = [0xad], OUT_AL = [0xe6, 0x80];
const ESI = 6, TURNS = 120;
/** A reading, mixed into EBX. */
const READING: Part[] = [RDTSC, add(EBX, EAX), add(EBX, EDX)];

const program = (...parts: readonly Part[]): Part[] => {
  return [label("start"), mov(ECX, TURNS), label("again"), mov(ESI, DATA), ...parts, dec(ECX), jnz("again"), store(DATA + 64, EBX), HLT];
};

/** How often each rig's ledger lends its clock. */
function lendings(rig: Rig): () => number {
  const { ledger } = rig.machine;
  let n = 0;
  const { lend } = ledger;
  ledger.lend = (loan) => {
    n++;
    lend.call(ledger, loan);
  };
  return () => n;
}

name("readings are the interpreter's, whatever is counted between them and whenever interrupts come", () => {
  const division: Part[] = [mov(EDX, 0), DIV_ECX];
  for (const between of [[], division, [LODSD], [OUT_AL], [...division, LODSD, LODSD, ...division]] as const) {
    for (const timer of [[], [700, 90, 333]]) {
      runEverywhere(CODE, program(...READING, ...between, ...READING, ...READING), { scenario: { timer } }, (rig) => {
        assert.is(rig.events()["instruction.system.rdtsc"], 3 * TURNS);
      });
    }
  }
});

name("the clock is lent once for many readings", () => {
  const counts = new Map<Rig, () => number>();
  runEverywhere(CODE, program(...READING, ...READING), { prepare: (rig) => { counts.set(rig, lendings(rig)); } }, (rig, _program, tier) => {
    if (tier === "asm.js") assert.ok(counts.get(rig)!() < 20, `${counts.get(rig)!()} times`);
  });
});

name("#GP outside ring 0 with CR4.TSD, and not without", () => {
  const runs = 4; // HLT faults there as well, and the program begins again
  for (const tsd of [0, CR4_TSD]) {
    const prepare = (rig: Rig): void => { rig.cpu.i32[CR4] = rig.cpu.cr4 | tsd; };
    runEverywhere(CODE, program(...READING), { scenario: { user: true, faults: runs, recovery: [CODE] }, prepare }, (rig) => {
      assert.is(rig.events()["instruction.system.rdtsc"], tsd === 0 ? runs * TURNS : undefined);
    });
  }
});

name.run();
