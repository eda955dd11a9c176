import * as assert from "uvu/assert";
import { suite } from "uvu";
import * as S from "../../hypervisor/cpu-state.js";
import { RAM_BASE } from "../../hypervisor/heap.js";
import { parseXenElf } from "../../hypervisor/loader/xen-elf.js";
import { createMachine } from "../../hypervisor/machine.js";
import { GuestCrash } from "../../hypervisor/trap.js";
import { createParavirt, paravirtMonitorBytes } from "../../paravirt/index.js";
import { DOMID_SELF } from "../../hypervisor/xen/public/xen.js";
import { NetworkHub } from "../../hypervisor/devices/network-hub.js";
import { createVm } from "../../index.js";
import { Engine } from "../../translator/engine.js";
import { buildElf } from "../loader/build-elf.js";
import { BASE, CODE, hypercall, PAGE, powerOff, PROFILE, rig, SCRATCH, STACK_TOP, words } from "./rig.js";

/** A kernel of a few dozen bytes in ring 1: what it does through Xen, and what Xen does to it. */
const name = suite("paravirt tiny guest");

const text = (s: string): number[] => [...s].map((c) => c.charCodeAt(0));
const SCHED_OP = 29, CONSOLE_IO = 18, SET_TRAP_TABLE = 0, SET_CALLBACKS = 4, EVENT_CHANNEL_OP = 32, SET_TIMER_OP = 15, VM_ASSIST = 21;
const FLAT_CS = 0xe019;

/** Code at CODE, then data at SCRATCH. */
function kernel(code: readonly number[], data: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(PAGE + data.length);
  bytes.set(code);
  bytes.set(data, PAGE);
  return bytes;
}
/** mov $value,(address). */
const store = (address: number, value: number): number[] => [0xc7, 0x05, ...words(address), ...words(value)];
/** mov %eax,(address). */
const storeEax = (address: number): number[] => [0xa3, ...words(address)];
const UD2 = [0x0f, 0x0b];

name("boots from an ELF file with a __xen_guest section, prints and shuts down", () => {
  const greeting = "hello from ring 1\n";
  const code = [...hypercall(CONSOLE_IO, 0, greeting.length, SCRATCH), ...hypercall(SCHED_OP, 2, SCRATCH + 64)];
  const data = [...text(greeting), ...new Array<number>(64 - greeting.length).fill(0), ...words(0)];
  const section = new TextEncoder().encode(`GUEST_OS=tiny,XEN_VER=xen-3.0,VIRT_BASE=0x${BASE.toString(16)},ELF_PADDR_OFFSET=0x${BASE.toString(16)},HYPERCALL_PAGE=0x0,PAE=yes,LOADER=generic\0`);
  const image = new Uint8Array(3 * PAGE);
  image.set(kernel(code, data), PAGE);
  const elf = buildElf({
    entry: CODE, segments: [{ vaddr: BASE, paddr: BASE, data: image }], sections: [{ name: "__xen_guest", type: 1, data: section }],
  });
  const guestBytes = 8 << 20;
  const machine = createMachine(PROFILE, guestBytes, paravirtMonitorBytes(guestBytes));
  const engine = new Engine(machine);
  const out: number[] = [];
  const pv = createParavirt(machine, { image: parseXenElf(elf), consoleOut: (byte) => out.push(byte) });
  assert.equal(engine.run(10_000), { reason: "exit", code: 0 });
  assert.is(String.fromCharCode(...out), greeting);
  assert.is(machine.ledger.countOf("hypercall.console_io"), 1);
  assert.equal(pv.audit(), []);
});

name("SHUTDOWN_reboot builds the domain again, or ends the run with noReboot (public/sched.h)", () => {
  const greeting = "again\n";
  const image = new Uint8Array(3 * PAGE);
  image.set(kernel([...hypercall(CONSOLE_IO, 0, greeting.length, SCRATCH), ...hypercall(SCHED_OP, 2, SCRATCH + 64)],
    [...text(greeting), ...new Array<number>(64 - greeting.length).fill(0), ...words(1)]), PAGE);
  const section = new TextEncoder().encode(`GUEST_OS=tiny,XEN_VER=xen-3.0,VIRT_BASE=0x${BASE.toString(16)},ELF_PADDR_OFFSET=0x${BASE.toString(16)},HYPERCALL_PAGE=0x0,PAE=yes,LOADER=generic\0`);
  const elf = buildElf({ entry: CODE, segments: [{ vaddr: BASE, paddr: BASE, data: image }], sections: [{ name: "__xen_guest", type: 1, data: section }] });
  const vm = createVm({ image: elf, mode: "paravirt", memory: 8, network: { hub: new NetworkHub() } });
  let greetings = 0;
  vm.onSerialLine(() => { if (++greetings === 3) vm.stop(); });
  assert.equal(vm.run({ instructions: 10_000 }), { reason: "stopped" });
  assert.is(vm.stats().events["machine.reset"], 2);
  assert.equal(createVm({ image: elf, mode: "paravirt", memory: 8, noReboot: true }).run({ instructions: 10_000 }), { reason: "reset" });
});

name("starts in ring 1 with start_info in ESI, events masked and segments that end below Xen", () => {
  for (const pae of [true, false]) {
    const { machine, d, read, mfn } = rig({ pae });
    const { cpu } = machine;
    assert.is(cpu.cpl, 1);
    assert.is(cpu.selector(S.CS), FLAT_CS);
    assert.is(cpu.segLimit(S.DS), pae ? 0xf67fffff : 0xfc3fffff);
    assert.ok((cpu.i32[S.MODE] & S.MODE_FLAT) !== 0);
    assert.ok(d.upcallMask);
    const startInfo = cpu.i32[S.ESI] >>> 0;
    assert.is(read(startInfo + 32), d.totPages);
    assert.is(read(startInfo + 36), d.sharedInfoMfn * PAGE);
    const magic = Array.from({ length: 16 }, (_, i) => String.fromCharCode(read(startInfo + i) & 0xff)).join("");
    assert.is(magic.replace(/\0.*/s, ""), pae ? "xen-3.0-x86_32p" : "xen-3.0-x86_32");
    assert.is(read(read(startInfo + 68) + 4 * 2), mfn(2), "the list of frames");
  }
});

name("addresses in Xen's part of the address space are beyond every segment, and nothing there can be written", () => {
  // mov %eax,(address) by ModRM, by moffs, and a push; at the GDT, the TSS, the IDT, the LDT's window, and where nothing is.
  for (const at of [0xfe80e019, 0xfe820004, 0xfe821400, 0xfe810000, 0xfff00000, 0xf6800000]) {
    for (const code of [[0x89, 0x05, ...words(at)], [0xa3, ...words(at)], [0xbc, ...words(at + 4), 0x50]]) {
      const { engine, d, pv } = rig({ code });
      const before = d.heap.u8.slice(RAM_BASE + d.reserved.gdtFrame * PAGE, RAM_BASE + d.reserved.gdtFrame * PAGE + 3 * PAGE);
      assert.throws(() => engine.run(10), (e: unknown) => e instanceof GuestCrash);
      const after = d.heap.u8.slice(RAM_BASE + d.reserved.gdtFrame * PAGE, RAM_BASE + d.reserved.gdtFrame * PAGE + 3 * PAGE);
      assert.equal(after, before);
      assert.equal(pv.audit(), []);
    }
  }
});

name("an exception goes to the handler in the trap table, with the event mask in the saved CS", () => {
  // At 0x80: take the frame's three words and its mask byte, and end.
  const handler = CODE + 0x80;
  const entry = [...hypercall(SET_TRAP_TABLE, SCRATCH), ...UD2];
  const code = [...entry, ...new Array<number>(0x80 - entry.length).fill(0x90), 0x58, ...storeEax(SCRATCH + 0x100), 0x58, ...storeEax(SCRATCH + 0x104), 0x58,
    ...storeEax(SCRATCH + 0x108), ...powerOff()];
  const r = rig({ code: kernel(code, [6, 0, 0x19, 0xe0, ...words(handler), ...words(0, 0)]) });
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 0x100), CODE + entry.length - 2);
  assert.is(r.read(SCRATCH + 0x104), 0x1_0000 | FLAT_CS, "masked at start");
  assert.is(r.read(SCRATCH + 0x108) & 0x200, 0, "IF is the mask's inverse");
  assert.is(r.machine.ledger.countOf("paravirt.trap_bounce"), 1);
  assert.is(r.machine.ledger.countOf("trap.invalid_opcode"), 1);
});

name("a vector without a handler ends the domain in one line", () => {
  const { engine } = rig({ code: UD2 });
  assert.throws(() => engine.run(10), (e: unknown) => e instanceof GuestCrash && !e.message.includes("\n") && /vector 6 has no handler/.test(e.message));
});

name("INT n is checked against the trap table's privilege, not the processor's gates", () => {
  // int $0x21: DPL 1 and ring 1, so it arrives, EIP behind it.
  const handler = CODE + 0x80;
  const entry = [...hypercall(SET_TRAP_TABLE, SCRATCH), 0xcd, 0x21];
  const code = [...entry, ...new Array<number>(0x80 - entry.length).fill(0x90), 0x58, ...storeEax(SCRATCH + 0x100), ...powerOff()];
  const r = rig({ code: kernel(code, [0x21, 1, 0x19, 0xe0, ...words(handler), ...words(0, 0)]) });
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 0x100), CODE + entry.length);
});

name("an event interrupts the kernel through its callback, and iret restores the mask", () => {
  const callback = CODE + 0x100, failsafe = CODE + 0x180;
  // Bind VIRQ_TIMER, ask for 1 ms, unmask, and wait in a loop until the callback has counted.
  const entry = [
    ...hypercall(SET_CALLBACKS, FLAT_CS, callback, FLAT_CS, failsafe), ...hypercall(EVENT_CHANNEL_OP, 1, SCRATCH), ...hypercall(24, 7, 0, 0),
    ...hypercall(SET_TIMER_OP, 1_000_000, 0), ...hypercall(SCHED_OP, 1, 0), 0x83, 0x3d, ...words(SCRATCH + 0x40), 0, 0x74, 0xf7, ...powerOff(),
  ];
  // The callback clears pending state in shared_info (mapped at SCRATCH + PAGE), counts, and leaves by the hypercall page's iret.
  const shared = SCRATCH + PAGE;
  const handler = [
    0xff, 0x05, ...words(SCRATCH + 0x40), 0xc6, 0x05, ...words(shared), 0, ...store(shared + 4, 0), ...store(shared + 0x800, 0),
    0xe9, ...words(BASE + 23 * 32 - (callback + 6 + 7 + 10 + 10 + 5)),
  ];
  const code = new Uint8Array(0x180);
  code.set(entry);
  code.set(handler, 0x100);
  const r = rig({ code: kernel([...code], words(0, 0, 0)) });
  r.write(SCRATCH + 0x200, r.pteAt(shared), 0, r.d.sharedInfoMfn << 12 | 0x63, 0);
  assert.is(r.call("mmu_update", SCRATCH + 0x200, 1, 0, DOMID_SELF), 0);
  r.call("mmuext_op", SCRATCH + 0x200, 0, 0, DOMID_SELF);
  r.d.tlb.flush();
  assert.equal(r.engine.run(100_000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 0x40), 1);
  assert.is(r.machine.ledger.countOf("event_channel.upcall"), 1);
  assert.is(r.machine.ledger.countOf("hypercall.iret"), 1);
  assert.ok(r.machine.clock.now() >= 2_000_000, "halted until the timer");
  assert.equal(r.pv.audit(), []);
});

name("ports are emulated by the domain's IOPL: POST works, others read as ones, and IOPL 0 is a fault", () => {
  const code = [...hypercall(33, 6, SCRATCH), 0xe4, 0x80, ...storeEax(SCRATCH + 0x40), 0xe5, 0x60, ...storeEax(SCRATCH + 0x44), ...powerOff()];
  const r = rig({ code: kernel(code, words(1)) });
  r.machine.cpu.ports = { read: (port) => port === 0x80 ? 0x42 : 0, write: () => {} };
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 0x40) & 0xff, 0x42);
  assert.is(r.read(SCRATCH + 0x44), 0xffffffff);
  assert.is(r.machine.ledger.countOf("paravirt.emulate_privop.in"), 2);
  const denied = rig({ code: [0xe4, 0x80] });
  assert.throws(() => denied.engine.run(10), (e: unknown) => e instanceof GuestCrash && /vector 13/.test(e.message));
});

name("privileged instructions are emulated: CR0, CR2, CR3, CR4, CLTS, HLT, MSRs", () => {
  const code = [0x0f, 0x20, 0xd8, ...storeEax(SCRATCH), 0x0f, 0x20, 0xe0, ...storeEax(SCRATCH + 4), ...hypercall(5, 1), 0x0f, 0x20, 0xc0, ...storeEax(SCRATCH + 8),
    0x0f, 0x06, 0x0f, 0x20, 0xc0, ...storeEax(SCRATCH + 12), 0x0f, 0x30, 0x0f, 0x09, ...powerOff()];
  const r = rig({ code });
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH), r.d.baseMfn << 12 >>> 0);
  assert.is(r.read(SCRATCH + 4) & (S.CR4_PGE | S.CR4_PSE), 0, "hidden");
  assert.is(r.read(SCRATCH + 8) & S.CR0_TS, S.CR0_TS);
  assert.is(r.read(SCRATCH + 12) & S.CR0_TS, 0);
  for (const op of ["mov_from_cr", "clts", "wrmsr", "wbinvd"]) assert.ok(r.machine.ledger.countOf(`paravirt.emulate_privop.${op}`) > 0, op);
});

name("POPF and CLI of a deprivileged kernel do not touch the interrupt flag", () => {
  const code = [0x6a, 0x02, 0x9d, 0x9c, 0x58, ...storeEax(SCRATCH), ...powerOff()];
  const r = rig({ code });
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH) & 0x200, 0x200);
});

for (const pae of [true, false]) {
  name(`a write to a page table is batched while the table is out of the address space (${pae ? "pae" : "two levels"})`, () => {
    const r = rig({ pae, code: [] });
    // A second L1 table, hooked in at 0x10000000, seen read-only at SCRATCH + PAGE.
    const table = r.mfnAt(SCRATCH + PAGE), page = r.mfn(r.unused), size = r.d.layout.entryBytes;
    r.call("update_va_mapping", SCRATCH + PAGE, table << 12 | 0x61, 0, 2);
    // PAE: the first gigabyte's L2 is absent, so hook into the last, at 0xc8000000.
    const va = pae ? 0xc8000000 : 0x10000000;
    const l2 = pae ? (r.d.memory.read32(r.d.baseMfn * PAGE + 24) >>> 12) * PAGE + (va >>> 21 & 511) * 8 : r.d.baseMfn * PAGE + (va >>> 22) * 4;
    r.write(SCRATCH, l2, 0, table << 12 | 0x67, 0);
    assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), 0);
    assert.is(r.call("vm_assist", 0, 2), 0);
    // Four entries, then a read through the first of them.
    const entries = [0, 1, 2, 3].flatMap((i) => store(SCRATCH + PAGE + i * size, page << 12 | (i === 0 ? 0x63 : 0x61)));
    const code = [...entries, ...store(va, 0xbeef), ...hypercall(17, 0, 0), ...powerOff()];
    code.forEach((byte, i) => r.d.memory.write(r.mfnAt(CODE) * PAGE + i, 1, byte));
    assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
    assert.is(r.d.memory.read32(page * PAGE), 0xbeef);
    assert.is(r.machine.ledger.countOf("paravirt.ptwr_disconnect"), 1, "one fault for four writes");
    assert.is(r.machine.ledger.countOf("paravirt.ptwr_revalidate"), 1);
    assert.is(r.machine.ledger.countOf("paravirt.ptwr_revalidate.entry"), 4);
    assert.is(r.d.frames.count[page], 5);
    assert.is(r.d.frames.typeCount[page], 1);
    assert.equal(r.pv.audit(), []);
  });
}

name("a table that maps itself cannot be taken out: its writes are emulated one by one", () => {
  const r = rig({ code: [] });
  const l1 = r.pteAt(SCRATCH) >>> 12, page = r.mfn(r.unused);
  assert.is(r.call("update_va_mapping", SCRATCH + PAGE, l1 << 12 | 0x61, 0, 2), 0);
  assert.is(r.call("vm_assist", 0, 2), 0);
  const index = (SCRATCH + 2 * PAGE >>> 12) & 511;
  const code = [...store(SCRATCH + PAGE + index * 8, page << 12 | 0x63), ...hypercall(VM_ASSIST, 1, 2), ...powerOff()];
  code.forEach((byte, i) => r.d.memory.write(r.mfnAt(CODE) * PAGE + i, 1, byte));
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.mfnAt(SCRATCH + 2 * PAGE), page);
  assert.is(r.machine.ledger.countOf("paravirt.ptwr_emulate"), 1);
  assert.equal(r.pv.audit(), []);
});

name("an emulated write that would map a page table writable is a page fault, and changes nothing", () => {
  const r = rig({ code: [] });
  const l1 = r.pteAt(SCRATCH) >>> 12;
  assert.is(r.call("update_va_mapping", SCRATCH + PAGE, l1 << 12 | 0x61, 0, 2), 0);
  assert.is(r.call("vm_assist", 0, 2), 0);
  const index = (SCRATCH + 2 * PAGE >>> 12) & 511, before = r.mfnAt(SCRATCH + 2 * PAGE);
  const code = [...store(SCRATCH + PAGE + index * 8, l1 << 12 | 0x63)];
  code.forEach((byte, i) => r.d.memory.write(r.mfnAt(CODE) * PAGE + i, 1, byte));
  assert.throws(() => r.engine.run(1000), (e: unknown) => e instanceof GuestCrash && /vector 14/.test(e.message));
  assert.is(r.mfnAt(SCRATCH + 2 * PAGE), before);
  assert.equal(r.pv.audit(), []);
});

name("a batch with a forbidden entry ends the domain with its accounts in order", () => {
  const r = rig({ code: [] });
  const table = r.mfnAt(SCRATCH + PAGE);
  r.call("update_va_mapping", SCRATCH + PAGE, table << 12 | 0x61, 0, 2);
  const l2 = (r.d.memory.read32(r.d.baseMfn * PAGE + 24) >>> 12) * PAGE + 64 * 8;
  r.write(SCRATCH, l2, 0, table << 12 | 0x67, 0);
  assert.is(r.call("mmu_update", SCRATCH, 1, 0, DOMID_SELF), 0);
  r.call("vm_assist", 0, 2);
  const code = [...store(SCRATCH + PAGE, r.d.baseMfn << 12 | 0x63), ...hypercall(1, SCRATCH, 0, 0, DOMID_SELF)];
  code.forEach((byte, i) => r.d.memory.write(r.mfnAt(CODE) * PAGE + i, 1, byte));
  assert.throws(() => r.engine.run(1000), (e: unknown) => e instanceof GuestCrash);
  assert.equal(r.pv.audit(), []);
});

name("a process in ring 3 enters by INT 0x80 without Xen, and by an iret frame leaves", () => {
  // iret to ring 3 at USER, which does int $0x80; the handler ends the domain. User pages need U/S.
  const handler = CODE + 0x80, user = CODE + 0xc0;
  const frame = [0x68, ...words(0xe033), 0x68, ...words(STACK_TOP), 0x68, ...words(0x202), 0x68, ...words(0xe02b), 0x68, ...words(user)];
  const entry = [...hypercall(SET_TRAP_TABLE, SCRATCH), ...hypercall(3, 0xe021, STACK_TOP), ...frame, 0xe9];
  const code = new Uint8Array(0x100);
  code.set([...entry, ...words(BASE + 23 * 32 - (CODE + entry.length + 4))]);
  // DS is null after ring 3: the stores name SS.
  code.set([0x58, 0x36, ...storeEax(SCRATCH + 0x100), 0x58, 0x36, ...storeEax(SCRATCH + 0x104), ...powerOff()], 0x80);
  code.set([0xcd, 0x80], 0xc0);
  const r = rig({ code: kernel([...code], [0x80, 3, 0x19, 0xe0, ...words(handler), ...words(0, 0)]) });
  for (const va of [CODE, STACK_TOP - PAGE]) assert.is(r.call("update_va_mapping", va, r.mfnAt(va) << 12 | 0x67, 0, 2), 0);
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 0x100), user + 2);
  assert.is(r.read(SCRATCH + 0x104), 0xe02b);
  assert.is(r.machine.ledger.countOf("interrupt.software"), 1);
  assert.is(r.machine.ledger.countOf("paravirt.trap_bounce"), 0);
});

name("an iret to selectors that cannot be loaded calls the failsafe handler with the data selectors", () => {
  const failsafe = CODE + 0x100;
  const frame = [0x68, ...words(0xe033), 0x68, ...words(STACK_TOP), 0x68, ...words(0x202), 0x68, ...words(0x33), 0x68, ...words(CODE)];
  const entry = [...hypercall(SET_CALLBACKS, FLAT_CS, CODE, FLAT_CS, failsafe), ...hypercall(3, 0xe021, STACK_TOP), ...frame, 0xe9];
  const code = new Uint8Array(0x180);
  code.set([...entry, ...words(BASE + 23 * 32 - (CODE + entry.length + 4))]);
  // pop %ecx (DS), pop three, pop EIP, pop CS; DS is null here, so the stores name SS.
  code.set([0x59, 0x58, 0x58, 0x58, 0x58, 0x58, 0x36, ...storeEax(SCRATCH + 0x104), 0x36, 0x89, 0x0d, ...words(SCRATCH + 0x100), ...powerOff()], 0x100);
  const r = rig({ code });
  assert.equal(r.engine.run(1000), { reason: "exit", code: 0 });
  assert.is(r.read(SCRATCH + 0x100), 0xe021);
  assert.is(r.read(SCRATCH + 0x104), 0x33);
  assert.is(r.machine.ledger.countOf("paravirt.failsafe"), 1);
});

name.run();
