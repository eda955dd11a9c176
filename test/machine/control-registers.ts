import { suite } from "uvu";
import * as assert from "uvu/assert";
import { validPdptes, writeCr0, writeCr3, writeCr4 } from "../../hypervisor/control-registers.js";
import { cpuid, featureBits, MODEL } from "../../hypervisor/cpu-model.js";
import * as S from "../../hypervisor/cpu-state.js";
import { breakpointsHit, DR6, DR6_BD, DR7, WATCH_ACCESS, WATCH_EXECUTE, WATCH_IO, WATCH_WRITE } from "../../hypervisor/debug-registers.js";
import { readMsr, writeMsr } from "../../hypervisor/model-specific-registers.js";
import { DB, GP, UD } from "../../hypervisor/trap.js";
import { CODE, createRig, fault, goToUser, PAGES, protectedRig, STACK0, TSS, userRig } from "./rig.js";

const registers = suite("control registers");
const GP0 = { vector: GP, errorCode: 0 };

registers("reset: real mode at FFFF:FFF0, CPUID signature in EDX (SDM vol. 3, table 9-1)", () => {
  const { cpu } = createRig();
  assert.equal([cpu.segBase(S.CS) + cpu.eip >>> 0, cpu.cr0 >>> 0, cpu.eflags, cpu.i32[S.EDX]], [0xfffffff0, 0x60000010, 2, cpuid(MODEL, 1)[0]]);
  assert.is(cpu.i32[S.MODE], S.MODE_REAL);
  assert.equal([cpu.i32[DR6]! >>> 0, cpu.i32[DR7]], [0xffff0ff0, 0x400]);
});

registers("CR0: PG needs PE, NW needs CD, ET stays 1 (SDM vol. 3, 2.5)", () => {
  const { cpu } = createRig();
  assert.equal(fault(() => writeCr0(cpu, S.CR0_PG)), GP0);
  assert.equal(fault(() => writeCr0(cpu, S.CR0_NW)), GP0);
  writeCr0(cpu, S.CR0_PE | 0xff00);
  assert.is(cpu.cr0, S.CR0_PE | S.CR0_ET);
  assert.is(cpu.i32[S.MODE]! & S.MODE_REAL, 0);
});

registers("CR4: a bit the model lacks is #GP(0) (SDM vol. 3, 2.5)", () => {
  const { cpu } = protectedRig();
  assert.equal(fault(() => writeCr4(cpu, 0x2000)), GP0);
  writeCr4(cpu, S.CR4_PGE | S.CR4_PSE);
  assert.is(cpu.cr4, S.CR4_PGE | S.CR4_PSE);
});

registers("PAE: reserved bits of the PDPTEs refuse CR3, CR0.PG and CR4.PAE (SDM vol. 3, 4.4.1)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.write(PAGES, 0x21001, 0, 0x22003, 0);
  assert.not.ok(validPdptes(cpu, PAGES));
  cpu.i32[S.CR3] = PAGES;
  writeCr4(cpu, S.CR4_PAE);
  assert.equal(fault(() => writeCr0(cpu, cpu.cr0 | S.CR0_PG)), GP0);
  rig.write(PAGES + 8, 0x22001, 0, 0xfffffffe, -1);
  assert.ok(validPdptes(cpu, PAGES), "an absent one may hold anything");
  writeCr0(cpu, cpu.cr0 | S.CR0_PG);
  rig.write(PAGES + 4, 1);
  assert.equal(fault(() => writeCr3(cpu, PAGES)), GP0);
});

registers("LMSW sets PE and never clears it; SMSW and CLTS (SDM vol. 2)", () => {
  const rig = createRig();
  const { cpu } = rig;
  cpu.i32[S.EAX] = 0xf;
  rig.execute(0x0f, 0x01, 0xf0);
  assert.is(cpu.cr0 & 0x1f, 0x1f);
  cpu.i32[S.EAX] = 0;
  rig.execute(0x0f, 0x01, 0xf0);
  assert.is(cpu.cr0 & 0x1f, 0x11);
  writeCr0(cpu, cpu.cr0 | S.CR0_TS);
  rig.execute(0x0f, 0x06);
  assert.is(cpu.cr0 & S.CR0_TS, 0);
  rig.execute(0x0f, 0x01, 0xe3);
  assert.is(cpu.i32[S.EBX]! & 0xffff, 0x11);
});

registers("privileged instructions are #GP(0) outside CPL 0 (SDM vol. 3, 5.9)", () => {
  const rig = userRig();
  const codes = [[0xf4], [0x0f, 0x20, 0xc0], [0x0f, 0x22, 0xd8], [0x0f, 0x23, 0xf8], [0x0f, 0x30], [0x0f, 0x32], [0x0f, 0x06], [0x0f, 0x01, 0xf0],
    [0x0f, 0x01, 0x15, 0, 0, 0, 0], [0x0f, 0x00, 0xd8], [0x0f, 0x00, 0xd0], [0x0f, 0x08], [0x0f, 0x09], [0x0f, 0x01, 0x38]];
  for (const code of codes) assert.equal(fault(() => rig.execute(...code)), GP0);
});

registers("LGDT, SGDT and the 24-bit base of 16-bit operands (SDM vol. 2, LGDT)", () => {
  const rig = protectedRig();
  rig.write16(0x7000, 0x1ff, 0x5678, 0x1234);
  rig.execute(0x0f, 0x01, 0x1d, 0x00, 0x70, 0, 0);
  assert.equal([rig.cpu.i32[S.IDTR_BASE], rig.cpu.i32[S.IDTR_LIMIT]], [0x12345678, 0x1ff]);
  rig.execute(0x66, 0x0f, 0x01, 0x1d, 0x00, 0x70, 0, 0);
  assert.is(rig.cpu.i32[S.IDTR_BASE], 0x345678);
  rig.execute(0x0f, 0x01, 0x0d, 0x10, 0x70, 0, 0);
  assert.equal([rig.read16(0x7010), rig.read(0x7012)], [0x1ff, 0x345678]);
});

registers("debug registers: fixed bits, DR4 and DR5, GD (SDM vol. 3, 17.2)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  cpu.i32[S.EAX] = 0;
  rig.execute(0x0f, 0x23, 0xf0);
  rig.execute(0x0f, 0x23, 0xf8);
  assert.equal([cpu.i32[DR6]! >>> 0, cpu.i32[DR7]], [0xffff0ff0, 0x400]);
  rig.execute(0x0f, 0x21, 0xe3);
  assert.is(cpu.i32[S.EBX]! >>> 0, 0xffff0ff0, "DR4 is DR6");
  writeCr4(cpu, S.CR4_DE);
  assert.is(fault(() => rig.execute(0x0f, 0x21, 0xe3)).vector, UD);
  cpu.i32[S.EAX] = 0x2000;
  rig.execute(0x0f, 0x23, 0xf8);
  assert.is(fault(() => rig.execute(0x0f, 0x21, 0xc0)).vector, DB);
  assert.is(cpu.i32[DR6]! & DR6_BD, DR6_BD);
});

registers("breakpoints by length, kind and enable (SDM vol. 3, 17.2.4 and 17.2.5)", () => {
  const { cpu } = protectedRig();
  const { i32 } = cpu;
  i32[S.DR0] = 0x1003;
  i32[S.DR0 + 1] = 0x2000;
  i32[S.DR0 + 2] = 0x60;
  i32[DR7] = 1 | 1 << 2 | 1 << 4 | 0xd << 16 | 0 << 20 | 2 << 24;
  assert.is(breakpointsHit(cpu, 0x1000, 1, WATCH_WRITE), 1, "DR0 is aligned to its length");
  assert.is(breakpointsHit(cpu, 0xffe, 4, WATCH_WRITE), 1);
  assert.is(breakpointsHit(cpu, 0x1004, 4, WATCH_WRITE), 0);
  assert.is(breakpointsHit(cpu, 0x1000, 1, WATCH_ACCESS), 0, "a read");
  assert.is(breakpointsHit(cpu, 0x2000, 1, WATCH_EXECUTE), 2);
  assert.is(breakpointsHit(cpu, 0x60, 1, WATCH_IO), 0, "I/O needs CR4.DE");
  i32[S.CR4] = S.CR4_DE;
  assert.is(breakpointsHit(cpu, 0x60, 1, WATCH_IO), 4);
  i32[DR7] = 1 | 0xf << 16;
  assert.is(breakpointsHit(cpu, 0x1000, 1, WATCH_ACCESS) | breakpointsHit(cpu, 0x1000, 1, WATCH_WRITE), 1);
});

registers("MSRs: unknown and read-only ones are #GP(0), the TSC runs on from what is written (SDM vol. 4)", () => {
  const { cpu, ledger } = protectedRig();
  assert.equal(fault(() => readMsr(cpu, 0xc0000080)), GP0);
  assert.equal(fault(() => writeMsr(cpu, 0xfe, 0, 0)), GP0);
  ledger.idle(1000);
  assert.equal(readMsr(cpu, 0x10), [1000, 0]);
  writeMsr(cpu, 0x10, 0xfffffff0 | 0, 7);
  ledger.idle(0x20);
  assert.equal(readMsr(cpu, 0x10), [0x10, 8]);
  writeMsr(cpu, 0x10, 5, 0);
  assert.equal(readMsr(cpu, 0x10), [5, 0]);
});

registers("RDTSC by CR4.TSD, RDPMC by CR4.PCE (SDM vol. 2)", () => {
  const rig = userRig();
  const { cpu } = rig;
  rig.execute(0x0f, 0x31);
  cpu.i32[S.ECX] = 0;
  assert.equal(fault(() => rig.execute(0x0f, 0x33)), GP0);
  cpu.i32[S.CR4] = S.CR4_TSD | S.CR4_PCE;
  assert.equal(fault(() => rig.execute(0x0f, 0x31)), GP0);
  rig.execute(0x0f, 0x33);
  cpu.i32[S.ECX] = 2;
  assert.equal(fault(() => rig.execute(0x0f, 0x33)), GP0);
});

registers("CPUID says vendor, features and nothing beyond its model (SDM vol. 2, CPUID)", () => {
  const rig = protectedRig();
  const { i32 } = rig.cpu;
  i32[S.EAX] = 0;
  rig.execute(0x0f, 0xa2);
  const text = [S.EBX, S.EDX, S.ECX].map((r) => String.fromCharCode(...[0, 8, 16, 24].map((at) => i32[r]! >>> at & 0xff))).join("");
  assert.is(text, "GenuineIntel");
  const bits = featureBits({ ...MODEL, instructions: ["fpu", "cx8"], system: ["pae"] });
  assert.is(bits, 1 | 1 << 8 | 1 << 6);
});

registers("CLI, STI, POPF by IOPL; STI's shadow; PVI (SDM vol. 2, CLI, STI, POPF)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.execute(0xfb);
  assert.ok(cpu.interruptFlag && cpu.interruptShadow);
  cpu.interruptShadow = false;
  rig.execute(0xfb);
  assert.not.ok(cpu.interruptShadow, "IF was set already");
  goToUser(cpu);
  assert.equal(fault(() => rig.execute(0xfa)), GP0);
  rig.write(cpu.esp, S.FLAG_IOPL | S.FLAG_CF | S.FLAG_VM | S.FLAG_RF);
  rig.execute(0x9d);
  assert.is(cpu.eflags, S.FLAG_IF | S.FLAG_CF | 2, "POPF leaves IF and IOPL without a word");
  cpu.i32[S.CR4] = S.CR4_PVI;
  rig.execute(0xfb);
  assert.is(cpu.eflags, S.FLAG_IF | S.FLAG_VIF | S.FLAG_CF | 2);
  cpu.eflags |= S.FLAG_VIP;
  assert.equal(fault(() => rig.execute(0xfb)), GP0);
});

registers("the I/O permission bit map (SDM vol. 1, 19.5.2)", () => {
  const rig = userRig();
  rig.cpu.i32[S.EDX] = 0x3f7;
  rig.execute(0xec);
  rig.write(TSS + 0x88 + 0x7c, 1 << 24);
  rig.execute(0xec);
  rig.write(TSS + 0x88 + 0x7c, 0x80 << 16);
  assert.equal(fault(() => rig.execute(0xec)), GP0);
  rig.write(TSS + 0x88 + 0x7c, 1 << 24);
  rig.execute(0xec);
  assert.equal(fault(() => rig.execute(0x66, 0xed)), GP0, "the second port is forbidden");
});

registers("ENTER copies the frame pointers of every level, modulo 32, and LEAVE undoes it (SDM vol. 2, ENTER)", () => {
  for (const bytes of [2, 4] as const) {
    for (let level = 0; level < 34; level++) {
      const rig = protectedRig();
      const { cpu } = rig;
      const frame = 0x11000, mask = bytes === 2 ? 0xffff : -1;
      cpu.i32[S.EBP] = frame;
      for (let i = 1; i < 32; i++) rig.memory.write(frame - i * bytes, bytes, 0x1000 + i);
      rig.execute(...(bytes === 2 ? [0x66] : []), 0xc8, 0x10, 0, level);
      const nesting = level & 31, top = STACK0 - bytes;
      const expected = [frame & mask, ...Array.from({ length: Math.max(0, nesting - 1) }, (_, i) => 0x1001 + i), ...(nesting > 0 ? [top & mask] : [])];
      assert.equal(expected.map((_, i) => rig.memory.read(top - i * bytes, bytes)), expected.map((value) => value >>> 0), `${bytes} bytes, level ${level}`);
      assert.is(cpu.esp, STACK0 - expected.length * bytes - 0x10);
      assert.is(cpu.i32[S.EBP]! & mask, top & mask);
    }
  }
});

registers("PUSHA, POPA, ENTER, BOUND, CMPXCHG8B (SDM vol. 2)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  const { i32 } = cpu;
  for (let r = 0; r < 8; r++) if (r !== S.ESP) i32[r] = 0x100 + r;
  rig.execute(0x60);
  assert.is(rig.read(cpu.esp + 12), STACK0, "ESP before");
  i32.fill(0, 0, 4);
  rig.execute(0x61);
  assert.equal([i32[S.EAX], i32[S.EDI], cpu.esp], [0x100, 0x107, STACK0]);
  i32[S.EBP] = 0x11000;
  rig.write(0x11000 - 8, 0xaa, 0xbb);
  rig.execute(0xc8, 0x20, 0, 3);
  assert.equal([4, 8, 12, 16].map((at) => rig.read(STACK0 - at)), [0x11000, 0xbb, 0xaa, STACK0 - 4]);
  assert.equal([i32[S.EBP], cpu.esp], [STACK0 - 4, STACK0 - 16 - 0x20]);
  rig.write(0x7000, -5, 10);
  i32[S.EAX] = -5;
  rig.execute(0x62, 0x05, 0x00, 0x70, 0, 0);
  i32[S.EAX] = 11;
  assert.is(fault(() => rig.execute(0x62, 0x05, 0x00, 0x70, 0, 0)).vector, 5);
  i32[S.EAX] = 1;
  i32[S.EDX] = 2;
  rig.execute(0x0f, 0xc7, 0x0d, 0x00, 0x70, 0, 0);
  assert.equal([i32[S.EAX], i32[S.EDX], cpu.eflags & S.FLAG_ZF], [-5, 10, 0]);
  i32[S.EBX] = 3;
  i32[S.ECX] = 4;
  rig.execute(0x0f, 0xc7, 0x0d, 0x00, 0x70, 0, 0);
  assert.equal([rig.read(0x7000), rig.read(0x7004), cpu.eflags & S.FLAG_ZF], [3, 4, S.FLAG_ZF]);
  assert.ok(cpu.eip > CODE);
});

registers.run();
