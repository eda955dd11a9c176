import * as S from "../../hypervisor/cpu-state.js";
import { TLB_SUPERVISOR_EXEC, TLB_USER_EXEC } from "../../hypervisor/heap.js";
import { type AsmFunction, asmFunction } from "../codegen/asm-module.js";
import { parseFunction } from "../codegen/ast.js";
import { parametersOf } from "../codegen/splice.js";
import { INDIRECT, recordWord } from "../codegen/wasm-encode.js";
import * as R from "./records.js";

/** The loops of threaded code (threaded.ts), which are WebAssembly. */

/**
 * Why `chain` came back. CHAIN_LOOK_UP: the next block is to be found by the run loop, or is too long for what is left of the budget;
 * CHAIN_MISSED: the same, and where the last block has gone is to be noted; CHAIN_HOT: the last block has been executed as often as its LOOK_AT says;
 * CHAIN_LEFT: S.INDEX of the last block's instructions have been executed and no more, which the budget does not show yet; CHAIN_REFUSED: generated code leaves the instruction at EIP to the
 * interpreter; CHAIN_COUNTED: an entrance's count is to be taken down.
 */
export const CHAIN_LOOK_UP = 0, CHAIN_MISSED = 1, CHAIN_HOT = 2, CHAIN_LEFT = 3, CHAIN_REFUSED = 4, CHAIN_COUNTED = 5;

/** Executes the instruction of a record by a closure (handlers.ts). */
export const STAND_IN = "lent";

/** Instructions an entrance counts before they are taken down. */
const COUNTED = 0x3fffffff;

const LAST_PAGE = 0xfffff;

const field = (name: "b" | "c" | "e", word: number): string => `${recordWord(word)}(${name})`;
const setField = (name: string, word: number): string => `i32[(${name} + ${4 * word}) >> 2]`;

/** In the subset that asm-lower.ts takes; i32 is the heap, and words of records are read by recordWord. */
const LOOPS: Readonly<Record<string, string>> = {
  /** Executes one instruction. */
  one: `(p) => { ${INDIRECT}(p, ${recordWord(0)}(p)); }`,
  closures: `(p) => { closure(${recordWord(1)}(p)); }`,
  /** Executes one whose handler is not there yet. */
  standIn: `(p) => { ${STAND_IN}(p); }`,
  /** Executes a block until S.END, `end` at first; gives how many instructions. */
  block: `(b, end) => {
    let i = 0, p = 0;
    i32[${S.END}] = end;
    L: for (;;) {
      if (i >= i32[${S.END}]) return i;
      i32[${S.INDEX}] = i;
      p = i32[(b + ${4 * R.FIRST_INSTRUCTION} + (i << 2)) >> 2];
      ${INDIRECT}(p, ${recordWord(0)}(p));
      i = i + 1;
    }
  }`,
  /** Enters generated code by an entrance; gives whether it has to be looked at. */
  enter: `(e) => {
    let done = 0;
    const budget = i32[${S.BUDGET}], eip = i32[${S.EIP}];
    i32[${S.ENTRY_BUDGET}] = budget;
    i32[${S.LEAVE}] = 0;
    i32[${S.REGION}] = ${field("e", R.FUNCTION)};
    ${setField("e", R.ENTRIES)} = ${field("e", R.ENTRIES)} + 1 | 0;
    ${INDIRECT}(${field("e", R.ARGUMENT)}, ${field("e", R.FUNCTION)});
    done = budget - i32[${S.BUDGET}] | 0;
    ${setField("e", R.EXECUTED)} = ${field("e", R.EXECUTED)} + done | 0;
    if (done === 0) {
      if (i32[${S.EIP}] === eip) return ${CHAIN_REFUSED};
    }
    return ${field("e", R.EXECUTED)} > ${COUNTED} ? ${CHAIN_COUNTED} : 0;
  }`,
  /** Executes blocks, which the budget must have room for as a whole, and generated code as long as what follows is known; gives why not. */
  chain: `(b) => {
    let why = 0, eip = 0, mode = 0, c = 0, e = 0, t = 0, tlb = 0, n = 0, i = 0, bits = 0;
    L: for (;;) {
      i32[${S.RUNNING}] = b;
      e = ${field("b", R.ENTRANCE)};
      if (e !== 0) {
        if (i32[${S.BUDGET}] < ${field("e", R.NEEDED)}) e = 0;
      }
      if (e !== 0) {
        i32[${S.ENTERED}] = e;
        why = enter(e);
        i32[${S.ENTERED}] = 0;
        if (why !== 0) return why;
      } else {
        n = ${field("b", R.COUNT)};
        if (i32[${S.BUDGET}] < n) return ${CHAIN_LOOK_UP};
        e = ${field("b", R.CODE)};
        if (e !== 0) {
          i32[${S.END}] = n;
          ${INDIRECT}(b, e);
          i = i32[${S.INDEX}];
        } else {
          i = block(b, n);
          i32[${S.INDEX}] = i;
        }
        if (i < n) return ${CHAIN_LEFT};
        i32[${S.BUDGET}] = i32[${S.BUDGET}] - n;
        i32[${S.INDEX}] = 0;
        bits = ${field("b", R.BITS)};
        if ((bits & ${R.BLOCK_TRANSFERS}) === 0) i32[${S.EIP}] = ${field("b", R.NEXT_EIP)};
        i = ${field("b", R.HEAT)} + 1 | 0;
        ${setField("b", R.HEAT)} = i;
        if (i >= ${field("b", R.LOOK_AT)}) return ${CHAIN_HOT};
        if ((bits & ${R.BLOCK_NOTES}) !== 0) {
          if (${field("b", R.NOTED)} !== i32[${S.EIP}]) return ${CHAIN_MISSED};
        }
      }
      eip = i32[${S.EIP}];
      mode = i32[${S.MODE}];
      if (i32[${S.RECHECK}] !== 0) return ${CHAIN_LOOK_UP};
      c = ${field("b", R.LINK)};
      i = 0;
      if (${field("b", R.LINK_GENERATION)} === i32[${S.CODE_GENERATION}]) {
        if (${field("c", R.BLOCK_EIP)} === eip) i = ${field("c", R.BLOCK_MODE)} === mode ? 1 : 0;
      }
      if (i === 0) {
        t = ${R.JUMP_TABLE} + (((eip ^ eip >>> ${R.JUMP_BITS}) & ${(1 << R.JUMP_BITS) - 1}) << 3);
        c = i32[t >> 2];
        if (c === 0) return ${CHAIN_LOOK_UP};
        if (${field("c", R.BLOCK_EIP)} === eip) i = ${field("c", R.BLOCK_MODE)} === mode ? 1 : 0;
        if (i === 0) {
          c = i32[(t + 4) >> 2];
          if (c === 0) return ${CHAIN_LOOK_UP};
          if (${field("c", R.BLOCK_EIP)} !== eip) return ${CHAIN_LOOK_UP};
          if (${field("c", R.BLOCK_MODE)} !== mode) return ${CHAIN_LOOK_UP};
        }
        tlb = ((mode & ${S.MODE_USER}) !== 0 ? ${TLB_USER_EXEC << 2} : ${TLB_SUPERVISOR_EXEC << 2}) + (eip >>> 12 << 2);
        if (i32[tlb >> 2] !== ${field("c", R.EXEC_WORD)}) {
          if (${field("c", R.EXEC_WORD)} !== ${R.CROSSING}) return ${CHAIN_LOOK_UP};
          if (i32[tlb >> 2] !== ${field("c", R.FIRST_WORD)}) return ${CHAIN_LOOK_UP};
          if (eip >>> 12 === ${LAST_PAGE}) return ${CHAIN_LOOK_UP};
          if (i32[(tlb + 4) >> 2] !== ${field("c", R.SECOND_WORD)}) return ${CHAIN_LOOK_UP};
        }
        ${setField("b", R.LINK)} = c;
        ${setField("b", R.LINK_GENERATION)} = i32[${S.CODE_GENERATION}];
      }
      if ((${field("c", R.BITS)} & ${R.BLOCK_COMPILED}) !== 0) return ${CHAIN_LOOK_UP};
      b = c;
    }
  }`,
};

/** Those of the loops that give a result. */
const RESULT = new Set(["block", "enter", "chain"]);

/** What JavaScript calls of them. */
export interface Loops {
  readonly one: (instruction: number) => void;
  readonly block: (record: number, end: number) => number;
  readonly chain: (record: number) => number;
}

export function loopFunctions(): AsmFunction[] {
  return Object.entries(LOOPS).map(([name, source]) => {
    const tree = parseFunction(source);
    return asmFunction(name, parametersOf(tree), tree.body.body, RESULT.has(name));
  });
}
