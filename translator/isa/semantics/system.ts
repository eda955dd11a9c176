import { clearTaskSwitched, invalidatePage, loadMachineStatus, readControlRegister, writeControlRegister } from "../../../hypervisor/control-registers.js";
import { cpuid, MODEL } from "../../../hypervisor/cpu-model.js";
import type { Cpu } from "../../../hypervisor/cpu.js";
import * as S from "../../../hypervisor/cpu-state.js";
import { readDebugRegister, writeDebugRegister } from "../../../hypervisor/debug-registers.js";
import { checkTimeStamp, loadTimeStamp, readMsr, readPerformanceCounter, writeMsr } from "../../../hypervisor/model-specific-registers.js";
import { checkPort } from "../../../hypervisor/tss.js";
import { UD } from "../../../hypervisor/trap.js";
import type { Instruction } from "../instruction.js";
import { effectiveAddress, linearAddress, readOperand, writeOperand } from "./operand-access.js";
import { exit, helper, type Semantics } from "./semantics.js";
import { STRINGS } from "./strings.js";
import { FLAG_CONTROL } from "./system-flags.js";
import { memoryOperand, privileged, SEGMENTS, setZero } from "./system-segments.js";

/** System instructions: control, debug and model-specific registers, ports, and what belongs to none of the other files. */

const bytesOf = (instruction: Instruction): 1 | 2 | 4 => instruction.size >> 3 as 1 | 2 | 4;

function registerIndex(instruction: Instruction, i: number): number {
  const operand = instruction.operands[i]!;
  if (operand.kind !== "creg" && operand.kind !== "dreg") throw new Error(`${instruction.mnemonic} takes a control or debug register`);
  return operand.index;
}

/** A result of 64 bits in EDX:EAX. */
function setPair(cpu: Cpu, [low, high]: readonly [number, number]): void {
  cpu.i32[S.EAX] = low;
  cpu.i32[S.EDX] = high;
}

// ---- ports ---------------------------------------------------------------------------------------------------------------

/** IN; a device may have raised or lowered its line, or ended the run. */
function input(cpu: Cpu, instruction: Instruction): void {
  const port = readOperand(cpu, instruction, 1), bytes = bytesOf(instruction);
  checkPort(cpu, port, bytes);
  writeOperand(cpu, instruction, 0, cpu.readPort(port, bytes) | 0);
  cpu.recheck = true;
}

function output(cpu: Cpu, instruction: Instruction): void {
  const port = readOperand(cpu, instruction, 0), bytes = bytesOf(instruction);
  checkPort(cpu, port, bytes);
  cpu.writePort(port, bytes, readOperand(cpu, instruction, 1) >>> 0);
  cpu.recheck = true;
}

// ---- the processor ---------------------------------------------------------------------------------------------------------

function hlt(cpu: Cpu): void {
  cpu.halted = true;
  cpu.recheck = true;
}

function identify(cpu: Cpu): void {
  const { i32 } = cpu;
  const [a, b, c, d] = cpuid(MODEL, i32[S.EAX]!);
  i32[S.EAX] = a;
  i32[S.EBX] = b;
  i32[S.ECX] = c;
  i32[S.EDX] = d;
}

function rdtsc(cpu: Cpu): void {
  checkTimeStamp(cpu);
  loadTimeStamp(cpu);
}

/** A LOCKed read-modify-write: the destination must be writable whether or not it is changed. */
function cmpxchg8b(cpu: Cpu, instruction: Instruction): void {
  const { i32, mmu } = cpu;
  const la = linearAddress(cpu, memoryOperand(instruction, 0), 8, true);
  mmu.probeWrite(la, 8);
  const low = mmu.read32(la), high = mmu.read32(la + 4 | 0);
  const equal = low === i32[S.EAX] && high === i32[S.EDX];
  mmu.write32(la, equal ? i32[S.EBX]! : low);
  mmu.write32(la + 4 | 0, equal ? i32[S.ECX]! : high);
  if (!equal) setPair(cpu, [low, high]);
  setZero(cpu, equal);
}

function invlpg(cpu: Cpu, instruction: Instruction): void {
  const operand = memoryOperand(instruction, 0);
  invalidatePage(cpu, cpu.segBase(operand.seg) + effectiveAddress(cpu, operand) | 0);
}

const undefinedOpcode = exit((cpu) => cpu.raise(UD));

/** The registry's part for all system, string and segment instructions, by the opcode table's mnemonics. */
export const SYSTEM: Readonly<Record<string, Semantics>> = {
  ...FLAG_CONTROL,
  ...SEGMENTS,
  ...STRINGS,
  IN: exit(input),
  OUT: exit(output),
  HLT: exit(privileged(hlt)),
  CPUID: helper(identify),
  RDTSC: exit(rdtsc),
  RDPMC: exit((cpu) => setPair(cpu, readPerformanceCounter(cpu, cpu.i32[S.ECX]!))),
  RDMSR: exit(privileged((cpu) => setPair(cpu, readMsr(cpu, cpu.i32[S.ECX]!)))),
  WRMSR: exit(privileged((cpu) => writeMsr(cpu, cpu.i32[S.ECX]!, cpu.i32[S.EAX]!, cpu.i32[S.EDX]!))),
  MOV_FROM_CR: helper(privileged((cpu, instruction) => writeOperand(cpu, instruction, 0, readControlRegister(cpu, registerIndex(instruction, 1))))),
  MOV_TO_CR: exit(privileged((cpu, instruction) => writeControlRegister(cpu, registerIndex(instruction, 0), readOperand(cpu, instruction, 1)))),
  MOV_FROM_DR: helper(privileged((cpu, instruction) => writeOperand(cpu, instruction, 0, readDebugRegister(cpu, registerIndex(instruction, 1))))),
  MOV_TO_DR: exit(privileged((cpu, instruction) => writeDebugRegister(cpu, registerIndex(instruction, 0), readOperand(cpu, instruction, 1)))),
  LMSW: exit(privileged((cpu, instruction) => loadMachineStatus(cpu, readOperand(cpu, instruction, 0)))),
  SMSW: helper((cpu, instruction) => {
    const operand = instruction.operands[0]!;
    writeOperand(cpu, instruction, 0, operand.kind === "reg" && operand.size === 32 ? cpu.cr0 : cpu.cr0 & 0xffff);
  }),
  CLTS: exit(privileged(clearTaskSwitched)),
  INVD: helper(privileged(() => {})),
  WBINVD: helper(privileged(() => {})),
  INVLPG: exit(privileged(invlpg)),
  CMPXCHG8B: helper(cmpxchg8b),
  UD2: undefinedOpcode,
  RSM: undefinedOpcode,
  /** Outside of VMX operation; in non-root operation the exit stands in its place. */
  VMCALL: undefinedOpcode,
};
