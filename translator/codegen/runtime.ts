import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import { WASM_PAGE_BYTES, type WasmModule, webAssembly } from "../../hypervisor/webassembly.js";
import { FRAME_CODE, FRAME_MMIO, FRAME_ROM } from "../../hypervisor/memory.js";
import { loadTimeStamp, timeStampDenied } from "../../hypervisor/model-specific-registers.js";
import { arithmeticFlags, carryFlag, condition, parity } from "../../hypervisor/flags.js";
import { highestBit, lowestBit, mulhs, mulhu, reverseBytes } from "../isa/semantics/subset.js";
import { Retry } from "../../hypervisor/trap.js";
import { type AsmFunction, encodeModule } from "./asm-module.js";
import { flagFunctions } from "./flag-functions.js";
import { lentClock } from "./time-stamp.js";
import { REGION_CALLS, relayed } from "./foreign.js";
import { withinPages } from "./unaligned.js";
import type { Op } from "../interpreter/bind.js";
import { memoryAccess, type SlowAccesses, type SlowLoad, type SlowStore, slowName, SORTS } from "./memory-access.js";
import { type RegionTree, TSC_DONE, TSC_LEAVE, TSC_REFUSED } from "./region.js";
import type { Form, RegionTables } from "./region-code.js";
import { IMPORTED_FUNCTIONS, IMPORTED_HEAP, IMPORTED_MEMORY } from "./wasm-binary.js";
import { DOUBLE, DOUBLE_WORDS, P, SINGLE, SINGLE_WORDS } from "./x87-pairs.js";
import { X, X87_NAMES, x87Functions } from "./x87-stack.js";

/** Names that plain generated code may use, in the order in which they are passed to it. */
export const RUNTIME_NAMES = [
  "i32", "u8", "u16", "load8", "load16", "load32", "store8", "store16", "store32", "update8", "update16", "update32",
  "arithmeticFlags", "carryFlag", "condition", "parity", "mulhu", "mulhs", "reverseBytes", "lowestBit", "highestBit", "rdtsc",
  "x87", "xp", "xd", "xdw", "xs", "xsw", "xslow", ...X87_NAMES, "op", "ops", "fault",
] as const;

const dividend = (high: number, low: number): bigint => BigInt(high >>> 0) << 32n | BigInt(low >>> 0);

/** Divisions for asm.js's text; WebAssembly has instructions for them. */
const DIVISIONS = {
  divideUnsigned: (high: number, low: number, divisor: number): number => Number(BigInt.asIntN(32, dividend(high, low) / BigInt(divisor >>> 0))),
  remainderUnsigned: (high: number, low: number, divisor: number): number => Number(BigInt.asIntN(32, dividend(high, low) % BigInt(divisor >>> 0))),
  divideSigned: (low: number, divisor: number): number => low / divisor | 0,
  remainderSigned: (low: number, divisor: number): number => low % divisor | 0,
};

/** Runs a region; see RegionCode.run. */
export type Run = (argument: number) => void;

/** Compiles the text of a region's code: a function that makes it runnable when it is given what it uses. */
export function compileText(form: Form, source: string, name: string): (...values: never[]) => unknown {
  const code = form === "asm" ? new Function("stdlib", "foreign", "heap", source) : new Function(...RUNTIME_NAMES, `"use strict";\nreturn function ${name}(soft) {\n${source}}`);
  return code as (...values: never[]) => unknown;
}

/** Compiles regions of asm.js by way of WebAssembly, for a heap of `pages` of its pages. */
export function compileModule(functions: readonly AsmFunction[], pages: number): WasmModule {
  return new webAssembly!.Module(encodeModule(functions, pages));
}

/** A region's code to be made runnable, for user or supervisor code. */
export interface Unlinked { readonly tree: RegionTree; readonly name: string; readonly user: boolean }

/**
 * The slow halves of generated code's memory accesses. An access that the interpreter must make (MMIO, or a write to
 * bytes that are cached code) throws Retry before it has any effect; a fault throws the trap. Either way the region's
 * catch puts the state of the instruction's start into the heap, by the site number left in `site`.
 */
export class Runtime {
  private readonly cpu: Cpu;
  private readonly holdsCode: (pa: number, length: number) => boolean;
  private readonly retry = new Retry();
  /** Site number of the access that threw. */
  site = -1;
  /** What an access in asm.js threw, until the code has put the guest's state right. */
  private failure: unknown = null;
  /** Values of RUNTIME_NAMES but for those of one region, for supervisor and for user code. */
  private readonly values: readonly [readonly unknown[], readonly unknown[]];
  private readonly foreign: Readonly<Record<string, unknown>>;
  /** The same as functions of WebAssembly, once there is a module to link with them. */
  private relay: Readonly<Record<string, unknown>> | null = null;
  /** Those of the code that the run loop has entered, and of all code that is entered without it (S.REGION). */
  private entered: RegionTables = { ops: [], sites: new Int32Array(0) };
  private readonly regions: readonly RegionTables[];

  /** `regions`: tables by S.REGION, which is not 0. */
  constructor(cpu: Cpu, holdsCode: (pa: number, length: number) => boolean, regions: readonly RegionTables[]) {
    this.regions = regions;
    this.cpu = cpu;
    this.holdsCode = holdsCode;
    const { heap } = cpu;
    const slow: SlowAccesses = {
      load: [this.loader(1), this.loader(2), this.loader(4)], store: [this.storer(1), this.storer(2), this.storer(4)],
      update: [this.updater(1), this.updater(2), this.updater(4)],
    };
    const rdtsc = this.timeStamp();
    const common = [
      arithmeticFlags, carryFlag, condition, parity, mulhu, mulhs, reverseBytes, lowestBit,
      highestBit, rdtsc,
      ...this.x87Values(),
    ];
    const views = [heap.i32, heap.u8, heap.u16];
    this.values = [[...views, ...memoryAccess(heap, false, slow), ...common], [...views, ...memoryAccess(heap, true, slow), ...common]];
    const halves = SORTS.map(({ kind, z }) => {
      const i = z === 8 ? 0 : z === 16 ? 1 : 2;
      return [slowName(kind, z), kind === "store" ? this.flaggingStore(slow.store[i]) : this.flaggingLoad(slow[kind][i])];
    });
    this.foreign = {
      arithmeticFlags, carryFlag, condition, rdtsc, ...DIVISIONS, ...this.bulk(), ...Object.fromEntries(halves) as Record<string, unknown>,
      op: (k: number): boolean => {
        this.region.ops[k]!();
        return this.leave;
      },
      fault: (budget: number) => this.rethrow(budget, this.region.sites),
    };
  }

  /** A helper did what the region must be left for: time, interrupts or the region's own code have changed. */
  get leave(): boolean { return this.cpu.i32[S.LEAVE] !== 0; }
  set leave(value: boolean) { this.cpu.i32[S.LEAVE] = value ? 1 : 0; }

  /** To be called before code is entered by the run loop. */
  enter(tables: RegionTables): void {
    this.leave = false;
    this.cpu.i32[S.REGION] = 0;
    this.entered = tables;
  }

  private get region(): RegionTables {
    const number = this.cpu.i32[S.REGION]!;
    return number === 0 ? this.entered : this.regions[number]!;
  }

  /** Makes the code of regions runnable, as far as it can in one module: each costs the host some tenths of a millisecond, however little is in it. */
  link(regions: readonly Unlinked[]): Run[] {
    const runs = new Map<Unlinked, Run>();
    if (this.cpu.heap.memory !== null) for (const module of modulesOf(regions)) this.linkModule(module, runs);
    return regions.map((region) => runs.get(region) ?? this.linkText(region));
  }

  private linkText({ tree: { form, print, ops, sites }, name, user }: Unlinked): Run {
    const make = compileText(form, print(), name) as (...values: unknown[]) => Run;
    if (form === "asm") return make(globalThis, this.foreign, this.cpu.heap.buffer);
    const op = (k: number): boolean => {
      ops[k]!();
      return this.leave;
    };
    return make(...this.values[user ? 1 : 0], op, ops, (budget: number) => this.fault(budget, sites));
  }

  private linkModule(regions: readonly Unlinked[], runs: Map<Unlinked, Run>): void {
    const { buffer, memory } = this.cpu.heap;
    this.relay ??= this.relays();
    const module = compileModule(regions.flatMap(({ tree }) => tree.functions!), buffer.byteLength / WASM_PAGE_BYTES);
    const { exports } = new webAssembly!.Instance(module, { [IMPORTED_HEAP]: { [IMPORTED_MEMORY]: memory }, [IMPORTED_FUNCTIONS]: this.relay });
    for (const region of regions) runs.set(region, exports[region.name] as Run);
  }

  private relays(): Readonly<Record<string, unknown>> {
    const plain = relayed(this.foreign, REGION_CALLS);
    return { ...plain, ...withinPages(this.cpu.heap, plain), ...lentClock(this.cpu.heap, plain), ...flagFunctions() };
  }

  /** RDTSC with `budget` instructions left, itself among them: EDX:EAX to the heap. */
  private timeStamp(): (budget: number) => number {
    const { cpu } = this;
    const { i32, ledger, heap } = cpu;
    const event = ledger.id("instruction.system.rdtsc");
    return (budget) => {
      const { strategy } = cpu;
      const plain = strategy.plainTimeStamps === undefined ? strategy.sensitive.RDTSC === undefined : strategy.plainTimeStamps();
      if (!plain || timeStampDenied(cpu)) return TSC_REFUSED;
      i32[S.BUDGET] = budget;
      loadTimeStamp(cpu);
      ledger.count(event);
      if (heap.memory !== null && cpu.tscOffset === null) ledger.lend({ heap, budget, id: event });
      return this.leave ? TSC_LEAVE : TSC_DONE;
    };
  }

  /** What string-emit.ts calls; WebAssembly has the first two itself. */
  private bulk(): Readonly<Record<string, unknown>> {
    const { u8, ledger } = this.cpu;
    const event = ledger.id("instruction.string"), each = ledger.id("instruction.string_iteration");
    return {
      copyBytes: (to: number, from: number, bytes: number) => { u8.copyWithin(to, from, from + bytes); },
      fillBytes: (at: number, value: number, bytes: number) => { u8.fill(value, at, at + bytes); },
      iterations: (n: number) => ledger.count(each, n),
      executed: () => ledger.count(event),
    };
  }

  private flaggingLoad(slow: SlowLoad): SlowLoad {
    return (la, site) => {
      try {
        return slow(la, site);
      } catch (error) {
        this.failed(error);
        return 0;
      }
    };
  }

  private flaggingStore(slow: SlowStore): SlowStore {
    return (la, value, site) => {
      try {
        slow(la, value, site);
      } catch (error) {
        this.failed(error);
      }
    };
  }

  private failed(error: unknown): void {
    this.failure = error;
    this.cpu.i32[S.FAULTED] = 1;
  }

  private rethrow(budget: number, sites: Int32Array): void {
    this.fault(budget, sites);
    this.cpu.i32[S.FAULTED] = 0;
    throw this.failure;
  }

  /** xslow runs an x87 instruction's semantics on the heap; true when the region must be left. */
  private x87Values(): unknown[] {
    const { i32, ledger } = this.cpu;
    const division = ledger.id("instruction.fpu_div");
    const functions = x87Functions(i32, () => ledger.count(division));
    const slow = (op: Op, site: number, budget: number): boolean => {
      this.site = site;
      i32[S.BUDGET] = budget;
      functions.xflush();
      op();
      functions.xreset();
      return this.leave;
    };
    return [X, P, DOUBLE, DOUBLE_WORDS, SINGLE, SINGLE_WORDS, slow, ...X87_NAMES.map((name) => functions[name])];
  }

  /** Puts EIP and BUDGET of the faulting instruction into the heap. */
  private fault(budget: number, sites: Int32Array): void {
    this.cpu.i32[S.EIP] = sites[2 * this.site]!;
    this.cpu.i32[S.BUDGET] = budget + sites[2 * this.site + 1]!;
  }

  /** Throws Retry when one of the pages of an access is MMIO, has a data breakpoint or holds code here, or the run loop has been asked for. */
  private plain(la: number, size: number, write: boolean): void {
    const { mmu, memory } = this.cpu;
    if (this.cpu.recheck) throw this.retry;
    for (let at = la, left = size; left > 0;) {
      const pa = mmu.residentAddress(at);
      const here = Math.min(left, 4096 - (at & 0xfff));
      const kind = memory.kindOf(pa >>> 12);
      if ((kind & FRAME_MMIO) !== 0 || mmu.watches(at >>> 12)) throw this.retry;
      if (write && (kind & FRAME_CODE) !== 0 && this.holdsCode(pa, here)) throw this.retry;
      at = at + here | 0;
      left -= here;
    }
  }

  /** The TLB's word where it serves an access of `size` bytes at `la` alone, else 0. */
  private word(table: number, la: number, size: number): number {
    return (la & 0xfff) + size <= 4096 ? this.cpu.i32[table + (la >>> 12)]! : 0;
  }

  private loader(size: 1 | 2 | 4): SlowLoad {
    const { cpu } = this;
    const { mmu, heap: { view } } = cpu;
    const get = (at: number): number => size === 4 ? view.getInt32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at);
    return (la, site) => {
      this.site = site;
      let word = this.word(mmu.readTable, la, size);
      if (word === 0) {
        mmu.probeRead(la, size);
        if (cpu.recheck) throw this.retry;
        word = this.word(mmu.readTable, la, size);
      }
      if (word !== 0) return get(la + word - 1 | 0);
      this.plain(la, size, false);
      const value = mmu.readAs(la, size, mmu.user);
      return size === 4 ? value | 0 : value;
    };
  }

  private storer(size: 1 | 2 | 4): SlowStore {
    const { cpu } = this;
    const { mmu, heap: { view } } = cpu;
    const set = (at: number, value: number): void => {
      if (size === 4) view.setInt32(at, value, true);
      else if (size === 2) view.setInt16(at, value, true);
      else view.setInt8(at, value);
    };
    return (la, value, site) => {
      this.site = site;
      let word = this.word(mmu.writeTable, la, size);
      if (word === 0) {
        mmu.probeWrite(la, size);
        if (cpu.recheck) throw this.retry;
        word = this.word(mmu.writeTable, la, size);
      }
      if (word !== 0) return set(la + word - 1 | 0, value);
      this.plain(la, size, true);
      this.raw(la, size, value);
    };
  }

  private updater(size: 1 | 2 | 4): SlowLoad {
    const { mmu } = this.cpu;
    return (la, site) => {
      this.site = site;
      mmu.probeWrite(la, size);
      this.plain(la, size, true);
      const value = mmu.readAs(la, size, mmu.user);
      return size === 4 ? value | 0 : value;
    };
  }

  /** Writes memory that has been checked, frames with cached code included, whose bytes here are not code. */
  private raw(la: number, size: number, value: number): void {
    const { mmu, heap, memory } = this.cpu;
    for (let i = 0; i < size; i++) {
      const pa = mmu.residentAddress(la + i | 0);
      if ((memory.kindOf(pa >>> 12) & FRAME_ROM) === 0) heap.u8[RAM_BASE + pa] = value >>> (8 * i);
    }
  }
}

/** Those that have functions for a module, in as few as go: user and supervisor code's accesses have the same names, and so may regions of two address spaces. */
function modulesOf(regions: readonly Unlinked[]): Unlinked[][] {
  const modules: Unlinked[][] = [];
  for (const region of regions) {
    if (region.tree.functions === null) continue;
    const module = modules.find(([first, ...others]) => first!.user === region.user && ![first!, ...others].some(({ name }) => name === region.name));
    if (module === undefined) modules.push([region]);
    else module.push(region);
  }
  return modules;
}
