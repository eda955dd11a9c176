import * as assert from "uvu/assert";
import { CODE, difference, Rig, type Scenario, CALM } from "./rig.js";
import { assemble, type Assembled, type Part } from "./asm.js";

/** The engines that tests compare: interpreted only, compiled at once, compiled after a few times, as asm.js at once, interpreted by closures of each sort, blocks copied from templates at once. */
export const TIERS = ["interpreted", "hot 1", "hot 5", "asm.js", "plain closures", "specialised closures", "templates"] as const;

/** Each block has code of its own from its second execution on, and there are no regions. */
export const TEMPLATES = { warm: 1, batch: 1, hot: Infinity } as const;

export function tierRigs(blockCapacity?: number): Rig[] {
  const more = blockCapacity === undefined ? {} : { blockCapacity };
  return [
    new Rig({ jit: false, ...more }), new Rig({ hot: 1, ...more }), new Rig({ hot: 5, promote: 20, ...more }), new Rig({ hot: 1, promote: 0, ...more }),
    new Rig({ jit: false, specialised: false, ...more }), new Rig({ jit: false, threaded: false, ...more }), new Rig({ ...TEMPLATES, ...more }),
  ];
}

export interface Run {
  readonly program: Assembled;
  readonly rigs: readonly Rig[];
}

/** Runs a program at `origin` in each tier, `check`s each, and sees that all did the same. `prepare` comes before the first instruction. */
export function runEverywhere(origin: number, parts: readonly Part[], options: {
  readonly scenario?: Partial<Scenario>;
  readonly instructions?: number;
  readonly piece?: (left: number) => number;
  readonly prepare?: (rig: Rig, program: Assembled) => void;
  readonly blockCapacity?: number;
}, check: (rig: Rig, program: Assembled, tier: string) => void): Run {
  const program = assemble(origin, ...parts);
  const image = Rig.image(program.code, origin, 1);
  const rigs = tierRigs(options.blockCapacity);
  rigs.forEach((rig, i) => {
    rig.start(image, program.labels["start"] ?? origin, { ...CALM, ...options.scenario });
    options.prepare?.(rig, program);
    rig.run(options.instructions ?? 100_000, options.piece);
    check(rig, program, TIERS[i]!);
  });
  for (let i = 1; i < rigs.length; i++) assert.is(difference(rigs[0]!, rigs[i]!), null, TIERS[i]);
  return { program, rigs };
}

/** Whether the code at an address has been compiled. */
export function compiled(rig: Rig, eip = CODE): boolean {
  return rig.engine.blocks.find(eip, eip, rig.cpu.i32[15]!)?.code != null;
}
