/**
 * Boots Debian 12's two 32-bit kernels, unmodified, with guest/linux/script.sh as their work, in every mode that runs an
 * unmodified guest; the script's output has to be the same in all. Then two guests that ping each other.
 *   node dist/test/linux/boot.js [WORD...]     only the cases whose name holds one of the words
 * Not a uvu suite, so that `npm test` does not need a package mirror: `npm run test:linux` runs it, and it says so when the
 * kernels cannot be had.
 */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NetworkHub } from "../../hypervisor/devices/network-hub.js";
import type { VmOptions } from "../../vm/options.js";
import { createVm, type Vm } from "../../vm/vm.js";

const FETCH = fileURLToPath(new URL("../../../guest/linux/fetch.sh", import.meta.url));
const FOLDER = process.env["TRIVISOR_LINUX"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "trivisor/linux");
const UNAVAILABLE = 3;
const MEMORY = 128, DISK_BYTES = 16 << 20;
const BEGINS = "--- script begins", ENDS = "--- script ends";
/** Instructions that one of two machines runs before it is the other's turn. */
const TURN = 500_000;

type Kernel = "686" | "686-pae";
interface Case { readonly name: string; readonly kernel: Kernel; readonly options: Partial<VmOptions> }

const CASES: readonly Case[] = [
  { name: "native 686", kernel: "686", options: { mode: "native" } },
  { name: "native 686-pae", kernel: "686-pae", options: { mode: "native" } },
  { name: "hvm ept 686", kernel: "686", options: { mode: "hvm", mmu: "ept" } },
  { name: "hvm shadow 686", kernel: "686", options: { mode: "hvm", mmu: "shadow" } },
  { name: "dbt 686", kernel: "686", options: { mode: "dbt" } },
  { name: "hvm ept 686-pae", kernel: "686-pae", options: { mode: "hvm", mmu: "ept" } },
  { name: "hvm shadow 686-pae", kernel: "686-pae", options: { mode: "hvm", mmu: "shadow" } },
  { name: "dbt 686-pae", kernel: "686-pae", options: { mode: "dbt" } },
];

/** A machine with its serial output. */
function boot(kernel: Kernel, options: Partial<VmOptions>): { vm: Vm; output: () => string } {
  const bytes: number[] = [];
  const vm = createVm({
    image: join(FOLDER, `vmlinuz-${kernel}`), initrd: join(FOLDER, `initrd-${kernel}.gz`), memory: MEMORY, append: "quiet console=ttyS0", ...options,
  }, { serialByte: byte => bytes.push(byte) });
  return { vm, output: () => Buffer.from(bytes).toString("latin1").replaceAll("\r", "") };
}

/** What the script printed, or undefined when it did not get to its end. */
function scriptOutput(output: string): string | undefined {
  const begin = output.indexOf(BEGINS), end = output.indexOf(ENDS);
  return begin >= 0 && end > begin ? output.slice(begin + BEGINS.length + 1, end) : undefined;
}

function runCase({ kernel, options }: Case, expected: string | undefined): { problem?: string; script?: string } {
  const { vm, output } = boot(kernel, { ...options, disks: [new Uint8Array(DISK_BYTES)] });
  const outcome = vm.run();
  const script = scriptOutput(output());
  if (outcome.reason !== "exit" || outcome.code !== 0) return { problem: `ended with ${JSON.stringify(outcome)}\n${output().slice(-2000)}` };
  if (script === undefined) return { problem: `the script did not end\n${output().slice(-2000)}` };
  if (expected !== undefined && script !== expected) return { problem: `the script printed\n${script}instead of\n${expected}` };
  return { script };
}

/** Two guests on one hub, each pinging the other. */
function runPing(): string | undefined {
  const hub = new NetworkHub();
  const guests = [1, 2].map(own => boot("686", {
    append: `quiet console=ttyS0 address=10.0.0.${own} peer=10.0.0.${3 - own}`, network: { hub, mac: [0x52, 0x54, 0, 0, 0, own] },
  }));
  const ended = (vm: Vm): boolean => !["limit", "stopped", "idle"].includes(vm.run({ instructions: TURN }).reason);
  for (let running = guests; running.length !== 0;) running = running.filter(({ vm }) => !ended(vm));
  const bad = guests.find(({ output }) => !output().includes("3 packets transmitted, 3 packets received"));
  return bad && `a guest got no answers\n${bad.output().slice(-2000)}`;
}

function timed(name: string, work: () => string | undefined): boolean {
  const began = performance.now();
  const problem = work();
  console.log(`${problem === undefined ? "  ok" : "FAIL"}  linux/${name}  ${((performance.now() - began) / 1000).toFixed(1)} s${problem === undefined ? "" : `\n${problem}`}`);
  return problem === undefined;
}

function main(words: readonly string[]): void {
  const fetched = spawnSync("sh", [FETCH, FOLDER], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (fetched.error !== undefined || fetched.status === UNAVAILABLE) {
    console.log(`skipped: ${fetched.error?.message ?? fetched.stderr.trim()}`);
    return;
  }
  if (fetched.status !== 0) throw new Error(`guest/linux/fetch.sh failed: ${fetched.stderr}`);
  console.log(fetched.stdout.trim());
  const wanted = (name: string): boolean => words.length === 0 || words.some(word => name.includes(word));
  const expected = new Map<string, string>();
  let failed = 0, passed = 0;
  const note = (ok: boolean): void => { if (ok) passed++; else failed++; };
  for (const one of CASES) {
    if (!wanted(one.name)) continue;
    note(timed(one.name, () => {
      const { problem, script } = runCase(one, expected.get("script"));
      if (script !== undefined) expected.set("script", script);
      return problem;
    }));
  }
  if (wanted("ping")) note(timed("ping between two guests", runPing));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

main(process.argv.slice(2));
