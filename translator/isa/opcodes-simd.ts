// MMX, SSE and SSE2, with the state they share with the x87 (SDM volume 2, appendix A). Operand widths stand for
// the manual's element types: dq packed, q and d scalar double and single.

import { op } from './opcodes-notation.js';
import type { Facts, Feature, Row } from './opcodes-notation.js';

const mmx = (opcode: string, mnemonic: string, operands = '', facts: Facts = {}): Row[] =>
  op(opcode, mnemonic, operands, { feature: 'mmx', cost: 'mmx', ...facts });
const sse = (opcode: string, mnemonic: string, operands = '', facts: Facts = {}): Row[] =>
  op(opcode, mnemonic, operands, { feature: 'sse', cost: 'sse', ...facts });
const sse2 = (opcode: string, mnemonic: string, operands = '', facts: Facts = {}): Row[] =>
  op(opcode, mnemonic, operands, { feature: 'sse2', cost: 'sse', ...facts });

/** An integer operation on MMX registers (there since `feature`) and, under 66, on XMM registers. */
function packed(opcode: string, mnemonic: string, feature: Feature = 'mmx', source = 'Qq'): Row[] {
  return [
    op(`np 0f ${opcode}`, mnemonic, `Pq,${source}`, { feature, cost: 'mmx' }),
    op(`66 0f ${opcode}`, mnemonic, 'Vdq,Wdq', { feature: 'sse2', cost: 'sse' }),
  ].flat();
}

/** A shift of packed integers by an immediate. */
function packedShift(opcode: string, mnemonic: string): Row[] {
  return [mmx(`np 0f ${opcode} reg`, mnemonic, 'Nq,Ib'), sse2(`66 0f ${opcode} reg`, mnemonic, 'Udq,Ib')].flat();
}

/** A floating-point operation, packed single and double: PS and PD. */
function packedFloat(opcode: string, name: string, facts: Facts = {}, tail = ''): Row[] {
  return [
    sse(`np 0f ${opcode}`, `${name}PS`, `Vdq,Wdq${tail}`, facts),
    sse2(`66 0f ${opcode}`, `${name}PD`, `Vdq,Wdq${tail}`, facts),
  ].flat();
}

/** The same with its scalar forms: PS, PD, SS and SD. */
function float(opcode: string, name: string, facts: Facts = {}, tail = ''): Row[] {
  return [
    packedFloat(opcode, name, facts, tail),
    sse(`f3 0f ${opcode}`, `${name}SS`, `Vd,Wd${tail}`, facts),
    sse2(`f2 0f ${opcode}`, `${name}SD`, `Vq,Wq${tail}`, facts),
  ].flat();
}

const SLOW: Facts = { cost: 'sse_div' };
const COMPARE: Facts = { flags: 'w:OSZAPC' };

export const SIMD_ROWS: readonly Row[] = [
  // Moves
  sse('np 0f 10', 'MOVUPS', 'Vdq,Wdq'),
  sse2('66 0f 10', 'MOVUPD', 'Vdq,Wdq'),
  sse('f3 0f 10', 'MOVSS', 'Vd,Wd'),
  sse2('f2 0f 10', 'MOVSD', 'Vq,Wq'),
  sse('np 0f 11', 'MOVUPS', 'Wdq,Vdq'),
  sse2('66 0f 11', 'MOVUPD', 'Wdq,Vdq'),
  sse('f3 0f 11', 'MOVSS', 'Wd,Vd'),
  sse2('f2 0f 11', 'MOVSD', 'Wq,Vq'),
  sse('np 0f 12 mem', 'MOVLPS', 'Vq,Mq'),
  sse('np 0f 12 reg', 'MOVHLPS', 'Vq,Udq'),
  sse2('66 0f 12 mem', 'MOVLPD', 'Vq,Mq'),
  sse('np 0f 13 mem', 'MOVLPS', 'Mq,Vq'),
  sse2('66 0f 13 mem', 'MOVLPD', 'Mq,Vq'),
  packedFloat('14', 'UNPCKL'),
  packedFloat('15', 'UNPCKH'),
  sse('np 0f 16 mem', 'MOVHPS', 'Vq,Mq'),
  sse('np 0f 16 reg', 'MOVLHPS', 'Vq,Udq'),
  sse2('66 0f 16 mem', 'MOVHPD', 'Vq,Mq'),
  sse('np 0f 17 mem', 'MOVHPS', 'Mq,Vq'),
  sse2('66 0f 17 mem', 'MOVHPD', 'Mq,Vq'),
  packedFloat('28', 'MOVA'),
  sse('np 0f 29', 'MOVAPS', 'Wdq,Vdq'),
  sse2('66 0f 29', 'MOVAPD', 'Wdq,Vdq'),
  sse('np 0f 2b mem', 'MOVNTPS', 'Mdq,Vdq'),
  sse2('66 0f 2b mem', 'MOVNTPD', 'Mdq,Vdq'),
  sse('np 0f 50 reg', 'MOVMSKPS', 'Gd,Udq'),
  sse2('66 0f 50 reg', 'MOVMSKPD', 'Gd,Udq'),
  mmx('np 0f 6e', 'MOVD', 'Pq,Ed'),
  sse2('66 0f 6e', 'MOVD', 'Vdq,Ed'),
  mmx('np 0f 6f', 'MOVQ', 'Pq,Qq'),
  sse2('66 0f 6f', 'MOVDQA', 'Vdq,Wdq'),
  sse2('f3 0f 6f', 'MOVDQU', 'Vdq,Wdq'),
  mmx('np 0f 7e', 'MOVD', 'Ed,Pq'),
  sse2('66 0f 7e', 'MOVD', 'Ed,Vdq'),
  sse2('f3 0f 7e', 'MOVQ', 'Vq,Wq'),
  mmx('np 0f 7f', 'MOVQ', 'Qq,Pq'),
  sse2('66 0f 7f', 'MOVDQA', 'Wdq,Vdq'),
  sse2('f3 0f 7f', 'MOVDQU', 'Wdq,Vdq'),
  sse2('np 0f c3 mem', 'MOVNTI', 'Md,Gd'),
  sse2('66 0f d6', 'MOVQ', 'Wq,Vq'),
  sse2('f3 0f d6 reg', 'MOVQ2DQ', 'Vdq,Nq'),
  sse2('f2 0f d6 reg', 'MOVDQ2Q', 'Pq,Udq'),
  sse('np 0f d7 reg', 'PMOVMSKB', 'Gd,Nq'),
  sse2('66 0f d7 reg', 'PMOVMSKB', 'Gd,Udq'),
  sse('np 0f e7 mem', 'MOVNTQ', 'Mq,Pq'),
  sse2('66 0f e7 mem', 'MOVNTDQ', 'Mdq,Vdq'),
  sse('np 0f f7 reg', 'MASKMOVQ', 'Pq,Nq'),
  sse2('66 0f f7 reg', 'MASKMOVDQU', 'Vdq,Udq'),

  // Conversions
  sse('np 0f 2a', 'CVTPI2PS', 'Vdq,Qq'),
  sse2('66 0f 2a', 'CVTPI2PD', 'Vdq,Qq'),
  sse('f3 0f 2a', 'CVTSI2SS', 'Vd,Ed'),
  sse2('f2 0f 2a', 'CVTSI2SD', 'Vq,Ed'),
  sse('np 0f 2c', 'CVTTPS2PI', 'Pq,Wq'),
  sse2('66 0f 2c', 'CVTTPD2PI', 'Pq,Wdq'),
  sse('f3 0f 2c', 'CVTTSS2SI', 'Gd,Wd'),
  sse2('f2 0f 2c', 'CVTTSD2SI', 'Gd,Wq'),
  sse('np 0f 2d', 'CVTPS2PI', 'Pq,Wq'),
  sse2('66 0f 2d', 'CVTPD2PI', 'Pq,Wdq'),
  sse('f3 0f 2d', 'CVTSS2SI', 'Gd,Wd'),
  sse2('f2 0f 2d', 'CVTSD2SI', 'Gd,Wq'),
  sse2('np 0f 5a', 'CVTPS2PD', 'Vdq,Wq'),
  sse2('66 0f 5a', 'CVTPD2PS', 'Vdq,Wdq'),
  sse2('f3 0f 5a', 'CVTSS2SD', 'Vq,Wd'),
  sse2('f2 0f 5a', 'CVTSD2SS', 'Vd,Wq'),
  sse2('np 0f 5b', 'CVTDQ2PS', 'Vdq,Wdq'),
  sse2('66 0f 5b', 'CVTPS2DQ', 'Vdq,Wdq'),
  sse2('f3 0f 5b', 'CVTTPS2DQ', 'Vdq,Wdq'),
  sse2('66 0f e6', 'CVTTPD2DQ', 'Vdq,Wdq'),
  sse2('f3 0f e6', 'CVTDQ2PD', 'Vdq,Wq'),
  sse2('f2 0f e6', 'CVTPD2DQ', 'Vdq,Wdq'),

  // Floating point
  sse('np 0f 2e', 'UCOMISS', 'Vd,Wd', COMPARE),
  sse2('66 0f 2e', 'UCOMISD', 'Vq,Wq', COMPARE),
  sse('np 0f 2f', 'COMISS', 'Vd,Wd', COMPARE),
  sse2('66 0f 2f', 'COMISD', 'Vq,Wq', COMPARE),
  float('51', 'SQRT', SLOW),
  sse('np 0f 52', 'RSQRTPS', 'Vdq,Wdq'),
  sse('f3 0f 52', 'RSQRTSS', 'Vd,Wd'),
  sse('np 0f 53', 'RCPPS', 'Vdq,Wdq'),
  sse('f3 0f 53', 'RCPSS', 'Vd,Wd'),
  packedFloat('54', 'AND'),
  packedFloat('55', 'ANDN'),
  packedFloat('56', 'OR'),
  packedFloat('57', 'XOR'),
  float('58', 'ADD'),
  float('59', 'MUL'),
  float('5c', 'SUB'),
  float('5d', 'MIN'),
  float('5e', 'DIV', SLOW),
  float('5f', 'MAX'),
  float('c2', 'CMP', {}, ',Ib'),
  packedFloat('c6', 'SHUF', {}, ',Ib'),

  // Packed integers
  packed('60', 'PUNPCKLBW', 'mmx', 'Qd'),
  packed('61', 'PUNPCKLWD', 'mmx', 'Qd'),
  packed('62', 'PUNPCKLDQ', 'mmx', 'Qd'),
  packed('63', 'PACKSSWB'),
  packed('64', 'PCMPGTB'),
  packed('65', 'PCMPGTW'),
  packed('66', 'PCMPGTD'),
  packed('67', 'PACKUSWB'),
  packed('68', 'PUNPCKHBW'),
  packed('69', 'PUNPCKHWD'),
  packed('6a', 'PUNPCKHDQ'),
  packed('6b', 'PACKSSDW'),
  sse2('66 0f 6c', 'PUNPCKLQDQ', 'Vdq,Wdq'),
  sse2('66 0f 6d', 'PUNPCKHQDQ', 'Vdq,Wdq'),
  sse('np 0f 70', 'PSHUFW', 'Pq,Qq,Ib'),
  sse2('66 0f 70', 'PSHUFD', 'Vdq,Wdq,Ib'),
  sse2('f3 0f 70', 'PSHUFHW', 'Vdq,Wdq,Ib'),
  sse2('f2 0f 70', 'PSHUFLW', 'Vdq,Wdq,Ib'),
  packedShift('71/2', 'PSRLW'),
  packedShift('71/4', 'PSRAW'),
  packedShift('71/6', 'PSLLW'),
  packedShift('72/2', 'PSRLD'),
  packedShift('72/4', 'PSRAD'),
  packedShift('72/6', 'PSLLD'),
  packedShift('73/2', 'PSRLQ'),
  sse2('66 0f 73/3 reg', 'PSRLDQ', 'Udq,Ib'),
  packedShift('73/6', 'PSLLQ'),
  sse2('66 0f 73/7 reg', 'PSLLDQ', 'Udq,Ib'),
  packed('74', 'PCMPEQB'),
  packed('75', 'PCMPEQW'),
  packed('76', 'PCMPEQD'),
  sse('np 0f c4', 'PINSRW', 'Pq,Rd/Mw,Ib'),
  sse2('66 0f c4', 'PINSRW', 'Vdq,Rd/Mw,Ib'),
  sse('np 0f c5 reg', 'PEXTRW', 'Gd,Nq,Ib'),
  sse2('66 0f c5 reg', 'PEXTRW', 'Gd,Udq,Ib'),
  packed('d1', 'PSRLW'),
  packed('d2', 'PSRLD'),
  packed('d3', 'PSRLQ'),
  packed('d4', 'PADDQ', 'sse2'),
  packed('d5', 'PMULLW'),
  packed('d8', 'PSUBUSB'),
  packed('d9', 'PSUBUSW'),
  packed('da', 'PMINUB', 'sse'),
  packed('db', 'PAND'),
  packed('dc', 'PADDUSB'),
  packed('dd', 'PADDUSW'),
  packed('de', 'PMAXUB', 'sse'),
  packed('df', 'PANDN'),
  packed('e0', 'PAVGB', 'sse'),
  packed('e1', 'PSRAW'),
  packed('e2', 'PSRAD'),
  packed('e3', 'PAVGW', 'sse'),
  packed('e4', 'PMULHUW', 'sse'),
  packed('e5', 'PMULHW'),
  packed('e8', 'PSUBSB'),
  packed('e9', 'PSUBSW'),
  packed('ea', 'PMINSW', 'sse'),
  packed('eb', 'POR'),
  packed('ec', 'PADDSB'),
  packed('ed', 'PADDSW'),
  packed('ee', 'PMAXSW', 'sse'),
  packed('ef', 'PXOR'),
  packed('f1', 'PSLLW'),
  packed('f2', 'PSLLD'),
  packed('f3', 'PSLLQ'),
  packed('f4', 'PMULUDQ', 'sse2'),
  packed('f5', 'PMADDWD'),
  packed('f6', 'PSADBW', 'sse'),
  packed('f8', 'PSUBB'),
  packed('f9', 'PSUBW'),
  packed('fa', 'PSUBD'),
  packed('fb', 'PSUBQ', 'sse2'),
  packed('fc', 'PADDB'),
  packed('fd', 'PADDW'),
  packed('fe', 'PADDD'),

  // State
  mmx('np 0f 77', 'EMMS', '', { cost: 'fpu_state' }),
  op('np 0f ae/0 mem', 'FXSAVE', 'Mfx', { feature: 'fxsr', cost: 'fpu_state' }),
  op('np 0f ae/1 mem', 'FXRSTOR', 'Mfx', { feature: 'fxsr', cost: 'fpu_state' }),
  sse('np 0f ae/2 mem', 'LDMXCSR', 'Md'),
  sse('np 0f ae/3 mem', 'STMXCSR', 'Md'),
  op('np 0f ae/7 mem', 'CLFLUSH', 'M', { feature: 'clflush', cost: 'system' }),
  sse2('np 0f ae/5 reg', 'LFENCE'),
  sse2('np 0f ae/6 reg', 'MFENCE'),
  sse('np 0f ae/7 reg', 'SFENCE'),
].flat();
