import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import * as C from "../../hvm/controls.js";
import { vmEntry } from "../../hvm/entry.js";
import { deliverEvent, exceptionExits, raiseException } from "../../hvm/events.js";
import { externalInterrupt, hardwareException, softwareEvent } from "../../hvm/exit-record.js";
import { REASON } from "../../hvm/exit-reasons.js";
import { MEMORY_WRITE_BACK } from "../../hvm/ept.js";
import { F } from "../../hvm/vmcs-fields.js";
import { CODE, createRig, GUEST_BYTES, recorded, type Rig } from "./rig.js";

const events = suite("events");
const GDT = 0x30000, IDT = 0x31000, STACK = 0x40000, HANDLER = 0x110000;

/** Flat segments, an IDT whose gates 0 to 31 and 128 lead to `HLT` at HANDLER + 16 * vector, 32 and up likewise, and a stack. */
function prepare(rig: Rig): Rig {
  const { cpu } = rig;
  rig.words(GDT, 0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300, 0x30000067 | 0, 0x8903, 0x40000067, 0x8b03, 0x180000, 0x8500);
  for (let vector = 0; vector < 256; vector++) {
    const offset = HANDLER + vector * 16;
    rig.words(IDT + vector * 8, 8 << 16 | offset & 0xffff, offset & 0xffff0000 | 0x8e00);
    rig.put(offset, "f4");
  }
  cpu.i32[S.GDTR_BASE] = GDT;
  cpu.i32[S.GDTR_LIMIT] = 0x2f;
  cpu.i32[S.IDTR_BASE] = IDT;
  cpu.i32[S.IDTR_LIMIT] = 0x7ff;
  cpu.esp = STACK;
  return rig;
}

/** In non-root operation about to execute the bytes, with all memory mapped by EPT. */
function ready(text?: string): Rig {
  const rig = createRig();
  const ept = rig.vcpu.virtualization.ept!;
  for (let gpa = 0; gpa < GUEST_BYTES; gpa += 4096) ept.map(gpa, rig.hvm.map.machineFrame(gpa >>> 12), 7, MEMORY_WRITE_BACK);
  prepare(rig);
  rig.put(CODE, text ?? "90");
  rig.cpu.strategy.translate(rig.cpu, CODE, 0, false);
  return rig;
}

events("the exception bitmap, and #PF by error-code mask and match", () => {
  const { vmcs } = ready().vcpu;
  vmcs.set(F.EXCEPTION_BITMAP, 1 << 6);
  assert.ok(exceptionExits(vmcs, { vector: 6, errorCode: undefined }));
  assert.not(exceptionExits(vmcs, { vector: 13, errorCode: 0 }));
  vmcs.set(F.EXCEPTION_BITMAP, 1 << 14);
  vmcs.set(F.PFEC_MASK, 1);
  vmcs.set(F.PFEC_MATCH, 1);
  assert.ok(exceptionExits(vmcs, { vector: 14, errorCode: 3 }));
  assert.not(exceptionExits(vmcs, { vector: 14, errorCode: 2 }));
  vmcs.set(F.EXCEPTION_BITMAP, 0);
  assert.not(exceptionExits(vmcs, { vector: 14, errorCode: 3 }));
  assert.ok(exceptionExits(vmcs, { vector: 14, errorCode: 2 }));
});

events("an exception outside the bitmap goes through the guest's IDT without an exit", () => {
  const rig = ready("0f0b");
  rig.engine.run(1);
  assert.is(rig.events("vmexit.exception_nmi"), 0);
  assert.is(rig.cpu.eip, HANDLER + 6 * 16 + 1);
  assert.is(rig.events("trap.invalid_opcode"), 1);
});

events("an exception in the bitmap exits with its error code, and comes back by injection", () => {
  const rig = ready("0f0b");
  rig.vcpu.vmcs.set(F.EXCEPTION_BITMAP, 1 << 6);
  rig.engine.run(1);
  assert.is(rig.events("vmexit.exception_nmi"), 1);
  assert.is(rig.cpu.eip, HANDLER + 6 * 16 + 1);
});

events("INT3 exits by the bitmap as a software exception; INT n never does", () => {
  const rig = ready("cc");
  rig.vcpu.vmcs.set(F.EXCEPTION_BITMAP, -1);
  rig.cpu.strategy.softwareInterrupt(rig.cpu, 3, CODE + 1);
  assert.is(recorded(rig).info, C.INFO_VALID | C.TYPE_SOFTWARE_EXCEPTION | 3);
  assert.is(recorded(rig).length, 1);
  // The handler injected it again, and its handler runs with the return address after it.
  assert.is(rig.cpu.eip, HANDLER + 3 * 16);
  assert.is(rig.read(rig.cpu.esp), CODE + 1);
  const exits = rig.events("vmexit.exception_nmi");
  rig.cpu.strategy.softwareInterrupt(rig.cpu, 0x80, rig.cpu.eip + 2);
  assert.is(rig.cpu.eip, HANDLER + 0x80 * 16);
  assert.is(rig.events("vmexit.exception_nmi"), exits);
});

events("injection: an external interrupt, an exception with error code, a software interrupt with its length", () => {
  const cases = [
    [externalInterrupt(0x30), CODE, undefined], [hardwareException({ vector: 13, errorCode: 0x50 }), CODE, 0x50], [softwareEvent(0x80, 2), CODE + 2, undefined],
  ] as const;
  for (const [event, returnEip, errorCode] of cases) {
    const rig = ready();
    rig.cpu.i32[S.EFLAGS_SYS]! |= S.FLAG_IF;
    rig.vcpu.vmcs.set(F.GUEST_RFLAGS, 0x202);
    rig.vcpu.writeEvent(event);
    assert.is(vmEntry(rig.vcpu), undefined);
    assert.is(rig.cpu.eip, HANDLER + event.vector * 16);
    const frame = errorCode === undefined ? rig.cpu.esp : rig.cpu.esp + 4;
    assert.is(rig.read(frame), returnEip);
    if (errorCode !== undefined) assert.is(rig.read(rig.cpu.esp), errorCode);
    assert.not(rig.cpu.interruptFlag);
  }
});

events("an EPT violation while an event is delivered: the event is in the IDT-vectoring information and is delivered after all", () => {
  const rig = ready("cd80");
  rig.vcpu.virtualization.ept!.unmap(STACK - 4);
  rig.cpu.strategy.softwareInterrupt(rig.cpu, 0x80, CODE + 2);
  const { vmcs } = rig.vcpu;
  assert.is(vmcs.get(F.EXIT_REASON), REASON.ept_violation);
  assert.is(vmcs.get(F.EXIT_QUALIFICATION), 0x182);
  assert.is(vmcs.get(F.IDT_VECTORING_INFO), C.INFO_VALID | C.TYPE_SOFTWARE_INTERRUPT | 0x80);
  assert.is(vmcs.get(F.VM_EXIT_INSTRUCTION_LENGTH), 2);
  assert.is(rig.cpu.eip, HANDLER + 0x80 * 16);
  assert.is(rig.read(rig.cpu.esp), CODE + 2);
});

events("faults in delivery: a double fault, then a triple fault exit with nothing in IDT vectoring", () => {
  const rig = ready();
  rig.words(IDT + 13 * 8, 0, 0);
  assert.is(deliverEvent(rig.vcpu, hardwareException({ vector: 13, errorCode: 0 })), undefined);
  assert.is(rig.cpu.eip, HANDLER + 8 * 16);
  rig.words(IDT + 8 * 8, 0, 0);
  assert.equal(deliverEvent(rig.vcpu, hardwareException({ vector: 13, errorCode: 0 })), { reason: REASON.triple_fault });
});

events("a fault in delivery that the bitmap has exits before it is combined, with the first event as vectoring", () => {
  const rig = ready();
  rig.vcpu.vmcs.set(F.EXCEPTION_BITMAP, 1 << 11);
  rig.words(IDT + 13 * 8, 0x8 << 16, 0x0e00);
  const exit = deliverEvent(rig.vcpu, hardwareException({ vector: 13, errorCode: 0 }))!;
  assert.is(exit.event!.vector, 11);
  assert.is(exit.event!.errorCode, 13 * 8 + 3);
  assert.is(exit.vectoring!.vector, 13);
});

events("a task gate in the IDT is a task-switch exit with the event", () => {
  const rig = ready();
  rig.words(GDT + 0x18, 0x30000067 | 0, 0x8903);
  rig.words(IDT + 8, 0x18 << 16, 0x8500);
  const exit = deliverEvent(rig.vcpu, hardwareException({ vector: 1, errorCode: undefined }))!;
  assert.is(exit.reason, REASON.task_switch);
  assert.is(exit.qualification, 0x18 | 3 << 30);
  assert.is(exit.vectoring!.vector, 1);
});

events("an interrupt while IF is set: one exit, injected at the next entry", () => {
  const rig = ready("fb 90 90 90 90");
  rig.engine.run(3);
  rig.pic.intr = true;
  rig.cpu.recheck = true;
  rig.engine.run(1);
  assert.is(rig.events("vmexit.external_interrupt"), 1);
  assert.is(rig.events("vmexit.interrupt_window"), 0);
  assert.is(rig.events("interrupt.external"), 1);
  assert.is(rig.cpu.eip, HANDLER + 0x20 * 16 + 1);
});

events("an interrupt while IF is clear: the exit comes at once, the window when the guest opens it", () => {
  const rig = ready("90 90 fb 90 90 90");
  rig.engine.run(1);
  rig.pic.intr = true;
  rig.engine.run(1);
  assert.is(rig.events("vmexit.external_interrupt"), 1);
  assert.ok((rig.vcpu.vmcs.get(F.PRIMARY_CONTROLS) & C.PROC_INTERRUPT_WINDOW_EXITING) !== 0);
  assert.is(rig.events("vmexit.interrupt_window"), 0);
  // STI, and the instruction in its shadow.
  rig.engine.run(2);
  assert.is(rig.cpu.eip, CODE + 4);
  rig.engine.run(1);
  assert.is(rig.events("vmexit.interrupt_window"), 1);
  assert.is(rig.events("vmexit.external_interrupt"), 1);
  assert.is((rig.vcpu.vmcs.get(F.PRIMARY_CONTROLS) & C.PROC_INTERRUPT_WINDOW_EXITING), 0);
  assert.is(rig.cpu.eip, HANDLER + 0x20 * 16 + 1);
});

events("HLT keeps the processor in the monitor until an interrupt; then there is an entry and no exit", () => {
  const rig = ready("fb f4");
  assert.is(rig.engine.run(10).reason, "idle");
  assert.ok(rig.vcpu.blocked);
  assert.is(rig.cpu.eip, CODE + 2);
  const entries = rig.events("vmentry");
  rig.pic.intr = true;
  rig.machine.clock.schedule(rig.machine.clock.now() + 100, () => {});
  rig.engine.run(0);
  rig.engine.run(1);
  assert.is(rig.events("vmentry"), entries + 1);
  assert.is(rig.events("vmexit.external_interrupt"), 0);
  assert.is(rig.read(STACK - 12), CODE + 2);
});

events("HLT with interrupts off never wakes", () => {
  const rig = ready("fa f4");
  rig.pic.intr = false;
  rig.engine.run(2);
  rig.pic.intr = true;
  assert.is(rig.engine.run(10).reason, "idle");
});

events("a page fault that is the guest's own sets CR2 only when the guest sees it", () => {
  const rig = ready();
  rig.vcpu.vmcs.set(F.EXCEPTION_BITMAP, 1 << 14);
  rig.vcpu.faultAddress = 0x1234;
  rig.cpu.i32[S.CR2] = 7;
  const exit = raiseException(rig.vcpu, { vector: 14, errorCode: 2 });
  assert.is(exit!.qualification, 0x1234);
  assert.is(rig.cpu.cr2, 7);
  rig.vcpu.vmcs.set(F.EXCEPTION_BITMAP, 0);
  assert.is(raiseException(rig.vcpu, { vector: 14, errorCode: 2 }), undefined);
  assert.is(rig.cpu.cr2, 0x1234);
  assert.is(rig.cpu.eip, HANDLER + 14 * 16);
});

events.run();
