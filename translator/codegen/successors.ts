import type { Block } from "../block.js";
import type { Instruction } from "../isa/instruction.js";
import { semanticsOf } from "../isa/semantics/registry.js";

/** Where control goes from the blocks of a region. */

/** Static successors of a block by EIP, or those its indirect transfer has been seen to take. */
export function successorsOf(block: Block): readonly number[] {
  const last = block.instructions[block.instructions.length - 1];
  if (last === undefined) return [];
  const semantics = semanticsOf(last);
  if (replaced(block)) return [];
  if (last.row.ends === null || (semantics.kind !== "inline" && mayGoOn(last))) return [block.nextEip];
  if (semantics.kind !== "inline") return [];
  const operand = last.operands[0];
  const target = operand?.kind === "rel" ? (block.nextEip + operand.disp | 0) & (last.opSize === 16 ? 0xffff : -1) : undefined;
  switch (last.row.ends) {
    case "branch": return [target!, block.nextEip];
    case "jump": case "call": return target === undefined ? block.targets : [target];
    default: return block.targets;
  }
}

/** The block's last instruction is not what it seems: a hypervisor's hook or callout runs in its place, and sets EIP. */
export function replaced(block: Block): boolean {
  const last = block.instructions[block.instructions.length - 1]!;
  const { kind } = semanticsOf(last);
  return block.transfers && last.row.ends === null && (kind === "inline" || kind === "helper");
}

/**
 * The op sets EIP itself, but the block goes on behind it unless EIP or the run loop say otherwise: a repeated string instruction
 * that is not through, and RDTSC, which delay loops spin on and a monitor may have taken over.
 */
export function mayGoOn(instruction: Instruction): boolean {
  return instruction.row.cost === "string" || instruction.mnemonic === "RDTSC";
}

/** EIP behind a block that ends in a near call with a known target, else undefined. */
export function returnSite(block: Block): number | undefined {
  const last = block.instructions[block.instructions.length - 1];
  return last?.row.ends === "call" && last.operands[0]?.kind === "rel" && !replaced(block) ? block.nextEip : undefined;
}

function returns(block: Block): boolean {
  return block.instructions[block.instructions.length - 1]?.row.ends === "ret" && !replaced(block);
}

/**
 * Successors of each block within a region of these blocks. A near return goes where the region's own calls of its function
 * come back to: what it has been seen to do, called from elsewhere, says little of that. It is only asked when there are no such calls.
 */
export function regionSuccessors(blocks: readonly Block[]): (readonly number[])[] {
  const byEip = new Map(blocks.map((block) => [block.eip, block]));
  const comeBack = new Map<Block, Set<number>>();
  const callers = new Map<number, number[]>();
  for (const block of blocks) {
    const site = returnSite(block);
    if (site === undefined || !byEip.has(site)) continue;
    const [target] = successorsOf(block);
    const sites = callers.get(target!);
    if (sites === undefined) callers.set(target!, [site]);
    else sites.push(site);
  }
  for (const [target, sites] of callers) {
    for (const block of returnsOf(target, byEip)) {
      const known = comeBack.get(block) ?? new Set();
      for (const site of sites) known.add(site);
      comeBack.set(block, known);
    }
  }
  return blocks.map((block) => {
    const sites = comeBack.get(block);
    return sites === undefined ? successorsOf(block) : [...sites].slice(0, MOST_RETURN_SITES);
  });
}

/** Return sites that a return is compared with at the most. */
const MOST_RETURN_SITES = 8;

/** The blocks that end the function entered at `entry` by a return, as far as the region has it. */
function returnsOf(entry: number, byEip: ReadonlyMap<number, Block>): Block[] {
  const seen = new Set<number>(), found: Block[] = [];
  const left = [entry];
  for (let eip = left.pop(); eip !== undefined; eip = left.pop()) {
    const block = byEip.get(eip);
    if (block === undefined || seen.has(eip)) continue;
    seen.add(eip);
    if (returns(block)) found.push(block);
    else left.push(...(returnSite(block) === undefined ? successorsOf(block) : [block.nextEip]));
  }
  return found;
}

/** Callers beyond which a function's return is not followed out of it. */
const MOST_CALLERS = 2;

/**
 * EIPs that a region grows by from a block. Over a call it reaches what is behind it as well; out of a function by its return only
 * if few places have called it.
 */
export function reachedFrom(block: Block): readonly number[] {
  const site = returnSite(block);
  if (site !== undefined) return [...successorsOf(block), site];
  return returns(block) && block.targets.length > MOST_CALLERS ? [] : successorsOf(block);
}
