/**
 * The proleptic Gregorian calendar as arithmetic on day numbers, without the host's Date.
 * A year here begins in March, so that the leap day is its last.
 */

export const SECONDS_PER_DAY = 86_400;

const DAYS_PER_400_YEARS = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH_SHIFT = 719_468;

export interface CivilDate {
  year: number;
  /** 1 to 12. */
  month: number;
  /** 1 to 31. */
  day: number;
}

/** Days since 1970-01-01. Months and days out of range carry over into the next ones. */
export function daysFromCivil({ year, month, day }: CivilDate): number {
  const months = year * 12 + (month - 1) - 2; // since March of year 0
  const marchYear = Math.floor(months / 12);
  const marchMonth = months - marchYear * 12;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + daysBeforeMonth(marchMonth) + (day - 1) - EPOCH_SHIFT;
}

/** The date of a number of days since 1970-01-01. */
export function civilFromDays(days: number): CivilDate {
  const shifted = days + EPOCH_SHIFT;
  // The estimate is within a year of the truth; step back when it overshoots.
  let marchYear = Math.floor((shifted * 400 + 400) / DAYS_PER_400_YEARS);
  const start = (y: number): number => y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  while (start(marchYear) > shifted) marchYear--;
  while (start(marchYear + 1) <= shifted) marchYear++;
  const dayOfYear = shifted - start(marchYear);
  let marchMonth = 11;
  while (daysBeforeMonth(marchMonth) > dayOfYear) marchMonth--;
  const month = (marchMonth + 2) % 12 + 1;
  return { year: marchYear + (month <= 2 ? 1 : 0), month, day: dayOfYear - daysBeforeMonth(marchMonth) + 1 };
}

/** Days of a March year before its month 0 (March) to 11 (February): 0, 31, 61, 92, 122, 153... */
function daysBeforeMonth(marchMonth: number): number {
  return Math.floor((153 * marchMonth + 2) / 5);
}
