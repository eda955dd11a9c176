import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { csv } from "../../bench/figures/chart.js";
import { calibrationTables, cyclesOf, findCell, fittedCells, takenOver, targetOf } from "../../bench/figures/calibration.js";
import { explainMiss } from "../../bench/figures/explain.js";
import { chooseFigures, FIGURE_IDS, makeFigures } from "../../bench/figures/figures.js";
import { formatFigures } from "../../bench/figures/format.js";
import { statistics, toJson } from "../../bench/figures/model.js";
import { publication } from "../../bench/figures/published.js";
import { codeLines, committedPorting, countPorting } from "../../bench/figures/porting.js";
import { profileNames } from "../../vm/profiles.js";
import { loadProfile, UsageError } from "../../index.js";
import { Scratch, trivisor } from "../cli/command.js";

const test = suite("figures: tables");
const tables = await makeFigures(["asplos06-nano", "asplos06-forkwait", "sosp03-table2"]);
const cell = (id: string, mode: string, column: string) => tables.find((table) => table.id === id)!.cells.find((one) => one.mode === mode && one.column === column)!;

test("two runs give the same bytes", async () => {
  assert.is(JSON.stringify(toJson(await makeFigures(["sosp03-table2", "asplos06-forkwait", "asplos06-nano"]))), JSON.stringify(toJson(tables)));
});

test("the JSON has the fixed shape", () => {
  const json = JSON.parse(JSON.stringify(toJson(tables))) as { schema: string; tables: { id: string; cells: Record<string, unknown>[] }[] };
  assert.is(json.schema, "trivisor/figures@1");
  assert.equal(json.tables.map(({ id }) => id), ["sosp03-table2", "asplos06-nano", "asplos06-forkwait"]);
  for (const { cells } of json.tables) for (const one of cells) assert.equal(Object.keys(one), ["mode", "column", "published", "ours", "ratioPublished", "ratioOurs", "error", "status"]);
});

test("a calibrated nanobenchmark gives the value that it was fitted to", () => {
  for (const { published, ours, status, column, mode } of tables.find(({ id }) => id === "asplos06-nano")!.cells) {
    if (status === "calibrated") assert.ok(Math.abs(ours! / published! - 1) < 0.01, `${column} in ${mode}: ${ours} for ${published}`);
  }
});

const profiles = profileNames().map((name) => loadProfile(name));

test("a constant that was fitted gives its cell what it was fitted to", async () => {
  const fitted = profiles.map((profile) => ({ profile, cells: fittedCells(profile) }));
  const measured = await calibrationTables(profiles);
  for (const { profile, cells } of fitted) {
    for (const { cell, events } of cells) {
      const found = findCell(measured, cell);
      assert.ok(found?.bar && found.published !== null, `${profile.name}: ${events.join(", ")}: ${cell} is there`);
      const target = targetOf(cell, measured, profile), ours = cyclesOf(found.bar, profile);
      assert.ok(Math.abs(ours - target) < 0.01 * target + 2, `${profile.name}: ${cell}: ${ours} cycles, not ${target}: node dist/bench/figures/calibrate.js fits it anew`);
    }
  }
});

test("a constant that was taken over is what it was taken from", () => {
  for (const profile of profiles) {
    for (const [event, cost] of Object.entries(profile.costs)) {
      if (cost.as === undefined) continue;
      assert.ok(Math.abs(cost.cycles - takenOver(cost, profile, loadProfile)) <= 1.5, `${profile.name}: ${event}`);
    }
  }
});

test("every predicted nanobenchmark is within a factor of two and in the right order", () => {
  const { predictions, within2x, pairs, ordered } = statistics(tables.find(({ id }) => id === "asplos06-nano")!.cells);
  assert.is(within2x, predictions);
  assert.is(ordered, pairs);
  assert.ok(predictions >= 6 && pairs >= 17);
});

test("forks are dearest on shadow page tables that exits keep true", () => {
  const times = ["native", "hvm", "dbt", "hvm-shadow"].map((mode) => cell("asplos06-forkwait", mode, "forkwait").ours!);
  assert.equal([...times].sort((a, b) => a - b), times);
});

test("a stand-in is marked where its column is printed, and says what it is", () => {
  const nano = tables.find(({ id }) => id === "asplos06-nano")!;
  assert.equal(Object.keys(nano.standIns!), ["cr8wr"]);
  assert.equal([...new Set(nano.cells.map(({ column }) => column))], publication("asplos06").tables["nanobenchmarks"]!.columns);
  assert.match(formatFigures(tables), /^ {2}cr8wr †\s+native/m);
  assert.match(formatFigures(tables), /† cr8wr: CR8 is 64-bit mode's/);
  assert.match(csv(nano), /^cr8wr,dbt,35,.*LOCK MOV CR0/m);
});

test("an error is explained in one sentence from the cell's own events", () => {
  const table = tables.find(({ id }) => id === "asplos06-nano")!;
  const text = explainMiss(table, cell("asplos06-nano", "hvm-shadow", "pgfault"));
  assert.match(text, /^pgfault in hvm-shadow: \d+% too little .* most of what it adds is VM exits \(\d+% of its cycles\), and .*\.$/);
  assert.not.match(formatFigures(tables), /undefined|NaN|Infinity/);
});

test("a rate that is too high is explained as too fast, a time that is too long as too slow", () => {
  const table = tables.find(({ id }) => id === "asplos06-nano")!, slow = { ...cell("asplos06-nano", "hvm-shadow", "pgfault"), error: 0.5 };
  const [asTime, asRate] = [explainMiss(table, slow), explainMiss({ ...table, higherIsBetter: true }, slow)];
  assert.match(asTime, /charged in full/);
  assert.match(asRate, /not the monitor's own instructions/);
});

test("names are checked before anything runs", () => {
  assert.throws(() => chooseFigures(["sosp03-table9"]), (e: unknown) => e instanceof UsageError && e.message.includes("sosp03-table9"));
  assert.equal(chooseFigures(["popek-goldberg", "sosp03-table3"]), ["sosp03-table3", "popek-goldberg"]);
  assert.equal(chooseFigures([]), FIGURE_IDS);
});

test("the command prints the table, writes what it is told to, and refuses what it does not know in one line", () => {
  const scratch = new Scratch();
  const ended = trivisor(["figures", "sosp03-table2", "--json", scratch.path("f.json"), "--report", scratch.path("report")]);
  assert.is(ended.code, 0, ended.err);
  assert.match(ended.out, /^sosp03-table2: cost of porting/);
  assert.is((JSON.parse(readFileSync(scratch.path("f.json"), "utf8")) as { schema: string }).schema, "trivisor/figures@1");
  assert.equal(readdirSync(scratch.path("report")).sort(), ["index.html", "sosp03-table2.csv"]);
  for (const wrong of [["figures", "no-such"], ["figures", "--json", "/no/such/folder/f.json", "sosp03-table2"]]) {
    const { code, err } = trivisor(wrong);
    assert.is(code, 2);
    assert.match(err, /^trivisor: [^\n]+\n$/);
  }
  scratch.remove();
});

test("the committed count of lines is the sources'", () => {
  const counted = countPorting();
  if (counted) assert.equal(committedPorting(), counted, "node dist/bench/figures/count-lines.js writes it anew");
  assert.equal(codeLines("a;\n\n/* one\n two */\nb; /* c */\n  // d\n"), ["a;", "b; "]);
});

test.run();
