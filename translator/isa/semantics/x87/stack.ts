import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import { MF, NM } from "../../../../hypervisor/trap.js";
import type { Instruction, MemOperand } from "../../instruction.js";
import { linearAddress } from "../operand-access.js";
import {
  BUSY, C1, ES, EXCEPTIONS, EXP_MASK, HI, IE, LO, PRECOMPUTATION, R, SE, setIndefinite, SF, TOP_SHIFT,
} from "./bits.js";
import { isZero } from "./nan.js";

/**
 * The register stack and the exceptions of the x87 (SDM vol. 1, 8.1 and 8.4 to 8.7).
 *
 * A register is named by its word index in the heap. FPU_TAG has a bit for each physical register that is not empty;
 * the two-bit tags of the environment are made when it is stored. FPU_FOP is updated when an unmasked exception
 * occurs only (SDM vol. 1, 8.1.9.1). FPU_SW always has TOP, and ES and B set while an unmasked exception is pending.
 */

// ---- entering an instruction -----------------------------------------------------------------------------------------

/** What an x87 instruction without a wait checks. */
export function enterNoWait(cpu: Cpu): void {
  if ((cpu.i32[S.CR0]! & (S.CR0_EM | S.CR0_TS)) !== 0) cpu.raise(NM);
}

/** What every other x87 instruction checks. */
export function enter(cpu: Cpu): void {
  const { i32 } = cpu;
  if ((i32[S.CR0]! & (S.CR0_EM | S.CR0_TS)) !== 0) cpu.raise(NM);
  if ((i32[S.FPU_SW]! & ES) !== 0) errorPending(cpu);
}

const ferrLines = new WeakMap<Cpu, (asserted: boolean) => void>();

/** Connects the FERR# pin, which reports errors while CR0.NE is clear (SDM vol. 1, appendix D): a PC's IRQ 13. */
export function connectFerr(cpu: Cpu, line: (asserted: boolean) => void): void {
  ferrLines.set(cpu, line);
}

export function setFerr(cpu: Cpu, asserted: boolean): void {
  if ((cpu.i32[S.CR0]! & S.CR0_NE) === 0) ferrLines.get(cpu)?.(asserted);
}

/** A waiting instruction finds an unmasked exception: #MF, or with CR0.NE clear FERR# and, as if IGNNE# were asserted, on. */
export function errorPending(cpu: Cpu): void {
  if ((cpu.i32[S.CR0]! & S.CR0_NE) !== 0) cpu.raise(MF);
  setFerr(cpu, true);
}

/** FIP and FCS: the instruction under way is the last x87 instruction that is no control instruction. */
export function setPointers(cpu: Cpu): void {
  const { i32 } = cpu;
  i32[S.FPU_FIP] = i32[S.EIP]!;
  i32[S.FPU_FCS] = i32[S.SELECTOR + S.CS]!;
}

/** The same with FDP and FDS, `la` being the operand's linear address. */
export function setMemoryPointers(cpu: Cpu, m: MemOperand, la: number): void {
  const { i32 } = cpu;
  i32[S.FPU_FIP] = i32[S.EIP]!;
  i32[S.FPU_FCS] = i32[S.SELECTOR + S.CS]!;
  i32[S.FPU_FDP] = la - i32[S.SEG_BASE + m.seg]!;
  i32[S.FPU_FDS] = i32[S.SELECTOR + m.seg]!;
}

/** The memory operand of an instruction. */
export function memoryOperand(instruction: Instruction): MemOperand {
  const operand = instruction.operands[0]!;
  if (operand.kind !== "mem") throw new Error(`${instruction.mnemonic} has no memory operand`);
  return operand;
}

/** Its linear address, for reading `bytes` bytes. */
export function sourceAddress(cpu: Cpu, m: MemOperand, bytes: number): number {
  return linearAddress(cpu, m, bytes, false);
}

export function crossesPage(la: number, bytes: number): boolean {
  return (la & 0xfff) + bytes > 0x1000;
}

/** Its linear address; all of `bytes` bytes can be written. */
export function destinationAddress(cpu: Cpu, m: MemOperand, bytes: number): number {
  const la = linearAddress(cpu, m, bytes, true);
  cpu.mmu.probeWrite(la, bytes);
  return la;
}

/** Number of the stack register that an instruction names as operand `i`; `absent` when it has none. */
export function stackOperand(instruction: Instruction, i: number, absent: number): number {
  const operand = instruction.operands[i];
  return operand === undefined ? absent : operand.kind === "st" ? operand.index : absent;
}

// ---- registers -------------------------------------------------------------------------------------------------------

/** Physical number of ST(i). */
export function physical(i32: Int32Array, i: number): number {
  return ((i32[S.FPU_SW]! >> TOP_SHIFT) + i) & 7;
}

export function isEmpty(i32: Int32Array, register: number): boolean {
  return (i32[S.FPU_TAG]! >> register & 1) === 0;
}

/** Word index of a physical register. */
export function words(register: number): number {
  return S.FPU_REGS + (register << 2);
}

/** Writes R to a physical register, which is then not empty. */
export function store(i32: Int32Array, register: number): void {
  const at = S.FPU_REGS + (register << 2);
  i32[at] = R[LO]!;
  i32[at + 1] = R[HI]!;
  i32[at + 2] = R[SE]!;
  i32[S.FPU_TAG]! |= 1 << register;
}

export function setTop(i32: Int32Array, register: number): void {
  i32[S.FPU_SW] = i32[S.FPU_SW]! & ~0x3800 | (register & 7) << TOP_SHIFT;
}

/** Empties ST(0) and increments TOP. */
export function pop(i32: Int32Array): void {
  const sw = i32[S.FPU_SW]!;
  i32[S.FPU_TAG]! &= ~(1 << (sw >> TOP_SHIFT & 7));
  i32[S.FPU_SW] = sw & ~0x3800 | (sw + 0x800) & 0x3800;
}

/** The two-bit tag of a physical register (SDM vol. 1, 8.1.7): 0 valid, 1 zero, 2 special, 3 empty. */
export function tagOf(i32: Int32Array, register: number): number {
  if (isEmpty(i32, register)) return 3;
  const at = words(register);
  const lo = i32[at]!, hi = i32[at + 1]!, se = i32[at + 2]!;
  if (isZero(lo, hi, se)) return 1;
  const exp = se & EXP_MASK;
  return exp === 0 || exp === EXP_MASK || hi >= 0 ? 2 : 0;
}

// ---- exceptions ------------------------------------------------------------------------------------------------------

/** Records exceptions and C1; a status word's other condition bits stay. */
export function commit(cpu: Cpu, flags: number): void {
  const { i32 } = cpu;
  i32[S.FPU_SW] = i32[S.FPU_SW]! & ~C1 | flags;
  if ((flags & ~i32[S.FPU_CW]! & EXCEPTIONS) !== 0) unmasked(cpu);
}

/** An unmasked exception waits for the next waiting instruction. */
function unmasked(cpu: Cpu): void {
  const { i32 } = cpu;
  i32[S.FPU_SW]! |= ES | BUSY;
  i32[S.FPU_FOP] = opcodeAt(cpu);
  setFerr(cpu, true);
}

/** The 11 opcode bits of the x87 instruction at EIP: three of its first byte and all of its second (SDM vol. 1, 8.1.9). */
function opcodeAt(cpu: Cpu): number {
  let la = cpu.eip + cpu.segBase(S.CS);
  const byte = (): number => cpu.memory.read(cpu.mmu.codeAddress(la++ | 0), 1);
  for (let i = 0; i < 14; i++) {
    const first = byte();
    if ((first & 0xf8) === 0xd8) return (first & 7) << 8 | byte();
  }
  return 0;
}

/** Whether these exceptions keep the destination, and the stack, as they are. */
export function stops(i32: Int32Array, flags: number): boolean {
  return (flags & ~i32[S.FPU_CW]! & PRECOMPUTATION) !== 0;
}

/** Writes R to a register and records `flags`; gives false, with only the flags recorded, after an unmasked #I, #D or #Z. */
export function finish(cpu: Cpu, register: number, flags: number): boolean {
  const { i32 } = cpu;
  if ((flags & ~i32[S.FPU_CW]! & PRECOMPUTATION) !== 0) {
    commit(cpu, flags);
    return false;
  }
  const at = S.FPU_REGS + (register << 2);
  i32[at] = R[LO]!;
  i32[at + 1] = R[HI]!;
  i32[at + 2] = R[SE]!;
  i32[S.FPU_TAG]! |= 1 << register;
  i32[S.FPU_SW] = i32[S.FPU_SW]! & ~C1 | flags;
  if ((flags & ~i32[S.FPU_CW]! & EXCEPTIONS) !== 0) unmasked(cpu);
  return true;
}

/** An operand is empty: the indefinite goes to `register` when #IS is masked. Gives false when it is not. */
export function underflow(cpu: Cpu, register: number): boolean {
  setIndefinite();
  return finish(cpu, register, IE | SF);
}

/**
 * Pushes R. A register that is not empty is a stack overflow: the indefinite, when #IS is masked. Of the unmasked
 * exceptions those in `preventing` prevent it; a load of a denormal is reported and done.
 */
export function push(cpu: Cpu, flags: number, preventing: number = PRECOMPUTATION): void {
  const { i32 } = cpu;
  const register = physical(i32, 7);
  if (!isEmpty(i32, register)) {
    setIndefinite();
    flags = IE | SF | C1;
  }
  if ((flags & ~i32[S.FPU_CW]! & preventing) === 0) {
    store(i32, register);
    setTop(i32, register);
  }
  commit(cpu, flags);
}
