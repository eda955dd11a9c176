#!/usr/bin/env node
/**
 * Boots the same Linux with the same initramfs and memory in trivisor (mode native) and in v86, one after the other, until
 * guest/linux/script.sh has come to its end, and prints for each the time that passed, the processor time it took, and
 * the memory above the guest's own at its height.
 *   node guest/linux/versus.mjs [--runs N] [--kernel 686] [--memory 128] [--only trivisor|v86] [--cli FILE] [--json]
 * After guest/linux/fetch.sh and a build. v86 0.5.462 comes from the npm registry, its BIOS from Debian (apt-get install seabios).
 * Linux only: processor time and memory are read from /proc.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "1" }, kernel: { type: "string", default: "686" }, memory: { type: "string", default: "128" },
    only: { type: "string" }, cli: { type: "string", default: fileURLToPath(new URL("../../cli/trivisor.js", import.meta.url)) },
    json: { type: "boolean", default: false },
  },
});
const FOLDER = process.env.TRIVISOR_LINUX ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "trivisor/linux");
const KERNEL = join(FOLDER, `vmlinuz-${options.kernel}`), INITRD = join(FOLDER, `initrd-${options.kernel}.gz`);
const COMMAND_LINE = "console=ttyS0", END = "--- script ends";
const MEMORY = Number(options.memory);
/** Clock ticks a second of /proc's processor times (USER_HZ). */
const TICKS = 100;

/** Processor seconds a process has used, all of its threads together, and its largest resident size in MiB. */
function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /, "").split(" ");
  const peak = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return { user: Number(fields[11]) / TICKS, system: Number(fields[12]) / TICKS, mebibytes: Number(peak[1]) / 1024 };
}

/** Runs node with `args` until the script's last line is on its output; gives seconds and memory, undefined when it never is. */
function time(args) {
  return new Promise((done) => {
    const begun = performance.now();
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "", result;
    child.stdout.on("data", (chunk) => {
      output += chunk.toString("latin1");
      if (result || !output.includes(END)) return;
      const { user, system, mebibytes } = usage(child.pid);
      result = { seconds: (performance.now() - begun) / 1000, processor: user + system, above: mebibytes - MEMORY };
      child.kill("SIGKILL");
    });
    child.on("close", () => done(result));
  });
}

const trivisor = () => time([options.cli, "run", KERNEL, "--memory", `${MEMORY}`, "--initrd", INITRD, "--append", COMMAND_LINE]);

function v86() {
  const home = join(tmpdir(), "trivisor-speed");
  if (!existsSync(join(home, "node_modules/v86"))) {
    mkdirSync(home, { recursive: true });
    spawnSync("npm", ["install", "--no-save", "--silent", "--prefix", home, "v86@0.5.462"], { stdio: "inherit" });
  }
  const script = join(home, "linux.mjs");
  writeFileSync(script, `
    import { V86 } from "v86"; import { readFileSync } from "node:fs";
    const file = (f) => { const b = readFileSync(f); return { buffer: b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength) }; };
    const vm = new V86({ wasm_path: ${JSON.stringify(join(home, "node_modules/v86/build/v86.wasm"))},
      bios: file("/usr/share/seabios/bios.bin"), vga_bios: file("/usr/share/seabios/vgabios-stdvga.bin"),
      bzimage: file(process.argv[2]), initrd: file(process.argv[3]), cmdline: ${JSON.stringify(COMMAND_LINE)},
      memory_size: ${MEMORY} << 20, autostart: true, disable_speaker: true });
    vm.add_listener("serial0-output-byte", (b) => process.stdout.write(String.fromCharCode(b)));`);
  return time([script, KERNEL, INITRD]);
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const runs = { trivisor: [], v86: [] };
for (let run = 0; run < Number(options.runs); run++) {
  for (const [name, boot] of Object.entries({ trivisor, v86 })) {
    if (options.only !== undefined && options.only !== name) continue;
    const result = await boot();
    if (result === undefined) throw new Error(`${name} did not come to the script's end`);
    runs[name].push(result);
    if (!options.json) console.log(`${name.padEnd(9)} ${result.seconds.toFixed(1).padStart(6)} s  ${result.processor.toFixed(1).padStart(6)} s of processor time  ${result.above.toFixed(0).padStart(5)} MiB above the guest's`);
  }
}
const summary = Object.fromEntries(Object.entries(runs).filter(([, all]) => all.length !== 0)
  .map(([name, all]) => [name, Object.fromEntries(["seconds", "processor", "above"].map((key) => [key, median(all.map((one) => one[key]))]))]));
if (options.json) console.log(JSON.stringify({ runs, summary }, null, 1));
else if (summary.trivisor && summary.v86) {
  const ratio = (key) => (summary.v86[key] / summary.trivisor[key]).toFixed(2);
  console.log(`medians: ${ratio("seconds")}x v86's speed by the clock, ${ratio("processor")}x by processor time`);
}
