import { Engine } from "../../translator/engine.js";
import { createBench, type Execute, load, unload } from "./emulator.js";
import { EIP_AT } from "./state.js";

/** Instructions a case may take: repeated string instructions count one an iteration. */
const LIMIT = 10_000;

/**
 * Executes cases as a guest's code runs: in the interpreter, or (`generated`) in generated code, which each code gets
 * by being run once before its first case.
 */
export function engineExecute(generated: boolean): Execute {
  const bench = createBench();
  const { machine } = bench;
  const engine = new Engine(machine, { jit: generated, hot: 1 });
  bench.ended = () => engine.stop();
  const once: Execute = (code, input) => {
    load(bench, code, input);
    engine.run(LIMIT);
    const output = unload(bench, input);
    if (bench.fault !== undefined || bench.stopped) output.set32(EIP_AT, bench.endEip);
    return output;
  };
  return (code, input) => {
    if (generated && bench.code !== code) once(code, input);
    return once(code, input);
  };
}
