import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { AC, GP, NP, SS_FAULT } from "./trap.js";

/**
 * Segmentation (SDM vol. 3, chapters 3 and 5): descriptors, segment registers and the check of each reference.
 * Everything here either completes or throws with the processor's state unchanged.
 */

/** A segment or system descriptor as read from a table. */
export interface Descriptor {
  readonly selector: number;
  /** Linear address of the descriptor. */
  readonly address: number;
  readonly low: number;
  readonly high: number;
  readonly base: number;
  /** In bytes, scaled by G; as an int32 that is read unsigned. */
  readonly limit: number;
  /** As SEG_ATTR. */
  readonly attr: number;
}

/** Types of system descriptors (SDM vol. 3, table 3-2). */
export const SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL_GATE16 = 4, SYS_TASK_GATE = 5, SYS_INTERRUPT_GATE16 = 6,
  SYS_TRAP_GATE16 = 7, SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL_GATE32 = 12, SYS_INTERRUPT_GATE32 = 14, SYS_TRAP_GATE32 = 15;

/** Access rights of segments in real and virtual-8086 mode (SDM vol. 3, 9.1.4 and 20.1.1; 26.3.1.2 for v86). */
export const REAL_ATTR = S.ATTR_P | S.ATTR_S | S.ATTR_WRITABLE | S.ATTR_ACCESSED;
export const V86_ATTR = REAL_ATTR | 3 << S.ATTR_DPL_SHIFT;

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const dplOf = (attr: number): number => attr >> S.ATTR_DPL_SHIFT & 3;
export const systemType = (attr: number): number => attr & (S.ATTR_S | S.ATTR_TYPE);
export const isCode = (attr: number): boolean => (attr & (S.ATTR_S | S.ATTR_CODE)) === (S.ATTR_S | S.ATTR_CODE);
export const isConforming = (attr: number): boolean => isCode(attr) && (attr & S.ATTR_CONFORMING) !== 0;
export const isWritableData = (attr: number): boolean => (attr & (S.ATTR_S | S.ATTR_CODE | S.ATTR_WRITABLE)) === (S.ATTR_S | S.ATTR_WRITABLE);
export const isReadable = (attr: number): boolean =>
  (attr & S.ATTR_S) !== 0 && ((attr & S.ATTR_CODE) === 0 || (attr & S.ATTR_READABLE) !== 0);

// ---- references ------------------------------------------------------------------------------------------------------

/**
 * Linear address of `bytes` bytes at `offset` of a segment, checked for type and limit (SDM vol. 3, 5.3 and 5.5);
 * throws #SS(0) for SS, #GP(0) else. A segment that reaches to 4 GB lets an operand wrap, as flat code does. `alignment` is
 * what MODE_ALIGNED asks of the address.
 */
export function segmentAddress(cpu: Cpu, sreg: number, offset: number, bytes: number, write: boolean, alignment = bytes): number {
  const { i32 } = cpu;
  const la = checkedAddress(cpu, sreg, offset, bytes, write);
  if ((i32[S.MODE]! & S.MODE_ALIGNED) !== 0) checkAlignment(cpu, la, bytes, write, alignment);
  return la;
}

/**
 * Operands whose alignment is not their size in bytes (SDM vol. 3, table 6-7): far pointers and tables' registers, x87's.
 * Those of 128 bits have #GP for it where they must be aligned, and need not have #AC where they need not (vol. 2, MOVUPS).
 */
const ALIGNMENTS: ReadonlyMap<number, number> = new Map([[6, 4], [10, 8], [14, 2], [28, 4], [94, 2], [108, 4], [16, 1], [512, 1]]);

/** #AC(0) for a reference at CPL 3 that is not aligned, once it can meet no other fault (SDM vol. 3, 6.15 and table 6-2). */
export function checkAlignment(cpu: Cpu, la: number, bytes: number, write: boolean, alignment = bytes): void {
  if ((la & (ALIGNMENTS.get(alignment) ?? alignment) - 1) === 0) return;
  if (write) cpu.mmu.probeWrite(la, bytes);
  else cpu.mmu.probeRead(la, bytes);
  cpu.raise(AC, 0);
}

function checkedAddress(cpu: Cpu, sreg: number, offset: number, bytes: number, write: boolean): number {
  const { i32 } = cpu;
  const attr = i32[S.SEG_ATTR + sreg]!;
  const limit = i32[S.SEG_LIMIT + sreg]! >>> 0;
  if ((attr & (S.ATTR_CODE | S.ATTR_EXPAND_DOWN | S.ATTR_NULL)) === 0 && (!write || (attr & S.ATTR_WRITABLE) !== 0) &&
    ((offset >>> 0) + bytes - 1 <= limit || limit === 0xffffffff)) {
    return (i32[S.SEG_BASE + sreg]! + offset) | 0;
  }
  if (!referenceAllowed(attr, limit, offset >>> 0, bytes, write)) cpu.raise(sreg === S.SS ? SS_FAULT : GP, 0);
  return (i32[S.SEG_BASE + sreg]! + offset) | 0;
}

/** Whether a segment with these rights and this limit holds `bytes` bytes at `offset` for a read or write. */
export function referenceAllowed(attr: number, limit: number, offset: number, bytes: number, write: boolean): boolean {
  if ((attr & S.ATTR_NULL) !== 0) return false;
  const last = offset + bytes - 1;
  if ((attr & S.ATTR_CODE) !== 0) {
    if (write || (attr & S.ATTR_READABLE) === 0) return false;
  } else {
    if (write && (attr & S.ATTR_WRITABLE) === 0) return false;
    if ((attr & S.ATTR_EXPAND_DOWN) !== 0) return offset > limit && last <= ((attr & S.ATTR_DB) !== 0 ? 0xffffffff : 0xffff);
  }
  return last <= limit || limit === 0xffffffff;
}

// ---- descriptors -----------------------------------------------------------------------------------------------------

/** Makes a descriptor of its two words. */
export function parseDescriptor(selector: number, address: number, low: number, high: number): Descriptor {
  const raw = (low & 0xffff) | (high & 0xf0000);
  return {
    selector, address, low, high,
    base: low >>> 16 | (high & 0xff) << 16 | high & 0xff000000,
    limit: (high & 0x800000) !== 0 ? raw << 12 | 0xfff : raw,
    attr: high >>> 8 & 0xff | high >>> 12 & 0xf00,
  };
}

/** Reads the descriptor a selector names; undefined when it is outside its table (or there is no LDT). Null is not looked for. */
export function readDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  const { i32 } = cpu;
  const index = selector & 0xfff8;
  let table: number;
  if ((selector & 4) !== 0) {
    if ((i32[S.SEG_ATTR + S.LDTR]! & S.ATTR_P) === 0 || index + 7 > i32[S.SEG_LIMIT + S.LDTR]! >>> 0) return undefined;
    table = i32[S.SEG_BASE + S.LDTR]!;
  } else {
    if (index + 7 > i32[S.GDTR_LIMIT]!) return undefined;
    table = i32[S.GDTR_BASE]!;
  }
  const address = (table + index) | 0;
  const low = cpu.mmu.readAs(address, 4, false) | 0;
  const high = cpu.mmu.readAs((address + 4) | 0, 4, false) | 0;
  return parseDescriptor(selector, address, low, high);
}

/** Error code that names a selector (SDM vol. 3, 6.13); `ext` is 1 while an event from outside the program is delivered. */
export const selectorError = (selector: number, ext = 0): number => selector & 0xfffc | ext;

/** As readDescriptor, but outside the table raises `vector` with the selector as error code. */
export function fetchDescriptor(cpu: Cpu, selector: number, vector: number, ext = 0): Descriptor {
  return readDescriptor(cpu, selector) ?? cpu.raise(vector, selectorError(selector, ext));
}

/** Sets the accessed bit of a code or data descriptor that is about to be loaded. */
export function markAccessed(cpu: Cpu, d: Descriptor): void {
  if ((d.attr & S.ATTR_ACCESSED) === 0) cpu.mmu.writeAs((d.address + 5) | 0, 1, d.high >>> 8 & 0xff | S.ATTR_ACCESSED, false);
}

/** Puts a checked descriptor in a segment register; the caller has marked it accessed and calls modeChanged(). */
export function installSegment(cpu: Cpu, sreg: number, selector: number, d: Descriptor): void {
  cpu.setSegment(sreg, selector & 0xffff, d.base, d.limit, d.attr | S.ATTR_ACCESSED);
}

// ---- loading segment registers -----------------------------------------------------------------------------------------

/** Real mode: base is selector << 4; limit and rights stay as they are (so does a "big real mode"). CS becomes writable data. */
export function loadRealSegment(cpu: Cpu, sreg: number, selector: number): void {
  const { i32 } = cpu;
  selector &= 0xffff;
  i32[S.SELECTOR + sreg] = selector;
  i32[S.SEG_BASE + sreg] = selector << 4;
  const attr = i32[S.SEG_ATTR + sreg]!;
  if ((attr & S.ATTR_NULL) !== 0 || (attr & S.ATTR_P) === 0) {
    i32[S.SEG_LIMIT + sreg] = 0xffff;
    i32[S.SEG_ATTR + sreg] = REAL_ATTR;
  } else i32[S.SEG_ATTR + sreg] = attr & ~(S.ATTR_TYPE | 3 << S.ATTR_DPL_SHIFT) | REAL_ATTR;
}

/** Virtual-8086 mode: 64 KB, writable, DPL 3 (SDM vol. 3, 20.2.1). */
export function loadV86Segment(cpu: Cpu, sreg: number, selector: number): void {
  cpu.setSegment(sreg, selector & 0xffff, (selector & 0xffff) << 4, 0xffff, V86_ATTR);
}

/** Makes a data segment register null: any use of it is #GP(0). */
export function loadNull(cpu: Cpu, sreg: number, selector: number): void {
  cpu.setSegment(sreg, selector & 0xffff, 0, 0, S.ATTR_NULL);
}

/**
 * Checks a selector for SS at privilege `cpl` (SDM vol. 3, 5.7): `vector` (#GP, or #TS for a stack out of a TSS) with the
 * selector, #SS(selector) when not present.
 */
export function checkStackSegment(cpu: Cpu, selector: number, cpl: number, vector: number, ext = 0): Descriptor {
  if (isNull(selector)) cpu.raise(vector, ext);
  const d = fetchDescriptor(cpu, selector, vector, ext);
  if ((selector & 3) !== cpl || !isWritableData(d.attr) || dplOf(d.attr) !== cpl) cpu.raise(vector, selectorError(selector, ext));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(SS_FAULT, selectorError(selector, ext));
  return d;
}

/** Checks a non-null selector for DS, ES, FS or GS at privilege `cpl`. */
export function checkDataSegment(cpu: Cpu, selector: number, cpl: number, vector: number, ext = 0): Descriptor {
  const d = fetchDescriptor(cpu, selector, vector, ext);
  if (!isReadable(d.attr) || (!isConforming(d.attr) && dplOf(d.attr) < Math.max(selector & 3, cpl))) {
    cpu.raise(vector, selectorError(selector, ext));
  }
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector, ext));
  return d;
}

/** Loads any segment register but CS as MOV and POP do, in every mode, and calls modeChanged() where it matters. */
export function loadDataSegment(cpu: Cpu, sreg: number, selector: number): void {
  selector &= 0xffff;
  if (!cpu.protectedMode) loadRealSegment(cpu, sreg, selector);
  else if (cpu.v86) loadV86Segment(cpu, sreg, selector);
  else if (sreg === S.SS || !isNull(selector)) {
    const d = sreg === S.SS ? checkStackSegment(cpu, selector, cpu.cpl, GP) : checkDataSegment(cpu, selector, cpu.cpl, GP);
    markAccessed(cpu, d);
    installSegment(cpu, sreg, selector, d);
  } else loadNull(cpu, sreg, selector);
  if (sreg <= S.DS) cpu.modeChanged();
}

// ---- LDTR and TR -------------------------------------------------------------------------------------------------------

/** Checks a selector for LDTR; undefined for null. */
export function checkLdt(cpu: Cpu, selector: number, vector: number, absent: number, ext = 0): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const d = (selector & 4) === 0 ? fetchDescriptor(cpu, selector, vector, ext) : undefined;
  if (d === undefined || systemType(d.attr) !== SYS_LDT) return cpu.raise(vector, selectorError(selector, ext));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(absent, selectorError(selector, ext));
  return d;
}

export function installLdt(cpu: Cpu, selector: number, d: Descriptor | undefined): void {
  if (d === undefined) cpu.setSegment(S.LDTR, selector & 0xffff, 0, 0, S.ATTR_NULL);
  else cpu.setSegment(S.LDTR, selector & 0xffff, d.base, d.limit, d.attr);
}

/** LLDT, its privilege checked. */
export function loadLdtr(cpu: Cpu, selector: number): void {
  installLdt(cpu, selector, checkLdt(cpu, selector, GP, NP));
}

/** LTR, its privilege checked: the TSS must be available and becomes busy. */
export function loadTaskRegister(cpu: Cpu, selector: number): void {
  if (isNull(selector)) cpu.raise(GP, 0);
  const d = (selector & 4) === 0 ? fetchDescriptor(cpu, selector, GP) : cpu.raise(GP, selectorError(selector));
  const type = systemType(d.attr);
  if (type !== SYS_TSS16 && type !== SYS_TSS32) cpu.raise(GP, selectorError(selector));
  if ((d.attr & S.ATTR_P) === 0) cpu.raise(NP, selectorError(selector));
  cpu.mmu.writeAs((d.address + 5) | 0, 1, d.high >>> 8 & 0xff | 2, false);
  cpu.setSegment(S.TR, selector & 0xffff, d.base, d.limit, d.attr | 2);
}

// ---- LAR, LSL, VERR, VERW, ARPL ------------------------------------------------------------------------------------------

const bit = (types: readonly number[]): number => types.reduce((set, type) => set | 1 << type, 0);
const LAR_TYPES = bit([SYS_TSS16, SYS_LDT, SYS_TSS16_BUSY, SYS_CALL_GATE16, SYS_TASK_GATE, SYS_TSS32, SYS_TSS32_BUSY, SYS_CALL_GATE32]);
const LSL_TYPES = bit([SYS_TSS16, SYS_LDT, SYS_TSS16_BUSY, SYS_TSS32, SYS_TSS32_BUSY]);

/** The descriptor if the program may see it (SDM vol. 3, 5.10.1), `systemTypes` being the set of system types that count. */
function visible(cpu: Cpu, selector: number, systemTypes: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const d = readDescriptor(cpu, selector);
  if (d === undefined) return undefined;
  if ((d.attr & S.ATTR_S) === 0 && (systemTypes >> systemType(d.attr) & 1) === 0) return undefined;
  return isConforming(d.attr) || dplOf(d.attr) >= Math.max(cpu.cpl, selector & 3) ? d : undefined;
}

/** LAR: the access rights as in the descriptor's second word, undefined when ZF is to be cleared. */
export function accessRights(cpu: Cpu, selector: number): number | undefined {
  const d = visible(cpu, selector, LAR_TYPES);
  return d && d.high & 0x00f0ff00;
}

/** LSL: the limit in bytes, undefined when ZF is to be cleared. */
export function segmentLimit(cpu: Cpu, selector: number): number | undefined {
  return visible(cpu, selector, LSL_TYPES)?.limit;
}

/** VERR and VERW (SDM vol. 3, 5.10.2). */
export function verify(cpu: Cpu, selector: number, write: boolean): boolean {
  const d = visible(cpu, selector, 0);
  return d !== undefined && (write ? isWritableData(d.attr) : isReadable(d.attr));
}

/** ARPL: the destination with its RPL raised to the source's, undefined when ZF is to be cleared (SDM vol. 3, 5.10.4). */
export function adjustRpl(destination: number, source: number): number | undefined {
  return (destination & 3) < (source & 3) ? destination & 0xfffc | source & 3 : undefined;
}
