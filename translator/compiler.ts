import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import type { Block, BlockCache } from "./block.js";
import { regionTree, GENERATED_MODE, type RegionTree } from "./codegen/region.js";
import type { Form } from "./codegen/region-code.js";
import { reachedFrom } from "./codegen/successors.js";
import { Runtime, type Unlinked } from "./codegen/runtime.js";
import { Batch } from "./batch.js";
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

/** The same as `hot` for a block that a region includes already, as a multiple. */
const INNER = 16;

/** A region's code before it can run: its blocks, and those of them that get it, with what it is to be called with for each. */
interface Region extends Unlinked { readonly blocks: readonly Block[]; readonly entries: RegionTree["entries"] }

/** Turns hot blocks into generated code: finds the region around a block, has its source made, compiles it. */
export class Compiler {
  private readonly cpu: Cpu;
  private readonly blocks: BlockCache;
  readonly runtime: Runtime;

  private readonly hot: number;
  private readonly warm: number;
  private readonly waiting: Batch<Block>;
  private readonly promoteAfter: number;

  private readonly threaded: Threaded | null;

  /** `hot` and `promote` as in EngineOptions; `atOnce` regions are made together. */
  constructor(cpu: Cpu, blocks: BlockCache, threaded: Threaded | null, hot: number, atOnce: number, promote: number) {
    this.cpu = cpu;
    this.threaded = threaded;
    this.blocks = blocks;
    this.hot = hot;
    this.warm = Math.floor(hot * WARM);
    this.waiting = new Batch(atOnce);
    this.promoteAfter = promote;
    this.runtime = new Runtime(cpu, (pa, length) => blocks.holds(pa, length), threaded?.regions ?? []);
  }

  /** Whether the host lets code be generated from strings (`node --disallow-code-generation-from-strings` does not). */
  static available(): boolean {
    try {
      return new Function("return 1")() === 1;
    } catch {
      return false;
    }
  }

  /** Whether a block should have generated code. One inside a region is entered on its own seldom, unless the region leaves there. */
  worth(block: Block): boolean {
    return !block.cold && block.code === null && block.valid && (block.head || block.regions.length === 0 || block.heat >= this.hot * INNER);
  }

  /** Has generated code made for `entry` together with others, at once if it has been asked for before; or marks it cold. */
  compile(entry: Block): void {
    if ((entry.mode & GENERATED_MODE) !== GENERATED_MODE || entry.crossFrame >= 0 || entry.instructions.length === 0) {
      entry.cold = true;
      return;
    }
    const entries = this.waiting.ask(entry);
    if (entries !== undefined) this.generate(entries, this.promoteAfter === 0 ? "asm" : "plain");
  }

  /** Makes a region anew in the form that takes longer to compile and runs faster, with the blocks that are warm now. */
  promote(entry: Block): void {
    this.install([this.prepare(entry, "asm", new Set())]);
  }

  /** Regions for those of `entries` that the ones before leave worth it. */
  private generate(entries: readonly Block[], form: Form): void {
    const taken = new Set<Block>();
    const regions: Region[] = [];
    for (const entry of entries) if (this.worth(entry) && !taken.has(entry)) regions.push(this.prepare(entry, form, taken));
    this.install(regions);
  }

  /** Makes the code of a region; `taken` are blocks that code is made for at the same time, and becomes those of this region too. */
  private prepare(entry: Block, form: Form, taken: Set<Block>): Region {
    const blocks = this.discover(entry);
    const tree = regionTree(blocks, entry.mode, form);
    const entries = tree.entries.filter(([at]) => at === entry || (at.code?.form !== "asm" && !taken.has(at)));
    for (const [at] of entries) {
      taken.add(at);
      for (const block of at.code?.blocks ?? []) block.part(at);
      for (const block of blocks) block.join(at);
    }
    for (const head of tree.heads) head.head = true;
    return { tree, name: `region_${(entry.eip >>> 0).toString(16)}`, user: (entry.mode & S.MODE_USER) !== 0, blocks, entries };
  }

  private install(regions: readonly Region[]): void {
    this.runtime.link(regions).forEach((run, i) => {
      const { tree, blocks, entries } = regions[i]!, { form, needed, sites, ops } = tree, tables = { sites, ops };
      const slot = this.threaded !== null && tree.functions !== null ? this.threaded.slot(run, tables) : null;
      const total = blocks.reduce((sum, b) => sum + b.instructions.length, 0);
      const promoteAt = form === "plain" && !tree.onlyPlain ? this.promoteAfter * total : Infinity;
      for (const [at, argument] of entries) {
        at.code = { run, entry: argument, form, slot, needed, tables, blocks, total, promoteAt, entered: 0, instructions: 0 };
        this.threaded?.open(at, at.code);
      }
    });
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
