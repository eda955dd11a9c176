import * as S from "../../hypervisor/cpu-state.js";
import { GuestCrash } from "../../hypervisor/trap.js";
import type { Random } from "../isa/random.js";
import { BASE, CODE, hypercall, PAGE, PLAY_PAGES, rig, SCRATCH, STACK_TOP, words, type Rig } from "../paravirt/rig.js";
import { anyWord, type Batch, type Family, Violation } from "./family.js";
import { program } from "./programs.js";

/** Random bytes as a paravirtual kernel, with hypercalls and writes to its page tables among them. */

const INSTRUCTIONS = 150;

/** What a domain's processor has of its own; descriptor tables and page-table root are Xen's. */
const OWN_WORDS: readonly number[] = [
  ...Array.from({ length: S.EFLAGS_SYS + 1 }, (_, i) => i), S.CPL,
  ...[S.SELECTOR, S.SEG_BASE, S.SEG_LIMIT, S.SEG_ATTR].flatMap((words) => [0, 1, 2, 3, 4, 5].map((sreg) => words + sreg)),
];

function kernel(random: Random): Uint8Array {
  const code: number[] = [];
  while (code.length < 700) {
    switch (random.below(5)) {
      case 0: code.push(...hypercall(random.below(48), ...Array.from({ length: random.below(6) }, () =>
        random.below(2) === 0 ? SCRATCH + random.below(4 * PAGE) & ~3 : anyWord(random)))); break;
      case 1: code.push(0xc7, 0x05, ...words(SCRATCH + random.below(4 * PAGE)), ...words(anyWord(random))); break;
      case 2: code.push(...program(random, 12, true, SCRATCH)); break;
      case 3: code.push(0xcd, random.pick([0x80, 0x82, random.byte()])); break;
      default: for (let i = random.below(6); i >= 0; i--) code.push(random.byte());
    }
  }
  return Uint8Array.from(code);
}

function begin(random: Random): Batch {
  let r: Rig, state: Int32Array, frame: number, foreign: number, root: number;
  const fresh = (): void => {
    r = rig({ pae: random.below(2) === 0, mib: 7 });
    state = r.d.cpu.i32.slice(0, S.FPU_REGS);
    frame = r.mfnAt(CODE);
    root = r.d.baseMfn;
    foreign = r.mfn(r.unused);
    if (!r.d.frames.steal(foreign, r.d.id)) throw new Violation("the frame for another domain is in use");
    r.d.frames.give(foreign, 9);
    r.d.memory.writeBytes(foreign * PAGE, new Uint8Array(PAGE).fill(0xa5));
    let idle = 0;
    r.machine.ledger.onIdle = () => { if (++idle > 300) r.engine.stop(); };
  };
  fresh();
  const check = (): void => {
    const { d } = r;
    let wrong: readonly string[];
    try {
      wrong = r.pv.audit();
    } catch (error) {
      // The audit brings a page table back that is out, which may hold a forbidden entry.
      if (!(error instanceof GuestCrash)) throw error;
      wrong = r.pv.audit();
    }
    if (wrong.length !== 0) throw new Violation(`the domain's accounts: ${wrong[0]!}`);
    const bytes = new Uint8Array(PAGE);
    d.memory.readBytes(foreign * PAGE, bytes);
    if (!bytes.every((byte) => byte === 0xa5)) throw new Violation("another domain's frame was written");
  };
  return {
    run: (rnd) => {
      const { d, engine } = r;
      const { cpu } = d;
      for (const index of OWN_WORDS) cpu.i32[index] = state[index]!;
      cpu.halted = cpu.interruptShadow = cpu.stackShadow = false;
      cpu.exitCode = undefined;
      cpu.modeChanged();
      d.memory.writeBytes(frame * PAGE, kernel(rnd));
      for (let n = 0; n < 8; n++) if (n !== S.ESP) cpu.i32[n] = rnd.below(2) === 0 ? BASE + rnd.below(PLAY_PAGES * PAGE) : anyWord(rnd);
      cpu.i32[S.EIP] = CODE | 0;
      cpu.i32[S.ESP] = STACK_TOP - 0x100;
      if (rnd.below(3) === 0) for (let v = 0; v < 32; v++) Object.assign(d.traps[v]!, { cs: 0xe019, eip: CODE + rnd.below(0x300), flags: rnd.below(8) });
      if (rnd.below(4) === 0) d.vmAssist = rnd.below(16);
      let crashed = false;
      try {
        engine.run(INSTRUCTIONS);
      } catch (error) {
        if (!(error instanceof GuestCrash)) throw error;
        crashed = true;
      }
      // A crash ends the domain; and its code must still be where the next case's is put.
      if (crashed || cpu.exitCode !== undefined || moved(r, frame, root)) {
        check();
        fresh();
      }
    },
    end: check,
  };
}

/** The page of code, or the root of the page tables, is no longer what it was made as. */
function moved(r: Rig, frame: number, root: number): boolean {
  try {
    return r.d.baseMfn !== root || r.mfnAt(CODE) !== frame;
  } catch {
    return true;
  }
}

export const DOMAIN_FAMILY: Family = { name: "code.paravirt", share: 0.8, batch: 60, begin };
