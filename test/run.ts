/**
 * Runs every test file in a process of its own, two at a time, and ends with one line `N passed, M failed`.
 * `node dist/test/run.js [WORD...]` runs only the files whose path holds one of the words.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SOURCES = fileURLToPath(new URL("../../test/", import.meta.url));
const PROCESSES = 2;
/** A file that hangs; the slowest, the whole of the papers' tables, takes minutes on its own. */
const FILE_LIMIT_MS = 900_000;

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

/** Test files, by their path without suffix: the sources that define tests, not what those import. */
function testFiles(): string[] {
  const sources = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return sources.filter((file) => /from ["']uvu["']/.test(readFileSync(join(SOURCES, file), "utf8")) && file !== "run.ts")
    .map((file) => relative(".", file).slice(0, -3)).sort();
}

function runFile(file: string): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(HERE, `${file}.js`)], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, FORCE_COLOR: "0" } });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    let late = false;
    const timer = setTimeout(() => { late = true; child.kill("SIGKILL"); }, FILE_LIMIT_MS);
    child.on("close", (code) => {
      clearTimeout(timer);
      const output = Buffer.concat(chunks).toString() + (late ? `\nstopped after ${FILE_LIMIT_MS / 1000} s\n` : "");
      resolve(judge(code, output));
    });
  });
}

/** uvu prints its totals at the end; a file that does not get there, or leaves with an error, has failed once. */
function judge(code: number | null, output: string): Result {
  const total = Number(/^ {2}Total:\s+(\d+)$/m.exec(output)?.[1] ?? NaN), passed = Number(/^ {2}Passed:\s+(\d+)$/m.exec(output)?.[1] ?? 0);
  const skipped = Number(/^ {2}Skipped:\s+(\d+)$/m.exec(output)?.[1] ?? 0);
  if (Number.isNaN(total)) return { passed, failed: 1, output };
  const failed = total - passed - skipped;
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed, output };
}

async function main(words: readonly string[]): Promise<void> {
  const files = testFiles().filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  let next = 0, passed = 0, failed = 0;
  const serve = async (): Promise<void> => {
    for (let file = files[next++]; file !== undefined; file = files[next++]) {
      const began = performance.now();
      const result = await runFile(file);
      passed += result.passed;
      failed += result.failed;
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      console.log(`${result.failed === 0 ? "  ok" : "FAIL"}  ${file}  ${result.passed} passed${result.failed === 0 ? "" : `, ${result.failed} failed`}  ${seconds} s`);
      if (result.failed !== 0) console.log(result.output.replace(/^/gm, "      "));
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, serve));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

await main(process.argv.slice(2));
