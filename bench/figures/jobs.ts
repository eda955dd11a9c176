/** What has to be run: each program once in each mode, whatever number of tables wants it. */
import type { MmuKind, Mode } from "../../vm/options.js";
import type { Cell } from "../cell.js";
import { loadProfile } from "../../vm/profiles.js";
import { runPool } from "../pool.js";
import type { ResultCache } from "./result-cache.js";
import type { SensitiveRun } from "./sensitive-run.js";

/** Modes of the figures: hvm in its first generation's shape and in its second's, and that with Xen's network ring. */
export const HOW = {
  native: { mode: "native" }, classic: { mode: "classic" }, dbt: { mode: "dbt" }, paravirt: { mode: "paravirt" },
  "hvm-shadow": { mode: "hvm", mmu: "shadow" }, hvm: { mode: "hvm", mmu: "ept" }, "hvm-pv": { mode: "hvm", mmu: "ept", pvDrivers: true },
} as const satisfies Readonly<Record<string, { readonly mode: Mode; readonly mmu?: MmuKind; readonly pvDrivers?: boolean }>>;
export type How = keyof typeof HOW;

export interface FigureJob {
  readonly kind: "workload" | "nano" | "sensitive";
  readonly name: string;
  readonly how: How;
  readonly profile: string;
}

export type IndexedJob = FigureJob & { readonly index: number };
export type FigureAnswer = { readonly index: number } & ({ readonly cell: Cell } | { readonly run: SensitiveRun } | { readonly error: string });

const keyOf = ({ kind, name, how, profile }: FigureJob): string => `${kind} ${name} ${how} ${profile}`;
const FAILED = { value: null, checksum: null, cycles: 0, idleCycles: 0, instructions: 0, events: {} } as const;

/** The answers of all jobs, to be asked by job. */
export class Runs {
  private readonly answers: ReadonlyMap<string, FigureAnswer>;

  constructor(answers: ReadonlyMap<string, FigureAnswer>) {
    this.answers = answers;
  }

  cell(job: FigureJob): Cell {
    const answer = this.answers.get(keyOf(job));
    if (answer === undefined) return { ...FAILED, failed: "was not run" };
    if ("cell" in answer) return answer.cell;
    return { ...FAILED, failed: "error" in answer ? `internal error: ${answer.error}` : "was not measured" };
  }

  sensitive(job: FigureJob): SensitiveRun {
    const answer = this.answers.get(keyOf(job));
    if (answer && "run" in answer) return answer.run;
    return { events: {}, words: null, vector: null, ended: answer && "error" in answer ? `internal error: ${answer.error}` : "was not run" };
  }
}

export interface RunOptions {
  /** Told after each job, and once before the first; `left` is an estimate in seconds, NaN while there is nothing to go by. */
  readonly progress?: (done: number, of: number, what: string, left: number) => void;
  /** Where results are kept and found again. */
  readonly cache?: ResultCache;
}

/** Seconds that jobs of a kind take when nothing is known of them: what takes longest goes first. */
const GUESS: Readonly<Record<FigureJob["kind"], number>> = { workload: 1, nano: 0.3, sensitive: 0.1 };
const WORKERS = 2;

/** Runs every distinct job once, on the worker pool, but those whose results are kept already. */
export async function runAll(wanted: readonly FigureJob[], { progress = () => {}, cache }: RunOptions): Promise<Runs> {
  const distinct = [...new Map(wanted.map((job) => [keyOf(job), job])).values()].map((job, index): IndexedJob => ({ ...job, index }));
  const profiles = new Map<string, string>();
  const cacheKey = (job: FigureJob): string => {
    const profile = profiles.get(job.profile) ?? JSON.stringify(loadProfile(job.profile));
    profiles.set(job.profile, profile);
    return `${keyOf(job)} ${profile}`;
  };
  const answers: FigureAnswer[] = [];
  for (const job of distinct) {
    const kept = cache?.get<FigureAnswer>(cacheKey(job));
    if (kept !== undefined) answers[job.index] = { ...kept.answer, index: job.index };
  }
  const rest = distinct.filter(({ index }) => answers[index] === undefined).sort((a, b) => GUESS[b.kind] - GUESS[a.kind] || a.index - b.index);
  const estimate = new Estimate(rest);
  let finished = distinct.length - rest.length;
  progress(finished, distinct.length, "", NaN);
  const fresh = await runPool<IndexedJob, FigureAnswer & { readonly seconds: number }>(new URL("./worker.js", import.meta.url), null, rest, (job, { seconds, ...answer }) => {
    if (!("error" in answer)) cache?.put(cacheKey(job), answer, seconds);
    progress(++finished, distinct.length, `${job.name} ${job.how}`, estimate.after(job, seconds));
  });
  for (const { seconds: _, ...answer } of fresh.filter((one) => one !== undefined)) answers[answer.index] = answer;
  return new Runs(new Map(distinct.map((job) => [keyOf(job), answers[job.index]!])));
}

/** Seconds left: what is to be done, by the mean of what jobs of a kind have taken. */
class Estimate {
  private readonly left = new Map<FigureJob["kind"], number>();
  private readonly taken = new Map<FigureJob["kind"], { seconds: number; jobs: number }>();

  constructor(jobs: readonly FigureJob[]) {
    for (const { kind } of jobs) this.left.set(kind, (this.left.get(kind) ?? 0) + 1);
  }

  after({ kind }: FigureJob, seconds: number): number {
    this.left.set(kind, this.left.get(kind)! - 1);
    const taken = this.taken.get(kind) ?? { seconds: 0, jobs: 0 };
    this.taken.set(kind, { seconds: taken.seconds + seconds, jobs: taken.jobs + 1 });
    return [...this.left].reduce((sum, [of, jobs]) => {
      const known = this.taken.get(of);
      return sum + jobs * (known ? known.seconds / known.jobs : GUESS[of]);
    }, 0) / WORKERS;
  }
}
