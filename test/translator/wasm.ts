/** asm.js trees as WebAssembly (webassembly.github.io/spec): the same numbers as the JavaScript they are printed as. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { webAssembly } from "../../hypervisor/webassembly.js";
import { parseFunction } from "../../translator/codegen/ast.js";
import { asmModule, encodeModule } from "../../translator/codegen/asm-module.js";
import { relayed, FOREIGN } from "../../translator/codegen/foreign.js";
import { parametersOf } from "../../translator/codegen/splice.js";
import { Bytes, IMPORTED_FUNCTIONS, IMPORTED_HEAP, IMPORTED_MEMORY } from "../../translator/codegen/wasm-binary.js";
import * as subset from "../../translator/isa/semantics/subset.js";
import { Random } from "../isa/random.js";

const test = suite("wasm");
const CORNERS = [0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000, -1, -2, 0x55555555];

test("LEB128 (Binary Format, Values): what is written is read back", () => {
  const random = new Random(7);
  for (let k = 0; k < 2000; k++) {
    const value = k < CORNERS.length ? CORNERS[k]! : (random.next() | 0) >> random.below(32);
    const out = new Bytes();
    out.signed(value);
    out.unsigned(value);
    let at = 0;
    const read = (sign: boolean): number => {
      let result = 0, shift = 0, byte = 0;
      do {
        byte = out.bytes()[at++]!;
        result |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte >= 0x80);
      return sign && shift < 32 && (byte & 0x40) !== 0 ? result | -1 << shift : result;
    };
    assert.is(read(true), value | 0);
    assert.is(read(false), value | 0);
    assert.is(at, out.length);
  }
});

/** Runs a function of two numbers that leaves a result in word 1 of the heap, as a module and as its text. */
function both(source: string): { text: (a: number, b: number) => number; wasm: (a: number, b: number) => number } {
  const tree = parseFunction(source);
  const memory = new webAssembly!.Memory({ initial: 256, maximum: 256 });
  const made = asmModule("f", parametersOf(tree), tree.body.body, { read: 0, write: 0, sites: [], stack: null });
  const instance = new webAssembly!.Instance(new webAssembly!.Module(encodeModule(made.functions, 256)), {
    [IMPORTED_HEAP]: { [IMPORTED_MEMORY]: memory }, [IMPORTED_FUNCTIONS]: {},
  });
  const heap = new ArrayBuffer(1 << 24);
  const text = new Function("stdlib", "foreign", "heap", made.print().replace("use asm", "use strict"))(globalThis, {}, heap) as (a: number, b: number) => void;
  const wasm = instance.exports.f as (a: number, b: number) => void;
  const run = (f: (a: number, b: number) => void, buffer: ArrayBuffer) => (a: number, b: number): number => {
    f(a, b);
    return new Int32Array(buffer)[1]!;
  };
  return { text: run(text, heap), wasm: run(wasm, memory.buffer) };
}

const EXPRESSIONS = [
  "a + b", "a - b", "Math.imul(a, b)", "a & b", "a | b", "a ^ b", "a << (b & 31)", "a >> (b & 31)", "(a >>> (b & 31)) | 0", "-a", "~a", "!a",
  "a < b ? 1 : 2", "a >>> 0 < b >>> 0 ? a : b", "a >= b ? a + 1 : b", "a === b", "a !== 0 && b !== 0", "a !== 0 || b", "Math.clz32(a)", "(a = b, a + 1)", "(a = b) < 5 ? a : b",
  "(t = a - b, t) < 0 ? t : b", "a % 10",
];

test("expressions", () => {
  const random = new Random(11);
  for (const expression of EXPRESSIONS) {
    const { text, wasm } = both(`function f(a, b) { let t = 0; i32[1] = ${expression}; }`);
    for (let k = 0; k < 300; k++) {
      const [a, b] = [random, random].map((r) => r.below(2) === 0 ? CORNERS[r.below(CORNERS.length)]! : (r.next() | 0)) as [number, number];
      assert.is(wasm(a, b), text(a, b), `${expression} of ${a}, ${b}`);
    }
  }
});

test("the functions that are a few instructions give what ours give", () => {
  const random = new Random(13);
  const pure: Record<string, (a: number, b: number) => number> = {
    mulhu: subset.mulhu, mulhs: subset.mulhs, lowestBit: subset.lowestBit, highestBit: subset.highestBit, reverseBytes: subset.reverseBytes,
  };
  for (const [name, ours] of Object.entries(pure)) {
    const { wasm } = both(`function f(a, b) { i32[1] = ${name}(a${ours.length === 2 ? ", b" : ""}); }`);
    for (let k = 0; k < 1000; k++) {
      const a = (k < CORNERS.length ? CORNERS[k]! : (random.next() | 0)) || 1, b = (random.next() | 0) >> random.below(32);
      assert.is(wasm(a, b), ours(a, b), `${name} of ${a}, ${b}`);
    }
  }
});

test("statements: loops, blocks left early, both arms of a condition, bytes and halfwords", () => {
  const { text, wasm } = both(`function f(a, b) {
    let n = 0, sum = 0;
    B: { L: for (;;) { n = n + 1 | 0; if (n > 20) { break B; } if ((n & 1) === 0) { continue L; } else { sum = sum + (a ^ n) | 0; } if (sum === b) break B; } }
    u8[40] = sum; u16[30] = a; i32[1] = (u8[40] << 16) + u16[30] + n;
  }`);
  const random = new Random(17);
  for (let k = 0; k < 200; k++) {
    const a = (random.next() | 0), b = random.below(100);
    assert.is(wasm(a, b), text(a, b));
  }
});

test("a module says which of its ifs are seldom taken (WebAssembly/branch-hinting): those that call slow halves or leave", () => {
  const tree = parseFunction(`function f(a, b) {
    X: { if (a < b) { a = b; } if (a === 7) { $e = 1; break X; } if (b === 8) { i32[1] = 2; } else { a = slow_load8(a, 0); if (i32[2]) { break X; } } i32[1] = a; }
  }`);
  const module = encodeModule(asmModule("f", parametersOf(tree), tree.body.body, { read: 0, write: 0, sites: [], stack: null }).functions, 256);
  const [section] = webAssembly!.Module.customSections(new webAssembly!.Module(module), "metadata.code.branch_hint");
  const bytes = [...new Uint8Array(section!)];
  // One function, number 1 behind the import; three hints of one byte.
  assert.equal(bytes.slice(0, 3), [1, 1, 3]);
  const hints = [0, 1, 2].map((k) => bytes.slice(3 + 3 * k, 6 + 3 * k));
  assert.equal(hints.map(([, length, taken]) => [length, taken]), [[1, 0], [1, 1], [1, 0]]);
  // Offsets count from the declarations of locals, which begin the body behind its size.
  const IF = 0x04, body = module.findIndex((_, i) => hints.every(([offset]) => module[i + offset!] === IF));
  assert.ok(body > 0);
  assert.is(bytes.length, 12);
});

test("every foreign function is called with what it is given, and an exception of one comes through", () => {
  const calls: unknown[][] = [];
  const functions = relayed(Object.fromEntries(Object.keys(FOREIGN).map((name) => [name, (...args: number[]) => {
    calls.push([name, ...args]);
    if (name === "fault") throw new RangeError("seen");
    return args.length * 3;
  }])), FOREIGN) as Record<string, (...args: number[]) => unknown>;
  for (const [name, { parameters, result }] of Object.entries(FOREIGN)) {
    const args = Array.from({ length: parameters }, (_, i) => i - 1);
    if (name === "fault") assert.throws(() => functions[name]!(...args), (error: unknown) => error instanceof RangeError);
    else assert.is(functions[name]!(...args), result ? parameters * 3 : undefined);
    assert.equal(calls.pop(), [name, ...args]);
  }
});

test.run();
