import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { PAGE_SIZE, RAM_BASE } from "../../hypervisor/heap.js";
import { WASM_PAGE_BYTES, type WasmModule, webAssembly } from "../../hypervisor/webassembly.js";
import { encodeFunctions, pureFunction } from "../codegen/asm-module.js";
import { flagFunctions } from "../codegen/flag-functions.js";
import { relayed, type Signatures } from "../codegen/foreign.js";
import { slowName, SORTS } from "../codegen/memory-access.js";
import { moduleOf } from "../codegen/modules.js";
import { IMPORTED_FUNCTIONS, IMPORTED_HEAP, IMPORTED_MEMORY, IMPORTED_TABLE } from "../codegen/wasm-binary.js";
import type { Block } from "../block.js";
import { type RegionCode, RegionSlot, type RegionTables } from "../codegen/region-code.js";
import type { Instruction } from "../isa/instruction.js";
import type { Op } from "./bind.js";
import { CodeBatches } from "./code-batches.js";
import { blocksModule, CLOSURE, HANDLER_CALLS, TEMPLATE_CALLS } from "./copy-and-patch.js";
import { FunctionTable } from "./function-table.js";
import { Handlers } from "./handlers.js";
import { type Inline, instructionShape, SEGMENT_ADDRESS } from "./emission.js";
import { withinPages } from "../codegen/unaligned.js";
import * as R from "./records.js";
import { loopFunctions, type Loops, STAND_IN } from "./threaded-loops.js";
import { checkedAddress, slowAccesses } from "./slow-accesses.js";

/** As in EngineOptions: `warm`, `batch`, `handlers`, `recordBytes`. */
export interface ThreadedOptions { readonly warm: number; readonly batch: number; readonly handlers: number; readonly bytes: number | undefined }

/** Times as many executions as made it wait after which a block waits no more. */
const PATIENCE = 2;

/** Executions after which no block is to be looked at. */
const NEVER = 0x7fffffff;

/** Targets that are noted of a block, the same ones again included. */
const NOTES = 64;

/** The handler of instructions that have a closure and no shape; its record's value is the closure's number. */
const CLOSURE_HANDLER = 0;
const LOOP_CALLS: Signatures = { [CLOSURE]: TEMPLATE_CALLS[CLOSURE]!, [STAND_IN]: { parameters: 1, result: false } };
const HANDLER = { parameters: 1, result: false };

/**
 * The interpreter's fastest form, where the host has WebAssembly: threaded code (Bell, CACM 16(6), 1973). Each shape of instruction is a handler,
 * a WebAssembly function made from its semantics; blocks are lists of records (records.ts) that one loop goes through, from block to block
 * without JavaScript. What has no shape is a closure that its record names.
 */
export class Threaded {
  private readonly cpu: Cpu;
  private readonly area: R.RecordArea;
  private readonly table = new FunctionTable();
  private readonly loops: Loops;
  private readonly heap: Readonly<Record<string, unknown>>;
  private readonly functions: Readonly<Record<string, unknown>>;
  private readonly pages: number;
  private readonly handlers: Handlers;
  private closures: Op[] = [];
  private blocks: Block[] = [];
  private readonly hot: number;
  private readonly warm: number;
  private readonly batches: CodeBatches;
  /** What each region's code names, by the code's number in the table. A region that runs may have been dropped: its entry stays. */
  readonly regions: RegionTables[] = [];

  /** Whether the host and this heap allow for it. */
  static available({ heap }: Cpu): boolean {
    return webAssembly !== null && heap.memory !== null;
  }

  /** `hot`: times a block is executed before the run loop is to look at it. */
  constructor(cpu: Cpu, hot: number, { warm, batch, handlers, bytes }: ThreadedOptions) {
    const { heap } = cpu;
    this.cpu = cpu;
    this.hot = Math.min(hot, NEVER);
    this.warm = Math.min(warm, NEVER);
    this.area = new R.RecordArea(heap.i32, bytes);
    this.heap = { [IMPORTED_MEMORY]: heap.memory, [IMPORTED_TABLE]: this.table.table };
    this.pages = heap.buffer.byteLength / WASM_PAGE_BYTES;
    const slow = slowAccesses(cpu);
    const halves = Object.fromEntries(SORTS.map(({ kind, z }) => [slowName(kind, z), slow[kind][z === 8 ? 0 : z === 16 ? 1 : 2]]));
    const plain = relayed({ ...halves, [SEGMENT_ADDRESS]: checkedAddress(cpu) }, HANDLER_CALLS);
    this.functions = { ...plain, ...withinPages(heap, plain), ...flagFunctions() };
    this.handlers = new Handlers(this.table, this.pages, handlers, (module) => this.instance(module, this.functions));
    const module = moduleOf("loops", this.pages, () => encodeFunctions(loopFunctions(), this.pages, LOOP_CALLS, HANDLER));
    const closures = relayed({ [CLOSURE]: (k: number) => this.closures[k]!(), [STAND_IN]: (record: number) => this.handlers.execute(record) }, LOOP_CALLS);
    const exported = this.instance(module, closures);
    this.loops = exported as unknown as Loops;
    this.table.table.set(CLOSURE_HANDLER, exported["closures"]);
    this.handlers.standIn = exported["standIn"];
    const pure = moduleOf("pure", 0, () => encodeFunctions([pureFunction("reverseBytes")], 0, {}));
    const called = { ...this.functions, ...closures, ...this.instance(pure, {}) };
    this.batches = new CodeBatches(cpu.i32, this.table, batch, this.handlers.sources, (code) => this.instance(new webAssembly!.Module(blocksModule(code, this.pages)), called));
  }

  private instance(module: WasmModule, functions: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    return new webAssembly!.Instance(module, { [IMPORTED_HEAP]: this.heap as Record<string, unknown>, [IMPORTED_FUNCTIONS]: functions as Record<string, unknown> }).exports;
  }

  // ---- records -------------------------------------------------------------------------------------------------------

  /** Record of an instruction that has a shape; 0 when it has none or there is no room. `closure` is made if its handler is not there yet. */
  instruction(instruction: Instruction, semantics: Inline, next: number, mode: number, closure: () => Op): number {
    const shape = instructionShape(instruction, next, mode);
    if (shape === null) return 0;
    const handler = this.handlers.number(instruction, semantics, shape);
    if (handler < 0) return 0;
    const record = this.area.allocate([handler], shape.values);
    if (record !== 0 && this.handlers.waits(handler)) this.handlers.lend(record, closure());
    return record;
  }

  /** Record of an instruction that is a closure; 0 when there is no room. */
  closure(op: Op): number {
    return this.area.allocate([CLOSURE_HANDLER, this.closures.push(op) - 1]);
  }

  /** Gives a block its record, unless an instruction has none or there is no room. */
  attach(block: Block, instructions: readonly number[]): void {
    if (instructions.includes(0)) return;
    const { physical, eip, mode, nextEip } = block;
    const flat = (mode & S.MODE_FLAT) !== 0, first = execWord(physical, eip);
    const [word, second] = !flat ? [R.NOWHERE, 0] : block.crossFrame < 0 ? [first, 0] : [R.CROSSING, execWord(block.crossFrame * PAGE_SIZE, (eip | PAGE_SIZE - 1) + 1 | 0)];
    const bits = (block.transfers ? R.BLOCK_TRANSFERS : 0) | (block.indirect ? R.BLOCK_NOTES : 0);
    const { i32 } = this.cpu;
    const words = R.FIRST_INSTRUCTION + instructions.length, again = this.area.reuse(words);
    const number = again === 0 ? this.blocks.length : i32[(again >> 2) + R.NUMBER]!;
    const head = [instructions.length, eip, mode, word, nextEip, bits, 0, Math.min(this.warm, this.untilHot(block)), 0, number, 0, 0, first, second, 0, 0];
    const record = again === 0 ? this.area.allocate(head, instructions) : again;
    if (record === 0) return;
    if (again !== 0) i32.set([...head, ...instructions], again >> 2);
    this.blocks[number] = block;
    block.attach(i32, record);
  }

  /** Takes a dropped block's record back, for `reclaim`: it may be the one that runs. */
  detach(block: Block): void {
    if (block.record === 0) return;
    this.batches.drop(block);
    this.area.giveBack(block.record, R.FIRST_INSTRUCTION + block.instructions.length);
    block.detach();
  }

  /** Lets the records of dropped blocks be given out again; to be called when no block is being executed. */
  reclaim(): void {
    this.area.reclaim();
  }

  /** Puts a region's code where `chain` can enter it. */
  slot(run: unknown, tables: RegionTables): RegionSlot {
    const index = this.table.add(run);
    this.regions[index] = tables;
    return new RegionSlot(index, () => this.table.remove(index));
  }

  /** Lets `chain` enter the generated code of a block, if there is room for the record. */
  open(block: Block, { slot, entry, needed }: RegionCode): void {
    if (slot === null || block.record === 0) return;
    const entrance = this.area.allocate([slot.index, entry, needed, 0, 0]);
    if (entrance !== 0) block.open(entrance);
  }

  /** The block whose record S.RUNNING is; undefined before there is one. */
  get running(): Block | undefined {
    const { i32 } = this.cpu;
    return this.blocks[i32[(i32[S.RUNNING]! >> 2) + R.NUMBER]!];
  }

  /** Takes note of where a block that goes to different places has gone, until that has been done often enough. */
  note(block: Block, eip: number): void {
    const { i32 } = this.cpu;
    const at = block.record >> 2;
    if (at === 0) return;
    block.noteTarget(eip);
    i32[at + R.NOTED] = eip;
    if (++block.notes === NOTES) i32[at + R.BITS] = i32[at + R.BITS]! & ~R.BLOCK_NOTES;
  }

  private untilHot({ weight }: Block): number {
    return Math.ceil(this.hot / weight);
  }

  /** The run loop has looked at a block and does so again later. */
  lookLater(block: Block): void {
    const { i32 } = this.cpu;
    const at = block.record >> 2;
    if (at === 0) return;
    const heat = i32[at + R.HEAT]!, hot = this.untilHot(block);
    if (heat >= this.warm && i32[at + R.CODE] === 0 && block.code === null) this.batches.wait(block);
    const next = heat < hot ? hot : heat + hot;
    i32[at + R.LOOK_AT] = i32[at + R.CODE] !== 0 ? next : Math.min(next, heat + PATIENCE * this.warm);
  }

  /** There was no room for a record; see clear. */
  get full(): boolean {
    return this.area.full;
  }

  /** Forgets all records. No block that has one may be executed any more. */
  clear(): void {
    this.area.clear();
    this.closures = [];
    this.blocks = [];
    this.batches.clear();
    this.handlers.clear();
  }

  // ---- execution -----------------------------------------------------------------------------------------------------

  /** Executes the instruction of a record. */
  one(instruction: number): void {
    this.loops.one(instruction);
  }

  /** Executes the first `end` instructions of a block, unless S.END is set to less meanwhile; gives how many. After a trap S.INDEX tells which raised it. */
  run(record: number, end: number): number {
    this.cpu.i32[S.RUNNING] = record;
    return this.loops.block(record, end);
  }

  /** Executes a block and those behind it, as far as the budget goes; gives why it came back (CHAIN_*). S.RUNNING is the last one's record. */
  chain(record: number): number {
    return this.loops.chain(record);
  }

  /** After an exception out of generated code that `chain` has entered: counts what it has executed. */
  leaveEntered(): void {
    const { i32 } = this.cpu;
    const executed = (i32[S.ENTERED]! >> 2) + R.EXECUTED;
    i32[executed] = i32[executed]! + i32[S.ENTRY_BUDGET]! - i32[S.BUDGET]!;
    i32[S.ENTERED] = 0;
  }

  /** Lets `chain` find a block that is the code at its EIP. */
  expect({ record, eip }: Block): void {
    const { i32 } = this.cpu;
    const at = jumpEntry(eip), latest = i32[at]!;
    if (latest === record) return;
    i32[at + 1] = latest;
    i32[at] = record;
  }

  /** The block that `chain` would find as the code at EIP, if there is one whose instructions are all in one page. */
  expected(eip: number, mode: number): Block | null {
    const { i32 } = this.cpu;
    const word = i32[this.cpu.mmu.execTable + (eip >>> 12)]!;
    for (let at = jumpEntry(eip), i = 0; word !== 0 && i < 2; i++) {
      const record = i32[at + i]! >> 2;
      if (record !== 0 && i32[record + R.BLOCK_EIP] === eip && i32[record + R.BLOCK_MODE] === mode && i32[record + R.EXEC_WORD] === word) return this.blocks[i32[record + R.NUMBER]!]!;
    }
    return null;
  }
}

/** Word of the first record in the jump table for `eip`. */
function jumpEntry(eip: number): number {
  return (R.JUMP_TABLE >> 2) + (((eip ^ eip >>> R.JUMP_BITS) & (1 << R.JUMP_BITS) - 1) << 1);
}

/** The instruction TLB's word for the page of a block in a flat code segment (heap.ts). */
function execWord(physical: number, eip: number): number {
  return RAM_BASE + physical - eip | 1;
}
