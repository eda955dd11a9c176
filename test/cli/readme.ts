import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MODES } from "../../index.js";
import { WORKLOADS } from "../../bench/workloads.js";

const test = suite("README");
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const readme = readFileSync(`${ROOT}README.md`, "utf8");

test("the example of embedding runs as it stands", () => {
  const example = /```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  assert.ok(example.trimEnd().split("\n").length <= 16);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-"], { cwd: ROOT, input: example, encoding: "utf8", timeout: 60_000 });
  assert.is(status, 0, stderr);
  assert.match(stdout, /^at [0-9a-f]+ Uint8Array\(4\)/m);
  assert.match(stdout, /^guest: forkwait \d+ [0-9a-f]{8}$/m);
  assert.match(stdout, /^exit 0 vmexit\.\S+/m);
  assert.match(stdout, /^events cost cycles$/m);
});

test("the table has every workload and every mode", () => {
  for (const { name } of WORKLOADS) assert.match(readme, new RegExp(`^\\| \`${name}\` \\|`, "m"));
  for (const mode of MODES) assert.match(readme, new RegExp(`^\\| \`${mode}\` \\|`, "m"));
});

test("what it links to is there", () => {
  for (const [, path] of readme.matchAll(/\]\(([^)#]+)\)/g)) assert.ok(existsSync(ROOT + path), path);
});

test.run();
