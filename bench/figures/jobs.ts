/** What has to be run: each program once in each mode, whatever number of tables wants it. */
import type { MmuKind, Mode } from "../../vm/options.js";
import type { Cell } from "../cell.js";
import { runPool } from "../pool.js";
import type { SensitiveRun } from "./sensitive-run.js";

/** Modes of the figures: hvm in its first generation's shape and in its second's. */
export const HOW = {
  native: { mode: "native" }, classic: { mode: "classic" }, dbt: { mode: "dbt" }, paravirt: { mode: "paravirt" },
  "hvm-shadow": { mode: "hvm", mmu: "shadow" }, hvm: { mode: "hvm", mmu: "ept" },
} as const satisfies Readonly<Record<string, { readonly mode: Mode; readonly mmu?: MmuKind }>>;
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
    if (answer === undefined) throw new Error(`${keyOf(job)} was not run`);
    if ("cell" in answer) return answer.cell;
    return { ...FAILED, failed: "error" in answer ? `internal error: ${answer.error}` : "was not measured" };
  }

  sensitive(job: FigureJob): SensitiveRun {
    const answer = this.answers.get(keyOf(job));
    if (answer && "run" in answer) return answer.run;
    return { events: {}, words: null, vector: null, ended: answer && "error" in answer ? `internal error: ${answer.error}` : "was not run" };
  }
}

/** Runs every distinct job once, on the worker pool; what takes longest goes first. */
export async function runAll(wanted: readonly FigureJob[], progress: (done: number, of: number, what: string) => void): Promise<Runs> {
  const distinct = [...new Map(wanted.map((job) => [keyOf(job), job])).values()].map((job, index): IndexedJob => ({ ...job, index }));
  progress(0, distinct.length, "");
  let finished = 0;
  const answers = await runPool<IndexedJob, FigureAnswer>(new URL("./worker.js", import.meta.url), null, distinct, ({ name, how }) => progress(++finished, distinct.length, `${name} ${how}`));
  return new Runs(new Map(distinct.map((job) => [keyOf(job), answers[job.index]!])));
}
