import type { Random } from "../isa/random.js";
import { anyWord } from "./family.js";

/** Bytes that are code: random ones, and opcodes that change what the processor is. */

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
/** Opcodes whose operands are whatever follows. */
const SYSTEM: readonly (readonly number[])[] = [
  [0x0f, 0x01], [0x0f, 0x00], [0x0f, 0x20], [0x0f, 0x22], [0x0f, 0x21], [0x0f, 0x23], [0x0f, 0x06], [0x0f, 0x08], [0x0f, 0x09], [0x0f, 0x30], [0x0f, 0x31], [0x0f, 0x32],
  [0x0f, 0x34], [0x0f, 0x35], [0x0f, 0xa2], [0x0f, 0xae], [0x0f, 0xc7], [0x0f, 0x02], [0x0f, 0x03], [0x0f, 0xb2], [0x0f, 0x33], [0x0f, 0x77], [0x0f, 0xaa],
  [0x8e], [0x8c], [0xc4], [0xc5], [0x9a], [0xea], [0xca], [0xcb], [0xcf], [0xcc], [0xcd], [0xce], [0xf1], [0x9c], [0x9d], [0xfa], [0xfb], [0xf4], [0x6c], [0x6d], [0x6e],
  [0x6f], [0xe4], [0xe5], [0xe6], [0xe7], [0xec], [0xed], [0xee], [0xef], [0x63], [0xff], [0xfe], [0xc8], [0xc9], [0x62], [0xd7], [0x60], [0x61], [0x17], [0x07], [0x1f],
  [0xa4], [0xa5], [0xa6], [0xa7], [0xaa], [0xab], [0xac], [0xad], [0xae], [0xaf], [0xd9], [0xdb], [0xdd], [0xdf], [0x0f, 0xc0], [0x0f, 0xb1], [0x0f, 0xab],
];
const CONTROL_REGISTERS = [0, 2, 3, 4];

const word = (value: number): number[] => [value & 255, value >> 8 & 255, value >> 16 & 255, value >>> 24];

/** `length` bytes and a few more; `wide` when they run as 32-bit code, `at` is where data of theirs may be. */
export function program(random: Random, length: number, wide: boolean, at: number): Uint8Array {
  const out: number[] = [];
  const immediate = (): number[] => wide ? word(anyWord(random)) : word(anyWord(random)).slice(0, 2);
  const pure = random.below(4) === 0;
  while (out.length < length) {
    if (pure) {
      out.push(random.byte());
      continue;
    }
    while (random.below(6) === 0) out.push(random.pick(PREFIXES));
    switch (random.below(11)) {
      case 0: case 1: out.push(...random.pick(SYSTEM), random.byte()); break;
      // mov eax, value; mov cr/dr, eax
      case 2: out.push(0xb8, ...immediate(), 0x0f, random.below(2) === 0 ? 0x22 : 0x23, 0xc0 | random.pick(CONTROL_REGISTERS) << 3); break;
      // mov eax, value; push eax; popf
      case 3: out.push(0xb8, ...immediate(), 0x50, 0x9d); break;
      // mov eax, selector; mov sreg, ax
      case 4: out.push(0xb8, ...(wide ? word(random.below(0x90)) : word(random.below(0x90)).slice(0, 2)), 0x8e, 0xc0 | random.below(6) << 3); break;
      // far jump or call
      case 5: out.push(random.below(2) === 0 ? 0xea : 0x9a, ...(wide ? word(at + random.below(0x400)) : word(at + random.below(0x400)).slice(0, 2)), random.below(0x90), 0); break;
      // out imm8, al: A20, the keyboard controller, the interrupt controllers, NMI's mask
      case 6: out.push(0xb0, random.byte(), 0xe6, random.pick([0x92, 0x60, 0x64, 0x70, 0x71, 0x20, 0x21, 0xa0, 0xa1, 0x61, 0x43, 0x40])); break;
      // an instruction on memory nearby
      case 7: out.push(random.pick([0x88, 0x89, 0x8a, 0x8b, 0x00, 0x01, 0x29, 0x31, 0x87, 0xc6, 0xf7, 0xff]), 0x05 | random.below(8) << 3,
        ...(wide ? word(at + random.below(0x8000)) : word(random.below(0x10000)).slice(0, 2)), random.byte()); break;
      // a short jump back or on
      case 8: out.push(0x70 + random.below(16), random.pick([0xf0, 0xf8, 2, 5, 9])); break;
      default: for (let i = random.below(5); i >= 0; i--) out.push(random.byte());
    }
  }
  return Uint8Array.from(out);
}
