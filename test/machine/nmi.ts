// Non-maskable interrupts: blocked from one until IRET (SDM vol. 3, 6.7.1), and where they come from: the local APIC, and the chip
// set by port 0x61 and bit 7 of port 0x70 (Intel 82371SB PIIX3, 2.5.4.2).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { resetCpu } from "../../hypervisor/reset.js";
import { REAL_ATTR } from "../../hypervisor/segmentation.js";
import { assemble, at, EAX, EBX, HLT, inc, jmp, label, mov, NOP, type Part, pop, push, store, word } from "../translator/asm.js";
import { createVm, type Mode } from "../../index.js";
import { createTarget } from "../fuzz/machines.js";
import { ENTRY, tinyImage } from "../vm/tiny-image.js";

const nmi = suite("nmi");
const GDT = [0, 0, 0x0000ffff, 0x00cf9b00, 0x0000ffff, 0x00cf9300];
const DEPTH = 0x6000, DEEPEST = 0x6004, COUNT = 0x6008;
/** ICR: NMI to this processor. */
const SELF_NMI = [0xc7, 5, ...word(0xfee00300), ...word(0x44400)];

/** Its own GDT and IDT; the NMI handler sends itself another, twice, before IRET. */
function kernel(...body: Part[]): Uint8Array {
  const { code } = assemble(ENTRY,
    at([0x0f, 0x01, 0x15], "gdtr"), [0xea], at([], "flat"), [8, 0], label("flat"), mov(EAX, 0x10), [0x8e, 0xd8], [0x8e, 0xd0], [0x8e, 0xc0],
    mov(4, 0x9000), at([0xb8], "handler"), store(0x7010, EAX), [0x66, 0xc7, 5, ...word(0x7012), 8, 0], [0xc7, 5, ...word(0x7014), 0, 0x8e, 0, 0],
    at([0xb8], "handler"), [0xc1, 0xe8, 16], [0x66, 0xa3, ...word(0x7016)], at([0x0f, 0x01, 0x1d], "idtr"),
    ...body, label("end"), jmp("end"),
    label("handler"), push(EAX), [0xff, 5, ...word(COUNT)], [0xff, 5, ...word(DEPTH)], [0xa1, ...word(DEPTH)], [0x3b, 5, ...word(DEEPEST)], [0x76, 5], [0xa3, ...word(DEEPEST)],
    [0x83, 0x3d, ...word(COUNT), 3], [0x73, 10], SELF_NMI, NOP, NOP, [0xff, 0x0d, ...word(DEPTH)], pop(EAX), [0xcf],
    label("gdtr"), [23, 0], at([], "gdt"), label("idtr"), [0xff, 7, ...word(0x7000)], label("gdt"), GDT.flatMap(word));
  return tinyImage([...code]);
}

const leave: number[] = [0xa1, ...word(COUNT), 0xc1, 0xe0, 4, 3, 5, ...word(DEEPEST), 0xe6, 0xf4];

for (const mode of ["native", "dbt", "hvm", "classic"] as const satisfies readonly Mode[]) {
  nmi(`${mode}: three NMIs by the local APIC come one after the other, IF clear or not; HLT wakes`, () => {
    assert.equal(createVm({ image: kernel(SELF_NMI, NOP, leave), mode, memory: 8 }).run({ instructions: 1e5 }), { reason: "exit", code: 3 * 16 + 1 });
  });
}

nmi("MOV SS holds NMI off for one instruction (6.8.3)", () => {
  const { machine: { cpu }, engine, memory } = createTarget("native", {});
  const { code } = assemble(0x8000, [0x8e, 0xd0], inc(EBX), inc(EBX), HLT);
  memory.write(0x8000, code);
  memory.write(8, Uint8Array.from([0x80, 0x00, 0, 0x09]));
  memory.write(0x9080, Uint8Array.of(0xf4));
  realMode(cpu, 0x8000);
  cpu.i32[EAX] = 0;
  engine.run(1);
  cpu.signalNmi();
  engine.run(2);
  assert.is(cpu.i32[EBX], 1);
  assert.is(cpu.selector(1), 0x900);
});

nmi("IOCHK# by port 0x61, masked by bit 7 of port 0x70: it comes when the mask goes", () => {
  const { machine: { cpu }, platform } = createTarget("native", {});
  const status = (): number => platform.ports.read(0x61, 1) & 0x40;
  platform.ports.write(0x70, 1, 0x80);
  platform.pit.ioCheck();
  assert.equal([cpu.nmiPending, status()], [false, 0x40]);
  platform.ports.write(0x70, 1, 0x00);
  assert.is(cpu.nmiPending, true);
  cpu.nmiPending = false;
  platform.ports.write(0x61, 1, 0x08);
  assert.is(status(), 0, "bit 3 clears and disables it");
  platform.pit.ioCheck();
  assert.is(cpu.nmiPending, false);
});

nmi("LINT1 masked keeps the pin's NMI away; LINT0 as NMI passes the 8259s' interrupts on as such", () => {
  const { machine: { cpu }, platform } = createTarget("native", {});
  const apic = (offset: number, value: number): void => platform.mmio.write(0xfee00000 + offset, 4, value);
  apic(0xf0, 0x1ff);
  apic(0x360, 0x10400);
  platform.pit.ioCheck();
  assert.is(cpu.nmiPending, false);
  apic(0x350, 0x400);
  for (const [port, value] of [[0x20, 0x11], [0x21, 0x20], [0x21, 4], [0x21, 1], [0x21, 0xfe]] as const) platform.ports.write(port, 1, value);
  platform.interrupts.line(0)(false);
  platform.interrupts.line(0)(true);
  assert.equal([cpu.nmiPending, platform.interrupts.mayNmi, platform.interrupts.intr], [true, true, false]);
});

function realMode(cpu: Cpu, eip: number): void {
  resetCpu(cpu);
  for (let sreg = S.ES; sreg <= S.GS; sreg++) cpu.setSegment(sreg, 0, 0, 0xffff, REAL_ATTR);
  cpu.eip = eip;
  cpu.i32[S.ESP] = 0x7000;
  cpu.modeChanged();
}

nmi.run();
