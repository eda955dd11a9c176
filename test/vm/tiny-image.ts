/** Multiboot kernels of a few bytes, for tests that want one machine instruction and its consequences. */

const LOAD = 0x100000, HEADER_BYTES = 32, ADDRESSES = 0x10000, MAGIC = 0x1badb002;

/** Address of the first instruction. */
export const ENTRY = LOAD + HEADER_BYTES;

/** A kernel that is nothing but `code`, entered at its first byte in flat 32-bit protected mode. */
export function tinyImage(code: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + code.length + 64);
  const view = new DataView(bytes.buffer);
  const end = LOAD + bytes.length;
  [MAGIC, ADDRESSES, -(MAGIC + ADDRESSES) >>> 0, LOAD, LOAD, end, 0, ENTRY].forEach((word, i) => view.setUint32(4 * i, word >>> 0, true));
  bytes.set(code, HEADER_BYTES);
  return bytes;
}

/** mov al, code; out 0xf4, al */
export const exitWith = (code: number): number[] => [0xb0, code, 0xe6, 0xf4];
/** jmp $ */
export const LOOP = [0xeb, 0xfe];
/** cli; hlt; jmp back */
export const HALT = [0xfa, 0xf4, 0xeb, 0xfc];
/** lidt [zeros]; int3: an empty IDT makes it a triple fault */
export const TRIPLE_FAULT = [0x0f, 0x01, 0x1d, 0x20, 0x00, 0x00, 0x00, 0xcc];
/** jmp 0xdead0000 */
export const NOWHERE = [0xb8, 0x00, 0x00, 0xad, 0xde, 0xff, 0xe0];
/** mov al, 0xfe; out 0x64, al: reset by the keyboard controller */
export const RESET = [0xb0, 0xfe, 0xe6, 0x64, ...LOOP];

/** Adds one to the byte at `address`; goes on at the next 4 bytes when it is `last` then, else after them. */
export function count(address: number, last: number): number[] {
  const at = [0, 8, 16, 24].map((shift) => address >>> shift & 0xff);
  return [0xfe, 0x05, ...at, 0x80, 0x3d, ...at, last, 0x75, 0x04]; // inc byte [address]; cmp byte [address], last; jne over 4 bytes
}

/** Code that sends `text` on COM1. */
export function say(text: string): number[] {
  return [0x66, 0xba, 0xf8, 0x03, ...[...text].flatMap((c) => [0xb0, c.charCodeAt(0), 0xee])];
}

/** Waits for a byte on COM1 and sends it back, `times` times: polls the line status. */
export function echo(times: number): number[] {
  const poll = [0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7, 0x66, 0xba, 0xf8, 0x03, 0xec, 0xee];
  return Array.from({ length: times }, () => poll).flat();
}
