import { readdirSync, readFileSync } from "node:fs";
import { UsageError } from "../hypervisor/errors.js";
import type { CacheProfile, CostProfile } from "../hypervisor/ledger.js";

export const DEFAULT_PROFILE = "xeon-2003";

/** Where the package keeps its profiles, seen from dist/vm. */
const FOLDER = new URL("../../bench/profiles/", import.meta.url);

/** Names of the profiles that come with the package. */
export function profileNames(): string[] {
  return readdirSync(FOLDER).filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -5)).sort();
}

/** A profile of the package by its name, or one of the user's own by its path. Throws UsageError. */
export function loadProfile(nameOrPath: string = DEFAULT_PROFILE): CostProfile {
  const own = nameOrPath.includes("/") || nameOrPath.endsWith(".json");
  if (!own && !profileNames().includes(nameOrPath)) {
    throw new UsageError(`unknown profile '${nameOrPath}': choose one of ${profileNames().join(", ")}, or give a file`);
  }
  let text: string;
  try {
    text = readFileSync(own ? nameOrPath : new URL(`${nameOrPath}.json`, FOLDER), "utf8");
  } catch {
    throw new UsageError(`profile ${nameOrPath} cannot be read`);
  }
  try {
    return checkProfile(JSON.parse(text));
  } catch (error) {
    throw new UsageError(`profile ${nameOrPath}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Throws Error, saying what is wrong, unless `value` is a whole profile. */
export function checkProfile(value: unknown): CostProfile {
  const profile = value as Partial<CostProfile> | null;
  if (typeof profile !== "object" || profile === null) throw new Error("is not a JSON object");
  if (profile.schema !== "trivisor/profile@1") throw new Error("has no schema trivisor/profile@1");
  if (typeof profile.name !== "string" || typeof profile.title !== "string") throw new Error("needs a name and a title");
  positive(profile.hz, "hz");
  priced(profile.cyclesPerInstruction, "cyclesPerInstruction");
  positive(profile.tlb?.data, "tlb.data");
  positive(profile.tlb?.instruction, "tlb.instruction");
  if (profile.tlb?.largeData !== undefined) positive(profile.tlb.largeData, "tlb.largeData");
  if (profile.tlb?.largeInstruction !== undefined) positive(profile.tlb.largeInstruction, "tlb.largeInstruction");
  if (profile.cache !== undefined) checkCache(profile.cache);
  if (profile.farCall !== undefined) priced(profile.farCall, "farCall");
  if (typeof profile.costs !== "object" || profile.costs === null) throw new Error("needs costs");
  for (const [event, cost] of Object.entries(profile.costs)) priced(cost, `costs["${event}"]`);
  return profile as CostProfile;
}

function checkCache({ bytes, ways, lineBytes }: Partial<CacheProfile>): void {
  positive(bytes, "cache.bytes");
  positive(ways, "cache.ways");
  positive(lineBytes, "cache.lineBytes");
  const way = bytes! / ways!;
  if (!powerOfTwo(way) || way < 4096 || !powerOfTwo(lineBytes!) || lineBytes! < 16 || lineBytes! > 512) throw new Error("cache: bytes / ways (4096 or more) and lineBytes (16 to 512) must be powers of two");
}

function powerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function positive(value: unknown, what: string): void {
  if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value)) throw new Error(`${what} must be a number above 0`);
}

function priced(cost: unknown, what: string): void {
  const { cycles, source } = (cost ?? {}) as { cycles?: unknown; source?: unknown };
  if (typeof cycles !== "number" || !(cycles >= 0) || !Number.isFinite(cycles)) throw new Error(`${what} needs cycles, a number not below 0`);
  if (typeof source !== "string" || source === "") throw new Error(`${what} needs a source`);
}
