/** Kept results: found again by the same key, never believed when they are damaged. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runAll } from "../../bench/figures/jobs.js";
import { ResultCache } from "../../bench/figures/result-cache.js";
import { Scratch } from "../cli/command.js";

const test = suite("figures: kept results");
const scratch = new Scratch();
test.after(() => scratch.remove());

function entries(root: string): string[] {
  return readdirSync(root).flatMap((build) => readdirSync(join(root, build)).map((file) => join(root, build, file)));
}

test("a result is found by its key, by another cache too, and by no other key", () => {
  const root = scratch.path("kept");
  new ResultCache(root, assert.unreachable).put("job", { value: 7 }, 1.5);
  const other = new ResultCache(root, assert.unreachable);
  assert.equal(other.get<{ value: number }>("job")?.answer, { value: 7 });
  assert.is(other.get("another"), undefined);
});

test("a damaged entry is ignored, in one line", () => {
  const root = scratch.path("damaged"), lines: string[] = [];
  const cache = new ResultCache(root, (line) => lines.push(line));
  cache.put("job", { value: 7 }, 1);
  const [file] = entries(root);
  for (const bad of ["", "rubbish", readFileSync(file!, "utf8").replace("7", "8")]) {
    writeFileSync(file!, bad);
    assert.is(cache.get("job"), undefined);
  }
  assert.is(lines.length, 3);
  assert.ok(lines.every((line) => line.includes(file!) && !line.includes("\n")));
});

test("a run that goes on has nothing to do that is done already, and gives the same", async () => {
  const cache = new ResultCache(scratch.path("resumed"), assert.unreachable);
  const job = { kind: "nano", name: "call/ret", how: "native", profile: "p4-2006" } as const, more = { ...job, how: "dbt" } as const;
  const first = await runAll([job], { cache });
  const seen: [number, number][] = [];
  const second = await runAll([job, more], { cache, progress: (done, of) => seen.push([done, of]) });
  assert.equal(seen, [[1, 2], [2, 2]]);
  assert.equal(second.cell(job), first.cell(job));
});

test.run();
