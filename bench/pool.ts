import { Worker } from "node:worker_threads";
import type { CostProfile } from "../hypervisor/ledger.js";
import type { Mode } from "../vm/options.js";
import type { Cell } from "./cell.js";

export interface Job {
  readonly index: number;
  readonly name: string;
  readonly mode: Mode;
}

export type Answer = { readonly index: number } & ({ readonly cell: Cell } | { readonly error: string });

const WORKERS = 2;
const FAILED = { value: null, checksum: null, cycles: 0, idleCycles: 0, instructions: 0, events: {} } as const;

/**
 * Runs all jobs on worker threads and gives their cells in the jobs' order: who ran what and when shows nowhere in the
 * result. `done` is told of each.
 */
export async function runJobs(jobs: readonly Job[], profile: CostProfile, done: (job: Job) => void): Promise<Cell[]> {
  const cells = new Array<Cell>(jobs.length);
  let next = 0;
  const serve = (): Promise<void> => new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: profile });
    const feed = (): void => {
      const job = jobs[next++];
      if (job) worker.postMessage(job);
      else void worker.terminate().then(() => resolve());
    };
    worker.on("message", (answer: Answer) => {
      cells[answer.index] = "cell" in answer ? answer.cell : { ...FAILED, failed: `internal error: ${answer.error}` };
      done(jobs[answer.index]!);
      feed();
    });
    worker.on("error", reject);
    feed();
  });
  await Promise.all(Array.from({ length: Math.min(WORKERS, jobs.length) }, serve));
  return cells;
}
