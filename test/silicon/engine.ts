import { Engine } from "../../translator/engine.js";
import { TEMPLATES } from "../translator/tiers.js";
import { createBench, type Execute, load, unload } from "./emulator.js";
import { EIP_AT } from "./state.js";

/** Instructions a case may take: repeated string instructions count one an iteration. */
const LIMIT = 10_000;

/** What executes: the interpreter; generated code of regions, or of blocks alone (copy-and-patch.ts), which each code gets by being run once before its first case. */
export const TIERS = { interpreted: { jit: false }, generated: { hot: 1 }, templates: TEMPLATES } as const;

/** Executes cases as a guest's code runs. */
export function engineExecute(tier: keyof typeof TIERS): Execute {
  const bench = createBench();
  const { machine } = bench;
  const engine = new Engine(machine, { handlers: 1, ...TIERS[tier] });
  bench.ended = () => engine.stop();
  const once: Execute = (code, input) => {
    load(bench, code, input);
    engine.run(LIMIT);
    const output = unload(bench, input);
    if (bench.fault !== undefined || bench.stopped) output.set32(EIP_AT, bench.endEip);
    return output;
  };
  return (code, input) => {
    if (tier !== "interpreted" && bench.code !== code) once(code, input);
    return once(code, input);
  };
}
