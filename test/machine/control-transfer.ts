import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { farCall, farJump, farReturn } from "../../hypervisor/control-transfer.js";
import { interruptReturn } from "../../hypervisor/interrupt-return.js";
import { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, writeMsr } from "../../hypervisor/model-specific-registers.js";
import { GP, NP, SS_FAULT, TS } from "../../hypervisor/trap.js";
import { CODE, CONFORMING0, createRig, CS0, CS0_16, CS1, CS3, DS0, DS0_16, DS1, DS3, fault, FREE, GDT, goToUser, protectedRig, snapshot, STACK0, STACK1,
  STACK3, TSS_SEL, userRig } from "./rig.js";

const transfer = suite("control transfer");
const CALL32 = 0xec, CALL16 = 0xe4, TARGET = 0x9000;

function setFlags(cpu: Cpu, flags: number): void {
  cpu.eflags = flags | 2;
  cpu.modeChanged();
}

transfer("JMP far: same level only, or conforming code (SDM vol. 3, 5.8.1)", () => {
  const rig = userRig();
  const { cpu } = rig;
  const before = snapshot(cpu);
  assert.equal(fault(() => farJump(cpu, CS0 | 3, TARGET, 0)), { vector: GP, errorCode: CS0 });
  assert.equal(fault(() => farJump(cpu, 0, TARGET, 0)), { vector: GP, errorCode: 0 });
  assert.equal(fault(() => farJump(cpu, DS3, TARGET, 0)), { vector: GP, errorCode: DS3 & ~3 });
  assert.equal(fault(() => farJump(cpu, 0xf8, TARGET, 0)), { vector: GP, errorCode: 0xf8 });
  assert.equal(snapshot(cpu), before);
  farJump(cpu, CONFORMING0, TARGET, 0);
  assert.is(cpu.selector(S.CS), CONFORMING0 | 3);
  assert.is(cpu.cpl, 3);
  assert.is(cpu.eip, TARGET);
});

transfer("JMP far: presence and the new segment's limit (SDM vol. 2, JMP)", () => {
  const rig = protectedRig();
  rig.descriptor(FREE, 0, 0xfff, 0x1b, 4);
  assert.equal(fault(() => farJump(rig.cpu, FREE, 0, 0)), { vector: NP, errorCode: FREE });
  rig.descriptor(FREE, 0, 0xfff, 0x9a, 4);
  assert.equal(fault(() => farJump(rig.cpu, FREE, 0x1000, 0)), { vector: GP, errorCode: 0 });
  assert.is(rig.read(GDT + FREE + 4) & 0x100, 0, "not accessed by a jump that failed");
  farJump(rig.cpu, FREE, 0xfff, 0);
  assert.is(rig.read(GDT + FREE + 4) & 0x100, 0x100);
  assert.is(rig.cpu.segLimit(S.CS), 0xfff);
});

transfer("real mode: JMP and CALL far, and back (SDM vol. 3, 20.1)", () => {
  const rig = createRig();
  const { cpu } = rig;
  cpu.esp = 0x1000;
  farCall(cpu, 0x1234, 0x10, 2, 0x55);
  assert.is(cpu.segBase(S.CS), 0x12340);
  assert.equal([rig.read16(0xffc), rig.read16(0xffe)], [0x55, 0xf000]);
  farReturn(cpu, 2, 4);
  assert.is(cpu.selector(S.CS), 0xf000);
  assert.is(cpu.eip, 0x55);
  assert.is(cpu.esp, 0x1004);
  assert.equal(fault(() => farJump(cpu, 0, 0x10000, 0)), { vector: GP, errorCode: 0 });
});

transfer("a call gate goes inwards: new stack, old one, parameters, return address; RET undoes it (SDM vol. 3, 5.8.5 and 5.8.6)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.gdtGate(FREE, CS0, TARGET, CALL32, 2);
  rig.write(STACK3 - 8, 0x11, 0x22);
  cpu.esp = STACK3 - 8;
  farCall(cpu, FREE | 3, 0xdeadbeef, 4, CODE + 7);
  assert.is(cpu.cpl, 0);
  assert.is(cpu.selector(S.CS), CS0);
  assert.is(cpu.eip, TARGET);
  assert.is(cpu.esp, STACK0 - 24);
  assert.equal([0, 4, 8, 12, 16, 20].map((at) => rig.read(cpu.esp + at)), [CODE + 7, CS3, 0x11, 0x22, STACK3 - 8, DS3]);
  cpu.setSegment(S.DS, DS0, 0, -1, 0xc93);
  cpu.setSegment(S.FS, CONFORMING0, 0, -1, 0xc9f);
  farReturn(cpu, 4, 8);
  assert.is(cpu.cpl, 3);
  assert.is(cpu.eip, CODE + 7);
  assert.is(cpu.esp, STACK3);
  assert.is(cpu.selector(S.SS), DS3);
  assert.is(cpu.selector(S.DS), 0, "nulled: user code may not use it");
  assert.is(cpu.selector(S.ES), DS3);
  assert.is(cpu.selector(S.FS), CONFORMING0, "conforming code is not nulled");
});

transfer("a 16-bit call gate into ring 1 pushes words (SDM vol. 3, 21.4)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.gdtGate(FREE, CS1, TARGET, CALL16, 1);
  rig.write16(STACK3 - 2, 0x77);
  cpu.esp = STACK3 - 2;
  farCall(cpu, FREE | 3, 0, 4, CODE + 7);
  assert.is(cpu.cpl, 1);
  assert.is(cpu.selector(S.SS), DS1);
  assert.is(cpu.esp, STACK1 - 10);
  assert.equal([0, 2, 4, 6, 8].map((at) => rig.read16(cpu.esp + at)), [CODE + 7, CS3, 0x77, (STACK3 - 2) & 0xffff, DS3]);
});

transfer("a call gate: DPL, presence, target and stack are checked, nothing changes on a fault (SDM vol. 2, CALL)", () => {
  const rig = userRig();
  const { cpu } = rig;
  const before = snapshot(cpu);
  rig.gdtGate(FREE, CS0, TARGET, CALL32 & ~0x60);
  assert.equal(fault(() => farCall(cpu, FREE | 3, 0, 4, 0)), { vector: GP, errorCode: FREE });
  rig.gdtGate(FREE, CS0, TARGET, CALL32 & ~0x80);
  assert.equal(fault(() => farCall(cpu, FREE | 3, 0, 4, 0)), { vector: NP, errorCode: FREE });
  rig.gdtGate(FREE, DS0, TARGET, CALL32);
  assert.equal(fault(() => farCall(cpu, FREE | 3, 0, 4, 0)), { vector: GP, errorCode: DS0 });
  rig.gdtGate(FREE, CS0, TARGET, CALL32);
  assert.equal(fault(() => farJump(cpu, FREE | 3, 0, 0)), { vector: GP, errorCode: CS0 }, "JMP may not change level");
  rig.write(0x4008, DS3);
  assert.equal(fault(() => farCall(cpu, FREE | 3, 0, 4, 0)), { vector: TS, errorCode: DS3 & ~3 });
  rig.descriptor(0x70, 0, 0x0f, 0x93, 4);
  rig.write(0x4004, 8, 0x70);
  assert.equal(fault(() => farCall(cpu, FREE | 3, 0, 4, 0)), { vector: SS_FAULT, errorCode: 0x70 });
  rig.write(0x4004, STACK0, 0x78);
  rig.descriptor(0x78, 0, 0x0f, 0x13, 4);
  assert.equal(fault(() => farCall(cpu, FREE | 3, 0, 4, 0)), { vector: SS_FAULT, errorCode: 0x78 });
  assert.equal(snapshot(cpu), before);
});

transfer("RET far never goes inwards, and checks CS and SS (SDM vol. 2, RET)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.write(STACK3, TARGET, CS0, 0, 0);
  assert.equal(fault(() => farReturn(cpu, 4, 0)), { vector: GP, errorCode: CS0 });
  rig.write(STACK3, TARGET, 0);
  assert.equal(fault(() => farReturn(cpu, 4, 0)), { vector: GP, errorCode: 0 });
  const inner = protectedRig();
  inner.write(STACK0, TARGET, CS3, STACK3, DS0);
  assert.equal(fault(() => farReturn(inner.cpu, 4, 0)), { vector: GP, errorCode: DS0 });
  inner.write(STACK0, TARGET, CS3, STACK3, 0);
  assert.equal(fault(() => farReturn(inner.cpu, 4, 0)), { vector: GP, errorCode: 0 });
});

transfer("IRET at the same level: IF and IOPL by privilege (SDM vol. 2, IRET)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.write(STACK3, TARGET, CS3, S.FLAG_IF | S.FLAG_IOPL | S.FLAG_CF | S.FLAG_NT);
  interruptReturn(cpu, 4, 0);
  assert.is(cpu.eflags, S.FLAG_CF | S.FLAG_NT | 2);
  assert.is(cpu.esp, STACK3 + 12);
  assert.is(cpu.eip, TARGET);
  const inner = protectedRig();
  inner.write(STACK0, TARGET, CS0, S.FLAG_IF | S.FLAG_IOPL | S.FLAG_VIF | S.FLAG_ID);
  interruptReturn(inner.cpu, 4, 0);
  assert.is(inner.cpu.eflags, S.FLAG_IF | S.FLAG_IOPL | S.FLAG_VIF | S.FLAG_ID | 2);
});

transfer("IRET to an outer level takes SS:ESP and nulls inner data segments (SDM vol. 2, IRET)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.write(STACK0, TARGET, CS3, S.FLAG_IF, STACK3, DS3);
  interruptReturn(cpu, 4, 0);
  assert.is(cpu.cpl, 3);
  assert.is(cpu.esp, STACK3);
  assert.ok(cpu.interruptFlag);
  assert.is(cpu.segAttr(S.DS) & S.ATTR_NULL, S.ATTR_NULL);
  assert.ok(cpu.mmu.user);
});

transfer("on a 16-bit outer stack ESP keeps its inner upper half (SDM vol. 2, IRET)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.descriptor(FREE, 0, 0xffff, 0xf3, 0);
  rig.write(STACK0, TARGET, CS3, 0, 0x1234, FREE | 3);
  interruptReturn(cpu, 4, 0);
  assert.is(cpu.esp, STACK0 & 0xffff0000 | 0x1234);
});

transfer("16-bit IRET leaves the upper half of EFLAGS (SDM vol. 2, IRET)", () => {
  const rig = protectedRig();
  setFlags(rig.cpu, S.FLAG_ID | S.FLAG_AC);
  rig.write16(STACK0, TARGET, CS0_16, S.FLAG_CF);
  interruptReturn(rig.cpu, 2, 0);
  assert.is(rig.cpu.eflags, S.FLAG_ID | S.FLAG_AC | S.FLAG_CF | 2);
  assert.is(rig.cpu.esp, STACK0 + 6);
});

transfer("IRET to virtual-8086 mode from CPL 0 only (SDM vol. 3, 20.2.5)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.write(STACK0, 0x100, 0x2000, S.FLAG_VM | S.FLAG_IF | S.FLAG_IOPL, 0x200, 0x3000, 0x22, 0x11, 0x33, 0x44);
  interruptReturn(cpu, 4, 0);
  assert.ok(cpu.v86);
  assert.is(cpu.cpl, 3);
  assert.equal([S.CS, S.SS, S.ES, S.DS, S.FS, S.GS].map((sreg) => cpu.selector(sreg)), [0x2000, 0x3000, 0x22, 0x11, 0x33, 0x44]);
  assert.is(cpu.segBase(S.SS), 0x30000);
  assert.is(cpu.esp, 0x200);
  const user = userRig();
  user.write(STACK3, TARGET, CS3, S.FLAG_VM);
  interruptReturn(user.cpu, 4, 0);
  assert.not.ok(user.cpu.v86, "VM in a user's frame is ignored");
});

transfer("IRET in virtual-8086 mode: by IOPL, VME moves IF to VIF, VIP or TF is #GP(0) (SDM vol. 3, 20.2.7)", () => {
  const v86 = (iopl: number, vme: boolean) => {
    const rig = protectedRig();
    setFlags(rig.cpu, S.FLAG_VM | iopl << 12);
    for (const sreg of [S.CS, S.SS]) rig.cpu.setSegment(sreg, 0x3000, 0x30000, 0xffff, 0xf3);
    rig.cpu.setCpl(3);
    rig.cpu.esp = 0x200;
    if (vme) rig.cpu.i32[S.CR4] = S.CR4_VME;
    rig.write16(0x30200, 0x55, 0x1111, S.FLAG_IF | S.FLAG_CF);
    return rig;
  };
  assert.equal(fault(() => interruptReturn(v86(0, false).cpu, 2, 0)), { vector: GP, errorCode: 0 });
  let rig = v86(3, false);
  interruptReturn(rig.cpu, 2, 0);
  assert.is(rig.cpu.eflags, S.FLAG_VM | S.FLAG_IOPL | S.FLAG_IF | S.FLAG_CF | 2);
  assert.is(rig.cpu.segBase(S.CS), 0x11110);
  rig = v86(0, true);
  interruptReturn(rig.cpu, 2, 0);
  assert.is(rig.cpu.eflags, S.FLAG_VM | S.FLAG_VIF | S.FLAG_CF | 2);
  rig = v86(0, true);
  setFlags(rig.cpu, rig.cpu.eflags | S.FLAG_VIP);
  assert.equal(fault(() => interruptReturn(rig.cpu, 2, 0)), { vector: GP, errorCode: 0 });
});

transfer("SYSENTER and SYSEXIT by the MSRs (SDM vol. 3, 5.8.7)", () => {
  const rig = userRig();
  const { cpu } = rig;
  assert.equal(fault(() => rig.execute(0x0f, 0x34)), { vector: GP, errorCode: 0 });
  writeMsr(cpu, MSR_SYSENTER_CS, CS0, 0);
  writeMsr(cpu, MSR_SYSENTER_ESP, STACK0, 0);
  writeMsr(cpu, MSR_SYSENTER_EIP, TARGET, 0);
  setFlags(cpu, S.FLAG_IF);
  rig.execute(0x0f, 0x34);
  assert.equal([cpu.selector(S.CS), cpu.selector(S.SS), cpu.esp, cpu.eip, cpu.cpl, cpu.interruptFlag], [CS0, DS0, STACK0, TARGET, 0, false]);
  cpu.i32[S.EDX] = CODE;
  cpu.i32[S.ECX] = STACK3;
  rig.execute(0x0f, 0x35);
  assert.equal([cpu.selector(S.CS), cpu.selector(S.SS), cpu.esp, cpu.eip, cpu.cpl], [CS3, DS3, STACK3, CODE, 3]);
  assert.equal(fault(() => rig.execute(0x0f, 0x35)), { vector: GP, errorCode: 0 });
});

transfer("far transfers as instructions: pointer in the code, in memory, RET with release (SDM vol. 2)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.execute(0x9a, 0x00, 0x90, 0, 0, CS0, 0);
  assert.is(cpu.eip, TARGET);
  assert.equal([rig.read(cpu.esp), rig.read(cpu.esp + 4)], [CODE + 7, CS0]);
  rig.execute(0xca, 4, 0);
  assert.is(cpu.eip, CODE + 7);
  assert.is(cpu.esp, STACK0 + 4);
  rig.write(0x7000, TARGET);
  rig.write16(0x7004, CS0);
  rig.execute(0xff, 0x2d, 0x00, 0x70, 0, 0);
  assert.is(cpu.eip, TARGET);
  goToUser(cpu);
  assert.equal(fault(() => rig.execute(0xea, 0, 0, 0, 0, TSS_SEL, 0)), { vector: GP, errorCode: TSS_SEL });
});

transfer("segment register instructions: shadow of SS, 16-bit moves, pushes of two bytes (SDM vol. 2, MOV, PUSH, POP)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  cpu.i32[S.EAX] = DS0_16;
  rig.execute(0x8e, 0xd0);
  assert.ok(cpu.interruptShadow);
  assert.is(cpu.i32[S.MODE]! & S.MODE_STACK32, 0);
  rig.execute(0x8e, 0xd8);
  cpu.i32[S.EBX] = -1;
  rig.execute(0x8c, 0xdb);
  assert.is(cpu.i32[S.EBX], DS0_16);
  const wide = protectedRig();
  wide.write(STACK0 - 4, -1);
  wide.execute(0x1e);
  assert.is(wide.read(STACK0 - 4), 0xffff0010);
  wide.execute(0x0f, 0xa1);
  assert.is(wide.cpu.selector(S.FS), DS0);
  assert.is(wide.cpu.esp, STACK0);
  wide.write(0x7000, 0x12345678);
  wide.write16(0x7004, DS0_16);
  wide.execute(0x0f, 0xb2, 0x0d, 0x00, 0x70, 0, 0);
  assert.is(wide.cpu.i32[S.ECX], 0x12345678);
  assert.is(wide.cpu.selector(S.SS), DS0_16);
});

transfer.run();
