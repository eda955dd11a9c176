// The opcode table: every instruction of the machine, once. The decoder, the disassembly, the trap policies and the
// tests read these rows; semantics/ has one function per mnemonic.

import { INTEGER_ROWS } from './opcodes-integer.js';
import { SIMD_ROWS } from './opcodes-simd.js';
import { SYSTEM_ROWS } from './opcodes-system.js';
import { X87_ROWS } from './opcodes-x87.js';
import type { Row } from './opcodes-notation.js';

export { CONDITIONS, FEATURES } from './opcodes-notation.js';
export type { BlockEnd, Cost, Feature, Flags, Privilege, Row, Variant } from './opcodes-notation.js';

export const ROWS: readonly Row[] = [...INTEGER_ROWS, ...SYSTEM_ROWS, ...X87_ROWS, ...SIMD_ROWS];

/** Every mnemonic, once: the names semantics are found under. */
export const MNEMONICS: readonly string[] = [...new Set(ROWS.map((row) => row.mnemonic))];
