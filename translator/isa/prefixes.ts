// Legacy prefixes. A byte's class is looked up once; 0 means that the opcode starts here.

import { CS, DS, ES, FS, GS, SS } from './instruction.js';

export const NOT_A_PREFIX = 0;
export const OPERAND_SIZE = 1;
export const ADDRESS_SIZE = 2;
export const LOCK = 3;
export const REPNE = 4;
export const REP = 5;
/** Classes from here on are segment overrides: class - SEGMENT is the segment's number. */
export const SEGMENT = 8;

export const PREFIX_CLASS: Readonly<Uint8Array> = prefixClasses();

function prefixClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  classes[0x66] = OPERAND_SIZE;
  classes[0x67] = ADDRESS_SIZE;
  classes[0xf0] = LOCK;
  classes[0xf2] = REPNE;
  classes[0xf3] = REP;
  classes[0x26] = SEGMENT + ES;
  classes[0x2e] = SEGMENT + CS;
  classes[0x36] = SEGMENT + SS;
  classes[0x3e] = SEGMENT + DS;
  classes[0x64] = SEGMENT + FS;
  classes[0x65] = SEGMENT + GS;
  return classes;
}
