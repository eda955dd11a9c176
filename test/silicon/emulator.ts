import * as S from "../../hypervisor/cpu-state.js";
import type { Cpu } from "../../hypervisor/cpu.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { ACCESS_EXECUTE, ACCESS_WRITE, type Strategy, type TrapInfo } from "../../hypervisor/strategy.js";
import { BP, PF_PRESENT, PF_USER, PF_WRITE } from "../../hypervisor/trap.js";
import {
  CODE_PAGE, CR2_AT, DATA_PAGE, EFLAGS_AT, EIP_AT, ENTRY, ERROR_AT, FCW_AT, FSW_AT, FTW_AT, MEMORY_AT, MEMORY_BYTES, MXCSR_AT, NO_FAULT, PAGE, ST_AT, State,
  STOP, VECTOR_AT, XMM_AT,
} from "./state.js";

/** Runs `code` from a state; gives the state after it. */
export type Execute = (code: Uint8Array, input: State) => State;

const PROFILE: CostProfile = {
  schema: "trivisor/profile@1", name: "silicon", title: "No costs", hz: 1e9,
  cyclesPerInstruction: { cycles: 1, source: "none" }, tlb: { data: 64, instruction: 64, source: "none" }, costs: {},
};

const DATA_FRAME = 0x1000, CODE_FRAME = 0x2000, MACHINE_BYTES = 0x100000;

/** A machine with the two pages that record.c has, a user program in flat segments, and nothing else. */
export interface Bench {
  readonly machine: Machine;
  readonly cpu: Cpu;
  /** The code in its page. */
  code: Uint8Array | undefined;
  /** The exception that ended the code. */
  fault: TrapInfo | undefined;
  /** It ran into the INT3s around it. */
  stopped: boolean;
  /** EIP where it ended. */
  endEip: number;
  /** Told when it ends. */
  ended: () => void;
}

export function createBench(): Bench {
  const machine = createMachine(PROFILE, MACHINE_BYTES, 0);
  const { cpu } = machine;
  const bench: Bench = { machine, cpu, code: undefined, fault: undefined, stopped: false, endEip: 0, ended: () => {} };
  const strategy: Strategy = {
    name: "silicon",
    flatLimit: 0xffffffff,
    translate(_cpu, la, access, user) {
      const page = la >>> 12 << 12 >>> 0;
      if (page === DATA_PAGE && access !== ACCESS_EXECUTE) return cpu.mmu.insert(la, DATA_FRAME, access, true, true, true, false, false);
      if (page === CODE_PAGE) return cpu.mmu.insert(la, CODE_FRAME, access, true, true, true, false, false);
      cpu.pageFault(la, (page === DATA_PAGE ? PF_PRESENT : 0) | (user ? PF_USER : 0) | (access === ACCESS_WRITE ? PF_WRITE : 0));
    },
    exception(_cpu, trap) {
      bench.fault = { vector: trap.vector, errorCode: trap.errorCode };
      bench.endEip = cpu.eip;
      bench.ended();
    },
    softwareInterrupt(_cpu, vector, next) {
      if (vector === BP) bench.stopped = true;
      else bench.fault = { vector, errorCode: undefined };
      bench.endEip = vector === BP ? cpu.eip : next;
      bench.ended();
    },
    interruptPending: () => false,
    acceptInterrupt: () => {},
    acceptNonMaskable: () => {},
    canWake: () => true,
    sensitive: {},
    guestToMachine: (gpa) => gpa,
    modeBits: () => 0,
  };
  cpu.strategy = strategy;
  cpu.i32[S.CR0] = S.CR0_PE | S.CR0_PG | S.CR0_NE | S.CR0_MP | S.CR0_WP | S.CR0_ET;
  cpu.i32[S.CR4] = S.CR4_OSFXSR | S.CR4_OSXMMEXCPT;
  const flat = S.ATTR_P | S.ATTR_S | S.ATTR_DB | S.ATTR_G | 3 << S.ATTR_DPL_SHIFT | S.ATTR_ACCESSED;
  for (const sreg of [S.ES, S.SS, S.DS]) cpu.setSegment(sreg, 0x2b, 0, -1, flat | S.ATTR_WRITABLE);
  cpu.setSegment(S.CS, 0x23, 0, -1, flat | S.ATTR_CODE | S.ATTR_READABLE);
  cpu.setCpl(3);
  return bench;
}

/** Puts code and state into the machine. */
export function load(bench: Bench, code: Uint8Array, input: State): void {
  const { cpu } = bench;
  const { i32 } = cpu;
  bench.fault = undefined;
  bench.stopped = false;
  cpu.memory.writeBytes(DATA_FRAME + PAGE - MEMORY_BYTES, input.bytes.subarray(MEMORY_AT, MEMORY_AT + MEMORY_BYTES));
  // Code that is there already stays, with what has been made of it.
  if (bench.code !== code) {
    const page = new Uint8Array(PAGE).fill(STOP);
    page.set(code, ENTRY - CODE_PAGE);
    cpu.memory.writeBytes(CODE_FRAME, page);
    bench.code = code;
  }
  for (let r = 0; r < 8; r++) i32[r] = input.reg(r);
  cpu.eflags = input.get32(EFLAGS_AT);
  cpu.eip = input.get32(EIP_AT);
  i32[S.CR2] = 0;
  const top = input.get16(FSW_AT) >> 11 & 7;
  i32[S.FPU_CW] = input.get16(FCW_AT);
  i32[S.FPU_SW] = input.get16(FSW_AT);
  i32[S.FPU_TAG] = input.bytes[FTW_AT]!;
  i32.fill(0, S.FPU_FIP, S.FPU_FOP + 1);
  for (let i = 0; i < 8; i++) {
    const at = S.FPU_REGS + ((top + i & 7) << 2), from = ST_AT + 16 * i;
    i32[at] = input.get32(from);
    i32[at + 1] = input.get32(from + 4);
    i32[at + 2] = input.get16(from + 8);
  }
  i32[S.MXCSR] = input.get32(MXCSR_AT);
  for (let w = 0; w < 32; w++) i32[S.XMM_REGS + w] = input.get32(XMM_AT + 4 * w);
  cpu.modeChanged();
}

/** The machine's state as a state, `fault` being what ended the code. */
export function unload(bench: Bench, input: State): State {
  const { cpu, fault } = bench;
  const { i32 } = cpu;
  const output = input.copy();
  for (let r = 0; r < 8; r++) output.setReg(r, i32[r]!);
  output.set32(EFLAGS_AT, cpu.eflags);
  output.set32(EIP_AT, cpu.eip);
  output.set32(VECTOR_AT, fault === undefined ? NO_FAULT : fault.vector);
  output.set32(ERROR_AT, fault?.errorCode ?? 0);
  output.set32(CR2_AT, i32[S.CR2]!);
  const top = i32[S.FPU_SW]! >> 11 & 7;
  output.set16(FCW_AT, i32[S.FPU_CW]!);
  output.set16(FSW_AT, i32[S.FPU_SW]!);
  output.bytes[FTW_AT] = i32[S.FPU_TAG]!;
  for (let i = 0; i < 8; i++) {
    const at = S.FPU_REGS + ((top + i & 7) << 2), to = ST_AT + 16 * i;
    output.set32(to, i32[at]!);
    output.set32(to + 4, i32[at + 1]!);
    output.set16(to + 8, i32[at + 2]!);
  }
  output.set32(MXCSR_AT, i32[S.MXCSR]!);
  for (let w = 0; w < 32; w++) output.set32(XMM_AT + 4 * w, i32[S.XMM_REGS + w]!);
  const from = RAM_BASE + DATA_FRAME + PAGE - MEMORY_BYTES;
  output.bytes.set(cpu.u8.subarray(from, from + MEMORY_BYTES), MEMORY_AT);
  return output;
}
