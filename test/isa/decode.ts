// The decoder at its edges: the end of the bytes, the 15-byte limit, LOCK, features that are off.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decoderFor, MAX_LENGTH } from '../../translator/isa/decode.js';
import { flagsSurelyWritten, FLAG_BITS } from '../../translator/isa/instruction.js';
import type { Decoded, Instruction } from '../../translator/isa/instruction.js';
import { FEATURES } from '../../translator/isa/opcodes.js';
import { Random } from './random.js';

const decode = decoderFor(FEATURES);
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/ /g, ''), 'hex'));

function decoded(hex: string, using = decode): Decoded {
  const bytes = bytesOf(hex);
  return using(bytes, 0, bytes.length, 32);
}

function instruction(hex: string): Instruction {
  const result = decoded(hex);
  if (result.invalid !== null) throw new Error(`${hex} is ${result.invalid}`);
  return result;
}

const test = suite('isa: decode');

test('a cut-off instruction asks for more bytes, one cut at a time', () => {
  const random = new Random(77);
  const bytes = new Uint8Array(MAX_LENGTH);
  let tried = 0;
  while (tried < 5000) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.byte();
    const whole = decode(bytes, 0, bytes.length, 32);
    if (whole.invalid !== null) continue;
    tried++;
    for (let limit = 0; limit < whole.length; limit++) {
      const cut = decode(bytes, 0, limit, 32);
      assert.equal(cut, { invalid: 'FETCH', needed: limit + 1 }, Buffer.from(bytes).toString('hex'));
    }
    assert.is(decode(bytes, 0, whole.length, 32).invalid, null);
  }
});

test('an instruction does not depend on where it lies', () => {
  const bytes = bytesOf('cc cc 01 44 b3 10 cc');
  assert.equal(decode(bytes, 2, bytes.length, 32), decoded('01 44 b3 10'));
});

test('15 bytes are an instruction, 16 are #GP', () => {
  assert.is(instruction(`${'66'.repeat(6)} 2e 81 05 00000000 0000`).length, MAX_LENGTH);
  assert.is(decoded(`${'66'.repeat(7)} 2e 81 05 00000000 0000`).invalid, 'GP');
  assert.is(decoded('66'.repeat(14) + '90').invalid, null);
  assert.is(decoded('66'.repeat(15) + '90').invalid, 'GP');
  assert.is(decoded('66'.repeat(15)).invalid, 'GP');
  assert.is(decoded('66'.repeat(14)).invalid, 'FETCH');
});

test('LOCK needs a memory destination of an instruction that allows it', () => {
  for (const hex of ['f0 01 00', 'f0 ff 00', 'f0 0f c7 08', 'f0 86 00', 'f0 0f ba 28 01']) assert.is(instruction(hex).lock, true, hex);
  for (const hex of ['f0 01 c0', 'f0 03 00', 'f0 39 00', 'f0 90', 'f0 89 00', 'f0 0f a3 00', 'f0 a4']) assert.is(decoded(hex).invalid, 'UD', hex);
});

test('segment and control registers that do not exist are #UD', () => {
  for (const hex of ['8e c8', '8e f0', '8e f8', '8c f0', '0f 20 c8', '0f 22 e8']) assert.is(decoded(hex).invalid, 'UD', hex);
  for (const hex of ['8c c8', '8e d0', '0f 20 e0', '0f 21 e0']) assert.is(decoded(hex).invalid, null, hex);
});

test('an opcode whose feature or mnemonic is off is #UD, and PAUSE falls back to NOP', () => {
  const i386 = decoderFor([]);
  for (const hex of ['d9 c0', '0f a2', '0f c8', '0f 31', '0f 44 c0', '0f 6f c0', '66 0f 6f c0', '0f 1f 00']) assert.is(decoded(hex, i386).invalid, 'UD', hex);
  const pause = decoded('f3 90', i386);
  assert.is(pause.invalid === null && pause.mnemonic, 'NOP');
  const some = decoderFor(FEATURES, new Set(['ADD']));
  assert.is(decoded('01 00', some).invalid, null);
  assert.is(decoded('29 00', some).invalid, 'UD');
  assert.is(decoderFor(FEATURES), decode, 'decoders are shared');
});

test('prefixes that are part of the opcode are not attributes', () => {
  const move = instruction('66 0f 6e c0');
  assert.is(move.opSize, 32);
  assert.equal(move.operands[1], { kind: 'reg', size: 32, index: 0 });
  assert.is(instruction('f3 0f 10 00').rep, '');
  assert.is(instruction('f3 c3').rep, '');
  assert.is(instruction('f3 f2 a6').rep, 'repne');
  assert.is(instruction('66 f2 f3 0f 58 c1').mnemonic, 'ADDSS');
});

test('memory operands', () => {
  const memory = (hex: string): unknown => instruction(hex).operands[0];
  const plain = { kind: 'mem', seg: 3, base: -1, index: -1, scale: 0, disp: 0, addrSize: 32, size: 32 };
  assert.equal(memory('01 00'), { ...plain, base: 0 });
  assert.equal(memory('01 04 64'), { ...plain, seg: 2, base: 4 });
  assert.equal(memory('01 45 80'), { ...plain, seg: 2, base: 5, disp: -128 });
  assert.equal(memory('01 04 6d 01 00 00 80'), { ...plain, index: 5, scale: 1, disp: -0x7fffffff });
  assert.equal(memory('36 01 04 cb'), { ...plain, seg: 2, base: 3, index: 1, scale: 3 });
  assert.equal(memory('67 01 02'), { ...plain, seg: 2, base: 5, index: 6, addrSize: 16 });
  assert.equal(memory('67 01 46 80'), { ...plain, seg: 2, base: 5, disp: -128, addrSize: 16 });
  assert.equal(memory('67 01 06 ff ff'), { ...plain, disp: 0xffff, addrSize: 16 });
  assert.equal(memory('65 a3 01 00 00 00'), { ...plain, seg: 5, disp: 1 });
});

test('the size is that of the main operand', () => {
  const sizes: readonly (readonly [string, number])[] = [
    ['88 00', 8], ['66 89 00', 16], ['89 00', 32], ['0f b6 00', 32], ['a4', 8], ['a5', 32], ['66 a5', 16], ['6e', 8], ['6f', 32], ['e6 10', 8],
    ['ef', 32], ['ee', 8], ['cd 80', 32], ['66 60', 16], ['8c 00', 16], ['8c c0', 32], ['0f 6f 00', 64], ['66 0f 6f 00', 128], ['dd 00', 64],
    ['db 28', 80], ['0f c7 08', 64], ['c2 04 00', 32], ['6a 00', 32], ['c8 00 00 00', 32],
  ];
  for (const [hex, size] of sizes) assert.is(instruction(hex).size, size, hex);
});

test('flags that are sure to be written', () => {
  const { C, P, A, Z, S, O } = FLAG_BITS;
  assert.is(flagsSurelyWritten(instruction('01 00')), O | S | Z | A | P | C);
  assert.is(flagsSurelyWritten(instruction('40')), O | S | Z | A | P);
  assert.is(flagsSurelyWritten(instruction('d3 e0')), 0);
  assert.is(flagsSurelyWritten(instruction('c1 e0 20')), 0);
  assert.is(flagsSurelyWritten(instruction('c1 e0 01')), O | S | Z | P | C);
  assert.is(flagsSurelyWritten(instruction('a6')), O | S | Z | A | P | C);
  assert.is(flagsSurelyWritten(instruction('f3 a6')), 0);
});

test.run();
