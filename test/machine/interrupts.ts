import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import { combineFaults, deliverException, deliverExternal, deliverSoftware } from "../../hypervisor/interrupts.js";
import { DB, DE, DF, GP, GuestCrash, NP, PF, SS_FAULT, TS, UD } from "../../hypervisor/trap.js";
import { CODE, CONFORMING0, createRig, CS0, CS0_16, CS3, DATA_W, DS0, DS0_16, DS1, DS3, fault, FREE, goToUser, IDT, protectedRig, snapshot, STACK0, STACK3,
  TSS, TSS2, TSS2_SEL, TSS_SEL, userRig, type Rig } from "./rig.js";

const interrupts = suite("interrupts");
const HANDLER = 0x9000, INT32 = 0x8e, TRAP32 = 0x8f, INT16 = 0x86, DPL3 = 0x60;

const stack = (rig: Rig, count: number): number[] => Array.from({ length: count }, (_, i) => rig.read(rig.cpu.esp + i * 4));

function setFlags(cpu: Cpu, flags: number): void {
  cpu.eflags = flags | 2;
  cpu.modeChanged();
}

/** Virtual-8086 mode at 2000:0100 with stack 3000:0200. */
function virtual8086Rig(iopl = 0): Rig {
  const rig = protectedRig();
  const { cpu } = rig;
  setFlags(cpu, S.FLAG_VM | S.FLAG_IF | iopl << 12);
  [[S.CS, 0x2000], [S.SS, 0x3000], [S.DS, 0x11], [S.ES, 0x22], [S.FS, 0x33], [S.GS, 0x44]].forEach(([sreg, selector]) => {
    cpu.setSegment(sreg!, selector!, selector! << 4, 0xffff, 0xf3);
  });
  cpu.setCpl(3);
  cpu.eip = 0x100;
  cpu.esp = 0x200;
  cpu.modeChanged();
  return rig;
}

interrupts("an interrupt gate at the same level pushes EFLAGS, CS, EIP and the error code, and clears IF, TF, NT, RF (SDM vol. 3, 6.12.1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.gate(GP, CS0, HANDLER, INT32);
  setFlags(cpu, S.FLAG_IF | S.FLAG_TF | S.FLAG_NT | S.FLAG_CF);
  deliverException(cpu, { vector: GP, errorCode: 0x1234 });
  assert.equal(stack(rig, 4), [0x1234, CODE, CS0, S.FLAG_IF | S.FLAG_TF | S.FLAG_NT | S.FLAG_CF | S.FLAG_RF | 2]);
  assert.is(cpu.esp, STACK0 - 16);
  assert.is(cpu.eip, HANDLER);
  assert.is(cpu.eflags, S.FLAG_CF | 2);
  assert.is(cpu.ledger.countOf("trap.general_protection"), 1);
});

interrupts("a trap gate leaves IF; a trap does not set RF in the frame (SDM vol. 3, 6.12.1.2 and 17.3.1.1)", () => {
  const rig = protectedRig();
  rig.gate(DB, CS0, HANDLER, TRAP32);
  setFlags(rig.cpu, S.FLAG_IF);
  deliverException(rig.cpu, { vector: DB, errorCode: undefined });
  assert.equal(stack(rig, 3), [CODE, CS0, S.FLAG_IF | 2]);
  assert.is(rig.cpu.eflags, S.FLAG_IF | 2);
});

interrupts("from user code the stack comes from the TSS and the old one is pushed first (SDM vol. 3, 6.12.1)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.gate(0x20, CS0, HANDLER, INT32);
  deliverExternal(cpu, 0x20);
  assert.equal(stack(rig, 5), [CODE, CS3, 2, STACK3, DS3]);
  assert.is(cpu.esp, STACK0 - 20);
  assert.is(cpu.selector(S.SS), DS0);
  assert.is(cpu.selector(S.CS), CS0);
  assert.is(cpu.cpl, 0);
  assert.is(cpu.selector(S.DS), DS3, "data segments stay");
  assert.is(cpu.ledger.countOf("interrupt.external"), 1);
});

interrupts("a 16-bit gate pushes words (SDM vol. 3, 21.3)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.gate(UD, CS0_16, HANDLER | 0x70000, INT16);
  deliverException(cpu, { vector: UD, errorCode: undefined });
  assert.equal([0, 2, 4, 6, 8].map((at) => rig.read16(cpu.esp + at)), [CODE, CS3, 2, STACK3 & 0xffff, DS3]);
  assert.is(cpu.eip, HANDLER);
});

interrupts("a 16-bit inner stack wraps at 64 KB and keeps the upper half of ESP (SDM vol. 1, 6.2.3)", () => {
  const rig = userRig();
  rig.write(TSS + 4, 0x50008, DS0_16);
  rig.gate(UD, CS0, HANDLER, INT32);
  deliverException(rig.cpu, { vector: UD, errorCode: undefined });
  assert.is(rig.cpu.esp >>> 0, 0x5fff4);
  assert.is(rig.read(0xfff4), CODE);
});

interrupts("a conforming handler runs at the interrupted level (SDM vol. 3, 6.12.1)", () => {
  const rig = userRig();
  rig.gate(UD, CONFORMING0, HANDLER, INT32);
  deliverException(rig.cpu, { vector: UD, errorCode: undefined });
  assert.is(rig.cpu.cpl, 3);
  assert.is(rig.cpu.selector(S.CS), CONFORMING0 | 3);
  assert.is(rig.cpu.esp, STACK3 - 12);
});

interrupts("INT n checks the gate's DPL, exceptions do not; error codes have IDT and EXT (SDM vol. 3, 6.12.1.2 and 6.13)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.gate(0x80, CS0, HANDLER, INT32 | DPL3);
  rig.gate(0x81, CS0, HANDLER, INT32);
  rig.gate(GP, CS0, HANDLER + 0x100, INT32);
  deliverSoftware(cpu, 0x80, CODE + 2);
  assert.is(rig.read(cpu.esp), CODE + 2);
  goToUser(cpu);
  cpu.eip = CODE;
  deliverSoftware(cpu, 0x81, CODE + 2);
  assert.is(cpu.eip, HANDLER + 0x100);
  assert.equal(stack(rig, 2), [0x81 * 8 + 2, CODE], "the fault is the INT's own");
  goToUser(cpu);
  deliverExternal(cpu, 0x90);
  assert.is(rig.read(cpu.esp), 0x90 * 8 + 3, "an absent gate has a bad type");
});

interrupts("a gate that is not present is #NP, a handler segment that is not present too (SDM vol. 3, 6.12.1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.gate(NP, CS0, HANDLER, INT32);
  rig.gate(0x40, CS0, HANDLER, 0x0e);
  deliverSoftware(cpu, 0x40, CODE + 2);
  assert.is(rig.read(cpu.esp), 0x40 * 8 + 2);
  rig.descriptor(FREE, 0, 0xffff, 0x1b, 4);
  rig.gate(0x40, FREE, HANDLER, INT32);
  deliverSoftware(cpu, 0x40, CODE + 2);
  assert.is(rig.read(cpu.esp), FREE);
});

interrupts("a bad inner stack is #TS with its selector, an absent one #SS (SDM vol. 3, 6.12.1)", () => {
  for (const [selector, vector] of [[DS3, TS], [0x200, TS], [FREE, SS_FAULT], [DS1, TS]] as const) {
    const rig = protectedRig();
    const { cpu } = rig;
    rig.descriptor(FREE, 0, 0xffff, 0x13, 4);
    // The #TS or #SS itself is taken by a task, for its own stack is as bad.
    rig.gate(vector, TSS2_SEL, 0, 0x85);
    rig.write(TSS2 + 0x20, HANDLER, 2);
    rig.write(TSS2 + 0x38, STACK0);
    rig.write(TSS2 + 0x48, DS0, CS0, DS0, DS0, DS0, DS0);
    rig.gate(0x20, CS0, HANDLER, INT32);
    rig.write(TSS + 8, selector);
    goToUser(cpu);
    deliverExternal(cpu, 0x20);
    assert.is(cpu.selector(S.TR), TSS2_SEL);
    assert.is(rig.read(cpu.esp), (selector & ~3) | 1, "error code on the task's stack");
    assert.is(rig.read(TSS + 0x20), CODE);
    assert.is(rig.read(TSS + 0x38), STACK3, "nothing of the first delivery is left");
  }
});

interrupts("delivery that faults on the stack leaves no trace, then the fault is delivered (SDM vol. 3, 6.15)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.descriptor(FREE, 0, 0xf, DATA_W, 4);
  rig.write(TSS + 4, 8, FREE);
  rig.gate(UD, CS0, HANDLER, INT32);
  const before = snapshot(cpu);
  const crash = (): void => deliverException(cpu, { vector: UD, errorCode: undefined });
  assert.throws(crash, (error: Error) => error instanceof GuestCrash && error.message.startsWith("triple fault at 001b:00008000"));
  assert.equal(snapshot(cpu), before);
});

interrupts("double faults by class (SDM vol. 3, table 6-5)", () => {
  const second = { vector: GP, errorCode: 8 };
  assert.is(combineFaults(undefined, second), second);
  assert.is(combineFaults(UD, second), second);
  assert.equal(combineFaults(GP, second), { vector: DF, errorCode: 0 });
  assert.equal(combineFaults(PF, second), { vector: DF, errorCode: 0 });
  assert.equal(combineFaults(PF, { vector: PF, errorCode: 2 }), { vector: DF, errorCode: 0 });
  assert.equal(combineFaults(DE, { vector: PF, errorCode: 2 }), { vector: PF, errorCode: 2 });
  assert.equal(combineFaults(PF, { vector: UD, errorCode: undefined }), { vector: UD, errorCode: undefined });
  assert.is(combineFaults(DF, second), undefined);
});

interrupts("a double fault pushes 0, and the first fault's EIP (SDM vol. 3, 6.15)", () => {
  const rig = protectedRig();
  rig.gate(DF, CS0, HANDLER, INT32);
  deliverException(rig.cpu, { vector: GP, errorCode: 4 });
  assert.is(rig.cpu.eip, HANDLER);
  assert.equal(stack(rig, 3), [0, CODE, CS0]);
  assert.is(rig.cpu.ledger.countOf("trap.double_fault"), 1);
});

interrupts("an interrupt from virtual-8086 mode pushes the data segments and nulls them (SDM vol. 3, 20.3.1.1)", () => {
  const rig = virtual8086Rig();
  const { cpu } = rig;
  rig.gate(GP, CS0, HANDLER, INT32);
  deliverException(cpu, { vector: GP, errorCode: 0 });
  assert.equal(stack(rig, 10), [0, 0x100, 0x2000, S.FLAG_VM | S.FLAG_IF | S.FLAG_RF | 2, 0x200, 0x3000, 0x22, 0x11, 0x33, 0x44]);
  assert.is(cpu.v86, false);
  assert.is(cpu.cpl, 0);
  assert.is(cpu.selector(S.DS), 0);
  assert.is(cpu.segAttr(S.GS) & S.ATTR_NULL, S.ATTR_NULL);
});

interrupts("from virtual-8086 mode a handler must be at level 0: #GP(selector) else (SDM vol. 3, 20.3.1)", () => {
  const rig = virtual8086Rig();
  rig.gate(UD, CONFORMING0, HANDLER, INT32);
  rig.gate(GP, CS0, HANDLER, INT32);
  deliverException(rig.cpu, { vector: UD, errorCode: undefined });
  assert.is(rig.read(rig.cpu.esp), CONFORMING0 | 1);
});

interrupts("INT n in virtual-8086 mode by IOPL and the redirection bit map (SDM vol. 3, table 20-2)", () => {
  let rig = virtual8086Rig(0);
  assert.equal(fault(() => rig.execute(0xcd, 0x21)), { vector: GP, errorCode: 0 }, "method 2");
  rig = virtual8086Rig(3);
  rig.gate(0x21, CS0, HANDLER, INT32 | DPL3);
  rig.execute(0xcd, 0x21);
  assert.is(rig.cpu.eip, HANDLER, "method 1");
  assert.is(rig.read(rig.cpu.esp), 0x102);

  rig = virtual8086Rig(3);
  rig.cpu.i32[S.CR4] = S.CR4_VME;
  rig.write(0x21 * 4, 0x1234_5678);
  rig.execute(0xcd, 0x21);
  assert.is(rig.cpu.selector(S.CS), 0x1234, "method 5");
  assert.is(rig.cpu.eip, 0x5678);
  assert.equal([0, 2, 4].map((at) => rig.read16(0x301fa + at)), [0x102, 0x2000, S.FLAG_IF | S.FLAG_IOPL | 2]);
  assert.is(rig.cpu.interruptFlag, false);

  rig = virtual8086Rig(0);
  rig.cpu.i32[S.CR4] = S.CR4_VME;
  setFlags(rig.cpu, rig.cpu.eflags | S.FLAG_VIF);
  rig.write(0x21 * 4, 0x1234_5678);
  rig.execute(0xcd, 0x21);
  assert.is(rig.cpu.eip, 0x5678, "method 6");
  assert.is(rig.read16(0x301fe), S.FLAG_IF | S.FLAG_IOPL | 2);
  assert.is(rig.cpu.eflags & (S.FLAG_VIF | S.FLAG_IF), S.FLAG_IF);

  rig = virtual8086Rig(0);
  rig.cpu.i32[S.CR4] = S.CR4_VME;
  rig.write(TSS + 0x88 - 32 + 4, 2);
  assert.equal(fault(() => rig.execute(0xcd, 0x21)), { vector: GP, errorCode: 0 }, "method 3");
});

interrupts("CLI, STI, PUSHF and POPF in virtual-8086 mode: by IOPL, or on VIF with VME (SDM vol. 3, 20.2.8 and table 20-2)", () => {
  const GP0 = { vector: GP, errorCode: 0 };
  const rig = virtual8086Rig(0);
  const { cpu } = rig;
  for (const opcode of [[0xfa], [0xfb], [0x9c], [0x9d]]) assert.equal(fault(() => rig.execute(...opcode)), GP0, "no IOPL, no VME");
  cpu.i32[S.CR4] = S.CR4_VME;
  rig.execute(0xfb);
  assert.is(cpu.eflags & (S.FLAG_VIF | S.FLAG_IF), S.FLAG_VIF | S.FLAG_IF, "STI sets VIF");
  rig.execute(0x9c);
  assert.is(rig.read16(0x301fe) & (S.FLAG_IF | S.FLAG_IOPL), S.FLAG_IF | S.FLAG_IOPL, "PUSHF shows VIF as IF, and IOPL 3");
  assert.equal(fault(() => rig.execute(0x66, 0x9c)), GP0, "PUSHFD");
  assert.equal(fault(() => rig.execute(0x66, 0x9d)), GP0, "POPFD");
  rig.execute(0xfa);
  assert.is(cpu.eflags & (S.FLAG_VIF | S.FLAG_IF), S.FLAG_IF, "CLI clears VIF");
  rig.execute(0x9d);
  assert.is(cpu.eflags & (S.FLAG_VIF | S.FLAG_IOPL), S.FLAG_VIF, "POPF moves IF to VIF and leaves IOPL");
  setFlags(cpu, cpu.eflags & ~S.FLAG_VIF | S.FLAG_VIP);
  assert.equal(fault(() => rig.execute(0xfb)), GP0, "STI with an interrupt waiting");
  cpu.esp = 0x1fe;
  rig.write16(0x301fe, S.FLAG_IF | 2);
  assert.equal(fault(() => rig.execute(0x9d)), GP0, "POPF that sets IF likewise");
  rig.write16(0x301fe, S.FLAG_TF | 2);
  assert.equal(fault(() => rig.execute(0x9d)), GP0, "POPF that sets TF");
  const open = virtual8086Rig(3);
  open.execute(0xfa);
  assert.is(open.cpu.interruptFlag, false, "IOPL 3: IF itself");
  open.execute(0x66, 0x9c);
  assert.is(open.cpu.esp & 0xffff, 0x1fc);
});

interrupts("HLT and other privileged instructions are the monitor's in virtual-8086 mode, whatever IOPL (SDM vol. 3, 20.2.2)", () => {
  for (const iopl of [0, 3]) {
    const rig = virtual8086Rig(iopl);
    for (const opcode of [[0xf4], [0x0f, 0x20, 0xc0], [0x0f, 0x06], [0x0f, 0x08]]) assert.equal(fault(() => rig.execute(...opcode)), { vector: GP, errorCode: 0 });
    for (const opcode of [[0x0f, 0x00, 0xc0], [0x0f, 0x02, 0xc0]]) assert.is(fault(() => rig.execute(...opcode)).vector, UD);
  }
});

interrupts("real mode goes through the IVT with three words; past IDTR's limit all is lost (SDM vol. 3, 20.1.4)", () => {
  const rig = createRig();
  const { cpu } = rig;
  rig.write(0x21 * 4, 0x0040_0123);
  cpu.setSegment(S.CS, 0x100, 0x1000, 0xffff, 0x93);
  cpu.esp = 0x2000;
  cpu.eip = 0x30;
  setFlags(cpu, S.FLAG_IF | S.FLAG_CF);
  rig.execute(0xcd, 0x21);
  assert.equal([0, 2, 4].map((at) => rig.read16(0x1ffa + at)), [0x32, 0x100, S.FLAG_IF | S.FLAG_CF | 2]);
  assert.is(cpu.selector(S.CS), 0x40);
  assert.is(cpu.segBase(S.CS), 0x400);
  assert.is(cpu.eip, 0x123);
  assert.is(cpu.interruptFlag, false);
  cpu.i32[S.IDTR_LIMIT] = 3;
  assert.throws(() => deliverSoftware(cpu, 0x21, 0), (error: Error) => error instanceof GuestCrash);
});

interrupts("INT3 and INTO are software interrupts, INT1 is not; INTO only on overflow (SDM vol. 2, INT)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.gate(1, CS0, HANDLER, INT32);
  rig.gate(3, CS0, HANDLER, INT32);
  rig.gate(GP, CS0, HANDLER + 4, INT32);
  rig.execute(0xf1);
  assert.is(cpu.eip, HANDLER);
  assert.is(rig.read(cpu.esp), CODE + 1);
  goToUser(cpu);
  cpu.eip = CODE;
  rig.execute(0xcc);
  assert.is(rig.read(cpu.esp), 3 * 8 + 2);
  goToUser(cpu);
  cpu.eip = CODE;
  rig.execute(0xce);
  assert.is(cpu.eip, CODE + 1);
});

interrupts("native takes an external interrupt by IF and outside the shadow of STI (SDM vol. 3, 6.8)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.gate(0x20, CS0, HANDLER, INT32);
  rig.pic.intr = true;
  assert.not.ok(cpu.strategy.interruptPending(cpu));
  rig.execute(0xfb);
  assert.not.ok(cpu.strategy.interruptPending(cpu));
  cpu.interruptShadow = false;
  assert.ok(cpu.strategy.interruptPending(cpu));
  cpu.halted = true;
  cpu.strategy.acceptInterrupt(cpu);
  assert.is(cpu.eip, HANDLER);
  assert.not.ok(cpu.halted);
  assert.is(cpu.selector(S.TR), TSS_SEL);
  assert.is(IDT + 0x20 * 8, 0x2100);
});

interrupts.run();
