import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import type { Block, BlockCache } from "./block.js";
import { generateRegion, GENERATED_MODE, type RegionCode, successorsOf } from "./codegen/region.js";
import { Runtime, RUNTIME_NAMES } from "./codegen/runtime.js";

/** Most blocks and instructions one region joins. */
const REGION_BLOCKS = 48, REGION_INSTRUCTIONS = 400;

/** Times a block must have been interpreted to be joined to a region. */
const WARM = 100;

/** Turns hot blocks into generated code: finds the region around a block, has its source made, compiles it. */
export class Compiler {
  private readonly cpu: Cpu;
  private readonly blocks: BlockCache;
  readonly runtime: Runtime;

  constructor(cpu: Cpu, blocks: BlockCache, indirectEvent: number | null) {
    this.cpu = cpu;
    this.blocks = blocks;
    this.runtime = new Runtime(cpu, (pa, length) => blocks.holds(pa, length), indirectEvent);
  }

  /** Whether the host lets code be generated from strings (`node --disallow-code-generation-from-strings` does not). */
  static available(): boolean {
    try {
      return new Function("return 1")() === 1;
    } catch {
      return false;
    }
  }

  /** Gives `entry` its generated code, or marks it cold. */
  compile(entry: Block): void {
    if ((entry.mode & GENERATED_MODE) !== GENERATED_MODE || entry.crossFrame >= 0 || entry.instructions.length === 0) {
      entry.cold = true;
      return;
    }
    const blocks = this.discover(entry);
    const { source, needed, sites, ops, heads } = generateRegion(blocks, entry.mode);
    const make = new Function(...RUNTIME_NAMES, "ops", "sites", `"use strict";\nreturn function region_${(entry.eip >>> 0).toString(16)}(soft) {\n${source}}`);
    const code: RegionCode = { run: make(...this.runtime.values[(entry.mode & S.MODE_USER) !== 0 ? 1 : 0], ops, sites) as RegionCode["run"], needed, blocks, entered: 0, instructions: 0 };
    entry.code = code;
    for (const block of blocks) block.join(entry);
    for (const head of heads) head.head = true;
  }

  /** Blocks reached from `entry` that have been executed and whose pages the instruction TLB holds, nearest first. */
  private discover(entry: Block): Block[] {
    const found = new Map<number, Block>([[entry.eip, entry]]);
    const queue = [entry];
    let instructions = entry.instructions.length;
    for (let block = queue.shift(); block !== undefined; block = queue.shift()) {
      for (const eip of successorsOf(block)) {
        if (found.has(eip) || found.size >= REGION_BLOCKS) continue;
        const next = this.cached(eip, entry.mode);
        if (next === null || instructions + next.instructions.length > REGION_INSTRUCTIONS) continue;
        instructions += next.instructions.length;
        found.set(eip, next);
        queue.push(next);
      }
    }
    return [...found.values()];
  }

  private cached(eip: number, mode: number): Block | null {
    const word = this.cpu.i32[this.cpu.mmu.execTable + (eip >>> 12)]!;
    if (word === 0) return null;
    const block = this.blocks.find(eip + word - 1 - RAM_BASE >>> 0, eip, mode);
    return block === null || block.crossFrame >= 0 || block.instructions.length === 0 || block.heat < WARM ? null : block;
  }
}
