/** Executes a sensitive instruction in a mode, and tells what came of it. */
import type { CostProfile } from "../../hypervisor/ledger.js";
import type { Mode } from "../../vm/options.js";
import { createVm } from "../../vm/create.js";
import type { VmStats } from "../../vm/vm.js";
import { bareKernel, FINISHED_WORD, RESULT_WORDS, VECTOR_WORD, xenKernel } from "./sensitive-kernel.js";
import { SENSITIVE_PROGRAMS } from "./sensitive-programs.js";

export interface SensitiveRun {
  /** Events between the readings of the time-stamp counter before and after the instruction. */
  readonly events: Readonly<Record<string, number>>;
  /** What was observed, as words; null when the program did not come to its end. */
  readonly words: readonly number[] | null;
  /** The exception the guest's own handler got, null for none. */
  readonly vector: number | null;
  /** How the machine ended, where it did not go on to the end of the program. */
  readonly ended: string | null;
  /** Why it was not run. */
  readonly skipped?: string;
}

const MEMORY_MIB = 8, LIMIT = 400_000;

export function runSensitive(name: string, mode: Mode, profile: CostProfile): SensitiveRun {
  const program = SENSITIVE_PROGRAMS.find((candidate) => candidate.name === name)!;
  if (mode === "paravirt" && program.notOnXen !== undefined) return { events: {}, words: null, vector: null, ended: null, skipped: program.notOnXen };
  const { image, result } = mode === "paravirt" ? xenKernel(program) : bareKernel(program);
  const vm = createVm({ image, mode, memory: MEMORY_MIB, profile });
  const readings: VmStats[] = [];
  vm.onTimestamp(() => { readings.push(vm.stats()); });
  let left = LIMIT;
  let ended: string | null = "never reached its end";
  let words: number[] = [];
  for (const STEP = 4000; left > 0; left -= STEP) {
    const outcome = vm.run({ instructions: STEP });
    if (outcome.reason !== "limit") {
      ended = outcome.reason === "crash" ? outcome.message : outcome.reason;
      break;
    }
    words = wordsOf(vm.read("linear", result, 4 * RESULT_WORDS));
    if (words[FINISHED_WORD] === 1) {
      ended = null;
      break;
    }
  }
  const first = readings[0], last = readings[name === "RDTSC" ? 2 : 1];
  const events = first && last ? Object.entries(last.events).map(([event, count]) => [event, count - (first.events[event] ?? 0)] as const).filter(([, n]) => n > 0) : [];
  const vector = words[VECTOR_WORD] ?? 0;
  return { events: Object.fromEntries(events), words: ended === null ? words.slice(0, 2) : null, vector: vector === 0 ? null : vector - 1, ended };
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}
