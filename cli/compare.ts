/** `trivisor compare`: workloads by modes. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chooseModes, chooseWorkloads, compare as compareWorkloads, failures } from "../bench/compare.js";
import { standaloneChart } from "../bench/report/ratio-chart.js";
import { renderReport } from "../bench/report/report.js";
import { formatTable } from "../bench/table.js";
import { WORKLOADS } from "../bench/workloads.js";
import { UsageError } from "../hypervisor/errors.js";
import { loadProfile } from "../vm/profiles.js";
import { EXIT_FAILED } from "./exit.js";
import { explain, OutputFile } from "./output.js";
import { createProgress } from "./progress.js";

export interface CompareFlags {
  readonly modes?: readonly string[];
  readonly profile?: string;
  readonly json?: string;
  readonly report?: string;
  readonly list?: boolean;
}

export async function compare(workloads: readonly string[], flags: CompareFlags): Promise<void> {
  if (flags.list) {
    const width = Math.max(...WORKLOADS.map(({ name }) => name.length));
    for (const { name, shows } of WORKLOADS) process.stdout.write(`${name.padEnd(width)}  ${shows}\n`);
    return;
  }
  const profile = loadProfile(flags.profile);
  chooseWorkloads(workloads);
  chooseModes(flags.modes);
  const json = flags.json === undefined ? undefined : new OutputFile(flags.json);
  const report = flags.report === undefined ? undefined : reportFile(flags.report, "index.html");
  const chart = flags.report === undefined ? undefined : reportFile(flags.report, "ratios.svg");
  const progress = await createProgress();
  const comparison = await compareWorkloads({ workloads, modes: flags.modes, profile, progress: progress.show });
  progress.end();
  process.stdout.write(`${profile.title}\n\n${formatTable(comparison)}`);
  json?.finish(`${JSON.stringify(comparison, null, 1)}\n`);
  if (report) {
    report.finish(renderReport(comparison, profile));
    chart?.finish(standaloneChart(comparison));
    process.stdout.write(`\nreport: ${report.path}\n`);
  }
  const failed = failures(comparison);
  for (const failure of failed) process.stderr.write(`trivisor: ${failure}\n`);
  if (failed.length > 0) process.exitCode = EXIT_FAILED;
}

function reportFile(folder: string, name: string): OutputFile {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`${folder} cannot be made: ${explain(error)}`);
  }
  return new OutputFile(join(folder, name));
}
