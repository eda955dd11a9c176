import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { accessRights, segmentLimit, verify } from "../../hypervisor/segmentation.js";
import { peek } from "../../hypervisor/stack.js";
import type { Instruction } from "../isa/instruction.js";
import { readOperand } from "../isa/semantics/operand-access.js";
import type { VirtualCpu } from "./virtual-cpu.js";

/** What an instruction is about to do, and what it would do on a bare machine. */
export interface Difference {
  readonly did: string;
  readonly native: string;
}

/**
 * Looks at a sensitive instruction that does not trap, before it executes; undefined when its result will be right. It
 * changes nothing. `probe` evaluates something as the virtual processor would.
 */
export type Observer = (cpu: Cpu, virtual: VirtualCpu, instruction: Instruction, probe: <T>(read: () => T) => T) => Difference | undefined;

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
const operandBytes = (instruction: Instruction): 2 | 4 => instruction.opSize === 16 ? 2 : 4;

function compare(did: string, native: string): Difference | undefined {
  return did === native ? undefined : { did, native };
}

const FLAG_NAMES = (flags: number): string => `IF ${(flags & S.FLAG_IF) !== 0 ? 1 : 0}, IOPL ${flags >> 12 & 3}`;

/** The flags that POPF or IRET would leave of `value` at the virtual privilege level: IF by IOPL, IOPL in ring 0 alone. */
function virtualFlagsAfter(virtual: VirtualCpu, value: number): number {
  const old = virtual.ownFlags;
  const mask = (virtual.cpl <= (old >> 12 & 3) ? S.FLAG_IF : 0) | (virtual.cpl === 0 ? S.FLAG_IOPL : 0);
  return old & ~mask | value & mask;
}

function storedTable(base: number, limit: number): Observer {
  const image = (b: number, l: number): string => `base ${hex(b)}, limit ${hex(l)}`;
  return (cpu, virtual) => compare(image(cpu.i32[base]!, cpu.i32[limit]!), image(virtual.word(base), virtual.word(limit)));
}

function storedWord(index: number, mask: number): Observer {
  return (cpu, virtual) => compare(hex(cpu.i32[index]! & mask), hex(virtual.word(index) & mask));
}

/** LAR, LSL, VERR and VERW: the same question to the monitor's tables and to the guest's. */
function askedOf(operand: number, ask: (cpu: Cpu, selector: number) => number | boolean | undefined): Observer {
  const show = (answer: number | boolean | undefined): string => typeof answer === "number" ? hex(answer) : answer === true ? "ZF 1" : "ZF 0";
  return (cpu, _virtual, instruction, probe) => {
    const selector = readOperand(cpu, instruction, operand) & 0xffff;
    return compare(show(ask(cpu, selector)), show(probe(() => ask(cpu, selector))));
  };
}

/** A selector that becomes visible: CS and SS have RPL 1 where the guest believes to be in ring 0. */
function seenSelector(operand: number): Observer {
  return (cpu, virtual, instruction) => {
    const register = instruction.operands[operand]!;
    if (register.kind !== "sreg" || (register.index !== S.CS && register.index !== S.SS)) return undefined;
    const selector = cpu.selector(register.index);
    return compare(hex(selector), hex(selector & ~3 | virtual.cpl));
  };
}

/** A far transfer that stays in ring 1 leaves RPL 1 in CS, and a CALL pushes it. */
function farSelector(what: string): Observer {
  return (cpu, virtual) => {
    const selector = cpu.selector(S.CS);
    return compare(`${what} with RPL ${selector & 3}`, `${what} with RPL ${virtual.cpl}`);
  };
}

/** IRET and RETF to a ring that is allowed are the processor's; flags of the guest's own stay as they are. */
const interruptReturn: Observer = (cpu, virtual, instruction) => {
  const bytes = operandBytes(instruction);
  const selector = peek(cpu, bytes, bytes) & 0xffff;
  if ((selector & 3) < cpu.cpl) return undefined;
  return compare(FLAG_NAMES(virtual.ownFlags), FLAG_NAMES(virtualFlagsAfter(virtual, peek(cpu, 2 * bytes, bytes))));
};

const farReturn: Observer = (cpu, _virtual, instruction) => {
  const bytes = operandBytes(instruction);
  const selector = peek(cpu, bytes, bytes) & 0xffff;
  return (selector & 3) === 1 && cpu.cpl === 1 ? { did: "CS with RPL 1", native: "#GP, or ring 1" } : undefined;
};

/** By the opcode table's mnemonic. Instructions that are not here trap, or do the same in any ring. */
export const OBSERVERS: Readonly<Record<string, Observer>> = {
  PUSHF: (cpu, virtual) => compare(FLAG_NAMES(cpu.eflags), FLAG_NAMES(virtual.ownFlags)),
  POPF: (cpu, virtual, instruction) =>
    compare(FLAG_NAMES(virtual.ownFlags), FLAG_NAMES(virtualFlagsAfter(virtual, peek(cpu, 0, operandBytes(instruction))))),
  SGDT: storedTable(S.GDTR_BASE, S.GDTR_LIMIT),
  SIDT: storedTable(S.IDTR_BASE, S.IDTR_LIMIT),
  SLDT: storedWord(S.SELECTOR + S.LDTR, 0xffff),
  STR: storedWord(S.SELECTOR + S.TR, 0xffff),
  SMSW: storedWord(S.CR0, 0xffff),
  LAR: askedOf(1, accessRights),
  LSL: askedOf(1, segmentLimit),
  VERR: askedOf(0, (cpu, selector) => verify(cpu, selector, false)),
  VERW: askedOf(0, (cpu, selector) => verify(cpu, selector, true)),
  PUSH_SREG: seenSelector(0),
  MOV_FROM_SREG: seenSelector(1),
  CALLF: farSelector("pushed CS"),
  JMPF: farSelector("CS"),
  RETF: farReturn,
  IRET: interruptReturn,
};
