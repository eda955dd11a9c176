/** Constants that were fitted: to which cell each, and to what. */
import { cellsOf, type Cost, costOf, type CostProfile, priceKey } from "../../hypervisor/ledger.js";
import { ASPLOS_IDS, asplosJobName, type AsplosId } from "./asplos.js";
import type { Bar, FigureTable, ShownCell } from "./model.js";
import { makeFigures } from "./figures.js";
import type { How } from "./jobs.js";
import { shortName } from "./pricing.js";
import { sospWorkloads } from "./sosp.js";

/** Rounds of fitting; each constant is linear in its cell, and most cells hold one. */
const ROUNDS = 200;
const HOW_OF_ROW: Readonly<Record<string, How>> = { "L-UP": "native", native: "native", Xen: "paravirt", VMW: "dbt", "software VMM": "dbt", "hardware VMM": "hvm-shadow" };
/** Cells' unit to cycles. */
const MICROSECOND = 1e6;
const FORKWAIT: AsplosId = "asplos06-forkwait";

export interface Fitted {
  /** As the constants name it. */
  readonly cell: string;
  /** Constants that were fitted to it together; they are equal. */
  readonly events: readonly string[];
}

/** Cells that a profile's constants were fitted to, without constants that are taken over. */
export function fittedCells(profile: CostProfile): Fitted[] {
  const cells = new Map<string, string[]>();
  for (const [event, cost] of Object.entries(profile.costs)) {
    if (cost.as !== undefined) continue;
    for (const cell of cellsOf(cost)) cells.set(cell, [...cells.get(cell) ?? [], event]);
  }
  return [...cells].map(([cell, events]) => ({ cell, events }));
}

/** Tables in which the cells that constants were fitted to, and the native ones beside them, are filled. */
export async function calibrationTables(profiles: readonly CostProfile[]): Promise<FigureTable[]> {
  const names = [...new Set(profiles.flatMap(fittedCells).map(({ cell }) => cell))];
  const jobs = new Set(names.flatMap((cell) => {
    const [id, row, ...column] = cell.split(", ") as [string, string, ...string[]];
    return jobNames(id, column.join(", ")).flatMap((name) => [`${name} ${HOW_OF_ROW[row]}`, `${name} native`]);
  }));
  return makeFigures([...new Set(names.map((cell) => cell.split(", ")[0]!))], {}, ({ name, how }) => jobs.has(`${name} ${how}`));
}

function jobNames(id: string, column: string): string[] {
  const asplos = ASPLOS_IDS.find((one) => one === id);
  return asplos === undefined ? sospWorkloads(id, column) : [asplosJobName(asplos, column)];
}

/** The cell of our tables that a constant names; undefined when it does not exist or was not measured. */
export function findCell(tables: readonly FigureTable[], cell: string): ShownCell | undefined {
  const [id, row, ...rest] = cell.split(", "), column = rest.join(", ");
  const table = tables.find((one) => one.id === id);
  return table?.cells.find((one) => table.originals[one.mode] === row && shortName(one.column) === column);
}

/** A constant taken over from others, in this profile's cycles. */
export function takenOver({ as, by = "cycles" }: Cost, own: CostProfile, profiles: (name: string) => CostProfile): number {
  const [name, events] = as!.split("/") as [string, string];
  const from = profiles(name);
  const sum = events.split("+").reduce((total, event) => total + from.costs[event]!.cycles, 0);
  const microcode = ({ costs }: CostProfile): number => costs["instruction.system.cpuid"]!.cycles;
  const rate = {
    cycles: 1, time: own.hz / from.hz, instructions: own.cyclesPerInstruction.cycles / from.cyclesPerInstruction.cycles,
    microcode: microcode(own) / microcode(from), gate: (own.farCall?.cycles ?? NaN) / (from.farCall?.cycles ?? NaN),
  }[by];
  return sum * rate;
}

/** Cells of all that a constant is made of, each once. */
function originOf(cost: Cost, profiles: (name: string) => CostProfile): readonly string[] {
  if (cost.as === undefined) return cellsOf(cost);
  const [name, events] = cost.as.split("/") as [string, string];
  return [...new Set(events.split("+").flatMap((event) => originOf(profiles(name).costs[event]!, profiles)))];
}

/**
 * The profiles with every fitted constant such that its cell has what `targetOf` asks for, never below 0, and every
 * taken-over constant recomputed. Counts are those of `tables`, which must hold all cells named.
 */
export function calibrate(profiles: readonly CostProfile[], tables: readonly FigureTable[]): CostProfile[] {
  const fits = profiles.map((profile) => ({ ...profile, costs: Object.fromEntries(Object.entries(profile.costs).map(([event, cost]) => [event, { ...cost }])) }));
  const named = (name: string): CostProfile => fits.find((profile) => profile.name === name)!;
  for (let round = 0; round < ROUNDS; round++) {
    for (const profile of fits) {
      for (const fitted of fittedCells(profile)) fitOne(profile, fitted, tables);
      for (const cost of Object.values(profile.costs)) {
        if (cost.as === undefined) continue;
        const [cell, ...others] = originOf(cost, named);
        Object.assign(cost, { cycles: takenOver(cost, profile, named), calibrated: others.length === 0 ? cell : [cell, ...others] });
      }
    }
  }
  for (const profile of fits) for (const cost of Object.values(profile.costs)) if (cost.calibrated !== undefined || cost.as !== undefined) Object.assign(cost, { cycles: Math.round(cost.cycles) });
  return fits;
}

/**
 * What a cell's constants have to add up to, in cycles of one operation: the published value; beside a native kernel of another
 * size, ours and what the cell has beyond the native one; of fork and wait, whose process is another's size too, ours times the ratio.
 */
export function targetOf(cell: string, tables: readonly FigureTable[], profile: CostProfile): number {
  const found = findCell(tables, cell)!;
  const [id] = cell.split(", ");
  const unit = id!.startsWith("sosp03") ? profile.hz / MICROSECOND : 1;
  // A rate: what it takes is in inverse proportion.
  if (found.bar && tables.find((table) => table.id === id)!.unit === "Mb/s") return found.bar.counted.cycles / found.bar.operations * found.ours! / found.published!;
  const native = tables.find((table) => table.id === id)!.cells.find((one) => one.mode === "native" && one.column === found.column);
  if (id === FORKWAIT) return cyclesOf(native!.bar!, profile) * found.published! / native!.published!;
  if (unit === 1 || found.mode === "native" || !native?.bar || native.published === null) return found.published! * unit;
  return cyclesOf(native.bar, profile) + (found.published! - native.published) * unit;
}

/** Cycles of one operation, priced by a profile. */
export function cyclesOf({ counted, operations }: Bar, profile: CostProfile): number {
  const events = Object.entries(counted.events).reduce((sum, [event, count]) => sum + count * costOf(profile, event), 0);
  return (counted.instructions * profile.cyclesPerInstruction.cycles + counted.idleCycles + events) / operations;
}

/** How often a constant has one of `events` in it: itself, or as one of those it is taken over from. */
function weightOf(profile: CostProfile, key: string | undefined, events: readonly string[]): number {
  if (key === undefined) return 0;
  if (events.includes(key)) return 1;
  const [name, parts] = (profile.costs[key]?.as ?? "").split("/");
  return name !== profile.name || parts === undefined ? 0 : parts.split("+").reduce((sum, part) => sum + weightOf(profile, part, events), 0);
}

function fitOne(profile: CostProfile, { cell, events }: Fitted, tables: readonly FigureTable[]): void {
  const found = findCell(tables, cell);
  if (!found?.bar || found.published === null) throw new Error(`${profile.name}: ${events.join(", ")}: there is no cell ${cell}`);
  const { bar } = found;
  const unknowns = Object.entries(bar.counted.events).reduce((sum, [event, count]) => sum + count * weightOf(profile, priceKey(profile, event), events), 0) / bar.operations;
  if (unknowns === 0) throw new Error(`${profile.name}: ${events.join(", ")} do not happen in ${cell}`);
  const more = (targetOf(cell, tables, profile) - cyclesOf(bar, profile)) / unknowns;
  for (const event of events) {
    const cost = profile.costs[event]!;
    Object.assign(cost, { cycles: Math.max(0, cost.cycles + more) });
  }
}
