import type { Semantics } from "../semantics.js";
import { CONVERSIONS } from "./conversions.js";
import { FLOAT } from "./float.js";
import { MOVES } from "./moves.js";
import { PACKED_INTEGER } from "./packed-integer.js";
import { SHUFFLES } from "./shuffle.js";
import { STATE } from "./state.js";

/** MMX, SSE and SSE2 by the opcode table's mnemonics. */
export const SIMD: Record<string, Semantics> = { ...PACKED_INTEGER, ...SHUFFLES, ...MOVES, ...FLOAT, ...CONVERSIONS, ...STATE };
