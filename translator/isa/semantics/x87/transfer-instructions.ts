import type { Cpu } from "../../../../hypervisor/cpu.js";
import * as S from "../../../../hypervisor/cpu-state.js";
import type { Instruction, MemOperand } from "../../instruction.js";
import { linearAddress } from "../operand-access.js";
import { type ComplexFunction, helper, type Semantics } from "../semantics.js";
import { loadFloat } from "./arithmetic-instructions.js";
import { C1, HI, IE, LO, OE, PE, PRECOMPUTATION, R, RC_SHIFT, SE, setIndefinite, setResult, SF, UE } from "./bits.js";
import { fromInt32, fromInt64, toDouble, toInteger, toSingle } from "./convert.js";
import { DECIMAL, fromDecimal, toDecimal } from "./decimal.js";
import { isNaN80, quiet } from "./nan.js";
import {
  commit, crossesPage, enter, finish, isEmpty, memoryOperand, physical, pop, push, setMemoryPointers, setPointers, setTop, sourceAddress, stackOperand,
  store, underflow, words,
} from "./stack.js";

/** Data transfer: loads, stores, exchanges, conditional moves, constants (SDM vol. 1, 8.3.1 to 8.3.4). */

// ---- loads -----------------------------------------------------------------------------------------------------------

function fld(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  const operand = instruction.operands[0]!;
  if (operand.kind === "mem") return loadMemory(cpu, operand);
  setPointers(cpu);
  const { i32 } = cpu;
  const s = physical(i32, stackOperand(instruction, 0, 0)), a = words(s);
  if (isEmpty(i32, s)) {
    const d = physical(i32, 7);
    if (underflow(cpu, d)) setTop(i32, d);
    return;
  }
  setResult(i32[a + 2]!, i32[a + 1]!, i32[a]!);
  push(cpu, 0);
}

function loadMemory(cpu: Cpu, m: MemOperand): void {
  const la = sourceAddress(cpu, m, m.size >> 3);
  let flags = 0;
  if (m.size === 80) {
    cpu.mmu.probeRead(la, 10);
    setResult(cpu.mmu.read16(la + 8 | 0), cpu.mmu.read32(la + 4 | 0), cpu.mmu.read32(la));
  } else {
    flags = loadFloat(cpu, m, la);
    if (isNaN80(R[LO]!, R[HI]!, R[SE]!)) flags = quiet(R[LO]!, R[HI]!, R[SE]!);
  }
  setMemoryPointers(cpu, m, la);
  push(cpu, flags, IE);
}

function fild(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  const m = memoryOperand(instruction);
  const la = sourceAddress(cpu, m, m.size >> 3);
  if (m.size === 64) {
    if (crossesPage(la, 8)) cpu.mmu.probeRead(la, 8);
    fromInt64(cpu.mmu.read32(la), cpu.mmu.read32(la + 4 | 0));
  } else fromInt32(m.size === 16 ? cpu.mmu.read16(la) << 16 >> 16 : cpu.mmu.read32(la));
  setMemoryPointers(cpu, m, la);
  push(cpu, 0);
}

function fbld(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  const m = memoryOperand(instruction);
  const la = sourceAddress(cpu, m, 10);
  cpu.mmu.probeRead(la, 10);
  fromDecimal(cpu.mmu.read32(la), cpu.mmu.read32(la + 4 | 0), cpu.mmu.read16(la + 8 | 0));
  setMemoryPointers(cpu, m, la);
  push(cpu, 0);
}

// ---- stores ----------------------------------------------------------------------------------------------------------

/** Converts ST(0) (or, when that is empty, the indefinite) and leaves words to store in R; gives the exceptions. */
type Conversion = (lo: number, hi: number, se: number, cw: number, bits: number) => number;

function storing(convert: Conversion, popped: boolean): ComplexFunction {
  return (cpu, instruction) => {
    enter(cpu);
    const m = memoryOperand(instruction);
    const bytes = m.size >> 3;
    const la = linearAddress(cpu, m, bytes, true);
    const { i32 } = cpu;
    const s = physical(i32, 0), a = words(s), cw = i32[S.FPU_CW]!;
    let flags: number;
    if (isEmpty(i32, s)) {
      convert(0, 0xc0000000 | 0, 0xffff, cw, m.size);
      flags = IE | SF;
    } else flags = convert(i32[a]!, i32[a + 1]!, i32[a + 2]!, cw, m.size);
    // Nothing is stored, so nothing was rounded, after an unmasked overflow or underflow.
    if ((flags & ~cw & (OE | UE)) !== 0) flags &= ~(PE | C1);
    const stored = (flags & ~cw & (PRECOMPUTATION | OE | UE)) === 0;
    // The first write of an operand within a page faults before anything has changed.
    if (!stored || crossesPage(la, bytes)) cpu.mmu.probeWrite(la, bytes);
    if (stored) writeResult(cpu, la, bytes);
    setMemoryPointers(cpu, m, la);
    commit(cpu, flags);
    if (stored && popped) pop(i32);
  };
}

function writeResult(cpu: Cpu, la: number, bytes: number): void {
  if (bytes === 2) return cpu.mmu.write16(la, R[LO]!);
  cpu.mmu.write32(la, R[LO]!);
  if (bytes > 4) cpu.mmu.write32(la + 4 | 0, R[HI]!);
  if (bytes > 8) cpu.mmu.write16(la + 8 | 0, R[SE]!);
}

const toFloat: Conversion = (lo, hi, se, cw, bits) => {
  if (bits === 32) return toSingle(lo, hi, se, cw);
  if (bits === 64) return toDouble(lo, hi, se, cw);
  setResult(se, hi, lo);
  return 0;
};

const toPackedDecimal: Conversion = (lo, hi, se, cw) => {
  const flags = toDecimal(lo, hi, se, cw);
  R.set(DECIMAL);
  return flags;
};

/** FST and FSTP to a register or memory. `fromEmpty`: an empty ST(0) is popped without complaint and nothing stored (FSTPNCE). */
function fst(popped: boolean, fromEmpty: boolean): ComplexFunction {
  const toMemory = storing(toFloat, popped);
  return (cpu, instruction) => {
    if (instruction.operands[0]!.kind === "mem") return toMemory(cpu, instruction);
    enter(cpu);
    setPointers(cpu);
    const { i32 } = cpu;
    const s = physical(i32, 0), d = physical(i32, stackOperand(instruction, 0, 0)), a = words(s);
    let done = true;
    if (isEmpty(i32, s)) {
      if (fromEmpty) commit(cpu, 0);
      else done = underflow(cpu, d);
    } else {
      setResult(i32[a + 2]!, i32[a + 1]!, i32[a]!);
      finish(cpu, d, 0);
    }
    if (done && popped) pop(i32);
  };
}

/** FIST rounds as the control word says. */
const toSigned: Conversion = (lo, hi, se, cw, bits) => toInteger(lo, hi, se, cw, bits);

// ---- between registers -----------------------------------------------------------------------------------------------

function fxch(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  setPointers(cpu);
  const { i32 } = cpu;
  const other = stackOperand(instruction, 1, stackOperand(instruction, 0, 1));
  const p = physical(i32, 0), q = physical(i32, other), a = words(p), b = words(q);
  let flags = 0;
  if (isEmpty(i32, p) || isEmpty(i32, q)) {
    flags = IE | SF;
    if ((i32[S.FPU_CW]! & IE) === 0) return commit(cpu, flags);
    setIndefinite();
    if (isEmpty(i32, p)) store(i32, p);
    if (isEmpty(i32, q)) store(i32, q);
  }
  for (let w = 0; w < 3; w++) {
    const word = i32[a + w]!;
    i32[a + w] = i32[b + w]!;
    i32[b + w] = word;
  }
  commit(cpu, flags);
}

function fcmov(cpu: Cpu, instruction: Instruction): void {
  enter(cpu);
  setPointers(cpu);
  const { i32 } = cpu;
  const d = physical(i32, 0), s = physical(i32, stackOperand(instruction, 1, 0)), a = words(s);
  if (isEmpty(i32, d) || isEmpty(i32, s)) {
    underflow(cpu, d);
    return;
  }
  if (cpu.condition(instruction.cc)) {
    setResult(i32[a + 2]!, i32[a + 1]!, i32[a]!);
    store(i32, d);
  }
}

// ---- constants -------------------------------------------------------------------------------------------------------

/** Pushes a constant of 66 bits rounded (SDM vol. 1, 8.3.4): truncated significand, and the word of bits below. */
function constant(se: number, hi: number, lo: number, below: number): ComplexFunction {
  const inexact = below !== 0;
  return (cpu) => {
    enter(cpu);
    setPointers(cpu);
    const rc = cpu.i32[S.FPU_CW]! >> RC_SHIFT & 3;
    const up = inexact && (rc === 2 || (rc === 0 && below < 0));
    setResult(se, hi, up ? lo + 1 : lo);
    push(cpu, 0);
  };
}

const word = (bits: number): number => bits | 0;

export const X87_TRANSFER: Readonly<Record<string, Semantics>> = {
  FLD: helper(fld),
  FILD: helper(fild),
  FBLD: helper(fbld),
  FST: helper(fst(false, false)),
  FSTP: helper(fst(true, false)),
  FSTPNCE: helper(fst(true, true)),
  FIST: helper(storing(toSigned, false)),
  FISTP: helper(storing(toSigned, true)),
  FBSTP: helper(storing(toPackedDecimal, true)),
  FXCH: helper(fxch),
  FCMOVcc: helper(fcmov),
  FLD1: helper(constant(0x3fff, word(0x80000000), 0, 0)),
  FLDZ: helper(constant(0, 0, 0, 0)),
  FLDL2T: helper(constant(0x4000, word(0xd49a784b), word(0xcd1b8afe), word(0x492bf6ff))),
  FLDL2E: helper(constant(0x3fff, word(0xb8aa3b29), word(0x5c17f0bb), word(0xbe87fed0))),
  FLDPI: helper(constant(0x4000, word(0xc90fdaa2), word(0x2168c234), word(0xc4c6628b))),
  FLDLG2: helper(constant(0x3ffd, word(0x9a209a84), word(0xfbcff798), word(0x8f8959ac))),
  FLDLN2: helper(constant(0x3ffe, word(0xb17217f7), word(0xd1cf79ab), word(0xc9e3b398))),
};
