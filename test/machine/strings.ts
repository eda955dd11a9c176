import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeCr0, writeCr3 } from "../../hypervisor/control-registers.js";
import * as S from "../../hypervisor/cpu-state.js";
import { FRAME_CODE } from "../../hypervisor/memory.js";
import { loadDataSegment } from "../../hypervisor/segmentation.js";
import { GP, PF } from "../../hypervisor/trap.js";
import { CODE, DATA_W as WRITABLE, fault, FREE, PAGES, protectedRig, type Rig } from "./rig.js";

const strings = suite("strings");
const FROM = 0x40000, TO = 0x60000;
const REP = 0xf3, REPNE = 0xf2, MOVSB = 0xa4, MOVSD = 0xa5, STOSB = 0xaa, STOSD = 0xab, LODSB = 0xac, SCASB = 0xae, CMPSB = 0xa6, INSB = 0x6c, OUTSB = 0x6e;

function rigWith(ecx: number, esi = FROM, edi = TO): Rig {
  const rig = protectedRig();
  const { i32 } = rig.cpu;
  i32[S.ECX] = ecx;
  i32[S.ESI] = esi;
  i32[S.EDI] = edi;
  const { memory } = rig;
  for (let i = 0; i < 0x8000; i++) memory.write(FROM + i, 1, i * 7 + (i >> 8) & 0xff);
  return rig;
}

const registers = (rig: Rig): number[] => [rig.cpu.i32[S.ECX]!, rig.cpu.i32[S.ESI]!, rig.cpu.i32[S.EDI]!];
const bytes = (rig: Rig, at: number, n: number): number[] => Array.from({ length: n }, (_, i) => rig.memory.read(at + i, 1));

/** As assert.equal, without printing thousands of bytes. */
function same(actual: number[], expected: number[]): void {
  assert.is(actual.length, expected.length);
  const i = actual.findIndex((byte, at) => byte !== expected[at]);
  if (i >= 0) assert.equal([i, ...actual.slice(i, i + 8)], [i, ...expected.slice(i, i + 8)]);
}

/** Runs until EIP leaves the instruction. */
function repeat(rig: Rig, ...code: number[]): number {
  let executions = 0;
  do {
    rig.execute(...code);
    executions++;
  } while (rig.cpu.eip === CODE);
  return executions;
}

strings("one element each, forwards and backwards (SDM vol. 1, 7.3.9)", () => {
  const rig = rigWith(5);
  rig.execute(MOVSB);
  assert.equal(registers(rig), [5, FROM + 1, TO + 1]);
  rig.cpu.eflags |= S.FLAG_DF;
  rig.execute(0x66, 0xad);
  assert.equal(registers(rig), [5, FROM - 1, TO + 1]);
  assert.is(rig.cpu.reg(S.EAX, 16), rig.read16(FROM + 1));
  rig.execute(STOSD);
  assert.is(rig.cpu.i32[S.EDI], TO - 3);
  assert.is(rig.cpu.eip, CODE + 4);
});

strings("REP MOVS in pieces, by pages and single elements, equals a plain copy (SDM vol. 2, REP)", () => {
  for (const [opcode, size, from, to] of [[MOVSB, 1, FROM + 3, TO + 0xffd], [MOVSD, 4, FROM + 2, TO + 1], [MOVSD, 4, FROM, TO]] as const) {
    const count = 5000;
    const rig = rigWith(count, from, to);
    assert.is(repeat(rig, REP, opcode), 2);
    assert.equal(registers(rig), [0, from + count * size, to + count * size]);
    same(bytes(rig, to, count * size), bytes(rig, from, count * size));
    assert.is(rig.ledger.countOf("instruction.string_iteration"), count);
  }
});

strings("overlapping REP MOVS copies element by element upwards: the pattern repeats (SDM vol. 2, MOVS)", () => {
  for (const [opcode, size, distance] of [[MOVSB, 1, 1], [MOVSB, 1, 3], [MOVSD, 4, 4], [MOVSD, 4, 2], [MOVSD, 4, 9]] as const) {
    const rig = rigWith(300, FROM, FROM + distance);
    const model = bytes(rig, FROM, 300 * size + distance);
    for (let i = 0; i < 300; i++) model.splice(i * size + distance, size, ...model.slice(i * size, i * size + size));
    repeat(rig, REP, opcode);
    same(bytes(rig, FROM, 300 * size + distance), model);
  }
});

strings("two mappings of one frame overlap as their frame does (SDM vol. 3, 4.2)", () => {
  const rig = rigWith(100, 0x700000, 0x701001);
  rig.write(PAGES, PAGES + 0x1000 | 3, PAGES + 0x2000 | 3);
  for (let page = 0; page < 256; page++) rig.write(PAGES + 0x1000 + page * 4, page << 12 | 3);
  rig.write(PAGES + 0x2000 + 0x300 * 4, FROM | 3, FROM | 3);
  writeCr3(rig.cpu, PAGES);
  writeCr0(rig.cpu, rig.cpu.cr0 | S.CR0_PG);
  const first = bytes(rig, FROM, 1)[0]!;
  repeat(rig, REP, MOVSB);
  same(bytes(rig, FROM, 101), new Array(101).fill(first));
});

strings("REP STOS of each size, aligned or not (SDM vol. 2, STOS)", () => {
  for (const [code, size, at] of [[[STOSB], 1, TO + 1], [[0x66, STOSD], 2, TO], [[STOSD], 4, TO], [[STOSD], 4, TO + 3]] as const) {
    const rig = rigWith(2000, FROM, at);
    rig.cpu.i32[S.EAX] = 0x44332211;
    repeat(rig, REP, ...code);
    same(bytes(rig, at, 2000 * size), Array.from({ length: 2000 * size }, (_, i) => [0x11, 0x22, 0x33, 0x44][i % size]));
    assert.is(rig.memory.read(at - 1, 1) + rig.memory.read(at + 2000 * size, 1), 0);
  }
});

strings("a count of zero does nothing, not even touch memory (SDM vol. 2, REP)", () => {
  const rig = rigWith(0, FROM, -1);
  rig.cpu.setSegment(S.ES, 0, 0, 0, S.ATTR_NULL);
  const flags = rig.cpu.eflags;
  rig.execute(REP, MOVSB);
  rig.execute(REPNE, SCASB);
  assert.is(rig.cpu.eip, CODE + 4);
  assert.is(rig.cpu.eflags, flags);
});

strings("a fault leaves the registers as after the last whole iteration (SDM vol. 2, REP)", () => {
  const rig = rigWith(0x30, FROM, 0x1f0);
  rig.descriptor(FREE, TO, 0x1ff, WRITABLE, 4);
  loadDataSegment(rig.cpu, S.ES, FREE);
  assert.equal(fault(() => rig.execute(REP, MOVSB)), { vector: GP, errorCode: 0 });
  assert.equal(registers(rig), [0x20, FROM + 0x10, 0x200]);
  assert.is(rig.cpu.eip, CODE);
  assert.is(rig.ledger.countOf("instruction.string_iteration"), 0x10);
});

strings("a page fault in the middle restarts exactly (SDM vol. 3, 6.5)", () => {
  const rig = rigWith(0x1000, FROM, 0x400ff8);
  rig.write(PAGES, PAGES + 0x1000 | 3, PAGES + 0x2000 | 3);
  for (let page = 0; page < 256; page++) rig.write(PAGES + 0x1000 + page * 4, page << 12 | 3);
  rig.write(PAGES + 0x2000, TO | 3);
  writeCr3(rig.cpu, PAGES);
  writeCr0(rig.cpu, rig.cpu.cr0 | S.CR0_PG);
  assert.is(fault(() => rig.execute(REP, MOVSD)).vector, PF);
  assert.equal(registers(rig), [0xffe, FROM + 8, 0x401000]);
  assert.is(rig.cpu.cr2, 0x401000);
  for (let page = 1; page < 8; page++) rig.write(PAGES + 0x2000 + page * 4, TO + page * 0x1000 | 3);
  repeat(rig, REP, MOVSD);
  same(bytes(rig, TO + 0xff8, 0x4000), bytes(rig, FROM, 0x4000));
});

strings("REPE CMPS and REPNE SCAS stop by ZF; a fault takes their flags back (SDM vol. 2, REP)", () => {
  const rig = rigWith(100);
  for (let i = 0; i < 50; i++) rig.memory.write(TO + i, 1, rig.memory.read(FROM + i, 1));
  rig.memory.write(TO + 50, 1, rig.memory.read(FROM + 50, 1) + 1 & 0xff);
  rig.execute(REP, CMPSB);
  assert.equal(registers(rig), [49, FROM + 51, TO + 51]);
  assert.is(rig.cpu.eflags & S.FLAG_ZF, 0);
  rig.cpu.i32[S.EAX] = rig.memory.read(TO + 10, 1);
  rig.cpu.i32[S.ECX] = -1;
  rig.cpu.i32[S.EDI] = TO;
  rig.execute(REPNE, SCASB);
  assert.equal([rig.cpu.i32[S.EDI], rig.cpu.i32[S.ECX]], [TO + 11, -12]);
  assert.is(rig.cpu.eflags & S.FLAG_ZF, S.FLAG_ZF);

  const limited = rigWith(100, FROM, 0);
  limited.descriptor(FREE, TO, 0xf, WRITABLE, 4);
  loadDataSegment(limited.cpu, S.ES, FREE);
  limited.cpu.i32[S.EAX] = 1;
  limited.cpu.eflags = S.FLAG_OF | S.FLAG_CF | S.FLAG_ZF | 2;
  assert.is(fault(() => limited.execute(REPNE, SCASB)).vector, GP);
  assert.is(limited.cpu.eflags, S.FLAG_OF | S.FLAG_CF | S.FLAG_ZF | 2);
  assert.is(limited.cpu.i32[S.ECX], 100 - 16);
});

strings("16-bit addressing wraps SI and DI and leaves upper halves (SDM vol. 1, 3.7.5)", () => {
  const rig = rigWith(0x12340004, 0x0005fffe, 0x00060010);
  rig.memory.write(0xfffe, 1, 0xaa);
  rig.memory.write(0xffff, 1, 0xbb);
  rig.memory.write(0, 1, 0xcc);
  rig.execute(0x67, REP, MOVSB);
  assert.equal(registers(rig), [0x12340000, 0x00050002, 0x00060014]);
  same(bytes(rig, 0x10, 3), [0xaa, 0xbb, 0xcc]);
});

strings("a page with cached code is told before it changes (memory.ts)", () => {
  const rig = rigWith(8);
  const told: number[] = [];
  rig.memory.onCodeWrite = (pa, length) => { told.push(pa, length); };
  rig.cpu.mmu.setCode(TO >>> 12, true);
  assert.is(rig.memory.kindOf(TO >>> 12), FRAME_CODE);
  rig.execute(REP, MOVSD);
  assert.equal(told.slice(0, 4), [TO, 4, TO + 4, 4]);
});

strings("REP INS and OUTS: ports, segment override, permission (SDM vol. 2, INS, OUTS)", () => {
  const rig = rigWith(4);
  const written: number[] = [];
  let next = 1;
  rig.cpu.ports = { read: () => next++, write: (port, _size, value) => { written.push(port, value); } };
  rig.cpu.i32[S.EDX] = 0x1f0;
  rig.execute(REP, INSB);
  same(bytes(rig, TO, 4), [1, 2, 3, 4]);
  rig.cpu.i32[S.ECX] = 2;
  rig.cpu.i32[S.ESI] = TO;
  rig.execute(REP, OUTSB);
  assert.equal(written, [0x1f0, 1, 0x1f0, 2]);
  rig.cpu.setSegment(S.ES, 0, 0, 0, S.ATTR_NULL);
  rig.cpu.i32[S.ECX] = 1;
  assert.is(fault(() => rig.execute(REP, INSB)).vector, GP);
  assert.is(next, 5, "the port was not read");
  rig.execute(LODSB);
  assert.is(rig.cpu.reg(S.EAX, 8), 3);
});

strings.run();
