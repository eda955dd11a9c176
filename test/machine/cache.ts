/** The cache model of docs/figures.md: which lines a fill of the TLB touches, and what falls out. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LastLevelCache } from "../../hypervisor/cache.js";
import { type CostProfile, Ledger } from "../../hypervisor/ledger.js";
import { Random } from "../isa/random.js";

const cache = suite("cache");
const PROFILE: CostProfile = { schema: "trivisor/profile@1", name: "test", title: "test", hz: 1e9, cyclesPerInstruction: { cycles: 1, source: "none" }, tlb: { data: 8, instruction: 8, source: "none" }, costs: {} };
/** 512 KB in 8 ways: 16 colours of 8 pages. */
const SIZES = { bytes: 512 << 10, ways: 8, lineBytes: 64, source: "none" };

function create(): { model: LastLevelCache; misses: () => number; streamed: () => number; sweep: (page: number, pages: number, frame?: number) => void } {
  const ledger = new Ledger(PROFILE);
  const model = new LastLevelCache(ledger, SIZES);
  return {
    model, misses: () => ledger.countOf("cache.miss"), streamed: () => ledger.countOf("cache.stream"),
    sweep: (page, pages, frame = page) => { for (let i = 0; i < pages; i++) model.filled(page + i, (frame + i) * 4096); },
  };
}

cache("a page by itself costs the one line that was touched, once", () => {
  const { model, misses, streamed } = create();
  for (let i = 0; i < 4; i++) model.filled(100, 0x5000);
  model.filled(100, 0x5040);
  assert.equal([misses(), streamed()], [2, 0]);
});

cache("neighbours make a sweep: all lines of both, up or down", () => {
  for (const step of [1, -1]) {
    const { model, misses, streamed } = create();
    for (let i = 0; i < 4; i++) model.filled(100 + i * step, (50 + i) * 4096);
    assert.equal([misses(), streamed()], [1, 4 * 64 - 1]);
  }
});

cache("128 swept pages stay, 144 in a row push each other out", () => {
  const fits = create();
  for (let round = 0; round < 3; round++) fits.sweep(0, 128);
  assert.is(fits.streamed() + fits.misses(), 128 * 64);
  const exceeds = create();
  for (let round = 0; round < 3; round++) exceeds.sweep(0, 144);
  // The first page's first line is by itself each time, and found in the tags of single lines.
  assert.ok(exceeds.streamed() + exceeds.misses() >= 3 * 144 * 64 - 2);
});

cache("pages of one colour compete, whatever their linear addresses are", () => {
  const { model, streamed } = create();
  const round = (): void => { for (let i = 0; i < 9; i++) { model.filled(i * 100, i * 16 * 4096); model.filled(i * 100 + 1, (i * 16 + 1) * 4096); } };
  round();
  const once = streamed();
  round();
  assert.ok(streamed() > 1.9 * once);
});

cache("a line of a swept page is there", () => {
  const { model, misses, sweep } = create();
  sweep(0, 4);
  model.reference(2 * 4096 + 0xfc0);
  assert.is(misses(), 1);
});

cache("a walk counts and leaves what its references one by one do, repeated or not", () => {
  const random = new Random(7);
  for (const steady of [4, 20, 100, 400]) {
    const whole = create(), single = create();
    // Entries of tables that are sometimes swept as data themselves; and of tables that share one set, more than it has ways.
    const walks = Array.from({ length: 12 }, (_, i) => Int32Array.from({ length: 2 + random.below(13) },
      () => i < 8 ? random.below(6) * 0x1000 + random.below(4) * 0x40 : 0x100000 + random.below(20) * 0x2000));
    let page = 0, walk = walks[0]!;
    for (let i = 0; i < 40000; i++) {
      if (random.below(steady) === 0) walk = random.pick(walks);
      whole.model.walked(walk, walk.length);
      for (const pa of walk) single.model.reference(pa);
      page = random.below(2 * steady) === 0 ? random.below(400) : page + 1;
      if (random.below(3) !== 0) for (const { model } of [whole, single]) model.filled(page, page % 200 * 4096);
      assert.equal([whole.misses(), whole.streamed()], [single.misses(), single.streamed()], `step ${i}`);
    }
    assert.ok(whole.misses() > 1000);
  }
});

cache.run();
