import { PAGE_SIZE } from "../heap.js";
import type { Machine } from "../machine.js";
import { FRAME_MMIO, FRAME_ROM, type Memory } from "../memory.js";
import type { TableMemory } from "../paging.js";

/** The ISA hole, where devices and ROMs decode fixed machine addresses: mapped as it is. */
const ISA_HOLE_FIRST = 0xa0, ISA_HOLE_END = 0x100;
/** Frames of a large page under EPT, 2 MB. */
export const RUN_FRAMES = 512;
/** A machine frame no memory and no device answers at: where guest frames lie that would else show the monitor's memory. */
const VOID_FRAME = 0xdffff;

/**
 * Guest-physical memory on machine memory: the one place that knows which machine frame is behind a guest frame. The
 * map is a fixed permutation without neighbours in ascending order, so that nothing works by mistaking one address for
 * the other; with `runs` what is permuted beyond the first 2 MB are whole aligned runs of 2 MB, which large pages can map. It is a TableMemory: guest page tables are walked through it by their guest-physical addresses.
 */
export class PhysicalMap implements TableMemory {
  readonly guestFrames: number;
  /** Address line 20 of the processor's accesses; closed, it reads as 0. Bus masters are behind the gate. */
  a20Open = true;
  private readonly memory: Memory;
  private readonly toMachine: Int32Array;
  private readonly toGuest: Int32Array;

  constructor(memory: Memory, guestBytes: number, runs = false) {
    this.memory = memory;
    this.guestFrames = guestBytes / PAGE_SIZE;
    this.toMachine = new Int32Array(this.guestFrames);
    this.toGuest = new Int32Array(this.guestFrames);
    const lastRun = runs ? Math.floor(this.guestFrames / RUN_FRAMES) - 1 : 0;
    const movable: number[] = [];
    for (let gfn = 0; gfn < this.guestFrames; gfn++) {
      const run = Math.floor(gfn / RUN_FRAMES);
      if (gfn >= ISA_HOLE_FIRST && gfn < ISA_HOLE_END) this.place(gfn, gfn);
      else if (run > 0 && run <= lastRun) this.place(gfn, (lastRun + 1 - run) * RUN_FRAMES + gfn % RUN_FRAMES);
      else movable.push(gfn);
    }
    movable.forEach((gfn, i) => this.place(gfn, movable[movable.length - 1 - i]!));
  }

  private place(gfn: number, mfn: number): void {
    this.toMachine[gfn] = mfn;
    this.toGuest[mfn] = gfn;
  }

  /** The guest frame that the processor's address `gfn` comes out as on the bus. */
  onBus(gfn: number): number {
    return this.a20Open ? gfn : gfn & ~0x100;
  }

  /** Machine frame behind a guest frame; one that reads as all ones where the guest has no memory. */
  machineFrame(gfn: number): number {
    gfn = this.onBus(gfn);
    if (gfn < this.guestFrames) return this.toMachine[gfn]!;
    return gfn < this.memory.frames ? VOID_FRAME : gfn;
  }

  /** Guest frame that a machine frame belongs to, -1 when it is the monitor's or no memory. */
  guestFrame(mfn: number): number {
    return mfn < this.guestFrames ? this.toGuest[mfn]! : -1;
  }

  /** Whether a guest frame is memory (RAM or ROM), not a device and not beyond the end. */
  isMemory(gfn: number): boolean {
    return this.holdsMemory(this.onBus(gfn));
  }

  private holdsMemory(gfn: number): boolean {
    return gfn < this.guestFrames && (this.memory.kindOf(this.toMachine[gfn]!) & FRAME_MMIO) === 0;
  }

  /** Whether the 2 MB around a guest frame are plain memory in one aligned piece of machine memory. */
  isRun(gfn: number): boolean {
    if (!this.a20Open) return false; // every other megabyte of it lies elsewhere
    const first = gfn & -RUN_FRAMES, machine = this.toMachine[first];
    if (machine === undefined || machine % RUN_FRAMES !== 0 || first + RUN_FRAMES > this.guestFrames) return false;
    for (let i = 0; i < RUN_FRAMES; i++) if (this.toMachine[first + i] !== machine + i || (this.memory.kindOf(machine + i) & (FRAME_MMIO | FRAME_ROM)) !== 0) return false;
    return true;
  }

  /** Machine-physical byte address of a guest-physical one. */
  machineAddress(gpa: number): number {
    return this.machineFrame(gpa >>> 12) * PAGE_SIZE + (gpa & 0xfff);
  }

  /** As machineAddress, for device DMA (Strategy.guestToMachine): -1 where the guest has no memory. */
  dmaAddress(gpa: number): number {
    return this.holdsMemory(gpa >>> 12) ? this.toMachine[gpa >>> 12]! * PAGE_SIZE + (gpa & 0xfff) : -1;
  }

  read32(gpa: number): number {
    return this.memory.read(this.machineAddress(gpa), 4) | 0;
  }

  write32(gpa: number, value: number): void {
    this.memory.write(this.machineAddress(gpa), 4, value);
  }

  /** Copies guest-physical bytes out; past the end of the guest's memory they read as zero. */
  readBytes(gpa: number, into: Uint8Array): void {
    into.fill(0);
    this.pieces(gpa, into.length, (machine, at, length) => this.memory.readBytes(machine, into.subarray(at, at + length)));
  }

  /** Copies bytes to guest-physical memory (loaders, DMA; ROM included); past its end they are lost. */
  writeBytes(gpa: number, from: Uint8Array): void {
    this.pieces(gpa, from.length, (machine, at, length) => this.memory.writeBytes(machine, from.subarray(at, at + length)));
  }

  private pieces(gpa: number, length: number, each: (machine: number, at: number, length: number) => void): void {
    for (let at = 0; at < length;) {
      const here = gpa + at;
      const n = Math.min(length - at, PAGE_SIZE - here % PAGE_SIZE);
      const gfn = Math.floor(here / PAGE_SIZE);
      if (gfn >= 0 && gfn < this.guestFrames) each(this.toMachine[gfn]! * PAGE_SIZE + here % PAGE_SIZE, at, n);
      at += n;
    }
  }
}

/** The guest-physical map of a machine; make one a machine and share it. `runs`: of 2 MB pieces, for large pages. */
export function createPhysicalMap(machine: Machine, runs = false): PhysicalMap {
  return new PhysicalMap(machine.memory, machine.guestBytes, runs);
}
