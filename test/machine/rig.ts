import { createMachine, type Machine } from "../../hypervisor/machine.js";
import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { MODEL } from "../../hypervisor/cpu-model.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { createNative, type InterruptController } from "../../hypervisor/native.js";
import { enterProtectedFlat, resetCpu } from "../../hypervisor/reset.js";
import { loadTaskRegister } from "../../hypervisor/segmentation.js";
import { Trap } from "../../hypervisor/trap.js";
import { decoderFor } from "../../translator/isa/decode.js";
import type { Feature } from "../../translator/isa/opcodes.js";
import { Binder } from "../../translator/interpreter/bind.js";
import { SEMANTICS } from "../../translator/isa/semantics/registry.js";

/** A processor on a small memory with tables that tests write by hand: GDT, IDT and TSS at fixed places. */

const PROFILE: CostProfile = {
  schema: "trivisor/profile@1", name: "test", title: "test", hz: 1e9,
  cyclesPerInstruction: { cycles: 1, source: "test" },
  tlb: { data: 64, instruction: 32, source: "test" },
  costs: {},
};

export const GDT = 0x1000, IDT = 0x2000, LDT = 0x3000, TSS = 0x4000, TSS2 = 0x5000, CODE = 0x8000;
export const STACK0 = 0x10000, STACK1 = 0x12000, STACK3 = 0x14000, PAGES = 0x20000;

/** Selectors of the standard GDT; user selectors carry their RPL. */
export const CS0 = 0x08, DS0 = 0x10, CS3 = 0x1b, DS3 = 0x23, TSS_SEL = 0x28, LDT_SEL = 0x30, TSS2_SEL = 0x38, CS1 = 0x41, DS1 = 0x49,
  CONFORMING0 = 0x50, CS0_16 = 0x58, DS0_16 = 0x60, FREE = 0x68;

/** Access bytes (P S DPL type). */
export const CODE_R = 0x9b, DATA_W = 0x93, CONFORMING = 0x9f, dpl = (n: number): number => n << 5;

export interface Rig extends Machine {
  readonly cpu: Cpu;
  /** Writes a segment descriptor; flags are G=8, D=4 as the high nibble of byte 6 has them. */
  descriptor(selector: number, base: number, limit: number, access: number, flags: number): void;
  gate(vector: number, selector: number, offset: number, access: number): void;
  /** Writes a gate into the GDT. */
  gdtGate(selector: number, target: number, offset: number, access: number, parameters?: number): void;
  write(pa: number, ...words: number[]): void;
  write16(pa: number, ...words: number[]): void;
  read(pa: number): number;
  read16(pa: number): number;
  /** Executes the bytes as one system or string instruction at CS:EIP. */
  execute(...bytes: number[]): void;
  /** The pic's line and vector. */
  readonly pic: { intr: boolean; vector: number };
}

export function createRig(memoryBytes = 0x100000): Rig {
  const machine = createMachine(PROFILE, memoryBytes, 0);
  const { cpu, memory } = machine;
  const pic = { intr: false, vector: 0x20 };
  const controller: InterruptController = { get intr() { return pic.intr; }, acknowledge: () => pic.vector };
  cpu.strategy = createNative(controller);
  resetCpu(cpu);
  const decode = decoderFor(MODEL.instructions as readonly Feature[]);

  const putGate = (at: number, selector: number, offset: number, access: number, parameters: number): void => {
    memory.write32(at, selector << 16 | offset & 0xffff);
    memory.write32(at + 4, offset & 0xffff0000 | access << 8 | parameters);
  };
  return {
    ...machine,
    pic,
    descriptor(selector, base, limit, access, flags) {
      const at = ((selector & 4) !== 0 ? LDT : GDT) + (selector & 0xfff8);
      memory.write32(at, base << 16 | limit & 0xffff);
      memory.write32(at + 4, base & 0xff000000 | flags << 20 | limit & 0xf0000 | access << 8 | base >>> 16 & 0xff);
    },
    gate: (vector, selector, offset, access) => putGate(IDT + vector * 8, selector, offset, access, 0),
    gdtGate: (selector, target, offset, access, parameters = 0) => putGate(GDT + (selector & 0xfff8), target, offset, access, parameters),
    write: (pa, ...words) => words.forEach((word, i) => memory.write32(pa + i * 4, word)),
    write16: (pa, ...words) => words.forEach((word, i) => memory.write(pa + i * 2, 2, word)),
    read: (pa) => memory.read(pa, 4),
    read16: (pa) => memory.read(pa, 2),
    execute(...bytes) {
      const wide = (cpu.segAttr(S.CS) & S.ATTR_DB) !== 0;
      const instruction = decode(Uint8Array.from(bytes), 0, bytes.length, wide ? 32 : 16);
      if (instruction.invalid !== null) throw new Error(`invalid test instruction ${bytes.join()}`);
      const semantics = SEMANTICS[instruction.mnemonic];
      if (semantics === undefined) throw new Error(`${instruction.mnemonic} is not here`);
      if (semantics.kind === "inline") new Binder(cpu).bind(instruction, cpu.eip, cpu.i32[S.MODE]!).op();
      else semantics.fn(cpu, instruction);
      if (semantics.kind !== "transfer") cpu.eip = wide ? cpu.eip + instruction.length : (cpu.eip + instruction.length) & 0xffff;
    },
  };
}

/** Protected mode at CPL 0 with the standard GDT, IDT (empty), LDT and 32-bit TSS loaded. */
export function protectedRig(memoryBytes?: number): Rig {
  const rig = createRig(memoryBytes);
  const { cpu } = rig;
  enterProtectedFlat(cpu, CODE);
  rig.descriptor(CS0, 0, 0xfffff, CODE_R, 0xc);
  rig.descriptor(DS0, 0, 0xfffff, DATA_W, 0xc);
  rig.descriptor(CS3, 0, 0xfffff, CODE_R | dpl(3), 0xc);
  rig.descriptor(DS3, 0, 0xfffff, DATA_W | dpl(3), 0xc);
  rig.descriptor(TSS_SEL, TSS, 0x2067, 0x89, 0);
  rig.descriptor(LDT_SEL, LDT, 0xff, 0x82, 0);
  rig.descriptor(TSS2_SEL, TSS2, 0x67, 0x89, 0);
  rig.descriptor(CS1, 0, 0xfffff, CODE_R | dpl(1), 0xc);
  rig.descriptor(DS1, 0, 0xfffff, DATA_W | dpl(1), 0xc);
  rig.descriptor(CONFORMING0, 0, 0xfffff, CONFORMING, 0xc);
  rig.descriptor(CS0_16, 0, 0xffff, CODE_R, 0);
  rig.descriptor(DS0_16, 0, 0xffff, DATA_W, 0);
  cpu.i32[S.GDTR_BASE] = GDT;
  cpu.i32[S.GDTR_LIMIT] = 0xff;
  cpu.i32[S.IDTR_BASE] = IDT;
  cpu.i32[S.IDTR_LIMIT] = 0x7ff;
  rig.write(TSS + 4, STACK0, DS0, STACK1, DS1);
  rig.write16(TSS + 0x66, 0x88);
  loadTaskRegister(cpu, TSS_SEL);
  cpu.esp = STACK0;
  return rig;
}

/** As protectedRig, at CPL 3 on its own stack. */
export function userRig(): Rig {
  const rig = protectedRig();
  goToUser(rig.cpu);
  return rig;
}

export function goToUser(cpu: Cpu): void {
  const code = cpu.segAttr(S.CS) | dpl(3), data = cpu.segAttr(S.SS) | dpl(3);
  cpu.setSegment(S.CS, CS3, 0, -1, code);
  for (const sreg of [S.SS, S.DS, S.ES, S.FS, S.GS]) cpu.setSegment(sreg, DS3, 0, -1, data);
  cpu.setCpl(3);
  cpu.esp = STACK3;
  cpu.modeChanged();
}

export interface Fault { readonly vector: number; readonly errorCode: number | undefined }

/** The trap that `act` throws; fails the test when it throws none. */
export function fault(act: () => void): Fault {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof Trap) return { vector: thrown.vector, errorCode: thrown.errorCode };
    throw thrown;
  }
  throw new Error("no trap was raised");
}

/** All of the processor's state words, to see that nothing changed. */
export function snapshot(cpu: Cpu): Int32Array {
  return cpu.i32.slice(0, S.STATE_WORDS);
}
