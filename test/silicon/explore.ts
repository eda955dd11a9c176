// Development: live comparison, summary by form.
import { X87 } from "../../translator/isa/semantics/x87/x87.js";
import { directExecute } from "./direct.js";
import { differences } from "./compare.js";
import { openRecorder } from "./recorder.js";
import { x87Cases, x87Forms } from "./x87-cases.js";
import { FCW_AT, FSW_AT, FTW_AT, MEMORY_OPERAND, ST_AT, State } from "./state.js";

const recorder = openRecorder()!;
const count = Number(process.argv[2] ?? 200), pattern = new RegExp(process.argv[3] ?? "."), show = Number(process.argv[4] ?? 1), salt = Number(process.argv[5] ?? 1);
const execute = directExecute(X87);
let total = 0, bad = 0;
for (const form of x87Forms()) {
  if (!pattern.test(form.name)) continue;
  const cases = x87Cases(form, count, salt);
  const outputs = recorder.record(cases.code, cases.inputs);
  let wrong = 0;
  cases.inputs.forEach((input, i) => {
    total++;
    const found = differences(cases.mnemonic, outputs[i]!, execute(cases.code, input));
    if (found.length === 0) return;
    bad++;
    if (wrong++ < show) {
      const st = (k: number): string => Array.from({ length: 10 }, (_, j) => input.bytes[ST_AT + 16 * k + 9 - j]!.toString(16).padStart(2, "0")).join("");
      const m = State.memoryIndex(MEMORY_OPERAND);
      console.log(`${form.name}: cw ${input.get16(FCW_AT).toString(16)} sw ${input.get16(FSW_AT).toString(16)} ftw ${input.bytes[FTW_AT]!.toString(16)} st0 ${st(0)} st1 ${st(1)} st3 ${st(3)} m ${[9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((j) => input.bytes[m + j]!.toString(16).padStart(2, "0")).join("")}`);
      for (const line of found.slice(0, 6)) console.log("    " + line);
    }
  });
  if (wrong) console.log(`${form.name}: ${wrong} of ${count}`);
}
console.log(`${bad} of ${total}`);
recorder.close();
