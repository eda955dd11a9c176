/** The command line: verbs and flags. Everything heavy is imported by the verb that needs it, so that this starts at once. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { EXIT_USAGE, fail } from "./exit.js";
import { takeBranchHints } from "./host-flags.js";
import { fromQemu } from "./qemu-words.js";
import { leaveWithReader } from "./stdio.js";
import { loaderAt } from "../vm/load.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };

const load = loaderAt(import.meta.url);

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("it must be a whole number.");
  return Number(text);
}

function address(text: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!(value <= 0xffffffff)) throw new InvalidArgumentError("it must be an address such as 0xc0100010.");
  return value;
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("it must be a number above 0.");
  return value;
}

function list(text: string): string[] {
  return text.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

function collect(value: string, all: string[]): string[] {
  return [...all, value];
}

const program = new Command("trivisor")
  .description("Runs one x86 guest natively and under every way to virtualize it, counts what happens, prices it, compares.")
  .version(version)
  .showHelpAfterError(false)
  .configureOutput({ outputError: (text, write) => write(`trivisor: ${text.replace(/^error: /, "").replace(/\n(?=.)/g, " ")}`) })
  .exitOverride();

program.command("run")
  .description("run a guest; its first serial port is stdin and stdout")
  .argument("[image]", "a Multiboot kernel, a Linux bzImage, a disk or CD image that boots; for mode paravirt a Xen kernel; default: the first --disk")
  .option("--mode <mode>", "native, classic, dbt, paravirt or hvm", "native")
  .option("-m, --memory <MiB>", "memory of the guest", wholeNumber, 64)
  .option("--append <string>", "the kernel's command line")
  .option("--kernel-args <string>", "the same")
  .option("--initrd <file>", "Linux's initrd, a Multiboot module, or the domain's ramdisk")
  .option("--disk <file>", "a disk, written in place; up to four", collect, [])
  .option("--mmu <kind>", "in mode hvm: ept, or shadow as the first processors had")
  .option("--nic <kind>", "a network card: user, with a gigabit link to a host at 10.0.2.2 that answers pings and serves ttcp; none is the default")
  .option("--pv-drivers", "in mode hvm: offer Xen's interface, with the network behind its ring")
  .option("--profile <name>", "what each event costs: a name, or a file")
  .option("--stats <file>", "write what was counted, as JSON")
  .option("--screendump <file>", "write the screen at the end: its text to FILE.txt, else a PNG")
  .option("--bios <file>", "boot the image with this BIOS instead of the one here")
  .option("--no-reboot", "end the run when the guest resets the machine, instead of starting it again")
  .option("--max-instructions <n>", "stop after this many instructions", wholeNumber)
  .option("--timeout <seconds>", "stop after this much time of the host's clock", positiveNumber)
  .option("--hot [n]", "at the end list the hottest guest code on stderr: tier, executions and generated source of the n hottest places", wholeNumber)
  .option("--realtime", "let virtual time pass no faster than the host's clock")
  .action(async (image: string | undefined, options: import("./run.js").RunFlags) => (await load<typeof import("./run.js")>("./run.js")).run(image, options));

program.command("compare")
  .description("run workloads in every mode, and compare what they cost")
  .argument("[workload...]", "names of workloads; default: all")
  .option("--modes <list>", "modes to compare, separated by commas", list)
  .option("--profile <name>", "what each event costs: a name, or a file")
  .option("--json <file>", "write the comparison as JSON")
  .option("--report <dir>", "write it as one HTML file, index.html, and its chart as ratios.svg")
  .option("--list", "list the workloads and what each shows")
  .action(async (workloads: string[], options: import("./compare.js").CompareFlags) => (await import("./compare.js")).compare(workloads, options));

program.command("figures")
  .description("reproduce tables of the classic papers, published and ours side by side")
  .argument("[id...]", "names of tables; default: all")
  .option("--json <file>", "write the cells as JSON")
  .option("--report <dir>", "write one HTML file, index.html, and each chart as SVG with its numbers as CSV")
  .option("--cache <dir>", "where results of finished jobs are kept, so that an interrupted run goes on (default: ~/.cache/trivisor/figures)")
  .option("--no-cache", "run everything anew, and keep nothing")
  .action(async (ids: string[], options: import("./figures.js").FiguresFlags) => (await import("./figures.js")).figures(ids, options));

program.command("explain")
  .description("show a block of the guest as x86 and as the JavaScript of each mode, trap points marked")
  .argument("<image>", "a Multiboot kernel, or a Xen one")
  .option("--at <address>", "address of the block (hexadecimal with 0x), run to first; default: the image's entry", address)
  .option("--modes <list>", "modes to show, separated by commas", list)
  .option("-m, --memory <MiB>", "memory of the guest", wholeNumber, 64)
  .option("--append <string>", "the kernel's command line")
  .option("--max-instructions <n>", "give up after this many instructions", wholeNumber, 100_000_000)
  .option("--html <file>", "write it as one HTML file")
  .action(async (image: string, options: import("./explain.js").ExplainFlags) => (await import("./explain.js")).explain(image, options));

program.command("bench")
  .description("time the engine on this host (Benchmark.js)")
  .argument("[word...]", "only what has one of these words in its name")
  .option("--save <file>", "keep the speeds as a baseline, as JSON")
  .option("--baseline <file>", "print ratios to speeds that were kept")
  .option("--list", "list what can be timed")
  .action(async (words: string[], options: import("./bench.js").BenchFlags) => (await import("./bench.js")).bench(words, options));

leaveWithReader();
takeBranchHints();
program.parseAsync(fromQemu(process.argv.slice(2)), { from: "user" }).catch((error: unknown) => {
  // Commander has said its one line already; help and version are no errors.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 || error.code === "commander.help" ? 0 : EXIT_USAGE;
  else fail(error);
});
