// The text of instructions: one of each operand kind, and the texts that depend on sizes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decoderFor } from '../../translator/isa/decode.js';
import { format } from '../../translator/isa/format.js';
import type { Width } from '../../translator/isa/instruction.js';
import { FEATURES } from '../../translator/isa/opcodes.js';

const decode = decoderFor(FEATURES);

function text(codeSize: Width, hex: string, address = 0): string {
  const bytes = Uint8Array.from(Buffer.from(hex.replace(/ /g, ''), 'hex'));
  const decoded = decode(bytes, 0, bytes.length, codeSize);
  return decoded.invalid === null ? format(decoded, address) : decoded.invalid;
}

const CASES32: readonly (readonly [string, string])[] = [
  ['01 44 b3 10', 'add dword ptr [ebx+esi*4+0x10], eax'],
  ['8b 45 fc', 'mov eax, dword ptr [ebp-0x4]'],
  ['66 8b 04 24', 'mov ax, word ptr [esp]'],
  ['88 25 78 56 34 12', 'mov byte ptr [0x12345678], ah'],
  ['64 a1 00 00 00 80', 'mov eax, dword ptr fs:[0x80000000]'],
  ['8d 04 8d ff ff ff ff', 'lea eax, [ecx*4-0x1]'],
  ['67 8b 07', 'mov eax, dword ptr [bx]'],
  ['83 c0 ff', 'add eax, 0xffffffff'],
  ['66 83 c0 ff', 'add ax, 0xffff'],
  ['c1 e0 04', 'shl eax, 0x4'],
  ['d1 e0', 'shl eax, 0x1'],
  ['f0 0f c1 08', 'lock xadd dword ptr [eax], ecx'],
  ['f3 a4', 'rep movsb'],
  ['f3 65 66 a5', 'rep gs movsw'],
  ['f2 ae', 'repne scasb'],
  ['f3 a6', 'repe cmpsb'],
  ['6d', 'insd'],
  ['ee', 'out dx, al'],
  ['36 d7', 'ss xlatb'],
  ['8e d8', 'mov ds, ax'],
  ['0f 22 d8', 'mov cr3, eax'],
  ['0f 23 f8', 'mov dr7, eax'],
  ['9a 04 03 02 01 06 05', 'call far 0x506:0x1020304'],
  ['ff 2d 00 10 00 00', 'jmp far fword ptr [0x1000]'],
  ['98', 'cwde'],
  ['66 99', 'cwd'],
  ['66 9d', 'popf'],
  ['cf', 'iretd'],
  ['0f 95 c1', 'setne cl'],
  ['0f 4c c8', 'cmovl ecx, eax'],
  ['0f 01 10', 'lgdt fword ptr [eax]'],
  ['d8 c1', 'fadd st, st(1)'],
  ['db 28', 'fld tbyte ptr [eax]'],
  ['db c2', 'fcmovnb st, st(2)'],
  ['0f 6f 08', 'movq mm1, qword ptr [eax]'],
  ['66 0f ef c1', 'pxor xmm0, xmm1'],
  ['f3 90', 'pause'],
  ['0f 0b', 'ud2'],
];

const CASES16: readonly (readonly [string, string])[] = [
  ['01 00', 'add word ptr [bx+si], ax'],
  ['66 89 46 fe', 'mov dword ptr [bp-0x2], eax'],
  ['a0 ff ff', 'mov al, byte ptr [0xffff]'],
  ['67 66 8b 04 8e', 'mov eax, dword ptr [esi+ecx*4]'],
  ['66 68 78 56 34 12', 'push 0x12345678'],
  ['ea 00 00 ff ff', 'jmp far 0xffff:0x0'],
  ['c8 10 00 01', 'enter 0x10, 0x1'],
  ['60', 'pusha'],
  ['66 60', 'pushad'],
];

const test = suite('isa: format');

test('32-bit code', () => {
  for (const [bytes, expected] of CASES32) assert.is(text(32, bytes), expected, bytes);
});

test('16-bit code', () => {
  for (const [bytes, expected] of CASES16) assert.is(text(16, bytes), expected, bytes);
});

test('branch targets count from the address, and wrap with the operand size', () => {
  assert.is(text(32, 'eb fe', 0x1000), 'jmp 0x1000');
  assert.is(text(32, '0f 84 00 00 00 00', 0xfffffffa), 'je 0x0');
  assert.is(text(16, '74 10', 0xfff0), 'je 0x2');
  assert.is(text(32, '66 e9 00 00', 0x12340000), 'jmp 0x4');
  assert.is(text(32, 'e3 00'), 'jecxz 0x2');
  assert.is(text(32, '67 e3 00'), 'jcxz 0x3');
});

test.run();
