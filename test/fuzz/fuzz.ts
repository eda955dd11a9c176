// Issue 3, "Bad input": random code in every mode of the processor under every strategy, random traffic at every device, broken
// images. A slice of what `npm run fuzz` runs; what it ever found is in regressions.ts.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FAMILIES, jobs, runJob } from "./cases.js";

const SEED = 20, CASES = 30;

FAMILIES.forEach((family, i) => {
  test(`${family.name}: nothing is thrown, nothing hangs, nothing outside the guest changes`, () => {
    const cases = Math.min(family.batch, Math.max(6, Math.ceil(family.share * CASES)));
    assert.is(runJob({ family: i, number: 0, cases }, SEED), null);
  });
});

test("jobs: every case once, every family from the start", () => {
  const list = jobs(100_000);
  assert.ok(Math.abs(list.reduce((sum, job) => sum + job.cases, 0) - 100_000) <= FAMILIES.length);
  assert.equal(new Set(list.slice(0, FAMILIES.length).map((job) => job.family)).size, FAMILIES.length);
  assert.equal(jobs(100_000), list);
});

test("the same case is the same again", () => {
  const family = FAMILIES.findIndex(({ name }) => name === "images.load");
  assert.equal(runJob({ family, number: 3, cases: 50 }, SEED), runJob({ family, number: 3, cases: 50 }, SEED));
});

test.run();
