import { breakpointsChanged, DR7 } from "../../hypervisor/debug-registers.js";
import * as S from "../../hypervisor/cpu-state.js";
import { UsageError } from "../../hypervisor/errors.js";
import { enterProtectedFlat, FLAT_CODE, FLAT_DATA, resetCpu } from "../../hypervisor/reset.js";
import { REAL_ATTR, V86_ATTR } from "../../hypervisor/segmentation.js";
import { GuestCrash } from "../../hypervisor/trap.js";
import type { Random } from "../isa/random.js";
import { anyWord, type Batch, type Family } from "./family.js";
import { createTarget, type StrategyName, type Target } from "./machines.js";
import { program } from "./programs.js";

/** Random bytes as code in every mode of the processor, under every strategy of a PC's. */

const INSTRUCTIONS = 60, IDLE_LIMIT = 100;
const GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, DIRECTORY = 0x4000, TABLE = 0x5000, PDPT = 0x6000, PAE_DIRECTORY = 0x6800 & ~0xfff | 0x1000, PAE_TABLE = 0x8000,
  TSS2 = 0xa000, CODE = 0xb000, STACK = 0xf000, TABLES_END = 0xb000;
const CODE_BYTES = 0x200;
const MODES = ["real", "unreal", "16-bit protected", "32-bit flat", "32-bit segmented", "paged kernel", "paged user", "pae", "virtual-8086", "vme"] as const;
type Mode = (typeof MODES)[number];

/** Descriptor tables, gates, task states and page tables at fixed places. */
function tables(random: Random): Uint8Array {
  const bytes = new Uint8Array(TABLES_END);
  const view = new DataView(bytes.buffer);
  const descriptor = (at: number, base: number, limit: number, access: number, flags: number): void => {
    view.setUint32(at, base << 16 | limit & 0xffff, true);
    view.setUint32(at + 4, base & 0xff000000 | flags << 20 | limit & 0xf0000 | access << 8 | base >>> 16 & 0xff, true);
  };
  [[0x08, 0, 0xfffff, 0x9b, 0xc], [0x10, 0, 0xfffff, 0x93, 0xc], [0x18, 0, 0xfffff, 0xfb, 0xc], [0x20, 0, 0xfffff, 0xf3, 0xc], [0x28, TSS, 0x2067, 0x8b, 0],
    [0x30, 0, 0xffff, 0x9b, 0], [0x38, 0, 0xffff, 0x93, 0], [0x40, TSS2, 0x67, 0x89, 0], [0x48, 0, 0xfff, 0x97, 4], [0x50, GDT, 0x7f, 0x82, 0],
    [0x58, 0, 0xfffff, 0x9f, 0xc], [0x60, 0, 0xffff, 0xfb, 0], [0x68, 0, 0xffff, 0xf3, 0]]
    .forEach(([at, base, limit, access, flags]) => descriptor(GDT + at!, base!, limit!, access!, flags!));
  // A call gate, a task gate, and one of random bits.
  descriptor(GDT + 0x70, 0, 0, 0, 0);
  view.setUint32(GDT + 0x70, 0x08 << 16 | CODE, true);
  view.setUint32(GDT + 0x74, 0xec00 | random.below(4), true);
  view.setUint32(GDT + 0x78, 0x40 << 16, true);
  view.setUint32(GDT + 0x7c, 0xe500, true);
  view.setUint32(GDT + 0x80, random.next(), true);
  view.setUint32(GDT + 0x84, random.next(), true);
  for (let vector = 0; vector < 256; vector++) {
    view.setUint16(vector * 4, CODE + vector * 3 % CODE_BYTES, true);
    const task = random.below(40) === 0;
    view.setUint32(IDT + vector * 8, (task ? 0x40 : 0x08) << 16 | CODE + vector * 5 % CODE_BYTES, true);
    view.setUint32(IDT + vector * 8 + 4, task ? 0xe500 : random.below(12) === 0 ? random.next() & 0xff00 : random.pick([0x8e00, 0xef00, 0x8600, 0xee00]), true);
  }
  for (const at of [TSS, TSS2]) {
    [[4, STACK - 0x100], [8, 0x10], [0x20, CODE + 0x80], [0x24, random.next() & 0x37ed5], [0x38, STACK - 0x200], [0x48, 0x10], [0x4c, 0x08], [0x50, 0x10], [0x54, 0x10], [0x1c, DIRECTORY]]
      .forEach(([offset, value]) => view.setUint32(at + offset!, value!, true));
    view.setUint32(at + 0x64, 0x88 << 16 | random.below(2), true);
  }
  for (let i = 0x68; i < 0x300; i++) bytes[TSS + i] = random.byte() & random.byte();
  const rights = (): number => random.below(10) === 0 ? random.below(8) : 7;
  view.setUint32(DIRECTORY, TABLE | 7, true);
  view.setUint32(DIRECTORY + 4, 0x83 | random.below(8) << 2, true);
  view.setUint32(DIRECTORY + 8, TABLE | 7, true);
  for (let i = 3; i < 1024; i += 97) view.setUint32(DIRECTORY + i * 4, random.next(), true);
  for (let page = 0; page < 0x400; page++) view.setUint32(TABLE + page * 4, (random.below(30) === 0 ? random.next() & 0xfffff000 : page << 12) | (page < 16 ? 7 : rights()), true);
  for (let i = 0; i < 4; i++) view.setUint32(PDPT + i * 8, PAE_DIRECTORY | 1, true);
  view.setUint32(PAE_DIRECTORY, PAE_TABLE | 7, true);
  view.setUint32(PAE_DIRECTORY + 8, 0x200087, true);
  for (let page = 0; page < 0x200; page++) view.setUint32(PAE_TABLE + page * 8, page << 12 | (page < 16 ? 7 : rights()), true);
  return bytes;
}

function setSegments(target: Target, sregs: readonly number[], selector: number, base: number, limit: number, attr: number): void {
  for (const sreg of sregs) target.machine.cpu.setSegment(sreg, selector, base, limit, attr);
}

const DATA_SEGMENTS = [S.SS, S.DS, S.ES, S.FS, S.GS];

/** Puts the processor into a mode, with code at CODE. */
function enter(target: Target, random: Random, mode: Mode): void {
  const { cpu } = target.machine;
  const { i32 } = cpu;
  const real = mode === "real" || mode === "unreal";
  if (real) resetCpu(cpu);
  else enterProtectedFlat(cpu, CODE);
  cpu.exitCode = undefined;
  for (let r = 0; r < 8; r++) i32[r] = random.below(3) === 0 ? anyWord(random) : random.below(0x10000);
  i32[S.ESP] = STACK - 0x80 + random.below(4);
  i32[S.EIP] = CODE + random.below(16);
  let flags = random.next() & 0x47cd5 | (random.below(6) === 0 ? S.FLAG_TF : 0) | (random.below(6) === 0 ? S.FLAG_RF : 0) | (random.below(2) === 0 ? S.FLAG_IF : 0) | 2;
  if (real) {
    setSegments(target, [S.CS, ...DATA_SEGMENTS], 0, 0, 0xffff, REAL_ATTR);
    if (mode === "unreal") setSegments(target, DATA_SEGMENTS, 0, 0, -1, REAL_ATTR);
    i32[S.IDTR_LIMIT] = 0x3ff;
  } else {
    i32[S.GDTR_BASE] = GDT;
    i32[S.GDTR_LIMIT] = 0x87;
    i32[S.IDTR_BASE] = IDT;
    i32[S.IDTR_LIMIT] = 0x7ff;
    cpu.setSegment(S.TR, 0x28, TSS, 0x2067, S.ATTR_P | 0xb);
    cpu.setSegment(S.LDTR, 0x50, GDT, 0x7f, S.ATTR_P | 2);
    i32[S.CR4] = random.below(3) === 0 ? random.next() & 0x61f : 0x600;
    if (random.below(2) === 0) i32[S.CR0] = cpu.cr0 | random.next() & (S.CR0_MP | S.CR0_NE | S.CR0_WP | S.CR0_AM);
  }
  const dpl3 = 3 << S.ATTR_DPL_SHIFT, narrow = ~(S.ATTR_DB | S.ATTR_G);
  const page = (root: number): void => {
    i32[S.CR3] = root;
    i32[S.CR0] = cpu.cr0 | S.CR0_PG;
  };
  switch (mode) {
    case "16-bit protected":
      cpu.setSegment(S.CS, 0x30, 0, 0xffff, FLAT_CODE & narrow);
      setSegments(target, DATA_SEGMENTS, 0x38, 0, 0xffff, FLAT_DATA & narrow);
      break;
    case "32-bit segmented":
      cpu.setSegment(S.CS, 0x08, 0, 0xffff, FLAT_CODE);
      setSegments(target, [S.DS, S.ES], 0x10, random.below(0x8000), random.pick([0xffff, 0xfff, -1]), random.pick([FLAT_DATA, FLAT_DATA | S.ATTR_EXPAND_DOWN]));
      break;
    case "paged kernel": page(DIRECTORY); break;
    case "pae":
      i32[S.CR4]! |= S.CR4_PAE;
      page(PDPT);
      break;
    case "paged user":
      page(DIRECTORY);
      cpu.setSegment(S.CS, 0x1b, 0, -1, FLAT_CODE | dpl3);
      setSegments(target, DATA_SEGMENTS, 0x23, 0, -1, FLAT_DATA | dpl3);
      cpu.setCpl(3);
      break;
    case "virtual-8086": case "vme":
      if (mode === "vme") {
        i32[S.CR4]! |= S.CR4_VME;
        page(DIRECTORY);
        flags |= random.next() & (S.FLAG_VIF | S.FLAG_VIP);
      }
      setSegments(target, [S.CS, ...DATA_SEGMENTS], 0, 0, 0xffff, V86_ATTR);
      flags |= S.FLAG_VM;
      cpu.setCpl(3);
      break;
    default:
  }
  cpu.eflags = flags;
  if (random.below(5) === 0) {
    for (let n = 0; n < 4; n++) i32[S.DR0 + n] = random.pick([CODE, STACK - 0x100, TSS, 0]) + random.below(0x100);
    i32[DR7] = random.next() & 0xffff00ff | 0x400;
    breakpointsChanged(cpu);
  }
  cpu.modeChanged();
}

/** A machine with the tables in it; each case gets fresh ones, fresh code and another state. */
function begin(strategy: StrategyName, random: Random): Batch {
  const target = createTarget(strategy, random.pick([{}, { hot: 2, handlers: 1 }, { hot: 3, regions: 2 }, { warm: 2, batch: 1, hot: 20 }]));
  const { machine: { cpu, ledger }, engine, memory } = target;
  let idle = 0;
  ledger.onIdle = () => { if (++idle > IDLE_LIMIT) engine.stop(); };
  let pristine = tables(random);
  return {
    run: (r) => {
      if (r.below(8) === 0) pristine = tables(r);
      const modes = strategy === "hvm-shadow" ? MODES.slice(2) : MODES;
      const mode = r.pick(modes);
      const wide = mode !== "real" && mode !== "unreal" && mode !== "16-bit protected" && mode !== "virtual-8086" && mode !== "vme";
      target.before();
      target.platform.a20.setFast(true);
      memory.write(0, pristine);
      memory.write(CODE, program(r, CODE_BYTES, wide, CODE));
      enter(target, r, mode);
      target.after();
      if (r.below(20) === 0) cpu.signalNmi();
      idle = 0;
      try {
        engine.run(INSTRUCTIONS);
      } catch (error) {
        if (!(error instanceof GuestCrash) && !(strategy === "hvm-shadow" && error instanceof UsageError)) throw error;
      }
    },
    end: () => target.audit(),
  };
}

const SHARES: readonly (readonly [StrategyName, number])[] = [["native", 46], ["dbt", 7], ["hvm-ept", 4], ["hvm-shadow", 0.7], ["classic", 5]];

export const CODE_FAMILIES: readonly Family[] = SHARES.map(([strategy, share]) => ({
  name: `code.${strategy}`, share, batch: 500, begin: (random) => begin(strategy, random),
}));
