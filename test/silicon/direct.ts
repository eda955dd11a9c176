import type { Semantics } from "../../translator/isa/semantics/semantics.js";
import { Trap } from "../../hypervisor/trap.js";
import { createBench, type Execute, load, unload } from "./emulator.js";
import { decoded } from "./forms.js";

/** Executes one instruction by calling its helper semantics, without interpreter or translator. */
export function directExecute(semantics: Readonly<Record<string, Semantics>>): Execute {
  const bench = createBench();
  return (code, input) => {
    const instruction = decoded(code);
    const row = semantics[instruction.mnemonic];
    if (row === undefined || row.kind === "inline") throw new Error(`no helper for ${instruction.mnemonic}`);
    load(bench, code, input);
    try {
      row.fn(bench.cpu, instruction);
      if (row.kind !== "transfer") bench.cpu.eip += instruction.length;
    } catch (error) {
      if (!(error instanceof Trap)) throw error;
      bench.fault = { vector: error.vector, errorCode: error.errorCode };
    }
    return unload(bench, input);
  };
}
