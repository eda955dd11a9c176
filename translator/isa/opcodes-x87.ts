// The x87 floating-point unit (SDM volume 2, appendix A.5). Undocumented-but-universal aliases are rows of their own,
// under the mnemonic they behave as.

import { op, opIf } from './opcodes-notation.js';
import type { Facts, Row } from './opcodes-notation.js';

const fpu = (opcode: string, mnemonic: string, operands = '', facts: Facts = {}): Row[] =>
  op(opcode, mnemonic, operands, { feature: 'fpu', cost: 'fpu', ...facts });

const DIVIDE: Facts = { cost: 'fpu_div' };
const TRANSCENDENTAL: Facts = { cost: 'fpu_trans' };
const STATE: Facts = { cost: 'fpu_state' };
const COMPARE_FLAGS: Facts = { feature: 'cmov', flags: 'w:OSZAPC' };

/** The eight operations on memory: single or double floats under D8 and DC, integers (FI…) under DA and DE. */
function memoryArithmetic(opcode: string, prefix: 'F' | 'FI', operand: string): Row[] {
  return ['ADD', 'MUL', 'COM', 'COMP', 'SUB', 'SUBR', 'DIV', 'DIVR'].flatMap((name, digit) =>
    fpu(`${opcode}/${digit} mem`, prefix + name, operand, digit >= 6 ? DIVIDE : {}),
  );
}

// FCMOVcc: each column of DA, and its negation under DB, with the condition number of the integer conditions.
const conditional = (cc: number, opcode: string, name: string): Row[] =>
  opIf(cc, opcode, 'FCMOVcc', 'ST,STi', { feature: 'cmov', cost: 'fpu', text: `fcmov${name}` });

export const X87_ROWS: readonly Row[] = [
  fpu('9b', 'FWAIT', '', { text: 'wait' }),

  memoryArithmetic('d8', 'F', 'Md'),
  fpu('d8 c0+i', 'FADD', 'ST,STi'),
  fpu('d8 c8+i', 'FMUL', 'ST,STi'),
  fpu('d8 d0+i', 'FCOM', 'ST,STi'),
  fpu('d8 d8+i', 'FCOMP', 'ST,STi'),
  fpu('d8 e0+i', 'FSUB', 'ST,STi'),
  fpu('d8 e8+i', 'FSUBR', 'ST,STi'),
  fpu('d8 f0+i', 'FDIV', 'ST,STi', DIVIDE),
  fpu('d8 f8+i', 'FDIVR', 'ST,STi', DIVIDE),

  fpu('d9/0 mem', 'FLD', 'Md'),
  fpu('d9/2 mem', 'FST', 'Md'),
  fpu('d9/3 mem', 'FSTP', 'Md'),
  fpu('d9/4 mem', 'FLDENV', 'Menv', STATE),
  fpu('d9/5 mem', 'FLDCW', 'Mw'),
  fpu('d9/6 mem', 'FNSTENV', 'Menv', STATE),
  fpu('d9/7 mem', 'FNSTCW', 'Mw'),
  fpu('d9 c0+i', 'FLD', 'STi'),
  fpu('d9 c8+i', 'FXCH', 'ST,STi'),
  fpu('d9 d0', 'FNOP'),
  fpu('d9 d8+i', 'FSTPNCE', 'STi'), // FSTP that an empty register does not stop
  fpu('d9 e0', 'FCHS'),
  fpu('d9 e1', 'FABS'),
  fpu('d9 e4', 'FTST'),
  fpu('d9 e5', 'FXAM'),
  fpu('d9 e8', 'FLD1'),
  fpu('d9 e9', 'FLDL2T'),
  fpu('d9 ea', 'FLDL2E'),
  fpu('d9 eb', 'FLDPI'),
  fpu('d9 ec', 'FLDLG2'),
  fpu('d9 ed', 'FLDLN2'),
  fpu('d9 ee', 'FLDZ'),
  fpu('d9 f0', 'F2XM1', '', TRANSCENDENTAL),
  fpu('d9 f1', 'FYL2X', '', TRANSCENDENTAL),
  fpu('d9 f2', 'FPTAN', '', TRANSCENDENTAL),
  fpu('d9 f3', 'FPATAN', '', TRANSCENDENTAL),
  fpu('d9 f4', 'FXTRACT'),
  fpu('d9 f5', 'FPREM1', '', DIVIDE),
  fpu('d9 f6', 'FDECSTP'),
  fpu('d9 f7', 'FINCSTP'),
  fpu('d9 f8', 'FPREM', '', DIVIDE),
  fpu('d9 f9', 'FYL2XP1', '', TRANSCENDENTAL),
  fpu('d9 fa', 'FSQRT', '', DIVIDE),
  fpu('d9 fb', 'FSINCOS', '', TRANSCENDENTAL),
  fpu('d9 fc', 'FRNDINT'),
  fpu('d9 fd', 'FSCALE'),
  fpu('d9 fe', 'FSIN', '', TRANSCENDENTAL),
  fpu('d9 ff', 'FCOS', '', TRANSCENDENTAL),

  memoryArithmetic('da', 'FI', 'Md'),
  conditional(2, 'da c0+i', 'b'),
  conditional(4, 'da c8+i', 'e'),
  conditional(6, 'da d0+i', 'be'),
  conditional(10, 'da d8+i', 'u'),
  fpu('da e9', 'FUCOMPP'),

  fpu('db/0 mem', 'FILD', 'Md'),
  fpu('db/2 mem', 'FIST', 'Md'),
  fpu('db/3 mem', 'FISTP', 'Md'),
  fpu('db/5 mem', 'FLD', 'Mt'),
  fpu('db/7 mem', 'FSTP', 'Mt'),
  conditional(3, 'db c0+i', 'nb'),
  conditional(5, 'db c8+i', 'ne'),
  conditional(7, 'db d0+i', 'nbe'),
  conditional(11, 'db d8+i', 'nu'),
  fpu('db e0', 'FNOP', '', { text: 'fneni' }), // 8087 and 80287 controls, without effect since the 387
  fpu('db e1', 'FNOP', '', { text: 'fndisi' }),
  fpu('db e2', 'FNCLEX'),
  fpu('db e3', 'FNINIT', '', STATE),
  fpu('db e4', 'FNOP', '', { text: 'fnsetpm' }),
  fpu('db e8+i', 'FUCOMI', 'ST,STi', COMPARE_FLAGS),
  fpu('db f0+i', 'FCOMI', 'ST,STi', COMPARE_FLAGS),

  memoryArithmetic('dc', 'F', 'Mq'),
  fpu('dc c0+i', 'FADD', 'STi,ST'),
  fpu('dc c8+i', 'FMUL', 'STi,ST'),
  fpu('dc d0+i', 'FCOM', 'ST,STi'), // alias of D8 D0
  fpu('dc d8+i', 'FCOMP', 'ST,STi'), // alias of D8 D8
  fpu('dc e0+i', 'FSUBR', 'STi,ST'),
  fpu('dc e8+i', 'FSUB', 'STi,ST'),
  fpu('dc f0+i', 'FDIVR', 'STi,ST', DIVIDE),
  fpu('dc f8+i', 'FDIV', 'STi,ST', DIVIDE),

  fpu('dd/0 mem', 'FLD', 'Mq'),
  fpu('dd/2 mem', 'FST', 'Mq'),
  fpu('dd/3 mem', 'FSTP', 'Mq'),
  fpu('dd/4 mem', 'FRSTOR', 'Mstate', STATE),
  fpu('dd/6 mem', 'FNSAVE', 'Mstate', STATE),
  fpu('dd/7 mem', 'FNSTSW', 'Mw'),
  fpu('dd c0+i', 'FFREE', 'STi'),
  fpu('dd c8+i', 'FXCH', 'ST,STi'), // alias of D9 C8
  fpu('dd d0+i', 'FST', 'STi'),
  fpu('dd d8+i', 'FSTP', 'STi'),
  fpu('dd e0+i', 'FUCOM', 'ST,STi'),
  fpu('dd e8+i', 'FUCOMP', 'ST,STi'),

  memoryArithmetic('de', 'FI', 'Mw'),
  fpu('de c0+i', 'FADDP', 'STi,ST'),
  fpu('de c8+i', 'FMULP', 'STi,ST'),
  fpu('de d0+i', 'FCOMP', 'ST,STi'), // alias of D8 D8
  fpu('de d9', 'FCOMPP'),
  fpu('de e0+i', 'FSUBRP', 'STi,ST'),
  fpu('de e8+i', 'FSUBP', 'STi,ST'),
  fpu('de f0+i', 'FDIVRP', 'STi,ST', DIVIDE),
  fpu('de f8+i', 'FDIVP', 'STi,ST', DIVIDE),

  fpu('df/0 mem', 'FILD', 'Mw'),
  fpu('df/2 mem', 'FIST', 'Mw'),
  fpu('df/3 mem', 'FISTP', 'Mw'),
  fpu('df/4 mem', 'FBLD', 'Mt', DIVIDE),
  fpu('df/5 mem', 'FILD', 'Mq'),
  fpu('df/6 mem', 'FBSTP', 'Mt', DIVIDE),
  fpu('df/7 mem', 'FISTP', 'Mq'),
  fpu('df c0+i', 'FFREEP', 'STi'),
  fpu('df c8+i', 'FXCH', 'ST,STi'), // alias of D9 C8
  fpu('df d0+i', 'FSTP', 'STi'), // alias of DD D8
  fpu('df d8+i', 'FSTP', 'STi'), // alias of DD D8
  fpu('df e0', 'FNSTSW', 'AX'),
  fpu('df e8+i', 'FUCOMIP', 'ST,STi', COMPARE_FLAGS),
  fpu('df f0+i', 'FCOMIP', 'ST,STi', COMPARE_FLAGS),
].flat();
