import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exitWith, tinyImage } from "../vm/tiny-image.js";
import { BARE, Scratch, trivisor, XEN } from "./command.js";

const test = suite("what users get wrong");
const scratch = new Scratch();
test.after(() => scratch.remove());
const good = scratch.file("good.bin", tinyImage(exitWith(0)));
const root = process.getuid?.() === 0;

function elfWith(change: (bytes: Uint8Array) => Uint8Array | void): Uint8Array {
  const bytes = new Uint8Array(readFileSync(BARE));
  return change(bytes) ?? bytes;
}

/** Arguments, and what the one line on stderr must speak of. */
const CASES: readonly (readonly [string, () => string[], RegExp])[] = [
  ["no image", () => ["run"], /image/],
  ["an image that is not there", () => ["run", scratch.path("none")], /does not exist/],
  ["a directory", () => ["run", scratch.folder], /directory/],
  ["an empty file", () => ["run", scratch.file("empty", "")], /empty/],
  ["no image at all", () => ["run", scratch.file("text", "hello, world\n".repeat(99))], /not a kernel/],
  ["a truncated ELF", () => ["run", scratch.file("short.elf", elfWith((bytes) => bytes.slice(0, 3000)))], /truncated/],
  ["a truncated ELF header", () => ["run", scratch.file("head.elf", elfWith((bytes) => bytes.slice(0, 20)))], /truncated/],
  ["an ELF for another machine", () => ["run", scratch.file("arm.elf", elfWith((bytes) => { bytes[18] = 40; }))], /machine 40/],
  ["a 64-bit ELF", () => ["run", scratch.file("long.elf", elfWith((bytes) => { bytes[4] = 2; }))], /64-bit/],
  ["an image larger than memory", () => ["run", BARE, "--memory", "4", "--initrd", scratch.file("big", new Uint8Array(5 << 20))], /memory/],
  ["an unknown mode", () => ["run", good, "--mode", "kvm"], /unknown mode 'kvm'.*native/],
  ["a PC kernel in paravirt", () => ["run", good, "--mode", "paravirt"], /ported to Xen/],
  ["a Xen kernel on a PC", () => ["run", XEN], /Multiboot/],
  ["memory that is no number", () => ["run", good, "--memory", "lots"], /--memory/],
  ["too little memory", () => ["run", good, "--memory", "1"], /memory/],
  ["an unknown mmu", () => ["run", good, "--mode", "hvm", "--mmu", "npt"], /mmu/],
  ["an mmu without hvm", () => ["run", good, "--mmu", "shadow"], /hvm/],
  ["an unknown network", () => ["run", good, "--nic", "tap"], /unknown nic 'tap'.*user/],
  ["paravirtual drivers without hvm", () => ["run", good, "--pv-drivers"], /hvm/],
  ["an unknown profile", () => ["run", good, "--profile", "cray-1"], /unknown profile 'cray-1'.*xeon-2003/],
  ["a profile that is no JSON", () => ["run", good, "--profile", scratch.file("bad.json", "{")], /profile/],
  ["a profile without sources", () => ["run", good, "--profile", scratch.file("thin.json", '{"schema":"trivisor/profile@1","name":"x","title":"x","hz":1}')], /cyclesPerInstruction/],
  ["a disk that is not there", () => ["run", good, "--disk", scratch.path("none.img")], /does not exist/],
  ["a disk that is a directory", () => ["run", good, "--disk", scratch.folder], /directory/],
  ["statistics that cannot be written", () => ["run", good, "--stats", scratch.path("no/such/folder/x.json")], /cannot be written/],
  ["an initrd that is not there", () => ["run", good, "--initrd", scratch.path("none")], /does not exist/],
  ["a timeout of nothing", () => ["run", good, "--timeout", "0"], /--timeout/],
  ["an unknown option", () => ["run", good, "--sound"], /--sound/],
  ["two images", () => ["run", good, good], /argument/],
  ["an unknown verb", () => ["walk"], /walk/],
  ["an unknown workload", () => ["compare", "quake"], /unknown workload 'quake'.*syscall/],
  ["an unknown mode to compare", () => ["compare", "--modes", "native,kvm"], /unknown mode 'kvm'/],
  ["no modes to compare", () => ["compare", "--modes", ","], /no modes/],
  ["a bench that is none", () => ["bench", "quake"], /quake/],
  ["a baseline that is none", () => ["bench", "decoder", "--baseline", good], /baseline/],
  ["a report in a file", () => ["compare", "syscall", "--report", good], /cannot be made/],
  ["a comparison that cannot be written", () => ["compare", "syscall", "--json", scratch.folder], /directory/],
];

for (const [name, args, message] of CASES) {
  test(`${name}: one line, code 2`, () => {
    const { code, out, err } = trivisor(args());
    assert.is(code, 2, err);
    assert.is(out, "");
    assert.match(err, /^trivisor: [^\n]+\n$/);
    assert.match(err, message);
    assert.not.match(err, /internal error|undefined|\bat .*\.js/);
  });
}

test("a read-only disk: one line, code 2", () => {
  const disk = scratch.file("ro.img", new Uint8Array(1 << 20));
  chmodSync(disk, 0o444);
  const { code, err } = trivisor(["run", good, "--disk", disk]);
  // Root may write to it all the same.
  assert.is(code, root ? 0 : 2);
  if (!root) assert.match(err, /^trivisor: disk .*permission denied\n$/);
});

test("nothing is written before the options are known to be good", () => {
  mkdirSync(scratch.path("reports"));
  trivisor(["run", scratch.path("none"), "--stats", scratch.path("reports/never.json")]);
  assert.throws(() => readFileSync(scratch.path("reports/never.json")));
});

test("the version comes at once", () => {
  const began = performance.now();
  const { code, out } = trivisor(["--version"]);
  assert.is(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
  assert.ok(performance.now() - began < 1000); // 0.1 s on an idle machine
});

test("help names every verb", () => {
  const { code, out } = trivisor(["--help"]);
  assert.is(code, 0);
  for (const verb of ["run", "compare", "explain", "bench"]) assert.match(out, new RegExp(`^ {2}${verb} `, "m"));
});

test("a reader that leaves early is no error", () => {
  const { status, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" cli/trivisor.js compare --list | head -1`], { encoding: "utf8" });
  assert.is(status, 0);
  assert.is(stderr, "");
});

test.run();
