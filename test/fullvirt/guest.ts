import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createNative } from "../../hypervisor/native.js";
import { createClassic, type Classic } from "../../translator/classic/classic.js";
import { createDbt, type Dbt } from "../../translator/fullvirt/dbt.js";
import { identityMemory } from "../../vm/pc.js";
import type { GuestMemory } from "../../hypervisor/devices/device.js";
import { bootGuest, type GuestRun } from "./guest-image.js";

const test = suite("the guest system under dbt and classic");
const WORKLOAD = "workload=forkwait";

/** Memory of a guest that is made only when the interrupt controller is there. */
function later(size: number, memory: () => GuestMemory): GuestMemory {
  return { size, read: (pa, into) => memory().read(pa, into), write: (pa, from) => memory().write(pa, from) };
}

function native(): GuestRun {
  return bootGuest(WORKLOAD, (machine) => ({ memory: identityMemory(machine), strategy: createNative }));
}

const checksum = (run: GuestRun): string => /^\w+ \d+ ([0-9a-f]+)$/m.exec(run.output)?.[1] ?? run.output;

test("dbt gives native's checksum, the same events in every tier, and coherent shadows", () => {
  const dbts: Dbt[] = [];
  const run = (jit: boolean): GuestRun => bootGuest(WORKLOAD, (machine) => ({
    memory: later(machine.guestBytes, () => dbts.at(-1)!.memory),
    strategy: (pic) => {
      dbts.push(createDbt(machine, pic));
      return dbts.at(-1)!.strategy;
    },
    options: () => ({ jit, translation: dbts.at(-1)!.hooks }),
  }));
  const generated = run(true), interpreted = run(false);
  assert.is(checksum(generated), checksum(native()));
  assert.is(generated.reason, "exit");
  assert.equal(generated.machine.ledger.events(), interpreted.machine.ledger.events());
  for (const dbt of dbts) assert.equal(dbt.shadow.auditCoherence(), []);
});

test("classic boots it too, and what went wrong is on the list", () => {
  const made: Classic[] = [];
  const run = bootGuest(WORKLOAD, (machine) => ({
    memory: later(machine.guestBytes, () => made[0]!.memory),
    strategy: (pic) => {
      made.push(createClassic(machine, pic));
      return made[0]!.strategy;
    },
    start: () => made[0]!.start(),
  }));
  assert.is(run.reason, "exit");
  assert.equal(made[0]!.shadow.auditCoherence(), []);
  const wrong = new Set(made[0]!.report().map((entry) => entry.mnemonic));
  for (const mnemonic of ["PUSHF", "POPF", "SGDT", "SIDT", "STR"]) assert.ok(wrong.has(mnemonic), mnemonic);
});

test.run();
