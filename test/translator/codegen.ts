// Generated code as text: representative blocks against the files in expected/ (TRIVISOR_UPDATE=1 writes them anew), folding in
// spliced bodies, and a host that forbids code from strings.

import type { FunctionExpression } from "acorn";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import type { Block } from "../../translator/block.js";
import * as A from "../../translator/codegen/ast.js";
import { print } from "../../translator/codegen/print.js";
import { deadFlags, regionTree, GENERATED_MODE } from "../../translator/codegen/region.js";
import type { Form } from "../../translator/codegen/region-code.js";
import { RUNTIME_NAMES } from "../../translator/codegen/runtime.js";
import { expandInline, expandPure, folded, type Vocabulary } from "../../translator/codegen/splice.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { format } from "../../translator/isa/format.js";
import type { Instruction } from "../../translator/isa/instruction.js";
import { FEATURES } from "../../translator/isa/opcodes.js";
import { IMPLEMENTED } from "../../translator/isa/semantics/registry.js";
import { add, addImmediate, assemble, call, compare, dec, EAX, EBX, ECX, EDX, inc, jcc, jnz, label, mov, type Part, pop, push, RET } from "./asm.js";
import { CODE, Rig } from "./rig.js";

const EXPECTED = fileURLToPath(new URL("../../../test/translator/expected/", import.meta.url));
const decode = decoderFor(FEATURES.filter((f) => f !== "vmx"), IMPLEMENTED);

const name = suite("code generation");

/** The blocks of a program as the engine has them after running it, entry first. */
function blocksOf(parts: readonly Part[], instructions: number): Block[] {
  const rig = new Rig({ jit: false });
  const program = assemble(CODE, ...parts);
  rig.start(Rig.image(program.code, CODE, 1), CODE);
  rig.run(instructions);
  const out: Block[] = [];
  for (let eip = CODE; eip < CODE + program.code.length; eip++) {
    const block = rig.engine.blocks.find(eip, eip, rig.cpu.i32[S.MODE]!);
    if (block !== null) out.push(block);
  }
  return out;
}

function sourceOf(parts: readonly Part[], instructions: number, form: Form): string {
  const blocks = blocksOf(parts, instructions);
  return regionTree(blocks, GENERATED_MODE, form, (instruction, eip) => [`${(eip >>> 0).toString(16)} ${format(instruction, eip)}`]).print();
}

/** Compares with test/translator/expected/<file>.js. */
function expectText(file: string, text: string): void {
  const path = `${EXPECTED}${file}.js`;
  if (process.env["TRIVISOR_UPDATE"] !== undefined) {
    mkdirSync(EXPECTED, { recursive: true });
    writeFileSync(path, text);
  }
  assert.fixture(text, readFileSync(path, "utf8"), `${file}: if the change is meant, TRIVISOR_UPDATE=1 writes it down`);
}

const SAMPLES: Readonly<Record<string, Part[]>> = {
  loop: [label("again"), add(EAX, ECX), dec(ECX), jnz("again"), [0xf4]],
  "call-return": [call("f"), [0xf4], label("f"), push(EBX), mov(EBX, 1), add(EAX, EBX), pop(EBX), RET],
  "memory-update": [[0x01, 0x03], [0x66, 0xff, 0x43, 0x02], [0x80, 0x4b, 0x05, 0x80], [0xf4]], // add [ebx], eax; inc word [ebx + 2]; or byte [ebx + 5], 80h
  "flags-dead": [addImmediate(EAX, 1), addImmediate(EBX, 2), inc(ECX), add(EDX, EAX), [0xeb, 0xfe]],
  "flags-alive": [addImmediate(EAX, 1), [0x83, 0xd3, 0x00], compare(EDX, 5), jcc(12, "below"), inc(ECX), label("below"), [0x0f, 0x94, 0xc0], [0xf4]],
  "shift-by-cl": [[0xd3, 0xe0], [0xc0, 0xe8, 0x03], [0xf4]],
  helper: [[0xf7, 0xf1], [0x64, 0x8b, 0x03], [0xf4]], // div ecx; mov eax, fs:[ebx]
};

for (const [file, parts] of Object.entries(SAMPLES)) name(file, () => { expectText(file, sourceOf(parts, file === "loop" ? 30 : 8, "plain")); });

const LOAD_AND_STORE: Part[] = [label("again"), [0x8b, 0x03], add(ECX, EAX), [0xff, 0x43, 0x04], addImmediate(EBX, 8), compare(EBX, 0x40000), jnz("again"), [0xf4]];
name("asm-loop", () => { expectText("asm-loop", sourceOf(LOAD_AND_STORE, 40, "asm")); });

name("only our own names and numbers are in generated code", () => {
  const own = new Set<string>([
    ...RUNTIME_NAMES, "ops", "sites", "let", "const", "if", "else", "for", "break", "continue", "return", "try", "catch", "throw", "error", "leave", "Math", "imul", "divideUnsigned", "remainderUnsigned", "divideSigned", "remainderSigned",
    "use", "asm", "var", "function", "stdlib", "foreign", "heap", "Int32Array", "Uint8Array", "Uint16Array", "slow_load32", "slow_load16", "slow_load8", "slow_store32", "slow_store16", "slow_store8", "slow_update32", "slow_update16", "slow_update8",
    "fo", "fd", "fs", "fx", "fp", "fr",
  ]);
  for (const parts of Object.values(SAMPLES)) {
    for (const form of ["plain", "asm"] as const) {
      const text = regionTree(blocksOf(parts, 12), GENERATED_MODE, form).print();
      for (const word of text.match(/[A-Za-z_$][\w$]*/g) ?? []) {
        assert.ok(own.has(word) || /^(r[0-7]|\$\w*|[LBXF]\d*|[a-z]\w{0,11})$/.test(word), word);
      }
    }
  }
});

// asmjs.org/spec. A host that compiles asm.js ahead of time says so on stderr when a module does not validate, and takes it for JavaScript.
// Without WebAssembly (--no-expose-wasm) the text is what runs.
name("asm.js validates, and computes what the interpreter does", () => {
  const root = new URL("../../", import.meta.url).href;
  const script = `
    const { Rig, CALM } = await import("${root}test/translator/rig.js");
    const { generateProgram } = await import("${root}test/translator/generate.js");
    const { Random } = await import("${root}test/isa/random.js");
    const digest = (options) => {
      const out = [];
      for (let seed = 1; seed < 40; seed++) {
        const random = new Random(seed * 999983);
        const program = generateProgram(random);
        const rig = new Rig(options);
        rig.start(Rig.image(program.code, program.at, seed), program.at, { ...CALM, faults: 40, recovery: program.entries });
        rig.run(1500);
        out.push(rig.instructions, rig.cycles, ...rig.state(), ...rig.log);
        for (const block of rig.engine.blocks.all()) if (block.code?.form === "asm") regions++;
      }
      return JSON.stringify(out);
    };
    let regions = 0;
    const same = digest({ hot: 1, promote: 0 }) === digest({ jit: false });
    console.log(JSON.stringify({ same, regions }));`;
  const run = spawnSync(process.execPath, ["--no-expose-wasm", "--input-type=module", "-e", script], { encoding: "utf8" });
  const { same, regions } = JSON.parse(run.stdout) as { same: boolean; regions: number };
  assert.ok(same);
  assert.ok(regions > 100, `${regions} regions`);
  assert.not.match(run.stderr, /asm\.js/i);
});

name("dead flags", () => {
  const dead = (...bytes: number[][]): boolean[] => {
    const instructions: Instruction[] = bytes.map((b) => decode(Uint8Array.from(b), 0, b.length, 32)).map((d) => {
      if (d.invalid !== null) throw new Error("bad test");
      return d;
    });
    return deadFlags(instructions);
  };
  assert.equal(dead(add(EAX, EBX), add(ECX, EDX)), [true, false], "overwritten");
  assert.equal(dead(add(EAX, EBX), [0x11, 0xd1], add(ECX, EDX)), [false, true, false], "ADC reads");
  assert.equal(dead(add(EAX, EBX), [0x8b, 0x03], add(ECX, EDX)), [false, false, false], "a load may fault and show them");
  assert.equal(dead(add(EAX, EBX), [0xd3, 0xe0], add(ECX, EDX)), [true, true, false], "SHL by CL sets all or none");
  assert.equal(dead(add(EAX, EBX), [0xd3, 0xe0]), [false, false], "SHL by CL may leave them");
  assert.equal(dead(add(EAX, EBX), inc(ECX)), [false, false], "INC keeps CF");
  assert.equal(dead(add(EAX, EBX), [0x9c], add(ECX, EDX)), [false, false, false], "PUSHF");
  assert.is(dead(add(EAX, EBX), [0x8d, 0x03], add(ECX, EDX))[0], true, "LEA does not touch memory");
});

// ---- splicing ----------------------------------------------------------------------------------------------------------

const text = (e: ReturnType<typeof folded>): string => print(A.program([A.statement(e)])).trim();

name("constants fold", () => {
  const binary = (l: number, o: Parameters<typeof folded>[1], r: number): number | undefined => A.numberOf(folded(A.literal(l), o, A.literal(r)));
  assert.is(binary(2, "+", 3), 5);
  assert.is(binary(-1, ">>>", 28), 15);
  assert.is(binary(1, "<<", 31), -0x80000000);
  assert.is(binary(3, "===", 3), 1);
  assert.is(binary(3, "<", 3), 0);
  const x = A.identifier("x");
  assert.is(text(folded(x, "+", A.literal(0))), "x;");
  assert.is(text(folded(x, "|", A.literal(0))), "x | 0;", "it may have been no 32-bit number");
  assert.is(text(folded(A.binary(x, "&", A.literal(7)), "|", A.literal(0))), "x & 7;");
  assert.is(text(folded(x, ">>>", A.literal(0))), "x >>> 0;");
});

name("pure functions expand on expressions", () => {
  const expand = (fn: (...args: never[]) => number, ...args: ReturnType<typeof A.literal>[]): string => text(expandPure(fn, args));
  assert.is(expand((a: number, b: number) => a === 8 ? b & 255 : b | 0, A.literal(8), A.identifier("v")), "v & 255;");
  assert.is(expand((a: number, b: number) => a !== 8 ? b & 255 : b | 0, A.literal(8), A.identifier("v")), "v | 0;");
  assert.is(expand((a: number, b: number) => (a > 3 && b > 1) ? 1 : 0, A.literal(2), A.identifier("v")), "0;");
});

const silent: Vocabulary = {
  invoke: (member, args) => A.call(member, args), read: (member) => A.identifier(member), write: (member, value) => A.assign(member, value),
  fork: () => 0, rejoin: () => {}, restore: () => {},
};

name("bodies are specialised on the operand size and on constants", () => {
  const body = (z: number, b: ReturnType<typeof A.literal>): string => {
    const tree: FunctionExpression = A.parseFunction(`function (x, z, a, b) {
      const n = b & 31;
      if (z === 32) { const r = a << n; x.flags(r, n); return r; }
      if (n !== 0) x.flags(a, n);
      return trunc(z, a << n);
    }`);
    const { statements, result } = expandInline(tree, [A.literal(z), A.identifier("va"), b], silent);
    return print(A.program([...statements, ...(result === null ? [] : [A.statement(result)])])).replace(/\s+/g, " ").trim();
  };
  assert.is(body(32, A.literal(3)), "const r = va << 3; flags(r, 3); r;");
  assert.is(body(8, A.literal(32)), "va & 255;");
  assert.is(body(8, A.literal(1)), "flags(va, 1); va << 1 & 255;");
  assert.is(body(16, A.identifier("vb")), "const n = vb & 31; if (n !== 0) { flags(va, n); } va << n & 65535;");
});

name("bodies outside the subset are refused", () => {
  const refuse = (source: string): void => {
    assert.throws(() => expandInline(A.parseFunction(source), [A.literal(32), A.identifier("a"), A.identifier("b")], silent), /semantics|Exec|names/);
  };
  refuse("function (x, z, a) { while (a) {} return a; }");
  refuse("function (x, z, a) { globalThis.y = a; return a; }");
  refuse("function (x, z, a) { const { b } = a; return b; }");
});

name("with code from strings forbidden everything runs, interpreted, to the same end", () => {
  const root = new URL("../../", import.meta.url).href;
  const script = `
    const { Rig, CODE, hex } = await import("${root}test/translator/rig.js");
    const { generateProgram } = await import("${root}test/translator/generate.js");
    const { Random } = await import("${root}test/isa/random.js");
    const { CALM } = await import("${root}test/translator/rig.js");
    const out = [];
    for (let seed = 1; seed < 12; seed++) {
      const random = new Random(seed * 999983);
      const program = generateProgram(random);
      const rig = new Rig({ hot: 2 });
      rig.start(Rig.image(program.code, program.at, seed), program.at, { ...CALM, faults: 40, recovery: program.entries });
      rig.run(1500);
      out.push(rig.instructions, rig.cycles, ...rig.state(), ...rig.log);
    }
    let compiles = true;
    try { new Function("return 1")(); } catch { compiles = false; }
    console.log(JSON.stringify({ compiles, out }));`;
  const run = (...flags: string[]): { compiles: boolean; out: number[] } =>
    JSON.parse(execFileSync(process.execPath, [...flags, "--input-type=module", "-e", script], { encoding: "utf8", maxBuffer: 1 << 26 })) as { compiles: boolean; out: number[] };
  const free = run(), forbidden = run("--disallow-code-generation-from-strings");
  assert.ok(free.compiles);
  assert.not.ok(forbidden.compiles);
  assert.equal(forbidden.out, free.out);
});

name.run();
