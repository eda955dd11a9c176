/** Times the rows with Benchmark.js, and compares with a run that was kept. */
import { readFileSync } from "node:fs";
import { UsageError } from "../../hypervisor/errors.js";
import { short } from "../numbers.js";
import { type Row, ROWS } from "./rows.js";

/** Units a second, by row. */
export interface Baseline {
  readonly schema: "trivisor/bench@1";
  readonly rates: Readonly<Record<string, number>>;
}

export interface Timed {
  readonly name: string;
  readonly unit: string;
  readonly rate: number;
  /** Relative margin of error of the rate, in per cent. */
  readonly error: number;
}

const SECONDS_A_ROW = 1.5;

export function chooseRows(words: readonly string[]): readonly Row[] {
  const rows = ROWS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (rows.length === 0) throw new UsageError(`no bench is called '${words.join(" ")}': there are ${ROWS.map((row) => row.name).join("; ")}`);
  return rows;
}

export function readBaseline(path: string): Baseline {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Partial<Baseline>;
    if (value.schema === "trivisor/bench@1" && typeof value.rates === "object") return value as Baseline;
  } catch {
    throw new UsageError(`baseline ${path} cannot be read`);
  }
  throw new UsageError(`${path} is no baseline: it has no schema trivisor/bench@1`);
}

/** Benchmark.js is a development dependency: there in a clone, not in an installed package. */
export async function loadBenchmark(): Promise<typeof import("benchmark")> {
  try {
    return (await import("benchmark")).default;
  } catch {
    throw new UsageError("bench needs the development dependencies: run it in a clone, after npm ci");
  }
}

/** Times one row. How much a repetition does is counted while it runs, so units of work need not be alike. */
export function timeRow(row: Row, Benchmark: typeof import("benchmark")): Timed {
  const work = row.prepare();
  let units = 0, calls = 0;
  const bench = new Benchmark(row.name, () => {
    units += work();
    calls++;
  }, { maxTime: SECONDS_A_ROW });
  bench.run();
  const { error } = bench as { error?: Error };
  if (error) throw error;
  return { name: row.name, unit: row.unit, rate: bench.hz * units / calls, error: bench.stats.rme };
}

/** A line for the terminal: speed, its uncertainty, the share of the row it is a part of, and the ratio to the baseline's. */
export function formatTimed(timed: Timed, width: number, baseline: Baseline | undefined, whole?: Timed): string {
  const before = baseline?.rates[timed.name];
  const ratio = before ? `  ${(timed.rate / before).toFixed(2)}x the baseline` : "";
  const share = whole === undefined ? "" : `  ${(100 * whole.rate / timed.rate).toFixed(0)}% of '${whole.name}'`;
  return `${timed.name.padEnd(width)}  ${short(timed.rate).padStart(8)} ${timed.unit}/s  ±${timed.error.toFixed(1)}%${share}${ratio}`;
}

export function toBaseline(all: readonly Timed[]): Baseline {
  return { schema: "trivisor/bench@1", rates: Object.fromEntries(all.map(({ name, rate }) => [name, Math.round(rate)])) };
}
