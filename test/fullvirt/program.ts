import type { CostProfile } from "../../hypervisor/ledger.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import type { InterruptController } from "../../hypervisor/native.js";
import { enterProtectedFlat } from "../../hypervisor/reset.js";
import type { Strategy } from "../../hypervisor/strategy.js";
import { Engine, type EngineOptions } from "../../translator/engine.js";

/** Machine code by hand: bytes, words, and labels that relative and absolute words refer to. */
export class Code {
  readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixups: { readonly at: number; readonly label: string; readonly relative: boolean }[] = [];
  readonly base: number;

  constructor(base: number) {
    this.base = base;
  }

  /** Bytes in hexadecimal; `@name` is the label's 32-bit address, `>name` its distance. */
  put(text: string): this {
    for (const token of text.split(/\s+/).filter(Boolean)) {
      if (token.startsWith("@") || token.startsWith(">")) {
        this.fixups.push({ at: this.bytes.length, label: token.slice(1), relative: token.startsWith(">") });
        this.bytes.push(0, 0, 0, 0);
      } else for (let i = 0; i < token.length; i += 2) this.bytes.push(parseInt(token.slice(i, i + 2), 16));
    }
    return this;
  }

  word(...values: number[]): this {
    for (const value of values) this.bytes.push(value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >>> 24);
    return this;
  }

  label(name: string): this {
    this.labels.set(name, this.base + this.bytes.length);
    return this;
  }

  at(name: string): number {
    return this.labels.get(name)!;
  }

  /** The bytes, with all labels in place. */
  assemble(): Uint8Array {
    for (const { at, label, relative } of this.fixups) {
      const target = this.labels.get(label);
      if (target === undefined) throw new Error(`no label ${label}`);
      const value = relative ? target - (this.base + at + 4) : target;
      for (let i = 0; i < 4; i++) this.bytes[at + i] = value >> 8 * i & 0xff;
    }
    return Uint8Array.from(this.bytes);
  }
}

export const PROFILE: CostProfile = {
  schema: "trivisor/profile@1", name: "unit", title: "one cycle an instruction", hz: 1e9,
  cyclesPerInstruction: { cycles: 1, source: "-" }, tlb: { data: 64, instruction: 32, source: "-" }, costs: {},
};

/** An interrupt controller with one line, raised by hand. */
export class Line implements InterruptController {
  intr = false;
  vector = 0x20;
  acknowledge(): number {
    this.intr = false;
    return this.vector;
  }
}

/** What a mode puts in the machine. */
export interface Installed {
  readonly strategy: Strategy;
  /** Writes guest-physical memory. */
  write(gpa: number, from: Uint8Array): void;
  /** Reads it. */
  read(gpa: number, into: Uint8Array): void;
  /** After the initial state is set, before the first instruction. */
  start?(): void;
  bind?(engine: Engine): void;
}

export interface Finished {
  readonly machine: Machine;
  readonly engine: Engine;
  /** General registers and EFLAGS. */
  readonly registers: readonly number[];
  readonly memory: Uint8Array;
  readonly ports: readonly string[];
}

const GUEST_BYTES = 4 << 20;

/** Loads a program, runs it until it writes to port F4H and gives what it left. Port 20H raises the interrupt line. */
export function run(code: Code, install: (machine: Machine, pic: Line) => Installed, options: EngineOptions = {}, limit = 1_000_000): Finished {
  const machine = createMachine(PROFILE, GUEST_BYTES, 1 << 20);
  const { cpu } = machine;
  const pic = new Line();
  const installed = install(machine, pic);
  const ports: string[] = [];
  cpu.strategy = installed.strategy;
  cpu.ports = {
    read: (port) => port & 0xff,
    write: (port, _size, value) => {
      ports.push(`${port.toString(16)}=${value.toString(16)}`);
      if (port === 0x20) pic.intr = true;
      if (port === 0xf4) cpu.exitCode = value;
      cpu.recheck = true;
    },
  };
  const engine = new Engine(machine, options);
  installed.bind?.(engine);
  installed.write(code.base, code.assemble());
  enterProtectedFlat(cpu, code.base);
  installed.start?.();
  const outcome = engine.run(limit);
  if (outcome.reason !== "exit") throw new Error(`the program ended with ${outcome.reason} at ${(cpu.eip >>> 0).toString(16)}`);
  const memory = new Uint8Array(GUEST_BYTES);
  installed.read(0, memory);
  return { machine, engine, registers: [...cpu.i32.subarray(0, 9), cpu.eflags], memory, ports };
}
