/** The papers' tables, from one run of each program in each mode. */
import { UsageError } from "../../hypervisor/errors.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { loadProfile } from "../../vm/profiles.js";
import { APPLICATIONS_ID, applicationJobs, applicationTable } from "./applications.js";
import { ASPLOS_IDS, ASPLOS_PROFILE, type AsplosId, asplosJobs, asplosTable } from "./asplos.js";
import { EPT_PROFILE, eptJobs, eptTable } from "./ept.js";
import { generationJobs, generationTable } from "./generations.js";
import { type FigureJob, runAll, type RunOptions, type Runs } from "./jobs.js";
import type { FigureTable } from "./model.js";
import { popekJobs, popekTable } from "./popek.js";
import { portingTable } from "./porting.js";
import { PV_ON_HVM_ID, pvOnHvmJobs, pvOnHvmTable } from "./pv-on-hvm.js";
import { SOSP_IDS, SOSP_PROFILE, sospJobs, sospTable } from "./sosp.js";

interface Figure {
  readonly jobs: () => readonly FigureJob[];
  readonly table: (runs: Runs, profile: (name: string) => CostProfile) => FigureTable;
}

const FIGURES: ReadonlyMap<string, Figure> = new Map<string, Figure>([
  ["sosp03-table2", { jobs: () => [], table: () => portingTable() }],
  ...SOSP_IDS.map((id): [string, Figure] => [id, { jobs: () => sospJobs(id), table: (runs, profile) => sospTable(id, runs, profile(SOSP_PROFILE)) }]),
  [APPLICATIONS_ID, { jobs: applicationJobs, table: (runs, profile) => applicationTable(runs, profile(SOSP_PROFILE)) }],
  ...ASPLOS_IDS.map((id: AsplosId): [string, Figure] => [id, { jobs: () => asplosJobs(id), table: (runs, profile) => asplosTable(id, runs, profile(SOSP_PROFILE), profile(ASPLOS_PROFILE)) }]),
  ["ept-vs-shadow", { jobs: eptJobs, table: (runs, profile) => eptTable(runs, profile(EPT_PROFILE)) }],
  ["vmexit-generations", { jobs: generationJobs, table: (runs, profile) => generationTable(runs, profile(SOSP_PROFILE), profile(ASPLOS_PROFILE)) }],
  [PV_ON_HVM_ID, { jobs: pvOnHvmJobs, table: (runs, profile) => pvOnHvmTable(runs, profile(SOSP_PROFILE)) }],
  ["popek-goldberg", { jobs: popekJobs, table: (runs) => popekTable(runs) }],
]);

/** All tables, in the order they are printed. */
export const FIGURE_IDS: readonly string[] = [...FIGURES.keys()];

/** Names as the user gave them, in the tables' order; all of them for none. Throws UsageError. */
export function chooseFigures(ids: readonly string[]): readonly string[] {
  for (const id of ids) {
    if (!FIGURES.has(id)) throw new UsageError(`unknown figure '${id}': choose from ${FIGURE_IDS.join(", ")}`);
  }
  return ids.length === 0 ? FIGURE_IDS : FIGURE_IDS.filter((id) => ids.includes(id));
}

/** The tables named, all for none; with `only` the cells of other jobs stay empty. */
export async function makeFigures(ids: readonly string[], options: RunOptions = {}, only: (job: FigureJob) => boolean = () => true): Promise<FigureTable[]> {
  const chosen = chooseFigures(ids).map((id) => FIGURES.get(id)!);
  const profiles = new Map<string, CostProfile>();
  const profile = (name: string): CostProfile => {
    const loaded = profiles.get(name) ?? loadProfile(name);
    profiles.set(name, loaded);
    return loaded;
  };
  const runs = await runAll(chosen.flatMap(({ jobs }) => jobs()).filter(only), options);
  return chosen.map(({ table }) => table(runs, profile));
}
