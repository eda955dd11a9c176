import type { Cpu } from "../../../hypervisor/cpu.js";
import * as S from "../../../hypervisor/cpu-state.js";
import { CC_SUB } from "../../../hypervisor/flags.js";
import { referenceAllowed, segmentAddress } from "../../../hypervisor/segmentation.js";
import { checkPort } from "../../../hypervisor/tss.js";
import type { Instruction } from "../instruction.js";
import { loadLinear, storeLinear } from "./operand-access.js";
import { transfer, type Semantics } from "./semantics.js";

/**
 * String instructions (SDM vol. 1, 7.3.9; vol. 2, REP). A repeated one does at most ITERATIONS_AT_ONCE iterations an
 * execution and leaves EIP at itself while it is not through, so that interrupts come between. A fault finds the registers
 * as after the iterations that completed, and EFLAGS as before the instruction.
 */
export const ITERATIONS_AT_ONCE = 4096;

interface StringOperation {
  /** Uses ESI; uses EDI. */
  readonly source: boolean;
  readonly destination: boolean;
  /** One iteration at the offsets `si` and `di`; false ends the repetition. */
  readonly element: (cpu: Cpu, instruction: Instruction, si: number, di: number) => boolean;
  /** As many iterations up to `most` as go in one piece upwards, 0 when none do: on pages of plain memory that are in the TLB. */
  readonly bulk?: (cpu: Cpu, instruction: Instruction, si: number, di: number, most: number) => number;
  readonly compares?: true;
  readonly port?: true;
}

const sourceSegment = (instruction: Instruction): number => instruction.seg >= 0 ? instruction.seg : S.DS;

function loadSource(cpu: Cpu, instruction: Instruction, si: number): number {
  return loadLinear(cpu, segmentAddress(cpu, sourceSegment(instruction), si, instruction.size >> 3, false), instruction.size);
}

function run(cpu: Cpu, instruction: Instruction, operation: StringOperation): void {
  const { i32 } = cpu;
  const { addrSize, size } = instruction;
  const repeated = instruction.rep !== "";
  const count = repeated ? cpu.reg(S.ECX, addrSize) >>> 0 : 1;
  // A single-stepped one traps after each iteration, and so does one that meets a data breakpoint (SDM vol. 3, 17.3.1.2 and 17.3.1.4).
  const most = Math.min(count, (i32[S.EFLAGS_SYS]! & S.FLAG_TF) !== 0 ? 1 : ITERATIONS_AT_ONCE - i32[S.STRING_DONE]!);
  i32[S.STRING_DONE] = 0;
  const step = (i32[S.EFLAGS_SYS]! & S.FLAG_DF) !== 0 ? -(size >> 3) : size >> 3;
  const bulk = repeated && step > 0 ? operation.bulk : undefined;
  const offset = (value: number): number => addrSize === 16 ? value & 0xffff : value | 0;
  let si = cpu.reg(S.ESI, addrSize), di = cpu.reg(S.EDI, addrSize);
  let done = 0, more = true, completed = false;
  const op = i32[S.CC_OP]!, dst = i32[S.CC_DST]!, src = i32[S.CC_SRC]!, aux = i32[S.CC_AUX]!;
  if (operation.port && most !== 0) checkPort(cpu, cpu.reg(S.EDX, 16), size >> 3);
  try {
    while (more && done < most && cpu.debugHits === 0) {
      let n = bulk === undefined ? 0 : bulk(cpu, instruction, si, di, most - done);
      if (n === 0) {
        more = operation.element(cpu, instruction, si, di);
        n = 1;
      }
      done += n;
      si = offset(si + n * step);
      di = offset(di + n * step);
    }
    completed = true;
  } finally {
    if (operation.source) cpu.setReg(S.ESI, addrSize, si);
    if (operation.destination) cpu.setReg(S.EDI, addrSize, di);
    if (repeated) {
      cpu.setReg(S.ECX, addrSize, count - done);
      if (done !== 0) cpu.ledger.event("instruction.string_iteration", done);
    }
    if (!completed && operation.compares) {
      i32[S.CC_OP] = op;
      i32[S.CC_DST] = dst;
      i32[S.CC_SRC] = src;
      i32[S.CC_AUX] = aux;
    }
  }
  if (done === count || !more) {
    const next = cpu.eip + instruction.length;
    cpu.eip = (cpu.segAttr(S.CS) & S.ATTR_DB) !== 0 ? next : next & 0xffff;
  }
}

// ---- one iteration -----------------------------------------------------------------------------------------------------

function move(cpu: Cpu, instruction: Instruction, si: number, di: number): boolean {
  const value = loadSource(cpu, instruction, si);
  storeLinear(cpu, segmentAddress(cpu, S.ES, di, instruction.size >> 3, true), instruction.size, value);
  return true;
}

function store(cpu: Cpu, instruction: Instruction, _si: number, di: number): boolean {
  storeLinear(cpu, segmentAddress(cpu, S.ES, di, instruction.size >> 3, true), instruction.size, cpu.reg(S.EAX, instruction.size));
  return true;
}

function load(cpu: Cpu, instruction: Instruction, si: number): boolean {
  cpu.setReg(S.EAX, instruction.size, loadSource(cpu, instruction, si));
  return true;
}

/** Leaves the flags of a - b; true while the repeat prefix's condition holds. */
function compareValues(cpu: Cpu, instruction: Instruction, a: number, b: number): boolean {
  const { i32 } = cpu;
  const { size } = instruction;
  const result = size === 32 ? (a - b) | 0 : size === 16 ? (a - b) & 0xffff : (a - b) & 0xff;
  i32[S.CC_OP] = CC_SUB * 4 + (size >> 4);
  i32[S.CC_DST] = result;
  i32[S.CC_SRC] = b;
  return (result === 0) === (instruction.rep === "rep");
}

function compare(cpu: Cpu, instruction: Instruction, si: number, di: number): boolean {
  const a = loadSource(cpu, instruction, si);
  return compareValues(cpu, instruction, a, loadLinear(cpu, segmentAddress(cpu, S.ES, di, instruction.size >> 3, false), instruction.size));
}

function scan(cpu: Cpu, instruction: Instruction, _si: number, di: number): boolean {
  const b = loadLinear(cpu, segmentAddress(cpu, S.ES, di, instruction.size >> 3, false), instruction.size);
  return compareValues(cpu, instruction, cpu.reg(S.EAX, instruction.size), b);
}

/** The destination is made writable before the port is read: reading one cannot be taken back. */
function input(cpu: Cpu, instruction: Instruction, _si: number, di: number): boolean {
  const bytes = instruction.size >> 3 as 1 | 2 | 4;
  const la = segmentAddress(cpu, S.ES, di, bytes, true);
  cpu.mmu.probeWrite(la, bytes);
  storeLinear(cpu, la, instruction.size, cpu.readPort(cpu.reg(S.EDX, 16), bytes) | 0);
  cpu.recheck = true;
  return true;
}

function output(cpu: Cpu, instruction: Instruction, si: number): boolean {
  const value = loadSource(cpu, instruction, si);
  cpu.writePort(cpu.reg(S.EDX, 16), instruction.size >> 3 as 1 | 2 | 4, value >>> 0);
  cpu.recheck = true;
  return true;
}

// ---- in bulk -----------------------------------------------------------------------------------------------------------

/** Where a run of elements begins in the heap, and how many there are. */
interface Run { readonly at: number; readonly elements: number }

/** Elements from `offset` on, up to `most`, that lie in one piece in the heap and that the segment allows; null if there is more to it. */
function runFrom(cpu: Cpu, sreg: number, offset: number, instruction: Instruction, most: number, write: boolean): Run | null {
  const bytes = instruction.size >> 3;
  const la = cpu.segBase(sreg) + offset;
  const table = write ? cpu.mmu.writeTable : cpu.mmu.readTable;
  const word = cpu.i32[table + (la >>> 12)]!;
  if (word === 0) return null;
  const toWrap = instruction.addrSize === 16 ? 0x10000 - offset : 0x100000000 - Math.max(offset >>> 0, la >>> 0);
  const limit = Math.min(most * bytes, toWrap);
  // The TLB's word is the same for pages that follow one another here and there.
  let length = 0x1000 - (la & 0xfff);
  while (length < limit && cpu.i32[table + (la + length >>> 12)] === word) length += 0x1000;
  const elements = Math.floor(Math.min(length, limit) / bytes);
  if (elements < 2 || !referenceAllowed(cpu.segAttr(sreg), cpu.segLimit(sreg), offset >>> 0, elements * bytes, write)) return null;
  return { at: (la + word - 1) >>> 0, elements };
}

function bulkMove(cpu: Cpu, instruction: Instruction, si: number, di: number, most: number): number {
  const source = runFrom(cpu, sourceSegment(instruction), si, instruction, most, false);
  const destination = source === null ? null : runFrom(cpu, S.ES, di, instruction, source.elements, true);
  if (source === null || destination === null) return 0;
  const from = source.at, to = destination.at, { elements } = destination;
  const element = instruction.size >> 3, bytes = elements * element;
  const { u8 } = cpu;
  if (to <= from || to >= from + bytes) u8.copyWithin(to, from, from + bytes);
  else if (to - from >= element) for (let i = 0; i < bytes; i++) u8[to + i] = u8[from + i]!;
  else return 0;
  return elements;
}

function bulkStore(cpu: Cpu, instruction: Instruction, _si: number, di: number, most: number): number {
  const run = runFrom(cpu, S.ES, di, instruction, most, true);
  if (run === null) return 0;
  const { at, elements } = run;
  const element = instruction.size >> 3, value = cpu.reg(S.EAX, instruction.size);
  if (at % element !== 0) return 0;
  if (element === 4) cpu.i32.fill(value, at >>> 2, (at >>> 2) + elements);
  else if (element === 2) cpu.u16.fill(value, at >>> 1, (at >>> 1) + elements);
  else cpu.u8.fill(value, at, at + elements);
  return elements;
}

const of = (operation: StringOperation): Semantics => transfer((cpu, instruction) => run(cpu, instruction, operation));

export const STRINGS: Readonly<Record<string, Semantics>> = {
  MOVS: of({ source: true, destination: true, element: move, bulk: bulkMove }),
  STOS: of({ source: false, destination: true, element: store, bulk: bulkStore }),
  LODS: of({ source: true, destination: false, element: load }),
  CMPS: of({ source: true, destination: true, element: compare, compares: true }),
  SCAS: of({ source: false, destination: true, element: scan, compares: true }),
  INS: of({ source: false, destination: true, element: input, port: true }),
  OUTS: of({ source: true, destination: false, element: output, port: true }),
};
