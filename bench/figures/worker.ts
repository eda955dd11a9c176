/** A worker thread for the figures: runs what it is sent, one at a time. */
import { parentPort } from "node:worker_threads";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { loadProfile } from "../../vm/profiles.js";
import { runCell } from "../cell.js";
import { workload } from "../workloads.js";
import { type FigureAnswer, type FigureJob, HOW, type IndexedJob } from "./jobs.js";
import { runNano } from "./nano-cell.js";
import { runSensitive } from "./sensitive-run.js";

const profiles = new Map<string, CostProfile>();

function profileOf(name: string): CostProfile {
  const profile = profiles.get(name) ?? loadProfile(name);
  profiles.set(name, profile);
  return profile;
}

function answer(job: FigureJob, index: number): FigureAnswer {
  const profile = profileOf(job.profile);
  const { mode, mmu, pvDrivers } = { mmu: undefined, pvDrivers: false, ...HOW[job.how] };
  switch (job.kind) {
    case "workload": return { index, cell: runCell(workload(job.name)!, mode, profile, mmu, pvDrivers) };
    case "nano": return { index, cell: runNano(job.name, mode, mmu, profile) };
    case "sensitive": return { index, run: runSensitive(job.name, mode, profile) };
    default: return job.kind satisfies never;
  }
}

/** The answer, or why there is none. */
function tryAnswer(job: FigureJob, index: number): FigureAnswer {
  try {
    return answer(job, index);
  } catch (error) {
    return { index, error: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.on("message", ({ index, ...job }: IndexedJob) => {
  const begun = performance.now();
  const message = tryAnswer(job, index);
  parentPort?.postMessage({ ...message, seconds: (performance.now() - begun) / 1000 });
});
