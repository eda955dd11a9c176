/** A worker thread of the pool: runs the cells it is sent, one at a time. */
import { parentPort, workerData } from "node:worker_threads";
import type { CostProfile } from "../hypervisor/ledger.js";
import { runCell } from "./cell.js";
import type { Answer, Job } from "./pool.js";
import { workload } from "./workloads.js";

const profile = workerData as CostProfile;

parentPort?.on("message", ({ index, name, mode }: Job) => {
  let answer: Answer;
  try {
    answer = { index, cell: runCell(workload(name)!, mode, profile) };
  } catch (error) {
    answer = { index, error: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(answer);
});
