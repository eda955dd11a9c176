import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ROWS } from "../../translator/isa/opcodes.js";
import { criticalInstructions, POLICY, policyOf } from "../../translator/fullvirt/policy.js";

const test = suite("the trap policy");
const SENSITIVE = [...new Set(ROWS.flatMap((row) => row.sensitive ?? []))];

test("has one row for each sensitive instruction of the opcode table, and no other", () => {
  assert.equal(POLICY.map((row) => row.name).sort(), [...SENSITIVE].sort());
});

test("gives dbt a translation for everything that exists: nothing sensitive runs as it stands", () => {
  for (const { name, dbt } of POLICY) assert.ok(["inline", "callout", "undefined"].includes(dbt.treatment), name);
});

test("names an exit reason that the opcode table knows", () => {
  for (const { name, hvm } of POLICY) {
    if (hvm.treatment !== "exit") continue;
    const reason = hvm.note.split(" ")[0]!;
    assert.ok(ROWS.some((row) => row.sensitive === name && row.exit === reason), `${name}: ${reason}`);
  }
});

test("calls silent what is sensitive and not privileged", () => {
  for (const name of criticalInstructions()) {
    assert.ok(ROWS.some((row) => row.sensitive === name && row.cpl !== 0 && row.cpl !== "iopl"), name);
  }
  for (const row of ROWS) if (row.cpl === 0) assert.ok(["trap", "undefined"].includes(policyOf(row.sensitive!)!.classic.treatment), row.mnemonic);
  // Robin and Irvine's seventeen (USENIX Security 2000, table 2), far pointer loads and IRET told apart; their INT n traps here.
  assert.equal([...criticalInstructions()].sort(), [
    "CALLF", "IRET", "JMPF", "LAR", "LOAD_SREG", "LSL", "MOV_SREG", "POPF", "POP_SREG", "PUSHF", "PUSH_SREG", "RETF", "SGDT", "SIDT", "SLDT", "SMSW",
    "STR", "VERR", "VERW",
  ]);
});

test.run();
