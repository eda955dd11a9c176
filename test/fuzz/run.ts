/**
 * node dist/test/fuzz/run.js [--cases N] [--seed S] [--workers W] [--only FAMILY] [--batch NUMBER] [--from DONE]
 * Runs N cases (default a million) of random code, device traffic and images, and prints what broke a claim: an exception that is
 * not declared, a case that does not end, a byte outside the guest. The same arguments are the same cases. Exit code 1 if any did.
 * A run that was stopped goes on with --from and the number of cases it said were done.
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { FAMILIES, type Failure, type Job, jobs } from "./cases.js";

const OPTIONS = {
  cases: { type: "string", default: "1000000" }, seed: { type: "string", default: "1" }, workers: { type: "string", default: "2" },
  only: { type: "string" }, batch: { type: "string" }, from: { type: "string", default: "0" },
} as const;
const EXIT_USAGE = 2;

function given(): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"] {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    console.error(`fuzz: ${(error as Error).message}`);
    process.exit(EXIT_USAGE);
  }
}

const values = given();
/** A case that takes longer hangs: they all are a few hundred instructions or accesses. Of processor time: the machine may be busy. */
const HANG_SECONDS = 30;

const seed = Number(values.seed);
const queue = jobs(Number(values.cases), values.only).filter((job) => values.batch === undefined || job.number === Number(values.batch));
const total = queue.reduce((sum, job) => sum + job.cases, 0);
/** Jobs that are under way, by their place in the queue, and cases before the first of them. */
const open = new Set<number>();
const casesBefore = (end: number): number => queue.slice(0, end).reduce((sum, job) => sum + job.cases, 0);
const allDone = (): number => casesBefore(Math.min(next, ...open));
const done = new Map<string, number>();
const failures: Failure[] = [];
let next = 0;
while (next < queue.length && casesBefore(next) < Number(values.from)) next++;
let finished = casesBefore(next);

function record(job: Job, failure: Failure | null): void {
  const { name } = FAMILIES[job.family]!;
  done.set(name, (done.get(name) ?? 0) + job.cases);
  finished += job.cases;
  if (failure === null) return;
  failures.push(failure);
  console.log(`${failure.family}, batch ${failure.number}, case ${failure.index}: ${failure.message}\n  again: --cases ${values.cases} --seed ${seed} --only ${failure.family} --batch ${failure.number}`);
}

/** One worker until the queue is empty; one that hangs is ended and replaced. */
function serve(): Promise<void> {
  return new Promise((resolve) => {
    let worker: Worker, job: Job | undefined, place = -1, seen = -1, since = 0;
    const progress = new Int32Array(new SharedArrayBuffer(8));
    const send = (): void => {
      open.delete(place);
      place = next;
      job = queue[next];
      if (job !== undefined) {
        open.add(next++);
        return worker.postMessage(job);
      }
      clearInterval(watch);
      void worker.terminate().then(() => resolve());
    };
    const start = (): void => {
      worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: { seed, progress } });
      worker.on("message", (failure: Failure | null) => { record(job!, failure); send(); });
      worker.on("error", (error) => { record(job!, { family: FAMILIES[job!.family]!.name, number: job!.number, index: -1, message: String(error) }); start(); });
      send();
    };
    const watch = setInterval(() => {
      const now = Atomics.load(progress, 0), used = process.cpuUsage().user / 1e6 / Number(values.workers);
      if (now !== seen || job === undefined) since = used;
      seen = now;
      if (used - since < HANG_SECONDS) return;
      since = used;
      record(job!, { family: FAMILIES[job!.family]!.name, number: job!.number, index: progress[1]!, message: `a case has not ended after ${HANG_SECONDS} s` });
      void worker.terminate().then(start);
    }, 1000);
    start();
  });
}

const report = setInterval(() => console.error(`${finished} of ${total} cases, ${failures.length} failures; all of the first ${allDone()} done`), 60_000);
await Promise.all(Array.from({ length: Number(values.workers) }, serve));
clearInterval(report);
for (const [name, cases] of done) console.log(`${name.padEnd(16)} ${String(cases).padStart(8)}`);
console.log(`${finished} cases, seed ${seed}${values.from === "0" ? "" : `, from ${values.from}`}: ${failures.length === 0 ? "every claim held" : `${failures.length} failures`}`);
process.exitCode = failures.length === 0 ? 0 : 1;
