import { readFileSync } from "node:fs";
import { parseXenElf } from "../../hypervisor/loader/xen-elf.js";
import { createMachine } from "../../hypervisor/machine.js";
import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import { createParavirt, paravirtMonitorBytes } from "../../paravirt/index.js";
import { Engine } from "../../translator/engine.js";

/** Boots a kernel by hand: `node dist/test/paravirt/boot.js IMAGE [KERNEL-ARGUMENTS [MIB]]`. */
const [path, args = "", mib = "32"] = process.argv.slice(2);
const guestBytes = Number(mib) << 20;
const machine = createMachine({
  schema: "trivisor/profile@1", name: "test", title: "", hz: 2.4e9, cyclesPerInstruction: { cycles: 1, source: "" },
  tlb: { data: 64, instruction: 64, source: "" }, costs: {},
}, guestBytes, paravirtMonitorBytes(guestBytes));
const engine = new Engine(machine);
const started = Date.now();
const pv = createParavirt(machine, {
  image: parseXenElf(readFileSync(path)), imageName: path, commandLine: args, disks: [new MemoryBackend(16384)],
  consoleOut: (byte) => { process.stdout.write(Uint8Array.of(byte)); },
});
try {
  const outcome = engine.run(Number(process.env["LIMIT"] ?? 400e6));
  console.log(outcome, Date.now() - started, "ms", machine.ledger.instructions);
} catch (e) {
  console.log(String(e), Date.now() - started, "ms", machine.ledger.instructions);
  const { cpu } = machine;
  console.log("eip", (cpu.eip >>> 0).toString(16), "esp", (cpu.esp >>> 0).toString(16), [...cpu.i32.slice(0, 8)].map((w) => (w >>> 0).toString(16)).join(" "), "cr2", (cpu.cr2 >>> 0).toString(16));
  if (process.env["STACK"]) console.log(e);
}
console.log(machine.ledger.events());
console.log(pv.audit());
