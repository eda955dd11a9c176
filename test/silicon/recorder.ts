import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CODE_BYTES, EIP_AT, type FormCases, NO_FAULT, REQUEST_BYTES, State, STATE_BYTES, VECTOR_AT } from "./state.js";

/** Builds record.c with the host's compiler and runs cases on the host's processor. */
export interface Recorder {
  /** The same forms with this processor's outputs. */
  record(forms: readonly FormCases[]): FormCases[];
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
  return { record: (forms) => recordForms(program, forms), close };
}

/** Cases that one run of the program takes: what fits in some 30 MB. */
const BATCH = 20_000;

interface Request { readonly code: Uint8Array; readonly input: State }

function recordForms(program: string, forms: readonly FormCases[]): FormCases[] {
  const requests = forms.flatMap((form) => form.inputs.map((input): Request => ({ code: form.code, input })));
  const outputs: State[] = [];
  for (let at = 0; at < requests.length; at += BATCH) outputs.push(...run(program, requests.slice(at, at + BATCH)));
  let next = 0;
  return forms.map((form) => ({ ...form, outputs: outputs.slice(next, next += form.inputs.length) }));
}

function run(program: string, requests: readonly Request[]): State[] {
  const input = new Uint8Array(REQUEST_BYTES * requests.length);
  const view = new DataView(input.buffer);
  requests.forEach((request, i) => {
    const at = i * REQUEST_BYTES;
    if (request.code.length > CODE_BYTES) throw new RangeError("code too long");
    input.set(request.input.bytes, at);
    view.setUint32(at + STATE_BYTES, request.code.length, true);
    input.set(request.code, at + STATE_BYTES + 4);
  });
  const expected = STATE_BYTES * requests.length;
  const result = spawnSync(program, { input, maxBuffer: expected + 1 });
  if (result.status !== 0 || result.stdout.length !== expected) {
    throw new Error(`record stopped: ${result.signal ?? result.status}, ${result.stdout.length / STATE_BYTES} of ${requests.length} cases`);
  }
  return requests.map((_, i) => settle(new State(new Uint8Array(result.stdout.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES)))));
}

/** The INT3 that ends a case is no fault of it: EIP goes back over it. */
function settle(state: State): State {
  if (state.get32(VECTOR_AT) === 3) {
    state.set32(VECTOR_AT, NO_FAULT);
    state.set32(EIP_AT, state.get32(EIP_AT) - 1);
  }
  return state;
}
