/** Popek and Goldberg's table: each sensitive instruction, really executed in each mode, against what a bare machine does. */
import { POLICY, type Treatment } from "../../translator/fullvirt/policy.js";
import { MODES, type Mode } from "../../vm/options.js";
import { ASPLOS_PROFILE } from "./asplos.js";
import type { FigureJob, How, Runs } from "./jobs.js";
import type { FigureTable, ShownCell } from "./model.js";
import { publication } from "./published.js";
import { SENSITIVE_PROGRAMS } from "./sensitive-programs.js";
import type { SensitiveRun } from "./sensitive-run.js";

const HOWS: readonly How[] = MODES;
const VECTORS: Readonly<Record<number, string>> = { 1: "#DB", 3: "#BP", 4: "#OF", 6: "#UD", 13: "#GP", 14: "#PF" };
/** Names in Robin and Irvine's list, by ours. */
const LISTED: Readonly<Record<string, string>> = { POP_SREG: "POP", PUSH_SREG: "PUSH", CALLF: "CALL far", JMPF: "JMP far", INT: "INT n", RETF: "RET far", MOV_SREG: "MOV seg" };
/** Where an emulator's event is not the instruction's own name. */
const EVENT_NAMES: Readonly<Record<string, readonly string[]>> = {
  MOV_CR: ["mov_to_cr", "mov_from_cr"], MOV_DR: ["mov_to_dr", "mov_from_dr"], INT3: ["int"], INTO: ["int"],
};
const PORT_INSTRUCTIONS = ["IN", "OUT", "INS", "OUTS"];
const NOT_ITS_OWN = ["vmexit.ept_violation", "vmexit.external_interrupt", "vmexit.interrupt_window"];

/** What an instruction was seen to do: a treatment of the policy, or a fault that the guest itself got, or nothing. */
export type Did = Treatment | "fault" | "ended" | "not run";

export interface Observation {
  readonly name: string;
  readonly mode: Mode;
  readonly did: Did;
  readonly note: string;
  /** Whether what came out differs from a bare machine; null where it was not run. */
  readonly tells: boolean | null;
  /** Whether the trap policy says the same; null where it cannot be checked. */
  readonly asPolicy: boolean | null;
}

export function popekJobs(): FigureJob[] {
  return SENSITIVE_PROGRAMS.flatMap(({ name }) => HOWS.map((how): FigureJob => ({ kind: "sensitive", name, how, profile: ASPLOS_PROFILE })));
}

export function observe(name: string, mode: Mode, run: SensitiveRun, native: SensitiveRun): Observation {
  if (run.skipped !== undefined) return { name, mode, did: "not run", note: run.skipped, tells: null, asPolicy: null };
  const tells = !same(run, native);
  const { did, note } = what(name, mode, run, native, tells);
  const { treatment: planned, note: condition } = POLICY.find((row) => row.name === name)![mode];
  // What is silent may do right by luck; what a port replaces was executed here all the same, and it knows of its ring-1 selectors.
  const asPolicy = planned === "replaced" ? null : planned === did || planned === "silent" && did === "execute" || condition.includes(did)
    || mode === "paravirt" && planned === "execute" && did === "silent" || condition.includes("shadow paging") && did === "execute";
  return { name, mode, did, note, tells, asPolicy };
}

function same(a: SensitiveRun, b: SensitiveRun): boolean {
  return a.vector === b.vector && a.ended === b.ended && JSON.stringify(a.words) === JSON.stringify(b.words);
}

function what(name: string, mode: Mode, run: SensitiveRun, native: SensitiveRun, tells: boolean): { did: Did; note: string } {
  if (run.ended !== null) return { did: "ended", note: run.ended };
  if (run.vector === 6 && native.vector === 6) return { did: "undefined", note: "#UD" };
  if (run.vector !== native.vector) return { did: "fault", note: `${VECTORS[run.vector ?? -1] ?? `vector ${run.vector}`} in the guest` };
  const events = Object.keys(run.events);
  const own = (family: string): string | undefined => events.find((event) => event.startsWith(family) && (EVENT_NAMES[name] ?? [name.toLowerCase()]).includes(event.slice(family.length)));
  const executed = { did: tells ? "silent" : "execute", note: tells ? difference(run, native) : "" } as const;
  switch (mode) {
    case "native": return { did: "execute", note: "" };
    case "classic": return own("classic.emulate.") !== undefined || events.includes("classic.reflect") ? { did: "trap", note: tells ? difference(run, native) : "" } : executed;
    case "dbt": {
      const callout = events.find((event) => event.startsWith("dbt.callout."));
      return { did: callout ? "callout" : events.some((event) => event.startsWith("dbt.inline.")) || name === "RDTSC" ? "inline" : "identical", note: "" };
    }
    case "paravirt": return own("paravirt.emulate_privop.") !== undefined ? { did: "trap", note: tells ? difference(run, native) : "" } : executed;
    case "hvm": {
      const exit = events.find((event) => event.startsWith("vmexit.") && !NOT_ITS_OWN.includes(event) && (event !== "vmexit.io_instruction" || PORT_INSTRUCTIONS.includes(name)));
      return exit === undefined ? executed : { did: "exit", note: exit.slice("vmexit.".length) };
    }
    default: return mode satisfies never;
  }
}

function difference(run: SensitiveRun, native: SensitiveRun): string {
  const show = (words: readonly number[] | null): string => words === null ? "nothing" : words[1] === 0 ? hex(words[0]!) : words.map(hex).join(" ");
  return `${show(run.words)}, not ${show(native.words)}`;
}

const hex = (word: number): string => `0x${word.toString(16)}`;

export function observations(runs: Runs): Observation[] {
  return SENSITIVE_PROGRAMS.flatMap(({ name }) => {
    const run = (how: How): SensitiveRun => runs.sensitive({ kind: "sensitive", name, how, profile: ASPLOS_PROFILE });
    const native = run("native");
    return MODES.map((mode) => observe(name, mode, run(mode), native));
  });
}

export function popekTable(runs: Runs): FigureTable {
  const { citation, provenance, tables } = publication("popek-goldberg");
  const listed = tables["instructions"]!.columns;
  const seen = observations(runs);
  const cells = seen.map(({ name, mode, did, note, tells }): ShownCell => ({
    mode, column: name, published: mode === "classic" && listed.includes(LISTED[name] ?? name) ? 1 : null, ours: tells === null ? null : tells ? 1 : 0,
    ratioPublished: null, ratioOurs: null, error: null, status: "predicted", says: note === "" ? did : `${did}: ${note}`,
  }));
  const classic = seen.filter(({ mode }) => mode === "classic"), listedHere = classic.filter(({ name }) => listed.includes(LISTED[name] ?? name));
  const untrapped = listedHere.filter(({ did }) => did === "silent" || did === "execute");
  const names = (of: readonly Observation[]): string => of.map(({ name, mode }) => mode === "classic" ? name : `${name} in ${mode}`).join(", ");
  const lucky = untrapped.filter(({ tells }) => !tells), trapped = listedHere.filter((one) => !untrapped.includes(one));
  const told = (mode: Mode): number => seen.filter((one) => one.mode === mode && one.tells).length;
  const against = seen.filter(({ asPolicy }) => asPolicy === false);
  return {
    id: "popek-goldberg", title: "each sensitive instruction in each mode: what it did, and whether the guest could tell", unit: "1 if the guest could tell", citation, provenance: provenance["instructions"]!, profile: "", cells, missing: [],
    notes: [
      `Each was executed in kernel mode by a small kernel of its own, and what it left compared with the bare machine's; under paravirt the same instruction in ring 1 of a Xen domain, although a ported guest would not use it.`,
      `Of the ${listedHere.length} instructions on the published list, ${untrapped.length} executed under classic without a trap and ${untrapped.length - lucky.length} of them told the guest.${lucky.length > 0 ? ` Right by luck in these programs: ${names(lucky)}.` : ""}${trapped.length > 0 ? ` Trapped here, since every gate is the monitor's: ${names(trapped)}.` : ""}`,
      `The guest could tell from ${MODES.filter((mode) => mode !== "native").map((mode) => `${told(mode)} under ${mode}`).join(", ")}.`,
      against.length === 0 ? "All observations agree with the trap policy." : `Not as the trap policy has it: ${against.map(({ name, mode, did }) => `${name} in ${mode} (${did}, not ${POLICY.find((row) => row.name === name)![mode].treatment})`).join(", ")}.`,
    ],
    chart: "none", originals: {},
  };
}
