import * as assert from "uvu/assert";
import { suite } from "uvu";
import { GuestCrash } from "../../hypervisor/trap.js";
import { CODE, hypercall, PAGE, rig, SCRATCH, words } from "./rig.js";

/** Kernels of random bytes: whatever they do, only their own domain ends, and its accounts are in order. */
const name = suite("paravirt random code");

function xorshift(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

/** Random bytes with hypercalls, page-table writes and traps among them. */
function program(random: (n: number) => number): number[] {
  const code: number[] = [];
  while (code.length < 600) {
    switch (random(6)) {
      case 0: code.push(...hypercall(random(34), ...Array.from({ length: random(5) }, () => random(2) === 0 ? SCRATCH + random(1024) * 4 : random(64)))); break;
      case 1: code.push(0xc7, 0x05, ...words(SCRATCH + random(4 * PAGE)), ...words(random(0x10000) * 0x10000 + random(0x10000))); break;
      case 2: code.push(0xcd, random(256)); break;
      case 3: code.push(0x0f, random(256), random(256)); break;
      default: for (let i = random(8); i > 0; i--) code.push(random(256));
    }
  }
  return code;
}

name("only ever ends its own domain", () => {
  const random = xorshift(0x12345);
  let crashed = 0;
  for (let i = 0; i < 150; i++) {
    const r = rig({ pae: i % 2 === 0, code: program(random), mib: 7 });
    // Its own L1 table read-only at SCRATCH + 2 pages, with writable page tables on; a handler for every exception, back at the start.
    r.call("vm_assist", 0, 2);
    r.call("update_va_mapping", SCRATCH + 2 * PAGE, (r.pteAt(SCRATCH) & ~0xfff) | 0x61, 0, 2);
    if (i % 3 !== 0) for (let v = 0; v < 32; v++) Object.assign(r.d.traps[v], { cs: 0xe019, eip: CODE + random(300), flags: random(8) });
    const foreign = r.mfn(r.unused);
    assert.ok(r.d.frames.steal(foreign, r.d.id));
    r.d.frames.give(foreign, 9);
    r.d.memory.writeBytes(foreign * PAGE, new Uint8Array(PAGE).fill(0xa5));
    try {
      r.engine.run(3000);
    } catch (e) {
      if (!(e instanceof GuestCrash)) throw e;
      assert.not.match(e.message, /\n/);
      crashed++;
    }
    try {
      assert.equal(r.pv.audit(), [], `program ${i}`);
    } catch (e) {
      // The audit itself may meet a forbidden entry in a table that is out.
      if (!(e instanceof GuestCrash)) throw e;
      assert.equal(r.pv.audit(), [], `program ${i}`);
    }
    const bytes = new Uint8Array(PAGE);
    r.d.memory.readBytes(foreign * PAGE, bytes);
    assert.ok(bytes.every((b) => b === 0xa5), `program ${i} wrote to another domain's frame`);
  }
  assert.ok(crashed > 10, `${crashed}`);
});

name.run();
