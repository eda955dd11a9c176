import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { suite } from "uvu";
import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import { parseXenElf } from "../../hypervisor/loader/xen-elf.js";
import { createMachine } from "../../hypervisor/machine.js";
import { createParavirt, paravirtMonitorBytes } from "../../paravirt/index.js";
import { Engine } from "../../translator/engine.js";
import { PROFILE } from "./rig.js";

/** The guest's Xen port, as committed: it boots, runs its workloads through every mechanism, and leaves the accounts in order. */
const name = suite("paravirt guest image");

const IMAGE = new URL("../../../guest/images/guest-xen.elf", import.meta.url);

function run(commandLine: string, mib = 32): { output: string; events: Record<string, number>; audit: string[]; outcome: unknown } {
  const guestBytes = mib << 20;
  const machine = createMachine(PROFILE, guestBytes, paravirtMonitorBytes(guestBytes));
  const engine = new Engine(machine);
  const out: number[] = [];
  const pv = createParavirt(machine, { image: parseXenElf(readFileSync(IMAGE)), commandLine, disks: [new MemoryBackend(16384)], consoleOut: (byte) => out.push(byte) });
  const outcome = engine.run(100e6);
  return { output: String.fromCharCode(...out), events: machine.ledger.events(), audit: pv.audit(), outcome };
}

/** Workload, and events that it cannot do without. */
const WORKLOADS: readonly (readonly [workload: string, count: number, events: readonly string[]])[] = [
  ["syscall", 500, ["interrupt.software"]],
  ["forkwait", 3, ["hypercall.mmuext_op.pin_table", "hypercall.mmuext_op.unpin_table", "paravirt.trap_bounce"]],
  ["forkexec", 2, ["paravirt.validate_page", "paravirt.devalidate_page"]],
  ["ctxsw-2p-0k", 50, ["hypercall.mmuext_op.new_baseptr"]],
  ["pagefault", 50, ["trap.page_fault", "hypercall.update_va_mapping"]],
  ["ptemod", 640, ["hypercall.mmu_update.entry"]],
  ["portin", 50, ["paravirt.emulate_privop.in"]],
  ["divzero", 20, ["trap.divide_error"]],
  ["disk", 64, ["device.blkback.request", "grant.map", "grant.unmap", "event_channel.upcall", "hypercall.sched_op.block"]],
];

for (const [workload, count, events] of WORKLOADS) {
  name(`runs ${workload}`, () => {
    const r = run(`workload=${workload} n=${count}`);
    assert.equal(r.outcome, { reason: "exit", code: 0 });
    assert.match(r.output, new RegExp(`^${workload} [0-9]+ [0-9a-f]{8}\n$`));
    for (const event of events) assert.ok((r.events[event] ?? 0) > 0, event);
    assert.equal(r.audit, []);
  });
}

name("an unknown workload ends with code 2 through the exit port, as on a bare PC (guest/README.md)", () => {
  const r = run("workload=nonsense");
  assert.equal([r.output, r.outcome], ["unknown workload: nonsense\n", { reason: "exit", code: 2 }]);
});

name("gives the same output and the same counts twice", () => {
  const a = run("workload=forkwait n=3"), b = run("workload=forkwait n=3");
  assert.equal(a, b);
});

name.run();
