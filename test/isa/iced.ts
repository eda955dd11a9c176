// The decoder against an independent one, iced-x86, over random byte strings: validity, length, mnemonic and
// operands agree. TRIVISOR_FUZZ=N decodes N strings in each code size instead of the default.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Code, CpuidFeature, Decoder, FlowControl, Instruction as IcedInstruction, MemorySizeExt, Mnemonic, OpKind, Register, RflagsBits,
} from 'iced-x86';
import { decoderFor } from '../../translator/isa/decode.js';
import { format, formatMnemonic, formatRegister } from '../../translator/isa/format.js';
import { FLAG_BITS } from '../../translator/isa/instruction.js';
import type { Decoded, Instruction, Operand, Width } from '../../translator/isa/instruction.js';
import { FEATURES, ROWS } from '../../translator/isa/opcodes.js';
import type { BlockEnd, Row } from '../../translator/isa/opcodes.js';
import { Random } from './random.js';

const COUNT = Number(process.env['TRIVISOR_FUZZ'] ?? 150_000);
const SEED = 0x7215;
/** Bytes to a string: one more than the longest instruction, so that none runs into its neighbour. */
const SLOT = 16;
const CHUNK = 1 << 16;
/** One string in so many has its operands compared too; all of them in a long run. */
const OPERANDS_EVERY = COUNT > 1_000_000 ? 1 : 2;

/** iced's names for what our processor has. Anything else iced knows is newer, older or another vendor's. */
const OURS = new Set([
  'INTEL8086', 'INTEL186', 'INTEL286', 'INTEL386', 'INTEL486', 'FPU', 'FPU287', 'FPU387', 'CPUID', 'TSC', 'MSR', 'CX8', 'CMOV', 'SEP', 'SMM',
  'RDPMC', 'MULTIBYTENOP', 'PAUSE', 'MMX', 'FXSR', 'SSE', 'SSE2', 'CLFSH', 'VMX',
]);

interface Difference {
  /** iced's mnemonic, and bytes (32-bit code) that show it. */
  readonly theirs: string;
  readonly bytes: string;
  /** Our mnemonic, or 'UD'. */
  readonly ours: string;
  readonly why: string;
}

/** Every architectural difference. Beyond it, what iced decodes by a feature outside OURS must be #UD here. */
const DIFFERENCES: readonly Difference[] = [
  { theirs: 'tzcnt', bytes: 'f30fbcc1', ours: 'bsf', why: 'BMI1: F3 was ignored before' },
  { theirs: 'lzcnt', bytes: 'f30fbdc1', ours: 'bsr', why: 'LZCNT: F3 was ignored before' },
  { theirs: 'wbnoinvd', bytes: 'f30f09', ours: 'wbinvd', why: 'WBNOINVD: F3 was ignored before' },
  { theirs: 'reservednop', bytes: '0f19c0', ours: 'nop', why: 'the hint opcodes are NOP Ev, as the P6 executes them' },
  { theirs: 'prefetch', bytes: '0f0d00', ours: 'nop', why: '3DNow! hint' },
  { theirs: 'prefetchw', bytes: '0f0d08', ours: 'nop', why: 'PREFETCHW hint' },
  { theirs: 'prefetchwt1', bytes: '0f0d10', ours: 'nop', why: 'PREFETCHWT1 hint' },
  { theirs: 'prefetchit0', bytes: '0f1838', ours: 'nop', why: 'PREFETCHITI hint' },
  { theirs: 'prefetchit1', bytes: '0f1830', ours: 'nop', why: 'PREFETCHITI hint' },
  { theirs: 'cldemote', bytes: '0f1c00', ours: 'nop', why: 'CLDEMOTE hint' },
  { theirs: 'endbr32', bytes: 'f30f1efb', ours: 'nop', why: 'CET in a hint opcode' },
  { theirs: 'endbr64', bytes: 'f30f1efa', ours: 'nop', why: 'CET in a hint opcode' },
  { theirs: 'rdsspd', bytes: 'f30f1ec8', ours: 'nop', why: 'CET in a hint opcode' },
  { theirs: 'ud0', bytes: '0fffc0', ours: 'UD', why: 'defined to raise #UD, which the hole in the table does' },
  { theirs: 'ud1', bytes: '0fb9c0', ours: 'UD', why: 'defined to raise #UD, which the hole in the table does' },
  { theirs: 'vmfunc', bytes: '0f01d4', ours: 'UD', why: 'a later part of VMX: EPTP switching' },
];
const OUR_NAME = new Map(DIFFERENCES.map(({ theirs, ours }) => [theirs, ours]));

const decode = decoderFor(FEATURES);
const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const MANDATORY = [0x66, 0xf2, 0xf3];

/** Random bytes behind prefixes and an opcode map chosen with a bias, so that every opcode comes up. */
function fillRandom(random: Random, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) bytes[at] = random.byte();
  for (let slot = 0; slot < bytes.length; slot += SLOT) {
    let at = slot;
    const kind = random.below(16);
    if (kind === 0) continue; // as it came
    if (kind === 1) for (let n = random.below(SLOT); n > 0; n--) bytes[at++] = random.pick(PREFIXES); // up to and over the limit
    else if (kind < 8) bytes[at++] = random.pick(PREFIXES);
    else if (kind < 10) for (let n = 2; n > 0; n--) bytes[at++] = random.pick(PREFIXES);
    if (random.below(2) === 0) {
      if (random.below(2) === 0) bytes[at++] = random.pick(MANDATORY);
      bytes[at] = 0x0f;
    }
  }
}

/** Strings that reach each row of the table, whatever the dice say. */
function fillFromRow(random: Random, row: Row, bytes: Uint8Array): void {
  const { map, first, last, variant, accepts } = row.pattern;
  for (let slot = 0; slot < bytes.length; slot += SLOT) {
    let at = slot;
    for (let k = 0; k < SLOT; k++) bytes[slot + k] = random.byte();
    if (random.below(2) === 0) bytes[at++] = random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67]);
    if (variant !== 'any' && variant !== 'np') bytes[at++] = parseInt(variant, 16);
    else if (variant === 'any' && row.opcode !== '90' && random.below(2) === 0) bytes[at++] = 0x66;
    if (map === 1) bytes[at++] = 0x0f;
    bytes[at++] = first + random.below(last - first + 1);
    while (row.modrm && !accepts(bytes[at] as number)) bytes[at] = random.byte();
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What the two decoders disagree about, or null. */
function compare(theirs: IcedInstruction, ours: Decoded, operands: boolean): string | null {
  if (theirs.code === Code.INVALID) return ours.invalid === null ? `valid to us only: ${format(ours)}` : null;
  const name = (Mnemonic[theirs.mnemonic] as string).toLowerCase();
  if (ours.invalid !== null) {
    const known = [...theirs.cpuidFeatures()].every((feature) => OURS.has(CpuidFeature[feature] as string));
    const expected = OUR_NAME.get(name) ?? (known ? name : 'UD');
    return expected === ours.invalid ? null : `${ours.invalid} to us only: ${name}`;
  }
  if (ours.length !== theirs.length) return `length ${ours.length} of ${format(ours)}, ${theirs.length} of ${name}`;
  const text = formatMnemonic(ours).replace(' far', '');
  if (text !== (OUR_NAME.get(name) ?? name)) return `${text} is ${name}`;
  if (!operands || name !== text || isString(ours.row)) return null;
  const mine = ours.operands.map((operand) => describe(operand, ours)).join(' ');
  const other = describeIced(theirs, ours).join(' ');
  return mine === other ? null : `operands of ${text}: ${mine}, theirs ${other}`;
}

const isString = (row: Row): boolean => row.forms.some((form) => form.read === null);

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** An operand in words that do not depend on syntax. */
function describe(operand: Operand, instruction: Instruction): string {
  switch (operand.kind) {
    case 'reg': return formatRegister(operand.size, operand.index);
    case 'mem': {
      const name = (index: number): string => (index < 0 ? 'none' : formatRegister(operand.addrSize, index));
      const disp = operand.disp & (operand.addrSize === 16 ? 0xffff : -1);
      return `${SEGMENTS[operand.seg] as string}:${name(operand.base)}+${name(operand.index)}*${1 << operand.scale}+${disp}:${operand.size}`;
    }
    case 'imm': return `${operand.value & (operand.size === 32 ? -1 : (1 << operand.size) - 1)}:${operand.size}`;
    case 'rel': return `to ${(instruction.length + operand.disp) & (instruction.opSize === 16 ? 0xffff : -1)}`;
    case 'far': return `${operand.selector}:${operand.offset & (instruction.opSize === 16 ? 0xffff : -1)}`;
    case 'sreg': return SEGMENTS[operand.index] as string;
    case 'creg': return `cr${operand.index}`;
    case 'dreg': return `dr${operand.index}`;
    default: return `${operand.kind}${operand.index}`;
  }
}

/** iced's operands, in the same words and without the implicit ones it spells out. */
function describeIced(theirs: IcedInstruction, ours: Instruction): string[] {
  const { forms, feature } = ours.row;
  const words: string[] = [];
  for (let n = 0; n < theirs.opCount; n++) {
    const word = describeIcedOperand(theirs, n);
    if (word === IMPLICIT_MEMORY) continue;
    // A word operand is a word to us, also where iced writes the 32-bit register that holds it.
    words.push(WORD_FORMS.has(forms[n]?.name ?? '') ? word.replace(/^e(..)$/, '$1') : word);
  }
  const expected = ours.operands.length;
  if (words.length === expected) return words;
  if (expected === 0) return []; // XLAT's table, the accumulators of a conversion, x87 operations on ST0 and ST1
  if (feature !== 'fpu' || expected !== 1) return words;
  // x87 with one operand spelt: the other is ST0, the destination of a load, the source of a store.
  if (ours.operands[0]?.kind === 'mem') return words.filter((word) => word !== 'st0');
  return ours.mnemonic === 'FLD' ? words.slice(1) : words.slice(0, 1);
}

const IMPLICIT_MEMORY = 'implicit memory';
const WORD_FORMS = new Set(['Ew', 'Gw']);

function describeIcedOperand(theirs: IcedInstruction, n: number): string {
  switch (theirs.opKind(n)) {
    case OpKind.Register: return (Register[theirs.opRegister(n)] as string).toLowerCase();
    case OpKind.NearBranch16: return `to ${theirs.nearBranch16}`;
    case OpKind.NearBranch32: return `to ${theirs.nearBranch32 | 0}`;
    case OpKind.FarBranch16: return `${theirs.farBranchSelector}:${theirs.farBranch16}`;
    case OpKind.FarBranch32: return `${theirs.farBranchSelector}:${theirs.farBranch32 | 0}`;
    case OpKind.Immediate8:
    case OpKind.Immediate8_2nd: return `${Number(theirs.immediate(n)) & 0xff}:8`;
    case OpKind.Immediate16:
    case OpKind.Immediate8to16: return `${Number(BigInt.asUintN(16, theirs.immediate(n)))}:16`;
    case OpKind.Immediate32:
    case OpKind.Immediate8to32: return `${Number(BigInt.asIntN(32, theirs.immediate(n)))}:32`;
    case OpKind.Memory: {
      const name = (register: Register): string => (Register[register] as string).toLowerCase();
      const scale = theirs.memoryIndex === Register.None ? 1 : theirs.memoryIndexScale;
      const size = SIZELESS.has(theirs.mnemonic) ? 0 : memoryBits(theirs);
      const wide = theirs.memoryDisplSize === 2 || isWord(name(theirs.memoryBase)) ? 0xffff : -1;
      const disp = Number(BigInt.asIntN(32, theirs.memoryDisplacement)) & wide;
      return `${name(theirs.memorySegment)}:${name(theirs.memoryBase)}+${name(theirs.memoryIndex)}*${scale}+${disp}:${size}`;
    }
    default: return IMPLICIT_MEMORY; // of a string instruction or MASKMOVQ
  }
}

const isWord = (register: string): boolean => register !== 'none' && !register.startsWith('e');

/** Instructions that name memory without reading or writing it. */
const SIZELESS = new Set<Mnemonic>([
  Mnemonic.Lea, Mnemonic.Invlpg, Mnemonic.Prefetchnta, Mnemonic.Prefetcht0, Mnemonic.Prefetcht1, Mnemonic.Prefetcht2, Mnemonic.Clflush,
]);

function memoryBits(theirs: IcedInstruction): number {
  return MemorySizeExt.size(theirs.memorySize) * 8;
}

/** Compares every slot; says the first disagreement of each kind. */
function compareAll(bytes: Uint8Array, codeSize: Width, complaints: Map<string, string>, reached: Set<Row>): void {
  const decoder = new Decoder(codeSize, bytes, 0);
  const theirs = new IcedInstruction();
  for (let slot = 0, n = 0; slot < bytes.length; slot += SLOT, n++) {
    decoder.position = slot;
    decoder.ip = 0n;
    decoder.decodeOut(theirs);
    const ours = decode(bytes, slot, slot + SLOT, codeSize);
    if (ours.invalid === null) reached.add(ours.row);
    const complaint = compare(theirs, ours, n % OPERANDS_EVERY === 0);
    if (complaint === null) continue;
    const kind = complaint.replace(/:.*/, '');
    if (!complaints.has(kind)) complaints.set(kind, `${codeSize} bit ${hex(bytes.subarray(slot, slot + SLOT))}: ${complaint}`);
  }
  theirs.free();
  decoder.free();
}

function report(complaints: Map<string, string>): string {
  return [...complaints.values()].slice(0, 20).join('\n');
}

const test = suite('isa: iced');

test('each listed difference is one', () => {
  for (const { theirs, bytes, ours } of DIFFERENCES) {
    const code = Uint8Array.from(Buffer.from(bytes, 'hex'));
    const decoder = new Decoder(32, code, 0);
    assert.is((Mnemonic[decoder.decode().mnemonic] as string).toLowerCase(), theirs);
    const decoded = decode(code, 0, code.length, 32);
    assert.is(decoded.invalid ?? formatMnemonic(decoded), ours, theirs);
  }
});

for (const codeSize of [16, 32] as const) {
  test(`${COUNT} random strings, ${codeSize} bit`, () => {
    const random = new Random(SEED + codeSize);
    const complaints = new Map<string, string>();
    const bytes = new Uint8Array(Math.min(COUNT, CHUNK) * SLOT);
    for (let left = COUNT; left > 0; left -= CHUNK) {
      fillRandom(random, bytes);
      compareAll(left < CHUNK ? bytes.subarray(0, left * SLOT) : bytes, codeSize, complaints, new Set());
    }
    assert.is(report(complaints), '');
  });

  test(`every row, ${codeSize} bit`, () => {
    const random = new Random(SEED ^ codeSize);
    const complaints = new Map<string, string>();
    const reached = new Set<Row>();
    const bytes = new Uint8Array(24 * SLOT);
    for (const row of ROWS) {
      fillFromRow(random, row, bytes);
      compareAll(bytes, codeSize, complaints, reached);
    }
    assert.is(report(complaints), '');
    assert.equal(ROWS.filter((row) => !reached.has(row)).map((row) => row.opcode), []);
  });
}

// The other columns of the table, one instance of each row, against what iced knows about the instruction.

const RFLAGS: readonly (readonly [number, number])[] = [
  [RflagsBits.OF, FLAG_BITS.O], [RflagsBits.SF, FLAG_BITS.S], [RflagsBits.ZF, FLAG_BITS.Z], [RflagsBits.AF, FLAG_BITS.A],
  [RflagsBits.CF, FLAG_BITS.C], [RflagsBits.PF, FLAG_BITS.P], [RflagsBits.DF, FLAG_BITS.D], [RflagsBits.IF, FLAG_BITS.I],
  [RflagsBits.AC, FLAG_BITS.K],
];
const COMPARED_FLAGS = RFLAGS.reduce((mask, [, bit]) => mask | bit, 0);
const eflags = (rflags: number): number => RFLAGS.reduce((mask, [theirs, ours]) => ((rflags & theirs) === 0 ? mask : mask | ours), 0);

const FLOW: Readonly<Record<BlockEnd, readonly FlowControl[]>> = {
  branch: [FlowControl.ConditionalBranch],
  jump: [FlowControl.UnconditionalBranch],
  call: [FlowControl.Call],
  indirect: [FlowControl.IndirectBranch, FlowControl.IndirectCall],
  ret: [FlowControl.Return],
  far: [
    FlowControl.Call, FlowControl.IndirectCall, FlowControl.UnconditionalBranch, FlowControl.IndirectBranch, FlowControl.Return, FlowControl.Interrupt,
  ],
  system: [FlowControl.Next, FlowControl.Exception, FlowControl.Call],
};

/** Software interrupts: our row has the delivery's effect on the flags, iced the instruction's alone. */
const INTERRUPTS = new Set(['INT', 'INT1', 'INT3', 'INTO']);

function compareColumns(row: Row, theirs: IcedInstruction): string[] {
  const { flags, ends, cpl, exit, mnemonic } = row;
  const { opCode } = theirs;
  const wrong: string[] = [];
  const check = (column: string, same: boolean): void => {
    if (!same) wrong.push(`${column} of ${row.opcode} ${mnemonic}`);
  };
  const undefinedFlags = eflags(theirs.rflagsUndefined);
  const written = eflags(theirs.rflagsWritten | theirs.rflagsCleared | theirs.rflagsSet);
  if (!INTERRUPTS.has(mnemonic)) {
    check('flags read', (flags.read & COMPARED_FLAGS) === eflags(theirs.rflagsRead));
    // OF after a counted shift is in both our columns, and in iced's by the count.
    check('flags written', ((flags.written | (flags.maybe & ~flags.undefined)) & COMPARED_FLAGS) === (written & ~(flags.maybe & flags.undefined)));
    check('flags undefined', (flags.undefined & ~flags.maybe & COMPARED_FLAGS) === (undefinedFlags & ~flags.maybe));
  }
  check('ends', ends === null ? theirs.flowControl === FlowControl.Next : FLOW[ends].includes(theirs.flowControl));
  check('cpl', (cpl === 0) === !opCode.cpl3 || mnemonic === 'VMCALL'); // VMCALL exits at any CPL in non-root operation
  check('exit', (exit !== null) === (opCode.intelVmExit || opCode.intelMayVmExit) || mnemonic === 'SMSW'); // reads the CR0 shadow
  check('protectedMode', row.protectedMode === !opCode.realMode || /^SYSE/.test(mnemonic)); // #GP, not #UD
  check('lock', row.lock === opCode.canUseLockPrefix);
  check('rep', (row.rep !== null) === opCode.canUseRepPrefix);
  return wrong;
}

/** Counts that are neither zero nor one, so that a shift's flags are those of the general case. */
const COUNT_BYTE = 0x03;

test('flags, privilege, exits and block ends', () => {
  const random = new Random(SEED);
  const bytes = new Uint8Array(SLOT);
  const wrong: string[] = [];
  for (const row of ROWS) {
    let ours: Decoded;
    do {
      fillFromRow(random, row, bytes);
      ours = decode(bytes, 0, SLOT, 32);
    } while (ours.invalid !== null || ours.row !== row || ours.opSize === 16); // PUSHF, POPF and IRET are their 32-bit forms
    if (row.cost === 'shift' && row.operands.endsWith('Ib')) bytes[ours.length - 1] = COUNT_BYTE;
    wrong.push(...compareColumns(row, new Decoder(32, bytes, 0).decode()));
  }
  assert.equal(wrong, []);
});

test.run();
