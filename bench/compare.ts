/** The comparison: workloads by modes, checked against each other. */
import { UsageError } from "../hypervisor/errors.js";
import type { CostProfile } from "../hypervisor/ledger.js";
import { type Mode, MODES } from "../vm/options.js";
import type { Cell } from "./cell.js";
import { type Job, runJobs } from "./pool.js";
import { type Workload, workload, WORKLOADS } from "./workloads.js";

/** A cell with what it means beside native's. */
export interface ComparedCell extends Cell {
  /** Time of `value` at the profile's clock. */
  readonly seconds: number | null;
  /** `value` by native's, null where either is missing or does not count. */
  readonly ratio: number | null;
}

export interface ComparedWorkload extends Pick<Workload, "name" | "unit"> {
  readonly modes: Partial<Record<Mode, ComparedCell>>;
}

/** `compare --json`; the same bytes each time. */
export interface Comparison {
  readonly schema: "trivisor/compare@1";
  readonly profile: string;
  readonly workloads: readonly ComparedWorkload[];
}

export interface CompareOptions {
  /** Names; empty for all. */
  readonly workloads: readonly string[];
  /** Names; undefined for all. */
  readonly modes?: readonly string[];
  readonly profile: CostProfile;
  /** Told before the first cell and after each. */
  readonly progress?: (done: number, of: number, what: string) => void;
}

/** Runs the cells and compares them. Throws UsageError for a name that is none. */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { profile, progress = () => {} } = options;
  const rows = chooseWorkloads(options.workloads), modes = chooseModes(options.modes);
  const jobs: Job[] = rows.flatMap(({ name }) => modes.map((mode) => ({ name, mode }))).map((job, index) => ({ ...job, index }));
  progress(0, jobs.length, "");
  let finished = 0;
  const cells = await runJobs(jobs, profile, ({ name, mode }) => progress(++finished, jobs.length, `${name} ${mode}`));
  return {
    schema: "trivisor/compare@1", profile: profile.name,
    workloads: rows.map((row, r) => compareRow(row, modes, cells.slice(r * modes.length, (r + 1) * modes.length), profile)),
  };
}

export function chooseWorkloads(names: readonly string[]): readonly Workload[] {
  for (const name of names) {
    if (!workload(name)) throw new UsageError(`unknown workload '${name}': choose from ${WORKLOADS.map((w) => w.name).join(", ")}`);
  }
  return names.length === 0 ? WORKLOADS : WORKLOADS.filter((w) => names.includes(w.name));
}

export function chooseModes(names: readonly string[] | undefined): readonly Mode[] {
  if (names === undefined) return MODES;
  for (const name of names) {
    if (!MODES.some((mode) => mode === name)) throw new UsageError(`unknown mode '${name}': choose from ${MODES.join(", ")}`);
  }
  if (names.length === 0) throw new UsageError(`no modes are given: choose from ${MODES.join(", ")}`);
  return MODES.filter((mode) => names.includes(mode));
}

/** Ratios against native, and the check that all computed the same. Classic may get it wrong, and then has no ratio either. */
export function compareRow(row: Workload, modes: readonly Mode[], cells: readonly Cell[], profile: CostProfile): ComparedWorkload {
  const native = cells[modes.indexOf("native")];
  const reference = native ?? cells.find((cell) => cell.failed === undefined);
  const compared: Partial<Record<Mode, ComparedCell>> = {};
  modes.forEach((mode, i) => {
    let cell = cells[i]!;
    if (cell.failed === undefined && reference?.checksum != null && cell.checksum !== reference.checksum) {
      cell = { ...cell, failed: `computed ${cell.checksum}, not ${reference.checksum} as ${native ? "native" : "another mode"} did` };
    }
    const counts = cell.failed === undefined && cell.value !== null;
    const base = native?.failed === undefined ? native?.value : null;
    compared[mode] = {
      ...cell, seconds: cell.value === null ? null : cell.value / profile.hz, ratio: counts && base ? cell.value! / base : null,
    };
  });
  return { name: row.name, unit: row.unit, modes: compared };
}

/** Failures of modes that are meant to be right: whatever is not classic. */
export function failures(comparison: Comparison): string[] {
  return comparison.workloads.flatMap(({ name, modes }) => MODES.filter((mode) => mode !== "classic" && modes[mode]?.failed !== undefined)
    .map((mode) => `${name} in ${mode}: ${modes[mode]!.failed}`));
}
