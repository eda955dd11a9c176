/**
 * Bytes of ACPI Machine Language, by small functions that nest as the language does.
 * Reference: ACPI specification 6.4, chapter 20 (AML) and 6.4 (resource descriptors).
 */

export type Aml = readonly number[];

const OP_ZERO = 0x00, OP_ONE = 0x01, OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b, OP_DWORD = 0x0c, OP_SCOPE = 0x10, OP_BUFFER = 0x11,
  OP_PACKAGE = 0x12, OP_EXT = 0x5b, EXT_DEVICE = 0x82, ROOT = 0x5c, DUAL_NAME = 0x2e;

/** By concat, which copies runs of numbers as they are; a spread goes through each by the iterator's protocol. */
function joined(first: number, ...parts: Aml[]): Aml { return [first].concat(...parts as number[][]); }

function word(value: number): Aml { return [value & 0xff, value >>> 8 & 0xff]; }
function dword(value: number): Aml { return [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24]; }

/** A constant, in its shortest form. */
export function integer(value: number): Aml {
  if (value === 0) return [OP_ZERO];
  if (value === 1) return [OP_ONE];
  if (value <= 0xff) return [OP_BYTE, value];
  return value <= 0xffff ? joined(OP_WORD, word(value)) : joined(OP_DWORD, dword(value));
}

/** A length in front of `body` that counts itself. */
function withLength(body: Aml): Aml {
  const n = body.length;
  if (n + 1 < 0x40) return joined(n + 1, body);
  const bytes = n + 2 < 0x1000 ? 2 : 3;
  const total = n + bytes;
  return joined((bytes - 1) << 6 | total & 0xf, [total >>> 4 & 0xff], bytes === 3 ? [total >>> 12 & 0xff] : [], body);
}

/** A path such as `\_SB`, `PCI0` or `\_SB.PCI0`: segments are padded to four characters. */
function path(text: string): number[] {
  const root = text.startsWith("\\") ? [ROOT] : [];
  const segments = text.replace("\\", "").split(".").filter(s => s !== "").map(s => [...s.padEnd(4, "_")].map(c => c.charCodeAt(0)));
  if (segments.length === 0) return [...root, 0];
  return [...root, ...(segments.length === 2 ? [DUAL_NAME] : []), ...segments.flat()];
}

export function name(text: string, value: Aml): Aml { return joined(OP_NAME, path(text), value); }
export function scope(text: string, ...body: Aml[]): Aml { return joined(OP_SCOPE, withLength(path(text).concat(...body as number[][]))); }
export function device(text: string, ...body: Aml[]): Aml { return joined(OP_EXT, [EXT_DEVICE], withLength(path(text).concat(...body as number[][]))); }
export function packageOf(...elements: Aml[]): Aml { return joined(OP_PACKAGE, withLength(joined(elements.length, ...elements))); }

/** A Plug and Play identifier (`PNP0A03`), compressed to a number. */
export function eisaId(id: string): Aml {
  const letter = (i: number): number => id.charCodeAt(i) - 0x40;
  const high = letter(0) << 10 | letter(1) << 5 | letter(2);
  const low = parseInt(id.slice(3), 16);
  return [OP_DWORD, high >>> 8, high & 0xff, low >>> 8, low & 0xff];
}

// ---- resources (6.4) -----------------------------------------------------------------------------------------------

export function resources(...descriptors: Aml[]): Aml {
  const body = [...descriptors.flat(), 0x79, 0];
  return [OP_BUFFER, ...withLength([...integer(body.length), ...body])];
}

/** Fixed ports, 16-bit decode. */
export function ports(base: number, length: number): Aml { return [0x47, 0x01, ...word(base), ...word(base), 1, length]; }
/** An edge-triggered ISA interrupt. */
export function irq(number: number): Aml { return [0x22, ...word(1 << number)]; }

const BUS_RANGE = 2, IO_RANGE = 1, MEMORY_RANGE = 0, PRODUCER_FIXED = 0x0c;

function wordSpace(type: number, flags: number, min: number, max: number): Aml {
  return [0x88, ...word(13), type, PRODUCER_FIXED, flags, ...word(0), ...word(min), ...word(max), ...word(0), ...word(max - min + 1)];
}

export function busRange(min: number, max: number): Aml { return wordSpace(BUS_RANGE, 0, min, max); }
/** Ports that a bridge passes on. */
export function portRange(min: number, max: number): Aml { return wordSpace(IO_RANGE, 3, min, max); }
/** Memory that a bridge passes on: read-write, cacheable or not. */
export function memoryRange(min: number, max: number, cacheable = false): Aml {
  return [0x87, ...word(23), MEMORY_RANGE, PRODUCER_FIXED, cacheable ? 3 : 1, ...dword(0), ...dword(min), ...dword(max), ...dword(0), ...dword(max - min + 1)];
}
