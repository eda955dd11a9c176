/**
 * A worker thread: boots both of Debian's kernels in one mode, each with a disk of its own, their network cards on one hub, until both have
 * switched off. They run in lockstep of virtual time, whichever is behind, so that each finds the other there.
 */
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { NetworkHub } from "../../hypervisor/devices/network-hub.js";
import { createVm, type Vm, type VmOutcome } from "../../index.js";
import { type Answer, type GuestResult, type Job, KERNELS } from "./cases.js";

const FOLDER = workerData as string;
const MEMORY = 128, DISK_BYTES = 16 << 20;
/** Without the kernel's tests of its own cryptography, two fifths of a boot's instructions, and its search for ISA cards, which is waiting. */
const COMMAND_LINE = "quiet console=ttyS0 cryptomgr.notests noisapnp";
/** Four times what a boot with its script takes. */
const MOST_INSTRUCTIONS = 40e9;

interface Guest {
  readonly vm: Vm;
  readonly serial: number[];
  outcome: VmOutcome | undefined;
}

function boot(job: Job, hub: NetworkHub, index: number): Guest {
  const kernel = KERNELS[index]!, own = index + 1, serial: number[] = [];
  const vm = createVm({
    image: join(FOLDER, `vmlinuz-${kernel}`), initrd: join(FOLDER, `initrd-${kernel}.gz`), memory: MEMORY, mode: job.mode, mmu: job.mmu,
    append: `${COMMAND_LINE} address=10.0.0.${own} peer=10.0.0.${3 - own}`,
    disks: [new Uint8Array(DISK_BYTES)], network: { hub, mac: [0x52, 0x54, 0, 0, 0, own] },
  }, { serialByte: (byte) => serial.push(byte) });
  return { vm, serial, outcome: undefined };
}

/** Lets the guest whose clock is behind run for a piece. */
function step(running: readonly Guest[]): void {
  const behind = running.reduce((a, b) => b.vm.machine.clock.now() < a.vm.machine.clock.now() ? b : a);
  const outcome = behind.vm.run({ pause: () => true });
  if (outcome.reason !== "stopped") behind.outcome = outcome;
  else if (behind.vm.machine.ledger.instructions > MOST_INSTRUCTIONS) behind.outcome = { reason: "limit" };
}

function result({ vm, serial, outcome }: Guest): GuestResult {
  const { instructions } = vm.machine.ledger;
  return { outcome: outcome!, instructions, output: Buffer.from(serial).toString("latin1").replaceAll("\r", "") };
}

parentPort?.on("message", (job: Job) => {
  const began = performance.now(), hub = new NetworkHub();
  const guests = KERNELS.map((_kernel, index) => boot(job, hub, index));
  for (let running = guests; running.length !== 0; running = guests.filter((guest) => guest.outcome === undefined)) step(running);
  const answer: Answer = { index: job.index, guests: guests.map(result), seconds: (performance.now() - began) / 1000 };
  parentPort?.postMessage(answer);
});
