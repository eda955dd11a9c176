import { clearTaskSwitched } from "../hypervisor/control-registers.js";
import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import { readMsr } from "../hypervisor/model-specific-registers.js";
import { segmentAddress } from "../hypervisor/segmentation.js";
import { Trap } from "../hypervisor/trap.js";
import { P6 } from "../hypervisor/cpu-model.js";
import { decoderFor } from "../translator/isa/decode.js";
import type { Instruction } from "../translator/isa/instruction.js";
import { FEATURES } from "../translator/isa/opcodes.js";
import { fpuTaskswitch } from "./callbacks.js";
import type { Domain } from "./domain.js";
import { copyFromGuest } from "./guest-access.js";
import { newBasePointer } from "./mmuext.js";
import { schedOpCompat } from "./sched.js";
import { getDebugreg, setDebugreg } from "./trap-table.js";
import { VCPU_CR2 } from "../hypervisor/xen/public/xen.js";

/**
 * Instructions that #GP outside ring 0 and which Xen executes in the guest's place (arch/x86/traps.c, emulate_privileged_op). Ports
 * are allowed by the domain's virtual IOPL and bitmap; those that Dom0 has not given to the domain read as ones and swallow writes.
 * Everything else is for the guest's kernel only. An emulation gives true when it has done all but move EIP, false when the
 * fault is the guest's, and AGAIN when the instruction, a repeated one, is not finished. A page fault it meets it throws.
 */
type Emulation = (d: Domain, instruction: Instruction) => boolean | typeof AGAIN;
const AGAIN = "again";

/** By the opcode table's mnemonic. What is absent is refused: the guest gets its #GP. */
const EMULATIONS: Readonly<Record<string, { readonly kernelOnly: boolean; readonly run: Emulation }>> = {
  IN: { kernelOnly: false, run: portIn },
  OUT: { kernelOnly: false, run: portOut },
  INS: { kernelOnly: false, run: stringIn },
  OUTS: { kernelOnly: false, run: stringOut },
  // The event mask is the guest's own interrupt flag: these are allowed by IOPL, and do nothing.
  CLI: { kernelOnly: false, run: (d) => ioplAllows(d) },
  STI: { kernelOnly: false, run: (d) => ioplAllows(d) },
  HLT: { kernelOnly: true, run: (d) => { schedOpCompat(d, [1, 0]); return true; } },
  CLTS: { kernelOnly: true, run: (d) => { clearTaskSwitched(d.cpu); return true; } },
  WBINVD: { kernelOnly: true, run: () => true },
  INVD: { kernelOnly: true, run: () => true },
  MOV_FROM_CR: { kernelOnly: true, run: readControl },
  MOV_TO_CR: { kernelOnly: true, run: writeControl },
  MOV_FROM_DR: { kernelOnly: true, run: readDebug },
  MOV_TO_DR: { kernelOnly: true, run: writeDebug },
  RDMSR: { kernelOnly: true, run: readModelSpecific },
  // No register of the processor is the guest's to change; nothing is said.
  WRMSR: { kernelOnly: true, run: () => true },
  INVLPG: { kernelOnly: true, run: invalidate },
};

const MAX_LENGTH = 15;
const decode = decoderFor(FEATURES.filter((f) => P6.instructions.includes(f)));

/** The instruction at CS:EIP, or undefined when it cannot be fetched or is none. */
function fetch(cpu: Cpu): Instruction | undefined {
  const bytes = new Uint8Array(MAX_LENGTH);
  let have = 0;
  try {
    const base = cpu.segBase(S.CS), limit = cpu.segLimit(S.CS);
    for (; have < MAX_LENGTH && (cpu.eip >>> 0) + have <= limit; have++) bytes[have] = cpu.u8[RAM_BASE + cpu.mmu.codeAddress((base + cpu.eip + have) | 0)];
  } catch (e) {
    if (!(e instanceof Trap)) throw e;
  }
  const decoded = decode(bytes, 0, have, (cpu.segAttr(S.CS) & S.ATTR_DB) !== 0 ? 32 : 16);
  return decoded.invalid === null ? decoded : undefined;
}

/** Emulates the instruction that raised #GP(0); false when the fault is the guest's. */
export function emulatePrivilegedOp(d: Domain): boolean {
  const { cpu } = d;
  if (cpu.v86) return false;
  const instruction = fetch(cpu);
  if (instruction === undefined || instruction.lock) return false;
  const emulation = EMULATIONS[instruction.mnemonic];
  if (emulation === undefined || (emulation.kernelOnly && !d.kernelMode)) return false;
  const outcome = emulation.run(d, instruction);
  if (outcome === false) return false;
  d.count(`paravirt.emulate_privop.${instruction.mnemonic.toLowerCase()}`);
  if (outcome !== AGAIN) cpu.eip = (cpu.eip + instruction.length) | 0;
  return true;
}

// ---- ports -------------------------------------------------------------------------------------------------------------

function ioplAllows(d: Domain): boolean {
  return d.iopl >= (d.kernelMode ? 1 : 3);
}

/** Whether the domain lets the running code use ports at all: by IOPL, or by the bitmap it has registered. */
function portsAllowed(d: Domain, port: number, bytes: number): boolean {
  if (ioplAllows(d)) return true;
  if (d.iobitmap === undefined || port + bytes > d.iobitmap.ports) return false;
  const map = copyFromGuest(d, d.iobitmap.va + (port >>> 3), 2)?.getUint16(0, true);
  return map !== undefined && (map >> (port & 7) & ((1 << bytes) - 1)) === 0;
}

/** The port of IN and OUT: the 8-bit immediate, or DX. */
function portOf(cpu: Cpu, instruction: Instruction): number {
  const immediate = instruction.operands.find((operand) => operand.kind === "imm");
  return immediate?.kind === "imm" ? immediate.value & 0xff : cpu.reg(S.EDX, 16);
}

/** AL, AX or EAX: the other operand's size. */
function dataBytes(instruction: Instruction): 1 | 2 | 4 {
  const { size } = instruction;
  return size === 8 ? 1 : size === 16 ? 2 : 4;
}

function portIn(d: Domain, instruction: Instruction): boolean {
  const port = portOf(d.cpu, instruction), bytes = dataBytes(instruction);
  if (!portsAllowed(d, port, bytes)) return false;
  d.cpu.setReg(S.EAX, bytes * 8, readPort(d, port, bytes) | 0);
  return true;
}

function portOut(d: Domain, instruction: Instruction): boolean {
  const port = portOf(d.cpu, instruction), bytes = dataBytes(instruction);
  if (!portsAllowed(d, port, bytes)) return false;
  writePort(d, port, bytes, d.cpu.reg(S.EAX, bytes * 8) >>> 0);
  return true;
}

function readPort(d: Domain, port: number, bytes: 1 | 2 | 4): number {
  if (d.portAllowed(port, bytes)) return d.cpu.readPort(port, bytes);
  return bytes === 1 ? 0xff : bytes === 2 ? 0xffff : 0xffff_ffff;
}

function writePort(d: Domain, port: number, bytes: 1 | 2 | 4, value: number): void {
  if (d.portAllowed(port, bytes)) d.cpu.writePort(port, bytes, value);
}

/** INS and OUTS: one element; a repeated one stays at its EIP until the count is used up. */
function stringIn(d: Domain, instruction: Instruction): boolean | typeof AGAIN {
  return stringPort(d, instruction, S.EDI, (port, bytes) => {
    const la = segmentAddress(d.cpu, S.ES, index(d.cpu, S.EDI, instruction), bytes, true);
    d.cpu.mmu.probeWrite(la, bytes);
    d.cpu.mmu.writeAs(la, bytes, readPort(d, port, bytes), d.cpu.mmu.user);
  });
}

function stringOut(d: Domain, instruction: Instruction): boolean | typeof AGAIN {
  return stringPort(d, instruction, S.ESI, (port, bytes) => {
    const sreg = instruction.seg >= 0 ? instruction.seg : S.DS;
    writePort(d, port, bytes, d.cpu.mmu.readAs(segmentAddress(d.cpu, sreg, index(d.cpu, S.ESI, instruction), bytes, false), bytes, d.cpu.mmu.user));
  });
}

const index = (cpu: Cpu, register: number, instruction: Instruction): number => cpu.reg(register, instruction.addrSize);

function stringPort(d: Domain, instruction: Instruction, register: number, transfer: (port: number, bytes: 1 | 2 | 4) => void): boolean | typeof AGAIN {
  const { cpu } = d;
  const port = cpu.reg(S.EDX, 16), bytes = dataBytes(instruction), { addrSize } = instruction;
  if (!portsAllowed(d, port, bytes)) return false;
  const repeated = instruction.rep !== "";
  if (repeated && cpu.reg(S.ECX, addrSize) === 0) return true;
  transfer(port, bytes);
  cpu.setReg(register, addrSize, index(cpu, register, instruction) + ((cpu.eflags & S.FLAG_DF) !== 0 ? -bytes : bytes) | 0);
  if (!repeated) return true;
  cpu.setReg(S.ECX, addrSize, cpu.reg(S.ECX, addrSize) - 1 | 0);
  return cpu.reg(S.ECX, addrSize) === 0 ? true : AGAIN;
}

// ---- registers ---------------------------------------------------------------------------------------------------------

/** Index of the operand of one kind. */
function operandIndex(instruction: Instruction, kind: "reg" | "creg" | "dreg"): number {
  for (const operand of instruction.operands) if (operand.kind === kind && "index" in operand) return operand.index;
  throw new Error(`${instruction.mnemonic} has no ${kind} operand`);
}

/** CR4 bits that Xen uses and does not show. */
const CR4_HIDDEN = S.CR4_PGE | S.CR4_PSE;

function readControl(d: Domain, instruction: Instruction): boolean {
  const { cpu } = d;
  const n = operandIndex(instruction, "creg");
  const value = n === 0 ? cpu.cr0 : n === 2 ? d.memory.read32(d.sharedInfoMfn * 4096 + VCPU_CR2) : n === 3 ? d.baseMfn << 12 : cpu.cr4 & ~CR4_HIDDEN;
  cpu.setReg(operandIndex(instruction, "reg"), 32, value);
  return true;
}

function writeControl(d: Domain, instruction: Instruction): boolean {
  const { cpu } = d;
  const value = cpu.reg(operandIndex(instruction, "reg"), 32);
  switch (operandIndex(instruction, "creg")) {
    case 0:
      if (((value ^ cpu.cr0) & ~S.CR0_TS) !== 0) return false;
      fpuTaskswitch(d, [value & S.CR0_TS]);
      return true;
    case 2: d.memory.write32(d.sharedInfoMfn * 4096 + VCPU_CR2, value); return true;
    case 3: {
      const okay = newBasePointer(d, value >>> 12);
      d.tlb.settle();
      return okay;
    }
    case 4: return value === (cpu.cr4 & ~CR4_HIDDEN);
    default: return false;
  }
}

function readDebug(d: Domain, instruction: Instruction): boolean {
  const value = getDebugreg(d, [operandIndex(instruction, "dreg")]);
  if (value < 0 && value >= -255) return false;
  d.cpu.setReg(operandIndex(instruction, "reg"), 32, value);
  return true;
}

function writeDebug(d: Domain, instruction: Instruction): boolean {
  return setDebugreg(d, [operandIndex(instruction, "dreg"), d.cpu.reg(operandIndex(instruction, "reg"), 32) >>> 0]) === 0;
}

/** Every register may be read; one that does not exist faults. */
function readModelSpecific(d: Domain): boolean {
  const { cpu } = d;
  try {
    const [low, high] = readMsr(cpu, cpu.i32[S.ECX]);
    cpu.i32[S.EAX] = low;
    cpu.i32[S.EDX] = high;
    return true;
  } catch (e) {
    if (e instanceof Trap) return false;
    throw e;
  }
}

function invalidate(d: Domain, instruction: Instruction): boolean {
  const operand = instruction.operands[0];
  if (operand?.kind !== "mem") return false;
  const { cpu } = d;
  const base = operand.base >= 0 ? cpu.reg(operand.base, 32) : 0;
  const scaled = operand.index >= 0 ? cpu.reg(operand.index, 32) << operand.scale : 0;
  d.tlb.invalidate((cpu.segBase(operand.seg) + base + scaled + operand.disp) | 0);
  return true;
}
