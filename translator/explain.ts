import type { Block } from "./block.js";
import { regionTree, GENERATED_MODE } from "./codegen/region.js";
import type { Engine } from "./engine.js";
import { type PolicyCell, policyOf } from "./fullvirt/policy.js";
import { format } from "./isa/format.js";
import type { Instruction } from "./isa/instruction.js";

export type ExplainedMode = "native" | "classic" | "dbt" | "paravirt" | "hvm";

/** A guest instruction of the block, and what the mode's policy makes of it. */
export interface ExplainedInstruction {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Null for an innocuous instruction. */
  readonly policy: PolicyCell | null;
}

/** One guest block in one mode. */
export interface Explanation {
  readonly mode: ExplainedMode;
  readonly instructions: readonly ExplainedInstruction[];
  /** Generated JavaScript, with each guest instruction above what it became; trap points begin with `TRAP_POINT`. */
  readonly source: string;
}

export const TRAP_POINT = "trap point: ";

/** Whether the policy leaves the instruction to the processor, with the right result. */
function harmless(cell: PolicyCell): boolean {
  return cell.treatment === "execute" || cell.treatment === "identical";
}

function policyFor(instruction: Instruction, mode: ExplainedMode): PolicyCell | null {
  const { sensitive } = instruction.row;
  return sensitive === null ? null : policyOf(sensitive)?.[mode] ?? null;
}

/** "callout: writes" and the like. */
export function describePolicy(cell: PolicyCell): string {
  return cell.note === "" ? cell.treatment : `${cell.treatment} (${cell.note})`;
}

/** Explains the block at the engine's CS:EIP as `mode` runs it. */
export function explainBlock(engine: Engine, mode: ExplainedMode): Explanation {
  const block = engine.currentBlock();
  return { mode, instructions: listing(engine, block, mode), source: sourceOf(block, mode) };
}

function listing(engine: Engine, block: Block, mode: ExplainedMode): ExplainedInstruction[] {
  const bytes = new Uint8Array(block.bytes);
  engine.machine.memory.readBytes(block.physical, bytes);
  return block.instructions.map((instruction, i) => {
    const address = block.addresses[i]!;
    const at = address - block.eip;
    return { address, bytes: bytes.slice(at, at + instruction.length), text: format(instruction, address), policy: policyFor(instruction, mode) };
  });
}

function sourceOf(block: Block, mode: ExplainedMode): string {
  if ((block.mode & GENERATED_MODE) !== GENERATED_MODE) return "// 16-bit or segmented code: always interpreted\n";
  return regionTree([block], block.mode, "plain", (instruction, eip) => {
    const line = `${(eip >>> 0).toString(16)}  ${format(instruction, eip)}`;
    const cell = policyFor(instruction, mode);
    return cell === null || harmless(cell) ? [line] : [line, TRAP_POINT + describePolicy(cell)];
  }).print();
}
