/** `trivisor bench`: how fast it is on this host. */
import { chooseRows, formatTimed, loadBenchmark, readBaseline, type Timed, timeRow, toBaseline } from "../bench/wallclock/run.js";
import { OutputFile } from "./output.js";

export interface BenchFlags {
  readonly save?: string;
  readonly baseline?: string;
  readonly list?: boolean;
}

export async function bench(words: readonly string[], flags: BenchFlags): Promise<void> {
  const rows = chooseRows(words);
  if (flags.list) {
    for (const { name } of rows) process.stdout.write(`${name}\n`);
    return;
  }
  const baseline = flags.baseline === undefined ? undefined : readBaseline(flags.baseline);
  const Benchmark = await loadBenchmark();
  const save = flags.save === undefined ? undefined : new OutputFile(flags.save);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const all: Timed[] = [];
  for (const row of rows) {
    const timed = timeRow(row, Benchmark);
    all.push(timed);
    process.stdout.write(`${formatTimed(timed, width, baseline, all.find(({ name }) => name === row.shareOf))}\n`);
  }
  save?.finish(`${JSON.stringify(toBaseline(all), null, 1)}\n`);
}
