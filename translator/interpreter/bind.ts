import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import type { SensitiveHook } from "../../hypervisor/strategy.js";
import { GP, UD } from "../../hypervisor/trap.js";
import type { Instruction, MemOperand, Operand } from "../isa/instruction.js";
import type { Row } from "../isa/opcodes-notation.js";
import type { TranslationHooks } from "../fullvirt/engine-hooks.js";
import { Exec } from "../isa/semantics/exec.js";
import { linearAddress } from "../isa/semantics/operand-access.js";
import { branchTarget, semanticsOf, semanticWidth } from "../isa/semantics/registry.js";
import { Specialiser } from "./specialise.js";
import type { Threaded } from "./threaded.js";
import type { ComplexFunction, InlineFunction, Semantics } from "../isa/semantics/semantics.js";

/** One instruction, bound to its operands. A block's last one leaves EIP set when `transfers` says so. */
export type Op = () => void;

/** What the interpreter keeps of an instruction. */
export interface BoundInstruction {
  readonly op: Op;
  /** The block ends after it. */
  readonly ends: boolean;
  /** It sets EIP itself. */
  readonly transfers: boolean;
  /** The op holds nothing of the place it was bound for: it serves the same instruction everywhere in the same mode, and the block goes on. */
  readonly anywhere: boolean;
  /** Its record (threaded.ts), or 0. */
  readonly record: number;
  /** It is a call of the monitor in the instruction's place. */
  readonly callout?: true;
}

/** Classes of the table's `cost` column that the ledger counts one by one; the rest costs cyclesPerInstruction alone. */
export const COUNTED: ReadonlySet<string> = new Set(["div", "far", "segment", "string", "io", "system", "fpu_div", "fpu_trans", "fpu_state"]);

/** The event of a counted instruction: its class, and of system instructions the mnemonic, since their times differ by a factor of ten. */
export function instructionEvent({ cost, mnemonic }: Pick<Row, "cost" | "mnemonic">): string {
  return cost === "system" ? `instruction.system.${mnemonic.toLowerCase()}` : `instruction.${cost}`;
}

type Reader = () => number;
type Writer = (value: number) => void;

/** Binds decoded instructions to closures over one processor's state (the fastest form without generated code; with it see specialise.ts). */
export class Binder {
  private readonly cpu: Cpu;
  private readonly exec: Exec;

  private readonly translation: TranslationHooks | null;
  private readonly threaded: Threaded | null;
  private readonly specialiser: Specialiser | null;

  /** Instructions get records in `threaded`, or with `specialised` the closures of specialise.ts, where there are some. */
  constructor(cpu: Cpu, translation: TranslationHooks | null = null, specialised = false, threaded: Threaded | null = null) {
    this.threaded = threaded;
    this.specialiser = specialised && threaded === null ? new Specialiser(cpu) : null;
    this.cpu = cpu;
    this.translation = translation;
    this.exec = new Exec(cpu);
  }

  /** `eip` is the instruction's own offset in its code segment; `mode` the MODE bits it will run under. */
  bind(instruction: Instruction, eip: number, mode: number): BoundInstruction {
    const bound = this.bindPlain(instruction, eip, mode);
    const { translation } = this;
    if (translation === null || (mode & S.MODE_TRANSLATED) === 0) return bound;
    if (translation.isCallout(eip)) return this.callout(translation, bound, eip, wrap(eip + instruction.length, mode));
    return isIndirect(instruction) ? this.countingIndirect(translation, bound) : { ...bound, anywhere: false };
  }

  /** An instruction that dbt's adaptive translation has turned into a call of the monitor. */
  private callout(translation: TranslationHooks, bound: BoundInstruction, eip: number, next: number): BoundInstruction {
    const { i32 } = this.cpu;
    const execute = (): void => {
      bound.op();
      if (!bound.transfers) i32[S.EIP] = next;
    };
    const op = (): void => {
      i32[S.EIP] = eip;
      translation.callout(eip, execute);
    };
    return { op, ends: true, transfers: true, anywhere: false, record: 0, callout: true };
  }

  private countingIndirect(translation: TranslationHooks, bound: BoundInstruction): BoundInstruction {
    const { ledger } = this.cpu;
    const { op } = bound;
    const { indirectEvent } = translation;
    return {
      ...bound, anywhere: false, record: 0, op: () => {
        op();
        ledger.count(indirectEvent);
      },
    };
  }

  private bindPlain(instruction: Instruction, eip: number, mode: number): BoundInstruction {
    const { row } = instruction;
    if (row.protectedMode && (mode & (S.MODE_REAL | S.MODE_V86)) !== 0) return this.undefinedOpcode(eip);
    const semantics = semanticsOf(instruction);
    const hook = row.sensitive === null ? undefined : this.cpu.strategy.sensitive[row.sensitive];
    const next = wrap(eip + instruction.length, mode);
    if (semantics.kind === "inline") {
      if (hook !== undefined) return this.bindHooked(this.bindInline(instruction, semantics.fn, semantics.access, next, mode), hook, instruction, eip, next);
      const { threaded } = this;
      const record = threaded?.instruction(instruction, semantics, next, mode, () => this.bindInline(instruction, semantics.fn, semantics.access, next, mode).op) ?? 0;
      const op = record !== 0 ? (): void => threaded!.one(record) : this.specialiser?.bind(instruction, semantics, next, mode) ?? null;
      if (op !== null) return { op, ends: row.ends !== null, transfers: row.ends !== null, anywhere: row.ends === null, record };
      return this.bindInline(instruction, semantics.fn, semantics.access, next, mode);
    }
    return this.bindComplex(instruction, semantics, eip, next, mode);
  }

  /** An inline instruction that a monitor has a hook for; what follows is for the run loop to find, for the hook may set EIP. */
  private bindHooked({ op: native, transfers }: BoundInstruction, hook: SensitiveHook, instruction: Instruction, eip: number, next: number): BoundInstruction {
    const { cpu } = this;
    const { row } = instruction;
    if (transfers || row.cpl === 0 || COUNTED.has(row.cost)) throw new Error(`${row.mnemonic} cannot be hooked`);
    const op = (): void => {
      cpu.eip = eip;
      if (hook(cpu, instruction)) return;
      native();
      cpu.eip = next;
    };
    return { op, ends: true, transfers: true, anywhere: false, record: 0 };
  }

  private undefinedOpcode(eip: number): BoundInstruction {
    const { cpu } = this;
    const op = (): void => {
      cpu.eip = eip;
      cpu.raise(UD);
    };
    return { op, ends: true, transfers: true, anywhere: false, record: 0 };
  }

  // ---- complex instructions ----------------------------------------------------------------------------------------

  private bindComplex(instruction: Instruction, semantics: Exclude<Semantics, { kind: "inline" }>, eip: number, next: number, mode: number): BoundInstruction {
    const { row } = instruction;
    const { cpu } = this;
    const { i32 } = cpu;
    const hook = row.sensitive === null ? undefined : cpu.strategy.sensitive[row.sensitive];
    let run: ComplexFunction = semantics.fn;
    const advances = semantics.kind !== "transfer";
    // What stands in its place in translated code has an event and a price of its own.
    const replaced = hook !== undefined && (mode & S.MODE_TRANSLATED) !== 0;
    if (COUNTED.has(row.cost) && !replaced) run = this.counted(run, row);
    if (advances) run = advancing(run, next);
    if (hook !== undefined) {
      const native = run;
      run = (c, i) => { if (!hook(c, i)) native(c, i); };
    }
    if (row.cpl === 0) {
      const inner = run;
      run = (c, i) => {
        if (c.cpl !== 0) c.raise(GP, 0);
        inner(c, i);
      };
    }
    const op = (): void => {
      i32[S.EIP] = eip;
      run(cpu, instruction);
    };
    const ends = semantics.kind !== "helper" || hook !== undefined;
    return { op, ends, transfers: ends, anywhere: false, record: 0 };
  }

  private counted(run: ComplexFunction, row: Row): ComplexFunction {
    const { ledger } = this.cpu;
    const id = ledger.id(instructionEvent(row));
    return (cpu, instruction) => {
      run(cpu, instruction);
      ledger.count(id);
    };
  }

  // ---- inline instructions -----------------------------------------------------------------------------------------

  private bindInline(instruction: Instruction, fn: InlineFunction, access: string, next: number, mode: number): BoundInstruction {
    const { exec, cpu } = this;
    const { i32 } = cpu;
    const z = semanticWidth(instruction);
    const body = this.bindBody(instruction, fn, access, z, next, mode);
    if (instruction.row.ends === null) return { op: body as Op, ends: false, transfers: false, anywhere: true, record: 0 };
    const { cc, addrSize } = instruction;
    const op = (): void => {
      exec.next = next;
      exec.cc = cc;
      exec.addressSize = addrSize;
      i32[S.EIP] = body() as number;
    };
    return { op, ends: true, transfers: true, anywhere: false, record: 0 };
  }

  /** The body as a closure: reads operands, calls `fn`, writes the result; gives the result. */
  private bindBody(instruction: Instruction, fn: InlineFunction, access: string, z: number, next: number, mode: number): () => number | void {
    const { exec } = this;
    const { operands, cc } = instruction;
    const rights = access === "" ? [] : access.split(",");
    const second = operands[1];
    // With no third operand, c is the width of the second (MOVSX needs it).
    const c = operands[2] !== undefined ? this.reader(operands[2], z, next, instruction, mode)
      : constant(second !== undefined && (second.kind === "reg" || second.kind === "mem") ? second.size : 0);
    const conditional = cc >= 0 && instruction.row.ends === null;
    if (conditional) {
      const inner = fn;
      fn = (x, w, a, b, d) => {
        x.cc = cc;
        return inner(x, w, a, b, d);
      };
    }
    if (operands.length === 0 || rights.length === 0) return () => fn(exec, z, 0, 0, 0);
    const b = second === undefined || rights[1] === undefined ? constant(0) : rights[1] === "-" ? this.address(second as MemOperand)
      : this.reader(second, widthOf(second, z), next, instruction, mode);
    const first = operands[0]!;
    if (rights[1] === "rw") return this.bindExchange(first, second!, b, fn, z, mode);
    switch (rights[0]) {
      case "r": {
        const a = this.reader(first, z, next, instruction, mode);
        return operands.length === 1 ? () => fn(exec, z, a(), 0, 0) : () => fn(exec, z, a(), b(), c());
      }
      case "w": {
        const write = this.writer(first, z, mode);
        return () => write(fn(exec, z, 0, b(), c()) as number);
      }
      case "rw": return this.bindUpdate(first, b, c, fn, z, mode);
      default: return () => fn(exec, z, 0, 0, 0);
    }
  }

  private bindUpdate(first: Operand, b: Reader, c: Reader, fn: InlineFunction, z: number, mode: number): Op {
    const { exec, cpu } = this;
    const { i32 } = cpu;
    if (first.kind === "reg") {
      const r = first.index;
      if (z === 32) return () => { i32[r] = fn(exec, 32, i32[r]!, b(), c()) as number; };
      return () => cpu.setReg(r, z, fn(exec, z, cpu.reg(r, z), b(), c()) as number);
    }
    const address = this.memoryAddress(first as MemOperand, z, true, mode);
    const load = this.updateLoader(z);
    const store = storer(cpu, z);
    return () => {
      const la = address();
      store(la, fn(exec, z, load(la), b(), c()) as number);
    };
  }

  /** XCHG and XADD: the second operand, a register, is written first. */
  private bindExchange(first: Operand, second: Operand, b: Reader, fn: InlineFunction, z: number, mode: number): Op {
    const { exec, cpu } = this;
    const writeSecond = this.writer(second, z, mode);
    if (first.kind === "reg") {
      const r = first.index;
      return () => {
        const result = fn(exec, z, cpu.reg(r, z), b(), 0) as number;
        writeSecond(exec.second);
        cpu.setReg(r, z, result);
      };
    }
    const address = this.memoryAddress(first as MemOperand, z, true, mode);
    const load = this.updateLoader(z);
    const store = storer(cpu, z);
    return () => {
      const la = address();
      const result = fn(exec, z, load(la), b(), 0) as number;
      store(la, result);
      writeSecond(exec.second);
    };
  }

  // ---- operands ------------------------------------------------------------------------------------------------------

  private reader(operand: Operand, z: number, next: number, instruction: Instruction, mode: number): Reader {
    const { cpu } = this;
    const { i32, u16, u8, mmu } = cpu;
    switch (operand.kind) {
      case "reg": {
        const r = operand.index;
        if (operand.size === 32) return () => i32[r]!;
        if (operand.size === 16) return () => u16[r << 1]!;
        const byte = (r & 3) << 2 | r >> 2;
        return () => u8[byte]!;
      }
      case "imm": return constant(z === 32 ? operand.value : operand.value & (z === 16 ? 0xffff : 0xff));
      case "sreg": return () => i32[S.SELECTOR + operand.index]!;
      case "rel": return constant(branchTarget(instruction, next));
      case "mem": {
        const address = this.memoryAddress(operand, operand.size, false, mode);
        if (operand.size === 32) return () => mmu.read32(address());
        return operand.size === 16 ? () => mmu.read16(address()) : () => mmu.read8(address());
      }
      default: throw new Error(`inline semantics cannot read ${operand.kind}`);
    }
  }

  private writer(operand: Operand, z: number, mode: number): Writer {
    const { cpu } = this;
    const { i32 } = cpu;
    if (operand.kind === "reg") {
      const r = operand.index;
      return z === 32 ? (value) => { i32[r] = value; } : (value) => cpu.setReg(r, z, value);
    }
    if (operand.kind !== "mem") throw new Error(`inline semantics cannot write ${operand.kind}`);
    const address = this.memoryAddress(operand, z, true, mode);
    const store = storer(cpu, z);
    return (value) => store(address(), value);
  }

  /** Reads for a read-modify-write: the page is made writable first, so that the write cannot fault (and the flags stay as they were if the read does). */
  private updateLoader(z: number): (la: number) => number {
    const { mmu, i32 } = this.cpu;
    if (z === 32) {
      return (la) => {
        const s = i32[mmu.writeTable + (la >>> 12)]!;
        if ((la & 3) < (s & 1)) return i32[(la + s) >>> 2]!;
        mmu.probeWrite(la, 4);
        return mmu.read32(la);
      };
    }
    return z === 16
      ? (la) => { mmu.probeWrite(la, 2); return mmu.read16(la); }
      : (la) => { mmu.probeWrite(la, 1); return mmu.read8(la); };
  }

  /** Linear address of a memory operand of `bits` bits, with the segment's checks where the mode is not flat. */
  private memoryAddress(m: MemOperand, bits: number, write: boolean, mode: number): Reader {
    if ((mode & S.MODE_FLAT) !== 0 && m.seg < S.FS && !(write && m.seg === S.CS)) return this.address(m);
    const { cpu } = this;
    const bytes = bits >> 3;
    return () => linearAddress(cpu, m, bytes, write);
  }

  /** The effective address alone. */
  private address(m: MemOperand): Reader {
    const { i32 } = this.cpu;
    const { base, index, scale, disp } = m;
    if (m.addrSize === 16) {
      return () => (disp + (base >= 0 ? i32[base]! : 0) + (index >= 0 ? i32[index]! : 0)) & 0xffff;
    }
    if (index < 0) return base < 0 ? constant(disp) : () => i32[base]! + disp | 0;
    if (base < 0) return () => (i32[index]! << scale) + disp | 0;
    return () => i32[base]! + (i32[index]! << scale) + disp | 0;
  }
}

/** A near return, or a near jump or call through a register or memory. */
export function isIndirect(instruction: Instruction): boolean {
  const { ends } = instruction.row;
  return ends === "ret" || ends === "indirect" || ((ends === "call" || ends === "jump") && instruction.operands[0]?.kind !== "rel");
}

function advancing(run: ComplexFunction, next: number): ComplexFunction {
  return (cpu, instruction) => {
    run(cpu, instruction);
    cpu.i32[S.EIP] = next;
  };
}

function constant(value: number): Reader {
  return () => value;
}

function widthOf(operand: Operand, z: number): number {
  return operand.kind === "reg" || operand.kind === "mem" ? operand.size : z;
}

/** EIP wraps at 64 KB in 16-bit code (SDM vol. 1, 3.5). */
export function wrap(eip: number, mode: number): number {
  return (mode & S.MODE_CODE32) !== 0 ? eip | 0 : eip & 0xffff;
}

function storer(cpu: Cpu, z: number): (la: number, value: number) => void {
  const { mmu } = cpu;
  return z === 32 ? (la, value) => mmu.write32(la, value) : z === 16 ? (la, value) => mmu.write16(la, value) : (la, value) => mmu.write8(la, value);
}
