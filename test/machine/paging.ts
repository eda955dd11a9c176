import { suite } from "uvu";
import * as assert from "uvu/assert";
import { invalidatePage, writeCr0, writeCr3, writeCr4 } from "../../hypervisor/control-registers.js";
import * as S from "../../hypervisor/cpu-state.js";
import { PF } from "../../hypervisor/trap.js";
import { fault, PAGES, protectedRig, type Rig } from "./rig.js";

const paging = suite("paging");
const P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
const DIRECTORY = PAGES, TABLE = PAGES + 0x1000, LINEAR = 0x400000;

/** Two-level paging: the first megabyte identity-mapped for the supervisor, a second table at LINEAR for the test. */
function paged(cr4 = 0, cr0 = 0): Rig {
  const rig = protectedRig();
  rig.write(DIRECTORY, PAGES + 0x2000 | P | RW | US, TABLE | P | RW | US);
  for (let page = 0; page < 256; page++) rig.write(PAGES + 0x2000 + page * 4, page << 12 | P | RW);
  writeCr3(rig.cpu, DIRECTORY);
  writeCr4(rig.cpu, cr4);
  writeCr0(rig.cpu, rig.cpu.cr0 | S.CR0_PG | cr0);
  return rig;
}

function pageFault(rig: Rig, act: () => void): number {
  rig.cpu.i32[S.CR2] = 0;
  const { vector, errorCode } = fault(act);
  assert.is(vector, PF);
  return errorCode!;
}

paging("error codes by presence, access and privilege, CR2 by address (SDM vol. 3, 4.7)", () => {
  const rig = paged();
  const { cpu: { mmu, i32 } } = rig;
  assert.is(pageFault(rig, () => mmu.readAs(LINEAR + 0x123, 4, false)), 0);
  assert.is(i32[S.CR2], LINEAR + 0x123);
  assert.is(pageFault(rig, () => mmu.writeAs(LINEAR, 4, 0, true)), 6);
  rig.write(TABLE, 0x30000 | P | RW);
  assert.is(pageFault(rig, () => mmu.readAs(LINEAR, 4, true)), 5);
  rig.write(TABLE, 0x30000 | P | US);
  invalidatePage(rig.cpu, LINEAR);
  assert.is(pageFault(rig, () => mmu.writeAs(LINEAR, 4, 0, true)), 7);
  assert.is(pageFault(rig, () => mmu.readAs(0x800000, 1, true)), 4);
});

paging("CR0.WP: the supervisor obeys R/W only with it (SDM vol. 3, 4.6)", () => {
  const rig = paged();
  rig.write(TABLE, 0x30000 | P);
  rig.cpu.mmu.writeAs(LINEAR, 4, 7, false);
  assert.is(rig.read(0x30000), 7);
  writeCr0(rig.cpu, rig.cpu.cr0 | S.CR0_WP);
  assert.is(pageFault(rig, () => rig.cpu.mmu.writeAs(LINEAR, 4, 8, false)), 3);
});

paging("A is set by any access, D by a write only, neither by one that faults (SDM vol. 3, 4.8)", () => {
  const rig = paged(0, S.CR0_WP);
  const { mmu } = rig.cpu;
  rig.write(TABLE, 0x30000 | P);
  assert.is(pageFault(rig, () => mmu.writeAs(LINEAR, 1, 0, false)), 3);
  assert.is(rig.read(TABLE), 0x30000 | P);
  assert.is(rig.read(DIRECTORY + 4) & A, 0);
  rig.write(TABLE, 0x30000 | P | RW);
  mmu.readAs(LINEAR, 1, false);
  assert.is(rig.read(TABLE), 0x30000 | P | RW | A);
  assert.is(rig.read(DIRECTORY + 4) & A, A);
  mmu.writeAs(LINEAR, 1, 0, false);
  assert.is(rig.read(TABLE), 0x30000 | P | RW | A | D);
});

paging("a page directory at physical 0 gets its A bit too (SDM vol. 3, 4.8)", () => {
  const rig = protectedRig();
  rig.write(0, TABLE | P | RW);
  rig.write(TABLE, 0x30000 | P | RW);
  writeCr3(rig.cpu, 0);
  writeCr0(rig.cpu, rig.cpu.cr0 | S.CR0_PG);
  rig.cpu.mmu.readAs(0x10, 4, false);
  assert.is(rig.read(0) & A, A);
});

paging("entries stay until they are invalidated; global ones outlive CR3 (SDM vol. 3, 4.10)", () => {
  const rig = paged(S.CR4_PGE);
  const { mmu } = rig.cpu;
  rig.write(TABLE, 0x30000 | P | RW | G, 0x31000 | P | RW);
  rig.write(0x30000, 1);
  rig.write(0x31000, 2);
  assert.equal([mmu.readAs(LINEAR, 4, false), mmu.readAs(LINEAR + 0x1000, 4, false)], [1, 2]);
  rig.write(TABLE, 0, 0);
  assert.equal([mmu.readAs(LINEAR, 4, false), mmu.readAs(LINEAR + 0x1000, 4, false)], [1, 2]);
  writeCr3(rig.cpu, DIRECTORY);
  assert.is(mmu.readAs(LINEAR, 4, false), 1);
  assert.is(pageFault(rig, () => mmu.readAs(LINEAR + 0x1000, 4, false)), 0);
  invalidatePage(rig.cpu, LINEAR);
  assert.is(pageFault(rig, () => mmu.readAs(LINEAR, 4, false)), 0);
});

paging("4 MB pages with PSE; INVLPG drops all of one; reserved bits are RSVD faults (SDM vol. 3, 4.3, 4.10.4.1)", () => {
  const rig = paged(S.CR4_PSE);
  const { mmu } = rig.cpu;
  rig.write(DIRECTORY + 8, 0 | P | RW | US | PS);
  rig.write(0x30000, 0x1234);
  assert.is(mmu.readAs(0x800000 + 0x30000, 4, true), 0x1234);
  assert.is(mmu.readAs(0x800000 + 0x31000, 4, true), 0);
  rig.write(DIRECTORY + 8, 0);
  invalidatePage(rig.cpu, 0x800000);
  assert.is(pageFault(rig, () => mmu.readAs(0x800000 + 0x30000, 4, false)), 0);
  rig.write(DIRECTORY + 8, 0x2000 | P | RW | US | PS);
  assert.is(pageFault(rig, () => mmu.readAs(0x800000, 4, false)), 9);
});

paging("PAE: three levels, 2 MB pages, reserved upper words (SDM vol. 3, 4.4)", () => {
  const rig = protectedRig();
  const { cpu } = rig;
  rig.write(PAGES, PAGES + 0x1000 | P, 0, 0, 0, 0, 0, PAGES + 0x3000 | P, 0);
  rig.write(PAGES + 0x1000, 0 | P | RW | PS, 0);
  rig.write(PAGES + 0x3000, PAGES + 0x4000 | P | RW, 0);
  rig.write(PAGES + 0x4000, 0x30000 | P | RW, 0, 0x30000 | P | RW, 1);
  writeCr3(cpu, PAGES);
  writeCr4(cpu, S.CR4_PAE);
  writeCr0(cpu, cpu.cr0 | S.CR0_PG);
  cpu.mmu.writeAs(0xc0000000 | 0, 4, 0x77, false);
  assert.is(rig.read(0x30000), 0x77);
  assert.is(rig.read(PAGES + 0x4000), 0x30000 | P | RW | A | D);
  assert.is(pageFault(rig, () => cpu.mmu.readAs(0xc0001000 | 0, 4, false)), 9);
  assert.is(pageFault(rig, () => cpu.mmu.readAs(0x40000000, 4, false)), 0);
});

paging("an access across pages faults before it writes anything (SDM vol. 3, 6.5)", () => {
  const rig = paged();
  const { mmu, i32 } = rig.cpu;
  rig.write(TABLE, 0x30000 | P | RW);
  assert.is(pageFault(rig, () => mmu.writeAs(LINEAR + 0xffe, 4, -1, false)), 2);
  assert.is(i32[S.CR2], LINEAR + 0x1000, "the first byte of the second page, as silicon has it");
  assert.is(rig.read16(0x30ffe), 0);
});

paging("an unaligned access to a page that is not in the TLB is not taken for a hit (heap.ts)", () => {
  const rig = paged();
  const { mmu } = rig.cpu;
  rig.write(TABLE, 0x30000 | P | RW, 0x31000 | P | RW, 0x32000 | P | RW, 0x33000 | P | RW);
  for (let i = 0; i < 4; i++) {
    mmu.write32(LINEAR + i * 0x1000 + 0x10 + i, 0x11223344 + i);
    assert.is(rig.memory.read(0x30010 + i * 0x1001, 4), 0x11223344 + i);
    assert.is(pageFault(rig, () => mmu.read32(0x800000 + i)), 0);
    assert.is(pageFault(rig, () => mmu.write32(0x800000 + i, 0)), 2);
    assert.is(pageFault(rig, () => mmu.read16(0x800000 + i)), 0);
  }
});

paging("tables of garbage, outside memory: faults or ones, nothing else (SDM vol. 3, 4.3)", () => {
  const rig = paged(S.CR4_PSE);
  let seed = 12345;
  const random = (): number => (seed = Math.imul(seed, 1103515245) + 12345) ^ seed >>> 13;
  for (let i = 0; i < 1024; i++) rig.write(TABLE + i * 4, random());
  for (let i = 1; i < 1024; i++) rig.write(DIRECTORY + i * 4, random());
  for (let i = 0; i < 20000; i++) {
    const la = random();
    if (la >>> 0 < LINEAR) continue;
    try {
      rig.cpu.mmu.readAs(la, 4, (i & 1) !== 0);
    } catch {
      assert.type(fault(() => rig.cpu.mmu.readAs(la, 4, (i & 1) !== 0)).vector, "number");
    }
  }
  assert.ok(rig.ledger.countOf("tlb.reference") > 1000);
});

paging.run();
