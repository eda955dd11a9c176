/**
 * Boots Debian 12's two 32-bit kernels, unmodified, with guest/linux/script.sh as their work, in every mode that runs an unmodified guest.
 * In each mode the two ping each other. The script's output has to be the same in all, and all have to switch off.
 *   node dist/test/linux/boot.js [WORD...]     only the modes whose name holds one of the words
 * Not a uvu suite, so that `npm test` does not need a package mirror: `npm run test:linux` runs it, and it says so when the
 * kernels cannot be had. The last line is `N passed, M failed`, of guests.
 */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runPool } from "../../bench/pool.js";
import { type Answer, type GuestResult, type Job, KERNELS } from "./cases.js";

const FETCH = fileURLToPath(new URL("../../../guest/linux/fetch.sh", import.meta.url));
const FOLDER = process.env["TRIVISOR_LINUX"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "trivisor/linux");
const UNAVAILABLE = 3;
const BEGINS = "--- script begins", ENDS = "--- script ends", PINGED = "3 packets transmitted, 3 packets received";
/** Bytes of a failing guest's output that are shown. */
const SHOWN = 2000;

const MODES: readonly Omit<Job, "index">[] = [
  { name: "native", mode: "native" },
  { name: "hvm with EPT", mode: "hvm", mmu: "ept" },
  { name: "hvm with shadow page tables", mode: "hvm", mmu: "shadow" },
  { name: "dbt", mode: "dbt" },
];

/** What the script printed, or undefined when it did not get to its end. */
function scriptOutput(output: string): string | undefined {
  const begin = output.indexOf(BEGINS), end = output.indexOf(ENDS);
  return begin >= 0 && end > begin ? output.slice(begin + BEGINS.length + 1, end) : undefined;
}

/** What is wrong with a guest whose script should print `expected`; undefined when nothing is. */
function problem({ outcome, output }: GuestResult, expected: string | undefined): string | undefined {
  const script = scriptOutput(output), tail = `\n${output.slice(-SHOWN)}`;
  if (outcome.reason !== "exit" || outcome.code !== 0) return `ended with ${JSON.stringify(outcome)}${tail}`;
  if (script === undefined) return `the script did not end${tail}`;
  if (!script.includes(PINGED)) return `got no answers from the other guest${tail}`;
  return script === expected ? undefined : `the script printed\n${script}instead of\n${expected}`;
}

function report(jobs: readonly Job[], answers: readonly Answer[]): boolean {
  const expected = answers.flatMap(({ guests }) => guests).map(({ output }) => scriptOutput(output)).find((script) => script !== undefined);
  let passed = 0, failed = 0;
  answers.forEach(({ guests }, i) => guests.forEach((guest, k) => {
    const wrong = problem(guest, expected);
    if (wrong === undefined) passed++;
    else failed++;
    const head = `${wrong === undefined ? "  ok" : "FAIL"}  linux/${jobs[i]!.name}, ${KERNELS[k]}  ${(guest.instructions / 1e6).toFixed(0)} million instructions`;
    console.log(wrong === undefined ? head : `${head}\n${wrong}`);
  }));
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0;
}

async function main(words: readonly string[]): Promise<void> {
  const fetched = spawnSync("sh", [FETCH, FOLDER], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (fetched.error !== undefined || fetched.status === UNAVAILABLE) {
    console.log(`skipped, Linux is not tested: ${fetched.error?.message ?? fetched.stderr.trim()}\n0 passed, 0 failed`);
    return;
  }
  if (fetched.status !== 0) throw new Error(`guest/linux/fetch.sh failed: ${fetched.stderr}`);
  console.log(fetched.stdout.trim());
  const jobs = MODES.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word))).map((mode, index) => ({ ...mode, index }));
  const began = performance.now();
  const answers = await runPool<Job, Answer>(new URL("./pair.js", import.meta.url), FOLDER, jobs,
    ({ name }) => console.log(`      linux/${name} has ended after ${((performance.now() - began) / 1000).toFixed(0)} s`));
  if (!report(jobs, answers)) process.exitCode = 1;
}

await main(process.argv.slice(2));
