import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BARE, Scratch, trivisor, XEN } from "./command.js";

const test = suite("trivisor explain");
const scratch = new Scratch();
test.after(() => scratch.remove());

test("the entry block of an unmodified kernel in all five modes, trap points marked, on the terminal and as HTML", () => {
  const html = scratch.path("explain.html");
  const { code, out: bytes, err } = trivisor(["explain", BARE, "--html", html]);
  const out = Buffer.from(bytes, "latin1").toString("utf8");
  assert.is(code, 0, err);
  for (const mode of ["NATIVE", "CLASSIC", "DBT", "PARAVIRT", "HVM"]) assert.ok(out.includes(mode), mode);
  assert.match(out, /cli +◆\n +native +execute\n +classic +trap\n +dbt +inline\n/);
  assert.match(out, /◆ trap/);
  const page = readFileSync(html, "utf8");
  assert.match(page, /^<!doctype html>/);
  assert.match(page, /trap point: trap/);
  assert.not.match(page, /https?:\/\//, "it needs nothing else");
});

test("a block that is run to first, and only the modes asked for", () => {
  const hot = trivisor(["run", BARE, "--append", "workload=callret n=2000", "--hot", "1"]);
  const address = /#1 +(0x[0-9a-f]+)/.exec(hot.err)?.[1];
  assert.ok(address !== undefined, hot.err);
  const { code, out } = trivisor(["explain", BARE, "--append", "workload=callret n=2000", "--at", address!, "--modes", "native,dbt"]);
  assert.is(code, 0);
  assert.ok(out.startsWith(address!.slice(2)) || out.startsWith(`0${address!.slice(2)}`), out.slice(0, 80));
  assert.not.match(out, /CLASSIC/);
});

test("a Xen kernel is shown in mode paravirt", () => {
  const { code, out } = trivisor(["explain", XEN]);
  assert.is(code, 0);
  assert.match(out, /PARAVIRT/);
});

test("an address that is never reached is one line and exit code 2", () => {
  const { code, err } = trivisor(["explain", BARE, "--at", "0xdead0000", "--max-instructions", "200000", "--modes", "native"]);
  assert.is(code, 2);
  assert.match(err, /^trivisor: [^\n]+0xdead0000[^\n]+\n$/);
});

test.run();
