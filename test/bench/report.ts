import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compare } from "../../bench/compare.js";
import { renderReport } from "../../bench/report/report.js";
import { loadProfile, MODES } from "../../index.js";
import { Scratch } from "../cli/command.js";

const test = suite("report");
const scratch = new Scratch();
test.after(() => scratch.remove());
const profile = loadProfile();
const html = renderReport(await compare({ workloads: ["syscall", "forkwait"], profile }), profile);
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

test("one file that asks for nothing else", () => {
  assert.not.match(html, /(src|href)="(?!#|data:,)/);
  assert.not.match(html, /@import|url\(/);
  assert.match(html, /^<!doctype html>/);
});

test("every cell of the table opens into its events", () => {
  for (const name of ["syscall", "forkwait"]) {
    for (const mode of MODES) {
      assert.ok(html.includes(`href="#${name}.${mode}"`), `link to ${name} in ${mode}`);
      assert.ok(html.includes(`id="${name}.${mode}"`), `details of ${name} in ${mode}`);
    }
  }
});

test("nothing undefined, unescaped or without a number is shown", () => {
  const text = html.replace(/<(style|script)>.*?<\/\1>/gs, "");
  assert.not.match(text, /undefined|NaN|Infinity|\[object/);
});

test("the same comparison gives the same page", async () => {
  assert.is(renderReport(await compare({ workloads: ["syscall", "forkwait"], profile }), profile), html);
});

/** Opens every cell, then tells of errors and of what is wider than the window. */
const PROBE = `<script>
const errors = []; addEventListener("error", (event) => errors.push(event.message));
addEventListener("load", () => {
  for (const cell of document.querySelectorAll("details")) { cell.removeAttribute("name"); cell.open = true; }
  const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
  document.body.innerHTML = "<pre>" + JSON.stringify({ errors, inner: document.documentElement.clientWidth, scroll: document.documentElement.scrollWidth, wide: wide.map((e) => e.className || e.tagName) }) + "</pre>";
});</script>`;

for (const width of [1280, 400]) {
  test(`in a browser ${width} pixels wide nothing overflows and nothing fails`, () => {
    if (CHROMIUM === undefined) return;
    // Chromium has no window narrower than 500: the page goes into a frame of the width that is meant.
    const page = scratch.path(`page-${width}.html`), frame = scratch.path(`frame-${width}.html`);
    writeFileSync(page, html.replace("<head>", `<head>${PROBE}`));
    writeFileSync(frame, `<iframe src="page-${width}.html" style="width:${width}px;height:900px;border:0"></iframe><script>
      addEventListener("load", () => setTimeout(() => { document.title = document.querySelector("iframe").contentDocument.body.innerText; }, 200));</script>`);
    const { stdout } = spawnSync(CHROMIUM, ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--window-size=1400,1000",
      "--virtual-time-budget=5000", "--dump-dom", `file://${frame}`], { encoding: "utf8", timeout: 60_000 });
    const found = JSON.parse(/<title>(.*?)<\/title>/s.exec(stdout)?.[1]?.replace(/&quot;/g, '"') ?? "{}") as { errors: string[]; inner: number; scroll: number; wide: string[] };
    assert.equal(found.errors, []);
    assert.equal(found.wide, []);
    assert.ok(found.inner > width - 20 && found.scroll <= found.inner, JSON.stringify(found));
  });
}

test.run();
