/** `trivisor run`: one guest, with the host's terminal at its serial port. */
import { setFlagsFromString } from "node:v8";
import { UsageError } from "../hypervisor/errors.js";
import type { HotSpot } from "../translator/hottest.js";
import type { MmuKind, Mode, VmOptions } from "../vm/options.js";
import { loadProfile } from "../vm/profiles.js";
import { openVm } from "../vm/open.js";
import type { Vm, VmOutcome } from "../vm/vm.js";
import { preferGuest } from "./host-flags.js";
import { ConsoleInput } from "./console-input.js";
import { EXIT_CRASH, EXIT_LIMIT } from "./exit.js";
import { ByteSink, OutputFile } from "./output.js";

export interface RunFlags {
  readonly mode: string;
  readonly memory: number;
  readonly append?: string;
  readonly kernelArgs?: string;
  readonly initrd?: string;
  readonly disk: readonly string[];
  readonly mmu?: string;
  readonly profile?: string;
  readonly stats?: string;
  readonly screendump?: string;
  readonly bios?: string;
  readonly nic?: string;
  readonly pvDrivers?: boolean;
  /** False with --no-reboot. */
  readonly reboot: boolean;
  readonly maxInstructions?: number;
  readonly timeout?: number;
  readonly realtime?: boolean;
  /** How many places; true without a number. */
  readonly hot?: number | true;
}

/** Milliseconds the guest runs between two looks at the terminal, and that virtual time may be ahead of the host's. */
const TURN_MS = 10, AHEAD_MS = 5;
const MAX_EXIT_CODE = 255;
/** Places that --hot lists when no number is given. */
const DEFAULT_HOT = 10;

type Ending = VmOutcome | { readonly reason: "timeout" } | { readonly reason: "quit" };

/** The host's heap is collected when it has grown by a fifth since the last time, not when it has doubled: a boot keeps most of what it decodes. */
const HEAP_GROWTH = "--heap-growing-percent=20";

export async function run(given: string | undefined, flags: RunFlags): Promise<void> {
  setFlagsFromString(HEAP_GROWTH);
  const [image, ...disks] = given === undefined ? flags.disk : [given, ...flags.disk];
  if (image === undefined) throw new UsageError("nothing to run: give an image, or a disk that boots");
  const out = new ByteSink(1), err = new ByteSink(2);
  const vm = await openVm({
    image, mode: flags.mode as Mode, memory: flags.memory, append: flags.append ?? flags.kernelArgs, initrd: flags.initrd, disks, bios: flags.bios, noReboot: !flags.reboot,
    mmu: flags.mmu as MmuKind | undefined, network: await networkOf(flags.nic), pvDrivers: flags.pvDrivers, profile: loadProfile(flags.profile),
  }, { serialByte: (byte) => out.push(byte), debugByte: (byte) => err.push(byte) });
  if (flags.append !== undefined && flags.kernelArgs !== undefined) throw new UsageError("--append and --kernel-args are the same option: give one of them");
  const stats = flags.stats === undefined ? undefined : new OutputFile(flags.stats);
  const screendump = flags.screendump === undefined ? undefined : new OutputFile(flags.screendump);
  if (screendump && vm.screenText() === undefined) throw new UsageError(`mode ${flags.mode} has no screen to dump`);
  preferGuest();
  const input = new ConsoleInput();
  let ending: Ending;
  try {
    ending = await new Session(vm, flags, input, [out, err]).run();
  } finally {
    input.close();
    out.flush();
    err.flush();
  }
  stats?.finish(`${JSON.stringify(vm.stats(), null, 1)}\n`);
  screendump?.finish(screendump.path.endsWith(".txt") ? vm.screenText() ?? "" : (await import("./png.js")).encodePng(vm.screenRgb()!));
  process.exitCode = report(ending, vm, flags);
  if (flags.hot !== undefined) process.stderr.write(hotTable(vm.hottest(flags.hot === true ? DEFAULT_HOT : flags.hot), vm.machine.ledger.instructions));
}

/** What the card is plugged into. A link to a host in this process: the host's own network is never touched. */
async function networkOf(kind = "none"): Promise<VmOptions["network"]> {
  if (kind === "none") return undefined;
  if (kind !== "user") throw new UsageError(`unknown nic '${kind}': choose user or none`);
  const [{ NetworkLink }, { farHost }, { STANDARD_SERVICES }] = await Promise.all([
    import("../hypervisor/network/link.js"), import("../hypervisor/network/far-host.js"), import("../hypervisor/network/services.js"),
  ]);
  return { hub: new NetworkLink(farHost({ services: STANDARD_SERVICES })) };
}

function hotTable(spots: readonly HotSpot[], instructions: number): string {
  return spots.map((spot, i) => {
    const share = `${(100 * spot.instructions / Math.max(1, instructions)).toFixed(1)}%`;
    const head = `#${i + 1}  0x${spot.address.toString(16)}  ${spot.tier}, ${spot.blocks} block${spot.blocks === 1 ? "" : "s"}, entered ${spot.executions} times, ${spot.instructions} instructions (${share})`;
    return `${head}\n${spot.listing.map((line) => `    ${line}\n`).join("")}${spot.source === "" ? "" : `${spot.source.trimEnd()}\n`}`;
  }).join("\n");
}

/** Milliseconds on the host's clock. `performance` has the same, and a good part of Node's library behind it that would have to be loaded. */
function hostTime(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** A run in turns, so that the terminal and the host's clock get a look in. */
class Session {
  private readonly vm: Vm;
  private readonly flags: RunFlags;
  private readonly input: ConsoleInput;
  private readonly sinks: readonly ByteSink[];
  private readonly began = hostTime();
  private turnEnds = 0;

  constructor(vm: Vm, flags: RunFlags, input: ConsoleInput, sinks: readonly ByteSink[]) {
    this.vm = vm;
    this.flags = flags;
    this.input = input;
    this.sinks = sinks;
  }

  async run(): Promise<Ending> {
    for (;;) {
      for (const bytes of this.input.take()) this.vm.sendSerial(bytes);
      const ending = await this.turn();
      if (ending) return ending;
    }
  }

  private async turn(): Promise<Ending | undefined> {
    const { vm, flags, input } = this;
    this.turnEnds = hostTime() + TURN_MS;
    const left = flags.maxInstructions === undefined ? undefined : flags.maxInstructions - vm.machine.ledger.instructions;
    const outcome = vm.run({ instructions: left, pause: () => this.pause() });
    for (const sink of this.sinks) sink.flush();
    if (outcome.reason === "idle") {
      if (!input.open) return outcome;
      await input.wait(this.msLeft());
    } else if (outcome.reason !== "stopped") return outcome;
    else await input.wait(flags.realtime ? Math.max(0, this.msAhead()) : 0);
    if (this.msLeft() <= 0) return { reason: "timeout" };
    return input.quit ? { reason: "quit" } : undefined;
  }

  /** Whether the guest is to stop for a look around. */
  private pause(): boolean {
    for (const sink of this.sinks) sink.flush();
    const now = hostTime();
    if (this.flags.realtime && this.msAhead() > AHEAD_MS) return true;
    return now >= this.turnEnds && (this.input.open || this.flags.realtime === true || this.msLeft() <= 0);
  }

  private msLeft(): number {
    return this.flags.timeout === undefined ? Infinity : this.began + this.flags.timeout * 1000 - hostTime();
  }

  /** How far virtual time is ahead of the host's clock. */
  private msAhead(): number {
    const { clock } = this.vm.machine;
    return clock.now() / clock.hz * 1000 - (hostTime() - this.began);
  }
}

/** Says on stderr what the user has to know of the ending; gives the exit code. */
function report(ending: Ending, vm: Vm, flags: RunFlags): number {
  const say = (text: string): void => { process.stderr.write(`trivisor: ${text}\n`); };
  switch (ending.reason) {
    case "exit": return Math.min(ending.code, MAX_EXIT_CODE);
    case "reset": case "quit": return 0;
    case "crash":
      say(`the guest crashed: ${ending.message}\n${ending.registers}`);
      return EXIT_CRASH;
    case "idle":
      say(`the guest has halted and nothing will wake it\n${vm.describeRegisters()}`);
      return EXIT_CRASH;
    case "timeout":
      say(`stopped after ${flags.timeout} s, as --timeout says`);
      return EXIT_LIMIT;
    default:
      say(`stopped after ${vm.machine.ledger.instructions} instructions, as --max-instructions says`);
      return EXIT_LIMIT;
  }
}
