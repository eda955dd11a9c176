// The unprivileged integer instructions (SDM volume 2, appendix A).

import { op } from './opcodes-notation.js';
import type { Facts, Row } from './opcodes-notation.js';

const RESULT = 'w:OSZAPC';
const LOGIC = 'w:OSZPC u:A';

const SHIFT1: Facts = { flags: 'w:OSZPC u:A', cost: 'shift' };
const SHIFT: Facts = { flags: 'm:OSZPC u:OA', cost: 'shift' };
const ROTATE1: Facts = { flags: 'w:OC', cost: 'shift' };
const ROTATE: Facts = { flags: 'm:OC u:O', cost: 'shift' };
const ROTATE_CARRY1: Facts = { flags: 'r:C w:OC', cost: 'shift' };
const ROTATE_CARRY: Facts = { flags: 'r:C m:OC u:O', cost: 'shift' };
const BIT: Facts = { flags: 'w:C u:OSAP', cost: 'bit' };
const BIT_WRITE: Facts = { ...BIT, lock: true };
const SCAN: Facts = { flags: 'w:Z u:OSAPC', cost: 'bit' };
const DOUBLE_SHIFT: Facts = { flags: 'm:OSZPC u:OA', cost: 'shift' };
const MULTIPLY: Facts = { flags: 'w:OC u:SZAP', cost: 'mul' };
const DIVIDE: Facts = { flags: 'u:OSZAPC', cost: 'div' };
const STACK: Facts = { cost: 'stack' };
const MOVE_STRING: Facts = { flags: 'r:D', rep: 'rep', cost: 'string' };
const COMPARE_STRING: Facts = { flags: 'r:D w:OSZAPC', rep: 'repe', cost: 'string' };
const BRANCH: Facts = { ends: 'branch', cost: 'branch' };

/** The eight operations that share one layout: six opcodes from `base`, and row `base / 8` of the immediate groups. */
function arithmetic(base: number, mnemonic: string, facts: Facts): Row[] {
  const at = (offset: number): string => (base + offset).toString(16).padStart(2, '0');
  const { lock, ...unlocked } = facts;
  const digit = base >> 3;
  return [
    op(at(0), mnemonic, 'Eb,Gb', facts),
    op(at(1), mnemonic, 'Ev,Gv', facts),
    op(at(2), mnemonic, 'Gb,Eb', unlocked),
    op(at(3), mnemonic, 'Gv,Ev', unlocked),
    op(at(4), mnemonic, 'AL,Ib', unlocked),
    op(at(5), mnemonic, 'eAX,Iv', unlocked),
    op(`80/${digit}`, mnemonic, 'Eb,Ib', facts),
    op(`81/${digit}`, mnemonic, 'Ev,Iv', facts),
    op(`82/${digit}`, mnemonic, 'Eb,Ib', facts), // alias of 80
    op(`83/${digit}`, mnemonic, 'Ev,sIb', facts),
  ].flat();
}

/** A shift or rotate in its six encodings; `once` are the facts for a count of one. */
function shift(digit: number, mnemonic: string, once: Facts, counted: Facts): Row[] {
  return [
    op(`c0/${digit}`, mnemonic, 'Eb,Ib', counted),
    op(`c1/${digit}`, mnemonic, 'Ev,Ib', counted),
    op(`d0/${digit}`, mnemonic, 'Eb,1', once),
    op(`d1/${digit}`, mnemonic, 'Ev,1', once),
    op(`d2/${digit}`, mnemonic, 'Eb,CL', counted),
    op(`d3/${digit}`, mnemonic, 'Ev,CL', counted),
  ].flat();
}

export const INTEGER_ROWS: readonly Row[] = [
  arithmetic(0x00, 'ADD', { flags: RESULT, lock: true }),
  arithmetic(0x08, 'OR', { flags: LOGIC, lock: true }),
  arithmetic(0x10, 'ADC', { flags: `r:C ${RESULT}`, lock: true }),
  arithmetic(0x18, 'SBB', { flags: `r:C ${RESULT}`, lock: true }),
  arithmetic(0x20, 'AND', { flags: LOGIC, lock: true }),
  arithmetic(0x28, 'SUB', { flags: RESULT, lock: true }),
  arithmetic(0x30, 'XOR', { flags: LOGIC, lock: true }),
  arithmetic(0x38, 'CMP', { flags: RESULT }),

  op('27', 'DAA', '', { flags: 'r:AC w:SZAPC u:O', cost: 'bcd' }),
  op('2f', 'DAS', '', { flags: 'r:AC w:SZAPC u:O', cost: 'bcd' }),
  op('37', 'AAA', '', { flags: 'r:A w:AC u:OSZP', cost: 'bcd' }),
  op('3f', 'AAS', '', { flags: 'r:A w:AC u:OSZP', cost: 'bcd' }),
  op('d4', 'AAM', 'Ib', { flags: 'w:SZP u:OAC', cost: 'div' }),
  op('d5', 'AAD', 'Ib', { flags: 'w:SZP u:OAC', cost: 'bcd' }),

  op('40+r', 'INC', 'Zv', { flags: 'w:OSZAP' }),
  op('48+r', 'DEC', 'Zv', { flags: 'w:OSZAP' }),
  op('50+r', 'PUSH', 'Zv', STACK),
  op('58+r', 'POP', 'Zv', STACK),
  op('60', 'PUSHA', '', { ...STACK, text: 'pusha|pushad' }),
  op('61', 'POPA', '', { ...STACK, text: 'popa|popad' }),
  op('62 mem', 'BOUND', 'Gv,Ma', { exit: 'exception_or_nmi' }),
  op('63', 'ARPL', 'Ew,Gw', { flags: 'w:Z', protectedMode: true, cost: 'segment' }),
  op('68', 'PUSH', 'Iv', STACK),
  op('69', 'IMUL3', 'Gv,Ev,Iv', { ...MULTIPLY, text: 'imul' }),
  op('6a', 'PUSH', 'sIb', STACK),
  op('6b', 'IMUL3', 'Gv,Ev,sIb', { ...MULTIPLY, text: 'imul' }),
  op('70+cc', 'Jcc', 'Jb', { ...BRANCH, text: 'jcc' }),

  op('84', 'TEST', 'Eb,Gb', { flags: LOGIC }),
  op('85', 'TEST', 'Ev,Gv', { flags: LOGIC }),
  op('86', 'XCHG', 'Eb,Gb', { lock: true }),
  op('87', 'XCHG', 'Ev,Gv', { lock: true }),
  op('88', 'MOV', 'Eb,Gb'),
  op('89', 'MOV', 'Ev,Gv'),
  op('8a', 'MOV', 'Gb,Eb'),
  op('8b', 'MOV', 'Gv,Ev'),
  op('8d mem', 'LEA', 'Gv,M'),
  op('8f/0', 'POP', 'Ev', STACK),
  op('90', 'NOP'),
  op('f3 90', 'PAUSE', '', { feature: 'sse2', exit: 'pause' }), // a NOP before SSE2
  op('91-97', 'XCHG', 'Zv,eAX'),
  op('98', 'CBW', '', { text: 'cbw|cwde' }),
  op('99', 'CWD', '', { text: 'cwd|cdq' }),
  op('9e', 'SAHF', '', { flags: 'w:SZAPC' }),
  op('9f', 'LAHF', '', { flags: 'r:SZAPC' }),

  op('a0', 'MOV', 'AL,Ob'),
  op('a1', 'MOV', 'eAX,Ov'),
  op('a2', 'MOV', 'Ob,AL'),
  op('a3', 'MOV', 'Ov,eAX'),
  op('a4', 'MOVS', 'Yb,Xb', MOVE_STRING),
  op('a5', 'MOVS', 'Yv,Xv', MOVE_STRING),
  op('a6', 'CMPS', 'Xb,Yb', COMPARE_STRING),
  op('a7', 'CMPS', 'Xv,Yv', COMPARE_STRING),
  op('a8', 'TEST', 'AL,Ib', { flags: LOGIC }),
  op('a9', 'TEST', 'eAX,Iv', { flags: LOGIC }),
  op('aa', 'STOS', 'Yb', MOVE_STRING),
  op('ab', 'STOS', 'Yv', MOVE_STRING),
  op('ac', 'LODS', 'Xb', MOVE_STRING),
  op('ad', 'LODS', 'Xv', MOVE_STRING),
  op('ae', 'SCAS', 'Yb', COMPARE_STRING),
  op('af', 'SCAS', 'Yv', COMPARE_STRING),
  op('b0+r', 'MOV', 'Zb,Ib'),
  op('b8+r', 'MOV', 'Zv,Iv'),

  shift(0, 'ROL', ROTATE1, ROTATE),
  shift(1, 'ROR', ROTATE1, ROTATE),
  shift(2, 'RCL', ROTATE_CARRY1, ROTATE_CARRY),
  shift(3, 'RCR', ROTATE_CARRY1, ROTATE_CARRY),
  shift(4, 'SHL', SHIFT1, SHIFT),
  shift(5, 'SHR', SHIFT1, SHIFT),
  shift(6, 'SHL', { ...SHIFT1, text: 'sal' }, { ...SHIFT, text: 'sal' }), // alias of /4
  shift(7, 'SAR', SHIFT1, SHIFT),

  op('c2', 'RET', 'Iw', { ends: 'ret', cost: 'call' }),
  op('c3', 'RET', '', { ends: 'ret', cost: 'call' }),
  op('c6/0', 'MOV', 'Eb,Ib'),
  op('c7/0', 'MOV', 'Ev,Iv'),
  op('c8', 'ENTER', 'Iw,Ib', STACK),
  op('c9', 'LEAVE', '', STACK),
  op('d6', 'SALC', '', { flags: 'r:C' }),
  op('d7', 'XLAT', '', { text: 'xlatb' }),
  op('e0', 'LOOPNE', 'Jb', { ...BRANCH, flags: 'r:Z' }),
  op('e1', 'LOOPE', 'Jb', { ...BRANCH, flags: 'r:Z' }),
  op('e2', 'LOOP', 'Jb', BRANCH),
  op('e3', 'JCXZ', 'Jb', { ...BRANCH, text: 'jcxz|jecxz' }),
  op('e8', 'CALL', 'Jv', { ends: 'call', cost: 'call' }),
  op('e9', 'JMP', 'Jv', { ends: 'jump', cost: 'branch' }),
  op('eb', 'JMP', 'Jb', { ends: 'jump', cost: 'branch' }),

  op('f5', 'CMC', '', { flags: 'r:C w:C' }),
  op('f6/0', 'TEST', 'Eb,Ib', { flags: LOGIC }),
  op('f6/1', 'TEST', 'Eb,Ib', { flags: LOGIC }), // alias of /0
  op('f6/2', 'NOT', 'Eb', { lock: true }),
  op('f6/3', 'NEG', 'Eb', { flags: RESULT, lock: true }),
  op('f6/4', 'MUL', 'Eb', MULTIPLY),
  op('f6/5', 'IMUL', 'Eb', MULTIPLY),
  op('f6/6', 'DIV', 'Eb', DIVIDE),
  op('f6/7', 'IDIV', 'Eb', DIVIDE),
  op('f7/0', 'TEST', 'Ev,Iv', { flags: LOGIC }),
  op('f7/1', 'TEST', 'Ev,Iv', { flags: LOGIC }), // alias of /0
  op('f7/2', 'NOT', 'Ev', { lock: true }),
  op('f7/3', 'NEG', 'Ev', { flags: RESULT, lock: true }),
  op('f7/4', 'MUL', 'Ev', MULTIPLY),
  op('f7/5', 'IMUL', 'Ev', MULTIPLY),
  op('f7/6', 'DIV', 'Ev', DIVIDE),
  op('f7/7', 'IDIV', 'Ev', DIVIDE),
  op('f8', 'CLC', '', { flags: 'w:C' }),
  op('f9', 'STC', '', { flags: 'w:C' }),
  op('fc', 'CLD', '', { flags: 'w:D' }),
  op('fd', 'STD', '', { flags: 'w:D' }),
  op('fe/0', 'INC', 'Eb', { flags: 'w:OSZAP', lock: true }),
  op('fe/1', 'DEC', 'Eb', { flags: 'w:OSZAP', lock: true }),
  op('ff/0', 'INC', 'Ev', { flags: 'w:OSZAP', lock: true }),
  op('ff/1', 'DEC', 'Ev', { flags: 'w:OSZAP', lock: true }),
  op('ff/2', 'CALL', 'Ev', { ends: 'indirect', cost: 'call' }),
  op('ff/4', 'JMP', 'Ev', { ends: 'indirect', cost: 'branch' }),
  op('ff/6', 'PUSH', 'Ev', STACK),

  // Hints: they name memory and do not touch it.
  op('0f 0d', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/0 mem', 'PREFETCH', 'M', { feature: 'p6', text: 'prefetchnta' }),
  op('0f 18/1 mem', 'PREFETCH', 'M', { feature: 'p6', text: 'prefetcht0' }),
  op('0f 18/2 mem', 'PREFETCH', 'M', { feature: 'p6', text: 'prefetcht1' }),
  op('0f 18/3 mem', 'PREFETCH', 'M', { feature: 'p6', text: 'prefetcht2' }),
  op('0f 18/0 reg', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/1 reg', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/2 reg', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/3 reg', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/4', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/5', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/6', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 18/7', 'NOP', 'Ev', { feature: 'p6' }),
  op('0f 19-1f', 'NOP', 'Ev', { feature: 'p6' }),

  op('0f 40+cc', 'CMOVcc', 'Gv,Ev', { feature: 'cmov', text: 'cmovcc' }),
  op('0f 80+cc', 'Jcc', 'Jv', { ...BRANCH, text: 'jcc' }),
  op('0f 90+cc', 'SETcc', 'Eb', { text: 'setcc' }),
  op('0f a3', 'BT', 'Ev,Gv', BIT),
  op('0f a4', 'SHLD', 'Ev,Gv,Ib', DOUBLE_SHIFT),
  op('0f a5', 'SHLD', 'Ev,Gv,CL', DOUBLE_SHIFT),
  op('0f ab', 'BTS', 'Ev,Gv', BIT_WRITE),
  op('0f ac', 'SHRD', 'Ev,Gv,Ib', DOUBLE_SHIFT),
  op('0f ad', 'SHRD', 'Ev,Gv,CL', DOUBLE_SHIFT),
  op('0f af', 'IMUL2', 'Gv,Ev', { ...MULTIPLY, text: 'imul' }),
  op('0f b0', 'CMPXCHG', 'Eb,Gb', { flags: RESULT, lock: true, feature: '486' }),
  op('0f b1', 'CMPXCHG', 'Ev,Gv', { flags: RESULT, lock: true, feature: '486' }),
  op('0f b3', 'BTR', 'Ev,Gv', BIT_WRITE),
  op('0f b6', 'MOVZX', 'Gv,Eb'),
  op('0f b7', 'MOVZX', 'Gv,Ew'),
  op('0f ba/4', 'BT', 'Ev,Ib', BIT),
  op('0f ba/5', 'BTS', 'Ev,Ib', BIT_WRITE),
  op('0f ba/6', 'BTR', 'Ev,Ib', BIT_WRITE),
  op('0f ba/7', 'BTC', 'Ev,Ib', BIT_WRITE),
  op('0f bb', 'BTC', 'Ev,Gv', BIT_WRITE),
  op('0f bc', 'BSF', 'Gv,Ev', SCAN),
  op('0f bd', 'BSR', 'Gv,Ev', SCAN),
  op('0f be', 'MOVSX', 'Gv,Eb'),
  op('0f bf', 'MOVSX', 'Gv,Ew'),
  op('0f c0', 'XADD', 'Eb,Gb', { flags: RESULT, lock: true, feature: '486' }),
  op('0f c1', 'XADD', 'Ev,Gv', { flags: RESULT, lock: true, feature: '486' }),
  op('0f c7/1 mem', 'CMPXCHG8B', 'Mq', { flags: 'w:Z', lock: true, feature: 'cx8' }),
  op('0f c8+r', 'BSWAP', 'Zv', { feature: '486' }), // opSize 16 is undefined in the manual
].flat();
