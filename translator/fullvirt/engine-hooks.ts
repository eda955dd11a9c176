import type { Instruction } from "../isa/instruction.js";

/**
 * What dbt wants of the engine, and all of it. Every definition is by architectural facts, so that counts are the same
 * whether a block is interpreted, generated alone or part of a region.
 */
export interface TranslationHooks {
  /**
   * A block was built for MODE_TRANSLATED, at machine-physical `physical` and address `eip`. To be called before the first
   * execution of any block that was built (again): when it is decoded for the interpreter, if blocks are compiled only after
   * they have been interpreted. Calling it more often, with other block limits or for parts of blocks changes no count.
   */
  blockBuilt(physical: number, eip: number, instructions: readonly Instruction[]): void;
  /**
   * Ledger number of `dbt.indirect`, to be counted by each near RET, CALL r/m and JMP r/m that is executed in
   * MODE_TRANSLATED, after it has completed.
   */
  readonly indirectEvent: number;
  /** Whether the instruction at `eip` has been rewritten into a callout. To be asked when it is bound for MODE_TRANSLATED. */
  isCallout(eip: number): boolean;
  /** Runs in place of such an instruction; `execute` is the instruction itself, with cpu.eip at it before and behind it after. */
  callout(eip: number, execute: () => void): void;
  /**
   * Set by the engine: drops every block that holds the instruction at `eip`, for its rewriting has changed. May be called
   * while that block runs. While it is null, the callouts' work is done by the trace fault, and they are never taken back.
   */
  retranslate: ((eip: number) => void) | null;
}
