import { RAM_BASE } from "../../hypervisor/heap.js";
import type { Ledger } from "../../hypervisor/ledger.js";
import type { Machine } from "../../hypervisor/machine.js";
import type { Instruction } from "../isa/instruction.js";

/** Most instructions in a translation unit (Adams and Agesen, ASPLOS 2006, 3). */
export const UNIT_LIMIT = 12;

const HASH_PRIME = 0x01000193, HASH_BASIS = 0x811c9dc5;

/**
 * The modelled translation cache. A unit is at most UNIT_LIMIT instructions, ends with a control transfer, at the page's
 * end, or where code begins that is translated already; a direct exit is chained as soon as both its ends are in the cache.
 * Code whose bytes have changed is translated anew when it runs again. What is counted depends on which code was executed
 * and in which order, not on how the engine cuts it into blocks.
 */
export class TranslationUnits {
  private readonly ledger: Ledger;
  private readonly u8: Uint8Array;
  /** Hash of the bytes each instruction was translated from, by machine-physical address. */
  private readonly translated = new Map<number, number>();
  /** Instructions so far in a unit that can go on at a machine-physical address. */
  private readonly unfinished = new Map<number, number>();
  /** Addresses in the cache, and how many direct exits wait for one that is not. */
  private readonly entries = new Set<number>();
  private readonly waiting = new Map<number, number>();
  private readonly events: Readonly<Record<"translate" | "instruction" | "chain" | "invalidate", number>>;
  /** Instructions in the unit at work; UNIT_LIMIT when the next one begins a new unit. */
  private length = UNIT_LIMIT;

  constructor(machine: Machine) {
    this.ledger = machine.ledger;
    this.u8 = machine.heap.u8;
    this.events = {
      translate: this.ledger.id("dbt.translate"), instruction: this.ledger.id("dbt.translate_instruction"), chain: this.ledger.id("dbt.chain"),
      invalidate: this.ledger.id("dbt.invalidate"),
    };
  }

  /** Kernel code at machine-physical `physical`, address `eip`, is about to run. Instructions translated already change nothing. */
  add(physical: number, eip: number, instructions: readonly Instruction[]): void {
    this.length = this.unfinished.get(physical) ?? UNIT_LIMIT;
    for (const instruction of instructions) {
      if (this.translated.get(physical) === this.hash(physical, instruction.length)) this.length = UNIT_LIMIT;
      else this.translate(physical, eip, instruction);
      physical += instruction.length;
      eip = eip + instruction.length | 0;
    }
    if (this.length < UNIT_LIMIT && (physical & 0xfff) !== 0) this.unfinished.set(physical, this.length);
  }

  private translate(physical: number, eip: number, instruction: Instruction): void {
    const { ledger, events } = this;
    if (this.translated.has(physical)) ledger.count(events.invalidate);
    this.unfinished.delete(physical);
    if (this.length >= UNIT_LIMIT) {
      ledger.count(events.translate);
      this.length = 0;
    }
    ledger.count(events.instruction);
    this.length++;
    this.translated.set(physical, this.hash(physical, instruction.length));
    this.enter(eip);
    const next = eip + instruction.length | 0;
    const exits = directExits(instruction, next);
    if (exits !== undefined) {
      this.length = UNIT_LIMIT;
      for (const exit of exits) this.exitTo(exit);
    } else if (this.length >= UNIT_LIMIT) this.exitTo(next);
  }

  /** The instruction's bytes (those in its first page), hashed (FNV-1a). */
  private hash(physical: number, length: number): number {
    const end = Math.min(physical + length, (physical | 0xfff) + 1);
    let hash = HASH_BASIS;
    for (let at = physical; at < end; at++) hash = Math.imul(hash ^ this.u8[RAM_BASE + at]!, HASH_PRIME);
    return hash;
  }

  private enter(eip: number): void {
    this.entries.add(eip);
    const exits = this.waiting.get(eip);
    if (exits === undefined) return;
    this.waiting.delete(eip);
    this.ledger.count(this.events.chain, exits);
  }

  private exitTo(eip: number): void {
    if (this.entries.has(eip)) this.ledger.count(this.events.chain);
    else this.waiting.set(eip, (this.waiting.get(eip) ?? 0) + 1);
  }
}

/** Where a control transfer goes that can be chained; undefined when the instruction is none. A return point is reached by its return. */
function directExits(instruction: Instruction, next: number): readonly number[] | undefined {
  const { ends } = instruction.row;
  if (ends === null || ends === "system") return undefined;
  const target = instruction.operands[0];
  if (target?.kind !== "rel") return [];
  const taken = next + target.disp | 0;
  return ends === "branch" ? [taken, next] : [taken];
}
