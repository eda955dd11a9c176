import { CODE_FAMILIES } from "./code.js";
import { DEVICE_FAMILY } from "./devices.js";
import { DOMAIN_FAMILY } from "./domains.js";
import { type Family, seeded } from "./family.js";
import { IMAGE_FAMILIES } from "./images.js";

export const FAMILIES: readonly Family[] = [...CODE_FAMILIES, DOMAIN_FAMILY, DEVICE_FAMILY, ...IMAGE_FAMILIES];

/** Cases of one family that run together; `cases` of them, or fewer at the end. */
export interface Job { readonly family: number; readonly number: number; readonly cases: number }

/** What `cases` cases are made of, as the families' shares say, all families side by side; each gets one batch at least. */
export function jobs(cases: number, only?: string): Job[] {
  const families = FAMILIES.map((family, i) => ({ family, i })).filter(({ family }) => only === undefined || family.name.startsWith(only));
  const total = families.reduce((sum, { family }) => sum + family.share, 0);
  const placed = families.flatMap(({ family, i }) => {
    const mine = Math.max(1, Math.round(cases * family.share / total)), batches = Math.ceil(mine / family.batch);
    return Array.from({ length: batches }, (_, number) => ({ place: number / batches, family: i, number, cases: Math.min(family.batch, mine - number * family.batch) }));
  });
  return placed.sort((a, b) => a.place - b.place || a.family - b.family).map(({ family, number, cases: n }) => ({ family, number, cases: n }));
}

export interface Failure { readonly family: string; readonly number: number; readonly index: number; readonly message: string }

/** Runs a job; gives what went wrong. `started` is told of each case before it runs. The rest of a batch that failed is not run. */
export function runJob(job: Job, seed: number, started: (index: number) => void = () => {}): Failure | null {
  const family = FAMILIES[job.family]!;
  let index = -1;
  try {
    const batch = family.begin(seeded(seed, job.family, job.number, -1));
    for (index = 0; index < job.cases; index++) {
      started(index);
      batch.run(seeded(seed, job.family, job.number, index));
    }
    batch.end?.();
    return null;
  } catch (error) {
    const text = error instanceof Error ? error.stack ?? error.message : `thrown: ${JSON.stringify(error)}`;
    return { family: family.name, number: job.number, index, message: text };
  }
}
