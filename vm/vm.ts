import { basename } from "node:path";
import type { GuestMemory } from "../hypervisor/devices/device.js";
import type { Picture } from "../hypervisor/devices/vga-picture.js";
import type { Platform } from "../hypervisor/devices/platform.js";
import type { EventListener } from "../hypervisor/ledger.js";
import { readImage } from "../hypervisor/loader/identify.js";
import { createMachine, type Machine, restartMachine } from "../hypervisor/machine.js";
import { GuestCrash } from "../hypervisor/trap.js";
import type { BlockCache } from "../translator/block.js";
import { Engine } from "../translator/engine.js";
import { ALTERNATE_CR8 } from "../translator/isa/opcodes-notation.js";
import { explainBlock, type Explanation } from "../translator/explain.js";
import { hottest, type HotSpot } from "../translator/hottest.js";
import type { Assembly, Builder, Kit, Parts } from "./assembly.js";
import { openDisks } from "./disks.js";
import { eachPage } from "./linear.js";
import { DEFAULT_MEMORY, type Mode, type VmOptions } from "./options.js";
import { loadProfile } from "./profiles.js";
import { formatRegisters, readRegister, type RegisterName, writeRegister } from "./registers.js";
import type { RunLimits, Space, VmOutcome, VmStats } from "./run-types.js";
import { SerialTap } from "./serial.js";
import { watchTimestamps } from "./timestamps.js";

const MIB = 1 << 20;
/** Instructions run between two looks at the outside world. A constant, counted from power-on, so that looking never changes a run. */
const PIECE = 1 << 20;

/** One virtual machine. Machines share nothing, and a run depends on nothing but the options and what was sent. */
export class Vm {
  readonly mode: Mode;
  private readonly builder: Builder;
  private readonly parts: Omit<Parts, "machine">;
  private current: Machine;
  private engine: Engine;
  private assembly: Assembly;
  private readonly tap = new SerialTap();
  private readonly memoryMiB: number;
  private readonly timestampListeners: ((user: boolean) => void)[] = [];
  private platform: Platform | undefined;
  private resetAsked = false;
  private ended: VmOutcome | undefined;
  private stopping: VmOutcome | undefined;

  /** `options` have been checked, and `kit` has what they ask for. */
  constructor(options: VmOptions, { builder, medium, installFirmware }: Kit, { serialByte, debugByte }: VmListeners) {
    this.mode = options.mode ?? "native";
    this.memoryMiB = options.memory ?? DEFAULT_MEMORY;
    this.builder = builder;
    if (serialByte) this.tap.onByte(serialByte);
    const guestBytes = this.memoryMiB * MIB;
    const read = (source: string | Uint8Array): Uint8Array => typeof source === "string" ? readImage(source) : source;
    const image = medium ? new Uint8Array(0) : read(options.image), initrd = options.initrd === undefined ? undefined : read(options.initrd);
    const disks = openDisks(options.disks ?? []);
    this.parts = {
      options, image, imageName: typeof options.image === "string" ? basename(options.image) : "image", initrd, disks, medium, installFirmware,
      outside: {
        serialOut: (byte) => this.tap.receive(byte), debugOut: debugByte ?? (() => {}),
        exit: (code) => this.exit(code), reset: () => options.noReboot ? this.end({ reason: "reset" }) : this.askReset(),
        platform: (platform) => this.plugIn(platform),
      },
    };
    this.current = createMachine(options.profile ?? loadProfile(), guestBytes, builder.monitorBytes(guestBytes));
    ({ assembly: this.assembly, engine: this.engine } = this.powerOn());
  }

  /** Processor, memory, clock and ledger, for those who need more than this class offers. A reset makes a new processor. */
  get machine(): Machine {
    return this.current;
  }

  /** Makes everything but the machine itself and loads the image. */
  private powerOn(): { assembly: Assembly; engine: Engine } {
    const { parts, current: machine } = this;
    const assembly = this.builder.build({ ...parts, machine });
    machine.cpu.strategy = watchTimestamps(assembly.strategy, () => this.timestampListeners.length !== 0, (user) => { for (const tell of this.timestampListeners) tell(user); });
    const features = [...assembly.engine?.features ?? [], ...parts.options.alternateCr8 ? [ALTERNATE_CR8] as const : []];
    const engine = new Engine(machine, { ...assembly.engine, features, jit: parts.options.jit });
    assembly.start(engine);
    return { assembly, engine };
  }

  /** A new platform takes the place of the one before a reset: of that, what the battery keeps stays. */
  private plugIn(platform: Platform): void {
    if (this.platform) platform.rtc.inherit(this.platform.rtc);
    this.platform = platform;
  }

  private askReset(): void {
    this.resetAsked = true;
    this.engine.stop();
  }

  /** Resets the machine: memory keeps what it holds, as on a PC. A Xen domain is destroyed and built again, as Xen's tools do on SHUTDOWN_reboot. */
  private reset(): void {
    this.resetAsked = false;
    this.machine.ledger.event("machine.reset");
    // Cables come out of the old devices before the new ones are plugged in.
    this.platform?.retire();
    this.assembly.retire?.();
    this.current = restartMachine(this.current, this.current.guestBytes);
    ({ assembly: this.assembly, engine: this.engine } = this.powerOn());
  }

  private exit(code: number): void {
    this.machine.cpu.exitCode = code;
    this.machine.cpu.recheck = true;
  }

  private end(outcome: VmOutcome): void {
    this.ended = outcome;
    this.engine.stop();
  }

  /** The text on the screen, undefined in a mode that has none. */
  screenText(): string | undefined {
    return this.assembly.screenText?.();
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  /** Runs until a limit is reached or the guest ends; once it has ended, gives the same outcome again. */
  run(limits: RunLimits = {}): VmOutcome {
    if (this.ended) return this.ended;
    this.stopping = undefined;
    const release = this.arm(limits);
    try {
      return this.pieces(limits);
    } finally {
      release();
    }
  }

  /** Makes a running `run` come back at the next instruction boundary. */
  stop(): void {
    this.halt({ reason: "stopped" });
  }

  private halt(outcome: VmOutcome): void {
    this.stopping ??= outcome;
    this.engine.stop();
  }

  private pieces(limits: RunLimits): VmOutcome {
    const { ledger } = this.machine;
    const last = ledger.instructions + (limits.instructions ?? Infinity);
    for (;;) {
      const done = ledger.instructions;
      if (done >= last) return { reason: "limit" };
      const outcome = this.piece(Math.min(PIECE - done % PIECE, last - done));
      if (outcome) return outcome;
      if (limits.pause?.()) return { reason: "stopped" };
    }
  }

  /** Runs at most `instructions`; gives the outcome unless the guest just goes on. */
  private piece(instructions: number): VmOutcome | undefined {
    try {
      const outcome = this.engine.run(instructions);
      if (outcome.reason === "exit") this.ended = { reason: "exit", code: outcome.code };
      if (this.ended) return this.ended;
      if (this.resetAsked) {
        this.reset();
        return this.stopping;
      }
      if (outcome.reason === "stopped") return this.stopping ?? outcome;
      return outcome.reason === "idle" ? outcome : undefined;
    } catch (error) {
      if (!(error instanceof GuestCrash)) throw error;
      this.ended = { reason: "crash", message: error.message || "the guest crashed", registers: formatRegisters(this.machine.cpu) };
      return this.ended;
    }
  }

  /** Sets up what ends this run from inside; gives what takes it down again. */
  private arm(limits: RunLimits): () => void {
    const { ledger } = this.machine;
    const { event, serial } = limits;
    ledger.onIdle = () => { if (limits.pause?.()) this.halt({ reason: "stopped" }); };
    const releases = [() => { ledger.onIdle = () => {}; }];
    if (event !== undefined) {
      const matches = event.endsWith(".*") ? (name: string) => name.startsWith(event.slice(0, -1)) : (name: string) => name === event;
      releases.push(ledger.listen((name) => { if (matches(name)) this.halt({ reason: "event" }); }));
    }
    if (serial !== undefined) {
      const matches = typeof serial === "string" ? (line: string) => line.includes(serial) : (line: string) => new RegExp(serial, serial.flags.replace(/[gy]/g, "")).test(line);
      releases.push(this.tap.onLine((line) => { if (matches(line)) this.halt({ reason: "serial" }); }));
    }
    return () => { for (const release of releases) release(); };
  }

  // ---- the guest's world ---------------------------------------------------------------------------------------------

  /** Sends bytes, or text as UTF-8, to the guest's console. */
  sendSerial(data: string | Uint8Array): void {
    this.assembly.send(typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  /** Calls `listener` with each byte the guest sends on its console; gives the function that ends it. */
  onSerialByte(listener: (byte: number) => void): () => void {
    return this.tap.onByte(listener);
  }

  /** Calls `listener` with each line, without its end. */
  onSerialLine(listener: (line: string) => void): () => void {
    return this.tap.onLine(listener);
  }

  /** Calls `listener` at each event the ledger counts. */
  onEvent(listener: EventListener): () => void {
    return this.machine.ledger.listen(listener);
  }

  /** Calls `listener` just before each RDTSC of the guest; `user` tells its programs from its kernel. */
  onTimestamp(listener: (user: boolean) => void): () => void {
    this.timestampListeners.push(listener);
    return () => { this.timestampListeners.splice(this.timestampListeners.indexOf(listener), 1); };
  }

  // ---- looking in ----------------------------------------------------------------------------------------------------

  /** A register of the processor, unsigned; under a hypervisor the real one, which the guest may believe to be different. */
  getRegister(name: RegisterName): number {
    return readRegister(this.machine.cpu, name);
  }

  /** Sets a general register, EIP, EFLAGS or CR2. */
  setRegister(name: RegisterName, value: number): void {
    writeRegister(this.machine.cpu, name, value);
  }

  /** Bytes of memory; what is not mapped, or no memory, reads as zero. */
  read(space: Space, address: number, length: number): Uint8Array {
    const into = new Uint8Array(length);
    this.each(space, address, into, (memory, at, bytes) => memory.read(at, bytes));
    return into;
  }

  /** Writes memory; what is not mapped, or no memory, is left out. Translated code that changes is dropped. */
  write(space: Space, address: number, bytes: Uint8Array): void {
    this.each(space, address, bytes, (memory, at, piece) => memory.write(at, piece));
  }

  private each(space: Space, address: number, bytes: Uint8Array, use: (memory: Pick<GuestMemory, "read" | "write">, at: number, bytes: Uint8Array) => void): void {
    const { memory, cpu } = this.machine;
    const machineMemory = {
      read: (at: number, into: Uint8Array): void => memory.readBytes(at, into),
      write: (at: number, from: Uint8Array): void => memory.writeBytes(at, from),
    };
    if (space === "guest-physical") return use(this.assembly.memory, address, bytes);
    if (space === "machine") return use(machineMemory, address, bytes);
    eachPage(address, bytes.length, (la, at, length) => {
      const machine = this.assembly.linear(cpu, la);
      if (machine >= 0) use(machineMemory, machine, bytes.subarray(at, at + length));
    });
  }

  /** What has been counted since power-on. */
  stats(): VmStats {
    const { ledger } = this.machine;
    return {
      schema: "trivisor/stats@1", mode: this.mode, profile: ledger.profile.name, memory: this.memoryMiB,
      instructions: ledger.instructions, cycles: ledger.cycles, idleCycles: ledger.idleCycles, events: ledger.events(),
      ...(this.assembly.wrongInstructions ? { wrong: this.assembly.wrongInstructions() } : {}),
    };
  }

  /**
   * Runs until the code at EIP `address` is about to execute (undefined: stays where it stands) and shows that block as
   * this mode runs it (`as`: remarked with another mode's policy). Gives null when the guest ended, or `maxInstructions` went by, without coming there.
   */
  explain(address: number | undefined, maxInstructions: number, as: Mode = this.mode): Explanation | null {
    const { engine } = this;
    if (address !== undefined && this.machine.cpu.eip !== (address | 0)) {
      engine.breakpoints.add(address | 0);
      this.stopping = undefined;
      const release = this.arm({});
      try {
        if (engine.run(maxInstructions).reason !== "breakpoint") return null;
      } catch (error) {
        if (!(error instanceof GuestCrash)) throw error;
        return null;
      } finally {
        engine.breakpoints.clear();
        release();
      }
    }
    return explainBlock(engine, as);
  }

  /** The guest's code as it is kept decoded and compiled. */
  get blocks(): BlockCache {
    return this.engine.blocks;
  }

  /** The `limit` places where most of the guest's instructions were executed, as far as their code is still cached. */
  hottest(limit: number): HotSpot[] {
    return hottest(this.engine.blocks, limit);
  }

  /** The screen as pixels, undefined in a mode that has none. */
  screenRgb(): Picture | undefined {
    return this.platform?.vga.screenRgb();
  }

  /** The processor's registers in a few lines. */
  describeRegisters(): string {
    return formatRegisters(this.machine.cpu);
  }
}

/** Ends of the machine that are wanted from its very first byte. */
export interface VmListeners {
  readonly serialByte?: (byte: number) => void;
  /** Bytes the guest writes to port 0xe9. */
  readonly debugByte?: (byte: number) => void;
}

export type { RunLimits, Space, VmOutcome, VmStats };
