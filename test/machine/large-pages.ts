/** Large pages in the modelled TLB: one entry each (SDM vol. 3, 4.10.2.3), small pieces only for generated code to look in. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { invalidatePage, writeCr0, writeCr3, writeCr4 } from "../../hypervisor/control-registers.js";
import * as S from "../../hypervisor/cpu-state.js";
import { ACCESS_EXECUTE } from "../../hypervisor/strategy.js";
import { createRig, PAGES, type Rig } from "./rig.js";

const large = suite("large-pages");
const P = 1, RW = 2, PS = 0x80, G = 0x100, LINEAR = 0x400000;

/** The first 4 MB and those at LINEAR map the first 4 MB of memory by one entry each. */
function paged(cr4 = 0): Rig {
  const rig = createRig(0x400000);
  rig.write(PAGES, P | RW | PS, P | RW | PS, P | RW | PS | G);
  writeCr3(rig.cpu, PAGES);
  writeCr4(rig.cpu, S.CR4_PSE | cr4);
  writeCr0(rig.cpu, rig.cpu.cr0 | 1 | S.CR0_PG);
  return rig;
}

const walks = (rig: Rig): number => rig.ledger.countOf("tlb.walk") + rig.ledger.countOf("tlb.walk_instruction");

large("one walk for all of a 4 MB page, however many pieces of it are used", () => {
  const rig = paged();
  for (let at = 0; at < 0x400000; at += 4096) rig.cpu.mmu.write32(LINEAR + at, at);
  assert.is(walks(rig), 1);
  for (let at = 0; at < 0x400000; at += 4096) assert.is(rig.cpu.mmu.read32(LINEAR + at), at);
  assert.is(walks(rig), 1);
});

large("code and data have an entry each", () => {
  const rig = paged();
  rig.cpu.mmu.read32(LINEAR);
  for (let at = 0; at < 8; at++) assert.is(rig.cpu.mmu.codeAddress(LINEAR + at * 4096), at * 4096);
  assert.is(rig.ledger.countOf("tlb.walk"), 1);
  assert.is(rig.ledger.countOf("tlb.walk_instruction"), 1);
});

large("INVLPG of any piece takes all of it; a flush spares global ones", () => {
  const rig = paged(S.CR4_PGE);
  const { mmu } = rig.cpu;
  const read = (): void => { for (const la of [LINEAR, LINEAR + 0x200000, 0x800000, 0x900000]) mmu.read32(la); };
  read();
  assert.is(walks(rig), 2);
  invalidatePage(rig.cpu, LINEAR + 0x3ff000);
  read();
  assert.is(walks(rig), 3);
  mmu.flush(false);
  read();
  assert.is(walks(rig), 4);
  mmu.flush(true);
  read();
  assert.is(walks(rig), 6);
});

large("a first write after a read walks again to set D", () => {
  const rig = paged();
  rig.cpu.mmu.read32(LINEAR + 0x1000);
  rig.cpu.mmu.write32(LINEAR + 0x2000, 1);
  rig.cpu.mmu.write32(LINEAR + 0x1000, 1);
  assert.is(walks(rig), 2);
  assert.is(rig.read(PAGES + 4) & 0x60, 0x60);
});

large("a small page in a large one's place, and back, without an invalidation", () => {
  const rig = paged();
  const { mmu } = rig.cpu;
  rig.write(0x100000, 1);
  rig.write(0x200000, 2);
  assert.is(mmu.read32(LINEAR + 0x100000), 1);
  mmu.insert(LINEAR + 0x100000, 0x200000, 0, false, true, true, false, false);
  assert.is(mmu.read32(LINEAR + 0x100000), 2);
  assert.is(mmu.read32(LINEAR + 0x200000), 2);
  mmu.insert(LINEAR + 0x100000, 0x100000, 0, false, true, true, false, false, 0x400000);
  assert.is(mmu.read32(LINEAR + 0x100000), 1);
});

large("halves of another size: a 2 MB entry in a 4 MB one's place", () => {
  const rig = paged();
  const { mmu } = rig.cpu;
  mmu.read32(LINEAR);
  mmu.insert(LINEAR + 0x200000, 0, 0, false, true, true, false, false, 0x200000);
  rig.write(0x1000, 77);
  assert.is(mmu.read32(LINEAR + 0x201000), 77);
  mmu.insert(LINEAR, 0, ACCESS_EXECUTE, false, true, true, false, false, 0x400000);
  assert.is(mmu.codeAddress(LINEAR + 0x201000), 0x201000);
  invalidatePage(rig.cpu, LINEAR);
  invalidatePage(rig.cpu, LINEAR + 0x200000);
  const before = walks(rig);
  mmu.read32(LINEAR + 0x201000);
  assert.is(walks(rig), before + 1);
});

large.run();
