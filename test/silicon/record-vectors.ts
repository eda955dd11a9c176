// Records test/silicon/vectors/ on the host's processor: node dist/test/silicon/record-vectors.js [suite …]
// Needs gcc with -m32 on x86 Linux. The files then replay anywhere.
import { cpus } from "node:os";
import { pathToFileURL } from "node:url";
import { openRecorder } from "./recorder.js";
import { casesOf, groupsOf, SUITES } from "./suites.js";
import { writeVectors } from "./vectors.js";

const SALT = 0x5eed;

export function recordVectors(names: readonly string[]): void {
  const recorder = openRecorder();
  if (recorder === undefined) throw new Error("recording needs gcc -m32 on x86 Linux");
  for (const suite of SUITES) {
    if (names.length !== 0 && !names.includes(suite.name)) continue;
    const forms = recorder.record(casesOf(suite, suite.kept, SALT));
    const bytes = writeVectors(suite.name, cpus()[0]?.model ?? "unknown", forms);
    const cases = forms.reduce((sum, form) => sum + form.inputs.length, 0);
    process.stdout.write(`${suite.name}: ${groupsOf(suite)} forms in ${forms.length} encodings, ${cases} cases, ${bytes} bytes\n`);
  }
  recorder.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) recordVectors(process.argv.slice(2));
