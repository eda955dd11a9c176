import type { Block, BlockCache } from "./block.js";
import { regionTree, remarkText } from "./codegen/region.js";
import { format } from "./isa/format.js";

/** Where a guest's instructions were executed. */
export interface HotSpot {
  /** EIP of the block, or of the block a region is entered by. */
  readonly address: number;
  readonly tier: "generated" | "templates" | "interpreted";
  /** Times entered; those of a block on its own in either tier. */
  readonly executions: number;
  /** Guest instructions executed there. */
  readonly instructions: number;
  /** Blocks joined. */
  readonly blocks: number;
  /** The guest's instructions of the first block. */
  readonly listing: readonly string[];
  /** Generated JavaScript with the guest's instructions above what they became; empty when interpreted. */
  readonly source: string;
}

/** The `limit` places of the cache where most instructions were executed. What has been dropped meanwhile is not in it. */
export function hottest(cache: BlockCache, limit: number): HotSpot[] {
  const spots: { block: Block; generated: boolean; instructions: number }[] = [];
  for (const block of cache.all()) {
    block.countEntries();
    if (block.code !== null) spots.push({ block, generated: true, instructions: block.code.instructions });
    if (block.heat !== 0) spots.push({ block, generated: false, instructions: block.heat * block.instructions.length });
  }
  spots.sort((a, b) => b.instructions - a.instructions || a.block.physical - b.block.physical || a.block.eip - b.block.eip);
  return spots.slice(0, limit).map(({ block, generated, instructions }) => describe(block, generated, instructions));
}

function describe(block: Block, generated: boolean, instructions: number): HotSpot {
  const { code } = block;
  return {
    address: block.eip >>> 0, tier: generated ? "generated" : block.hasCode ? "templates" : "interpreted", executions: generated ? code!.entered : block.heat, instructions,
    blocks: generated ? code!.blocks.length : 1,
    listing: block.instructions.map((instruction, i) => `${(block.addresses[i]! >>> 0).toString(16)}  ${format(instruction, block.addresses[i]!)}`),
    source: generated ? regionTree(code!.blocks, block.mode, code!.form, remarkText).print() : "",
  };
}
