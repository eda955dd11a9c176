import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CODE_BYTES, EIP_AT, type FormCases, NO_FAULT, REQUEST_BYTES, State, STATE_BYTES, VECTOR_AT } from "./state.js";

/** Builds record.c with the host's compiler and runs cases on the host's processor. */
export interface Recorder {
  record(code: Uint8Array, inputs: readonly State[]): State[];
  close(): void;
}

/** record.c lies in the source tree, this file, when it runs, in dist/. */
const SOURCE = fileURLToPath(new URL("record.c", import.meta.url)).replace(`${sep}dist${sep}test${sep}`, `${sep}test${sep}`);

/** Undefined where the host is no x86 or has no compiler for it: a reason to skip, not to fail. */
export function openRecorder(): Recorder | undefined {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "ia32")) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "trivisor-silicon-"));
  const program = join(folder, "record");
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  const built = spawnSync("gcc", ["-m32", "-O1", "-no-pie", "-fno-pie", "-o", program, SOURCE]);
  if (built.status !== 0 || spawnSync(program, { input: "" }).status !== 0) {
    close();
    return undefined;
  }
  return { record: (code, inputs) => run(program, code, inputs), close };
}

function run(program: string, code: Uint8Array, inputs: readonly State[]): State[] {
  if (code.length > CODE_BYTES) throw new RangeError("code too long");
  const request = new Uint8Array(REQUEST_BYTES * inputs.length);
  const view = new DataView(request.buffer);
  inputs.forEach((input, i) => {
    const at = i * REQUEST_BYTES;
    request.set(input.bytes, at);
    view.setUint32(at + STATE_BYTES, code.length, true);
    request.set(code, at + STATE_BYTES + 4);
  });
  const result = spawnSync(program, { input: request, maxBuffer: STATE_BYTES * inputs.length + 1 });
  if (result.status !== 0 || result.stdout.length !== STATE_BYTES * inputs.length) {
    throw new Error(`record stopped: ${result.signal ?? result.status}, ${result.stdout.length / STATE_BYTES} of ${inputs.length} cases`);
  }
  return inputs.map((_, i) => settle(new State(new Uint8Array(result.stdout.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES)))));
}

/** The INT3 that ends a case is no fault of it: EIP goes back over it. */
function settle(state: State): State {
  if (state.get32(VECTOR_AT) === 3) {
    state.set32(VECTOR_AT, NO_FAULT);
    state.set32(EIP_AT, state.get32(EIP_AT) - 1);
  }
  return state;
}

/** The same forms with outputs from this processor. */
export function recordForms(recorder: Recorder, forms: readonly FormCases[]): FormCases[] {
  return forms.map((form) => ({ ...form, outputs: recorder.record(form.code, form.inputs) }));
}
