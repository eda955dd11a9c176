import { PAGE_SIZE } from "../hypervisor/heap.js";
import type { Instruction } from "./isa/instruction.js";
import type { Op } from "./interpreter/bind.js";
import type { RegionCode } from "./codegen/region.js";

/** Most instructions a block may hold. */
export const BLOCK_LIMIT = 32;

export const TARGET_LIMIT = 6;

/** What the builder found at an address. */
export interface FoundBlock {
  readonly physical: number;
  readonly eip: number;
  readonly mode: number;
  readonly instructions: readonly Instruction[];
  readonly addresses: readonly number[];
  readonly ops: readonly Op[];
  readonly bytes: number;
  readonly nextEip: number;
  readonly crossFrame: number;
  readonly transfers: boolean;
  readonly indirect: boolean;
  readonly cold: boolean;
}

const NONE: readonly never[] = [];

/**
 * A run of guest instructions that ends at the first transfer, at a page's end or at BLOCK_LIMIT. A class, so that all blocks
 * have one shape for the host: the run loop reads several fields of one each time round.
 */
export class Block {
  /** Machine-physical address of its first byte. */
  readonly physical: number;
  /** EIP of its first byte, and MODE it was decoded for. */
  readonly eip: number;
  readonly mode: number;
  /** False once its bytes have changed. */
  valid = true;
  /** Generated code entered here, if any. */
  code: RegionCode | null = null;
  /** The block that was executed after it last. */
  link: Block | null = null;
  readonly ops: readonly Op[];
  /** EIP behind the block. */
  readonly nextEip: number;
  /** Times run by the interpreter, until it is compiled. */
  heat = 0;
  /** Machine frame of the second page of an instruction that crosses pages, else -1. */
  readonly crossFrame: number;
  /** The last op sets EIP itself. */
  readonly transfers: boolean;
  /** It ends in a near return or an indirect near jump or call. */
  readonly indirect: boolean;
  /** Generated code has been given up for this entry. */
  cold: boolean;
  /** Generated code that includes it leaves here in the middle of its work. */
  head = false;
  readonly instructions: readonly Instruction[];
  /** EIP of each instruction. */
  readonly addresses: readonly number[];
  /** Bytes from the first to the end of the last instruction. */
  readonly bytes: number;
  /** Where its indirect transfer has been seen to go, at most TARGET_LIMIT of them. */
  targets: readonly number[] = NONE;
  /** Blocks whose generated code includes this one. */
  regions: readonly Block[] = NONE;

  constructor(found: FoundBlock) {
    this.physical = found.physical;
    this.eip = found.eip;
    this.mode = found.mode;
    this.ops = found.ops;
    this.nextEip = found.nextEip;
    this.crossFrame = found.crossFrame;
    this.transfers = found.transfers;
    this.indirect = found.indirect;
    this.cold = found.cold;
    this.instructions = found.instructions;
    this.addresses = found.addresses;
    this.bytes = found.bytes;
  }

  /** Remembers where its indirect transfer went: regions jump there directly. */
  noteTarget(eip: number): void {
    const { targets } = this;
    if (targets.length < TARGET_LIMIT && !targets.includes(eip)) this.targets = [...targets, eip];
  }

  /** The generated code of `entry` includes it. */
  join(entry: Block): void {
    if (!this.regions.includes(entry)) this.regions = [...this.regions, entry];
  }

  part(entry: Block): void {
    this.regions = this.regions.filter((one) => one !== entry);
  }
}

const TABLE_BITS = 16;
const TABLE_MASK = (1 << TABLE_BITS) - 1;
/** MODE values are below this. */
const MODES = 256;

/** Blocks by machine-physical address and mode, and by the frames they lie in. */
export class BlockCache {
  /** The blocks looked up last: most look-ups end here. */
  private readonly recent: (Block | null)[] = new Array<Block | null>(1 << TABLE_BITS).fill(null);
  private readonly blocks = new Map<number, Block[]>();
  private readonly frames = new Map<number, Set<Block>>();
  private instructions = 0;
  /** Instructions kept at most. */
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
    const block = this.recent[slot]!;
    if (block !== null && block.physical === physical && block.eip === eip && block.mode === mode && block.valid) return block;
    const others = this.blocks.get(physical * MODES + mode);
    if (others === undefined) return null;
    for (const other of others) if (other.eip === eip) return this.recent[slot] = other;
    return null;
  }

  add(block: Block): void {
    if (this.instructions >= this.capacity) this.evict();
    this.recent[BlockCache.slot(block.physical, block.mode)] = block;
    const key = block.physical * MODES + block.mode;
    const others = this.blocks.get(key);
    if (others === undefined) this.blocks.set(key, [block]);
    else others.push(block);
    this.addToFrame(block.physical >>> 12, block);
    if (block.crossFrame >= 0) this.addToFrame(block.crossFrame, block);
    this.instructions += weight(block);
  }

  private addToFrame(frame: number, block: Block): void {
    const blocks = this.frames.get(frame);
    if (blocks === undefined) {
      this.frames.set(frame, new Set([block]));
      this.onFrame(frame, true);
    } else blocks.add(block);
  }

  /** Drops the blocks that hold any of `length` bytes at machine-physical `pa` (within one page); gives them. */
  invalidate(pa: number, length: number): Block[] {
    const frame = pa >>> 12;
    const hit: Block[] = [];
    for (const block of this.frames.get(frame) ?? []) if (overlaps(block, frame, pa, length)) hit.push(block);
    for (const block of hit) this.drop(block);
    return hit;
  }

  /** Whether any cached block lies over `length` bytes at machine-physical `pa` (within one page). */
  holds(pa: number, length: number): boolean {
    const frame = pa >>> 12;
    for (const block of this.frames.get(frame) ?? []) if (overlaps(block, frame, pa, length)) return true;
    return false;
  }

  drop(block: Block): void {
    if (!block.valid) return;
    block.valid = false;
    block.link = null;
    this.instructions -= weight(block);
    for (const entry of block.regions) {
      for (const member of entry.code?.blocks ?? []) if (member !== block) member.part(entry);
      entry.code = null;
      entry.heat = 0;
    }
    block.regions = NONE;
    const slot = BlockCache.slot(block.physical, block.mode);
    if (this.recent[slot] === block) this.recent[slot] = null;
    const key = block.physical * MODES + block.mode;
    const others = this.blocks.get(key)!;
    if (others.length === 1) this.blocks.delete(key);
    else others.splice(others.indexOf(block), 1);
    for (const frame of [block.physical >>> 12, block.crossFrame]) {
      const blocks = this.frames.get(frame);
      if (blocks === undefined || !blocks.delete(block) || blocks.size !== 0) continue;
      this.frames.delete(frame);
      this.onFrame(frame, false);
    }
  }

  /** Every block kept. */
  *all(): Iterable<Block> {
    for (const others of this.blocks.values()) yield* others;
  }

  /** Makes room: the oldest blocks that are in no region go first, and if most are, everything does. */
  private evict(): void {
    for (const others of [...this.blocks.values()]) {
      if (this.instructions <= this.capacity / 2) break;
      for (const block of [...others]) if (block.regions.length === 0) this.drop(block);
    }
    if (this.instructions > this.capacity * 3 / 4) this.clear();
  }

  clear(): void {
    for (const others of [...this.blocks.values()]) for (const block of [...others]) this.drop(block);
    this.recent.fill(null);
  }
}

/** A block's share of the capacity; those of one instruction and of none cost about as much. */
function weight(block: Block): number {
  return block.instructions.length + 1;
}

function overlaps(block: Block, frame: number, pa: number, length: number): boolean {
  if (block.physical >>> 12 === frame) return pa < block.physical + block.bytes && pa + length > block.physical;
  // The block begins on another page and its last bytes lie at the start of this one.
  const within = (block.physical & (PAGE_SIZE - 1)) + block.bytes - PAGE_SIZE;
  return (pa & (PAGE_SIZE - 1)) < within;
}
