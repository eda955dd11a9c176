import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { BUSY, CW_DEFAULT, ES, EXCEPTIONS, TOP_SHIFT } from "./bits.js";
import { tagOf, words } from "./stack.js";

/** The environment and the whole state in memory (SDM vol. 1, 8.1.10 and 8.1.11, figures 8-9 to 8-12). */

/** Bits of the control word that can be written, and the one that always reads as set. */
const CW_WRITABLE = 0x1f3f, CW_FIXED = 0x40;

export function setControlWord(i32: Int32Array, value: number): void {
  i32[S.FPU_CW] = value & CW_WRITABLE | CW_FIXED;
  updateSummary(i32);
}

/** ES and B after the masks or the flags changed. */
export function updateSummary(i32: Int32Array): void {
  const pending = (i32[S.FPU_SW]! & ~i32[S.FPU_CW]! & EXCEPTIONS) !== 0;
  i32[S.FPU_SW] = i32[S.FPU_SW]! & ~(ES | BUSY) | (pending ? ES | BUSY : 0);
}

/** FNINIT. */
export function initialize(i32: Int32Array): void {
  i32[S.FPU_CW] = CW_DEFAULT;
  i32[S.FPU_SW] = 0;
  i32[S.FPU_TAG] = 0;
  i32[S.FPU_FIP] = i32[S.FPU_FCS] = i32[S.FPU_FDP] = i32[S.FPU_FDS] = i32[S.FPU_FOP] = 0;
}

/** Full tag word of all registers. */
export function tagWord(i32: Int32Array): number {
  let tags = 0;
  for (let register = 0; register < 8; register++) tags |= tagOf(i32, register) << (2 * register);
  return tags;
}

/** Of a loaded tag word only "empty" counts. */
function setTagWord(i32: Int32Array, tags: number): void {
  let occupied = 0;
  for (let register = 0; register < 8; register++) if ((tags >> (2 * register) & 3) !== 3) occupied |= 1 << register;
  i32[S.FPU_TAG] = occupied;
}

/** Real-address and virtual-8086 mode have linear pointers in place of selectors and offsets. */
function realFormat(cpu: Cpu): boolean {
  return !cpu.protectedMode || cpu.v86;
}

const linear = (selector: number, offset: number): number => ((selector & 0xffff) << 4) + offset | 0;

/** Bytes of an environment by operand size. */
export function environmentBytes(opSize: number): number {
  return opSize === 16 ? 14 : 28;
}

export function storeEnvironment(cpu: Cpu, la: number, opSize: number): void {
  const { i32, mmu } = cpu;
  const ip = i32[S.FPU_FIP]!, cs = i32[S.FPU_FCS]!, dp = i32[S.FPU_FDP]!, ds = i32[S.FPU_FDS]!, opcode = i32[S.FPU_FOP]! & 0x7ff;
  const fields = [i32[S.FPU_CW]!, i32[S.FPU_SW]!, tagWord(i32)];
  if (realFormat(cpu)) {
    const code = linear(cs, ip), data = linear(ds, dp);
    fields.push(code & 0xffff, code >>> 16 << 12 | opcode, data & 0xffff, data >>> 16 << 12);
  } else if (opSize === 16) fields.push(ip, cs, dp, ds);
  else fields.push(ip, cs & 0xffff | opcode << 16, dp, ds);
  if (opSize === 16) {
    fields.forEach((value, i) => mmu.write16(la + 2 * i | 0, value & 0xffff));
    return;
  }
  // The upper halves of 16-bit fields read as ones.
  const real = realFormat(cpu);
  fields.forEach((value, i) => {
    const half = i < 3 || i === 6 && !real || real && (i === 3 || i === 5);
    mmu.write32(la + 4 * i | 0, half ? value | 0xffff0000 : value);
  });
}

export function loadEnvironment(cpu: Cpu, la: number, opSize: number): void {
  const { i32, mmu } = cpu;
  const fields: number[] = [];
  for (let i = 0; i < 7; i++) fields.push(opSize === 16 ? mmu.read16(la + 2 * i | 0) : mmu.read32(la + 4 * i | 0));
  const [cw, sw, tags, ip, code, dp, data] = fields as [number, number, number, number, number, number, number];
  if (realFormat(cpu)) {
    const high = opSize === 16 ? 0xf0000 : 0xffff0000;
    i32[S.FPU_FIP] = ip & 0xffff | code << 4 & high;
    i32[S.FPU_FDP] = dp & 0xffff | data << 4 & high;
    i32[S.FPU_FCS] = i32[S.FPU_FDS] = 0;
    i32[S.FPU_FOP] = code & 0x7ff;
  } else {
    i32[S.FPU_FIP] = ip;
    i32[S.FPU_FCS] = code & 0xffff;
    i32[S.FPU_FOP] = opSize === 16 ? 0 : code >>> 16 & 0x7ff;
    i32[S.FPU_FDP] = dp;
    i32[S.FPU_FDS] = data & 0xffff;
  }
  i32[S.FPU_SW] = sw & 0xffff;
  setTagWord(i32, tags);
  setControlWord(i32, cw);
}

/** The eight registers in stack order, ten bytes each. */
export function storeRegisters(cpu: Cpu, la: number): void {
  const { i32, mmu } = cpu;
  for (let i = 0; i < 8; i++) {
    const a = words(((i32[S.FPU_SW]! >> TOP_SHIFT) + i) & 7), at = la + 10 * i;
    mmu.write32(at | 0, i32[a]!);
    mmu.write32(at + 4 | 0, i32[a + 1]!);
    mmu.write16(at + 8 | 0, i32[a + 2]!);
  }
}

export function loadRegisters(cpu: Cpu, la: number): void {
  const { i32, mmu } = cpu;
  for (let i = 0; i < 8; i++) {
    const a = words(((i32[S.FPU_SW]! >> TOP_SHIFT) + i) & 7), at = la + 10 * i;
    i32[a] = mmu.read32(at | 0);
    i32[a + 1] = mmu.read32(at + 4 | 0);
    i32[a + 2] = mmu.read16(at + 8 | 0);
  }
}
