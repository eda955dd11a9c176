import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { MODEL, signature } from "../../hypervisor/cpu-model.js";
import * as C from "../../hvm/controls.js";
import { REASON_NAMES, type ReasonName } from "../../hvm/exit-reasons.js";
import { HANDLERS } from "../../hvm/handlers/index.js";
import { dispatch } from "../../hvm/monitor.js";
import * as Q from "../../hvm/qualifications.js";
import { F } from "../../hvm/vmcs-fields.js";
import { CODE, exitOf, handle, type Rig, rootRig } from "./rig.js";

const handlers = suite("handlers");
const covered = new Set<ReasonName>();

/** A test of the handlers of these reasons. */
function on(reasons: readonly ReasonName[], what: string, test: () => void): void {
  for (const reason of reasons) covered.add(reason);
  handlers(`${reasons[0]}: ${what}`, test);
}

const eax = (rig: Rig): number => rig.cpu.i32[S.EAX]!;

/** Puts an exit in the VMCS and runs the dispatcher on it. */
function dispatchOf(rig: Rig, reason: ReasonName, fields: { qualification?: number; length?: number; vectoring?: number } = {}): void {
  const { vmcs } = rig.vcpu;
  vmcs.set(F.EXIT_REASON, exitOf(reason).reason);
  vmcs.set(F.EXIT_QUALIFICATION, fields.qualification ?? 0);
  vmcs.set(F.VM_EXIT_INSTRUCTION_LENGTH, fields.length ?? 2);
  vmcs.set(F.IDT_VECTORING_INFO, fields.vectoring ?? 0);
  dispatch(rig.vcpu);
}

on(["cpuid"], "the machine's own processor, and past the instruction", () => {
  const rig = rootRig();
  rig.cpu.i32[S.EAX] = 1;
  dispatchOf(rig, "cpuid");
  assert.is(eax(rig), signature(MODEL));
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RIP), CODE + 2);
  assert.is(rig.events("vmexit.cpuid"), 1);
});

on(["io_instruction"], "bytes, words and doublewords go to the ports' bus and back", () => {
  const rig = rootRig();
  const io = (size: 1 | 2 | 4, input: boolean, port: number): number => Q.encodeIo({ size, input, string: false, rep: false, immediate: false, port });
  rig.cpu.i32[S.EAX] = 0x12345678;
  assert.is(handle(rig, "io_instruction", { qualification: io(1, true, 0x60) }), "next");
  assert.is(eax(rig), 0x12345661);
  handle(rig, "io_instruction", { qualification: io(2, true, 0x1f0) });
  assert.is(eax(rig), 0x123401f1);
  rig.cpu.i32[S.EAX] = -1;
  handle(rig, "io_instruction", { qualification: io(4, false, 0xcf8) });
  assert.equal(rig.ports, ["in1 60", "in2 1f0", "out4 cf8=ffffffff"]);
});

on(["io_instruction"], "REP INS stores words through the guest's map and counts down", () => {
  const rig = rootRig();
  rig.cpu.i32[S.ECX] = 3;
  rig.cpu.i32[S.EDI] = 0x200000;
  rig.vcpu.vmcs.set(F.VM_EXIT_INSTRUCTION_INFO, Q.stringIoInfo(32, S.ES));
  const qualification = Q.encodeIo({ size: 2, input: true, string: true, rep: true, immediate: false, port: 0x1f0 });
  assert.is(handle(rig, "io_instruction", { qualification }), "next");
  assert.is(rig.cpu.i32[S.ECX], 0);
  assert.is(rig.cpu.i32[S.EDI], 0x200006);
  assert.is(rig.read(0x200000), 0x01f101f1);
  assert.is(rig.ports.length, 3);
});

on(["io_instruction"], "a long REP OUTS moves a page, and stays at the instruction", () => {
  const rig = rootRig();
  rig.cpu.i32[S.ECX] = 5000;
  rig.cpu.i32[S.ESI] = 0x200000;
  rig.vcpu.vmcs.set(F.VM_EXIT_INSTRUCTION_INFO, Q.stringIoInfo(32, S.DS));
  const qualification = Q.encodeIo({ size: 1, input: false, string: true, rep: true, immediate: false, port: 0xe9 });
  assert.is(handle(rig, "io_instruction", { qualification }), "again");
  assert.is(rig.cpu.i32[S.ECX], 5000 - 4096);
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RIP), CODE);
});

on(["cr_access"], "MOV CR0 reaches the read shadow; the processor's has NE, and a bad value is #GP", () => {
  const rig = rootRig();
  const { vcpu } = rig;
  rig.cpu.i32[S.ECX] = 0x80000011 | 0;
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(0, Q.CR_MOV_TO, S.ECX) }), "next");
  assert.is(vcpu.vmcs.get(F.CR0_READ_SHADOW), 0x80000011 | 0);
  assert.is(vcpu.vmcs.get(F.GUEST_CR0), 0x80000031 | 0);
  assert.is(rig.events("hvm.invvpid"), 1);
  rig.cpu.i32[S.ECX] = 0x80000010 | 0;
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(0, Q.CR_MOV_TO, S.ECX) }), "again");
  assert.equal(vcpu.queued, { type: C.TYPE_HARDWARE_EXCEPTION, vector: 13, errorCode: 0, instructionLength: 0 });
  assert.is(vcpu.vmcs.get(F.GUEST_CR0), 0x80000031 | 0);
});

on(["cr_access"], "MOV CR4 keeps VMXE behind the shadow; reserved bits are #GP; PAE loads the PDPTEs or is #GP", () => {
  const rig = rootRig();
  const { vcpu } = rig;
  rig.cpu.i32[S.EBX] = 0x10;
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(4, Q.CR_MOV_TO, S.EBX) }), "next");
  assert.is(vcpu.vmcs.get(F.CR4_READ_SHADOW), 0x10);
  assert.is(vcpu.vmcs.get(F.GUEST_CR4), 0x10 | C.CR4_VMXE);
  rig.cpu.i32[S.EBX] = C.CR4_VMXE;
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(4, Q.CR_MOV_TO, S.EBX) }), "again");
  assert.is(vcpu.queued!.vector, 13);
  vcpu.vmcs.set(F.GUEST_CR0, 0x80000031 | 0);
  vcpu.vmcs.set(F.CR0_READ_SHADOW, 0x80000011 | 0);
  vcpu.vmcs.set(F.GUEST_CR3, 0x20000);
  rig.words(0x20000, 0x21001, 0, 0x22007, 0);
  rig.cpu.i32[S.EBX] = 0x20;
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(4, Q.CR_MOV_TO, S.EBX) }), "again");
  rig.words(0x20008, 0x22001);
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(4, Q.CR_MOV_TO, S.EBX) }), "next");
  assert.is(vcpu.vmcs.get(F.GUEST_PDPTE1), 0x22001);
});

on(["cr_access"], "CR3 is virtual under shadow tables: stored as loaded, never the shadow's root", () => {
  const rig = rootRig("shadow");
  rig.cpu.i32[S.EDX] = 0x123000;
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(3, Q.CR_MOV_TO, S.EDX) }), "next");
  assert.is(handle(rig, "cr_access", { qualification: Q.movCr(3, Q.CR_MOV_FROM, S.ESP) }), "next");
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RSP), 0x123000);
  assert.is.not(rig.vcpu.vmcs.get(F.GUEST_CR3), 0x123000);
});

on(["cr_access"], "CLTS and LMSW change the shadow and the register; LMSW cannot clear PE", () => {
  const rig = rootRig("shadow");
  const { vmcs } = rig.vcpu;
  const lmsw = (lmswSource: number): number => Q.encodeCrAccess({ cr: 0, access: Q.CR_LMSW, register: 0, lmswSource, lmswMemory: false });
  assert.is(handle(rig, "cr_access", { qualification: lmsw(0xa) }), "next");
  assert.is(vmcs.get(F.CR0_READ_SHADOW) & 0xf, 0xb);
  handle(rig, "cr_access", { qualification: Q.encodeCrAccess({ cr: 0, access: Q.CR_CLTS, register: 0, lmswSource: 0, lmswMemory: false }) });
  assert.is(vmcs.get(F.CR0_READ_SHADOW) & 0xf, 3);
  assert.is(vmcs.get(F.GUEST_CR0) & 0xf, 3);
});

on(["hlt"], "blocks the guest past the instruction", () => {
  const rig = rootRig();
  dispatchOf(rig, "hlt", { length: 1 });
  assert.ok(rig.vcpu.blocked);
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RIP), CODE + 1);
});

on(["rdtsc", "rdmsr", "wrmsr"], "a TSC that is written moves the offset; unknown MSRs are #GP; SYSENTER's are in the VMCS", () => {
  const rig = rootRig();
  const { i32 } = rig.cpu;
  const { vmcs } = rig.vcpu;
  rig.machine.ledger.idle(5000);
  i32[S.ECX] = 0x10;
  i32[S.EAX] = 100;
  i32[S.EDX] = 7;
  assert.is(handle(rig, "wrmsr"), "next");
  i32[S.EAX] = i32[S.EDX] = 0;
  assert.is(handle(rig, "rdmsr"), "next");
  assert.equal([i32[S.EAX], i32[S.EDX]], [100, 7]);
  rig.machine.ledger.idle(11);
  handle(rig, "rdtsc");
  assert.equal([i32[S.EAX], i32[S.EDX]], [111, 7]);
  i32[S.ECX] = 0x174;
  i32[S.EAX] = 0x10;
  handle(rig, "wrmsr");
  assert.is(vmcs.get(F.GUEST_IA32_SYSENTER_CS), 0x10);
  i32[S.ECX] = 0x12345;
  assert.is(handle(rig, "rdmsr"), "again");
  assert.is(rig.vcpu.queued!.vector, 13);
});

on(["rdpmc"], "reads a counter, #GP for one that is not there", () => {
  const rig = rootRig();
  rig.cpu.i32[S.EAX] = 5;
  assert.is(handle(rig, "rdpmc"), "next");
  assert.is(eax(rig), 0);
  rig.cpu.i32[S.ECX] = 9;
  assert.is(handle(rig, "rdpmc"), "again");
});

on(["mov_dr"], "moves both ways; DR4 is #UD with CR4.DE", () => {
  const rig = rootRig();
  rig.cpu.i32[S.ECX] = 0x1000;
  assert.is(handle(rig, "mov_dr", { qualification: Q.encodeMovDr(1, false, S.ECX) }), "next");
  handle(rig, "mov_dr", { qualification: Q.encodeMovDr(1, true, S.EAX) });
  assert.is(eax(rig), 0x1000);
  rig.cpu.i32[S.CR4] = S.CR4_DE;
  assert.is(handle(rig, "mov_dr", { qualification: Q.encodeMovDr(4, true, S.EAX) }), "again");
  assert.is(rig.vcpu.queued!.vector, 6);
});

on(["invd", "wbinvd"], "nothing to do", () => {
  assert.is(handle(rootRig(), "invd"), "next");
  assert.is(handle(rootRig(), "wbinvd"), "next");
});

on(["invlpg"], "drops the page", () => {
  const rig = rootRig("shadow");
  assert.is(handle(rig, "invlpg", { qualification: 0x5000 }), "next");
  assert.is(handle(rootRig("ept"), "invlpg", { qualification: 0x5000 }), "next");
});

const VMX_INSTRUCTIONS = ["vmcall", "vmclear", "vmlaunch", "vmptrld", "vmptrst", "vmread", "vmresume", "vmwrite", "vmxoff", "vmxon"] as const;
on(VMX_INSTRUCTIONS, "the guest's processor has no VMX: #UD", () => {
  for (const reason of VMX_INSTRUCTIONS) {
    const rig = rootRig();
    assert.is(handle(rig, reason), "again");
    assert.equal(rig.vcpu.queued, { type: C.TYPE_HARDWARE_EXCEPTION, vector: 6, errorCode: undefined, instructionLength: 0 });
  }
});

on(["gdtr_idtr_access", "ldtr_tr_access"], "emulated on the guest's registers", () => {
  const rig = rootRig();
  rig.put(CODE, "0f011d 00002000");
  rig.words(0x200000, 0x40001234, 0x0005);
  rig.engine.stop();
  assert.is(handle(rig, "gdtr_idtr_access"), "again");
  assert.is(rig.vcpu.vmcs.get(F.GUEST_IDTR_LIMIT), 0x1234);
  assert.is(rig.vcpu.vmcs.get(F.GUEST_IDTR_BASE), 0x54000);
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RIP), CODE + 7);
  rig.put(CODE + 7, "0f00c0");
  assert.is(handle(rig, "ldtr_tr_access"), "again");
  assert.is(eax(rig) & 0xffff, 0);
});

on(["exception_nmi"], "an exception goes back to the guest; on top of another it is a double fault, then the end", () => {
  const rig = rootRig();
  const gp = C.INFO_VALID | C.TYPE_HARDWARE_EXCEPTION | C.INFO_ERROR_CODE | 13;
  assert.is(handle(rig, "exception_nmi", { interruptionInfo: gp, interruptionErrorCode: 0x18 }), "again");
  assert.is(rig.vcpu.queued!.errorCode, 0x18);
  handle(rig, "exception_nmi", { interruptionInfo: gp });
  assert.is(rig.vcpu.queued!.vector, 8);
  assert.is(handle(rig, "exception_nmi", { interruptionInfo: gp }), "stop");
});

on(["exception_nmi"], "a breakpoint is injected with the length of its instruction", () => {
  const rig = rootRig();
  rig.vcpu.vmcs.set(F.VM_EXIT_INSTRUCTION_LENGTH, 1);
  handle(rig, "exception_nmi", { interruptionInfo: C.INFO_VALID | C.TYPE_SOFTWARE_EXCEPTION | 3 });
  assert.equal(rig.vcpu.queued, { type: C.TYPE_SOFTWARE_EXCEPTION, vector: 3, errorCode: undefined, instructionLength: 1 });
});

on(["exception_nmi"], "shadow tables: a hidden fault is filled, a true one goes to the guest with CR2 and its own error code", () => {
  const rig = rootRig("shadow");
  const pf = { interruptionInfo: C.INFO_VALID | C.TYPE_HARDWARE_EXCEPTION | C.INFO_ERROR_CODE | 14 };
  assert.is(handle(rig, "exception_nmi", { ...pf, qualification: 0x200000 }), "again");
  assert.is(rig.vcpu.queued, undefined);
  assert.is(rig.events("shadow.hidden_fault"), 1);
  rig.words(0x10000, 0);
  rig.cpu.i32[S.ECX] = 0x10000;
  handle(rig, "cr_access", { qualification: Q.movCr(3, Q.CR_MOV_TO, S.ECX) });
  rig.cpu.i32[S.ECX] = 0x80000011 | 0;
  handle(rig, "cr_access", { qualification: Q.movCr(0, Q.CR_MOV_TO, S.ECX) });
  assert.is(handle(rig, "exception_nmi", { ...pf, qualification: 0x345678, interruptionErrorCode: 2 }), "again");
  assert.is(rig.cpu.cr2, 0x345678);
  assert.equal(rig.vcpu.queued, { type: C.TYPE_HARDWARE_EXCEPTION, vector: 14, errorCode: 2, instructionLength: 0 });
  assert.is(rig.events("shadow.true_fault"), 1);
});

on(["external_interrupt", "interrupt_window"], "leave it to what comes before the entry", () => {
  assert.is(handle(rootRig(), "external_interrupt"), "again");
  assert.is(handle(rootRig(), "interrupt_window"), "again");
});

on(["tpr_below_threshold"], "the guest goes on behind the write, with the interrupt that has waited", () => {
  const rig = rootRig();
  assert.is(handle(rig, "tpr_below_threshold"), "again");
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RIP), CODE);
});

on(["triple_fault", "entry_failure_guest_state", "entry_failure_msr_loading"], "stop, saying where and why", () => {
  const rig = rootRig();
  assert.throws(() => dispatchOf(rig, "triple_fault"), /VM exit 2 \(triple_fault\).*RIP 0x100000, qualification 0x0/);
  rig.vcpu.violatedRule = "a rule";
  assert.throws(() => dispatchOf(rig, "entry_failure_guest_state"), /a rule/);
  assert.is(handle(rig, "entry_failure_msr_loading"), "stop");
});

on(["ept_violation", "ept_misconfig"], "memory is mapped, ROM's writes and devices are emulated", () => {
  const rig = rootRig();
  assert.is(handle(rig, "ept_violation", { guestPhysical: 0x5000, qualification: 0x181 }), "again");
  assert.is(rig.events("ept.fill"), 1);
  assert.is(handle(rig, "ept_violation", { guestPhysical: 0xfee00000, qualification: 0x181 }), "again");
  assert.is(rig.events("ept.fill"), 1);
  rig.put(CODE, "c605 0000e0fe 7f");
  assert.is(handle(rig, "ept_misconfig", { guestPhysical: 0xfee00000 }), "again");
  assert.is(rig.vcpu.vmcs.get(F.GUEST_RIP), CODE + 7);
});

on(["task_switch"], "is done in software by the instruction", () => {
  const rig = rootRig();
  const { cpu, vcpu } = rig;
  const gdt = 0x30000, from = 0x31000, to = 0x32000;
  rig.words(gdt, 0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300, 0x10000067, 0x8b03, 0x20000067, 0x8903);
  rig.words(to + 0x20, 0x123456, 2);
  rig.words(to + 0x38, 0x9000);
  rig.words(to + 0x48, 0x10, 0x08, 0x10, 0x10, 0x10, 0x10);
  vcpu.vmcs.set(F.GUEST_GDTR_BASE, gdt);
  vcpu.vmcs.set(F.GUEST_GDTR_LIMIT, 0x27);
  vcpu.vmcs.set(F.GUEST_TR_SELECTOR, 0x18);
  vcpu.vmcs.set(F.GUEST_TR_BASE, from);
  vcpu.vmcs.set(F.GUEST_TR_LIMIT, 0x67);
  rig.put(CODE, "ea 00000000 2000");
  assert.is(handle(rig, "task_switch", { qualification: Q.encodeTaskSwitch(0x20, Q.TASK_JMP) }), "again");
  assert.is(vcpu.vmcs.get(F.GUEST_RIP), 0x123456);
  assert.is(vcpu.vmcs.get(F.GUEST_TR_SELECTOR), 0x20);
  assert.is(vcpu.vmcs.get(F.GUEST_RSP), 0x9000);
  assert.is(rig.read(from + 0x20), CODE + 7);
  assert.not(cpu.halted);
});

handlers("an exit without a handler stops with reason, RIP and qualification", () => {
  const rig = rootRig();
  assert.throws(() => dispatchOf(rig, "apic_access", { qualification: 0x20 }), /VM exit 44 \(apic_access\) has no handler: RIP 0x100000, qualification 0x20/);
});

handlers("'next' ends the blocking by STI; IDT-vectoring queues the event again", () => {
  const rig = rootRig();
  rig.vcpu.vmcs.set(F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_STI);
  dispatchOf(rig, "cpuid", { vectoring: C.INFO_VALID | C.TYPE_SOFTWARE_INTERRUPT | 0x80, length: 2 });
  assert.is(rig.vcpu.vmcs.get(F.GUEST_INTERRUPTIBILITY_STATE), 0);
  assert.equal(rig.vcpu.queued, { type: C.TYPE_SOFTWARE_INTERRUPT, vector: 0x80, errorCode: undefined, instructionLength: 2 });
});

handlers("every handler has a test", () => {
  HANDLERS.forEach((row, reason) => { if (row) assert.ok(covered.has(REASON_NAMES[reason]!), REASON_NAMES[reason]); });
});

handlers.run();
