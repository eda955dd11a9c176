import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MODES, type VmStats } from "../../index.js";
import { echo, exitWith, LOOP, say, tinyImage, TRIPLE_FAULT } from "../vm/tiny-image.js";
import { BARE, Scratch, trivisor, XEN } from "./command.js";

const test = suite("trivisor run");
const scratch = new Scratch();
test.after(() => scratch.remove());

for (const mode of MODES) {
  test(`${mode}: the workload's line is all of stdout`, () => {
    const { code, out, err } = trivisor(["run", mode === "paravirt" ? XEN : BARE, "--mode", mode, "--append", "workload=syscall n=100"]);
    assert.is(code, 0);
    if (mode !== "classic") assert.match(out, /^syscall \d+ [0-9a-f]{8}\n$/);
    assert.is(err, "");
  });
}

test("COM1 is stdin and stdout, byte for byte", () => {
  const image = scratch.file("echo.bin", tinyImage([...say("\0\x80ready\n"), ...echo(5), ...exitWith(0)]));
  const { code, out } = trivisor(["run", image], Uint8Array.of(0, 255, 13, 10, 128));
  assert.is(code, 0);
  assert.is(out, "\0\x80ready\n\0\xff\r\n\x80");
});

test("a file on stdin gives the same run each time", () => {
  const image = scratch.file("echo2.bin", tinyImage([...echo(3), ...exitWith(0)]));
  const stats = [1, 2].map((n) => {
    const path = scratch.path(`stats${n}.json`);
    assert.is(trivisor(["run", image, "--stats", path], "abc").code, 0);
    return readFileSync(path, "utf8");
  });
  assert.ok(stats[0] !== "");
});

test("the guest's exit code is the program's", () => {
  assert.is(trivisor(["run", scratch.file("exit.bin", tinyImage(exitWith(42)))]).code, 42);
});

test("port 0xe9 goes to stderr", () => {
  const { out, err } = trivisor(["run", scratch.file("debug.bin", tinyImage([0xb0, 0x41, 0xe6, 0xe9, ...exitWith(0)]))]);
  assert.is(out, "");
  assert.is(err, "A");
});

test("a crash is code 3, with the registers on stderr", () => {
  const { code, out, err } = trivisor(["run", scratch.file("crash.bin", tinyImage([...say("so far"), ...TRIPLE_FAULT]))]);
  assert.is(code, 3);
  assert.is(out, "so far");
  assert.match(err, /^trivisor: the guest crashed: .*\neax [0-9a-f]{8} /);
  assert.not.match(err, /\bat .*\.js/);
});

test("limits are code 4", () => {
  const image = scratch.file("loop.bin", tinyImage(LOOP));
  const counted = trivisor(["run", image, "--max-instructions", "100000", "--stats", scratch.path("loop.json")]);
  assert.is(counted.code, 4);
  assert.match(counted.err, /^trivisor: stopped after 100000 instructions[^\n]*\n$/);
  assert.is((JSON.parse(readFileSync(scratch.path("loop.json"), "utf8")) as VmStats).instructions, 100_000);
  const timed = trivisor(["run", image, "--timeout", "0.3"]);
  assert.is(timed.code, 4);
  assert.match(timed.err, /^trivisor: stopped after 0.3 s[^\n]*\n$/);
});

test("two runs write the same bytes of statistics", () => {
  const texts = ["a", "b"].map((name) => {
    const path = scratch.path(`${name}.json`);
    trivisor(["run", BARE, "--mode", "dbt", "--append", "workload=forkwait n=5", "--stats", path]);
    return readFileSync(path, "utf8");
  });
  assert.is(texts[0], texts[1]);
  const stats = JSON.parse(texts[0]!) as VmStats;
  assert.is(stats.schema, "trivisor/stats@1");
  assert.is(stats.mode, "dbt");
  assert.is(stats.profile, "xeon-2003");
  assert.ok(stats.instructions > 0 && stats.cycles > stats.instructions && Object.keys(stats.events).length > 10);
});

test("a disk keeps what the guest wrote", () => {
  const disk = scratch.file("disk.img", new Uint8Array(8 << 20));
  const { code, out } = trivisor(["run", BARE, "--disk", disk, "--append", "workload=disk n=64"]);
  assert.is(code, 0);
  assert.match(out, /^disk \d+ [0-9a-f]{8}\n$/);
  assert.ok(readFileSync(disk).some((byte) => byte !== 0));
});

test("a QEMU command line works as it stands", () => {
  const { code, out } = trivisor(["run", "-m", "32", "-kernel", BARE, "-append", "workload=portin n=100", "-nographic", "-no-reboot", "-serial", "stdio"]);
  assert.is(code, 0);
  assert.match(out, /^portin /);
});

test("virtual time keeps to the host's with --realtime", () => {
  // Waits for some 0.4 virtual seconds: 2.4 GHz, 1.4 cycles an instruction, a loop of two.
  const image = scratch.file("wait.bin", tinyImage([0xb9, 0x00, 0x00, 0x80, 0x14, 0x49, 0x75, 0xfd, ...exitWith(0)]));
  const began = performance.now();
  assert.is(trivisor(["run", image, "--realtime"]).code, 0);
  assert.ok(performance.now() - began > 350);
});

test("without code generation from strings everything still runs", () => {
  const args = ["run", BARE, "--append", "workload=syscall n=3000", "--stats"];
  assert.is(trivisor([...args, scratch.path("jit.json")]).code, 0);
  assert.is(trivisor([...args, scratch.path("nojit.json")], "", ["--disallow-code-generation-from-strings"]).code, 0);
  assert.is(readFileSync(scratch.path("nojit.json"), "utf8"), readFileSync(scratch.path("jit.json"), "utf8"));
});

test.run();
