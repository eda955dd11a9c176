/** docs/figures.md: a run that was interrupted goes on where it was, and gives the same bytes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PROGRAM, Scratch, trivisor } from "../cli/command.js";

const test = suite("figures: an interrupted run");
const scratch = new Scratch();
test.after(() => scratch.remove());

/** Finished jobs that are kept, by file. */
function kept(cache: string): string[] {
  if (!existsSync(cache)) return [];
  return readdirSync(cache).flatMap((build) => readdirSync(join(cache, build)).filter((name) => name.endsWith(".json")).map((name) => join(cache, build, name)));
}

/** Every file under a folder, by name. */
function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).sort().map((name) => [name, readFileSync(join(folder, name), "latin1")]));
}

test("SIGINT in the middle, and the same command again: the jobs that were done are not run again, and every byte is that of a run at once", async () => {
  const cache = scratch.path("cache");
  const run = (name: string, ...more: string[]): string[] => ["figures", "asplos06-nano", "--json", scratch.path(`${name}.json`), "--report", scratch.path(name), ...more];
  const child = spawn(process.execPath, [PROGRAM, ...run("interrupted", "--cache", cache)], { stdio: "ignore" });
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  while (kept(cache).length < 3 && child.exitCode === null) await new Promise((resolve) => { setTimeout(resolve, 20); });
  child.kill("SIGINT");
  const [, signal] = await ended;
  assert.is(signal, "SIGINT");
  const done = kept(cache), when = done.map((file) => statSync(file).mtimeMs);
  assert.is(readFileSync(scratch.path("interrupted.json"), "utf8"), "", "nothing half written");

  const resumed = trivisor(run("interrupted", "--cache", cache));
  assert.is(resumed.code, 0, resumed.err);
  assert.equal(done.map((file) => statSync(file).mtimeMs), when);
  assert.ok(kept(cache).length > done.length, `${done.length} jobs of ${kept(cache).length} were done`);

  const whole = trivisor(run("whole", "--no-cache"));
  assert.is(resumed.out.replaceAll("interrupted", "whole"), whole.out);
  assert.is(readFileSync(scratch.path("interrupted.json"), "utf8"), readFileSync(scratch.path("whole.json"), "utf8"));
  assert.equal(contents(scratch.path("interrupted")), contents(scratch.path("whole")));
});

test.run();
