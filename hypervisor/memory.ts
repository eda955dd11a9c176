import { PAGE_SIZE, RAM_BASE, type Heap } from "./heap.js";

/** Where an access goes that is not memory: machine-physical address, size in bytes, unsigned value. */
export interface MmioHandler {
  read(pa: number, size: 1 | 2 | 4): number;
  write(pa: number, size: 1 | 2 | 4, value: number): void;
}

/** What a machine frame is. FRAME_CODE is added while translated or decoded code of the frame is cached. */
export const FRAME_RAM = 0, FRAME_MMIO = 1, FRAME_ROM = 2, FRAME_CODE = 4;

/** Machine memory: frames of RAM and ROM in the heap, everything else to the MMIO handler. */
export class Memory {
  readonly heap: Heap;
  readonly frames: number;
  /** FRAME_* of each frame below `frames`. */
  readonly kind: Uint8Array;
  /** Told before bytes of a FRAME_CODE frame change: first machine-physical address, length in bytes. */
  onCodeWrite: (pa: number, length: number) => void = () => {};
  mmio: MmioHandler = { read: (_pa, size) => size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff, write: () => {} };

  constructor(heap: Heap) {
    this.heap = heap;
    this.frames = heap.memoryBytes / PAGE_SIZE;
    this.kind = new Uint8Array(this.frames);
  }

  get size(): number {
    return this.heap.memoryBytes;
  }

  /** FRAME_* bits of a frame; a frame past the end of memory is FRAME_MMIO. */
  kindOf(frame: number): number {
    return frame < this.frames ? this.kind[frame]! : FRAME_MMIO;
  }

  /** Reads `size` bytes at a machine-physical address that does not cross a page; unsigned. */
  read(pa: number, size: 1 | 2 | 4): number {
    pa >>>= 0;
    if ((this.kindOf(pa >>> 12) & FRAME_MMIO) !== 0) return this.mmio.read(pa, size) >>> 0;
    const { view, u8 } = this.heap;
    if (size === 4) return view.getUint32(RAM_BASE + pa, true);
    return size === 2 ? view.getUint16(RAM_BASE + pa, true) : u8[RAM_BASE + pa]!;
  }

  /** Writes `size` bytes at a machine-physical address that does not cross a page. Writes to ROM are lost. */
  write(pa: number, size: 1 | 2 | 4, value: number): void {
    pa >>>= 0;
    const kind = this.kindOf(pa >>> 12);
    if (kind !== FRAME_RAM) {
      if ((kind & FRAME_MMIO) !== 0) return this.mmio.write(pa, size, value >>> 0);
      if ((kind & FRAME_ROM) !== 0) return;
      this.onCodeWrite(pa, size);
    }
    const { view, u8 } = this.heap;
    if (size === 4) view.setInt32(RAM_BASE + pa, value, true);
    else if (size === 2) view.setInt16(RAM_BASE + pa, value, true);
    else u8[RAM_BASE + pa] = value;
  }

  read32(pa: number): number {
    // The walks of page tables read here: a word of plain memory without a DataView.
    if ((pa & 3) === 0 && (this.kindOf(pa >>> 12) & FRAME_MMIO) === 0) return this.heap.i32[(RAM_BASE + (pa >>> 0)) >>> 2]!;
    return this.read(pa, 4) | 0;
  }

  write32(pa: number, value: number): void {
    this.write(pa, 4, value);
  }

  /** Copies bytes out of memory (DMA, loaders); past the end of memory they read as zero. */
  readBytes(pa: number, into: Uint8Array): void {
    into.fill(0);
    const end = Math.min(pa + into.length, this.size);
    if (pa >= 0 && pa < end) into.set(this.heap.u8.subarray(RAM_BASE + pa, RAM_BASE + end));
  }

  /** Copies bytes into memory, ROM included; past the end of memory they are lost. Drops translated code they change. */
  writeBytes(pa: number, from: Uint8Array): void {
    const end = Math.min(pa + from.length, this.size);
    if (pa < 0 || pa >= end) return;
    for (let page = pa - pa % PAGE_SIZE; page < end; page += PAGE_SIZE) {
      const first = Math.max(page, pa), last = Math.min(page + PAGE_SIZE, end);
      if ((this.kind[page / PAGE_SIZE]! & FRAME_CODE) !== 0) this.onCodeWrite(first, last - first);
    }
    this.heap.u8.set(from.subarray(0, end - pa), RAM_BASE + pa);
  }
}
