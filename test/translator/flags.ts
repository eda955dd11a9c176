// Lazy flags against flags computed straight from the operands: every kind, all 8-bit operand pairs, random wider ones. The
// translator's expressions for conditions and carry against condition() and carryFlag().

import type { Expression } from "acorn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as F from "../../hypervisor/flags.js";
import * as A from "../../translator/codegen/ast.js";
import { arithmeticOf, carryOf, conditionOf, FLAG_AUX, FLAG_DST, FLAG_OP, FLAG_SRC, UNKNOWN } from "../../translator/codegen/conditions.js";
import { print } from "../../translator/codegen/print.js";
import { Exec } from "../../translator/isa/semantics/exec.js";
import type { InlineFunction } from "../../translator/isa/semantics/semantics.js";
import { SEMANTICS } from "../../translator/isa/semantics/registry.js";
import { Random } from "../isa/random.js";
import { Rig } from "./rig.js";

const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;
const SIZES = [8, 16, 32] as const;

/** Flags of a result, then those that the operation adds. */
function eager(z: number, result: bigint, carry: boolean, overflow: boolean, adjust: boolean): number {
  const mask = (1n << BigInt(z)) - 1n;
  const r = result & mask;
  let ones = 0;
  for (let bit = 0n; bit < 8n; bit++) ones += Number(r >> bit & 1n);
  return (carry ? CF : 0) | (ones % 2 === 0 ? PF : 0) | (adjust ? AF : 0) | (r === 0n ? ZF : 0) | (r >> BigInt(z - 1) !== 0n ? SF : 0) | (overflow ? OF : 0);
}

const unsigned = (z: number, v: number): bigint => BigInt.asUintN(z, BigInt(v));
const signed = (z: number, v: number): bigint => BigInt.asIntN(z, BigInt(v));

function sum(z: number, a: number, b: number, c: number): number {
  const full = unsigned(z, a) + unsigned(z, b) + BigInt(c), exact = signed(z, a) + signed(z, b) + BigInt(c);
  return eager(z, full, full >> BigInt(z) !== 0n, BigInt.asIntN(z, exact) !== exact, (a & 15) + (b & 15) + c > 15);
}

function difference(z: number, a: number, b: number, c: number): number {
  const full = unsigned(z, a) - unsigned(z, b) - BigInt(c), exact = signed(z, a) - signed(z, b) - BigInt(c);
  return eager(z, full, full < 0n, BigInt.asIntN(z, exact) !== exact, (a & 15) - (b & 15) - c < 0);
}

/** What an instruction leaves in EFLAGS, by the manual; `before` are the flags it finds. Null: nothing changes. */
type Rule = (z: number, a: number, b: number, before: number) => number;
const keepCarry = (flags: number, before: number): number => flags & ~CF | before & CF;
const logic = (z: number, r: number): number => eager(z, unsigned(z, r), false, false, false);

const RULES: Readonly<Record<string, Rule>> = {
  ADD: (z, a, b) => sum(z, a, b, 0),
  ADC: (z, a, b, before) => sum(z, a, b, before & CF),
  SUB: (z, a, b) => difference(z, a, b, 0),
  CMP: (z, a, b) => difference(z, a, b, 0),
  SBB: (z, a, b, before) => difference(z, a, b, before & CF),
  XADD: (z, a, b) => sum(z, a, b, 0),
  AND: (z, a, b) => logic(z, a & b),
  OR: (z, a, b) => logic(z, a | b),
  XOR: (z, a, b) => logic(z, a ^ b),
  TEST: (z, a, b) => logic(z, a & b),
  INC: (z, a, _b, before) => keepCarry(sum(z, a, 1, 0), before),
  DEC: (z, a, _b, before) => keepCarry(difference(z, a, 1, 0), before),
  NEG: (z, a) => difference(z, 0, a, 0),
  // OF is given for every count by the rule for one: what the last step of one did.
  SHL: (z, a, b, before) => {
    const n = b & 31;
    if (n === 0) return before;
    const last = BigInt.asUintN(z, unsigned(z, a) << BigInt(n - 1)), r = BigInt.asUintN(z, last << 1n);
    const out = last >> BigInt(z - 1) !== 0n;
    return eager(z, r, out, out !== (r >> BigInt(z - 1) !== 0n), false);
  },
  SHR: (z, a, b, before) => {
    const n = b & 31;
    if (n === 0) return before;
    const last = unsigned(z, a) >> BigInt(n - 1);
    return eager(z, last >> 1n, (last & 1n) !== 0n, last >> BigInt(z - 1) !== 0n, false);
  },
  SAR: (z, a, b, before) => {
    const n = b & 31;
    return n === 0 ? before : eager(z, BigInt.asUintN(z, signed(z, a) >> BigInt(n)), (signed(z, a) >> BigInt(n - 1) & 1n) !== 0n, false, false);
  },
  ROL: (z, a, b, before) => rotated(z, a, b, before, 0),
  ROR: (z, a, b, before) => rotated(z, a, b, before, 1),
  RCL: (z, a, b, before) => rotated(z, a, b, before, 2),
  RCR: (z, a, b, before) => rotated(z, a, b, before, 3),
};

/** One bit at a time: 0 ROL, 1 ROR, 2 RCL, 3 RCR. */
function rotate(z: number, a: number, count: number, carry: number, kind: number): { value: bigint; carry: number; overflow: boolean } {
  let value = unsigned(z, a), overflow = false;
  const top = BigInt(z - 1);
  for (let i = 0; i < count; i++) {
    const high = Number(value >> top), low = Number(value & 1n);
    const left = kind === 0 || kind === 2;
    const enters = kind === 0 ? high : kind === 1 ? low : carry;
    value = left ? BigInt.asUintN(z, value << 1n) | BigInt(enters) : value >> 1n | BigInt(enters) << top;
    carry = left ? high : low;
    const msb = Number(value >> top), next = Number(value >> top - 1n & 1n);
    overflow = left ? carry !== msb : msb !== next;
  }
  return { value, carry, overflow };
}

function rotated(z: number, a: number, b: number, before: number, kind: number): number {
  const count = b & 31;
  if (count === 0) return before;
  const { carry, overflow } = rotate(z, a, count, before & CF, kind);
  return before & ~(CF | OF) | carry | (overflow ? OF : 0);
}

const rig = new Rig({ jit: false });
const exec = new Exec(rig.cpu);

function run(mnemonic: string, z: number, a: number, b: number, before: number): { flags: number; result: number | void } {
  const semantics = SEMANTICS[mnemonic]!;
  if (semantics.kind !== "inline") throw new Error(mnemonic);
  rig.cpu.eflags = before | 2;
  const fn: InlineFunction = semantics.fn;
  const result = fn(exec, z, a, b, 0);
  return { flags: rig.cpu.eflags & (CF | PF | AF | ZF | SF | OF), result };
}

/** An operand as instructions get it. */
const operand = (z: number, v: number): number => z === 32 ? v | 0 : v & (z === 16 ? 0xffff : 0xff);

const name = suite("flags");

for (const [mnemonic, rule] of Object.entries(RULES)) {
  name(mnemonic, () => {
    const check = (z: number, a: number, b: number, before: number): void => {
      const { flags } = run(mnemonic, z, a, b, before);
      const expected = rule(z, a, b, before);
      // AF is undefined after logic and shifts: it need only be the same each time.
      if (flags !== expected) assert.unreachable(`${mnemonic} ${z}: ${a}, ${b}, flags ${before}: ${flags.toString(16)}, expected ${expected.toString(16)}`);
    };
    for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) check(8, a, b, (a ^ b) & 1 ? CF | ZF | OF : SF | AF | PF);
    const random = new Random(mnemonic.length * 77 + 1);
    const corner = [0, 1, -1, 0x7fffffff, 0x80000000, 0x8000, 0x7fff, 0xffff, 15, 16];
    for (let i = 0; i < 20_000; i++) {
      const z = random.pick([16, 32]);
      const pick = (): number => operand(z, random.below(3) === 0 ? random.pick(corner) : random.next());
      check(z, pick(), pick(), random.next() & 0x8d5);
    }
  });
}

name("values of rotates", () => {
  const random = new Random(5);
  for (let i = 0; i < 40_000; i++) {
    const z = random.pick(SIZES), a = operand(z, random.next()), b = random.byte(), before = random.next() & 1;
    const kind = random.below(4);
    const { result } = run(["ROL", "ROR", "RCL", "RCR"][kind]!, z, a, b, before);
    assert.is(unsigned(z, result as number), rotate(z, a, b & 31, before, kind).value, `${z} ${kind} ${a} ${b}`);
  }
});

// ---- generated expressions ---------------------------------------------------------------------------------------------

function compileExpression(e: Expression): (op: number, d: number, s: number, x: number) => number | boolean {
  const text = print(A.program([A.statement(e)])).trim().replace(/;$/, "");
  return new Function("arithmeticFlags", "carryFlag", "condition", "parity", `return (${FLAG_OP}, ${FLAG_DST}, ${FLAG_SRC}, ${FLAG_AUX}) => (${text});`)(
    F.arithmeticFlags, F.carryFlag, F.condition, F.parity) as (op: number, d: number, s: number, x: number) => number;
}

/** Operands that an instruction of the kind could have left. */
function words(kind: number, z: number, random: Random): [number, number, number] {
  const corner = [0, 1, -1, 0x7fffffff, 0x80000000, 0x80, 0x7f, 0xff, 0x8000];
  const value = (): number => operand(z, random.below(3) === 0 ? random.pick(corner) : random.next());
  if (kind === F.CC_EFLAGS) return [random.next() & 0x8d5, 0, 0];
  return [value(), value(), random.below(2)];
}

name("the translator's conditions are condition()", () => {
  const random = new Random(9);
  for (let kind = 0; kind < F.CC_NAMES.length; kind++) {
    for (let size = 0; size < 3; size++) {
      if (kind === F.CC_EFLAGS && size !== 0) continue;
      const op = kind << 2 | size;
      const known = Array.from({ length: 16 }, (_, cc) => compileExpression(conditionOf(cc, op)));
      const carry = compileExpression(carryOf(op)), all = compileExpression(arithmeticOf(op));
      for (let i = 0; i < 2000; i++) {
        const [d, s, x] = words(kind, SIZES[size]!, random);
        for (let cc = 0; cc < 16; cc++) {
          if (Boolean(known[cc]!(op, d, s, x)) !== F.condition(cc, op, d, s, x)) assert.unreachable(`${F.CC_NAMES[kind]} ${SIZES[size]} cc ${cc}: ${d} ${s} ${x}`);
        }
        assert.is(Number(carry(op, d, s, x)), F.carryFlag(op, d, s, x));
        assert.is(all(op, d, s, x), F.arithmeticFlags(op, d, s, x));
      }
    }
  }
});

name("conditions of an unknown operation ask at run time", () => {
  const random = new Random(10);
  const unknown = Array.from({ length: 16 }, (_, cc) => compileExpression(conditionOf(cc, UNKNOWN)));
  const carry = compileExpression(carryOf(UNKNOWN)), all = compileExpression(arithmeticOf(UNKNOWN));
  for (let i = 0; i < 5000; i++) {
    const kind = random.below(F.CC_NAMES.length), size = kind === 0 ? 0 : random.below(3);
    const op = kind << 2 | size;
    const [d, s, x] = words(kind, SIZES[size]!, random);
    for (let cc = 0; cc < 16; cc++) assert.is(Boolean(unknown[cc]!(op, d, s, x)), F.condition(cc, op, d, s, x));
    assert.is(carry(op, d, s, x), F.carryFlag(op, d, s, x));
    assert.is(all(op, d, s, x), F.arithmeticFlags(op, d, s, x));
  }
});

name("a condition and its opposite", () => {
  const random = new Random(11);
  for (let i = 0; i < 20_000; i++) {
    const kind = random.below(F.CC_NAMES.length), size = kind === 0 ? 0 : random.below(3), cc = random.below(8) * 2;
    const [d, s, x] = words(kind, SIZES[size]!, random);
    assert.is.not(F.condition(cc, kind << 2 | size, d, s, x), F.condition(cc + 1, kind << 2 | size, d, s, x));
  }
});

name("flags read together are those read one by one", () => {
  const random = new Random(12);
  for (let i = 0; i < 20_000; i++) {
    const kind = random.below(F.CC_NAMES.length), size = kind === 0 ? 0 : random.below(3);
    const op = kind << 2 | size;
    const [d, s, x] = words(kind, SIZES[size]!, random);
    const one = F.carryFlag(op, d, s, x) | F.parityFlag(op, d) << 2 | F.adjustFlag(op, d, s, x) << 4 | F.zeroFlag(op, d) << 6 | F.signFlag(op, d) << 7 |
      F.overflowFlag(op, d, s, x) << 11;
    assert.is(F.arithmeticFlags(op, d, s, x) & 0x8d5, one);
  }
});

name.run();
