import { readdirSync } from "node:fs";
import { setPriority } from "node:os";
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

/** Nice value of the host's own threads. */
const YIELDING = 5;

/**
 * Has the threads on which the host compiles and collects yield to the one that runs the guest, where there are fewer processors than threads. Linux alone has
 * priorities of single threads (setpriority(2), "C library/kernel differences"); elsewhere this does nothing.
 */
export function preferGuest(): void {
  if (process.platform !== "linux") return;
  try {
    for (const thread of readdirSync("/proc/self/task")) if (Number(thread) !== process.pid) setPriority(Number(thread), YIELDING);
  } catch {
    // Without /proc, or without leave to do so, threads stay as they are.
  }
}
