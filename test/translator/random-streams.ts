// Random programs on the interpreter and on generated code, whole and in pieces: registers, flags, memory, faults, interrupts,
// instruction counts, cycles and ledger are the same. TRIVISOR_FUZZ=N runs N cases instead of the default; TRIVISOR_SEED
// begins at another one.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { GuestCrash } from "../../hypervisor/trap.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { format } from "../../translator/isa/format.js";
import { FEATURES } from "../../translator/isa/opcodes.js";
import { IMPLEMENTED } from "../../translator/isa/semantics/registry.js";
import { Random } from "../isa/random.js";
import { generateProgram, type Program } from "./generate.js";
import { difference, hex, Rig, type Scenario, STACK_TOP } from "./rig.js";
import { TEMPLATES } from "./tiers.js";

const CASES = Number(process.env["TRIVISOR_FUZZ"] ?? 1200);
const SEED = Number(process.env["TRIVISOR_SEED"] ?? 1);
/** Cases that share a program, so that it gets hot. */
const STATES = 8;
const INSTRUCTIONS = 1500;

interface Variant {
  readonly name: string;
  readonly rig: Rig;
  readonly piece: (random: Random) => (left: number) => number;
}

const whole = () => (left: number): number => left;
const variants: Variant[] = [
  { name: "interpreter by 1", rig: new Rig({ jit: false, specialised: false, blockCapacity: 20_000 }), piece: () => () => 1 },
  { name: "hot 1", rig: new Rig({ hot: 1, blockCapacity: 20_000 }), piece: whole },
  { name: "asm.js", rig: new Rig({ hot: 2, promote: 0, blockCapacity: 20_000 }), piece: whole },
  { name: "asm.js after some, random pieces", rig: new Rig({ hot: 9, promote: 5, blockCapacity: 2000 }), piece: (random) => () => 1 + random.below(random.pick([40, 1000])) },
  { name: "interpreter with few records", rig: new Rig({ jit: false, recordBytes: 3000 }), piece: (random) => () => 1 + random.below(400) },
  { name: "templates", rig: new Rig({ ...TEMPLATES, blockCapacity: 20_000 }), piece: whole },
  { name: "templates, then regions, random pieces", rig: new Rig({ warm: 2, batch: 3, hot: 7, blockCapacity: 2000 }), piece: (random) => () => 1 + random.below(random.pick([40, 1000])) },
  { name: "specialised closures", rig: new Rig({ jit: false, threaded: false }), piece: whole },
  { name: "hot 3 by 7, handlers late", rig: new Rig({ hot: 3, handlers: 20, blockCapacity: 20_000 }), piece: () => () => 7 },
  { name: "hot 6, three regions at once, random pieces", rig: new Rig({ hot: 6, regions: 3, blockCapacity: 400 }), piece: (random) => () => 1 + random.below(random.pick([3, 40, 1000])) },
];
const reference = new Rig({ jit: false });

function generateScenario(random: Random, program: Program): Scenario {
  const interesting = [0, 1, -1, 0x7fffffff, 0x80000000 | 0, 0xff, 0xffff, 0x10000];
  const registers = Array.from({ length: 8 }, () => random.below(4) === 0 ? random.pick(interesting) : random.next() | 0);
  registers[S.ESP] = STACK_TOP - 0x400 - random.below(3);
  const timed = random.below(3) !== 0;
  return {
    user: random.below(2) === 0, writeProtect: random.below(4) !== 0,
    timer: timed ? Array.from({ length: 5 }, () => 1 + random.below(random.pick([20, 200, 900]))) : [],
    actions: random.below(3) === 0 ? [0, 1, 0, 2, 3] : [0],
    recovery: program.entries, faults: 60, registers,
    eflags: 2 | random.next() & S.FLAGS_ARITHMETIC | (random.below(3) !== 0 ? S.FLAG_IF : 0) | (random.below(8) === 0 ? S.FLAG_DF : 0) |
      (random.below(4) === 0 ? S.FLAG_IOPL : 0) | (random.below(24) === 0 ? S.FLAG_TF : 0),
    seed: random.next(),
  };
}

const decode = decoderFor(FEATURES.filter((f) => f !== "vmx"), IMPLEMENTED);

function listing({ code, at, entries }: Program): string {
  const lines: string[] = [];
  for (let i = 0; i < code.length;) {
    const decoded = decode(code, i, code.length, 32);
    const length = decoded.invalid === null ? decoded.length : 1;
    lines.push(`${entries.includes(at + i) ? ">" : " "} ${hex(at + i)}  ${decoded.invalid === null ? format(decoded, at + i) : "?"}`);
    i += length;
  }
  return lines.join("\n");
}

function execute(rig: Rig, piece: (left: number) => number): string {
  try {
    return rig.run(INSTRUCTIONS, piece).reason;
  } catch (error) {
    if (error instanceof GuestCrash) return error.message;
    throw error;
  }
}

const name = suite("random streams");

name("every tier and every slicing executes alike", () => {
  let compiled = 0;
  for (let n = 0; n < CASES; n += STATES) {
    const seed = SEED * 7919 + n | 0;
    const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
    const program = generateProgram(random);
    const image = Rig.image(program.code, program.at, random.next());
    for (let state = 0; state < STATES; state++) {
      const scenario = generateScenario(random, program);
      const entry = random.pick(program.entries);
      reference.start(image, entry, scenario);
      const expected = execute(reference, (left) => left);
      for (const { name: variant, rig, piece } of variants) {
        const where = `${variant}, TRIVISOR_SEED=${SEED} case ${n} state ${state}`;
        rig.start(image, entry, scenario);
        let outcome: string;
        try {
          outcome = execute(rig, piece(new Random(seed)));
        } catch (error) {
          throw new Error(`${where}: ${(error as Error).stack}\n${listing(program)}`);
        }
        const found = outcome === expected ? difference(reference, rig) : `outcome ${expected} / ${outcome}`;
        if (found !== null) assert.unreachable(`${where}, ${JSON.stringify(scenario)} entry ${hex(entry)}\n${listing(program)}\n${found}`);
      }
    }
    for (const { rig: { engine, cpu } } of variants) {
      for (const entry of program.entries) if (engine.blocks.find(entry, entry, cpu.i32[S.MODE]!)?.code != null) compiled++;
    }
  }
  if (CASES >= 1000) assert.ok(compiled > CASES / 8, `${compiled} pieces were compiled`);
});

name.run();
