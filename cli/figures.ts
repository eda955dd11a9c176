/** `trivisor figures`: the papers' tables. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chooseFigures, makeFigures } from "../bench/figures/figures.js";
import { formatFigures } from "../bench/figures/format.js";
import { toJson } from "../bench/figures/model.js";
import { defaultCacheFolder, ResultCache } from "../bench/figures/result-cache.js";
import { reportFiles } from "../bench/figures/report.js";
import { UsageError } from "../hypervisor/errors.js";
import { EXIT_FAILED } from "./exit.js";
import { explain, OutputFile } from "./output.js";
import { createProgress } from "./progress.js";

export interface FiguresFlags {
  readonly json?: string;
  readonly report?: string;
  /** Where results of finished jobs are kept; false when they are not to be. */
  readonly cache: string | boolean;
}

export async function figures(ids: readonly string[], flags: FiguresFlags): Promise<void> {
  chooseFigures(ids);
  const json = flags.json === undefined ? undefined : new OutputFile(flags.json);
  if (flags.report !== undefined) makeFolder(flags.report);
  const index = flags.report === undefined ? undefined : new OutputFile(join(flags.report, "index.html"));
  const progress = await createProgress();
  const cache = openCache(flags.cache);
  const tables = await makeFigures(ids, { progress: progress.show, ...(cache === undefined ? {} : { cache }) });
  progress.end();
  process.stdout.write(formatFigures(tables));
  json?.finish(`${JSON.stringify(toJson(tables), null, 1)}\n`);
  if (index && flags.report !== undefined) {
    const { page, files } = reportFiles(tables);
    index.finish(page);
    for (const [name, text] of files) new OutputFile(join(flags.report, name)).finish(text);
    process.stdout.write(`report: ${index.path}\n`);
  }
  const failed = tables.flatMap(({ id, cells }) => cells.filter((cell) => cell.failed !== undefined).map(({ column, mode, failed }) => `${id}: ${column} in ${mode}: ${failed}`));
  for (const failure of failed) process.stderr.write(`trivisor: ${failure}\n`);
  if (failed.length > 0) process.exitCode = EXIT_FAILED;
}

/** A folder the user named has to work; without the usual one the run is only not resumed. */
function openCache(where: string | boolean): ResultCache | undefined {
  if (where === false) return undefined;
  const complain = (line: string): void => { process.stderr.write(`trivisor: ${line}\n`); };
  try {
    return new ResultCache(typeof where === "string" ? where : defaultCacheFolder(), complain);
  } catch (error) {
    if (typeof where === "string") throw new UsageError(`${where} cannot be made: ${explain(error)}`);
    return undefined;
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`${folder} cannot be made: ${explain(error)}`);
  }
}
