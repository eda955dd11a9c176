/** Ledger.tally: an event that generated code counts in words of its own gives the same counts and cycles as one that `count` is called for. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { createHeap, type Heap, PAGE_SIZE } from "../../hypervisor/heap.js";
import { type CostProfile, Ledger } from "../../hypervisor/ledger.js";

const test = suite("tally");
const PROFILE = {
  schema: "trivisor/profile@1", name: "test", title: "test", hz: 1e6, cyclesPerInstruction: { cycles: 1, source: "test" }, tlb: { data: 4, instruction: 4, source: "test" },
  costs: { "dbt.indirect": { cycles: 0.3, source: "test" }, "other": { cycles: 0.7, source: "test" } },
} as CostProfile;

test("counted in words or by calls, in whatever order: the same cycles to the last bit", () => {
  const results = [0, 1, 3].map((words) => {
    const ledger = new Ledger(PROFILE);
    const id = ledger.id("dbt.indirect"), shared = new Int32Array(2);
    ledger.count(id, 5);
    ledger.tally(id, shared);
    for (let i = 0; i < 1000; i++) {
      if (i % 4 < words) shared[0]!++;
      else ledger.count(id);
      if (i % 7 === 0) ledger.event("other");
      if (i % 11 === 0) ledger.settleTallies();
    }
    return [ledger.cycles, ledger.countOf("dbt.indirect"), ledger.events()];
  });
  assert.is(results[0]![1], 1005);
  assert.equal(results[1], results[0]);
  assert.equal(results[2], results[0]);
});

test("an event that was numbered first keeps its price when another is tallied", () => {
  const ledger = new Ledger(PROFILE);
  ledger.event("other");
  ledger.tally(ledger.id("dbt.indirect"), new Int32Array(2));
  ledger.event("other");
  assert.ok(Math.abs(ledger.cycles - 1.4) < 1e-9);
});

test("while somebody listens, the words say that each event is to be told", () => {
  const ledger = new Ledger(PROFILE), shared = new Int32Array(2);
  const id = ledger.id("dbt.indirect");
  const first = ledger.listen(() => {});
  ledger.tally(id, shared);
  assert.is(shared[1], 1);
  first();
  assert.is(shared[1], 0);
  const heard: string[] = [];
  const end = ledger.listen((name) => heard.push(name));
  assert.is(shared[1], 1);
  ledger.count(id);
  end();
  assert.equal(heard, ["dbt.indirect"]);
});

/** What codegen/time-stamp.ts does for a reading. */
function read({ f64, i32 }: Heap): void {
  f64[S.CLOCK_EXTRA]! += f64[S.CLOCK_PRICE]!;
  i32[S.CLOCK_READ]!++;
}

test("an event counted on a clock that is lent gives the cycles of `count` to the last bit, and whatever else happens ends the loan", () => {
  const others: ((ledger: Ledger) => void)[] = [
    (ledger) => ledger.event("other"), (ledger) => ledger.idle(0.1), (ledger) => { ledger.settledInstructions += 3; }, (ledger) => ledger.settleTallies(),
    (ledger) => ledger.cycles, (ledger) => ledger.listen(() => {})(), (ledger) => ledger.countOf("other"), (ledger) => ledger.events(),
  ];
  const results = [false, true].map((lent) => {
    const ledger = new Ledger(PROFILE), heap = createHeap(PAGE_SIZE), id = ledger.id("dbt.indirect");
    for (let i = 0; i < 400; i++) {
      if (!lent) ledger.count(id);
      else if (heap.i32[S.CLOCK_LENT] !== 0) read(heap);
      else {
        ledger.count(id);
        ledger.lend({ heap, budget: 0, id });
      }
      if (i % 3 !== 0) continue;
      others[i % others.length]!(ledger);
      assert.is(heap.i32[S.CLOCK_LENT], 0);
    }
    return [ledger.cycles, ledger.instructions, ledger.events()];
  });
  assert.equal(results[1], results[0]);
});

test("the clock is not lent while somebody listens, nor when a tallied event's words are elsewhere", () => {
  const heap = createHeap(PAGE_SIZE), ledger = new Ledger(PROFILE), id = ledger.id("other");
  const end = ledger.listen(() => {});
  ledger.lend({ heap, budget: 0, id });
  assert.is(heap.i32[S.CLOCK_LENT], 0);
  end();
  ledger.tally(ledger.id("dbt.indirect"), new Int32Array(2));
  ledger.lend({ heap, budget: 0, id });
  assert.is(heap.i32[S.CLOCK_LENT], 0);
});

test.run();
