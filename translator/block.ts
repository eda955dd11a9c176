import { PAGE_SIZE } from "../hypervisor/heap.js";
import type { Instruction } from "./isa/instruction.js";
import type { Op } from "./interpreter/bind.js";
import * as R from "./interpreter/records.js";
import type { RegionCode } from "./codegen/region-code.js";

/** Most instructions a block may hold. */
export const BLOCK_LIMIT = 32;

export const TARGET_LIMIT = 6;

/** What the builder found at an address. */
export interface FoundBlock {
  readonly physical: number;
  readonly eip: number;
  readonly mode: number;
  readonly instructions: readonly Instruction[];
  readonly ops: readonly Op[];
  readonly bytes: number;
  readonly nextEip: number;
  readonly crossFrame: number;
  readonly transfers: boolean;
  readonly callout: boolean;
  readonly indirect: boolean;
  readonly cold: boolean;
}

const NONE: readonly never[] = [];
const REPEATED_WEIGHT = 8;
const NO_WORDS = new Int32Array(0);
/** What lines without blocks share; never written. */
const NO_BLOCKS: Block[] = [];

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
  /** Heap address of its record (interpreter/records.ts); 0: it has none. */
  record = 0;
  private i32: Int32Array = NO_WORDS;
  /** Times a target of its has been noted by way of its record. */
  notes = 0;
  private generated: RegionCode | null = null;
  private executions = 0;
  private isHead = false;
  /** The block that was executed after it last. */
  link: Block | null = null;
  /** The next block of the same bytes and mode at another EIP. */
  alias: Block | null = null;
  readonly ops: readonly Op[];
  /** EIP behind the block. */
  readonly nextEip: number;
  /** Machine frame of the second page of an instruction that crosses pages, else -1. */
  readonly crossFrame: number;
  /** The last op sets EIP itself. */
  readonly transfers: boolean;
  /** The last op is a call of the monitor in its instruction's place. */
  readonly callout: boolean;
  /** It ends in a near return or an indirect near jump or call. */
  readonly indirect: boolean;
  /** Generated code has been given up for this entry. */
  cold: boolean;
  readonly instructions: readonly Instruction[];
  /** See `addresses`: made when they are asked for, which is when code is generated. */
  private addressList: readonly number[] | null = null;
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
    this.callout = found.callout;
    this.indirect = found.indirect;
    this.cold = found.cold;
    this.instructions = found.instructions;
    this.bytes = found.bytes;
  }

  /** Takes a record, whose words are in `i32`. */
  attach(i32: Int32Array, record: number): void {
    this.i32 = i32;
    this.record = record;
  }

  /** Its record is another's from now on. */
  detach(): void {
    this.executions = this.heat;
    this.i32 = NO_WORDS;
    this.record = 0;
  }

  /** Generated code entered here, if any. */
  get code(): RegionCode | null { return this.generated; }
  set code(code: RegionCode | null) {
    if (this.enterable) this.close();
    this.generated = code;
    this.forRunLoop(code !== null);
  }

  private forRunLoop(compiled: boolean): void {
    if (this.record === 0) return;
    const bits = (this.record >> 2) + R.BITS;
    this.i32[bits] = compiled ? this.i32[bits]! | R.BLOCK_COMPILED : this.i32[bits]! & ~R.BLOCK_COMPILED;
  }

  /** Its code can be entered without the run loop. */
  get enterable(): boolean {
    return this.record !== 0 && this.i32[(this.record >> 2) + R.ENTRANCE] !== 0;
  }

  /** Its code can be entered by way of this record. */
  open(entrance: number): void {
    this.generated!.slot!.open();
    this.i32[(this.record >> 2) + R.ENTRANCE] = entrance;
    this.forRunLoop(false);
  }

  /** It has code of its own, copied from templates. */
  get hasCode(): boolean {
    return this.record !== 0 && this.i32[(this.record >> 2) + R.CODE] !== 0;
  }

  private close(): void {
    this.countEntries();
    this.i32[(this.record >> 2) + R.ENTRANCE] = 0;
    this.generated!.slot!.close();
  }

  /** Takes down what its entrance has counted. */
  countEntries(): void {
    if (!this.enterable) return;
    const { i32, generated } = this;
    const entrance = i32[(this.record >> 2) + R.ENTRANCE]! >> 2;
    generated!.entered += i32[entrance + R.ENTRIES]!;
    generated!.instructions += i32[entrance + R.EXECUTED]!;
    i32[entrance + R.ENTRIES] = i32[entrance + R.EXECUTED] = 0;
  }

  /** What an execution of it weighs when it is asked whether it is hot: a repeated string instruction is many iterations. */
  get weight(): number {
    const last = this.instructions[this.instructions.length - 1];
    return last !== undefined && last.rep !== "" && last.row.cost === "string" ? REPEATED_WEIGHT : 1;
  }

  /** Times run by the interpreter, until it is compiled. */
  get heat(): number {
    return this.record === 0 ? this.executions : this.i32[(this.record >> 2) + R.HEAT]!;
  }
  set heat(value: number) {
    if (this.record === 0) this.executions = value;
    else this.i32[(this.record >> 2) + R.HEAT] = value;
  }

  /** Generated code that includes it leaves here in the middle of its work. */
  get head(): boolean { return this.isHead; }
  set head(value: boolean) {
    this.isHead = value;
    this.lookSoon();
  }

  /** The run loop is to look at it when it has been executed the next time. */
  private lookSoon(): void {
    if (this.record !== 0) this.i32[(this.record >> 2) + R.LOOK_AT] = 0;
  }

  /** It must not be executed any more. */
  drop(): void {
    this.valid = false;
    this.link = null;
    if (this.record !== 0) this.i32[(this.record >> 2) + R.BLOCK_MODE] = R.DROPPED;
  }

  /** EIP of each instruction. */
  get addresses(): readonly number[] {
    return this.addressList ??= this.instructions.map((_, i) => this.addressOf(i));
  }

  /** EIP of instruction `index`; of the first where the block's bytes are none. */
  addressOf(index: number): number {
    let at = this.eip;
    for (let i = 0; i < index; i++) at = at + this.instructions[i]!.length | 0;
    return at;
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

const TABLE_BITS = 17;
const TABLE_MASK = (1 << TABLE_BITS) - 1;
/** MODE values are below this. */
const MODES = 256;

const LINE_SHIFT = 6, LINES = PAGE_SIZE >>> LINE_SHIFT;

/** The blocks that lie in a frame, by lines of 64 bytes: a write to a page of code looks at those of its own line only. */
class CodeFrame {
  private readonly frame: number;
  private readonly lines = new Array<Block[]>(LINES).fill(NO_BLOCKS);
  private blocks = 0;

  constructor(frame: number) {
    this.frame = frame;
  }

  get empty(): boolean {
    return this.blocks === 0;
  }

  add(block: Block): void {
    this.blocks++;
    const last = lineOf(this.end(block) - 1);
    for (let line = lineOf(this.start(block)); line <= last; line++) {
      // Not by push, which keeps room for 17 elements: there are more lines than blocks.
      this.lines[line] = [...this.lines[line]!, block];
    }
  }

  delete(block: Block): void {
    this.blocks--;
    const last = lineOf(this.end(block) - 1);
    for (let line = lineOf(this.start(block)); line <= last; line++) {
      const others = this.lines[line]!;
      if (others.length === 1) this.lines[line] = NO_BLOCKS;
      else others.splice(others.indexOf(block), 1);
    }
  }

  /** The blocks that hold any of `length` bytes at `pa`, each once. */
  at(pa: number, length: number): readonly Block[] {
    const from = pa & (PAGE_SIZE - 1), to = from + length, first = lineOf(from), last = lineOf(to - 1);
    let hit: Block[] = NO_BLOCKS;
    for (let line = first; line <= last; line++) {
      for (const block of this.lines[line]!) {
        const start = this.start(block);
        if (start >= to || this.end(block) <= from || line !== Math.max(first, lineOf(start))) continue;
        if (hit === NO_BLOCKS) hit = [block];
        else hit.push(block);
      }
    }
    return hit;
  }

  /**
   * First byte of the block in this frame. One that begins in another frame has its last bytes at the start of this one; one whose both pages
   * are this frame is taken to hold all of it.
   */
  private start(block: Block): number {
    return block.crossFrame === this.frame ? 0 : block.physical & (PAGE_SIZE - 1);
  }

  private end(block: Block): number {
    const end = (block.physical & (PAGE_SIZE - 1)) + block.bytes;
    return block.physical >>> 12 === this.frame ? Math.min(end, PAGE_SIZE) : end - PAGE_SIZE;
  }
}

const lineOf = (offset: number): number => offset >>> LINE_SHIFT;

/** Blocks by machine-physical address and mode, and by the frames they lie in. */
export class BlockCache {
  /** The blocks looked up last: most look-ups end here. */
  private readonly recent: (Block | null)[] = new Array<Block | null>(1 << TABLE_BITS).fill(null);
  /** By address and mode; those of one key at several EIPs are linked by `alias`. */
  private readonly blocks = new Map<number, Block>();
  private readonly frames = new Map<number, CodeFrame>();
  private instructions = 0;
  /** Instructions kept at most. */
  readonly capacity: number;
  /** Told when a frame gains its first or loses its last block. */
  private readonly onFrame: (frame: number, cached: boolean) => void;
  /** Told when a block has been dropped. */
  private readonly onDrop: (block: Block) => void;

  constructor(capacity: number, onFrame: (frame: number, cached: boolean) => void, onDrop: (block: Block) => void = () => {}) {
    this.onDrop = onDrop;
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
    for (let other = this.blocks.get(physical * MODES + mode) ?? null; other !== null; other = other.alias) {
      if (other.eip === eip) return this.recent[slot] = other;
    }
    return null;
  }

  add(block: Block): void {
    if (this.instructions >= this.capacity) this.evict();
    this.recent[BlockCache.slot(block.physical, block.mode)] = block;
    const key = block.physical * MODES + block.mode;
    const first = this.blocks.get(key);
    if (first === undefined) this.blocks.set(key, block);
    else {
      block.alias = first.alias;
      first.alias = block;
    }
    this.addToFrame(block.physical >>> 12, block);
    if (crosses(block)) this.addToFrame(block.crossFrame, block);
    this.instructions += weight(block);
  }

  private addToFrame(frame: number, block: Block): void {
    const known = this.frames.get(frame);
    if (known !== undefined) return known.add(block);
    const first = new CodeFrame(frame);
    first.add(block);
    this.frames.set(frame, first);
    this.onFrame(frame, true);
  }

  /** Drops the blocks that hold any of `length` bytes at machine-physical `pa` (within one page); gives them. */
  invalidate(pa: number, length: number): readonly Block[] {
    const hit = this.frames.get(pa >>> 12)?.at(pa, length) ?? NONE;
    for (const block of hit) this.drop(block);
    return hit;
  }

  /** Whether any cached block lies over `length` bytes at machine-physical `pa` (within one page). */
  holds(pa: number, length: number): boolean {
    return (this.frames.get(pa >>> 12)?.at(pa, length) ?? NONE).length !== 0;
  }

  drop(block: Block): void {
    if (!block.valid) return;
    block.drop();
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
    const first = this.blocks.get(key)!;
    if (first !== block) {
      let before = first;
      while (before.alias !== block) before = before.alias!;
      before.alias = block.alias;
    } else if (block.alias === null) this.blocks.delete(key);
    else this.blocks.set(key, block.alias);
    block.alias = null;
    this.removeFromFrame(block.physical >>> 12, block);
    if (crosses(block)) this.removeFromFrame(block.crossFrame, block);
    this.onDrop(block);
  }

  private removeFromFrame(frame: number, block: Block): void {
    const code = this.frames.get(frame)!;
    code.delete(block);
    if (!code.empty) return;
    this.frames.delete(frame);
    this.onFrame(frame, false);
  }

  /** Every block kept. */
  *all(): Iterable<Block> {
    for (const first of this.blocks.values()) for (let block: Block | null = first; block !== null; block = block.alias) yield block;
  }

  /** Makes room: the oldest blocks that are in no region go first, and if most are, everything does. */
  private evict(): void {
    for (const block of [...this.all()]) {
      if (this.instructions <= this.capacity / 2) break;
      if (block.regions.length === 0) this.drop(block);
    }
    if (this.instructions > this.capacity * 3 / 4) this.clear();
  }

  clear(): void {
    for (const block of [...this.all()]) this.drop(block);
    this.recent.fill(null);
  }
}

/** A block's share of the capacity; those of one instruction and of none cost about as much. */
function weight(block: Block): number {
  return block.instructions.length + 1;
}

/** Whether it lies in a second frame: its last instruction may cross into another page of the same one. */
function crosses(block: Block): boolean {
  return block.crossFrame >= 0 && block.crossFrame !== block.physical >>> 12;
}
