import { suite } from "uvu";
import * as assert from "uvu/assert";
import { observe } from "../../bench/figures/popek.js";
import { SENSITIVE_PROGRAMS } from "../../bench/figures/sensitive-programs.js";
import { runSensitive, type SensitiveRun } from "../../bench/figures/sensitive-run.js";
import { POLICY } from "../../translator/fullvirt/policy.js";
import { loadProfile, type Mode } from "../../index.js";

const test = suite("figures: sensitive instructions");
const profile = loadProfile("p4-2006");
const natives = new Map<string, SensitiveRun>();

function seen(name: string, mode: Mode): ReturnType<typeof observe> {
  const native = natives.get(name) ?? runSensitive(name, "native", profile);
  natives.set(name, native);
  return observe(name, mode, runSensitive(name, mode, profile), native);
}

test("there is a program for each row of the trap policy", () => {
  assert.equal(SENSITIVE_PROGRAMS.map(({ name }) => name).sort(), POLICY.map(({ name }) => name).sort());
});

test("every program comes to its end on a bare machine", () => {
  for (const { name } of SENSITIVE_PROGRAMS) {
    seen(name, "native");
    const { ended, vector } = natives.get(name)!;
    assert.is(ended, null, name);
    const undefinedHere = POLICY.find((row) => row.name === name)!.native.treatment === "undefined";
    assert.ok(vector === null || undefinedHere && vector === 6 || ["INT3", "INTO", "INT1"].includes(name), `${name}: vector ${vector}`);
  }
});

test("dbt leaves no trace that the guest could tell, and runs nothing as it stands", () => {
  for (const { name } of SENSITIVE_PROGRAMS) {
    const { tells, did } = seen(name, "dbt");
    assert.is(tells, false, name);
    assert.ok(["inline", "callout", "undefined"].includes(did), `${name}: ${did}`);
  }
});

test("hvm leaves none either", () => {
  for (const { name } of SENSITIVE_PROGRAMS) assert.is(seen(name, "hvm").tells, false, name);
});

test("classic is wrong where the policy says silent, and only there", () => {
  for (const name of ["PUSHF", "POPF", "SGDT", "SIDT", "STR", "LSL", "MOV_SREG", "CALLF"]) {
    const { did, tells } = seen(name, "classic");
    assert.equal([did, tells], ["silent", true], name);
  }
  for (const { name, classic } of POLICY) {
    if (classic.treatment === "trap") assert.is(seen(name, "classic").did, "trap", name);
  }
});

test("a ported kernel's ring shows, and its privileged instructions are emulated", () => {
  assert.equal([seen("MOV_SREG", "paravirt").did, seen("MOV_SREG", "paravirt").tells], ["silent", true]);
  assert.is(seen("CLTS", "paravirt").did, "trap");
  assert.is(seen("CLI", "paravirt").did, "not run");
});

test.run();
