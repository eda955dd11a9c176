import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { farCall, farJump } from "../../hypervisor/control-transfer.js";
import { DR6, DR6_BT, DR7 } from "../../hypervisor/debug-registers.js";
import { interruptReturn } from "../../hypervisor/interrupt-return.js";
import { deliverException, deliverSoftware } from "../../hypervisor/interrupts.js";
import { DB, GP, NP, TS } from "../../hypervisor/trap.js";
import { CODE, CS0, CS3, DS0, DS3, fault, FREE, GDT, LDT_SEL, protectedRig, snapshot, STACK0, STACK3, TSS, TSS2, TSS2_SEL, TSS_SEL, type Rig } from "./rig.js";

const tasks = suite("task switch");
const TASK_EIP = 0x9000;

interface Task { readonly cs?: number; readonly ss?: number; readonly data?: number; readonly eflags?: number; readonly ldt?: number; readonly esp?: number }

/** Fills the second TSS. */
function prepare(rig: Rig, { cs = CS0, ss = DS0, data = DS0, eflags = 2, ldt = 0, esp = STACK0 - 0x100 }: Task = {}): void {
  rig.write(TSS2 + 0x20, TASK_EIP, eflags);
  rig.write(TSS2 + 0x28, 1, 2, 3, 4, esp, 6, 7, 8);
  rig.write(TSS2 + 0x48, data, cs, ss, data, data, data, ldt);
}

const access = (rig: Rig, selector: number): number => rig.read(GDT + selector + 4) >>> 8 & 0xff;

tasks("JMP to a TSS saves the old task, loads the new one, moves the busy bit, sets TS (SDM vol. 3, 7.3)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  prepare(rig);
  cpu.i32[S.EDI] = 0x77;
  cpu.eflags = S.FLAG_IF | 2;
  cpu.i32[DR7] = 0x4ff;
  farJump(cpu, TSS2_SEL, 0, CODE + 7);
  assert.equal([0, 1, 2, 3, 5, 6, 7].map((r) => cpu.i32[r]), [1, 2, 3, 4, 6, 7, 8]);
  assert.equal([cpu.eip, cpu.esp, cpu.eflags, cpu.selector(S.TR)], [TASK_EIP, STACK0 - 0x100, 2, TSS2_SEL]);
  assert.equal([rig.read(TSS + 0x20), rig.read(TSS + 0x24), rig.read(TSS + 0x44), rig.read16(TSS + 0x4c)], [CODE + 7, S.FLAG_IF | 2, 0x77, CS0]);
  assert.equal([access(rig, TSS_SEL), access(rig, TSS2_SEL)], [0x89, 0x8b]);
  assert.is(cpu.cr0 & S.CR0_TS, S.CR0_TS);
  assert.is(cpu.i32[DR7], 0x4aa, "local breakpoints are off");
});

tasks("CALL links back and sets NT, IRET returns and clears it (SDM vol. 3, 7.4)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  prepare(rig);
  farCall(cpu, TSS2_SEL, 0, 4, CODE + 7);
  assert.is(cpu.eflags, S.FLAG_NT | 2);
  assert.is(rig.read16(TSS2), TSS_SEL);
  assert.equal([access(rig, TSS_SEL), access(rig, TSS2_SEL)], [0x8b, 0x8b]);
  interruptReturn(cpu, 4, TASK_EIP + 1);
  assert.is(cpu.eip, CODE + 7);
  assert.is(cpu.selector(S.TR), TSS_SEL);
  assert.equal([access(rig, TSS_SEL), access(rig, TSS2_SEL)], [0x8b, 0x89]);
  assert.equal([rig.read(TSS2 + 0x20), rig.read(TSS2 + 0x24)], [TASK_EIP + 1, 2]);
});

tasks("what is checked before the switch leaves the old task untouched (SDM vol. 3, table 7-1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  prepare(rig);
  const before = snapshot(cpu);
  assert.equal(fault(() => farJump(cpu, TSS_SEL, 0, 0)), { vector: GP, errorCode: TSS_SEL }, "busy");
  rig.descriptor(TSS2_SEL, TSS2, 0x66, 0x89, 0);
  assert.equal(fault(() => farJump(cpu, TSS2_SEL, 0, 0)), { vector: TS, errorCode: TSS2_SEL });
  rig.descriptor(TSS2_SEL, TSS2, 0x67, 0x09, 0);
  assert.equal(fault(() => farJump(cpu, TSS2_SEL, 0, 0)), { vector: NP, errorCode: TSS2_SEL });
  rig.gdtGate(FREE, TSS2_SEL | 4, 0, 0x85);
  assert.equal(fault(() => farJump(cpu, FREE, 0, 0)), { vector: GP, errorCode: TSS2_SEL | 4 });
  cpu.eflags = S.FLAG_NT | 2;
  rig.write(TSS, TSS2_SEL);
  rig.descriptor(TSS2_SEL, TSS2, 0x67, 0x89, 0);
  assert.equal(fault(() => interruptReturn(cpu, 4, 0)), { vector: TS, errorCode: TSS2_SEL }, "a back link to a task that is not busy");
  cpu.eflags = 2;
  assert.equal(snapshot(cpu), before);
});

tasks("faults of the new segments are #TS in the new task (SDM vol. 3, table 7-1)", () => {
  const cases: readonly (readonly [Task, number, number])[] = [
    [{ ss: DS3 }, TS, DS3 & ~3], [{ cs: DS0 }, TS, DS0], [{ ldt: TSS_SEL }, TS, TSS_SEL], [{ data: TSS_SEL }, TS, TSS_SEL], [{ cs: CS3 }, TS, DS0], [{ ss: 0 }, TS, 0],
  ];
  for (const [task, vector, errorCode] of cases) {
    const rig = protectedRig();
    prepare(rig, task);
    assert.equal(fault(() => farJump(rig.cpu, TSS2_SEL, 0, CODE)), { vector, errorCode });
    assert.is(rig.cpu.selector(S.TR), TSS2_SEL);
    assert.is(rig.cpu.eip, TASK_EIP);
  }
});

tasks("into a user task with its own LDT, and into virtual-8086 mode (SDM vol. 3, 7.2.1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.descriptor(0x0f, 0x6000, 0xffff, 0xf3, 4);
  prepare(rig, { cs: CS3, ss: DS3, data: 0x0f, ldt: LDT_SEL, esp: STACK3 });
  farJump(cpu, TSS2_SEL, 0, CODE);
  assert.is(cpu.cpl, 3);
  assert.is(cpu.segBase(S.ES), 0x6000);
  const other = protectedRig();
  prepare(other, { cs: 0x1000, ss: 0x2000, data: 0x3000, eflags: S.FLAG_VM | 2 });
  farJump(other.cpu, TSS2_SEL, 0, CODE);
  assert.ok(other.cpu.v86);
  assert.is(other.cpu.cpl, 3);
  assert.is(other.cpu.segBase(S.FS), 0x30000);
});

tasks("a task gate in the IDT pushes the error code on the new stack (SDM vol. 3, 6.14)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  prepare(rig);
  rig.gate(GP, TSS2_SEL, 0, 0x85);
  deliverException(cpu, { vector: GP, errorCode: 0x1234 });
  assert.is(rig.read(cpu.esp), 0x1234);
  assert.is(cpu.esp, STACK0 - 0x104);
  assert.is(rig.read(TSS + 0x20), CODE, "the fault's EIP is in the old TSS");
});

tasks("a 16-bit TSS holds words and four segments (SDM vol. 3, 7.6)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.descriptor(TSS2_SEL, TSS2, 0x2b, 0x81, 0);
  rig.write16(TSS2 + 0x0e, TASK_EIP, 2, 1, 2, 3, 4, 0xf000, 6, 7, 8, DS0, CS0, DS0, DS0, 0);
  farCall(cpu, TSS2_SEL, 0, 4, CODE + 7);
  assert.equal([cpu.eip, cpu.esp, cpu.i32[S.EAX], cpu.selector(S.FS)], [TASK_EIP, 0xfffff000 | 0, 0xffff0001 | 0, 0]);
  interruptReturn(cpu, 2, TASK_EIP + 1);
  assert.is(rig.read16(TSS2 + 0x0e), TASK_EIP + 1);
  assert.is(cpu.eip, CODE + 7);
});

tasks("the T flag is #DB with DR6.BT before the new task's first instruction (SDM vol. 3, 17.3.1.5)", () => {
  const rig = protectedRig();
  prepare(rig);
  rig.write16(TSS2 + 0x64, 1);
  assert.is(fault(() => farJump(rig.cpu, TSS2_SEL, 0, CODE)).vector, DB);
  assert.is(rig.cpu.i32[DR6]! & DR6_BT, DR6_BT);
  assert.is(rig.cpu.eip, TASK_EIP);
});

tasks("CR3 comes with the task when paging is on (SDM vol. 3, 7.3)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  prepare(rig);
  for (const directory of [0x20000, 0x22000]) {
    rig.write(directory, directory + 0x1000 | 7);
    for (let page = 0; page < 256; page++) rig.write(directory + 0x1000 + page * 4, page << 12 | 7);
  }
  rig.write(TSS2 + 0x1c, 0x22000);
  cpu.i32[S.CR3] = 0x20000;
  cpu.i32[S.CR0]! |= S.CR0_PG;
  cpu.mmu.flush(true);
  cpu.modeChanged();
  rig.gate(0x40, TSS2_SEL, 0, 0x85);
  deliverSoftware(cpu, 0x40, CODE + 2);
  assert.is(cpu.cr3, 0x22000);
  assert.is(rig.read(TSS + 0x20), CODE + 2);
});

tasks.run();
