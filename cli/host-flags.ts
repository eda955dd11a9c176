import { setFlagsFromString } from "node:v8";

/** From V8 13 on it is no experiment, and an unknown flag would be complained of. */
const HINTS_SETTLED = 13;

/**
 * Has the host take the branch hints in generated code (branch-hints.ts): without them it keeps the guest's registers in memory
 * through every loop that accesses memory. They say what is likely, and change nothing else.
 */
export function takeBranchHints(): void {
  if (Number.parseInt(process.versions.v8, 10) < HINTS_SETTLED) setFlagsFromString("--experimental-wasm-branch-hinting");
}
