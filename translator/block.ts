import { PAGE_SIZE } from "../hypervisor/heap.js";
import type { Instruction } from "./isa/instruction.js";
import type { Op } from "./interpreter/bind.js";
import type { RegionCode } from "./codegen/region.js";

/** Most instructions a block may hold. */
export const BLOCK_LIMIT = 32;

export const TARGET_LIMIT = 6;

/** A run of guest instructions that ends at the first transfer, at a page's end or at BLOCK_LIMIT. */
export interface Block {
  /** Machine-physical address of its first byte. */
  readonly physical: number;
  /** EIP of its first byte, and MODE it was decoded for. */
  readonly eip: number;
  readonly mode: number;
  readonly instructions: readonly Instruction[];
  /** EIP of each instruction. */
  readonly addresses: Int32Array;
  readonly ops: readonly Op[];
  /** Bytes from the first to the end of the last instruction. */
  readonly bytes: number;
  /** EIP behind the block; -1 frame when it does not cross its page. */
  readonly nextEip: number;
  /** Machine frame of the second page of an instruction that crosses pages, else -1. */
  readonly crossFrame: number;
  /** The last op sets EIP itself. */
  readonly transfers: boolean;
  /** It ends in a near return or an indirect near jump or call. */
  readonly indirect: boolean;
  /** False once its bytes have changed. */
  valid: boolean;
  /** Times run by the interpreter, until it is compiled. */
  heat: number;
  /** Generated code entered here, if any. */
  code: RegionCode | null;
  /** Generated code has been given up for this entry. */
  cold: boolean;
  /** Where its indirect transfer has been seen to go, at most TARGET_LIMIT of them. */
  readonly targets: number[];
  /** Blocks whose generated code includes this one. */
  readonly regions: Set<Block>;
}

const TABLE_BITS = 16;
const TABLE_MASK = (1 << TABLE_BITS) - 1;

/** Blocks by machine-physical address and mode, and by the frames they lie in. */
export class BlockCache {
  private readonly table: (Block | null)[] = new Array<Block | null>(1 << TABLE_BITS).fill(null);
  private readonly frames = new Map<number, Block[]>();
  /** Blocks kept; past `capacity` everything is dropped. */
  private count = 0;
  readonly capacity: number;
  /** Told when a frame gains its first or loses its last block. */
  private readonly onFrame: (frame: number, cached: boolean) => void;

  constructor(capacity: number, onFrame: (frame: number, cached: boolean) => void) {
    this.capacity = capacity;
    this.onFrame = onFrame;
  }

  private static slot(physical: number, mode: number): number {
    return (physical ^ (physical >>> TABLE_BITS) ^ (mode << 5)) & TABLE_MASK;
  }

  find(physical: number, eip: number, mode: number): Block | null {
    const slot = BlockCache.slot(physical, mode);
    const block = this.table[slot]!;
    if (block !== null && block.physical === physical && block.eip === eip && block.mode === mode && block.valid) return block;
    const others = this.frames.get(physical >>> 12);
    if (others === undefined) return null;
    for (const other of others) {
      if (other.physical === physical && other.eip === eip && other.mode === mode) {
        this.table[slot] = other;
        return other;
      }
    }
    return null;
  }

  add(block: Block): void {
    if (this.count >= this.capacity) this.clear();
    this.table[BlockCache.slot(block.physical, block.mode)] = block;
    this.addToFrame(block.physical >>> 12, block);
    if (block.crossFrame >= 0) this.addToFrame(block.crossFrame, block);
    this.count++;
  }

  private addToFrame(frame: number, block: Block): void {
    const blocks = this.frames.get(frame);
    if (blocks === undefined) {
      this.frames.set(frame, [block]);
      this.onFrame(frame, true);
    } else blocks.push(block);
  }

  /** Drops the blocks that hold any of `length` bytes at machine-physical `pa` (within one page); gives them. */
  invalidate(pa: number, length: number): Block[] {
    const frame = pa >>> 12;
    const blocks = this.frames.get(frame);
    if (blocks === undefined) return [];
    const hit = blocks.filter((b) => overlaps(b, frame, pa, length));
    for (const block of hit) this.drop(block);
    return hit;
  }

  /** Whether any cached block lies over `length` bytes at machine-physical `pa` (within one page). */
  holds(pa: number, length: number): boolean {
    const frame = pa >>> 12;
    return this.frames.get(frame)?.some((b) => overlaps(b, frame, pa, length)) ?? false;
  }

  drop(block: Block): void {
    if (!block.valid) return;
    block.valid = false;
    this.count--;
    for (const entry of block.regions) {
      for (const member of entry.code?.blocks ?? []) if (member !== block) member.regions.delete(entry);
      entry.code = null;
      entry.heat = 0;
    }
    block.regions.clear();
    for (const frame of [block.physical >>> 12, block.crossFrame]) {
      const blocks = this.frames.get(frame);
      if (blocks === undefined) continue;
      const i = blocks.indexOf(block);
      if (i >= 0) blocks.splice(i, 1);
      if (blocks.length === 0) {
        this.frames.delete(frame);
        this.onFrame(frame, false);
      }
    }
  }

  clear(): void {
    for (const blocks of [...this.frames.values()]) for (const block of [...blocks]) this.drop(block);
    this.table.fill(null);
  }
}

function overlaps(block: Block, frame: number, pa: number, length: number): boolean {
  if (block.physical >>> 12 === frame) return pa < block.physical + block.bytes && pa + length > block.physical;
  // The block begins on another page and its last bytes lie at the start of this one.
  const within = (block.physical & (PAGE_SIZE - 1)) + block.bytes - PAGE_SIZE;
  return (pa & (PAGE_SIZE - 1)) < within;
}
