import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { Trap } from "../../hypervisor/trap.js";
import { interceptMsr, interceptPorts, msrExits, portExits } from "../../hvm/bitmaps.js";
import * as C from "../../hvm/controls.js";
import { vmEntry } from "../../hvm/entry.js";
import { REASON, type ReasonName } from "../../hvm/exit-reasons.js";
import { cr3LoadExits, hostBitsChanged, lmswExits, shadowed } from "../../hvm/intercepts-cr.js";
import { INTERCEPTS, type Verdict } from "../../hvm/intercepts.js";
import * as Q from "../../hvm/qualifications.js";
import { F } from "../../hvm/vmcs-fields.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { FEATURES, ROWS } from "../../translator/isa/opcodes.js";
import { CODE, createRig, type Rig, rootRig } from "./rig.js";

const intercepts = suite("intercepts");
const decode = decoderFor(FEATURES);

/** In non-root operation. */
function running(mmu?: "ept" | "shadow"): Rig {
  const rig = rootRig(mmu);
  assert.is(vmEntry(rig.vcpu), undefined);
  return rig;
}

/** What becomes of the instruction with these bytes. */
function verdict(rig: Rig, text: string): Verdict {
  const bytes = Uint8Array.from(text.split(/\s+/).join("").match(/../g)!, (byte) => parseInt(byte, 16));
  const i = decode(bytes, 0, bytes.length, 32);
  if (i.invalid !== null) throw new Error(`${text} is no instruction`);
  return INTERCEPTS[i.row.sensitive!]!(rig.vcpu, i);
}

const exits = (reason: ReasonName, qualification?: number): object => ({ reason: REASON[reason], ...(qualification === undefined ? {} : { qualification }) });
const control = (rig: Rig, bit: number, on: boolean): void => {
  const { vmcs } = rig.vcpu;
  vmcs.set(F.PRIMARY_CONTROLS, on ? vmcs.get(F.PRIMARY_CONTROLS) | bit : vmcs.get(F.PRIMARY_CONTROLS) & ~bit);
};

intercepts("hooks are for instructions the opcode table calls sensitive", () => {
  const sensitive = new Set(ROWS.map((row) => row.sensitive));
  for (const name of Object.keys(INTERCEPTS)) assert.ok(sensitive.has(name), name);
});

intercepts("unconditional exits", () => {
  const rig = running();
  const cases: readonly (readonly [string, ReasonName])[] = [
    ["0fa2", "cpuid"], ["0f08", "invd"], ["0f01c1", "vmcall"], ["0f01c2", "vmlaunch"], ["0f01c3", "vmresume"], ["0f01c4", "vmxoff"],
    ["0f78c0", "vmread"], ["0f79c0", "vmwrite"], ["0fc730", "vmptrld"], ["660fc730", "vmclear"], ["f30fc730", "vmxon"], ["0fc738", "vmptrst"],
  ];
  for (const [bytes, reason] of cases) assert.equal(verdict(rig, bytes), exits(reason), reason);
});

intercepts("exits by the primary controls, native without", () => {
  const cases: readonly (readonly [string, number, object])[] = [
    ["f4", C.PROC_HLT_EXITING, exits("hlt")],
    ["0f31", C.PROC_RDTSC_EXITING, exits("rdtsc")],
    ["0f33", C.PROC_RDPMC_EXITING, exits("rdpmc")],
    ["0f013d 78563412", C.PROC_INVLPG_EXITING, exits("invlpg", 0x12345678)],
    ["0f23f9", C.PROC_MOV_DR_EXITING, exits("mov_dr", 7 | 1 << 8)],
    ["0f21c3", C.PROC_MOV_DR_EXITING, exits("mov_dr", 0x10 | 3 << 8)],
    ["0f20d9", C.PROC_CR3_STORE_EXITING, exits("cr_access", 3 | 1 << 4 | 1 << 8)],
    ["0f22da", C.PROC_CR3_LOAD_EXITING, exits("cr_access", 3 | 2 << 8)],
  ];
  for (const [bytes, bit, exit] of cases) {
    const rig = running();
    control(rig, bit, true);
    assert.equal(verdict(rig, bytes), exit, bytes);
    control(rig, bit, false);
    assert.ok(["native", "done"].includes(verdict(rig, bytes) as string), bytes);
  }
});

intercepts("exits by the secondary controls: descriptor tables and WBINVD", () => {
  const rig = running();
  const { vmcs } = rig.vcpu;
  assert.is(verdict(rig, "0f01 1d 00200000"), "native");
  assert.is(verdict(rig, "0f09"), "native");
  vmcs.set(F.SECONDARY_CONTROLS, vmcs.get(F.SECONDARY_CONTROLS) | C.PROC2_DESCRIPTOR_TABLE_EXITING | C.PROC2_WBINVD_EXITING);
  assert.equal(verdict(rig, "0f09"), exits("wbinvd"));
  // LIDT [0x2000]: no base, no index, 32-bit address and operand, DS.
  assert.equal(verdict(rig, "0f01 1d 00200000"), { ...exits("gdtr_idtr_access", 0x2000), instructionInfo: (3 << 28 | 1 << 27 | 1 << 22 | 3 << 15 | 1 << 11 | 1 << 7) });
  // STR ECX.
  assert.equal(verdict(rig, "0f00c9"), { ...exits("ldtr_tr_access", 0), instructionInfo: 1 << 28 | 1 << 10 | 1 << 3 });
});

intercepts("ports: bitmaps A and B, unconditional exiting, all bits of the qualification", () => {
  const rig = running();
  const { vmcs, memory } = rig.vcpu;
  rig.cpu.i32[S.EDX] = 0x1f0;
  rig.cpu.i32[S.EDI] = 0x200000;
  assert.equal(verdict(rig, "e460"), exits("io_instruction", 0x60 << 16 | 1 << 6 | 1 << 3));
  assert.equal(verdict(rig, "66ef"), exits("io_instruction", 0x1f0 << 16 | 1));
  assert.equal(verdict(rig, "f36d"), { ...exits("io_instruction", 0x1f0 << 16 | 1 << 5 | 1 << 4 | 1 << 3 | 3), guestLinear: 0x200000, instructionInfo: 1 << 7 });
  assert.equal(verdict(rig, "f3646e"), { ...exits("io_instruction", 0x1f0 << 16 | 1 << 5 | 1 << 4), guestLinear: 0, instructionInfo: 1 << 7 | 4 << 15 });
  interceptPorts(memory, vmcs.get(F.IO_BITMAP_A), vmcs.get(F.IO_BITMAP_B), 0x60, 1, false);
  assert.is(verdict(rig, "e460"), "native");
  assert.equal(verdict(rig, "e560"), exits("io_instruction", 0x60 << 16 | 1 << 6 | 1 << 3 | 3));
  control(rig, C.PROC_USE_IO_BITMAPS, false);
  assert.is(verdict(rig, "e460"), "native");
  control(rig, C.PROC_UNCONDITIONAL_IO_EXITING, true);
  assert.equal(verdict(rig, "e460"), exits("io_instruction", 0x60 << 16 | 1 << 6 | 1 << 3));
});

intercepts("the I/O bitmaps' pages, their border, and an access that wraps", () => {
  const { vcpu } = rootRig();
  const a = vcpu.newFrame(), b = vcpu.newFrame();
  interceptPorts(vcpu.memory, a, b, 0x7fff, 2, true);
  assert.ok(portExits(vcpu.memory, a, b, 0x7fff, 1));
  assert.ok(portExits(vcpu.memory, a, b, 0x8000, 1));
  assert.ok(portExits(vcpu.memory, a, b, 0x7ffc, 4));
  assert.not(portExits(vcpu.memory, a, b, 0x8001, 4));
  assert.is(vcpu.memory.read(a + 0xfff, 1), 0x80);
  assert.is(vcpu.memory.read(b, 1), 1);
  assert.ok(portExits(vcpu.memory, a, b, 0xffff, 2));
});

intercepts("a port that the TSS forbids is #GP before it is an exit", () => {
  const rig = running();
  rig.cpu.i32[S.SEG_LIMIT + S.TR] = 0x67;
  rig.vcpu.virtualization.ept!.map(0, rig.hvm.map.machineFrame(0), 7, 6);
  rig.words(0x64, 0x7000000);
  rig.cpu.setCpl(3);
  assert.throws(() => verdict(rig, "e460"), (thrown: unknown) => thrown instanceof Trap && thrown.vector === 13);
});

intercepts("RDTSC with CR4.TSD outside ring 0 is #GP before it is an exit", () => {
  const rig = running();
  control(rig, C.PROC_RDTSC_EXITING, true);
  rig.cpu.setCpl(3);
  rig.cpu.i32[S.CR4]! |= S.CR4_TSD;
  assert.throws(() => verdict(rig, "0f31"), (thrown: unknown) => thrown instanceof Trap && thrown.vector === 13);
});

intercepts("the TSC offset is added with its carry", () => {
  const rig = running();
  rig.vcpu.vmcs.set(F.TSC_OFFSET, -1);
  rig.vcpu.vmcs.set(F.TSC_OFFSET + 1, 4);
  rig.machine.ledger.idle(10);
  const cycles = rig.machine.ledger.cycles;
  assert.is(verdict(rig, "0f31"), "done");
  assert.is(rig.cpu.i32[S.EAX], cycles - 1);
  assert.is(rig.cpu.i32[S.EDX], 5);
});

intercepts("the MSR bitmap: low and high ranges, reads and writes apart, everything else exits", () => {
  const { vcpu } = rootRig();
  const page = vcpu.newFrame();
  for (const [index, write, at] of [[0x174, false, 0x2e], [0xc0000080, false, 1024 + 16], [0x174, true, 2048 + 0x2e], [0xc0000080, true, 3072 + 16]] as const) {
    assert.not(msrExits(vcpu.memory, page, index, write));
    interceptMsr(vcpu.memory, page, index, write, true);
    assert.ok(msrExits(vcpu.memory, page, index, write));
    assert.is(vcpu.memory.read(page + at, 1), 1 << (index & 7));
  }
  assert.ok(msrExits(vcpu.memory, page, 0x4000, false));
  assert.throws(() => interceptMsr(vcpu.memory, page, 0x4000, false, true), RangeError);
  const rig = running();
  rig.cpu.i32[S.ECX] = 0x175;
  assert.is(verdict(rig, "0f32"), "native");
  rig.cpu.i32[S.ECX] = 0x1b;
  assert.equal(verdict(rig, "0f30"), exits("wrmsr"));
  control(rig, C.PROC_USE_MSR_BITMAPS, false);
  rig.cpu.i32[S.ECX] = 0x175;
  assert.equal(verdict(rig, "0f32"), exits("rdmsr"));
});

intercepts("masks and shadows: what is read, and what exits", () => {
  assert.is(shadowed(0b1100, 0b1010, 0b0010), 0b0110);
  assert.is(hostBitsChanged(0b1100, 0b1010, 0b0010), 0b1010);
  const rig = running();
  const { vmcs } = rig.vcpu;
  const { i32 } = rig.cpu;
  // MOV EAX, CR0 and SMSW AX do not show NE; MOV EBX, CR4 does not show VMXE.
  assert.is(verdict(rig, "0f20c0"), "done");
  assert.is(i32[S.EAX], 0x11);
  assert.is(rig.cpu.cr0, 0x31);
  assert.is(verdict(rig, "660f01e0"), "done");
  assert.is(i32[S.EAX], 0x11);
  assert.is(verdict(rig, "0f20e3"), "done");
  assert.is(i32[S.EBX], 0);
  // TS and WP are the guest's: no exit, and NE stays.
  i32[S.EAX] = 0x10019;
  assert.is(verdict(rig, "0f22c0"), "done");
  assert.is(rig.cpu.cr0, 0x10039);
  i32[S.EAX] = 0x80000011 | 0;
  assert.equal(verdict(rig, "0f22c0"), exits("cr_access", 0));
  vmcs.set(F.CR0_GUEST_HOST_MASK, 0);
  i32[S.EAX] = 0x11;
  assert.throws(() => verdict(rig, "0f22c0"), (thrown: unknown) => thrown instanceof Trap && thrown.vector === 13);
});

intercepts("CLTS and LMSW by mask and shadow", () => {
  const rig = running();
  const { vmcs } = rig.vcpu;
  assert.is(verdict(rig, "0f06"), "native");
  vmcs.set(F.CR0_GUEST_HOST_MASK, -1);
  assert.is(verdict(rig, "0f06"), "done");
  vmcs.set(F.CR0_READ_SHADOW, 0x19);
  assert.equal(verdict(rig, "0f06"), exits("cr_access", 2 << 4));
  assert.ok(lmswExits(0b0001, 1, 0));
  assert.not(lmswExits(0b0000, 1, 1));
  assert.ok(lmswExits(0b1000, 8, 0));
  assert.not(lmswExits(0b1000, 4, 0));
  rig.cpu.i32[S.EAX] = 0x1;
  assert.equal(verdict(rig, "0f01f0"), exits("cr_access", 1 << 16 | 3 << 4));
});

intercepts("CR3-target values save the exit", () => {
  const rig = running("shadow");
  const { vmcs } = rig.vcpu;
  assert.ok(cr3LoadExits(vmcs, 0x5000));
  vmcs.set(F.CR3_TARGET_VALUE1, 0x5000);
  vmcs.set(F.CR3_TARGET_COUNT, 1);
  assert.ok(cr3LoadExits(vmcs, 0x5000));
  vmcs.set(F.CR3_TARGET_COUNT, 2);
  assert.not(cr3LoadExits(vmcs, 0x5000));
});

intercepts("far jumps and calls exit for a task only; IRET with NT", () => {
  const rig = running();
  const gdt = 0x30000;
  rig.words(gdt, 0, 0, 0xffff, 0xcf9b00, 0xffff, 0xcf9300, 0x20000067, 0x8903, 0x180000, 0x8500);
  rig.cpu.i32[S.GDTR_BASE] = gdt;
  rig.cpu.i32[S.GDTR_LIMIT] = 0x27;
  for (let gpa = 0; gpa < 0x400000; gpa += 4096) rig.vcpu.virtualization.ept!.map(gpa, rig.hvm.map.machineFrame(gpa >>> 12), 7, 6);
  assert.is(verdict(rig, "ea 00000000 0800"), "native");
  assert.equal(verdict(rig, "ea 00000000 1800"), exits("task_switch", 0x18 | 2 << 30));
  assert.equal(verdict(rig, "9a 00000000 2000"), exits("task_switch", 0x18));
  assert.is(verdict(rig, "cf"), "native");
  rig.cpu.i32[S.EFLAGS_SYS]! |= S.FLAG_NT;
  rig.cpu.setSegment(S.TR, 0x20, 0x32000, 0x67, 0x8b);
  rig.words(gdt + 0x18, 0x20000067, 0x8b03);
  rig.words(0x32000, 0x18);
  assert.equal(verdict(rig, "cf"), exits("task_switch", 0x18 | 1 << 30));
});

intercepts("qualifications and instruction information decode to what was encoded", () => {
  for (let n = 0; n < 2000; n++) {
    const cr = { cr: n & 7, access: n >> 3 & 3, register: n >> 5 & 15, lmswSource: n * 77 & 0xffff, lmswMemory: (n & 1) !== 0 };
    assert.equal(Q.decodeCrAccess(Q.encodeCrAccess(cr)), cr);
    const io = { size: ([1, 2, 4] as const)[n % 3]!, input: (n & 1) !== 0, string: (n & 2) !== 0, rep: (n & 4) !== 0, immediate: (n & 8) !== 0, port: n * 31 & 0xffff };
    assert.equal(Q.decodeIo(Q.encodeIo(io)), io);
    assert.equal(Q.decodeTaskSwitch(Q.encodeTaskSwitch(n, n & 3)), { selector: n, source: n & 3 });
    assert.equal(Q.decodeMovDr(Q.encodeMovDr(n & 7, (n & 8) !== 0, n >> 4 & 7)), { dr: n & 7, from: (n & 8) !== 0, register: n >> 4 & 7 });
  }
});

intercepts("the engine asks before it executes, and the length of the instruction is in the VMCS", () => {
  const rig = createRig();
  rig.put(CODE, "f3 26 0fa2 b000 e6f4");
  rig.cpu.i32[S.EAX] = 0;
  rig.engine.run(1);
  assert.is(rig.vcpu.vmcs.get(F.VM_EXIT_INSTRUCTION_LENGTH), 4);
  assert.is(rig.cpu.eip, CODE + 4);
});

intercepts.run();
