import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import type { Block, BlockCache } from "./block.js";
import { regionTree, GENERATED_MODE } from "./codegen/region.js";
import type { Form } from "./codegen/region-code.js";
import { reachedFrom } from "./codegen/successors.js";
import { Runtime } from "./codegen/runtime.js";
import type { Threaded } from "./interpreter/threaded.js";

/** Most blocks and instructions one region joins. */
const REGION_BLOCKS = 128, REGION_INSTRUCTIONS = 1000;

/** How often a block must have been interpreted to be joined to a region, as a part of how often its entry has. */
const WARM = 1 / 8;

/**
 * Instructions of a region at most that other regions take in as well, where its entry is among their blocks. A larger one is left to itself and
 * entered from them: code is made for most instructions once.
 */
const SHARED_INSTRUCTIONS = 120;

/** Turns hot blocks into generated code: finds the region around a block, has its source made, compiles it. */
export class Compiler {
  private readonly cpu: Cpu;
  private readonly blocks: BlockCache;
  readonly runtime: Runtime;

  private readonly warm: number;
  private readonly promoteAfter: number;

  private readonly threaded: Threaded | null;

  /** `hot` and `promote` as in EngineOptions. */
  constructor(cpu: Cpu, blocks: BlockCache, threaded: Threaded | null, hot: number, promote: number, indirectEvent: number | null) {
    this.cpu = cpu;
    this.threaded = threaded;
    this.blocks = blocks;
    this.warm = Math.floor(hot * WARM);
    this.promoteAfter = promote;
    this.runtime = new Runtime(cpu, (pa, length) => blocks.holds(pa, length), threaded?.regions ?? [], indirectEvent);
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
    this.generate(entry, this.promoteAfter === 0 ? "asm" : "plain");
  }

  /** Makes a region anew in the form that takes longer to compile and runs faster, with the blocks that are warm now. */
  promote(entry: Block): void {
    this.generate(entry, "asm");
  }

  private generate(entry: Block, form: Form): void {
    const blocks = this.discover(entry);
    const generated = regionTree(blocks, entry.mode, form);
    const { needed, heads, entries, sites, ops } = generated, tables = { sites, ops };
    const run = this.runtime.link(generated, `region_${(entry.eip >>> 0).toString(16)}`, (entry.mode & S.MODE_USER) !== 0);
    const slot = this.threaded !== null && generated.encode !== null ? this.threaded.slot(run, tables) : null;
    const total = blocks.reduce((sum, b) => sum + b.instructions.length, 0);
    const promoteAt = form === "plain" && !generated.onlyPlain ? this.promoteAfter * total : Infinity;
    for (const [at, argument] of entries) {
      if (at !== entry && at.code?.form === "asm") continue;
      for (const block of at.code?.blocks ?? []) block.part(at);
      at.code = { run, entry: argument, form: generated.form, slot, needed, tables, blocks, total, promoteAt, entered: 0, instructions: 0 };
      this.threaded?.open(at, at.code);
      for (const block of blocks) block.join(at);
    }
    for (const head of heads) head.head = true;
  }

  /** Blocks reached from `entry` that have been executed and whose pages the instruction TLB holds, nearest first. */
  private discover(entry: Block): Block[] {
    const found = new Map<number, Block>([[entry.eip, entry]]);
    const queue = [entry];
    let instructions = entry.instructions.length;
    for (let block = queue.shift(); block !== undefined; block = queue.shift()) {
      for (const eip of reachedFrom(block)) {
        if (found.has(eip) || found.size >= REGION_BLOCKS) continue;
        const next = this.cached(eip, entry.mode, this.warm / entry.weight);
        if (next === null || instructions + next.instructions.length > REGION_INSTRUCTIONS) continue;
        instructions += next.instructions.length;
        found.set(eip, next);
        queue.push(next);
      }
    }
    return [...found.values()];
  }

  /** The block at `eip` if it can be joined to a region, which takes a weight of executions. */
  private cached(eip: number, mode: number, warm: number): Block | null {
    const word = this.cpu.i32[this.cpu.mmu.execTable + (eip >>> 12)]!;
    if (word === 0) return null;
    const block = this.blocks.find(eip + word - 1 - RAM_BASE >>> 0, eip, mode);
    if (block === null || block.crossFrame >= 0 || block.instructions.length === 0 || block.heat * block.weight < warm) return null;
    return block.code === null || block.code.total <= SHARED_INSTRUCTIONS ? block : null;
  }
}
