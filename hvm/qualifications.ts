/** Exit qualifications and instruction information (SDM vol. 3C, 27.2.1 and 27.2.4): how each is put together and read. */
import type { Instruction, MemOperand } from "../translator/isa/instruction.js";

// ---- control registers (table 27-3) ----------------------------------------------------------------------------------

export const CR_MOV_TO = 0, CR_MOV_FROM = 1, CR_CLTS = 2, CR_LMSW = 3;

export interface CrAccess {
  readonly cr: number;
  /** CR_*. */
  readonly access: number;
  /** General register of MOV CR. */
  readonly register: number;
  /** LMSW's source operand. */
  readonly lmswSource: number;
  /** LMSW's operand is in memory; its linear address is in the VMCS. */
  readonly lmswMemory: boolean;
}

export function encodeCrAccess(a: CrAccess): number {
  return a.cr | a.access << 4 | (a.lmswMemory ? 1 << 6 : 0) | a.register << 8 | a.lmswSource << 16;
}

export function decodeCrAccess(q: number): CrAccess {
  return { cr: q & 15, access: q >> 4 & 3, lmswMemory: (q >> 6 & 1) !== 0, register: q >> 8 & 15, lmswSource: q >>> 16 };
}

/** MOV to or from control register `cr`. */
export function movCr(cr: number, access: number, register: number): number {
  return encodeCrAccess({ cr, access, register, lmswSource: 0, lmswMemory: false });
}

// ---- debug registers (table 27-4) ------------------------------------------------------------------------------------

export function encodeMovDr(dr: number, from: boolean, register: number): number {
  return dr | (from ? 1 << 4 : 0) | register << 8;
}

export function decodeMovDr(q: number): { dr: number; from: boolean; register: number } {
  return { dr: q & 7, from: (q >> 4 & 1) !== 0, register: q >> 8 & 15 };
}

// ---- ports (table 27-5) ----------------------------------------------------------------------------------------------

export interface IoAccess {
  readonly size: 1 | 2 | 4;
  readonly input: boolean;
  readonly string: boolean;
  readonly rep: boolean;
  /** The port is an immediate, not DX. */
  readonly immediate: boolean;
  readonly port: number;
}

export function encodeIo(a: IoAccess): number {
  return (a.size - 1) | (a.input ? 1 << 3 : 0) | (a.string ? 1 << 4 : 0) | (a.rep ? 1 << 5 : 0) | (a.immediate ? 1 << 6 : 0) | a.port << 16;
}

export function decodeIo(q: number): IoAccess {
  return {
    size: ((q & 7) + 1) as 1 | 2 | 4, input: (q >> 3 & 1) !== 0, string: (q >> 4 & 1) !== 0, rep: (q >> 5 & 1) !== 0,
    immediate: (q >> 6 & 1) !== 0, port: q >>> 16,
  };
}

// ---- task switches (table 27-2) --------------------------------------------------------------------------------------

export const TASK_CALL = 0, TASK_IRET = 1, TASK_JMP = 2, TASK_IDT_GATE = 3;

export function encodeTaskSwitch(selector: number, source: number): number {
  return selector & 0xffff | source << 30;
}

export function decodeTaskSwitch(q: number): { selector: number; source: number } {
  return { selector: q & 0xffff, source: q >>> 30 };
}

// ---- EPT violations (table 27-7) -------------------------------------------------------------------------------------

export const EPT_READ = 1, EPT_WRITE = 2, EPT_EXECUTE = 4;
/** Shifted by this, the rights that all EPT entries used grant together. */
export const EPT_RIGHTS_SHIFT = 3;
export const EPT_LINEAR_VALID = 1 << 7;
/** Set: the access was to the address the linear one translates to; clear: to a guest paging-structure entry. */
export const EPT_FINAL = 1 << 8;

// ---- instruction information (tables 27-8 to 27-10) --------------------------------------------------------------------

const ADDRESS_32 = 1 << 7;
const SEGMENT_SHIFT = 15;

/** INS and OUTS: address size, and the segment of OUTS. */
export function stringIoInfo(addressSize: number, segment: number): number {
  return (addressSize === 32 ? ADDRESS_32 : 0) | segment << SEGMENT_SHIFT;
}

export function decodeStringIoInfo(info: number): { addressSize: 16 | 32; segment: number } {
  return { addressSize: (info & ADDRESS_32) !== 0 ? 32 : 16, segment: info >> SEGMENT_SHIFT & 7 };
}

const MEMORY_IS_REGISTER = 1 << 10, OPERAND_32 = 1 << 11, NO_INDEX = 1 << 22, NO_BASE = 1 << 27;
const IDENTITIES: Readonly<Record<string, number>> = { SGDT: 0, SIDT: 1, LGDT: 2, LIDT: 3, SLDT: 0, STR: 1, LLDT: 2, LTR: 3 };

/** LGDT, LIDT, SGDT, SIDT (table 27-9) and LLDT, LTR, SLDT, STR (table 27-10). */
export function descriptorTableInfo(i: Instruction): number {
  const operand = i.operands[0]!;
  const identity = IDENTITIES[i.mnemonic]! << 28;
  if (operand.kind === "reg") return identity | operand.index << 3 | MEMORY_IS_REGISTER;
  const m = operand as MemOperand;
  return identity | (m.index < 0 ? NO_INDEX : m.index << 18 | m.scale) | (m.base < 0 ? NO_BASE : m.base << 23) |
    (m.addrSize === 32 ? ADDRESS_32 : 0) | (i.opSize === 32 ? OPERAND_32 : 0) | m.seg << SEGMENT_SHIFT;
}
