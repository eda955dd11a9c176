import * as S from "../../hypervisor/cpu-state.js";
import type { Cpu } from "../../hypervisor/cpu.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { enterProtectedFlat } from "../../hypervisor/reset.js";
import type { Exit, Outcome } from "../../hvm/exit-record.js";
import { REASON, type ReasonName } from "../../hvm/exit-reasons.js";
import { HANDLERS } from "../../hvm/handlers/index.js";
import { createHvm, type Hvm } from "../../hvm/hvm.js";
import { startGuest } from "../../hvm/setup.js";
import type { Vcpu } from "../../hvm/vcpu.js";
import { F } from "../../hvm/vmcs-fields.js";
import { Engine } from "../../translator/engine.js";
import { Line, PROFILE } from "../fullvirt/program.js";

/** A guest of 4 MB in flat protected mode at CODE, not yet entered, with ports that are logged. */
export const CODE = 0x100000, GUEST_BYTES = 4 << 20;

export interface Rig {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly hvm: Hvm;
  readonly vcpu: Vcpu;
  readonly engine: Engine;
  readonly pic: Line;
  readonly ports: string[];
  /** Writes guest-physical bytes given in hexadecimal. */
  put(gpa: number, text: string): void;
  /** Writes guest-physical words. */
  words(gpa: number, ...values: number[]): void;
  read(gpa: number): number;
  events(name: string): number;
}

export function createRig(mmu: "ept" | "shadow" = "ept"): Rig {
  const machine = createMachine(PROFILE, GUEST_BYTES, 1 << 20);
  const { cpu, ledger } = machine;
  const pic = new Line();
  const hvm = createHvm(machine, { mmu, pic });
  const { map, vcpu } = hvm;
  const ports: string[] = [];
  cpu.strategy = hvm.strategy;
  cpu.ports = {
    read: (port, size) => { ports.push(`in${size} ${port.toString(16)}`); return port + 1; },
    write: (port, size, value) => {
      ports.push(`out${size} ${port.toString(16)}=${value.toString(16)}`);
      if (port === 0x20) pic.intr = true;
      if (port === 0xf4) cpu.exitCode = value;
      cpu.recheck = true;
    },
  };
  const engine = new Engine(machine);
  enterProtectedFlat(cpu, CODE);
  return {
    machine, cpu, hvm, vcpu, engine, pic, ports,
    put: (gpa, text) => map.writeBytes(gpa, Uint8Array.from(text.split(/\s+/).join("").match(/../g)!, (byte) => parseInt(byte, 16))),
    words: (gpa, ...values) => values.forEach((value, i) => map.write32(gpa + i * 4, value)),
    read: (gpa) => map.read32(gpa),
    events: (name) => ledger.countOf(name),
  };
}

/** A rig whose guest state is in the VMCS, as in root operation after an exit. */
export function rootRig(mmu?: "ept" | "shadow"): Rig {
  const rig = createRig(mmu);
  startGuest(rig.vcpu);
  return rig;
}

/** An exit as plain data. */
export function exitOf(reason: ReasonName, fields: Partial<Exit> = {}): Exit {
  return {
    reason: REASON[reason], qualification: 0, instructionLength: 2, instructionInfo: 0, guestLinear: 0, guestPhysical: 0, interruptionInfo: 0,
    interruptionErrorCode: 0, idtVectoringInfo: 0, idtVectoringErrorCode: 0, ...fields,
  };
}

/** Hands an exit to its handler. */
export function handle(rig: Rig, reason: ReasonName, fields: Partial<Exit> = {}): Outcome {
  return HANDLERS[REASON[reason]]!.handler(rig.vcpu, exitOf(reason, fields));
}

/** The exit the VMCS recorded last. */
export function recorded(rig: Rig): { reason: number; qualification: number; length: number; vectoring: number; info: number } {
  const { vmcs } = rig.vcpu;
  return {
    reason: vmcs.get(F.EXIT_REASON), qualification: vmcs.get(F.EXIT_QUALIFICATION), length: vmcs.get(F.VM_EXIT_INSTRUCTION_LENGTH),
    vectoring: vmcs.get(F.IDT_VECTORING_INFO), info: vmcs.get(F.VM_EXIT_INTERRUPTION_INFO),
  };
}

/** Page tables at PD with one table behind it that maps the low 4 MB to itself, supervisor and user, writable. */
export const PD = 0x10000, PT = 0x11000;

export function pageTables(rig: Rig): void {
  rig.words(PD, PT | 7);
  for (let page = 0; page < 1024; page++) rig.words(PT + page * 4, page << 12 | 7);
}

/** Turns paging on as the processor's state, before the guest has started. */
export function pagingOn(rig: Rig): void {
  pageTables(rig);
  rig.cpu.i32[S.CR3] = PD;
  rig.cpu.i32[S.CR0]! |= S.CR0_PG;
  rig.cpu.modeChanged();
}
