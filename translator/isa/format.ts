// Intel-syntax text of an instruction: `add dword ptr [ebx+esi*4+0x10], eax`.

import type { ImmOperand, Instruction, MemOperand, Operand } from './instruction.js';

const REG8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'] as const;
const REG16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const SREG = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', '?', '?'] as const;
const SIZES: ReadonlyMap<number, string> = new Map([
  [8, 'byte ptr '], [16, 'word ptr '], [32, 'dword ptr '], [48, 'fword ptr '], [64, 'qword ptr '], [80, 'tbyte ptr '], [128, 'xmmword ptr '],
]);
const STRING_SUFFIX: ReadonlyMap<number, string> = new Map([[8, 'b'], [16, 'w'], [32, 'd']]);

/** The row's memory operands are implicit: a string instruction. */
const isString = (instruction: Instruction): boolean => instruction.row.forms.some((form) => form.read === null);

export function formatRegister(size: 8 | 16 | 32, index: number): string {
  const name = size === 8 ? REG8[index] : REG16[index];
  return size === 32 ? `e${name as string}` : (name as string);
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** The mnemonic as text, with the width of string instructions and of pairs such as cbw and cwde. */
export function formatMnemonic(instruction: Instruction): string {
  const { row } = instruction;
  if (isString(instruction)) return row.text + (STRING_SUFFIX.get(instruction.size) as string);
  const [narrow, wide] = row.text.split('|');
  const width = row.mnemonic === 'JCXZ' ? instruction.addrSize : instruction.opSize;
  return (width === 32 ? (wide ?? narrow) : narrow) as string;
}

function formatMemory(operand: MemOperand, instruction: Instruction): string {
  const register = (index: number): string => formatRegister(operand.addrSize, index);
  const parts: string[] = [];
  if (operand.base >= 0) parts.push(register(operand.base));
  if (operand.index >= 0) parts.push(register(operand.index) + (operand.scale > 0 ? `*${1 << operand.scale}` : ''));
  let text = parts.join('+');
  if (text === '') text = hex(operand.disp);
  else if (operand.disp > 0) text += `+${hex(operand.disp)}`;
  else if (operand.disp < 0) text += `-${hex(-operand.disp)}`;
  const seg = instruction.seg >= 0 ? `${SREG[instruction.seg] as string}:` : '';
  return `${SIZES.get(operand.size) ?? ''}${seg}[${text}]`;
}

function formatImmediate(operand: ImmOperand): string {
  const mask = operand.size === 8 ? 0xff : operand.size === 16 ? 0xffff : 0xffffffff;
  return hex(operand.value & mask);
}

function formatOperand(operand: Operand, instruction: Instruction, end: number): string {
  switch (operand.kind) {
    case 'reg': return formatRegister(operand.size, operand.index);
    case 'mem': return formatMemory(operand, instruction);
    case 'imm': return formatImmediate(operand);
    case 'rel': return hex((end + operand.disp) & (instruction.opSize === 16 ? 0xffff : -1));
    case 'far': return `${hex(operand.selector)}:${hex(operand.offset)}`;
    case 'sreg': return SREG[operand.index] as string;
    case 'creg': return `cr${operand.index}`;
    case 'dreg': return `dr${operand.index}`;
    case 'st': return operand.index === 0 ? 'st' : `st(${operand.index})`;
    case 'mm': return `mm${operand.index}`;
    case 'xmm': return `xmm${operand.index}`;
  }
}

function prefixText(instruction: Instruction): string {
  const { row, rep, seg } = instruction;
  let text = instruction.lock ? 'lock ' : '';
  if (rep === 'repne') text += 'repne ';
  else if (rep === 'rep') text += row.rep === 'repe' ? 'repe ' : 'rep ';
  // An implicit memory operand has nowhere else to show its override.
  if (seg !== -1 && (isString(instruction) || row.mnemonic === 'XLAT')) text += `${SREG[seg] as string} `;
  return text;
}

/** The instruction as text; `address` is its offset in the code segment, from which branch targets follow. */
export function format(instruction: Instruction, address = 0): string {
  const end = address + instruction.length;
  const head = prefixText(instruction) + formatMnemonic(instruction);
  if (instruction.operands.length === 0 || isString(instruction)) return head;
  return `${head} ${instruction.operands.map((operand) => formatOperand(operand, instruction, end)).join(', ')}`;
}
