// Bytes to Instruction, by lookup in arrays built once from the opcode table for each set of features.

import type { Decoded, Instruction, Invalid, Operand, Repeat, Width } from './instruction.js';
import { ROWS } from './opcodes.js';
import { ALTERNATE_CR8, TWO_BYTE_ESCAPE } from './opcodes-notation.js';
import type { Feature, Row, Variant } from './opcodes-notation.js';
import { Cursor } from './operands.js';
import { ADDRESS_SIZE, LOCK, NOT_A_PREFIX, OPERAND_SIZE, PREFIX_CLASS, REP, REPNE, SEGMENT } from './prefixes.js';

export const MAX_LENGTH = 15;

// Prefix variants of an opcode. F3 and F2 come last: either beats 66.
const NO_PREFIX = 0;
const PREFIX_66 = 1;
const PREFIX_F3 = 2;
const PREFIX_F2 = 3;
const VARIANTS: Readonly<Record<Exclude<Variant, 'any'>, number>> = {
  np: NO_PREFIX,
  '66': PREFIX_66,
  f3: PREFIX_F3,
  f2: PREFIX_F2,
};

/** One cell of the table: a row, or a row for each ModRM byte. */
interface Cell {
  readonly row: Row | null;
  readonly byModrm: readonly (Row | null)[] | null;
}

/**
 * Decodes the instruction at `bytes[offset]`; bytes from `limit` on do not exist. `codeSize` is the default
 * operand and address size. The result shares nothing with the decoder and may be kept.
 */
export type Decode = (bytes: Uint8Array, offset: number, limit: number, codeSize: Width) => Decoded;

const decoders = new Map<string, Decode>();

/**
 * The decoder of a processor with these features (i386 is implied). Mnemonics outside `implemented` are #UD, as are
 * rows of features that are off.
 */
export function decoderFor(features: Iterable<Feature>, implemented: ReadonlySet<string> | null = null): Decode {
  const enabled = new Set<Feature>([...features, 'i386']);
  const key = `${[...enabled].sort().join()}:${implemented === null ? '*' : [...implemented].sort().join()}`;
  let decode = decoders.get(key);
  if (decode === undefined) {
    decode = makeDecoder(ROWS.filter((row) => enabled.has(row.feature) && (implemented === null || implemented.has(row.mnemonic))), enabled.has(ALTERNATE_CR8));
    decoders.set(key, decode);
  }
  return decode;
}

const CELLS = 2 << 10;

/** The rows that share an opcode, by variant: index is (map << 10) | (variant << 8) | opcode. Where two claim a ModRM byte the later one has it. */
function rowsByOpcode(rows: readonly Row[]): (Row[] | undefined)[] {
  const cells = new Array<Row[] | undefined>(CELLS).fill(undefined);
  const place = (row: Row, variant: number): void => {
    const { map, first, last } = row.pattern;
    for (let opcode = first; opcode <= last; opcode++) (cells[(map << 10) | (variant << 8) | opcode] ??= []).push(row);
  };
  // Rows that ignore the prefix first, so that rows which name one replace them.
  for (const row of rows) if (row.pattern.variant === 'any') for (let v = NO_PREFIX; v <= PREFIX_F2; v++) place(row, v);
  for (const row of rows) if (row.pattern.variant !== 'any') place(row, VARIANTS[row.pattern.variant]);
  return cells;
}

function cellOf(rows: readonly Row[]): Cell {
  let any: Row | null = null, byModrm: (Row | null)[] | null = null;
  for (const row of rows) {
    const { anyModrm, accepts } = row.pattern;
    if (anyModrm) any = row;
    else {
      byModrm ??= new Array<Row | null>(256).fill(null);
      for (let modrm = 0; modrm < 256; modrm++) if (accepts(modrm)) byModrm[modrm] = row;
    }
  }
  return { row: any, byModrm };
}

function makeDecoder(rows: readonly Row[], alternateCr8: boolean): Decode {
  const placed = rowsByOpcode(rows), cells = new Array<Cell | undefined>(CELLS).fill(undefined);
  const cellAt = (index: number): Cell => cells[index] ??= cellOf(placed[index] ?? []);
  const cursor = new Cursor();

  return function decode(bytes, offset, limit, codeSize): Decoded {
    const c = cursor;
    c.bytes = bytes;
    c.at = offset;
    c.end = Math.min(limit, offset + MAX_LENGTH);
    c.opSize = codeSize;
    c.addrSize = codeSize;
    c.seg = -1;
    const otherSize: Width = codeSize === 16 ? 32 : 16;
    let lock = false;
    let rep: Repeat = '';

    let byte = c.u8();
    for (let kind = PREFIX_CLASS[byte] as number; kind !== NOT_A_PREFIX; kind = PREFIX_CLASS[byte] as number) {
      if (kind >= SEGMENT) c.seg = kind - SEGMENT;
      else if (kind === OPERAND_SIZE) c.opSize = otherSize;
      else if (kind === ADDRESS_SIZE) c.addrSize = otherSize;
      else if (kind === LOCK) lock = true;
      else if (kind === REP) rep = 'rep';
      else if (kind === REPNE) rep = 'repne';
      byte = c.u8();
    }

    let map = 0;
    if (byte === TWO_BYTE_ESCAPE) {
      map = 1;
      byte = c.u8();
    }
    c.opcode = byte;
    const variant = rep === 'rep' ? PREFIX_F3 : rep === 'repne' ? PREFIX_F2 : c.opSize !== codeSize ? PREFIX_66 : NO_PREFIX;
    const cell = cellAt((map << 10) | (variant << 8) | byte);

    let row = cell.row;
    if (cell.byModrm !== null) {
      c.modrm = c.u8();
      row = cell.byModrm[c.modrm] as Row | null;
    } else if (row !== null && row.modrm) {
      c.modrm = c.u8();
    }
    if (row === null) return failure(c, offset);
    if (row.pattern.variant === '66') c.opSize = codeSize; // the prefix was part of the opcode
    if (row.rep === null) rep = '';
    return finish(c, offset, row, lock, rep, alternateCr8);
  };
}

const found: Operand[] = [];

/** The explicit operands, in an array of just their number: one that is pushed to keeps room for 17 elements. */
function readOperands(c: Cursor, row: Row): Operand[] {
  found.length = 0;
  for (const form of row.forms) if (form.read !== null) found.push(form.read(c));
  return found.slice();
}

function finish(c: Cursor, offset: number, row: Row, locked: boolean, rep: Repeat, alternateCr8: boolean): Decoded {
  const operands = readOperands(c, row);
  const size = row.sizeForm === null ? c.opSize : row.sizeForm.width(c);
  const length = c.at - offset;
  if (c.at > c.end) return failure(c, offset);
  if (!registersExist(row, operands)) return failure(c, offset);
  const cr0 = locked && alternateCr8 ? operands.findIndex((operand) => operand.kind === 'creg' && operand.index === 0) : -1;
  if (cr0 >= 0) operands[cr0] = CR8;
  const lock = locked && cr0 < 0;
  if (lock && !(row.lock && operands[0]?.kind === 'mem')) return failure(c, offset);
  const instruction: Instruction = {
    invalid: null, row, mnemonic: row.mnemonic, length, opSize: c.opSize, addrSize: c.addrSize, size, lock, rep, seg: c.seg, operands, cc: row.cc,
  };
  return instruction;
}

const SREG_COUNT = 6;
const CODE_SEGMENT = 1;
const CR8: Operand = { kind: 'creg', index: 8 };
/** CR0, CR2, CR3, CR4. */
const CONTROL_REGISTERS = 0b11101;

/** Segment and control register fields may name registers that do not exist, or CS as a destination. */
function registersExist(row: Row, operands: readonly Operand[]): boolean {
  for (const operand of operands) {
    if (operand.kind === 'creg' && ((CONTROL_REGISTERS >> operand.index) & 1) === 0) return false;
    if (operand.kind !== 'sreg' || !row.modrm) continue;
    if (operand.index >= SREG_COUNT || (operand.index === CODE_SEGMENT && operand === operands[0])) return false;
  }
  return true;
}

/** Why there is no instruction: too long or cut off, if bytes were read past the end, else undefined. */
function failure(c: Cursor, offset: number): Invalid {
  const seen = c.end - offset;
  if (c.at <= c.end) return { invalid: 'UD', needed: c.at - offset };
  return seen >= MAX_LENGTH ? { invalid: 'GP', needed: seen } : { invalid: 'FETCH', needed: seen + 1 };
}
