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

/** Runs all jobs on worker threads and gives their cells in the jobs' order. `done` is told of each. */
export async function runJobs(jobs: readonly Job[], profile: CostProfile, done: (job: Job) => void): Promise<Cell[]> {
  const answers = await runPool<Job, Answer>(new URL("./worker.js", import.meta.url), profile, jobs, done);
  return answers.map((answer) => "cell" in answer ? answer.cell : { ...FAILED, failed: `internal error: ${answer.error}` });
}

/**
 * Has worker threads of a script answer all jobs, one message each, and gives the answers in the jobs' order: who
 * answered what and when shows nowhere in the result. They are begun in the order given; an answer's place is its job's index.
 */
export async function runPool<J extends { readonly index: number }, A extends { readonly index: number }>(script: URL, data: unknown, jobs: readonly J[], done: (job: J, answer: A) => void): Promise<A[]> {
  const answers: A[] = [];
  const byIndex = new Map(jobs.map((job) => [job.index, job]));
  let next = 0;
  const serve = (): Promise<void> => new Promise((resolve, reject) => {
    const worker = new Worker(script, { workerData: data });
    const feed = (): void => {
      const job = jobs[next++];
      if (job) worker.postMessage(job);
      else void worker.terminate().then(() => resolve());
    };
    worker.on("message", (answer: A) => {
      answers[answer.index] = answer;
      done(byIndex.get(answer.index)!, answer);
      feed();
    });
    worker.on("error", reject);
    feed();
  });
  await Promise.all(Array.from({ length: Math.min(WORKERS, jobs.length) }, serve));
  return answers;
}
