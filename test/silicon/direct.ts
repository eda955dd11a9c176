import { decoderFor } from "../../translator/isa/decode.js";
import { FEATURES } from "../../translator/isa/opcodes.js";
import type { Semantics } from "../../translator/isa/semantics/semantics.js";
import { Trap } from "../../hypervisor/trap.js";
import { createBench, type Execute, load, unload } from "./emulator.js";

/** Executes one instruction by calling its helper semantics, without interpreter or translator. */
export function directExecute(semantics: Readonly<Record<string, Semantics>>): Execute {
  const bench = createBench();
  const decode = decoderFor(FEATURES);
  return (code, input) => {
    const instruction = decode(code, 0, code.length, 32);
    if (instruction.invalid !== null) throw new Error("no instruction");
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
