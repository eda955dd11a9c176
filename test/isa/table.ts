// The opcode table tests itself: rows do not overlap, the decoder finds the row that claims the bytes and nothing
// where none does, and the columns hold together.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decoderFor } from '../../translator/isa/decode.js';
import { CONDITIONS, FEATURES, MNEMONICS, ROWS } from '../../translator/isa/opcodes.js';
import type { Row } from '../../translator/isa/opcodes.js';
import { parseFlags, parsePattern } from '../../translator/isa/opcodes-notation.js';
import { NOT_A_PREFIX, PREFIX_CLASS } from '../../translator/isa/prefixes.js';

const VARIANTS = ['np', '66', 'f3', 'f2'] as const;
type Prefix = (typeof VARIANTS)[number];

/** Rows that share bytes on purpose; the one with the prefix wins where its feature is on. */
const OVERLAPS = ['90 | f3 90'];

/** Opcodes without any row: #UD, whatever follows. */
const HOLES: Readonly<Record<string, string>> = {
  '0f 04': 'never assigned',
  '0f 05': 'SYSCALL: AMD, and Intel in 64-bit mode only',
  '0f 07': 'SYSRET, as 0f 05',
  '0f 0a': 'never assigned',
  '0f 0c': 'never assigned',
  '0f 0e': 'FEMMS: AMD',
  '0f 0f': '3DNow!: AMD',
  '0f 24': 'MOV from test registers: 386 and 486 only',
  '0f 25': 'never assigned',
  '0f 26': 'MOV to test registers: 386 and 486 only',
  '0f 27': 'never assigned',
  '0f 36': 'never assigned',
  '0f 37': 'GETSEC: later',
  '0f 38': 'three-byte opcodes: SSSE3 and later',
  '0f 39': 'three-byte opcodes, reserved',
  '0f 3a': 'three-byte opcodes: SSSE3 and later',
  '0f 3b': 'three-byte opcodes, reserved',
  '0f 3c': 'three-byte opcodes, reserved',
  '0f 3d': 'three-byte opcodes, reserved',
  '0f 3e': 'three-byte opcodes, reserved',
  '0f 3f': 'three-byte opcodes, reserved',
  '0f 7a': 'never assigned',
  '0f 7b': 'never assigned',
  '0f 7c': 'SSE3',
  '0f 7d': 'SSE3',
  '0f a6': 'CMPXCHG of the first 486 steppings',
  '0f a7': 'CMPXCHG of the first 486 steppings',
  '0f b8': 'POPCNT under F3: later; JMPE: Itanium',
  '0f b9': 'UD1: defined to be #UD',
  '0f d0': 'SSE3',
  '0f f0': 'SSE3',
  '0f ff': 'UD0: defined to be #UD',
};

/** Basic exit reasons of SDM volume 3, appendix C, in words. */
const EXIT_REASONS = new Set([
  'exception_or_nmi', 'task_switch', 'cpuid', 'hlt', 'invd', 'invlpg', 'rdpmc', 'rdtsc', 'rsm', 'vmcall', 'vmclear', 'vmlaunch', 'vmptrld',
  'vmptrst', 'vmread', 'vmresume', 'vmwrite', 'vmxoff', 'vmxon', 'cr_access', 'mov_dr', 'io_instruction', 'rdmsr', 'wrmsr', 'pause',
  'gdtr_idtr_access', 'ldtr_tr_access', 'wbinvd',
]);

const name = (map: number, opcode: number): string => (map === 1 ? '0f ' : '') + opcode.toString(16).padStart(2, '0');

/** Calls back for each opcode of both maps that is an opcode. */
function forEachOpcode(visit: (map: number, opcode: number, rows: readonly Row[]) => void): void {
  for (const map of [0, 1]) {
    for (let opcode = 0; opcode < 256; opcode++) {
      if (map === 0 && (opcode === 0x0f || PREFIX_CLASS[opcode] !== NOT_A_PREFIX)) continue;
      const rows = ROWS.filter(({ pattern }) => pattern.map === map && pattern.first <= opcode && opcode <= pattern.last);
      visit(map, opcode, rows);
    }
  }
}

const applies = (row: Row, prefix: Prefix): boolean => row.pattern.variant === 'any' || row.pattern.variant === prefix;

const test = suite('isa: table');

test('no two rows claim the same bytes, but for the listed pairs', () => {
  const found = new Set<string>();
  forEachOpcode((_map, _opcode, rows) => {
    for (const prefix of VARIANTS) {
      for (let modrm = 0; modrm < 256; modrm++) {
        const claims = rows.filter((row) => applies(row, prefix) && row.pattern.accepts(modrm));
        if (claims.length > 1) found.add(claims.map((row) => row.opcode).join(' | '));
      }
    }
  });
  assert.equal([...found], OVERLAPS);
});

test('every opcode without a row is listed', () => {
  const holes: string[] = [];
  forEachOpcode((map, opcode, rows) => {
    if (rows.length === 0) holes.push(name(map, opcode));
  });
  assert.equal(holes, Object.keys(HOLES));
});

test('the decoder finds the row that claims the bytes, and #UD where none does', () => {
  const decode = decoderFor(FEATURES);
  const bytes = new Uint8Array(16);
  forEachOpcode((map, opcode, rows) => {
    for (const prefix of VARIANTS) {
      const head = [...(prefix === 'np' ? [] : [parseInt(prefix, 16)]), ...(map === 1 ? [0x0f] : []), opcode];
      const candidates = rows.filter((row) => applies(row, prefix));
      for (let modrm = 0; modrm < 256; modrm++) {
        const claims = candidates.filter((row) => row.pattern.accepts(modrm));
        const expected = claims.find((row) => row.pattern.variant === prefix) ?? claims[0];
        bytes.fill(0);
        bytes.set([...head, modrm]);
        const decoded = decode(bytes, 0, bytes.length, 32);
        if (decoded.invalid === null) assert.is(decoded.row, expected);
        else if (expected !== undefined) assert.ok(refusesRegister(expected, modrm), `${name(map, opcode)} ${modrm.toString(16)}`);
      }
    }
  });
});

/** Registers that do not exist are refused after the row is found. */
function refusesRegister(row: Row, modrm: number): boolean {
  const reg = (modrm >> 3) & 7;
  if (row.mnemonic === 'MOV_TO_SREG') return reg === 1 || reg > 5;
  if (row.mnemonic === 'MOV_FROM_SREG') return reg > 5;
  return /^MOV_(TO|FROM)_CR$/.test(row.mnemonic) && ![0, 2, 3, 4].includes(reg);
}

test('mnemonics are names that semantics can have', () => {
  assert.is(new Set(MNEMONICS).size, MNEMONICS.length);
  for (const mnemonic of MNEMONICS) assert.match(mnemonic, /^[A-Z][A-Z0-9_]*(cc)?$/);
});

test('flags: what is written is not also maybe written, and undefined is no certain result', () => {
  for (const { opcode, flags } of ROWS) {
    assert.is(flags.written & flags.maybe, 0, opcode);
    assert.is(flags.written & flags.undefined, 0, opcode);
  }
});

test('conditions come in sixteens, with the flags they read', () => {
  for (const mnemonic of ['Jcc', 'SETcc', 'CMOVcc']) {
    const codes = ROWS.filter((row) => row.mnemonic === mnemonic).map((row) => row.cc);
    assert.equal([...new Set(codes)], CONDITIONS.map((_, cc) => cc), mnemonic);
  }
  for (const row of ROWS) assert.is(row.cc >= 0, row.mnemonic.endsWith('cc'), row.opcode);
  for (const row of ROWS) if (row.cc >= 0) assert.not.equal(row.flags.read, 0, row.opcode);
});

test('privileged and IOPL-sensitive rows say what they count under', () => {
  for (const row of ROWS) if (row.cpl !== null) assert.not.equal(row.sensitive, null, row.opcode);
});

test('exits are reasons of the manual', () => {
  const used = new Set(ROWS.flatMap((row) => (row.exit === null ? [] : [row.exit])));
  assert.equal([...used].sort(), [...EXIT_REASONS].sort());
});

test('control transfers end a block, and only they have a relative target', () => {
  for (const row of ROWS) if (/J[bv]|Ap/.test(row.operands)) assert.not.equal(row.ends, null, row.opcode);
  const relative = ROWS.filter((row) => row.ends === 'branch' || row.ends === 'jump' || row.ends === 'call');
  for (const row of relative) assert.match(row.operands, /^J[bv]$/, row.opcode);
});

test('LOCK and REP belong to rows that can take them', () => {
  for (const row of ROWS) {
    if (row.lock) assert.match(row.operands, /^[EM]/, row.opcode);
    assert.is(row.rep !== null, row.forms.some((form) => form.read === null), row.opcode);
  }
});

test('every feature has a row', () => {
  assert.equal([...new Set(ROWS.map((row) => row.feature))].sort(), [...FEATURES].sort());
});

test('bad notation is refused', () => {
  for (const opcode of ['', '0', '0f', 'xx', '80/8', '66 80', '0f 01 mem reg']) assert.throws(() => parsePattern(opcode), /bad opcode/, opcode);
  for (const flags of ['w', 'w:X', 'q:C']) assert.throws(() => parseFlags(flags), /bad flags/, flags);
});

test.run();
