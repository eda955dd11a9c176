import type { Feature } from "./isa/opcodes-notation.js";
import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";
import { breakpointsHit, DR6_BS, raiseDebug, WATCH_EXECUTE } from "../hypervisor/debug-registers.js";
import { RAM_BASE } from "../hypervisor/heap.js";
import type { Machine } from "../hypervisor/machine.js";
import type { TrapInfo } from "../hypervisor/strategy.js";
import { webAssembly } from "../hypervisor/webassembly.js";
import { Retry, Trap } from "../hypervisor/trap.js";
import { type Block, BlockCache } from "./block.js";
import { BlockBuilder } from "./block-builder.js";
import type { RegionCode } from "./codegen/region-code.js";
import { Compiler } from "./compiler.js";
import { Threaded } from "./interpreter/threaded.js";
import { CHAIN_COUNTED, CHAIN_HOT, CHAIN_LEFT, CHAIN_MISSED, CHAIN_REFUSED } from "./interpreter/threaded-loops.js";
import type { Instruction } from "./isa/instruction.js";
import type { TranslationHooks } from "./fullvirt/engine-hooks.js";
import { semanticsOf } from "./isa/semantics/registry.js";

/** Instructions executed between two looks at the clock, at most. */
const SLICE_LIMIT = 100_000;

/** Times a block is executed on its own before its region is compiled. */
const HOT = 8000;

/** Handlers of threaded code compiled at once. */
const HANDLERS = 32;

/** Regions made at once, at most: a module of WebAssembly costs some tenths of a millisecond, however little is in it. */
const REGIONS = 8;

/** Times a block is interpreted before it gets code of its own (copy-and-patch.ts), and blocks that get it at once. */
const WARM = 1000, BATCH = 96;

/** See EngineOptions.promote: asm.js by way of WebAssembly starts at once, and is optimised beside it. */
const PROMOTE = webAssembly === null ? 500 : 0;

/** Exceptions in a row without a completed instruction after which each counts as one: a guest that only faults meets its limits. */
const STALL_LIMIT = 64;

const DELIVERIES_AT_ONCE = 1;

/** A guest that is halted has died when this much virtual time and this many timers have passed over it without an instruction. */
const DEAD_SECONDS = 10, DEAD_WAKES = 100;

/**
 * Instructions after which a region is left while it is new, so that code the host has optimised meanwhile is entered
 * (jit-study.md, 3), and how many entries it counts as new.
 */
const SOFT_EXIT = 10_000, WARMING = 200;


/** Why `run` came back. */
export type RunOutcome =
  | { readonly reason: "exit"; readonly code: number }
  | { readonly reason: "limit" }
  | { readonly reason: "stopped" }
  /** EIP is at one of `breakpoints`. */
  | { readonly reason: "breakpoint" }
  /** Halted with nothing that could ever wake it. */
  | { readonly reason: "idle" };

export interface EngineOptions {
  /** Generated code is used (the default where the host allows code generation from strings). */
  readonly jit?: boolean;
  /** The interpreter's closures are specialised (the default where the host allows code generation from strings). */
  readonly specialised?: boolean;
  /** Then the interpreter is threaded code, not closures (the default where the host has WebAssembly). */
  readonly threaded?: boolean;
  /** Bytes of the heap for threaded code's records, at most (default: all there is room for). */
  readonly recordBytes?: number;
  /** Times a block is interpreted before it gets code of its own (default 1000; Infinity: never), if generated code is used and the interpreter is threaded. */
  readonly warm?: number;
  /** Blocks that get it at once (default 96). */
  readonly batch?: number;
  /** Handlers of threaded code compiled at once (default 32). */
  readonly handlers?: number;
  /** Times a block is executed on its own before its region is compiled (default 8000). */
  readonly hot?: number;
  /** Regions made at once (default 8; less where `hot` is, one for each thousandth part of it). */
  readonly regions?: number;
  /** Instructions executed in a region's plain code, for each instruction it has, before it is made as asm.js (0: at once, the default where the host has WebAssembly; else 500). */
  readonly promote?: number;
  /** Told of what executes in MODE_TRANSLATED (dbt). */
  readonly translation?: TranslationHooks;
  /** Features of the processor beyond the model's: `vmx` for a guest that makes hypercalls by VMCALL. */
  readonly features?: readonly Feature[];
  /** Instructions kept decoded or compiled, at most (default 400,000). */
  readonly blockCapacity?: number;
}

/**
 * The run loop: interrupts and time in the outer loop, exceptions around it, blocks inside. Guest instructions are
 * counted exactly, and an interrupt is taken after the same instruction whichever tier executes.
 */
export class Engine {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly blocks: BlockCache;
  private readonly builder: BlockBuilder;
  /** null: the interpreter runs closures. */
  private readonly threaded: Threaded | null;
  /** null: everything is interpreted. */
  private readonly compiler: Compiler | null;
  private readonly hot: number;

  /** Instructions the running slice began with. */
  private sliceStart = 0;
  private running: Block | null = null;
  private stopRequested = false;
  /** Values of EIP before which `run` comes back. While there are any, everything is interpreted. */
  readonly breakpoints = new Set<number>();
  /** Instructions left of the `run` in progress. */
  private remaining = 0;
  /** Instruction count at which time is looked at next, unless `cpu.recheck` asks for it before. */
  private due = 0;
  /** The last slice used its budget up: the next begins where chance would have it, in the middle of a block. */
  private cut = false;
  /** Exceptions since an instruction completed. */
  private stalled = 0;
  /** What the delivery of another event has ended in. */
  private undelivered: TrapInfo | null = null;
  /** How long the halted processor has been passed over by timers: instructions then, cycles then, timers since. */
  private sleep = { instructions: -1, since: 0, wakes: 0 };
  /** dbt's view of what executes in MODE_TRANSLATED. */
  private readonly translation: TranslationHooks | null;

  constructor(machine: Machine, options: EngineOptions = {}) {
    this.machine = machine;
    this.cpu = machine.cpu;
    this.translation = options.translation ?? null;
    const specialised = (options.specialised ?? true) && Compiler.available();
    this.hot = options.hot ?? HOT;
    const compiled = (options.jit ?? true) && Compiler.available();
    const [warm, hot] = compiled ? [options.warm ?? WARM, this.hot] : [Infinity, Infinity];
    const threaded = specialised && (options.threaded ?? true) && Threaded.available(this.cpu);
    this.threaded = threaded ? new Threaded(this.cpu, hot, { warm, batch: options.batch ?? BATCH, handlers: options.handlers ?? HANDLERS, bytes: options.recordBytes }) : null;
    this.builder = new BlockBuilder(this.cpu, this.translation, specialised, this.threaded, options.features);
    const tally = (event: number, words: number): void => machine.ledger.tally(event, this.cpu.i32.subarray(words, words + 2));
    tally(machine.ledger.id("instruction.string"), S.STRING_TALLY);
    tally(machine.ledger.id("instruction.div"), S.DIVISION_TALLY);
    if (this.translation !== null) tally(this.translation.indirectEvent, S.INDIRECT_TALLY);
    if (this.translation !== null) this.translation.retranslate = (eip) => this.retranslate(eip);
    const { cpu } = this;
    this.blocks = new BlockCache(options.blockCapacity ?? 400_000, (frame, cached) => cpu.mmu.setCode(frame, cached), (block) => this.threaded?.detach(block));
    machine.ledger.bindRunning(() => this.sliceStart - cpu.i32[S.BUDGET]! + cpu.i32[S.INDEX]!);
    machine.memory.onCodeWrite = (pa, length) => this.codeWritten(pa, length);
    machine.clock.onReschedule = () => { cpu.recheck = true; };
    cpu.onRecheck = () => this.leaveBlock();
    cpu.interpretOne = () => this.interpretOne();
    this.compiler = compiled ? new Compiler(cpu, this.blocks, this.threaded, this.hot, options.regions ?? Math.min(REGIONS, Math.ceil(this.hot / HOT * REGIONS)), options.promote ?? PROMOTE) : null;
  }

  /** Leaves `run` at the next instruction boundary. */
  stop(): void {
    this.stopRequested = true;
    this.cpu.recheck = true;
  }

  /** Ends the running block, in either tier, after the running instruction. */
  private leaveBlock(): void {
    this.cpu.i32[S.END] = 0;
    if (this.compiler !== null) this.compiler.runtime.leave = true;
  }

  /** Drops the blocks that hold the instruction at `eip`: it has been rewritten. */
  private retranslate(eip: number): void {
    const { cpu } = this;
    const la = eip + cpu.i32[S.SEG_BASE + S.CS]! | 0;
    this.codeWritten(cpu.mmu.codeAddress(la), 1);
  }

  private codeWritten(pa: number, length: number): void {
    const dropped = this.blocks.invalidate(pa, length);
    const running = this.running ?? this.threaded?.running;
    if (running !== undefined && dropped.includes(running)) this.cpu.i32[S.END] = 0;
    if (this.compiler !== null) this.compiler.runtime.leave = true;
  }

  // ---- outer loop ----------------------------------------------------------------------------------------------------

  /**
   * Runs until the guest powers off, `maxInstructions` more have completed, `stop` was called, or nothing can happen
   * any more. Throws GuestCrash when the guest cannot go on.
   */
  run(maxInstructions = Infinity): RunOutcome {
    const { cpu } = this;
    const { clock, ledger } = this.machine;
    this.remaining = maxInstructions;
    this.stopRequested = false;
    // One that was reached before is passed.
    let first = true;
    for (;;) {
      if (cpu.recheck || ledger.settledInstructions >= this.due) this.lookAtTime();
      if (cpu.exitCode !== undefined) return { reason: "exit", code: cpu.exitCode };
      if (this.stopRequested) return { reason: "stopped" };
      if (this.remaining <= 0) return { reason: "limit" };
      if (!first && this.breakpoints.size !== 0 && this.breakpoints.has(cpu.eip)) return { reason: "breakpoint" };
      first = false;
      if (this.undelivered !== null) {
        const trap = this.undelivered;
        this.undelivered = null;
        this.stall();
        this.guard(() => cpu.strategy.exception(cpu, trap));
        continue;
      }
      if (cpu.debugHits !== 0 && !cpu.stackShadow) {
        this.debugTrap(0);
        continue;
      }
      if (cpu.nmiPending && !cpu.nmiBlocked && !cpu.interruptShadow) {
        this.guard(() => cpu.strategy.acceptNonMaskable(cpu));
        continue;
      }
      if (!cpu.interruptShadow && cpu.strategy.interruptPending(cpu)) {
        this.guard(() => cpu.strategy.acceptInterrupt(cpu));
        continue;
      }
      if (cpu.halted) {
        if (this.asleepForEver()) return { reason: "idle" };
        ledger.idle(Math.max(0, clock.nextDeadline() - clock.now()));
        cpu.recheck = true;
        continue;
      }
      this.slice();
    }
  }

  /** Whether nothing but the console's input will ever make the halted processor go on: by its state, or as far as the past tells. */
  private asleepForEver(): boolean {
    const { cpu, sleep } = this;
    const { clock, ledger } = this.machine;
    if (clock.nextDeadline() === Infinity || !cpu.strategy.canWake(cpu)) return true;
    const now = clock.now(), instructions = ledger.settledInstructions;
    if (instructions !== sleep.instructions) this.sleep = { instructions, since: now, wakes: 0 };
    else if (++sleep.wakes >= DEAD_WAKES && now - sleep.since > DEAD_SECONDS * clock.hz) {
      this.sleep = { instructions: -1, since: now, wakes: 0 };
      return true;
    }
    return false;
  }

  /**
   * Fires the timers that are due and settles when to look again: by instructions alone, so that extra cycles of events make
   * it late, never early. Time is looked at here, at instruction counts the guest alone determines, and never because
   * `run` came back or was entered: however a run is cut into pieces, a timer fires after the same instruction.
   */
  private lookAtTime(): void {
    const { clock, ledger } = this.machine;
    clock.runDue();
    const left = (clock.nextDeadline() - clock.now()) / ledger.profile.cyclesPerInstruction.cycles;
    this.due = ledger.settledInstructions + Math.max(1, Math.min(Math.ceil(left), SLICE_LIMIT));
    this.cpu.recheck = false;
  }

  private slice(): void {
    const { cpu } = this;
    const { i32 } = cpu;
    const before = i32[S.EFLAGS_SYS]!;
    cpu.singleStep = (before & S.FLAG_TF) !== 0;
    // RF holds for one instruction, and for it again if it faults (SDM vol. 3, 17.3.1.1).
    const resumed = (before & S.FLAG_RF) !== 0;
    const unchecked = resumed || cpu.stackShadow;
    const single = cpu.interruptShadow || cpu.singleStep || resumed;
    cpu.interruptShadow = cpu.stackShadow = false;
    this.begin(single ? 1 : Math.min(this.due - this.machine.ledger.settledInstructions, this.remaining));
    if (resumed) i32[S.EFLAGS_SYS] = before & ~S.FLAG_RF;
    try {
      if (cpu.instructionBreakpoints && !unchecked) this.checkBreakpoint();
      this.dispatch();
    } catch (error) {
      const done = this.settle();
      if (!(error instanceof Trap)) throw error;
      if (done !== 0) this.stalled = 0;
      else if (resumed) i32[S.EFLAGS_SYS] = i32[S.EFLAGS_SYS]! | S.FLAG_RF;
      cpu.debugHits = 0;
      this.stall();
      this.deliver(error);
      return;
    }
    this.settle();
    this.stalled = 0;
    // After a load of SS the trap is lost (SDM vol. 3, 6.8.3).
    if (cpu.singleStep && !cpu.stackShadow) this.debugTrap(DR6_BS);
  }

  /** One more exception, or a trap, without an instruction that completed. */
  private stall(): void {
    if (++this.stalled <= STALL_LIMIT) return;
    this.machine.ledger.settledInstructions++;
    this.remaining--;
  }

  /** #DB after the instruction that has just completed: for a single step (DR6_BS) and for the breakpoints its references met. */
  private debugTrap(step: number): void {
    const { cpu } = this;
    const bits = step | cpu.debugHits;
    cpu.debugHits = 0;
    if (step === 0) this.stall();
    this.guard(() => raiseDebug(cpu, bits));
  }

  /** #DB before the instruction at CS:EIP if a breakpoint is on its first byte. */
  private checkBreakpoint(): void {
    const { cpu } = this;
    const hit = breakpointsHit(cpu, cpu.eip + cpu.segBase(S.CS) | 0, 1, WATCH_EXECUTE);
    if (hit !== 0) raiseDebug(cpu, hit);
  }

  private begin(instructions: number): void {
    this.sliceStart = instructions;
    this.cpu.i32[S.BUDGET] = instructions;
    this.cpu.i32[S.INDEX] = 0;
  }

  /** Adds the slice's instructions to the ledger; gives their number. */
  private settle(): number {
    const done = this.sliceStart - this.cpu.i32[S.BUDGET]!;
    this.machine.ledger.settledInstructions += done;
    this.machine.ledger.settleTallies();
    this.remaining -= done;
    this.begin(0);
    return done;
  }

  private deliver(trap: Trap): void {
    const { cpu } = this;
    cpu.recheck = true;
    this.guard(() => cpu.strategy.exception(cpu, { vector: trap.vector, errorCode: trap.errorCode }));
  }

  /**
   * Runs a delivery; a trap it throws is delivered in turn (the delivery itself knows of double faults). After some in a row
   * the run loop looks at its limits first.
   */
  private guard(action: () => void): void {
    for (let n = 0; ; n++) {
      try {
        return action();
      } catch (error) {
        if (!(error instanceof Trap)) throw error;
        const trap = { vector: error.vector, errorCode: error.errorCode };
        if (n === DELIVERIES_AT_ONCE) {
          this.undelivered = trap;
          this.cpu.recheck = true;
          return;
        }
        action = () => this.cpu.strategy.exception(this.cpu, trap);
      }
    }
  }

  // ---- inner loop ----------------------------------------------------------------------------------------------------

  private dispatch(): void {
    const { cpu } = this;
    const { i32 } = cpu;
    const { compiler, threaded } = this;
    threaded?.reclaim();
    if (threaded !== null && threaded.full) this.forget();
    if (this.breakpoints.size !== 0 || cpu.instructionBreakpoints) return this.dispatchToBreakpoint();
    if (i32[S.BUDGET]! <= 0 || cpu.recheck) return;
    let { cut } = this;
    this.cut = false;
    for (let block = this.lookup(); ; block = this.follow(block)) {
      const { code } = block;
      const enough = code !== null && i32[S.BUDGET]! >= code.needed;
      if (enough && !block.enterable) {
        compiler!.runtime.enter(code.tables);
        this.enter(code);
        if (code.instructions >= code.promoteAt && block.code === code) compiler!.promote(block);
      } else if (block.record !== 0 && (enough || !cut)) {
        block = this.chain(block);
      } else {
        this.interpret(block, i32[S.BUDGET]!);
        if (!cut) {
          block.heat++;
          this.consider(block);
        }
      }
      cut = false;
      if (i32[S.BUDGET]! <= 0) this.cut = true;
      if (this.cut || cpu.recheck) return;
    }
  }

  /** Executes a block and those that follow it; gives the last. */
  private chain(first: Block): Block {
    const { i32 } = this.cpu;
    const threaded = this.threaded!;
    if (i32[S.BUDGET]! < first.instructions.length) {
      this.interpret(first, i32[S.BUDGET]!);
      return first;
    }
    threaded.expect(first);
    this.running = null;
    let why: number = CHAIN_LEFT;
    try {
      why = threaded.chain(first.record);
    } catch (error) {
      const { running } = threaded;
      if (i32[S.ENTERED] !== 0) threaded.leaveEntered();
      else this.leave(running!, true);
      if (!(error instanceof Retry)) throw error;
      why = CHAIN_REFUSED;
    }
    const last = threaded.running!;
    if (why === CHAIN_LEFT) this.leave(last, false);
    else if (why === CHAIN_REFUSED) this.interpret(this.lookup(), 1);
    else if (why === CHAIN_COUNTED) last.countEntries();
    else if (why === CHAIN_MISSED) threaded.note(last, i32[S.EIP]!);
    else if (why === CHAIN_HOT) {
      threaded.lookLater(last);
      if (last.indirect) last.noteTarget(i32[S.EIP]!);
      this.consider(last);
    }
    return last;
  }

  /** Forgets the interpreter's records, for which there is no more room, and all blocks with them. */
  private forget(): void {
    this.blocks.clear();
    this.builder.clearRecords();
  }

  /** Has a block compiled if that is worth it. */
  private consider(block: Block): void {
    if (this.compiler !== null && block.heat * block.weight >= this.hot && this.compiler.worth(block)) this.compiler.compile(block);
  }

  private dispatchToBreakpoint(): void {
    const { cpu } = this;
    const { i32 } = cpu;
    if (i32[S.BUDGET]! <= 0 || cpu.recheck) return;
    do {
      const block = this.lookup();
      const ahead = block.addresses.findIndex((address, i) => i !== 0 && this.stopsBefore(address));
      this.interpret(block, ahead < 0 ? i32[S.BUDGET]! : Math.min(ahead, i32[S.BUDGET]!));
    } while (i32[S.BUDGET]! > 0 && !cpu.recheck && !this.stopsBefore(i32[S.EIP]!));
  }

  /** Whether the run, or the guest, wants to stop before the instruction at `eip`. */
  private stopsBefore(eip: number): boolean {
    const { cpu } = this;
    return this.breakpoints.has(eip) || (cpu.instructionBreakpoints && breakpointsHit(cpu, eip + cpu.segBase(S.CS) | 0, 1, WATCH_EXECUTE) !== 0);
  }

  /** The block at CS:EIP as the engine would execute it; a fault of the fetch is delivered first. */
  currentBlock(): Block {
    for (;;) {
      try {
        return this.lookup();
      } catch (error) {
        if (!(error instanceof Trap)) throw error;
        this.deliver(error);
      }
    }
  }

  /** Runs generated code; an instruction it cannot make itself is left to the interpreter. */
  private enter(code: RegionCode): void {
    const { entered } = code;
    const { i32 } = this.cpu;
    const budget = i32[S.BUDGET]!, eip = i32[S.EIP]!;
    code.entered++;
    try {
      code.run(code.form === "asm" ? code.entry : entered < WARMING ? SOFT_EXIT : SLICE_LIMIT);
      // Left before an access in FS or GS that the segment does not hold (Emitter.linear).
      if (i32[S.BUDGET]! === budget && i32[S.EIP]! === eip) this.interpret(this.lookup(), 1);
    } catch (error) {
      if (!(error instanceof Retry)) throw error;
      this.interpret(this.lookup(), 1);
    } finally {
      code.instructions += budget - i32[S.BUDGET]!;
    }
  }

  /** The block that follows `previous`: the one that did so last, if it is still the code at CS:EIP, else by look-up. */
  private follow(previous: Block): Block {
    const { i32 } = this.cpu;
    const { link } = previous;
    const eip = i32[S.EIP]!;
    if (link !== null && link.eip === eip && link.valid && link.mode === i32[S.MODE] && (link.mode & S.MODE_FLAT) !== 0 && link.crossFrame < 0) {
      const word = i32[this.cpu.mmu.execTable + (eip >>> 12)]!;
      if (word !== 0 && eip + word - 1 - RAM_BASE >>> 0 === link.physical) return link;
    }
    const block = this.lookup();
    previous.link = block;
    return block;
  }

  /** The block at CS:EIP, from the cache or freshly decoded; throws the trap of a fetch that fails. */
  private lookup(): Block {
    const { cpu } = this;
    const { i32 } = cpu;
    const eip = i32[S.EIP]!, mode = i32[S.MODE]!;
    const expected = this.threaded?.expected(eip, mode);
    if (expected) return expected;
    const la = eip + i32[S.SEG_BASE + S.CS]! | 0;
    const word = i32[cpu.mmu.execTable + (la >>> 12)]!;
    const physical = word !== 0 ? la + word - 1 - RAM_BASE >>> 0 : cpu.mmu.codeAddress(la);
    const block = this.blocks.find(physical, eip, mode);
    if (block !== null) {
      if ((block.crossFrame < 0 || this.builder.secondFrame(la) === block.crossFrame) && this.withinCodeLimit(block)) return block;
      // Another page follows, or the code segment has shrunk: the new one takes its place.
      this.blocks.drop(block);
    }
    return this.keep(this.builder.build(la, physical, eip, mode));
  }

  private withinCodeLimit(block: Block): boolean {
    return this.builder.fetchAllowed(block.eip, block.bytes, block.mode);
  }

  /** Runs at most `budget` instructions of a block. */
  private interpret(block: Block, budget: number): void {
    const { i32 } = this.cpu;
    const { record, ops } = block;
    const end = ops.length < budget ? ops.length : budget;
    let trapped = true;
    try {
      if (record !== 0) {
        this.running = null;
        i32[S.INDEX] = this.threaded!.run(record, end);
      } else this.runClosures(block, end);
      trapped = false;
    } finally {
      this.running = null;
      this.leave(block, trapped);
    }
  }

  private runClosures(block: Block, end: number): void {
    const { i32 } = this.cpu;
    const { ops } = block;
    this.running = block;
    i32[S.END] = end;
    let index = 0;
    for (i32[S.INDEX] = 0; index < i32[S.END]!; i32[S.INDEX] = ++index) ops[index]!();
  }

  /** Settles budget and EIP after S.INDEX instructions of a block, the last of which has completed, or the next of which has raised a trap. */
  private leave(block: Block, trapped: boolean): void {
    const { i32 } = this.cpu;
    const done = i32[S.INDEX]!;
    i32[S.BUDGET] = i32[S.BUDGET]! - done;
    i32[S.INDEX] = 0;
    if (trapped && setsEip(block.instructions[done])) { /* EIP is right, be it a new task's */ }
    else if (done < block.ops.length) i32[S.EIP] = block.addressOf(done);
    else if (!block.transfers) i32[S.EIP] = block.nextEip;
    else if (block.indirect) block.noteTarget(i32[S.EIP]!);
  }

  private interpretOne(): void {
    const { running } = this;
    const { i32 } = this.cpu;
    const budget = i32[S.BUDGET]!, index = i32[S.INDEX]!, end = i32[S.END]!, record = i32[S.RUNNING]!;
    const resumed = i32[S.EFLAGS_SYS]! & S.FLAG_RF;
    const block = this.lookup();
    i32[S.EFLAGS_SYS] = i32[S.EFLAGS_SYS]! & ~S.FLAG_RF;
    let completed = false;
    try {
      this.interpret(block, 1);
      completed = true;
    } finally {
      if (!completed) i32[S.EFLAGS_SYS] = i32[S.EFLAGS_SYS]! | resumed;
      // Counted at once: the caller is a monitor between two slices or inside a callout.
      this.machine.ledger.settledInstructions += budget - i32[S.BUDGET]!;
      i32[S.BUDGET] = budget;
      this.running = running;
      i32[S.RUNNING] = record;
      i32[S.INDEX] = index;
      i32[S.END] = this.cpu.recheck ? 0 : end;
    }
  }

  private keep(block: Block): Block {
    this.blocks.add(block);
    if ((block.mode & S.MODE_TRANSLATED) !== 0) this.translation?.blockBuilt(block.physical, block.eip, block.instructions);
    return block;
  }
}

/** Whether an instruction's op leaves EIP right when it raises a trap. */
function setsEip(instruction: Instruction | undefined): boolean {
  return instruction !== undefined && semanticsOf(instruction).kind !== "inline";
}
