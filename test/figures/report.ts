import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeFigures } from "../../bench/figures/figures.js";
import { statistics } from "../../bench/figures/model.js";
import { reportFiles } from "../../bench/figures/report.js";
import { ResultCache } from "../../bench/figures/result-cache.js";
import { Scratch } from "../cli/command.js";

const test = suite("figures: report");
const scratch = new Scratch();
test.after(() => scratch.remove());
// Results are kept beside the scratch folders, so that only what has changed is run again.
const tables = await makeFigures([], { cache: new ResultCache(join(tmpdir(), "trivisor-test-figures"), () => {}) });
const { page, files } = reportFiles(tables);
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

test("one file that asks for nothing else, with nothing undefined in it", () => {
  assert.not.match(page, /(src|href)="(?!#|data:,)/);
  assert.not.match(page, /@import|url\(/);
  // "undefined" with its #UD is what such an instruction did.
  assert.not.match(page.replace(/<style>.*?<\/style>/gs, "").replace(/undefined<small>#UD|\(undefined, not/g, ""), /undefined|NaN|Infinity|\[object/);
});

test("each table has its numbers as CSV, each chart is a file of its own", () => {
  for (const { id, cells, chart } of tables) {
    const csv = files.find(([name]) => name === `${id}.csv`)![1];
    assert.is(csv.trimEnd().split("\n").length, cells.length + 1, id);
    const svg = files.find(([name]) => name === `${id}.svg`);
    assert.is(svg !== undefined, chart !== "none", id);
    if (svg) {
      assert.match(svg[1], /^<svg [^>]*xmlns=/);
      assert.not.match(svg[1], /NaN|undefined/);
    }
  }
});

test("every program ran in every mode that a table asks for", () => {
  for (const { id, cells } of tables) for (const cell of cells) assert.is(cell.failed, undefined, `${id}: ${cell.column} in ${cell.mode}`);
});

test("figure 3: each application in each mode, native is 1, nothing fitted, every ordering the original's", () => {
  const { cells } = tables.find(({ id }) => id === "sosp03-figure3")!;
  assert.is(cells.length, 6 * 4);
  for (const { mode, ratioOurs, status } of cells) {
    assert.is(status, "predicted");
    if (mode === "native") assert.is(ratioOurs, 1);
  }
  const { pairs, ordered } = statistics(cells);
  assert.ok(pairs >= 10);
  assert.is(ordered, pairs);
});

test("figure 3's build is a time, and its bar native's time by the mode's", () => {
  const build = tables.find(({ id }) => id === "sosp03-figure3")!.cells.filter(({ column }) => column.startsWith("Linux build"));
  const of = (mode: string) => build.find((cell) => cell.mode === mode)!;
  assert.is(of("dbt").published, 334);
  assert.ok(Math.abs(of("dbt").ratioPublished! - 263 / 334) < 1e-9);
  assert.ok(Math.abs(of("dbt").ratioOurs! - of("native").ours! / of("dbt").ours!) < 1e-9);
});

test("PV drivers on hvm: the slide's order, the emulated card far below them and they below the ported guest", () => {
  const { cells, notes } = tables.find(({ id }) => id === "pv-on-hvm")!;
  for (const column of ["TX", "RX"]) {
    const [emulated, ring, ported] = ["hvm", "hvm-pv", "paravirt"].map((mode) => cells.find((cell) => cell.mode === mode && cell.column === column)!.ours!);
    assert.ok(emulated! * 2 < ring! && ring! < ported! * 1.01 && ring! > ported! / 2, column);
    assert.ok(notes.some((note) => note.startsWith(`${column}: `) && note.includes("far below holds")));
  }
});

const PROBE = `<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("load", () => {
  for (const cell of document.querySelectorAll("details")) { cell.removeAttribute("name"); cell.open = true; }
  const inside = (e) => e.closest(".scroll, pre");
  const wide = [...document.querySelectorAll("body *")].filter((e) => !inside(e.parentElement) && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
  document.body.innerHTML = "<pre>" + JSON.stringify({ errors, inner: document.documentElement.clientWidth, scroll: document.documentElement.scrollWidth, wide: wide.map((e) => e.className || e.tagName) }) + "</pre>";
});</script>`;

for (const width of [1280, 400]) {
  test(`in a browser ${width} pixels wide nothing overflows and nothing fails`, () => {
    if (CHROMIUM === undefined) return void process.stdout.write("skipped: there is no Chromium\n");
    const inner = scratch.path(`page-${width}.html`), frame = scratch.path(`frame-${width}.html`);
    writeFileSync(inner, page.replace("<head>", `<head>${PROBE}`));
    writeFileSync(frame, `<iframe src="page-${width}.html" style="width:${width}px;height:900px;border:0"></iframe><script>
      addEventListener("load", () => setTimeout(() => { document.title = document.querySelector("iframe").contentDocument.body.innerText; }, 300));</script>`);
    const { stdout } = spawnSync(CHROMIUM, ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--window-size=1400,1000",
      "--virtual-time-budget=5000", "--dump-dom", `file://${frame}`], { encoding: "utf8", timeout: 60_000 });
    const found = JSON.parse(/<title>(.*?)<\/title>/s.exec(stdout)?.[1]?.replace(/&quot;/g, '"') ?? "{}") as { errors: string[]; inner: number; scroll: number; wide: string[] };
    assert.equal(found.errors, []);
    assert.equal(found.wide, []);
    assert.ok(found.inner > width - 20 && found.scroll <= found.inner, JSON.stringify(found));
  });
}

/** Width, height and how many different bytes a PNG's picture has; rows of one colour alone are a blank page. */
function picture(path: string): { width: number; height: number; colours: number } {
  const png = readFileSync(path), parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const raw = inflateSync(Buffer.concat(parts));
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20), colours: new Set(raw).size };
}

for (const width of [1280, 400]) {
  test(`a screenshot ${width} pixels wide shows the report with a bar of each table open, and the console has nothing to say`, () => {
    if (CHROMIUM === undefined) return void process.stdout.write("skipped: there is no Chromium\n");
    const opened = page.replace(/<details class="all">/g, `<details class="all" open>`).replace(/(<div class="bars">.*?)<details class="cell/gs, `$1<details open class="cell`);
    const file = scratch.path(`open-${width}.html`), shot = scratch.path(`shot-${width}.png`), height = 12_000;
    writeFileSync(file, opened);
    const { stderr } = spawnSync(CHROMIUM, ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1", "--enable-logging=stderr",
      `--window-size=${width},${height}`, `--screenshot=${shot}`, `file://${file}`], { encoding: "utf8", timeout: 60_000 });
    assert.not.match(stderr, /CONSOLE/);
    const seen = picture(shot);
    assert.equal([seen.width, seen.height], [width, height]);
    assert.ok(seen.colours > 100, `${seen.colours} colours`);
  });
}

test.run();
