/** `trivisor explain`: one block of the guest under each mode, side by side. */
import { chooseModes } from "../bench/compare.js";
import { renderExplanations } from "../bench/report/explain-page.js";
import { UsageError } from "../hypervisor/errors.js";
import { identifyImage, readImage } from "../hypervisor/loader/identify.js";
import { describePolicy, type Explanation, TRAP_POINT } from "../translator/explain.js";
import { createVm } from "../vm/create.js";
import type { Mode } from "../vm/options.js";
import { OutputFile } from "./output.js";

export interface ExplainFlags {
  readonly at?: number;
  readonly modes?: readonly string[];
  readonly memory: number;
  readonly append?: string;
  readonly maxInstructions: number;
  readonly html?: string;
}

/** Narrowest column of code worth setting beside another. */
const COLUMN = 56;
const GAP = " │ ";

export async function explain(image: string, flags: ExplainFlags): Promise<void> {
  const bytes = readImage(image);
  const { kinds } = identifyImage(bytes, image);
  const wanted = chooseModes(flags.modes).filter((mode) => flags.modes !== undefined || kinds.includes("multiboot") || mode === "paravirt");
  const html = flags.html === undefined ? undefined : new OutputFile(flags.html);
  const found = wanted.map((mode) => explainIn(mode, kinds.includes("xen-pv") || mode !== "paravirt" ? mode : "native", bytes, image, flags));
  process.stdout.write(terminal(found, process.stdout.columns ?? 160));
  html?.finish(renderExplanations(found, image));
}

/**
 * Runs in mode `runner` up to the block. An unmodified kernel cannot run in mode paravirt: its block is then shown as the
 * native machine has it, with Xen's policy at the trap points.
 */
function explainIn(mode: Mode, runner: Mode, image: Uint8Array, name: string, flags: ExplainFlags): Explanation {
  const vm = createVm({ image, mode: runner, memory: flags.memory, append: flags.append ?? "" });
  const explanation = vm.explain(flags.at, flags.maxInstructions, mode);
  if (explanation === null) throw new UsageError(`${name} does not come to 0x${flags.at!.toString(16)} in mode ${mode} within ${flags.maxInstructions} instructions`);
  return explanation;
}

function terminal(found: readonly Explanation[], columns: number): string {
  return `${listing(found)}\n${sideBySide(found.map(({ mode, source }) => [mode.toUpperCase(), ...source.trimEnd().split("\n").map(mark)]), columns)}`;
}

/** The block as x86, with what each mode makes of its sensitive instructions. */
function listing(found: readonly Explanation[]): string {
  const first = found[0]!;
  const lines = first.instructions.map(({ address, bytes, text }) => `${(address >>> 0).toString(16).padStart(8, "0")}  ${Buffer.from(bytes).toString("hex").padEnd(16)}  ${text}`);
  const width = Math.max(...lines.map((line) => line.length));
  return first.instructions.flatMap((_, i) => {
    const policies = found.map(({ mode, instructions }) => ({ mode, policy: instructions[i]?.policy ?? null })).filter(({ policy }) => policy !== null);
    const head = policies.length === 0 ? lines[i]! : `${lines[i]!.padEnd(width)}  ◆`;
    return [head, ...policies.map(({ mode, policy }) => `${" ".repeat(12)}${mode.padEnd(9)} ${describePolicy(policy!)}`)];
  }).join("\n") + "\n";
}

function mark(line: string): string {
  return line.replace(`// ${TRAP_POINT}`, "◆ ");
}

function sideBySide(blocks: readonly string[][], columns: number): string {
  const across = Math.max(1, Math.min(blocks.length, Math.floor((columns + GAP.length) / (COLUMN + GAP.length))));
  const width = Math.floor((columns - GAP.length * (across - 1)) / across);
  let out = "";
  for (let i = 0; i < blocks.length; i += across) {
    const row = blocks.slice(i, i + across).map((lines) => lines.flatMap((line) => fold(line, width)));
    const height = Math.max(...row.map((lines) => lines.length));
    for (let y = 0; y < height; y++) out += `${row.map((lines) => (lines[y] ?? "").padEnd(width)).join(GAP).trimEnd()}\n`;
    out += "\n";
  }
  return out;
}

/** Breaks a line that is too long for its column; what follows is indented a little more. */
function fold(line: string, width: number): string[] {
  if (line.length <= width) return [line];
  const indent = " ".repeat(Math.min(width >> 1, line.length - line.trimStart().length + 4));
  const pieces = [line.slice(0, width)];
  for (let rest = line.slice(width); rest !== ""; rest = rest.slice(width - indent.length)) pieces.push(indent + rest.slice(0, width - indent.length));
  return pieces;
}
