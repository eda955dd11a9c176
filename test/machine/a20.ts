// Address line 20: with the gate closed the processor's accesses to odd megabytes come out in the even one below (SDM vol. 3, 9.10.2
// and 20.1.1), bus masters' do not; under every strategy, with paging and without.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { enterProtectedFlat } from "../../hypervisor/reset.js";
import { assemble, EAX, EBX, ECX, HLT, load, mov, movRegister, store, storeByte, word } from "../translator/asm.js";
import { createTarget, STRATEGIES, type Target } from "../fuzz/machines.js";

const a20 = suite("A20");
const CODE = 0x8000, LOW = 0x2000, HIGH = 0x102000, DIRECTORY = 0x4000, TABLE = 0x5000;

/** out 0x92, 0; the keyboard controller's output port with bit 1 clear. */
const CLOSE = [0xb0, 0, 0xe6, 0x92, 0xb0, 0xd1, 0xe6, 0x64, 0xb0, 0xdd, 0xe6, 0x60];
const OPEN = [0xb0, 2, 0xe6, 0x92];

function run(target: Target, paged: boolean, ...parts: Parameters<typeof assemble>[1][]): void {
  const { machine: { cpu }, engine, memory } = target;
  memory.write(CODE, assemble(CODE, ...parts).code);
  target.before();
  enterProtectedFlat(cpu, CODE);
  if (paged) {
    cpu.i32[S.CR3] = DIRECTORY;
    cpu.i32[S.CR0]! |= S.CR0_PG;
    cpu.modeChanged();
  }
  target.after();
  assert.is(engine.run(10_000).reason, "idle");
}

function words(target: Target, gpa: number): number {
  const bytes = new Uint8Array(4);
  target.memory.read(gpa, bytes);
  return new DataView(bytes.buffer).getUint32(0, true);
}

for (const name of STRATEGIES) {
  for (const paged of [false, true]) {
    a20(`${name}, ${paged ? "paging" : "no paging"}: closed, opened, and closed again`, () => {
      const target = createTarget(name, {});
      const put = (at: number, value: number): void => target.memory.write(at, Uint8Array.from(word(value)));
      put(DIRECTORY, TABLE | 7);
      for (let page = 0; page < 1024; page++) put(TABLE + page * 4, page << 12 | 7);
      put(LOW, 0x11111111);
      put(HIGH, 0x22222222);
      run(target, paged, mov(4, 0x7000), [0xfa], load(EAX, HIGH), store(0x3000, EAX), CLOSE, load(EAX, HIGH), store(0x3004, EAX), mov(EBX, 0x33333333), store(HIGH + 8, EBX),
        load(ECX, LOW + 8), store(0x3008, ECX), OPEN, load(EAX, HIGH), store(0x300c, EAX), movRegister(EAX, ECX), CLOSE, storeByte(HIGH, 0x44), HLT);
      assert.equal([0x3000, 0x3004, 0x3008, 0x300c].map((at) => words(target, at)), [0x22222222, 0x11111111, 0x33333333, 0x22222222]);
      assert.equal([words(target, HIGH), words(target, HIGH + 8), words(target, LOW) & 0xff], [0x22222222, 0, 0x44]);
      put(HIGH + 12, 5);
      assert.equal([words(target, HIGH + 12), words(target, LOW + 12)], [5, 0], "a bus master is behind the gate");
      target.audit();
    });
  }
}

a20("native: page tables are read with the line low too", () => {
  const target = createTarget("native", {});
  const put = (at: number, value: number): void => target.memory.write(at, Uint8Array.from(word(value)));
  put(DIRECTORY, 0x100000 + TABLE | 7);
  for (let page = 0; page < 1024; page++) {
    put(0x100000 + TABLE + page * 4, page << 12 | 7);
    put(TABLE + page * 4, (page === 0x300 ? 0x6 : page) << 12 | 7);
  }
  put(0x6000, 0x66);
  run(target, true, [0xfa], CLOSE, load(EAX, 0x300000), store(0x3000, EAX), HLT);
  assert.is(words(target, 0x3000), 0x66);
});

a20("code that wraps at 1 MB, as programs for the 8086 do", () => {
  const target = createTarget("native", {});
  const { machine: { cpu }, engine, memory } = target;
  target.platform.a20.setFast(false);
  target.platform.a20.setKeyboard(false);
  // FFFF:0010 is the first byte of memory.
  memory.write(0, assemble(0, [0xb8, 0x34, 0x12, 0xf4]).code);
  enterProtectedFlat(cpu, 0x100000);
  cpu.setSegment(S.CS, 0xffff, 0xffff0, 0xffff, S.ATTR_P | S.ATTR_S | S.ATTR_CODE | S.ATTR_READABLE | S.ATTR_ACCESSED);
  cpu.eip = 0x10;
  cpu.modeChanged();
  engine.run(2);
  assert.is(cpu.i32[EAX]! & 0xffff, 0x1234);
});

a20.run();
