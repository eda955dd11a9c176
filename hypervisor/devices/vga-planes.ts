/**
 * The VGA's four planes as the processor sees them through the window at 0xa0000: write modes 0 to 3, read modes 0 and 1, latches, odd/even
 * and chain-4 addressing.
 * Reference: IBM VGA Technical Reference, "Sequencer" and "Graphics Controller" registers.
 */

/** Registers of the sequencer and the graphics controller that memory depends on. */
export const SEQ_MAP_MASK = 2, SEQ_MEMORY_MODE = 4, MEMORY_CHAIN4 = 0x08, MEMORY_SEQUENTIAL = 0x04;
export const GC_SET_RESET = 0, GC_ENABLE_SET_RESET = 1, GC_COMPARE = 2, GC_ROTATE = 3, GC_READ_MAP = 4, GC_MODE = 5, GC_MISC = 6, GC_DONT_CARE = 7,
  GC_BIT_MASK = 8;

/** Where the 128 KiB show planes, by GC_MISC bits 2-3: first offset, length. */
const MAPS: readonly (readonly [number, number])[] = [[0, 0x2_0000], [0, 0x1_0000], [0x1_0000, 0x8000], [0x1_8000, 0x8000]];

export class PlaneMemory {
  /** Byte p of group a is plane p's byte a. */
  readonly planes = new Uint8Array(4 * 0x1_0000);
  private readonly latch = new Uint8Array(4);
  private readonly sequencer: Uint8Array;
  private readonly graphics: Uint8Array;

  /** The registers are the adapter's own, and may change at any time. */
  constructor(sequencer: Uint8Array, graphics: Uint8Array) {
    this.sequencer = sequencer;
    this.graphics = graphics;
  }

  /** Offset in the mapped part of the window, -1 outside it. */
  private mapped(offset: number): number {
    const [first, length] = MAPS[this.graphics[GC_MISC]! >>> 2 & 3]!;
    return offset >= first && offset < first + length ? offset - first : -1;
  }

  private get oddEven(): boolean {
    return (this.sequencer[SEQ_MEMORY_MODE]! & MEMORY_SEQUENTIAL) === 0;
  }

  /** A byte at an offset in the window, FFH where nothing is mapped; the latches take what all planes have there. */
  read(offset: number): number {
    const a = this.mapped(offset);
    if (a < 0) return 0xff;
    const { planes, graphics, latch } = this;
    const chain4 = (this.sequencer[SEQ_MEMORY_MODE]! & MEMORY_CHAIN4) !== 0;
    const at = (chain4 || this.oddEven ? a & (chain4 ? ~3 : ~1) : a) & 0xffff;
    for (let plane = 0; plane < 4; plane++) latch[plane] = planes[at * 4 + plane]!;
    if (chain4) return latch[a & 3]!;
    if ((graphics[GC_MODE]! & 0x08) === 0) return latch[this.oddEven ? graphics[GC_READ_MAP]! & 2 | a & 1 : graphics[GC_READ_MAP]! & 3]!;
    let same = 0xff; // read mode 1: bits whose colour matches in every plane that is cared for
    for (let plane = 0; plane < 4; plane++) {
      if ((graphics[GC_DONT_CARE]! >>> plane & 1) === 0) continue;
      same &= (graphics[GC_COMPARE]! >>> plane & 1) !== 0 ? latch[plane]! : ~latch[plane]!;
    }
    return same & 0xff;
  }

  write(offset: number, value: number): void {
    const a = this.mapped(offset);
    if (a < 0) return;
    const chain4 = (this.sequencer[SEQ_MEMORY_MODE]! & MEMORY_CHAIN4) !== 0;
    let mask = this.sequencer[SEQ_MAP_MASK]! & 0xf, at = a & 0xffff;
    if (chain4) { mask &= 1 << (a & 3); at &= ~3; }
    else if (this.oddEven) { mask &= (a & 1) !== 0 ? 0xa : 0x5; at &= ~1; }
    for (let plane = 0; plane < 4; plane++) {
      if ((mask >>> plane & 1) !== 0) this.planes[at * 4 + plane] = this.blend(plane, value);
    }
  }

  /** What a written byte becomes in a plane: write modes 0 to 3. */
  private blend(plane: number, value: number): number {
    const { graphics } = this;
    const latch = this.latch[plane]!;
    const mode = graphics[GC_MODE]! & 3;
    if (mode === 1) return latch;
    const shift = graphics[GC_ROTATE]! & 7;
    const rotated = (value >>> shift | value << (8 - shift)) & 0xff;
    const full = (bits: number): number => (bits >>> plane & 1) !== 0 ? 0xff : 0;
    let bitMask = graphics[GC_BIT_MASK]!;
    let source: number;
    if (mode === 0) source = (graphics[GC_ENABLE_SET_RESET]! >>> plane & 1) !== 0 ? full(graphics[GC_SET_RESET]!) : rotated;
    else if (mode === 2) source = full(value);
    else {
      source = full(graphics[GC_SET_RESET]!);
      bitMask &= rotated;
    }
    const operation = graphics[GC_ROTATE]! >>> 3 & 3;
    const mixed = operation === 0 ? source : operation === 1 ? source & latch : operation === 2 ? source | latch : source ^ latch;
    return mixed & bitMask | latch & ~bitMask;
  }
}
