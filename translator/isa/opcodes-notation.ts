// The notation of the opcode table: `op(opcode, mnemonic, operands, facts)` makes one row, or one row per condition.
//
//   '00' '0f a2'            one-byte and two-byte opcodes; prefixes 66, F2, F3 mean what they always mean
//   '40+r' '91-97'          a register in the low three bits; a range of opcodes
//   '70+cc'                 sixteen rows, one per condition
//   '80/0'                  ModRM reg is 0                '0f 01/2 mem'   and r/m is memory ('reg': a register)
//   'd8 c0+i' '0f 01 c1'    exactly this ModRM byte (+i: or one of the next seven)
//   '66 0f 6f' 'np 0f 6f'   mandatory prefix, mandatory absence of one; of F2 and F3 the last counts and beats 66
//
// The flags column: 'r:' read, 'w:' written, 'm:' maybe written (a count of zero leaves them), 'u:' undefined
// afterwards (a letter in both m and u is defined for a count of one only).

import { FLAG_BITS } from './instruction.js';
import { operandForm } from './operands.js';
import type { OperandForm } from './operands.js';
import { NOT_A_PREFIX, PREFIX_CLASS } from './prefixes.js';

export const FEATURES = [
  'i386', 'fpu', '486', '586', 'tsc', 'msr', 'cx8', 'p6', 'cmov', 'sep', 'mmx', 'fxsr', 'sse', 'sse2', 'clflush', 'vmx',
] as const;

/** LOCK before MOV to or from CR0 is CR8: how code that is not 64-bit reaches it on AMD's processors (APM vol. 3, "MOV CRn"; CPUID Fn8000_0001 ECX[4]). */
export const ALTERNATE_CR8 = 'altmovcr8';

/** Processor features. i386 is always there; 486 (BSWAP, CPUID …), 586 (RSM) and p6 (UD2, RDPMC, hints) are generations. */
export type Feature = (typeof FEATURES)[number] | typeof ALTERNATE_CR8;

/** How a block ends. 'branch' may fall through; after 'system' a block must not go on, for other state has changed. */
export type BlockEnd = 'branch' | 'jump' | 'call' | 'indirect' | 'ret' | 'far' | 'system';

/**
 * Who may execute it: 0 needs CPL 0; 'iopl' compares CPL with IOPL; 'v86' does so in virtual-8086 mode only;
 * 'tsd' and 'pce' are bits of CR4 that allow or forbid it outside CPL 0.
 */
export type Privilege = 0 | 'iopl' | 'v86' | 'tsd' | 'pce';

export type Cost =
  | 'alu' | 'mul' | 'div' | 'shift' | 'bcd' | 'bit' | 'stack' | 'branch' | 'call' | 'far' | 'segment' | 'string' | 'io' | 'system'
  | 'fpu' | 'fpu_div' | 'fpu_trans' | 'fpu_state' | 'mmx' | 'sse' | 'sse_div';

export interface Flags {
  readonly read: number;
  readonly written: number;
  readonly maybe: number;
  readonly undefined: number;
}

/** Columns beside opcode, mnemonic and operands; all optional. */
export interface Facts {
  readonly flags?: string;
  readonly cpl?: Privilege;
  /** Its result or effect depends on privileged state: true for the mnemonic itself, or the name it counts under. */
  readonly sensitive?: true | string;
  /** Basic exit reason (SDM volume 3, appendix C) it can cause in VMX non-root operation. */
  readonly exit?: string;
  readonly ends?: BlockEnd;
  readonly feature?: Feature;
  /** LOCK is allowed when the destination is memory. */
  readonly lock?: true;
  readonly rep?: 'rep' | 'repe';
  readonly cost?: Cost;
  /** #UD in real-address and virtual-8086 mode. */
  readonly protectedMode?: true;
  /** Text where it is not the mnemonic in lower case; 'cbw|cwde' by operand size. */
  readonly text?: string;
}

export interface Row {
  /** The opcode as written in the table, '70+cc' expanded. */
  readonly opcode: string;
  readonly pattern: Pattern;
  readonly mnemonic: string;
  readonly forms: readonly OperandForm[];
  /** The operands as written. */
  readonly operands: string;
  /** The form whose width is the instruction's; null: the operand size. */
  readonly sizeForm: OperandForm | null;
  readonly modrm: boolean;
  readonly cc: number;
  readonly flags: Flags;
  readonly cpl: Privilege | null;
  readonly sensitive: string | null;
  readonly exit: string | null;
  readonly ends: BlockEnd | null;
  readonly feature: Feature;
  readonly lock: boolean;
  readonly rep: 'rep' | 'repe' | null;
  readonly cost: Cost;
  readonly protectedMode: boolean;
  readonly text: string;
}

export type Variant = 'any' | 'np' | '66' | 'f3' | 'f2';

/** What bytes a row claims: an opcode range of a map under a prefix variant, and the ModRM bytes it accepts. */
export interface Pattern {
  readonly map: 0 | 1;
  readonly first: number;
  readonly last: number;
  readonly variant: Variant;
  /** Accepts every ModRM byte (or takes none). */
  readonly anyModrm: boolean;
  readonly accepts: (modrm: number) => boolean;
}

export const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'] as const;

/** Flags each pair of conditions reads. */
const CONDITION_FLAGS = ['O', 'C', 'Z', 'CZ', 'S', 'P', 'SO', 'SZO'] as const;

/** The first byte of every two-byte opcode. */
export const TWO_BYTE_ESCAPE = 0x0f;

const NOTATION = /^(?:(np|66|f3|f2) (?=0f|90))?(0f )?([0-9a-f]{2})(?:-([0-9a-f]{2})|(\+r))?(?:\/([0-7]))?(?: (mem|reg)| ([0-9a-f]{2})(\+i)?)?$/;

export function parsePattern(opcode: string): Pattern {
  const match = NOTATION.exec(opcode);
  if (match === null) throw new Error(`bad opcode ${opcode}`);
  const [, variant, escape, byte, rangeEnd, plusR, digit, mod, exact, plusI] = match;
  const first = parseInt(byte as string, 16);
  if (escape === undefined && (first === TWO_BYTE_ESCAPE || PREFIX_CLASS[first] !== NOT_A_PREFIX)) throw new Error(`bad opcode ${opcode}`);
  const last = rangeEnd !== undefined ? parseInt(rangeEnd, 16) : plusR !== undefined ? first + 7 : first;
  const low = exact === undefined ? 0 : parseInt(exact, 16);
  const high = exact === undefined ? 0xff : plusI === undefined ? low : low + 7;
  const reg = digit === undefined ? -1 : Number(digit);
  const accepts = (modrm: number): boolean =>
    modrm >= low && modrm <= high && (reg < 0 || ((modrm >> 3) & 7) === reg) && (mod === undefined || (mod === 'reg') === modrm >= 0xc0);
  return {
    map: escape === undefined ? 0 : 1,
    first,
    last,
    variant: (variant ?? 'any') as Variant,
    anyModrm: digit === undefined && mod === undefined && exact === undefined,
    accepts,
  };
}

export function parseFlags(column: string): Flags {
  const masks = { r: 0, w: 0, m: 0, u: 0 };
  for (const part of column.split(' ').filter(Boolean)) {
    const match = /^([rwmu]):([CPAZSTIDOLNRVK]+)$/.exec(part);
    if (match === null) throw new Error(`bad flags column ${column}`);
    for (const letter of match[2] as string) masks[match[1] as keyof typeof masks] |= FLAG_BITS[letter as keyof typeof FLAG_BITS];
  }
  return { read: masks.r, written: masks.w, maybe: masks.m, undefined: masks.u };
}

export function op(opcode: string, mnemonic: string, operands = '', facts: Facts = {}): Row[] {
  if (!opcode.includes('+cc')) return [row(opcode, mnemonic, operands, facts, -1)];
  const base = parseInt((/([0-9a-f]{2})\+cc/.exec(opcode) as RegExpExecArray)[1] as string, 16);
  return CONDITIONS.map((name, cc) => {
    const byte = (base + cc).toString(16).padStart(2, '0');
    const flags = `${facts.flags ?? ''} r:${CONDITION_FLAGS[cc >> 1] as string}`;
    const text = (facts.text as string).replace('cc', name);
    return row(opcode.replace(/[0-9a-f]{2}\+cc/, byte), mnemonic, operands, { ...facts, flags, text }, cc);
  });
}

/** A row of a known condition whose opcode is not `+cc` (FCMOVcc). */
export function opIf(cc: number, opcode: string, mnemonic: string, operands: string, facts: Facts): Row[] {
  const flags = `r:${CONDITION_FLAGS[cc >> 1] as string}`;
  return [row(opcode, mnemonic, operands, { ...facts, flags }, cc)];
}

function row(opcode: string, mnemonic: string, operands: string, facts: Facts, cc: number): Row {
  const forms = operands.split(',').filter(Boolean).map(operandForm);
  const pattern = parsePattern(opcode);
  return {
    opcode,
    pattern,
    mnemonic,
    forms,
    operands,
    sizeForm: forms.find((form) => form.main) ?? null,
    modrm: !pattern.anyModrm || forms.some((form) => form.modrm),
    cc,
    flags: parseFlags(facts.flags ?? ''),
    cpl: facts.cpl ?? null,
    sensitive: facts.sensitive === true ? mnemonic : (facts.sensitive ?? null),
    exit: facts.exit ?? null,
    ends: facts.ends ?? null,
    feature: facts.feature ?? 'i386',
    lock: facts.lock ?? false,
    rep: facts.rep ?? null,
    cost: facts.cost ?? 'alu',
    protectedMode: facts.protectedMode ?? false,
    text: facts.text ?? mnemonic.toLowerCase(),
  };
}
