// Development: node dist/test/silicon/explore.js SUITE [interpreter|generated|direct] [cases a form] [pattern] [salt]
// records fresh inputs on this processor and lists, form by form, where the emulator differs.
import { SEMANTICS } from "../../translator/isa/semantics/registry.js";
import { SIMD } from "../../translator/isa/semantics/simd/simd.js";
import { directExecute } from "./direct.js";
import { engineExecute } from "./engine.js";
import { openRecorder } from "./recorder.js";
import { replay } from "./replay.js";
import { suite } from "./suites.js";

const [name = "x87", how = "direct", count = "100", pattern = ".", salt = "1"] = process.argv.slice(2);
const recorder = openRecorder();
if (recorder === undefined) throw new Error("needs gcc -m32 on x86");
const { forms, cases } = suite(name);
const execute = how === "direct" ? directExecute({ ...SEMANTICS, ...SIMD }) : engineExecute(how === "generated" ? "generated" : "interpreted");
let total = 0, failed = 0, tried = 0;
for (const form of forms()) {
  if (!new RegExp(pattern).test(form.name)) continue;
  const result = replay(recorder.record([cases(form, Number(count), Number(salt))]), execute);
  tried++;
  total += result.cases;
  failed += result.failed;
  if (result.failed !== 0) console.log(`${result.failed} of ${result.cases}: ${result.report[0]}`);
}
console.log(`${tried} forms, ${failed} of ${total} cases differ`);
recorder.close();
