import { parentPort, workerData } from "node:worker_threads";
import { type Job, runJob } from "./cases.js";

/** Runs the jobs it is sent; `progress` counts the cases it has begun, and names the last, so that the runner sees one that hangs. */
const { seed, progress } = workerData as { seed: number; progress: Int32Array };
parentPort!.on("message", (job: Job) => {
  parentPort!.postMessage(runJob(job, seed, (index) => { Atomics.add(progress, 0, 1); progress[1] = index; }));
});
