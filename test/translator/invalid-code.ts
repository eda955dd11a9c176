// Random bytes as code in every mode of the processor: it ends by its limit, halts or shuts down; never in an exception of
// JavaScript's, never in a hang, and the same in every tier. TRIVISOR_FUZZ=N runs N cases.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { createNative } from "../../hypervisor/native.js";
import { enterProtectedFlat, FLAT_CODE, FLAT_DATA, resetCpu } from "../../hypervisor/reset.js";
import { REAL_ATTR } from "../../hypervisor/segmentation.js";
import { GuestCrash } from "../../hypervisor/trap.js";
import { Engine, type EngineOptions } from "../../translator/engine.js";
import { Random } from "../isa/random.js";
import { PROFILE } from "./rig.js";

const CASES = Number(process.env["TRIVISOR_FUZZ"] ?? 800);
const SEED = Number(process.env["TRIVISOR_SEED"] ?? 1);
const INSTRUCTIONS = 400;
const MEMORY = 0x40000, CODE = 0x8000, GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, DIRECTORY = 0x4000, TABLE = 0x5000, STACK = 0x20000;

const MODES = ["real", "16-bit protected", "32-bit flat", "32-bit segmented", "32-bit paged user", "virtual-8086"] as const;
type Mode = (typeof MODES)[number];

interface Box { readonly machine: Machine; readonly engine: Engine }

function box(options: EngineOptions): Box {
  const machine = createMachine(PROFILE, MEMORY, 0);
  machine.cpu.strategy = createNative({ intr: false, acknowledge: () => 0x20 });
  return { machine, engine: new Engine(machine, options) };
}

/** Memory with descriptor, interrupt and page tables that work, random everywhere else where code may wander. */
function image(random: Random, mode: Mode): Uint8Array {
  const bytes = new Uint8Array(MEMORY);
  const view = new DataView(bytes.buffer);
  for (let i = 0x6000; i < 0x10000; i++) bytes[i] = random.byte();
  for (let i = 0x10000; i < MEMORY; i += 4) view.setUint32(i, random.next() >>> 8, true);
  const descriptor = (at: number, base: number, limit: number, access: number, flags: number): void => {
    view.setUint32(at, base << 16 | limit & 0xffff, true);
    view.setUint32(at + 4, base & 0xff000000 | flags << 20 | limit & 0xf0000 | access << 8 | base >>> 16 & 0xff, true);
  };
  descriptor(GDT + 0x08, 0, 0xfffff, 0x9b, 0xc);
  descriptor(GDT + 0x10, 0, 0xfffff, 0x93, 0xc);
  descriptor(GDT + 0x18, 0, 0xfffff, 0xfb, 0xc);
  descriptor(GDT + 0x20, 0, 0xfffff, 0xf3, 0xc);
  descriptor(GDT + 0x28, TSS, 0x2067, 0x8b, 0);
  descriptor(GDT + 0x30, 0, 0xffff, 0x9b, 0);
  descriptor(GDT + 0x38, 0, 0xffff, 0x93, 0);
  for (let i = 0x40; i < 0x80; i++) bytes[GDT + i] = random.byte();
  for (let vector = 0; vector < 256; vector++) {
    if (mode === "real") {
      view.setUint16(vector * 4, CODE + vector * 3 & 0xffff, true);
      view.setUint16(vector * 4 + 2, 0, true);
    } else {
      const target = CODE + vector * 17;
      view.setUint32(IDT + vector * 8, 0x08 << 16 | target & 0xffff, true);
      view.setUint32(IDT + vector * 8 + 4, target & 0xffff0000 | (random.below(9) === 0 ? random.next() & 0xff00 : random.pick([0x8e00, 0xef00, 0x8600])), true);
    }
  }
  view.setUint32(TSS + 4, STACK - 0x100, true);
  view.setUint32(TSS + 8, 0x10, true);
  view.setUint16(TSS + 0x66, 0x68, true);
  view.setUint32(DIRECTORY, TABLE | 7, true);
  for (let page = 0; page < 0x400; page++) view.setUint32(TABLE + page * 4, page << 12 | (random.below(8) === 0 ? random.below(8) : 7), true);
  return bytes;
}

function enter({ machine: { cpu, memory } }: Box, bytes: Uint8Array, mode: Mode, registers: readonly number[], entry: number): void {
  const { i32 } = cpu;
  memory.writeBytes(0, bytes);
  if (mode === "real") {
    resetCpu(cpu);
    for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, 0, 0, 0xffff, REAL_ATTR);
    i32[S.IDTR_LIMIT] = 0x3ff;
  } else enterProtectedFlat(cpu, entry);
  registers.forEach((value, r) => { i32[r] = value; });
  i32[S.EIP] = entry;
  cpu.exitCode = undefined;
  if (mode !== "real") {
    i32[S.GDTR_BASE] = GDT;
    i32[S.GDTR_LIMIT] = 0x7f;
    i32[S.IDTR_BASE] = IDT;
    i32[S.IDTR_LIMIT] = 0x7ff;
    cpu.setSegment(S.TR, 0x28, TSS, 0x2067, S.ATTR_P | 0xb);
    i32[S.ESP] = STACK - 0x800;
  } else i32[S.ESP] = 0x7000;
  if (mode === "16-bit protected") {
    cpu.setSegment(S.CS, 0x30, 0, 0xffff, FLAT_CODE & ~(S.ATTR_DB | S.ATTR_G));
    for (const sreg of [S.SS, S.DS, S.ES]) cpu.setSegment(sreg, 0x38, 0, 0xffff, FLAT_DATA & ~(S.ATTR_DB | S.ATTR_G));
    i32[S.ESP] = 0x7000;
  } else if (mode === "32-bit segmented") {
    cpu.setSegment(S.DS, 0x10, 0x10000, 0x1ffff, FLAT_DATA);
    cpu.setSegment(S.CS, 0x08, 0, 0xffff, FLAT_CODE);
  } else if (mode === "32-bit paged user") {
    i32[S.CR3] = DIRECTORY;
    i32[S.CR0]! |= S.CR0_PG | S.CR0_WP;
    cpu.setSegment(S.CS, 0x1b, 0, -1, FLAT_CODE | 3 << S.ATTR_DPL_SHIFT);
    for (const sreg of [S.SS, S.DS, S.ES]) cpu.setSegment(sreg, 0x23, 0, -1, FLAT_DATA | 3 << S.ATTR_DPL_SHIFT);
    cpu.setCpl(3);
  } else if (mode === "virtual-8086") {
    for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, 0, 0, 0xffff, REAL_ATTR | 3 << S.ATTR_DPL_SHIFT);
    cpu.eflags = S.FLAG_VM | 2 | (registers[0]! & S.FLAG_IOPL);
    cpu.setCpl(3);
    i32[S.ESP] = 0x7000;
  }
  cpu.modeChanged();
}

/** How it ended, as a word; anything but the project's own outcomes is thrown on. */
function finish({ engine, machine }: Box, piece: number): string {
  const last = machine.ledger.instructions + INSTRUCTIONS;
  try {
    for (;;) {
      const left = last - machine.ledger.instructions;
      if (left <= 0) return "limit";
      const outcome = engine.run(Math.min(piece, left));
      if (outcome.reason !== "limit") return outcome.reason;
    }
  } catch (error) {
    if (error instanceof GuestCrash) return error.message;
    throw error;
  }
}

const name = suite("invalid code");

for (const mode of MODES) {
  name(mode, () => {
    const boxes = [box({ jit: false }), box({ hot: 1 }), box({ hot: 3 })];
    const endings = new Map<string, number>();
    for (let n = 0; n < CASES / MODES.length; n++) {
      const random = new Random(Math.imul(SEED * 65537 + n, 0x9e3779b1) ^ MODES.indexOf(mode));
      const bytes = image(random, mode);
      const registers = Array.from({ length: 8 }, () => random.below(2) === 0 ? random.below(0x10000) : random.next() | 0);
      const entry = CODE + random.below(0x4000);
      let expected: string | undefined, state: Int32Array | undefined, memory: Buffer | undefined;
      boxes.forEach((b, i) => {
        const where = `${mode}, TRIVISOR_SEED=${SEED} case ${n}, engine ${i}`;
        enter(b, bytes, mode, registers, entry);
        const began = b.machine.ledger.instructions;
        let ending: string;
        try {
          ending = finish(b, i === 0 ? INSTRUCTIONS : i === 1 ? 13 : INSTRUCTIONS);
        } catch (error) {
          throw new Error(`${where}: ${(error as Error).stack}`);
        }
        const { cpu } = b.machine;
        const words = cpu.i32.slice(0, S.SCRATCH);
        words[S.BUDGET] = words[S.CC_OP] = words[S.CC_SRC] = words[S.CC_AUX] = 0;
        words[S.CC_DST] = cpu.eflags;
        const contents = Buffer.from(b.machine.heap.u8.subarray(RAM_BASE, RAM_BASE + MEMORY));
        ending += ` after ${b.machine.ledger.instructions - began}`;
        if (i === 0) {
          expected = ending;
          state = words;
          memory = contents;
          const word = ending.split(" ")[0]!;
          endings.set(word, (endings.get(word) ?? 0) + 1);
          return;
        }
        assert.is(ending, expected, where);
        // RDTSC and what is made of it differs: time goes on from case to case, but for all engines alike.
        for (let w = 0; w < words.length; w++) if (words[w] !== state![w]) assert.unreachable(`${where}: word ${w}: ${state![w]} / ${words[w]}`);
        assert.ok(contents.equals(memory!), `${where}: memory`);
      });
    }
    assert.ok((endings.get("limit") ?? 0) > 0, [...endings].join());
  });
}

name.run();
