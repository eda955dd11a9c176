import type { Expression, Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import { RAM_BASE, TLB_SUPERVISOR_EXEC, TLB_USER_EXEC } from "../../hypervisor/heap.js";
import type { Block } from "../block.js";
import { flagsSurelyWritten, type Instruction } from "../isa/instruction.js";
import { format } from "../isa/format.js";
import { semanticsOf } from "../isa/semantics/registry.js";
import type { Op } from "../interpreter/bind.js";
import type { Form, RegionTables } from "./region-code.js";
import type { AsmModule } from "./asm-module.js";
import * as A from "./ast.js";
import { FLAG_AUX, FLAG_DST, FLAG_FIRST, FLAG_OP, FLAG_PATCH, FLAG_PENDING, FLAG_SRC } from "./conditions.js";
import { BUDGET_LOCAL, type Emitted, Emitter, EXIT, EXIT_EIP, factsOf, foldPending, lowByte, type RegionContext, TARGET } from "./emit.js";
import { forgetPages } from "./asm-lower.js";
import { asmShell, LIVE, plainShell, type Printer, SOFT_LIMIT } from "./shell.js";
import { LoopCaches, StackAccesses, tablesFor } from "./memory-access.js";
import { emitX87, type X87Facts, x87Facts } from "./x87-emit.js";
import { mayGoOn, regionSuccessors, replaced } from "./successors.js";
import { divisible, DIVISOR, emitDivision, isDivision } from "./division-emit.js";
import { emitBulk, emitElement, isBulk, isElement } from "./string-emit.js";
import { X87Run } from "./x87-run.js";
import { innermostLoops, loopHeaders, makeReducible, type Reducible, structure } from "./structure.js";

/** MODE bits that code must have to be generated: flat 32-bit segments. */
export const GENERATED_MODE = S.MODE_FLAT | S.MODE_CODE32 | S.MODE_STACK32;

/** What `rdtsc` gives: a monitor has it, or it faults; done; done, and the region must be left. */
export const TSC_REFUSED = 0, TSC_DONE = 1, TSC_LEAVE = 2;

/** Indirect transfers executed that S.INDIRECT_TALLY does not show yet. */
const INDIRECTS = "$indirects";

/** Where an irreducible region's dispatching node goes. */
const DISPATCH = "$d";
const n = (): Expression => A.identifier(BUDGET_LOCAL);
const i32 = (word: number): Expression => A.element("i32", A.literal(word));
const setI32 = (word: number, value: Expression): Statement => A.statement(A.assignElement("i32", A.literal(word), value));
const add = (e: Expression, k: number): Expression => k === 0 ? e : A.binary(A.binary(e, "+", A.literal(k)), "|", A.literal(0));

/** Whether an event of Ledger.tally is to be counted in its word, and its being counted there. */
const watched = (tally: number): Expression => A.binary(i32(tally + 1), "!==", A.literal(0));
const unwatched = (tally: number): Expression => A.binary(i32(tally + 1), "===", A.literal(0));
const counted = (tally: number, n: Expression = A.literal(1)): Statement => setI32(tally, A.binary(A.binary(i32(tally), "+", n), "|", A.literal(0)));

/** The code of a region before it is printed, and what it must be given to run. */
export interface RegionTree extends RegionTables {
  readonly form: Form;
  /** There is no asm.js for it: x87 instructions work on doubles. */
  readonly onlyPlain: boolean;
  /** The body of a function of `soft`, or a module of asm.js. */
  readonly print: Printer;
  /** Those of the module, whose first is its export; null for plain code. */
  readonly functions: AsmModule["functions"] | null;
  readonly needed: number;
  /** Blocks where it may leave in the middle of its work: it must be possible to enter there. */
  readonly heads: readonly Block[];
  /** Blocks that asm.js code can be entered at, and what it is to be called with for each. */
  readonly entries: readonly (readonly [Block, number])[];
}

function rotates(instruction: Instruction): boolean {
  const semantics = semanticsOf(instruction);
  return semantics.kind === "inline" && factsOf(semantics).rotates;
}

/** Turns in a row of a loop of one block, of at most so many instructions. */
const UNROLLED: readonly (readonly [turns: number, instructions: number])[] = [[4, 8], [2, 16]];

function turnsOf({ instructions }: Block): number {
  if (instructions[instructions.length - 1]!.row.ends !== "branch" || instructions.some((i) => semanticsOf(i).kind !== "inline")) return 1;
  return UNROLLED.find(([, most]) => instructions.length <= most)?.[0] ?? 1;
}

/** An innermost loop, and what is done when it is entered, which is known when all code has been emitted. */
interface Loop { readonly header: number; readonly nodes: ReadonlySet<number>; readonly caches: LoopCaches; readonly enter: Statement[] }

class RegionBuilder {
  /** The block of each node: those of the region, then further turns of unrolled loops. */
  private readonly blocks: readonly Block[];
  /** From each turn of an unrolled loop to the next one. */
  private readonly ring = new Map<number, number>();
  private readonly byEip = new Map<number, number>();
  private readonly successors: readonly (readonly number[])[];
  private readonly graph: Reducible;
  private readonly headers: Set<number>;
  private readonly predecessors: Int32Array;
  private readonly context: RegionContext;
  private readonly ops: Op[] = [];
  private readonly emitter: Emitter;
  private readonly remark: Remark | null;
  private readonly form: Form;
  private readonly onlyPlain: boolean;
  private readonly loops: readonly Loop[];
  private needed = 0;

  constructor(blocks: readonly Block[], mode: number, form: Form, remark: Remark | null) {
    this.remark = remark;
    this.onlyPlain = blocks.some((b) => b.instructions.some((i) => x87Facts(i) !== null));
    this.form = this.onlyPlain ? "plain" : form;
    blocks.forEach((b, i) => this.byEip.set(b.eip, i));
    const known = regionSuccessors(blocks);
    this.blocks = this.form === "asm" ? this.unrolled(blocks, known) : blocks;
    this.successors = this.blocks.map(({ eip }) => known[this.byEip.get(eip)!]!);
    const successors = this.successors.map((eips, node) => [...new Set(eips.flatMap((eip) => this.nodeAt(node, eip) ?? []))]);
    this.graph = makeReducible({ successors, root: 0 });
    this.headers = loopHeaders(this.graph);
    this.predecessors = new Int32Array(this.graph.successors.length);
    for (const list of this.graph.successors) for (const s of list) this.predecessors[s]!++;
    this.context = { user: (mode & S.MODE_USER) !== 0, sites: [], loop: null, stack: new StackAccesses(), used: 0, written: 0, flagsWritten: false, pending: false, rotates: blocks.some((b) => b.instructions.some(rotates)), x87: false };
    this.emitter = new Emitter(this.context);
    this.loops = this.form === "asm" ? [...innermostLoops(this.graph)].filter(([header]) => header !== this.graph.dispatcher)
      .map(([header, nodes]) => ({ header, nodes, caches: new LoopCaches(header), enter: [] })) : [];
  }

  /** Small loops of one block have several turns in a row: what is done once a turn in them is done once for all of these. */
  private unrolled(blocks: readonly Block[], successors: readonly (readonly number[])[]): readonly Block[] {
    const nodes = [...blocks];
    blocks.forEach((block, node) => {
      const turns = successors[node]!.includes(block.eip) ? turnsOf(block) : 1;
      for (let turn = 1, last = node; turn < turns; turn++) {
        this.ring.set(last, last = nodes.push(block) - 1);
        this.ring.set(last, node);
      }
    });
    return nodes;
  }

  /** The node for EIP `eip` as it is reached from `node`. */
  private nodeAt(node: number, eip: number): number | undefined {
    return eip === this.blocks[node]!.eip ? this.ring.get(node) ?? this.byEip.get(eip) : this.byEip.get(eip);
  }

  build(): RegionTree {
    this.needed = this.longestPath();
    const { form, onlyPlain, needed } = this;
    const body = structure(this.graph, (node, jump) => this.node(node, jump));
    for (const { caches, enter } of this.loops) enter.push(...forgetPages(caches.all));
    return { form, onlyPlain, ...this.assemble(body), needed, sites: Int32Array.from(this.context.sites.flatMap(({ eip, giveBack }) => [eip, giveBack])), ops: this.ops, heads: this.heads(), entries: this.entries() };
  }

  private entries(): [Block, number][] {
    const targets = this.form === "asm" ? this.graph.targets : [];
    return [0, ...targets].map((node) => [this.blocks[node]!, node]);
  }

  private heads(): Block[] {
    return [...this.headers, ...this.graph.targets].flatMap((node) => this.blocks[node] ?? []);
  }

  /** Most instructions between two tests of the budget. */
  private longestPath(): number {
    const memo = new Map<number, number>();
    const from = (node: number): number => {
      let length = memo.get(node);
      if (length === undefined) {
        memo.set(node, 0);
        length = (this.blocks[node]?.instructions.length ?? 0) + Math.max(0, ...this.graph.successors[node]!.map((s) => this.headers.has(s) ? 0 : from(s)));
        memo.set(node, length);
      }
      return length;
    };
    return Math.max(from(this.graph.root), ...[...this.headers].map(from));
  }

  // ---- a node ------------------------------------------------------------------------------------------------------

  private node(node: number, jump: (target: number) => Statement[]): Statement[] {
    if (node === this.graph.dispatcher) return this.dispatch(jump);
    this.context.loop = this.loops.find((loop) => loop.nodes.has(node))?.caches ?? null;
    const block = this.blocks[node]!;
    const { instructions } = block;
    const count = instructions.length;
    const out: Statement[] = [];
    if (this.headers.has(node)) out.push(this.softExit(block.eip));
    out.push(A.statement(A.assign(BUDGET_LOCAL, add(n(), -count))));
    if (!this.inlined(node)) this.emitter.forget();
    const dead = deadFlags(instructions);
    for (let i = 0; i < count; i++) {
      const instruction = instructions[i]!;
      const eip = block.addresses[i]!;
      if (this.remark !== null) out.push(...this.remark(instruction, eip).map(A.comment));
      const semantics = semanticsOf(instruction);
      const last = i === count - 1;
      if (last && replaced(block)) return [...out, ...this.leaveThrough(block, i)];
      const x87 = semantics.kind === "helper" ? x87Facts(instruction) : null;
      if (semantics.kind === "inline" && !usesSegment(instruction, S.CS)) {
        const emitted = this.emitter.emit(instruction, semantics, eip, count - i, dead[i]!);
        if (emitted.target !== null) return [...out, ...this.transfer(node, emitted, jump)];
        out.push(A.block(emitted.statements));
      } else if (x87 !== null) {
        const end = this.x87Run(block, i, dead, out);
        if (end === i) out.push(...this.x87(block, i, x87));
        else {
          i = end - 1;
          if (end === count) out.push(...this.go(node, block.nextEip, jump));
          continue;
        }
      } else if (this.form === "asm" && isBulk(instruction) && !(last && block.callout)) {
        out.push(...this.bulk(block, i, count));
      } else if (isElement(instruction) && !(last && block.callout)) {
        out.push(...this.element(block, i, count));
      } else if (this.form === "asm" && isDivision(instruction) && !usesSegment(instruction, S.CS, S.FS, S.GS)) {
        out.push(...this.division(block, i, count));
      } else if (instruction.mnemonic === "RDTSC") {
        out.push(...this.timeStamp(block, i, count));
      } else if (semantics.kind === "helper" || (semantics.kind === "inline" && instruction.row.ends === null) || mayGoOn(instruction)) {
        out.push(...this.helper(block, i, count));
      } else {
        return [...out, ...this.leaveThrough(block, i)];
      }
      if (last) out.push(...this.go(node, block.nextEip, jump));
    }
    return out;
  }

  private go(node: number, eip: number, jump: (target: number) => Statement[]): Statement[] {
    const target = this.nodeAt(node, eip);
    return target === undefined ? this.exit(eip) : this.follow(node, target, jump);
  }

  /** Goes from a node to another of the region. */
  private follow(node: number, target: number, jump: (target: number) => Statement[]): Statement[] {
    const known = this.emitter.fork();
    const { cut, dispatcher } = this.graph;
    const through = cut(node, target)
      ? [this.softExit(this.blocks[target]!.eip), A.statement(A.assign(DISPATCH, A.literal(target))), ...jump(dispatcher)]
      : [...this.entering(node, target), ...jump(target)];
    this.emitter.restore(known);
    return [...this.pageCheck(node, target), ...through];
  }

  private entering(node: number, target: number): Statement[] {
    const loop = this.loops.find(({ header, nodes }) => header === target && !nodes.has(node));
    return loop === undefined ? [] : [A.block(loop.enter)];
  }

  /** The dispatching node of an irreducible region. */
  private dispatch(jump: (target: number) => Statement[]): Statement[] {
    const out: Statement[] = [];
    for (const target of this.graph.targets) {
      this.emitter.forget();
      out.push(A.ifThen(A.binary(A.identifier(DISPATCH), "===", A.literal(target)), A.block([...this.entering(this.graph.dispatcher, target), ...jump(target)])));
    }
    this.emitter.forget();
    return [...out, ...this.entering(this.graph.dispatcher, 0), ...jump(0)];
  }

  private softExit(eip: number): Statement {
    return A.ifThen(A.binary(n(), "<", this.form === "asm" ? A.literal(this.needed) : A.identifier(SOFT_LIMIT)), A.block(this.exit(eip)));
  }

  /** Reached from one place only, in whose code it is nested: what was known of the flags there holds here. */
  private inlined(node: number): boolean {
    return node !== 0 && !this.headers.has(node) && this.predecessors[node] === 1;
  }

  /** On an edge to another page: that page must still be in the instruction TLB, and be the same machine page. */
  private pageCheck(node: number, target: number): Statement[] {
    const from = this.blocks[node]!, to = this.blocks[target]!;
    if (from.eip >>> 12 === to.eip >>> 12) return [];
    const page = to.eip >>> 12;
    const word = (RAM_BASE + to.physical - to.eip) | 1;
    const table = this.context.user ? TLB_USER_EXEC : TLB_SUPERVISOR_EXEC;
    return [A.ifThen(A.binary(i32(table + page), "!==", A.literal(word)), A.block(this.exit(to.eip)))];
  }

  private exit(eip: number): Statement[] {
    return [A.statement(A.assign(EXIT_EIP, A.literal(eip))), A.breakTo(EXIT)];
  }

  private transfer(node: number, emitted: Emitted, jump: (target: number) => Statement[]): Statement[] {
    const target = emitted.target!;
    const known = A.numberOf(target);
    if (known !== undefined) return [A.block(emitted.statements), ...this.go(node, known, jump)];
    if (target.type === "ConditionalExpression") {
      const taken = A.numberOf(target.consequent), other = A.numberOf(target.alternate);
      if (taken !== undefined && taken === other) return [A.block(emitted.statements), ...this.go(node, taken, jump)];
      if (taken !== undefined && other !== undefined) {
        const simple = emitted.statements.length === 0;
        const test = simple ? target.test : A.identifier(TARGET);
        return [
          ...(simple ? [] : [A.block([...emitted.statements, A.statement(A.assign(TARGET, A.conditional(target.test, A.literal(1), A.literal(0))))])]),
          A.ifThen(test, A.block(this.go(node, taken, jump))),
          ...this.go(node, other, jump),
        ];
      }
    }
    const block = this.blocks[node]!, out: Statement[] = [];
    const counts = block.indirect && (block.mode & S.MODE_TRANSLATED) !== 0;
    // Who is to be told of it is told by the interpreter: a call in a loop would have V8 keep every local on its stack.
    if (counts) out.push(A.ifThen(watched(S.INDIRECT_TALLY), this.leaveBehind(A.literal(block.addressOf(block.instructions.length - 1)), 1)));
    out.push(A.block([...emitted.statements, A.statement(A.assign(TARGET, A.binary(target, "|", A.literal(0))))]));
    if (counts) out.push(A.statement(A.assign(INDIRECTS, add(A.identifier(INDIRECTS), 1))));
    for (const eip of this.successors[node]!) {
      const s = this.nodeAt(node, eip);
      if (s === undefined) continue;
      out.push(A.ifThen(A.binary(A.identifier(TARGET), "===", A.literal(eip)), A.block(this.follow(node, s, jump))));
    }
    return [...out, A.statement(A.assign(EXIT_EIP, A.identifier(TARGET))), A.breakTo(EXIT)];
  }

  // ---- instructions that are not spliced ---------------------------------------------------------------------------

  /** Leaves behind an instruction that has completed, with `giveBack` of its block's instructions not executed. */
  private leaveBehind(eip: Expression, giveBack: number): Statement {
    return A.block([A.statement(A.assign(EXIT_EIP, eip)), A.statement(A.assign(BUDGET_LOCAL, add(n(), giveBack))), A.breakTo(EXIT)]);
  }

  /** Runs the interpreter's closure; true when the region must be left. */
  private opCall(op: Op): Expression {
    return A.call("op", [A.literal(this.ops.push(op) - 1)]);
  }

  /** Whether the locals, and not the heap, hold the guest's state: who catches a trap must know, and only plain code catches. */
  private live(live: boolean): Statement[] {
    return this.form === "asm" ? [] : [A.statement(A.assign(LIVE, A.literal(live ? 1 : 0)))];
  }

  /** Counts the indirect transfers that the region has in a local, where there can be any. */
  private countIndirects(): Statement[] {
    if (!this.blocks.some(({ indirect, mode }) => indirect && (mode & S.MODE_TRANSLATED) !== 0)) return [];
    return [counted(S.INDIRECT_TALLY, A.identifier(INDIRECTS)), A.statement(A.assign(INDIRECTS, A.literal(0)))];
  }

  /** Everything in the heap as at the start of instruction `i`: the interpreter's closure runs on it. */
  private spillFor(block: Block, i: number, count: number): Statement[] {
    return [
      marker("spill"), setI32(S.EIP, A.literal(block.addresses[i]!)), setI32(S.BUDGET, add(n(), count - i)), ...this.live(false),
    ];
  }

  /** RDTSC without the way through the interpreter's closure, where nothing stands in its place. */
  private timeStamp(block: Block, i: number, count: number): Statement[] {
    const asked = A.identifier(TARGET), next = block.addresses[i + 1] ?? block.nextEip;
    const call = A.statement(A.assign(TARGET, A.call("rdtsc", [add(n(), count - i)])));
    const known = this.emitter.fork();
    const slow = this.helper(block, i, count);
    this.emitter.rejoin(known, this.emitter.fork());
    const leave = this.leaveBehind(A.literal(next), count - i - 1);
    return [...this.countIndirects(), call, A.ifThen(A.binary(asked, "===", A.literal(TSC_REFUSED)), A.block(slow), A.block([
      A.statement(this.emitter.writeRegister(S.EAX, 32, i32(S.EAX))), A.statement(this.emitter.writeRegister(S.EDX, 32, i32(S.EDX))),
      A.ifThen(A.binary(asked, "===", A.literal(TSC_LEAVE)), leave),
    ]))];
  }

  /**
   * REP MOVS or REP STOS. One that is not through is executed again as often as the budget allows, each time as one more instruction.
   */
  private bulk(block: Block, i: number, count: number): Statement[] {
    const instruction = block.instructions[i]!, here = block.addresses[i]!, label = `R${(here >>> 0).toString(16)}`;
    const rest = `${label}R`, next = `${label}N`;
    this.emitter.begin(instruction, here, count - i, false);
    const fast = emitBulk(this.emitter, instruction, tablesFor(this.context.user), label, rest);
    const known = this.emitter.fork();
    const slow = this.helper(block, i, count);
    this.emitter.rejoin(known, this.emitter.fork());
    return [A.labeled(next, A.block([
      A.labeled(rest, A.block([A.labeled(label, A.forever([
        ...fast,
        A.ifThen(A.binary(this.emitter.readRegister(S.ECX, 32), "===", A.literal(0)), A.block([A.breakTo(next)])),
        A.ifThen(A.binary(n(), "<=", A.literal(this.needed)), this.leaveBehind(A.literal(here), count - i - 1)),
        A.statement(A.assign(BUDGET_LOCAL, add(n(), -1))),
        A.continueTo(label),
      ]))])),
      ...slow,
    ]))];
  }

  /** A string instruction that is not repeated, upwards. */
  private element(block: Block, i: number, count: number): Statement[] {
    const instruction = block.instructions[i]!;
    this.emitter.begin(instruction, block.addresses[i]!, count - i, false);
    const upwards = A.binary(A.binary(i32(S.EFLAGS_SYS), "&", A.literal(S.FLAG_DF)), "===", A.literal(0));
    return this.unless(block, i, count, A.conditional(upwards, unwatched(S.STRING_TALLY), A.literal(0)), () => [...emitElement(this.emitter, instruction), counted(S.STRING_TALLY)]);
  }

  /** DIV or IDIV of EDX:EAX that has no exception to raise. */
  private division(block: Block, i: number, count: number): Statement[] {
    const instruction = block.instructions[i]!;
    this.emitter.begin(instruction, block.addresses[i]!, count - i, false);
    const divisor = this.emitter.operand(0);
    const test = A.conditional(divisible(this.emitter, instruction), unwatched(S.DIVISION_TALLY), A.literal(0));
    return [A.statement(A.assign(DIVISOR, divisor)), ...this.unless(block, i, count, test, () => [...emitDivision(this.emitter, instruction), counted(S.DIVISION_TALLY)])];
  }

  /** Code in place of the interpreter's closure, which is called when `test` does not hold. */
  private unless(block: Block, i: number, count: number, test: Expression, inPlace: () => Statement[]): Statement[] {
    const before = this.emitter.fork();
    const fast = inPlace();
    const known = this.emitter.fork();
    this.emitter.restore(before);
    const slow = this.helper(block, i, count);
    this.emitter.rejoin(this.emitter.fork(), known);
    return [A.ifThen(test, A.block(fast), A.block(slow))];
  }

  private helper(block: Block, i: number, count: number): Statement[] {
    const next = block.addresses[i + 1] ?? block.nextEip;
    const own = mayGoOn(block.instructions[i]!);
    this.context.loop?.close();
    this.emitter.reloaded();
    const leave = this.leaveBehind(own ? i32(S.EIP) : A.literal(next), count - i - 1);
    const asked = A.identifier(TARGET);
    return [
      ...this.spillFor(block, i, count), A.statement(A.assign(TARGET, this.opCall(block.ops[i]!))), marker("reload"), ...this.live(true),
      A.ifThen(own ? A.conditional(asked, A.literal(1), A.binary(i32(S.EIP), "!==", A.literal(next))) : asked, leave),
    ];
  }

  /** One x87 instruction. */
  private x87(block: Block, i: number, facts: X87Facts): Statement[] {
    const instruction = block.instructions[i]!, eip = block.addresses[i]!;
    const count = block.instructions.length;
    this.context.x87 = true;
    this.emitter.begin(instruction, eip, count - i, false);
    return emitX87(this.emitter, instruction, eip, !usesSegment(instruction, S.CS, S.FS, S.GS), () => facts.flags ? this.helper(block, i, count) : this.x87Helper(block, i, count, facts));
  }

  /**
   * As many x87 instructions from `i` as make one step, if that is worth it; gives the index of the next. Integer
   * instructions among them that nothing can interrupt come after the step, or where they are when there is none.
   */
  private x87Run(block: Block, i: number, dead: readonly boolean[], out: Statement[]): number {
    const { instructions, addresses } = block;
    const run = new X87Run(this.emitter);
    const limit = instructions.length - (replaced(block) ? 1 : 0);
    let end = i, written = 0;
    for (let k = i; k < limit; k++) {
      const instruction = instructions[k]!;
      const movable = movableWrites(instruction);
      if (movable !== null) {
        written |= movable;
        continue;
      }
      const facts = x87Facts(instruction);
      if (facts === null || (facts.reads & written) !== 0 || usesSegment(instruction, S.CS, S.FS, S.GS) || !run.add(instruction, addresses[k]!)) break;
      end = k + 1;
    }
    if (run.arithmetic === 0 || run.count < 2) return i;
    const known = this.emitter.fork();
    const single: Statement[] = [], moved: Statement[] = [];
    for (let k = i; k < end; k++) {
      const instruction = instructions[k]!;
      if (this.remark !== null && k !== i) single.push(...this.remark(instruction, addresses[k]!).map(A.comment));
      const facts = x87Facts(instruction);
      single.push(...(facts !== null ? this.x87(block, k, facts) : [this.movable(block, k, dead)]));
    }
    this.emitter.restore(known);
    for (let k = i; k < end; k++) if (movableWrites(instructions[k]!) !== null) moved.push(this.movable(block, k, dead));
    out.push(...run.finish(single, moved));
    return end;
  }

  private movable(block: Block, k: number, dead: readonly boolean[]): Statement {
    const instruction = block.instructions[k]!;
    const semantics = semanticsOf(instruction);
    if (semantics.kind !== "inline") throw new Error(`${instruction.mnemonic} cannot be moved`);
    return A.block(this.emitter.emit(instruction, semantics, block.addresses[k]!, block.instructions.length - k, dead[k]!).statements);
  }

  /** The semantics of an x87 instruction on the heap: only what they read of the registers goes there before. */
  private x87Helper(block: Block, i: number, count: number, facts: X87Facts): Statement[] {
    const registers = (mask: number): number[] => [0, 1, 2, 3, 4, 5, 6, 7].filter((r) => (mask & 1 << r) !== 0);
    const k = this.ops.push(block.ops[i]!) - 1;
    const leave = this.leaveBehind(A.literal(block.addresses[i + 1] ?? block.nextEip), count - i - 1);
    const asked = A.call("xslow", [A.element("ops", A.literal(k)), this.emitter.siteNumber(), add(n(), count - i)]);
    const writes = registers(facts.writes);
    const after = writes.map((r) => A.statement(this.emitter.writeRegister(r, 32, i32(r))));
    return [
      ...registers(facts.reads).map((r) => setI32(r, this.emitter.readRegister(r, 32))),
      ...(writes.length === 0 ? [A.ifThen(asked, leave)] : [A.statement(A.assign(TARGET, asked)), ...after, A.ifThen(A.identifier(TARGET), leave)]),
    ];
  }

  /** The last instruction runs in the interpreter's binding, which sets EIP; the region is left. */
  private leaveThrough(block: Block, i: number): Statement[] {
    const count = block.instructions.length;
    const settle: Statement[] = block.transfers ? [] : [setI32(S.EIP, A.literal(block.nextEip))];
    return [...this.spillFor(block, i, count), A.statement(this.opCall(block.ops[i]!)), ...settle, setI32(S.BUDGET, n()), A.returns()];
  }

  // ---- the function ------------------------------------------------------------------------------------------------

  private assemble(body: Statement[]): Pick<RegionTree, "print" | "functions"> {
    const { used, written, flagsWritten, x87, pending, user } = this.context;
    const registers = [0, 1, 2, 3, 4, 5, 6, 7].filter((r) => (used & 1 << r) !== 0);
    const flags: [string, number][] = [[FLAG_OP, S.CC_OP], [FLAG_DST, S.CC_DST], [FLAG_SRC, S.CC_SRC], [FLAG_AUX, S.CC_AUX]];
    const spill: Statement[] = registers.filter((r) => (written & 1 << r) !== 0).map((r) => setI32(r, A.identifier(`r${r}`)));
    if (pending) spill.push(foldPending());
    if (flagsWritten) spill.push(...flags.map(([name, word]) => setI32(word, A.identifier(name))));
    if (x87) spill.push(A.statement(A.call("xflush", [])));
    const indirects = this.countIndirects();
    spill.push(...indirects);
    const words = new Map<string, number>([...registers.map((r): [string, number] => [`r${r}`, r]), ...flags]);
    const reload: Statement[] = [...words].map(([name, word]) => A.statement(A.assign(name, i32(word))));
    if (x87) reload.push(A.statement(A.call("xreset", [])));
    const filled = fillMarkers(body, spill, reload);
    const parts = { entry: this.blocks[0]!.eip, body: filled, spill, reload, needed: this.needed, selector: this.graph.dispatcher < 0 ? null : DISPATCH };
    if (this.form === "asm") return asmShell(parts, { ...tablesFor(user), sites: this.context.sites, stack: { accesses: this.context.stack, user } });
    return { print: plainShell(parts, [...words.keys(), TARGET, DISPATCH, FLAG_PENDING, FLAG_PATCH, FLAG_FIRST, ...(indirects.length === 0 ? [] : [INDIRECTS]), ...[S.EAX, S.ECX, S.EDX, S.EBX].map(lowByte)]), functions: null };
  }
}

/** Spill and reload lists are known only when the whole region has been emitted: until then a marker stands for them. */
function marker(kind: "spill" | "reload"): Statement {
  return A.labeled(`$${kind}`, A.block([]));
}

/** Puts the lists in the markers' places, in the tree itself: a copy of it is dear. */
function fillMarkers(statements: Statement[], spill: readonly Statement[], reload: readonly Statement[]): Statement[] {
  let marked = false;
  for (const s of statements) marked = fill(s, spill, reload) || marked;
  if (!marked) return statements;
  return statements.flatMap((s) => s.type !== "LabeledStatement" ? [s] : s.label.name === "$spill" ? [...spill] : s.label.name === "$reload" ? [...reload] : [s]);
}

/** Fills what is within a statement; true when it is a marker itself, which never stands alone. */
function fill(s: Statement, spill: readonly Statement[], reload: readonly Statement[]): boolean {
  switch (s.type) {
    case "LabeledStatement":
      if (s.label.name === "$spill" || s.label.name === "$reload") return true;
      fill(s.body, spill, reload);
      return false;
    case "BlockStatement":
      s.body = fillMarkers(s.body, spill, reload);
      return false;
    case "ForStatement":
      fill(s.body, spill, reload);
      return false;
    case "IfStatement":
      fill(s.consequent, spill, reload);
      if (s.alternate != null) fill(s.alternate, spill, reload);
      return false;
    default: return false;
  }
}

/** Whether an operand is in one of the segments. A flat code segment cannot be written; FS and GS are never taken to be flat. */
function usesSegment(instruction: Instruction, ...segments: readonly number[]): boolean {
  return instruction.operands.some((o) => o.kind === "mem" && segments.includes(o.seg));
}

const MOVABLE = new Set(["MOV", "LEA", "ADD", "SUB", "AND", "OR", "XOR", "INC", "DEC", "CMP", "TEST", "SHL", "SHR", "SAR", "NEG", "NOT"]);

/** The registers that an instruction on registers alone writes at the most (bits), or null for any other. */
function movableWrites({ mnemonic, operands }: Instruction): number | null {
  if (!MOVABLE.has(mnemonic)) return null;
  const [first, second] = operands;
  if (first?.kind !== "reg" || (second !== undefined && second.kind !== "reg" && second.kind !== "imm" && mnemonic !== "LEA")) return null;
  return 1 << (first.size === 8 ? first.index & 3 : first.index);
}

const STACK_OR_MEMORY = new Set(["stack", "call"]);

/** For each instruction whether its flag results are overwritten before anything can look at them: a reader, a fault, the end. */
export function deadFlags(instructions: readonly Instruction[]): boolean[] {
  const dead = new Array<boolean>(instructions.length).fill(false);
  let unread = false;
  for (let i = instructions.length - 1; i >= 0; i--) {
    const instruction = instructions[i]!;
    const semantics = semanticsOf(instruction);
    if (semantics.kind !== "inline") {
      unread = false;
      continue;
    }
    const facts = factsOf(semantics);
    dead[i] = unread && (facts.setsAll || facts.rotates);
    if (facts.readsFlags || (facts.passesCarry && !dead[i])) unread = false;
    else if (facts.setsAll && flagsSurelyWritten(instruction) !== 0) unread = true;
    if (instruction.operands.some((o, k) => o.kind === "mem" && semantics.access.split(",")[k] !== "-") || STACK_OR_MEMORY.has(instruction.row.cost)) unread = false;
  }
  return dead;
}

/** Comment lines that stand above what an instruction became. */
export type Remark = (instruction: Instruction, eip: number) => string[];

/** The instruction's address and text. */
export const remarkText: Remark = (instruction, eip) => [`${(eip >>> 0).toString(16)}  ${format(instruction, eip)}`];

/** Makes the code of the region whose first block is entered; the blocks are distinct and of one mode. */
export function regionTree(blocks: readonly Block[], mode: number, form: Form, remark: Remark | null = null): RegionTree {
  return new RegionBuilder(blocks, mode, form, remark).build();
}
