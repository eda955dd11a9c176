import { RECORDS_BASE, RECORDS_BYTES } from "../../hypervisor/heap.js";

/**
 * Decoded code in the heap, for the interpreter's threaded form (threaded.ts). An instruction's record is the number of its handler
 * and the values of its shape, a block's the words below and then the addresses of its instructions' records. Addresses are
 * bytes into the heap; 0 is no record.
 */

/** Words of a block's record: instructions; EIP and MODE; the TLB's word for its page. */
export const COUNT = 0, BLOCK_EIP = 1, BLOCK_MODE = 2, EXEC_WORD = 3;
/** EIP behind it; BLOCK_* bits; times executed, and how many until the run loop is to look at it; the last target noted; its number. */
export const NEXT_EIP = 4, BITS = 5, HEAT = 6, LOOK_AT = 7, NOTED = 8, NUMBER = 9;
/** Record of the entrance to generated code that `chain` can enter, or 0. */
export const ENTRANCE = 10;
/** Its own code (copy-and-patch.ts): the number in the table, or 0. */
export const CODE = 11;
/** Where the last instruction crosses pages and EXEC_WORD is CROSSING: the TLB's words for both. */
export const FIRST_WORD = 12, SECOND_WORD = 13;
/** Record of the block that followed last, which holds while S.CODE_GENERATION is what it was then. */
export const LINK = 14, LINK_GENERATION = 15;
export const FIRST_INSTRUCTION = 16;

/** Words of an entrance's record: its function in the table and that one's argument, instructions that must be left in the budget, times entered, instructions executed. */
export const FUNCTION = 0, ARGUMENT = 1, NEEDED = 2, ENTRIES = 3, EXECUTED = 4;

/** BITS: the last instruction sets EIP; where it goes is to be noted; there is generated code that the run loop alone can enter. */
export const BLOCK_TRANSFERS = 1, BLOCK_NOTES = 2, BLOCK_COMPILED = 4;

/** No TLB words: present ones are odd. The block is found by the run loop alone; FIRST_WORD and SECOND_WORD tell. */
export const NOWHERE = 2, CROSSING = 4;
/** No MODE. */
export const DROPPED = -1;

/** Blocks' records by EIP: the last two found with each hash, the latest first. */
export const JUMP_BITS = 16;
export const JUMP_TABLE = RECORDS_BASE;

const FIRST_RECORD = JUMP_TABLE + (8 << JUMP_BITS);

/** Room for records, given out until it is full, then empty again all at once. Records that are given back are given out again, by their lengths. */
export class RecordArea {
  private readonly i32: Int32Array;
  private readonly end: number;
  private top = FIRST_RECORD;
  /** There was no room for a record. */
  full = false;
  /** Records by their words: ready to be given out, and given back since `reclaim`. */
  private free: number[][] = [];
  private back: number[] = [];

  /** Of `bytes` bytes, at most. */
  constructor(i32: Int32Array, bytes = RECORDS_BYTES) {
    this.i32 = i32;
    this.end = Math.min(FIRST_RECORD + bytes, RECORDS_BASE + RECORDS_BYTES);
    this.clear();
  }

  /** Heap address of a new record that is `words` and then `more`; 0 when there is no room. */
  allocate(words: readonly number[], more: readonly number[] = []): number {
    const at = this.top, end = at + 4 * (words.length + more.length);
    if (end > this.end) {
      this.full = true;
      return 0;
    }
    this.top = end;
    for (let k = 0; k < words.length; k++) this.i32[(at >> 2) + k] = words[k]!;
    for (let k = 0; k < more.length; k++) this.i32[(at >> 2) + words.length + k] = more[k]!;
    return at;
  }

  /** A record that was given back and has room for `words`, or 0. */
  reuse(words: number): number {
    return this.free[words]?.pop() ?? 0;
  }

  /** Takes a record back, whose words stay as they are until `reclaim`: it may be in use. */
  giveBack(record: number, words: number): void {
    this.back.push(record, words);
  }

  /** No record that was given back is in use any more. */
  reclaim(): void {
    const { back, free } = this;
    for (let k = 0; k < back.length; k += 2) (free[back[k + 1]!] ??= []).push(back[k]!);
    back.length = 0;
  }

  clear(): void {
    this.top = FIRST_RECORD;
    this.full = false;
    this.free = [];
    this.back = [];
    this.i32.fill(0, JUMP_TABLE >> 2, FIRST_RECORD >> 2);
  }
}
