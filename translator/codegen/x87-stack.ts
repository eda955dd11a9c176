import * as S from "../../hypervisor/cpu-state.js";
import { C0, C1, C2, C3, ES, EXCEPTIONS, PC_EXTENDED, PC_MASK, PE, RC_MASK, TOP_SHIFT } from "../isa/semantics/x87/bits.js";
import { setControlWord } from "../isa/semantics/x87/environment.js";
import { addPairs, dividePairs, DOUBLE, DOUBLE_WORDS, fromWords, LEAST, MOST, multiplyPairs, P, SINGLE, SINGLE_WORDS, toWords } from "./x87-pairs.js";

/**
 * The common case of x87 instructions, for generated code. While a region runs, registers are held as pairs of doubles
 * (x87-pairs.ts); FPU_SW, FPU_CW and FPU_TAG are in the heap and exact at any time.
 *
 * Each function does its instruction and gives true, or gives false having done nothing: then the semantics in
 * isa/semantics/x87 are called on the heap, between `flush` and `reset`. So whatever can raise anything but PE, a stack
 * fault, a special value or another control word than the usual one is theirs. FIP and FDP are the caller's to set.
 *
 * Registers are named as the instruction does, by distance from the top; MEMORY is the operand loaded from memory.
 */

/** Words shared with generated code. */
export const X = new Int32Array(8);
/** Physical registers that are not empty and have their value in P, then ENABLED and NEAREST; those whose words in the heap are out of date. */
export const HELD = 0, STALE = 1;
/** In X[HELD]: x87 instructions need not be left to their semantics; the control word rounds to nearest with 64 bits. */
export const ENABLED = 0x100, NEAREST = 0x200;
/** Words to store. */
export const OUT = 2;

export const MEMORY = 8;
const MEMORY_PAIR = 16;

const OPERATIONS = { ADD: 0, SUB: 1, SUBR: 2, MUL: 3, DIV: 4, DIVR: 5 } as const;
export type Operation = keyof typeof OPERATIONS;
export const operationNumber = (name: Operation): number => OPERATIONS[name];

export const X87_NAMES = [
  "xreset", "xflush", "xsingle", "xdouble", "xinteger", "xlong", "xextended", "xpush", "xarithmetic", "xsign", "xload", "xmove", "xexchange", "xconstant",
  "xtosingle", "xtodouble", "xtoextended", "xtointeger", "xcompare", "xcompareflags", "xcontrol",
  "xhold", "xslow2", "xdivided",
] as const;

export type X87Functions = Record<(typeof X87_NAMES)[number], (...args: never[]) => number | boolean | void>;

/** What the direction of a rounding leaves in the status word: `rest` is what it took away from a value of the sign of `h`. */
function roundingFlags(rest: number, h: number): number {
  return rest === 0 ? 0 : (rest < 0) !== (h < 0) ? PE | C1 : PE;
}

/** The functions that generated code calls, by name, over one processor's state. */
export function x87Functions(i32: Int32Array, countDivision: () => void) {
  /** Forgets what is held: the heap's words may have changed. */
  const reset = (): void => {
    const usable = (i32[S.CR0]! & (S.CR0_EM | S.CR0_TS)) === 0 && (i32[S.FPU_SW]! & ES) === 0 && (i32[S.FPU_CW]! & EXCEPTIONS) === EXCEPTIONS;
    X[STALE] = 0;
    X[HELD] = !usable ? 0 : (i32[S.FPU_CW]! & (PC_MASK | RC_MASK)) === PC_EXTENDED ? ENABLED | NEAREST : ENABLED;
  };

  /** Brings the heap's words up to date. */
  const flush = (): void => {
    for (let stale = X[STALE]!; stale !== 0; stale &= stale - 1) {
      const r = 31 - Math.clz32(stale & -stale);
      toWords(r << 1, i32, S.FPU_REGS + (r << 2));
    }
    X[STALE] = 0;
  };

  /** Holds the registers in `need` if they can be. */
  const hold = (need: number): boolean => {
    if ((X[HELD]! & ENABLED) === 0) return false;
    for (let missing = need & ~X[HELD]!; missing !== 0; missing &= missing - 1) {
      const r = 31 - Math.clz32(missing & -missing);
      if (r > 7 || (i32[S.FPU_TAG]! >> r & 1) === 0) return false;
      const at = S.FPU_REGS + (r << 2);
      if (!fromWords(r << 1, i32[at]!, i32[at + 1]!, i32[at + 2]!)) return false;
      X[HELD]! |= 1 << r;
    }
    return true;
  };

  const popped = (sw: number): number => {
    const bit = ~(1 << (sw >> TOP_SHIFT & 7));
    i32[S.FPU_TAG]! &= bit;
    X[HELD]! &= bit;
    return sw & ~0x3800 | (sw + 0x800) & 0x3800;
  };

  /** Pushes the pair at `from`. */
  const push = (from: number): boolean => {
    const sw = i32[S.FPU_SW]!, top = (sw >> TOP_SHIFT) + 7 & 7, bit = 1 << top;
    if ((i32[S.FPU_TAG]! & bit) !== 0) return false;
    P[top << 1] = P[from]!;
    P[(top << 1) + 1] = P[from + 1]!;
    i32[S.FPU_TAG]! |= bit;
    X[HELD]! |= bit;
    X[STALE]! |= bit;
    i32[S.FPU_SW] = sw & ~(0x3800 | C1) | top << TOP_SHIFT;
    return true;
  };

  // ---- operands in memory ----------------------------------------------------------------------------------------------

  const single = (bits: number): boolean => {
    const exponent = bits & 0x7f800000;
    if (exponent === 0x7f800000 || (exponent === 0 && bits << 1 !== 0)) return false;
    SINGLE_WORDS[0] = bits;
    P[MEMORY_PAIR] = SINGLE[0]!;
    P[MEMORY_PAIR + 1] = 0;
    return true;
  };

  const double = (lo: number, hi: number): boolean => {
    DOUBLE_WORDS[0] = lo;
    DOUBLE_WORDS[1] = hi;
    const value = DOUBLE[0]!, magnitude = Math.abs(value);
    if (!(magnitude > LEAST && magnitude < MOST) && value !== 0) return false;
    P[MEMORY_PAIR] = value;
    P[MEMORY_PAIR + 1] = 0;
    return true;
  };

  const integer = (value: number): boolean => {
    P[MEMORY_PAIR] = value;
    P[MEMORY_PAIR + 1] = 0;
    return true;
  };

  const long = (lo: number, hi: number): boolean => {
    const top = hi * 4294967296, bottom = lo >>> 0, h = top + bottom;
    P[MEMORY_PAIR] = h;
    P[MEMORY_PAIR + 1] = bottom - (h - top);
    return true;
  };

  const extended = (lo: number, hi: number, se: number): boolean => fromWords(MEMORY_PAIR, lo, hi, se);

  const pushMemory = (): boolean => push(MEMORY_PAIR);

  // ---- arithmetic ------------------------------------------------------------------------------------------------------

  /** ST(d) = ST(d) op ST(s), and pops. */
  const arithmetic = (operation: number, d: number, s: number, pops: number): boolean => {
    const sw = i32[S.FPU_SW]!, top = sw >> TOP_SHIFT;
    const to = top + d & 7;
    let a = to << 1, b = MEMORY_PAIR, need = NEAREST | 1 << to;
    if (s !== MEMORY) {
      const from = top + s & 7;
      b = from << 1;
      need |= 1 << from;
    }
    if ((X[HELD]! & need) !== need && !hold(need)) return false;
    const target = a;
    if (operation === 2 || operation === 5) {
      a = b;
      b = target;
    }
    const flags = operation === 3 ? multiplyPairs(target, a, b) : operation < 3 ? addPairs(target, a, b, operation !== 0) : dividePairs(target, a, b);
    if (flags < 0) return false;
    X[STALE]! |= 1 << to;
    const status = sw & ~C1 | flags;
    i32[S.FPU_SW] = pops !== 0 ? popped(status) : status;
    if (operation > 3) countDivision();
    return true;
  };

  /** P[20] = P[16] op P[18]. */
  const onPairs = (operation: number): number =>
    operation === 3 ? multiplyPairs(20, 16, 18) : operation === 4 ? dividePairs(20, 16, 18) : addPairs(20, 16, 18, false);

  /** Changes the sign of ST(0), or clears it. */
  const sign = (clears: number): boolean => {
    const sw = i32[S.FPU_SW]!, top = sw >> TOP_SHIFT & 7;
    if ((X[HELD]! >> top & 1) === 0 && !hold(1 << top)) return false;
    const h = P[top << 1]!;
    if (clears === 0 || h < 0 || Object.is(h, -0)) {
      P[top << 1] = -h;
      P[(top << 1) + 1] = -P[(top << 1) + 1]!;
    }
    X[STALE]! |= 1 << top;
    i32[S.FPU_SW] = sw & ~C1;
    return true;
  };

  // ---- moves -----------------------------------------------------------------------------------------------------------

  const load = (s: number): boolean => {
    const from = (i32[S.FPU_SW]! >> TOP_SHIFT) + s & 7;
    if ((X[HELD]! >> from & 1) === 0 && !hold(1 << from)) return false;
    return push(from << 1);
  };

  /** FST and FSTP to a register. */
  const move = (d: number, pops: number): boolean => {
    const sw = i32[S.FPU_SW]!, top = sw >> TOP_SHIFT & 7;
    if ((X[HELD]! >> top & 1) === 0 && !hold(1 << top)) return false;
    const to = top + d & 7;
    if (to !== top) {
      P[to << 1] = P[top << 1]!;
      P[(to << 1) + 1] = P[(top << 1) + 1]!;
      i32[S.FPU_TAG]! |= 1 << to;
      X[HELD]! |= 1 << to;
      X[STALE]! |= 1 << to;
    }
    i32[S.FPU_SW] = pops !== 0 ? popped(sw & ~C1) : sw & ~C1;
    return true;
  };

  const exchange = (s: number): boolean => {
    const sw = i32[S.FPU_SW]!, top = sw >> TOP_SHIFT & 7, other = top + s & 7;
    const need = 1 << top | 1 << other;
    if ((X[HELD]! & need) !== need && !hold(need)) return false;
    const a = top << 1, b = other << 1;
    const h = P[a]!, l = P[a + 1]!;
    P[a] = P[b]!;
    P[a + 1] = P[b + 1]!;
    P[b] = h;
    P[b + 1] = l;
    X[STALE]! |= need;
    i32[S.FPU_SW] = sw & ~C1;
    return true;
  };

  /** Pushes a constant; those that are rounded want NEAREST. */
  const constant = (lo: number, hi: number, se: number, need: number): boolean => (X[HELD]! & need) === need && fromWords(MEMORY_PAIR, lo, hi, se) && push(MEMORY_PAIR);

  // ---- stores: what is to be stored goes to X[OUT] ---------------------------------------------------------------------

  /** Records a store's exceptions, and pops. */
  const stored = (flags: number, pops: number): boolean => {
    const sw = i32[S.FPU_SW]! & ~C1 | flags;
    i32[S.FPU_SW] = pops !== 0 ? popped(sw) : sw;
    return true;
  };

  const toSingle = (pops: number): boolean => {
    const top = i32[S.FPU_SW]! >> TOP_SHIFT & 7, need = NEAREST | 1 << top;
    if ((X[HELD]! & need) !== need && !hold(need)) return false;
    const h = P[top << 1]!, l = P[(top << 1) + 1]!;
    DOUBLE[0] = h;
    // Out of the range of normal singles, or a tie but for the low part.
    const magnitude = Math.abs(h);
    if (!(magnitude > 2 ** -125 && magnitude < 2 ** 127) && h !== 0) return false;
    if (l !== 0 && (DOUBLE_WORDS[0]! & 0x1fffffff) === 0x10000000) return false;
    SINGLE[0] = h;
    const rest = h - SINGLE[0]!;
    X[OUT] = SINGLE_WORDS[0]!;
    return stored(roundingFlags(rest !== 0 ? rest : l, h), pops);
  };

  const toDouble = (pops: number): boolean => {
    const top = i32[S.FPU_SW]! >> TOP_SHIFT & 7, need = NEAREST | 1 << top;
    if ((X[HELD]! & need) !== need && !hold(need)) return false;
    const h = P[top << 1]!;
    DOUBLE[0] = h;
    X[OUT] = DOUBLE_WORDS[0]!;
    X[OUT + 1] = DOUBLE_WORDS[1]!;
    return stored(roundingFlags(P[(top << 1) + 1]!, h), pops);
  };

  const toExtended = (pops: number): boolean => {
    const top = i32[S.FPU_SW]! >> TOP_SHIFT & 7;
    if ((X[HELD]! >> top & 1) === 0 && !hold(1 << top)) return false;
    toWords(top << 1, X, OUT);
    return stored(0, pops);
  };

  const RC_ZERO = RC_MASK;

  /** To an integer below 2^`bits` / 2 in magnitude, rounding to nearest or towards zero. */
  const toInteger = (bits: number, pops: number): boolean => {
    const top = i32[S.FPU_SW]! >> TOP_SHIFT & 7;
    const rc = i32[S.FPU_CW]! & RC_MASK;
    if ((rc !== 0 && rc !== RC_ZERO) || ((X[HELD]! >> top & 1) === 0 && !hold(1 << top))) return false;
    const h = P[top << 1]!, l = P[(top << 1) + 1]!;
    const limit = bits === 64 ? 2 ** 51 : bits === 32 ? 2147483647 : 32767;
    let n: number, flags: number;
    if (!(Math.abs(h) < limit)) {
      // An integer already, if the low part is none or one too.
      if (bits !== 64 || !(Math.abs(h) < 2 ** 62) || !Number.isInteger(h) || !Number.isInteger(l)) return false;
      const high = Math.floor(h / 4294967296), low = (h - high * 4294967296) + l, borrow = Math.floor(low / 4294967296);
      X[OUT] = low - borrow * 4294967296;
      X[OUT + 1] = high + borrow;
      return stored(0, pops);
    }
    if (rc === 0) {
      n = (h + 6755399441055744) - 6755399441055744;
      const rest = h - n;
      if (Math.abs(rest) === 0.5 && l !== 0) return false;
      flags = roundingFlags(rest !== 0 ? rest : l, h);
    } else {
      n = Math.trunc(h);
      if (n === h && l !== 0 && (l < 0) !== (h < 0)) n -= h < 0 ? -1 : 1;
      flags = n === h && l === 0 ? 0 : PE;
    }
    X[OUT] = n;
    X[OUT + 1] = Math.floor(n / 4294967296);
    return stored(flags, pops);
  };

  // ---- comparisons -----------------------------------------------------------------------------------------------------

  /** The condition bits of ST(0) against ST(s) or the memory operand, or -1. */
  const order = (s: number): number => {
    const top = i32[S.FPU_SW]! >> TOP_SHIFT & 7;
    let b = MEMORY_PAIR, need = ENABLED | 1 << top;
    if (s !== MEMORY) {
      const other = top + s & 7;
      b = other << 1;
      need |= 1 << other;
    }
    if ((X[HELD]! & need) !== need && !hold(need)) return -1;
    const a = top << 1, ah = P[a]!, bh = P[b]!;
    if (ah !== bh) return ah < bh ? C0 : 0;
    const al = P[a + 1]!, bl = P[b + 1]!;
    return al === bl ? C3 : al < bl ? C0 : 0;
  };

  const compare = (s: number, pops: number): boolean => {
    const found = order(s);
    if (found < 0) return false;
    let sw = i32[S.FPU_SW]! & ~(C0 | C1 | C2 | C3) | found;
    if (pops !== 0) sw = popped(sw);
    if (pops > 1) sw = popped(sw);
    i32[S.FPU_SW] = sw;
    return true;
  };

  /** ST(0) against ST(s) as EFLAGS, or -1. */
  const compareFlags = (s: number, pops: number): number => {
    const found = order(s);
    if (found < 0) return -1;
    const sw = i32[S.FPU_SW]! & ~C1;
    i32[S.FPU_SW] = pops !== 0 ? popped(sw) : sw;
    return ((found & C3) !== 0 ? S.FLAG_ZF : 0) | ((found & C0) !== 0 ? S.FLAG_CF : 0);
  };

  /** FLDCW, when no exception becomes unmasked. */
  const loadControl = (value: number): boolean => {
    if ((value & EXCEPTIONS) !== EXCEPTIONS || (X[HELD]! & ENABLED) === 0 || (i32[S.CR0]! & S.CR0_NE) === 0) return false;
    setControlWord(i32, value);
    X[HELD] = X[HELD]! & ~NEAREST | ((i32[S.FPU_CW]! & (PC_MASK | RC_MASK)) === PC_EXTENDED ? NEAREST : 0);
    return true;
  };

  return {
    xreset: reset, xflush: flush, xsingle: single, xdouble: double, xinteger: integer, xlong: long, xextended: extended, xpush: pushMemory,
    xarithmetic: arithmetic, xsign: sign, xload: load, xmove: move, xexchange: exchange, xconstant: constant, xtosingle: toSingle,
    xtodouble: toDouble, xtoextended: toExtended, xtointeger: toInteger, xcompare: compare, xcompareflags: compareFlags, xcontrol: loadControl,
    xhold: hold, xslow2: onPairs, xdivided: countDivision,
  };
}
