/** A small assembler for tests: byte arrays, labels, and jumps to them. */

export const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7;

/** A place, by name. */
export interface Label { readonly label: string }
/** An opcode followed by the distance to a label in 1 or 4 bytes, or by its address. */
export interface Reference { readonly opcode: readonly number[]; readonly to: string; readonly width: 1 | 4 | "address"; readonly plus?: number }
export type Part = readonly number[] | Label | Reference;

export const word = (value: number): number[] => [value & 255, value >> 8 & 255, value >> 16 & 255, value >>> 24];
export const label = (name: string): Label => ({ label: name });

/** Registers and absolute addresses. */
export const mov = (r: number, value: number): number[] => [0xb8 + r, ...word(value)];
export const movRegister = (to: number, from: number): number[] => [0x89, 0xc0 | from << 3 | to];
export const load = (r: number, address: number): number[] => [0x8b, r << 3 | 5, ...word(address)];
export const store = (address: number, r: number): number[] => [0x89, r << 3 | 5, ...word(address)];
export const storeByte = (address: number, value: number): number[] => [0xc6, 0x05, ...word(address), value];
export const storeWord = (address: number, value: number): number[] => [0xc7, 0x05, ...word(address), ...word(value)];
export const add = (to: number, from: number): number[] => [0x01, 0xc0 | from << 3 | to];
export const addImmediate = (r: number, value: number): number[] => [0x81, 0xc0 | r, ...word(value)];
export const compare = (r: number, value: number): number[] => [0x81, 0xf8 | r, ...word(value)];
export const inc = (r: number): number[] => [0x40 + r];
export const dec = (r: number): number[] => [0x48 + r];
export const push = (r: number): number[] => [0x50 + r];
export const pop = (r: number): number[] => [0x58 + r];
export const NOP = [0x90], RET = [0xc3], HLT = [0xf4], STI = [0xfb], CLI = [0xfa], PUSHF = [0x9c], POPF = [0x9d], INT3 = [0xcc], UD2 = [0x0f, 0x0b];

export const jmp = (to: string): Reference => ({ opcode: [0xe9], to, width: 4 });
export const call = (to: string): Reference => ({ opcode: [0xe8], to, width: 4 });
/** Conditions by number: 2 B, 4 E, 5 NE, 12 L … */
export const jcc = (cc: number, to: string): Reference => ({ opcode: [0x0f, 0x80 + cc], to, width: 4 });
export const jnz = (to: string): Reference => jcc(5, to);
export const loop = (to: string): Reference => ({ opcode: [0xe2], to, width: 1 });
/** An opcode that ends in the address of a label, `plus` bytes on. */
export const at = (opcode: readonly number[], to: string, plus = 0): Reference => ({ opcode, to, width: "address", plus });

export interface Assembled { readonly code: Uint8Array; readonly labels: Readonly<Record<string, number>> }

export function assemble(origin: number, ...parts: readonly Part[]): Assembled {
  const labels: Record<string, number> = {};
  let here = origin;
  for (const part of parts) {
    if ("label" in part) labels[part.label] = here;
    else here += "to" in part ? part.opcode.length + (part.width === 1 ? 1 : 4) : part.length;
  }
  const bytes: number[] = [];
  for (const part of parts) {
    if ("label" in part) continue;
    if (!("to" in part)) bytes.push(...part);
    else {
      const target = labels[part.to];
      if (target === undefined) throw new Error(`no label ${part.to}`);
      bytes.push(...part.opcode);
      const end = origin + bytes.length + (part.width === 1 ? 1 : 4);
      if (part.width === 1) bytes.push(target - end & 255);
      else bytes.push(...word(part.width === 4 ? target - end : target + (part.plus ?? 0)));
    }
  }
  return { code: Uint8Array.from(bytes), labels };
}
