import { suite } from "uvu";
import * as assert from "uvu/assert";
import { IMPLEMENTED, SEMANTICS } from "../../translator/isa/semantics/registry.js";
import { SIMD } from "../../translator/isa/semantics/simd/simd.js";
import { directExecute } from "./direct.js";
import type { Execute } from "./emulator.js";
import { engineExecute } from "./engine.js";
import { decoded } from "./forms.js";
import { openRecorder } from "./recorder.js";
import { replay } from "./replay.js";
import type { FormCases } from "./state.js";
import { casesOf, groupsOf, SUITES } from "./suites.js";
import { decode, encode, readVectors } from "./vectors.js";

// The instruction set against a real processor: recorded vectors in the interpreter and in generated code, and, where
// the host can, fresh inputs. What the manual leaves undefined is named in undefined.ts.

const silicon = suite("silicon");

/** Fresh cases of a form in a live comparison. */
const LIVE_CASES = 4;

function expectSame(forms: readonly FormCases[], execute: Execute): void {
  const { failed, cases, report } = replay(forms, execute);
  assert.is(failed, 0, `${failed} of ${cases} cases differ from silicon\n${report.join("\n")}`);
}

const implemented = (forms: readonly FormCases[]): readonly FormCases[] => forms.filter((form) => IMPLEMENTED.has(form.mnemonic));

silicon("has at least 300 forms with 100 inputs", () => {
  const integer = SUITES.find((s) => s.name === "integer")!;
  assert.ok(groupsOf(integer) >= 300);
  const cases = readVectors("integer")!.forms.reduce((sum, form) => sum + form.inputs.length, 0);
  assert.ok(cases >= 100 * groupsOf(integer) * 0.99, `${cases} cases`);
});

silicon("vectors cover every row that a user program can run", () => {
  for (const { name, forms } of SUITES) {
    const recorded = new Set(readVectors(name)!.forms.map((form) => form.name));
    const missing = forms().map((form) => form.name).filter((form) => !recorded.has(form));
    assert.equal(missing, [], `${name}: record the vectors again`);
  }
});

silicon("vector files survive writing and reading", () => {
  const forms = readVectors("x87")!.forms.slice(0, 3);
  const again = decode(encode("test", forms)).forms;
  assert.equal(again.map((form) => form.name), forms.map((form) => form.name));
  assert.equal(again[1]!.outputs[5]!.bytes, forms[1]!.outputs[5]!.bytes);
});

for (const { name } of SUITES) {
  silicon(`${name}: recorded vectors, interpreted`, () => {
    expectSame(implemented(readVectors(name)!.forms), engineExecute("interpreted"));
  });
  silicon(`${name}: recorded vectors, in generated code`, () => {
    expectSame(implemented(readVectors(name)!.forms), engineExecute("generated"));
  });
  silicon(`${name}: recorded vectors, in code copied from templates`, () => {
    expectSame(implemented(readVectors(name)!.forms), engineExecute("templates"));
  });
}

silicon("simd: recorded vectors, helpers alone", () => {
  // The fences have no helper: they are nothing, in line.
  const forms = readVectors("simd")!.forms.filter((form) => !/FENCE/.test(decoded(form.code).mnemonic));
  expectSame(forms, directExecute({ ...SEMANTICS, ...SIMD }));
});

silicon("fresh inputs on this processor", () => {
  const recorder = openRecorder();
  if (recorder === undefined) {
    console.log("skipped: recording needs gcc -m32 on x86 Linux");
    return;
  }
  const salt = Date.now() | 0;
  const tiers = [engineExecute("interpreted"), engineExecute("generated"), engineExecute("templates")];
  try {
    for (const chosen of SUITES) {
      const recorded = implemented(recorder.record(casesOf(chosen, LIVE_CASES, salt)));
      for (const execute of tiers) {
        const { failed, cases, report } = replay(recorded, execute);
        assert.is(failed, 0, `${chosen.name}, salt ${salt}: ${failed} of ${cases} cases differ\n${report.join("\n")}`);
      }
    }
  } finally {
    recorder.close();
  }
});

silicon("forms decode to themselves", () => {
  for (const { forms } of SUITES) for (const form of forms()) assert.is(decoded(form.code).length, form.code.length, form.name);
});

silicon.run();
