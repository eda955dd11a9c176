import type { Block } from "../block.js";
import type { Op } from "../interpreter/bind.js";

/**
 * What a region's code names by number: where accesses that may fault stand, two words each (Site's `eip` and `giveBack`), and the
 * interpreter's closures that it runs.
 */
export interface RegionTables { readonly sites: Int32Array; readonly ops: readonly Op[] }

/** Generated code of a region, attached to the block it is entered by. */
export interface RegionCode {
  /**
   * Runs until it must leave; EIP, registers, flags and BUDGET are then in the heap. Plain code takes how many instructions it
   * runs at the most before it leaves at a loop's head, for newly optimised code is entered only from outside; asm.js code which
   * of its entries is meant.
   */
  readonly run: (argument: number) => void;
  /** Where it is in the interpreter's table of functions, if it is there. */
  readonly slot: RegionSlot | null;
  /** The argument of asm.js code. */
  readonly entry: number;
  readonly form: Form;
  /** Times it has been entered, and guest instructions executed in it, as of Block.countEntries. */
  entered: number;
  instructions: number;
  /** Instructions that must be left in the budget to enter. */
  readonly needed: number;
  readonly tables: RegionTables;
  readonly blocks: readonly Block[];
  /** Instructions of its blocks. */
  readonly total: number;
  /** Instructions after which it is made anew in its faster form. */
  readonly promoteAt: number;
}

/**
 * The two forms of a region's code. `plain` JavaScript starts at once, and the host optimises it as it runs; it may do anything.
 * `asm` validates as asm.js: compiled when it is made, which takes long, and fast from then on; integers only.
 */
export type Form = "plain" | "asm";

/** The place of a region's code in a table, for as many entrances as there are to it. */
export class RegionSlot {
  readonly index: number;
  private users = 0;
  private readonly onFree: () => void;

  /** `onFree` is told when the last entrance is closed. */
  constructor(index: number, onFree: () => void) {
    this.index = index;
    this.onFree = onFree;
  }

  open(): void {
    this.users++;
  }

  close(): void {
    if (--this.users === 0) this.onFree();
  }
}
