import type { Cpu } from "../hypervisor/cpu.js";
import { MODEL } from "../hypervisor/cpu-model.js";
import * as S from "../hypervisor/cpu-state.js";
import { PAGE_SIZE, RAM_BASE } from "../hypervisor/heap.js";
import { FRAME_MMIO } from "../hypervisor/memory.js";
import { GP, UD } from "../hypervisor/trap.js";
import { Block, BLOCK_LIMIT } from "./block.js";
import type { Threaded } from "./interpreter/threaded.js";
import type { TranslationHooks } from "./fullvirt/engine-hooks.js";
import { DecodeCache } from "./decode-cache.js";
import { Binder, isIndirect, type Op, wrap } from "./interpreter/bind.js";
import { type Decode, decoderFor, MAX_LENGTH } from "./isa/decode.js";
import type { Instruction } from "./isa/instruction.js";
import { FEATURES } from "./isa/opcodes.js";
import type { Feature } from "./isa/opcodes-notation.js";
import { IMPLEMENTED } from "./isa/semantics/registry.js";

/** Finds blocks in the guest's code: decodes from an address to the first transfer, the page's end or BLOCK_LIMIT, and binds what it finds. */
export class BlockBuilder {
  private readonly cpu: Cpu;
  private readonly binder: Binder;
  private readonly decode: Decode;
  private readonly cache = new DecodeCache();
  private readonly scratch = new Uint8Array(32);
  /** Those of the block at work. */
  private readonly instructions: Instruction[] = [];
  private readonly ops: Op[] = [];
  private readonly records: number[] = [];
  private readonly threaded: Threaded | null;

  /** `more`: features of this machine's processor beyond the model's. */
  constructor(cpu: Cpu, translation: TranslationHooks | null, specialised: boolean, threaded: Threaded | null, more: readonly Feature[] = []) {
    this.cpu = cpu;
    this.threaded = threaded;
    this.binder = new Binder(cpu, translation, specialised, threaded);
    this.decode = decoderFor([...FEATURES.filter((f) => MODEL.instructions.includes(f)), ...more], IMPLEMENTED);
  }

  /**
   * The block at EIP `eip` (linear `la`, machine-physical `physical`) for MODE `mode`. Throws the trap of a first
   * instruction that cannot be fetched; later ones only end the block.
   */
  build(la: number, physical: number, eip: number, mode: number): Block {
    const { cpu } = this;
    if ((cpu.memory.kindOf(physical >>> 12) & FRAME_MMIO) !== 0) cpu.raise(UD);
    const codeSize = (mode & S.MODE_CODE32) !== 0 ? 32 : 16;
    const start = RAM_BASE + physical;
    const pageEnd = RAM_BASE + (physical | (PAGE_SIZE - 1)) + 1;
    const { instructions, ops, records, cache, threaded } = this;
    instructions.length = ops.length = records.length = 0;
    let at = start, transfers = false, callout = false, crossFrame = -1;
    while (instructions.length < BLOCK_LIMIT) {
      const known = cache.find(cpu.u8, at, pageEnd, mode);
      let decoded = known >= 0 ? cache.instruction(known) : this.decode(cpu.u8, at, pageEnd, codeSize);
      const address = eip + (at - start) | 0;
      if (decoded.invalid === "FETCH") {
        if (instructions.length !== 0) break;
        crossFrame = this.secondFrame(la);
        decoded = this.decodeAcross(at, pageEnd, crossFrame, codeSize);
      }
      if (decoded.invalid !== null) {
        if (instructions.length !== 0) break;
        return this.faulting(decoded.invalid === "GP", physical, eip, mode, crossFrame);
      }
      if (!this.fetchAllowed(address, decoded.length, mode)) {
        if (instructions.length !== 0) break;
        cpu.raise(GP, 0);
      }
      const op = known >= 0 ? cache.op(known) : null;
      const bound = op === null ? this.binder.bind(decoded, address, mode) : null;
      const record = op !== null ? cache.record(known) : bound!.record !== 0 ? bound!.record : threaded?.closure(bound!.op) ?? 0;
      if (known < 0 && crossFrame < 0) cache.add(cpu.u8, at, decoded, mode, bound?.anywhere === true ? bound.op : null, record);
      instructions.push(decoded);
      ops.push(op ?? bound!.op);
      records.push(record);
      at += decoded.length;
      transfers = bound?.transfers === true;
      callout = bound?.callout === true;
      if (bound?.ends === true || at >= pageEnd) break;
    }
    const block = new Block({
      physical, eip, mode, instructions: instructions.slice(), ops: ops.slice(), bytes: at - start, nextEip: wrap(eip + (at - start), mode),
      crossFrame, transfers, callout, indirect: isIndirect(instructions[instructions.length - 1]!), cold: crossFrame >= 0,
    });
    threaded?.attach(block, records);
    return block;
  }

  /** Forgets all records; see Threaded.clear. */
  clearRecords(): void {
    this.cache.clear();
    this.threaded?.clear();
  }

  /** Machine frame of the page behind that of `la`. */
  secondFrame(la: number): number {
    return this.cpu.mmu.codeAddress((la | 0xfff) + 1 | 0) >>> 12;
  }

  /** Whether `length` bytes of code at EIP `address` lie within CS's limit. */
  fetchAllowed(address: number, length: number, mode: number): boolean {
    return (mode & S.MODE_FLAT) !== 0 || (address >>> 0) + length - 1 <= this.cpu.segLimit(S.CS);
  }

  /** The bytes of an instruction that goes on in frame `next`, decoded from a copy. */
  private decodeAcross(at: number, pageEnd: number, next: number, codeSize: 16 | 32): ReturnType<Decode> {
    const { u8, memory } = this.cpu;
    const head = pageEnd - at;
    this.scratch.fill(0xff);
    this.scratch.set(u8.subarray(at, pageEnd));
    if ((memory.kindOf(next) & FRAME_MMIO) === 0) {
      const tail = RAM_BASE + next * PAGE_SIZE;
      this.scratch.set(u8.subarray(tail, tail + MAX_LENGTH), head);
    }
    return this.decode(this.scratch, 0, head + MAX_LENGTH, codeSize);
  }

  /** A block of one instruction that is none: #UD, or #GP for one longer than 15 bytes. */
  private faulting(tooLong: boolean, physical: number, eip: number, mode: number, crossFrame: number): Block {
    const { cpu } = this;
    const op = tooLong ? (): void => cpu.raise(GP, 0) : (): void => cpu.raise(UD);
    const bytes = crossFrame >= 0 ? MAX_LENGTH : Math.min(MAX_LENGTH, PAGE_SIZE - (physical & (PAGE_SIZE - 1)));
    return new Block({
      physical, eip, mode, instructions: [], ops: [op], bytes, nextEip: eip, crossFrame, transfers: true, callout: false, indirect: false, cold: true,
    });
  }
}
