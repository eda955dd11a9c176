import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createNative } from "../../hypervisor/native.js";
import { createHvm } from "../../hvm/hvm.js";
import { createMachine, type Machine } from "../../hypervisor/machine.js";
import { Engine } from "../../translator/engine.js";
import type { Parts } from "../../vm/assembly.js";
import { assemblePlatform, bootPc, identityMemory } from "../../vm/pc.js";
import { loadProfile } from "../../vm/profiles.js";
import { miniKernel } from "../fullvirt/mini-kernel.js";
import { type Installed, type Line, run } from "../fullvirt/program.js";

/** Whole guests, native and under hvm: what they compute and do to their devices is the same. */
const programs = suite("hvm programs");
const MMUS = ["ept", "shadow"] as const;

function installNative(machine: Machine, pic: Line): Installed {
  const { memory } = machine;
  return { strategy: createNative(pic), write: (pa, from) => memory.writeBytes(pa, from), read: (pa, into) => memory.readBytes(pa, into) };
}

const installHvm = (mmu: "ept" | "shadow") => (machine: Machine, pic: Line): Installed => {
  const { strategy, map } = createHvm(machine, { mmu, pic });
  return { strategy, write: (gpa, from) => map.writeBytes(gpa, from), read: (gpa, into) => map.readBytes(gpa, into) };
};

for (const mmu of MMUS) {
  programs(`a small kernel leaves the same registers, memory and port accesses (${mmu})`, () => {
    const native = run(miniKernel(), installNative), hvm = run(miniKernel(), installHvm(mmu));
    assert.equal(hvm.ports, native.ports);
    assert.equal(hvm.registers, native.registers);
    assert.ok(Buffer.from(hvm.memory).equals(Buffer.from(native.memory)));
    assert.is(hvm.machine.ledger.instructions, native.machine.ledger.instructions);
  });
}

interface Run { readonly console: string; readonly code: number | undefined; readonly events: (name: string) => number; readonly text: string }

const MIB = 1 << 20;

/** Boots the bare guest with a workload; gives what it printed and what was counted. */
function boot(mmu: "native" | "ept" | "shadow", append: string): Run {
  const machine = createMachine(loadProfile(), 16 * MIB, mmu === "native" ? 0 : 4 * MIB);
  const { cpu, ledger } = machine;
  let console = "";
  const image = readFileSync(new URL("../../../guest/images/guest-bare.elf", import.meta.url));
  const parts: Parts = {
    machine, image, imageName: "guest-bare.elf", initrd: undefined, disks: [], options: { image, append },
    outside: {
      serialOut: (byte) => { console += String.fromCharCode(byte); }, debugOut: () => {}, reset: () => {},
      exit: (code) => { cpu.exitCode = code; cpu.recheck = true; },
    },
  };
  const intr = { get intr() { return platform.pic.intr; }, acknowledge: () => platform.pic.acknowledge() };
  const hvm = mmu === "native" ? undefined : createHvm(machine, { mmu, pic: intr });
  const memory = hvm === undefined ? identityMemory(machine)
    : { size: machine.guestBytes, read: (gpa: number, into: Uint8Array) => hvm.map.readBytes(gpa, into), write: (gpa: number, from: Uint8Array) => hvm.map.writeBytes(gpa, from) };
  const platform = assemblePlatform(parts, memory, () => {});
  cpu.strategy = hvm?.strategy ?? createNative(platform.pic);
  cpu.ports = platform.ports;
  const engine = new Engine(machine);
  bootPc(parts, memory, cpu);
  engine.run(50_000_000);
  return { console: console.trim(), code: cpu.exitCode, events: (name) => ledger.countOf(name), text: JSON.stringify(ledger.events()) };
}

/** Name and checksum of a workload's line; the number between is time. */
const result = (line: string): string => line.replace(/^(\S+) \S+ (\S+)$/, "$1 $2");

for (const workload of ["syscall n=200", "forkexec n=3", "pagefault n=64", "mmap n=4"]) {
  programs(`the bare guest computes the same under both: ${workload}`, () => {
    const native = boot("native", `workload=${workload}`);
    assert.is(native.code, 0);
    for (const mmu of MMUS) {
      const hvm = boot(mmu, `workload=${workload}`);
      assert.is(hvm.code, 0);
      assert.is(result(hvm.console), result(native.console), mmu);
    }
  });
}

programs("system calls and the guest's page faults are no exits under EPT; with shadow tables faults are", () => {
  const ept = boot("ept", "workload=pagefault n=64"), shadow = boot("shadow", "workload=pagefault n=64");
  assert.is(ept.events("vmexit.exception_nmi"), 0);
  assert.ok(ept.events("trap.page_fault") >= 64);
  assert.is(shadow.events("vmexit.ept_violation"), 0);
  assert.is(shadow.events("vmexit.exception_nmi"),
    shadow.events("shadow.hidden_fault") + shadow.events("shadow.true_fault") + shadow.events("shadow.trace") + shadow.events("shadow.mmio"));
  assert.ok(shadow.events("shadow.true_fault") >= 64);
  assert.is(ept.events("vmexit.cr_access"), 1);
});

for (const mmu of MMUS) {
  programs(`looking through the guest's tables finds what it sees, and counts nothing (${mmu})`, () => {
    let seen = 0;
    run(miniKernel(), (m, pic) => {
      const hvm = createHvm(m, { mmu, pic });
      assert.is(hvm.linear(0x123456), 0x123456);
      m.ledger.listen((name) => {
        if (name !== "interrupt.software") return;
        const before = JSON.stringify(m.ledger.events());
        assert.is(hvm.linear(0x100000), 0x100000);
        assert.is(hvm.linear(0x40000000), -1);
        assert.is(JSON.stringify(m.ledger.events()), before);
        seen++;
      });
      return { strategy: hvm.strategy, write: (gpa, from) => hvm.map.writeBytes(gpa, from), read: (gpa, into) => hvm.map.readBytes(gpa, into) };
    });
    assert.ok(seen > 50);
  });
}

programs("every exit but the last is followed by an entry, and the counts repeat", () => {
  for (const mmu of MMUS) {
    const once = boot(mmu, "workload=syscall n=50"), again = boot(mmu, "workload=syscall n=50");
    assert.is(once.text, again.text);
    const exits = Object.entries(JSON.parse(once.text) as Record<string, number>).filter(([name]) => name.startsWith("vmexit.")).reduce((sum, [, n]) => sum + n, 0);
    assert.is(once.events("vmentry"), exits + 1);
  }
});

programs.run();
