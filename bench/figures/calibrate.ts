/** `node dist/bench/figures/calibrate.js`: fits the profiles' calibrated constants anew, and writes the profiles. */
import { writeFileSync } from "node:fs";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { loadProfile, profileNames } from "../../vm/profiles.js";
import { calibrate, calibrationTables, findCell, fittedCells } from "./calibration.js";

const profiles = profileNames().map((name) => loadProfile(name));
const tables = await calibrationTables(profiles);
for (const profile of calibrate(profiles, tables)) {
  for (const { cell, events } of fittedCells(profile)) {
    const before = profiles.find(({ name }) => name === profile.name)!;
    process.stdout.write(`${profile.name}: ${cell}: ${findCell(tables, cell)!.published}: ${events.map((event) => `${event} ${before.costs[event]!.cycles} -> ${profile.costs[event]!.cycles}`).join(", ")}\n`);
  }
  writeFileSync(new URL(`../../../bench/profiles/${profile.name}.json`, import.meta.url), format(profile));
}

/** One constant a line. */
function format({ costs, ...head }: CostProfile): string {
  const lines = (entries: readonly (readonly [string, unknown])[], indent: string): string[] => entries.map(([key, value]) => `${indent}${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{\n${lines(Object.entries(head), " ").join(",\n")},\n "costs": {\n${lines(Object.entries(costs), "  ").join(",\n")}\n }\n}\n`;
}
