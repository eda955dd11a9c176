import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { createMachine } from "../../hypervisor/machine.js";
import { farHost } from "../../hypervisor/network/far-host.js";
import { NetworkLink } from "../../hypervisor/network/link.js";
import { STANDARD_SERVICES } from "../../hypervisor/network/services.js";
import { createPhysicalMap } from "../../hypervisor/shadow/p2m.js";
import type { MmuKind } from "../../vm/options.js";
import { loadProfile } from "../../vm/profiles.js";
import { PvOnHvm } from "../../vm/pv-on-hvm.js";
import { createVm, UsageError } from "../../index.js";
import { random } from "../network/rig.js";

const test = suite("paravirtual drivers on hvm");

interface Run { readonly output: string; readonly events: Readonly<Record<string, number>> }

function run(pvDrivers: boolean, mmu: MmuKind = "ept"): Run {
  const lines: string[] = [];
  const vm = createVm({
    image: readFileSync("guest/images/guest-bare.elf"), mode: "hvm", mmu, memory: 32, append: "workload=ttcp-rx-1500 n=100", pvDrivers,
    network: { hub: new NetworkLink(farHost({ services: STANDARD_SERVICES })) },
  });
  vm.onSerialLine((line) => lines.push(line));
  assert.equal(vm.run({ instructions: 50e6 }), { reason: "exit", code: 0 }, lines.join("\n"));
  return { output: lines.join("\n"), events: vm.stats().events };
}

const checksum = (r: Run): string => r.output.split(" ").at(-1)!;

test("the same image finds Xen by CPUID and uses the ring (public/arch-x86/cpuid.h), or the emulated card where there is none", () => {
  const emulated = run(false), ring = run(true), shadow = run(true, "shadow");
  assert.is(checksum(ring), checksum(emulated));
  assert.is(checksum(shadow), checksum(emulated));
  assert.ok(emulated.events["device.rtl8139.receive"]! > 0);
  assert.is(emulated.events["vmexit.vmcall"], undefined);
  for (const { events } of [ring, shadow]) {
    assert.ok(events["vmexit.vmcall"]! > 0);
    assert.ok(events["hypercall.hvm.event_channel_op"]! > 0);
    assert.ok(events["device.netback.receive"]! > 70);
    assert.is(events["device.rtl8139.receive"], undefined);
    assert.ok(events["vmexit.io_instruction"]! < emulated.events["vmexit.io_instruction"]! / 2, "fewer exits for registers");
  }
});

test("only mode hvm has them", () => {
  assert.throws(() => createVm({ image: readFileSync("guest/images/guest-bare.elf"), pvDrivers: true }), (e: unknown) => e instanceof UsageError && /mode hvm, not native/.test(e.message));
});

/** The interface without a guest: linear addresses are physical ones below 8 MB. */
function alone() {
  const machine = createMachine(loadProfile(), 8 << 20, 1 << 20), map = createPhysicalMap(machine);
  const levels: boolean[] = [];
  const xen = new PvOnHvm({
    machine, map, linear: (la) => la < 8 << 20 ? la : -1, callback: (level) => levels.push(level),
    network: { hub: new NetworkLink(farHost()) },
  });
  const { cpu } = machine;
  const call = (number: number, args: readonly number[], cpl = 0): number => {
    cpu.i32[S.EAX] = number;
    [S.EBX, S.ECX, S.EDX, S.ESI, S.EDI].forEach((r, i) => { cpu.i32[r] = args[i] ?? 0; });
    xen.hypercall(cpu as Cpu, cpl);
    return cpu.i32[S.EAX]!;
  };
  const put = (at: number, ...words: number[]): void => words.forEach((word, i) => map.write32(at + 4 * i, word));
  return { machine, map, xen, call, put, levels };
}

const SELF = 0x7ff0, AT = 0x30_0000;

test("leaves and the hypercall page are as the interface says", () => {
  const { xen, map } = alone();
  assert.equal(xen.cpuid(0x4000_0000), [0x4000_0002, 0x566e_6558, 0x6558_4d4d, 0x4d4d_566e]);
  assert.is(xen.cpuid(1), undefined);
  assert.not.ok(xen.writeMsr(0x10, AT));
  assert.ok(xen.writeMsr(0x4000_0000, AT));
  const stub = new Uint8Array(9);
  map.readBytes(AT + 32 * 32, stub);
  assert.equal([...stub], [0xb8, 32, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xc3]);
});

test("an event raises the pin once the guest has asked for it, and clearing the flag lowers it (HVM_PARAM_CALLBACK_IRQ)", () => {
  const { xen, map, call, put, levels } = alone(), shared = 0x40_0000;
  put(AT, SELF, 0, 0, shared >>> 12);
  assert.is(call(12, [7, AT]), 0);
  put(AT, SELF);
  assert.is(call(32, [6, AT]), 0, "a port for Dom0");
  put(AT, SELF, 2);
  assert.is(call(34, [1, AT]), 0);
  const store = map.read32(AT + 8);
  map.write32(shared + 0x880, 0);
  put(AT, store);
  call(32, [9, AT]);
  map.write32(shared, 1);
  xen.refresh();
  assert.equal(levels, []);
  put(AT, SELF, 0, 0, 1 << 24);
  assert.is(call(34, [0, AT]), 0);
  assert.equal(levels, [true]);
  map.write32(shared, 0);
  xen.refresh();
  assert.equal(levels, [true, false]);
});

test("what is not the guest's to do is refused", () => {
  const { call, put } = alone();
  assert.is(call(32, [6, AT], 3), -1, "programs make no hypercalls");
  assert.is(call(99, []), -38);
  assert.is(call(12, [7, 0xffff_fff0]), -14);
  put(AT, 0, 0, 0, 0x400);
  assert.is(call(12, [7, AT]), -1, "another domain");
  put(AT, SELF, 0, 0, 0xfee0_0);
  assert.is(call(12, [7, AT]), -22, "no memory there");
  put(AT, SELF, 1, 9, 0x400);
  assert.is(call(12, [7, AT]), -22, "no such frame of the grant table");
  put(AT, SELF, 1, 0, 0);
  assert.is(call(34, [0, AT]), -1, "the store's page is the builder's to say");
});

test("hypercalls of chance, with the shared pages anywhere, never break it", () => {
  const next = random(31);
  for (let round = 0; round < 20; round++) {
    const { xen, call, put, machine } = alone();
    for (let i = 0; i < 400; i++) {
      const at = next() % 4 === 0 ? next() : AT + next() % 64;
      if (at < 8 << 20) put(at & ~3, next() % 3 === 0 ? next() : SELF, next() % 4, next() % 6, next() % 2100);
      call([12, 17, 20, 29, 32, 34, next() % 64][next() % 7]!, [next() % 12, at, next()]);
      xen.refresh();
      machine.clock.runDue();
    }
  }
});

test.run();
