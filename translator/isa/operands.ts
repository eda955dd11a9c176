// Operand forms in Intel's notation: a capital for where the operand is, a suffix for how wide it is. One entry
// reads the operand from the bytes, the same entry knows its width.
//
//   E G    ModRM r/m (register or memory), ModRM reg          b w d q   8, 16, 32, 64 bits
//   M R    r/m that is memory, r/m that is a register         dq        128 bits
//   Z      register in the low three opcode bits              v         operand size
//   I sI   immediate, immediate sign-extended to opSize       t         80 bits (x87)
//   J      branch displacement                                p         16-bit selector and opSize offset
//   A O    far pointer, memory by offset alone                a         two words of opSize (BOUND)
//   S C D  segment, control, debug register in ModRM reg      s         limit and base (LGDT …)
//   X Y    DS:[ESI], ES:[EDI]: implicit, yields no operand    (none)    no access (LEA, INVLPG)
//   P Q N  MMX in reg, MMX or memory in r/m, MMX in r/m
//   V W U  XMM in reg, XMM or memory in r/m, XMM in r/m
//   ST STi x87 stack top, x87 register in the low three ModRM bits
//
// Departures from the manual: Zb and Zv stand for its "AL/R8L" and "eAX/rAX" columns; Iv is its Iz (there is no 64-bit
// immediate here); scalar and packed XMM suffixes (ps, pd, ss, sd) are written by width alone (dq, d, q).

import { DS, EBP, EBX, EDI, ESI, ESP, SS } from './instruction.js';
import type { ImmOperand, IndexedOperand, MemOperand, Operand, RegOperand, Width } from './instruction.js';

/** The decoder's position and what it has found so far. One object is reused for every instruction. */
export class Cursor {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** First index that must not be read. Reading on yields zeros; `at > end` tells afterwards. */
  end = 0;
  opcode = 0;
  modrm = 0;
  opSize: Width = 32;
  addrSize: Width = 32;
  seg = -1;

  u8(): number {
    const i = this.at++;
    return i < this.end ? (this.bytes[i] as number) : 0;
  }

  i8(): number {
    return (this.u8() << 24) >> 24;
  }

  u16(): number {
    const low = this.u8();
    return low | (this.u8() << 8);
  }

  i16(): number {
    return (this.u16() << 16) >> 16;
  }

  i32(): number {
    const low = this.u16();
    return low | (this.u16() << 16);
  }
}

type WidthCode = 'b' | 'w' | 'd' | 'q' | 'dq' | 'v' | 't' | 'p' | 'a' | 's' | 'env' | 'state' | 'fx' | 'none';

export interface OperandForm {
  readonly name: string;
  /** Width in bits of the operand as the form and the instruction's attributes give it. */
  readonly width: (cursor: Cursor) => number;
  /** Reads the operand; null for an implicit one. Memory operands consume SIB and displacement bytes. */
  readonly read: ((cursor: Cursor) => Operand) | null;
  /** The form needs a ModRM byte. */
  readonly modrm: boolean;
  /** The width says what the instruction works on (immediates and the port number DX do not). */
  readonly main: boolean;
}

function widthOf(code: WidthCode, c: Cursor): number {
  switch (code) {
    case 'b': return 8;
    case 'w': return 16;
    case 'd': return 32;
    case 'q': return 64;
    case 'dq': return 128;
    case 'v': return c.opSize;
    case 't': return 80;
    case 'p': return 16 + c.opSize;
    case 'a': return 2 * c.opSize;
    case 's': return 48;
    case 'env': return c.opSize === 16 ? 112 : 224;
    case 'state': return c.opSize === 16 ? 752 : 864;
    case 'fx': return 4096;
    case 'none': return 0;
  }
}

const REGISTERS: Readonly<Record<8 | 16 | 32, readonly RegOperand[]>> = {
  8: registerFile(8),
  16: registerFile(16),
  32: registerFile(32),
};
const CONSTANT_ONE: ImmOperand = { kind: 'imm', value: 1, size: 8 };
const SREG = indexedFile('sreg');
const CREG = indexedFile('creg');
const DREG = indexedFile('dreg');
const STACK = indexedFile('st');
const MM = indexedFile('mm');
const XMM = indexedFile('xmm');

function registerFile(size: 8 | 16 | 32): RegOperand[] {
  return Array.from({ length: 8 }, (_, index) => ({ kind: 'reg', size, index }));
}

function indexedFile(kind: IndexedOperand['kind']): IndexedOperand[] {
  return Array.from({ length: 8 }, (_, index) => ({ kind, index }));
}

function register(bits: number, index: number): RegOperand {
  return (bits === 8 ? REGISTERS[8] : bits === 16 ? REGISTERS[16] : REGISTERS[32])[index] as RegOperand;
}

const isRegister = (c: Cursor): boolean => c.modrm >= 0xc0;
const regField = (c: Cursor): number => (c.modrm >> 3) & 7;
const rmField = (c: Cursor): number => c.modrm & 7;

// r/m of 16-bit addressing: base and index register by ModRM r/m.
const BASE16 = [EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX] as const;
const INDEX16 = [ESI, EDI, ESI, EDI, -1, -1, -1, -1] as const;

function memory16(c: Cursor, size: number): MemOperand {
  const mod = c.modrm >> 6;
  const rm = rmField(c);
  if (mod === 0 && rm === 6) return absolute(c, size, c.u16());
  const base = BASE16[rm] as number;
  const disp = mod === 0 ? 0 : mod === 1 ? c.i8() : c.i16();
  const seg = c.seg >= 0 ? c.seg : base === EBP ? SS : DS;
  return { kind: 'mem', seg, base, index: INDEX16[rm] as number, scale: 0, disp, addrSize: 16, size };
}

function memory32(c: Cursor, size: number): MemOperand {
  const mod = c.modrm >> 6;
  let base = rmField(c);
  let index = -1;
  let scale = 0;
  if (base === ESP) {
    const sib = c.u8();
    base = sib & 7;
    scale = sib >> 6;
    index = (sib >> 3) & 7;
    if (index === ESP) {
      index = -1;
      scale = 0;
    }
  }
  if (mod === 0 && base === EBP) base = -1;
  const disp = mod === 1 ? c.i8() : mod === 2 || base === -1 ? c.i32() : 0;
  const seg = c.seg >= 0 ? c.seg : base === ESP || base === EBP ? SS : DS;
  return { kind: 'mem', seg, base, index, scale, disp, addrSize: 32, size };
}

function memory(c: Cursor, size: number): MemOperand {
  return c.addrSize === 16 ? memory16(c, size) : memory32(c, size);
}

function absolute(c: Cursor, size: number, disp: number): MemOperand {
  return { kind: 'mem', seg: c.seg >= 0 ? c.seg : DS, base: -1, index: -1, scale: 0, disp, addrSize: c.addrSize, size };
}

function immediate(c: Cursor, bits: number): ImmOperand {
  if (bits === 8) return { kind: 'imm', value: c.u8(), size: 8 };
  if (bits === 16) return { kind: 'imm', value: c.u16(), size: 16 };
  return { kind: 'imm', value: c.i32(), size: 32 };
}

const FORMS = new Map<string, OperandForm>();

/** The form written `name` in the table. */
export function operandForm(name: string): OperandForm {
  const form = FORMS.get(name);
  if (form === undefined) throw new Error(`no operand form ${name}`);
  return form;
}

function define(name: string, code: WidthCode, read: OperandForm['read'], modrm: boolean, main = true): void {
  FORMS.set(name, { name, width: (c) => widthOf(code, c), read, modrm, main });
}

for (const code of ['b', 'w', 'v', 'd'] as const) {
  define(`E${code}`, code, (c) => {
    const bits = widthOf(code, c);
    return isRegister(c) ? register(bits, rmField(c)) : memory(c, bits);
  }, true);
  define(`G${code}`, code, (c) => register(widthOf(code, c), regField(c)), true);
  define(`R${code}`, code, (c) => register(widthOf(code, c), rmField(c)), true);
  define(`X${code}`, code, null, false);
  define(`Y${code}`, code, null, false);
}
for (const code of ['b', 'v'] as const) {
  define(`Z${code}`, code, (c) => register(widthOf(code, c), c.opcode & 7), false);
  define(`O${code}`, code, (c) => absolute(c, widthOf(code, c), c.addrSize === 16 ? c.u16() : c.i32()), false);
}
for (const code of ['b', 'w', 'v'] as const) define(`I${code}`, code, (c) => immediate(c, widthOf(code, c)), false, false);
for (const code of ['b', 'w', 'd', 'q', 'dq', 't', 'p', 'a', 's', 'env', 'state', 'fx'] as const) {
  define(`M${code}`, code, (c) => memory(c, widthOf(code, c)), true);
}
define('M', 'none', (c) => memory(c, 0), true, false);
define('sIb', 'v', (c) => ({ kind: 'imm', value: c.i8(), size: c.opSize }), false, false);
define('1', 'b', () => CONSTANT_ONE, false, false);
define('Jb', 'v', (c) => ({ kind: 'rel', disp: c.i8() }), false, false);
define('Jv', 'v', (c) => ({ kind: 'rel', disp: c.opSize === 16 ? c.i16() : c.i32() }), false, false);
define('Ap', 'v', (c) => {
  const offset = c.opSize === 16 ? c.u16() : c.i32();
  return { kind: 'far', selector: c.u16(), offset };
}, false, false);

// Registers named by the row itself.
define('AL', 'b', () => register(8, 0), false);
define('CL', 'b', () => register(8, 1), false, false);
define('AX', 'w', () => register(16, 0), false);
define('DX', 'w', () => register(16, 2), false, false);
define('eAX', 'v', (c) => register(c.opSize, 0), false);
for (const [index, name] of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].entries()) {
  define(name, 'v', () => SREG[index] as IndexedOperand, false, false);
}

// A register takes the operand size, memory always a word (SLDT, STR, SMSW, MOV from a segment register).
FORMS.set('Rv/Mw', {
  name: 'Rv/Mw',
  width: (c) => (isRegister(c) ? c.opSize : 16),
  read: (c) => (isRegister(c) ? register(c.opSize, rmField(c)) : memory(c, 16)),
  modrm: true,
  main: true,
});
FORMS.set('Rd/Mw', {
  name: 'Rd/Mw',
  width: () => 16,
  read: (c) => (isRegister(c) ? register(32, rmField(c)) : memory(c, 16)),
  modrm: true,
  main: false,
});

define('Sw', 'w', (c) => SREG[regField(c)] as IndexedOperand, true, false);
define('Cd', 'd', (c) => CREG[regField(c)] as IndexedOperand, true, false);
define('Dd', 'd', (c) => DREG[regField(c)] as IndexedOperand, true, false);

define('ST', 't', () => STACK[0] as IndexedOperand, false);
define('STi', 't', (c) => STACK[rmField(c)] as IndexedOperand, true);

define('Pq', 'q', (c) => MM[regField(c)] as IndexedOperand, true);
define('Nq', 'q', (c) => MM[rmField(c)] as IndexedOperand, true);
define('Vdq', 'dq', (c) => XMM[regField(c)] as IndexedOperand, true);
define('Udq', 'dq', (c) => XMM[rmField(c)] as IndexedOperand, true);
for (const code of ['d', 'q'] as const) {
  define(`Q${code}`, code, (c) => (isRegister(c) ? (MM[rmField(c)] as IndexedOperand) : memory(c, widthOf(code, c))), true);
}
for (const code of ['d', 'q', 'dq'] as const) {
  define(`W${code}`, code, (c) => (isRegister(c) ? (XMM[rmField(c)] as IndexedOperand) : memory(c, widthOf(code, c))), true);
  if (code !== 'dq') define(`V${code}`, code, (c) => XMM[regField(c)] as IndexedOperand, true);
}
