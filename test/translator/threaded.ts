/** The interpreter's threaded code (translator/interpreter/threaded.ts, records.ts) beyond what the tiers' comparison shows, and the flags' functions it calls. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arithmeticFlags, carryFlag, CC_NAMES, condition } from "../../hypervisor/flags.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import { flagFunctions } from "../../translator/codegen/flag-functions.js";
import { RecordArea } from "../../translator/interpreter/records.js";
import * as S from "../../hypervisor/cpu-state.js";
import { Random } from "../isa/random.js";
import { assemble, call, dec, EAX, EBX, ECX, EDI, ESI, HLT, inc, jnz, label, mov, pop, RET, word } from "./asm.js";
import { CALM, CODE, DATA, ON_DEMAND, READ_ONLY, Rig } from "./rig.js";
import { runEverywhere } from "./tiers.js";

const name = suite("threaded");

name("flags as WebAssembly are those of flags.ts, for every kind, width and condition", () => {
  const made = flagFunctions() as Record<"carryFlag" | "arithmeticFlags" | "condition", (...args: number[]) => number>;
  const random = new Random(17);
  const corners = [0, 1, -1, 0x7fffffff, -0x80000000, 0x80, 0xff, 0x8000, 0xffff, 0x7f];
  for (let kind = 0; kind < CC_NAMES.length; kind++) {
    for (let size = 0; size < 3; size++) {
      const op = kind << 2 | size;
      const value = (): number => {
        const v = random.below(2) === 0 ? random.next() | 0 : random.pick(corners);
        return size === 2 ? v : v & (size === 1 ? 0xffff : 0xff);
      };
      for (let n = 0; n < 600; n++) {
        const d = value(), s = value(), x = random.below(2), what = `${op} ${d} ${s} ${x}`;
        assert.is(made.carryFlag(op, d, s, x), carryFlag(op, d, s, x), what);
        assert.is(made.arithmeticFlags(op, d, s, x), arithmeticFlags(op, d, s, x), what);
        const cc = n & 15;
        assert.is(made.condition(cc, op, d, s, x), condition(cc, op, d, s, x) ? 1 : 0, `${what} ${cc}`);
      }
    }
  }
});

name("an area of records is full when the next one has no room, and empty when it is cleared", () => {
  const area = new RecordArea(new Int32Array(RAM_BASE >> 2), 40);
  const first = area.allocate([1, 2, 3], [4]);
  assert.is.not(first, 0);
  assert.is(area.allocate([1, 2, 3, 4], []), first + 16);
  assert.is(area.full, false);
  assert.is(area.allocate([1, 2], [3]), 0);
  assert.is(area.full, true);
  area.clear();
  assert.is(area.full, false);
  assert.is(area.allocate([9], []), first);
});

name("a record that is given back is given out again, to as many words, once nothing can be using it", () => {
  const area = new RecordArea(new Int32Array(RAM_BASE >> 2), 40);
  const record = area.allocate([1, 2, 3]);
  area.giveBack(record, 3);
  assert.is(area.reuse(3), 0);
  area.reclaim();
  assert.is(area.reuse(2), 0);
  assert.is(area.reuse(3), record);
  assert.is(area.reuse(3), 0);
});

/** Calls one function from two places, ROUNDS times each. */
const ROUNDS = 50;
const CALLS = [
  label("start"), mov(EBX, 0), mov(ECX, ROUNDS), label("again"), call("f"), call("f"), dec(ECX), jnz("again"), HLT, label("f"), inc(EBX), RET,
];

name("each block's executions are counted in the chain, and where a return goes is noted", () => {
  const { program, rigs } = runEverywhere(CODE, CALLS, {}, (rig, _program, tier) => assert.is(rig.cpu.i32[EBX], 2 * ROUNDS, tier));
  const rig = rigs[0]!, { blocks } = rig.engine;
  const f = blocks.find(program.labels["f"]!, program.labels["f"]!, rig.cpu.i32[S.MODE]!)!;
  assert.is.not(f.record, 0);
  assert.is(f.heat, 2 * ROUNDS);
  assert.is(f.targets.length, 2);
});

name("without room for records everything is forgotten and goes on", () => {
  const program = assemble(CODE, ...CALLS), image = Rig.image(program.code, CODE, 1);
  for (const recordBytes of [0, 60, 120, 400]) {
    const rig = new Rig({ jit: false, recordBytes });
    rig.start(image, CODE, CALM);
    rig.run(1000);
    assert.is(rig.cpu.i32[EBX], 2 * ROUNDS, `${recordBytes}`);
  }
});

name("XCHG and XADD write both operands: of one register named twice, of its two bytes, of memory at the register, and of none where the write faults (SDM vol. 2)", () => {
  const forms = [
    [0x87, 0xd8], [0x87, 0xdb], [0x86, 0xe0], [0x86, 0xc0], [0x66, 0x87, 0xd8], [0x87, 0x1e], [0x86, 0x3e], [0x66, 0x87, 0x1e], [0x87, 0x36], [0x66, 0x87, 0x36],
    [0x0f, 0xc1, 0xd8], [0x0f, 0xc1, 0xdb], [0x0f, 0xc0, 0xe0], [0x0f, 0xc0, 0xc0], [0x66, 0x0f, 0xc1, 0xd8], [0xf0, 0x0f, 0xc1, 0x1e], [0x0f, 0xc0, 0x3e], [0x0f, 0xc1, 0x36],
  ];
  for (const address of [DATA + 0x10, DATA + 0xffe, READ_ONLY + 4, ON_DEMAND + 8]) {
    for (const form of forms) {
      const turn = [mov(ESI, address), mov(EAX, 0x12345678), mov(EBX, -0x7fedcba9), [0xc7, 0x05, ...word(DATA + 0x10), ...word(0x7fffff01)], form, [0x9c], pop(EDI)];
      runEverywhere(CODE, [label("start"), mov(ECX, 6), label("again"), ...turn, dec(ECX), jnz("again"), HLT], { scenario: { user: true, faults: 3, recovery: [CODE] }, instructions: 120 }, () => {});
    }
  }
});

name.run();
