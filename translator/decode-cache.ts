import type { Op } from "./interpreter/bind.js";
import { MAX_LENGTH } from "./isa/decode.js";
import type { Instruction } from "./isa/instruction.js";

/** Instructions kept at most: then it begins anew. */
const CAPACITY = 1 << 17;
/** Entries there is room for at first. */
const FIRST = 1 << 9;
/** Words of a key: MAX_LENGTH bytes of code, those behind the instruction zero, and MODE. */
const KEY_WORDS = 4, KEY_BYTES = 16;
const GUESSES = 1 << 16;
/** First bytes after which the third byte is the ModRM byte or the opcode: the escape and the prefixes in use. */
const LONGER = new Set([0x0f, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]);

/**
 * Decoded instructions by their bytes and MODE. The same bytes are the same instruction wherever they are, and most code
 * comes more than once: in several places, or at several addresses by which processes map one page. No instruction's bytes
 * begin another's, so that a match of as many bytes as an entry has is the instruction, whatever made one look there.
 */
export class DecodeCache {
  private instructions: Instruction[] = [];
  private ops: (Op | null)[] = [];
  private records: number[] = [];
  /** KEY_WORDS words an entry. */
  private keys = new Int32Array(FIRST * KEY_WORDS);
  /** Entry numbers plus one by hash, open addressing, at most half full. */
  private table = new Int32Array(FIRST * 2);
  /** Length of the last instruction that began with bytes of this hash. */
  private readonly lengths = new Uint8Array(GUESSES);
  private readonly key = new Uint8Array(KEY_BYTES);
  private readonly words = new Int32Array(this.key.buffer);

  /** Number of the entry for the instruction at `bytes[at]`, or -1; bytes from `limit` on do not exist. */
  find(bytes: Uint8Array, at: number, limit: number, mode: number): number {
    const length = this.lengths[guess(bytes, at)]!;
    if (length === 0 || at + length > limit) return -1;
    this.setKey(bytes, at, length, mode);
    const entry = this.table[this.slot()]! - 1;
    return entry >= 0 && this.instructions[entry]!.length === length ? entry : -1;
  }

  instruction(entry: number): Instruction {
    return this.instructions[entry]!;
  }

  /** What the interpreter runs for it, where that is the same everywhere, else null. The block goes on after such an instruction. */
  op(entry: number): Op | null {
    return this.ops[entry]!;
  }

  /** The interpreter's record of it, where `op` is not null; 0: it has none. */
  record(entry: number): number {
    return this.records[entry]!;
  }

  /** Keeps what has been decoded at `bytes[at]`. */
  add(bytes: Uint8Array, at: number, instruction: Instruction, mode: number, op: Op | null, record: number): void {
    if (this.instructions.length >= CAPACITY) this.clear();
    if (this.instructions.length * 2 >= this.table.length) this.grow();
    this.lengths[guess(bytes, at)] = instruction.length;
    this.setKey(bytes, at, instruction.length, mode);
    const slot = this.slot();
    if (this.table[slot] !== 0) return;
    this.keys.set(this.words, this.instructions.length * KEY_WORDS);
    this.table[slot] = this.instructions.push(instruction);
    this.ops.push(op);
    this.records.push(record);
  }

  private setKey(bytes: Uint8Array, at: number, length: number, mode: number): void {
    const { key, words } = this;
    words.fill(0);
    for (let i = 0; i < length; i++) key[i] = bytes[at + i]!;
    key[MAX_LENGTH] = mode;
  }

  /** Where the key in `words` is in the table, or the free slot where it belongs. */
  private slot(): number {
    const { table, keys } = this;
    const { words } = this;
    const a = words[0]!, b = words[1]!, c = words[2]!, d = words[3]!;
    const mask = table.length - 1;
    for (let slot = hash(a, b, c, d) & mask; ; slot = slot + 1 & mask) {
      const at = (table[slot]! - 1) * KEY_WORDS;
      if (at < 0 || (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d)) return slot;
    }
  }

  private grow(): void {
    const { keys, instructions } = this;
    this.keys = new Int32Array(keys.length * 2);
    this.keys.set(keys);
    this.table = new Int32Array(this.table.length * 2);
    const mask = this.table.length - 1;
    for (let entry = 0; entry < instructions.length; entry++) {
      const at = entry * KEY_WORDS;
      let slot = hash(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!) & mask;
      while (this.table[slot] !== 0) slot = slot + 1 & mask;
      this.table[slot] = entry + 1;
    }
  }

  clear(): void {
    this.instructions = [];
    this.ops = [];
    this.records = [];
    this.table.fill(0);
  }
}

function hash(a: number, b: number, c: number, d: number): number {
  const h = Math.imul(Math.imul(Math.imul(a, 0x2c1b3c6d) ^ b, 0x297a2d39) ^ c, 0x2c1b3c6d) ^ d;
  return Math.imul(h ^ h >>> 15, 0x297a2d39) ^ h >>> 13;
}

/** Hash of the bytes that mostly tell how long the instruction is: opcode and ModRM. */
function guess(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const two = first | bytes[at + 1]! << 8;
  return LONGER.has(first) ? Math.imul(two | bytes[at + 2]! << 16, 0x2c1b3c6d) >>> 16 : two;
}
