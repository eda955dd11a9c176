import { decoded } from "./forms.js";
import { differences } from "./compare.js";
import type { Execute } from "./emulator.js";
import { FCW_AT, FSW_AT, type FormCases, MEMORY_AT, ST_AT, type State, XMM_AT } from "./state.js";

/** What a replay found. */
export interface Replay {
  readonly forms: number;
  readonly cases: number;
  readonly failed: number;
  /** The first few failures, in words. */
  readonly report: readonly string[];
}

const REPORTED = 10;

/** Runs recorded cases through the emulator and compares all of the state. */
export function replay(forms: readonly FormCases[], execute: Execute): Replay {
  let cases = 0, failed = 0;
  const report: string[] = [];
  for (const form of forms) {
    const instruction = decoded(form.code);
    let reported = false;
    form.inputs.forEach((input, i) => {
      cases++;
      const found = differences(instruction, input, form.outputs[i]!, execute(form.code, input));
      if (found.length === 0) return;
      failed++;
      if (reported || report.length >= REPORTED) return;
      reported = true;
      report.push(`${form.name} (case ${i}): ${found.slice(0, 6).join("; ")}\n  ${describe(input)}`);
    });
  }
  return { forms: forms.length, cases, failed, report };
}

const bytes = (state: State, at: number, length: number): string => Buffer.from(state.bytes.subarray(at, at + length)).reverse().toString("hex");

/** An input, as far as forms use it. */
export function describe(state: State): string {
  const registers = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"].map((name, r) => `${name} ${state.reg(r).toString(16)}`).join(" ");
  return `${registers} efl ${bytes(state, 32, 4)} [esi] ${bytes(state, MEMORY_AT + 0x40, 16)} [edi] ${bytes(state, MEMORY_AT + 0x80, 16)}\n  ` +
    `cw ${bytes(state, FCW_AT, 2)} sw ${bytes(state, FSW_AT, 2)} st0 ${bytes(state, ST_AT, 10)} st1 ${bytes(state, ST_AT + 16, 10)} ` +
    `xmm0 ${bytes(state, XMM_AT, 16)} xmm1 ${bytes(state, XMM_AT + 16, 16)}`;
}
