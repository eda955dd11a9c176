import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { accessRights, adjustRpl, loadDataSegment, loadLdtr, loadTaskRegister, segmentAddress, segmentLimit, verify } from "../../hypervisor/segmentation.js";
import { GP, NP, SS_FAULT } from "../../hypervisor/trap.js";
import { CODE_R, createRig, CS0, CS3, DATA_W, dpl, DS0, DS3, fault, FREE, GDT, LDT_SEL, protectedRig, snapshot, TSS2_SEL, TSS_SEL, userRig } from "./rig.js";

const segmentation = suite("segmentation");

segmentation("a reference past the limit is #GP(0), through SS #SS(0) (SDM vol. 3, 5.3)", () => {
  const rig = protectedRig();
  rig.descriptor(FREE, 0x500, 0x0fff, DATA_W, 4);
  loadDataSegment(rig.cpu, S.FS, FREE);
  loadDataSegment(rig.cpu, S.SS, FREE);
  assert.is(segmentAddress(rig.cpu, S.FS, 0xffc, 4, true), 0x14fc);
  assert.equal(fault(() => segmentAddress(rig.cpu, S.FS, 0xffd, 4, false)), { vector: GP, errorCode: 0 });
  assert.equal(fault(() => segmentAddress(rig.cpu, S.SS, -1, 1, false)), { vector: SS_FAULT, errorCode: 0 });
  assert.is(segmentAddress(rig.cpu, S.DS, -1, 4, true), -1, "a 4 GB segment lets an operand wrap");
});

segmentation("expand-down segments hold what lies above the limit, up to 64 KB or 4 GB by B (SDM vol. 3, 3.4.5.1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.descriptor(FREE, 0, 0xfff, 0x97, 0);
  rig.descriptor(FREE + 8, 0, 0xfff, 0x97, 4);
  loadDataSegment(cpu, S.FS, FREE);
  loadDataSegment(cpu, S.GS, FREE + 8);
  assert.is(segmentAddress(cpu, S.FS, 0x1000, 4, true), 0x1000);
  assert.is(fault(() => segmentAddress(cpu, S.FS, 0xfff, 1, false)).vector, GP);
  assert.is(fault(() => segmentAddress(cpu, S.FS, 0xfffe, 4, false)).vector, GP);
  assert.is(segmentAddress(cpu, S.GS, 0x10000, 4, true), 0x10000);
  assert.is(fault(() => segmentAddress(cpu, S.GS, -2, 4, true)).vector, GP);
});

segmentation("types: no write to read-only data or code, no read of execute-only code, no use of null (SDM vol. 3, 5.5, 5.4.1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.descriptor(FREE, 0, 0xffff, 0x91, 4);
  loadDataSegment(cpu, S.FS, FREE);
  assert.is(segmentAddress(cpu, S.FS, 4, 4, false), 4);
  assert.is(fault(() => segmentAddress(cpu, S.FS, 4, 4, true)).vector, GP);
  assert.is(fault(() => segmentAddress(cpu, S.CS, 4, 4, true)).vector, GP);
  loadDataSegment(cpu, S.FS, 3);
  assert.is(cpu.selector(S.FS), 3);
  assert.equal(fault(() => segmentAddress(cpu, S.FS, 0, 1, false)), { vector: GP, errorCode: 0 });
  rig.descriptor(FREE, 0, 0xffff, 0x99, 4);
  assert.equal(fault(() => loadDataSegment(cpu, S.FS, FREE)), { vector: GP, errorCode: FREE });
});

segmentation("loading a data segment checks privilege, type, presence and table limit (SDM vol. 3, 5.6)", () => {
  const rig = userRig();
  const { cpu } = rig;
  const before = snapshot(cpu);
  assert.equal(fault(() => loadDataSegment(cpu, S.DS, DS0)), { vector: GP, errorCode: DS0 });
  assert.equal(fault(() => loadDataSegment(cpu, S.DS, TSS_SEL)), { vector: GP, errorCode: TSS_SEL });
  assert.equal(fault(() => loadDataSegment(cpu, S.DS, 0x1003)), { vector: GP, errorCode: 0x1000 });
  assert.equal(fault(() => loadDataSegment(cpu, S.DS, 0x0f)), { vector: GP, errorCode: 0x0c }, "no LDT is loaded");
  rig.descriptor(FREE, 0, 0xffff, 0x73, 4);
  assert.equal(fault(() => loadDataSegment(cpu, S.DS, FREE | 3)), { vector: NP, errorCode: FREE });
  assert.equal(snapshot(cpu), before);
});

segmentation("loading SS wants RPL = DPL = CPL and writable data (SDM vol. 3, 5.7)", () => {
  const rig = userRig();
  const { cpu } = rig;
  assert.equal(fault(() => loadDataSegment(cpu, S.SS, 0)), { vector: GP, errorCode: 0 });
  assert.equal(fault(() => loadDataSegment(cpu, S.SS, DS3 & ~3)), { vector: GP, errorCode: DS3 & ~3 });
  assert.equal(fault(() => loadDataSegment(cpu, S.SS, CS3)), { vector: GP, errorCode: CS3 & ~3 });
  rig.descriptor(FREE, 0, 0xffff, 0x73, 4);
  assert.equal(fault(() => loadDataSegment(cpu, S.SS, FREE | 3)), { vector: SS_FAULT, errorCode: FREE });
  loadDataSegment(cpu, S.SS, DS3);
});

segmentation("a load sets the accessed bit and takes base, limit and granularity (SDM vol. 3, 3.4.5)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.descriptor(FREE, 0x12345678, 0x12345, 0x92, 0xc);
  loadDataSegment(cpu, S.GS, FREE);
  assert.is(rig.read(GDT + FREE + 4) >>> 8 & 0xff, 0x93);
  assert.is(cpu.segBase(S.GS), 0x12345678);
  assert.is(cpu.segLimit(S.GS), 0x12345fff);
  assert.is(cpu.segAttr(S.GS), 0xc93);
});

segmentation("real mode: base is selector << 4, the limit stays (SDM vol. 3, 20.1.1)", () => {
  const rig = createRig();
  const { cpu } = rig;
  cpu.setSegment(S.DS, 0, 0, -1, 0xc93);
  loadDataSegment(cpu, S.DS, 0xf123);
  assert.is(cpu.segBase(S.DS), 0xf1230);
  assert.is(cpu.segLimit(S.DS), 0xffffffff);
  loadDataSegment(cpu, S.ES, 0x40);
  assert.is(segmentAddress(cpu, S.ES, 0xfffe, 2, true), 0x103fe);
  assert.is(fault(() => segmentAddress(cpu, S.ES, 0xffff, 2, true)).vector, GP);
  assert.is(segmentAddress(cpu, S.CS, 0, 1, true) >>> 0, 0xffff0000, "CS is writable");
});

segmentation("virtual-8086 mode: 64 KB, DPL 3, whatever was there (SDM vol. 3, 20.2.1)", () => {
  const { cpu } = userRig();
  cpu.eflags = cpu.eflags | S.FLAG_VM;
  loadDataSegment(cpu, S.DS, 0x1234);
  assert.is(cpu.segBase(S.DS), 0x12340);
  assert.is(cpu.segLimit(S.DS), 0xffff);
  assert.is(cpu.segAttr(S.DS), 0xf3);
});

segmentation("LLDT and LTR take their type only, from the GDT, present; LTR makes the TSS busy (SDM vol. 3, 2.4)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  loadLdtr(cpu, LDT_SEL);
  assert.is(cpu.segLimit(S.LDTR), 0xff);
  assert.equal(fault(() => loadLdtr(cpu, LDT_SEL | 4)), { vector: GP, errorCode: LDT_SEL | 4 });
  assert.equal(fault(() => loadLdtr(cpu, TSS2_SEL)), { vector: GP, errorCode: TSS2_SEL });
  assert.equal(fault(() => loadTaskRegister(cpu, TSS_SEL)), { vector: GP, errorCode: TSS_SEL }, "busy");
  assert.equal(fault(() => loadTaskRegister(cpu, 0)), { vector: GP, errorCode: 0 });
  loadTaskRegister(cpu, TSS2_SEL);
  assert.is(rig.read(GDT + TSS2_SEL + 4) >>> 8 & 0xff, 0x8b);
  rig.descriptor(0x0c, 0x7000, 0xff, DATA_W, 4);
  loadDataSegment(cpu, S.FS, 0x0c);
  assert.is(cpu.segBase(S.FS), 0x7000, "from the LDT");
  loadLdtr(cpu, 0);
  assert.equal(fault(() => loadDataSegment(cpu, S.FS, 0x0c)), { vector: GP, errorCode: 0x0c });
});

segmentation("LAR, LSL, VERR, VERW and ARPL see what the program may see (SDM vol. 3, 5.10)", () => {
  const rig = userRig();
  const { cpu } = rig;
  assert.is(accessRights(cpu, DS3), 0xc0f300);
  assert.is(segmentLimit(cpu, DS3)! >>> 0, 0xffffffff);
  assert.is(accessRights(cpu, CS0), undefined);
  assert.is(accessRights(cpu, 0), undefined);
  assert.is(segmentLimit(cpu, 0x1000), undefined);
  rig.descriptor(FREE, 0, 0x1ff, 0xec, 0);
  assert.is(accessRights(cpu, FREE | 3), 0xec00, "a call gate has rights");
  assert.is(segmentLimit(cpu, FREE | 3), undefined, "but no limit");
  assert.ok(verify(cpu, CS3, false));
  assert.not.ok(verify(cpu, CS3, true));
  assert.ok(verify(cpu, DS3, true));
  assert.not.ok(verify(cpu, DS0, false));
  rig.descriptor(FREE, 0, 0xffff, CODE_R | dpl(3) & ~2, 4);
  assert.is(adjustRpl(0x10, 0x0b), 0x13);
  assert.is(adjustRpl(0x13, 0x0b), undefined);
});

segmentation.run();
