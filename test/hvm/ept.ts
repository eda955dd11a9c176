import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { FRAME_MMIO, FRAME_ROM } from "../../hypervisor/memory.js";
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE } from "../../hypervisor/strategy.js";
import { Trap } from "../../hypervisor/trap.js";
import { createEptWalk, EPT_RWX, type Ept, MEMORY_WRITE_BACK, walkEpt } from "../../hvm/ept.js";
import { vmEntry } from "../../hvm/entry.js";
import { REASON } from "../../hvm/exit-reasons.js";
import { EPT_EXECUTE, EPT_READ, EPT_WRITE } from "../../hvm/qualifications.js";
import { VM_EXIT_VECTOR } from "../../hvm/vcpu.js";
import { F } from "../../hvm/vmcs-fields.js";
import { CODE, handle, PD, PT, pageTables, pagingOn, recorded, rootRig, type Rig, createRig } from "./rig.js";

const ept = suite("ept");

/** In non-root operation with paging, every frame below 4 MB mapped by EPT. */
function running(mapAll = true): Rig & { tables: Ept } {
  const rig = rootRig();
  pageTables(rig);
  rig.vcpu.write(F.GUEST_CR3, PD);
  rig.vcpu.write(F.GUEST_CR0, 0x80000021 | 0);
  const tables = rig.vcpu.virtualization.ept!;
  if (mapAll) for (let gpa = 0; gpa < 0x400000; gpa += 4096) mapRam(rig, tables, gpa);
  assert.is(vmEntry(rig.vcpu), undefined);
  return { ...rig, tables };
}

function mapRam(rig: Rig, tables: Ept, gpa: number, rights = EPT_RWX): void {
  tables.map(gpa, rig.hvm.map.machineFrame(gpa >>> 12), rights, MEMORY_WRITE_BACK);
}

/** Translates and gives the exit that came of it, undefined when there was none. */
function translate(rig: Rig, la: number, access: number, user = false): { reason: number; qualification: number; guestPhysical: number; guestLinear: number } | undefined {
  try {
    rig.vcpu.nonRoot.translate(la, access, user);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof Trap) || thrown.vector !== VM_EXIT_VECTOR) throw thrown;
    return { qualification: 0, guestPhysical: 0, guestLinear: 0, ...rig.vcpu.pendingExit! };
  }
}

ept("a 2-D walk of two guest levels makes 14 references and 3 EPT walks", () => {
  const rig = running();
  const before = [rig.events("tlb.reference"), rig.events("ept.walk")] as const;
  assert.is(translate(rig, 0x200000, ACCESS_READ), undefined);
  assert.is(rig.events("tlb.reference") - before[0], 14);
  assert.is(rig.events("ept.walk") - before[1], 3);
});

ept("with guest paging off the walk is EPT's alone: 4 references", () => {
  const rig = rootRig();
  assert.is(vmEntry(rig.vcpu), undefined);
  const before = rig.events("tlb.reference");
  mapRam(rig, rig.vcpu.virtualization.ept!, 0x300000);
  assert.is(translate(rig, 0x300000, ACCESS_READ), undefined);
  assert.is(rig.events("tlb.reference") - before, 4);
});

ept("a 4 MB guest page saves a level: 9 references; a PAE guest walks two levels behind its PDPTE registers: 14", () => {
  const large = running();
  large.cpu.i32[S.CR4]! |= S.CR4_PSE;
  large.words(PD, 0x87);
  let before = large.events("tlb.reference");
  assert.is(translate(large, 0x200000, ACCESS_READ), undefined);
  assert.is(large.events("tlb.reference") - before, 9);

  const pae = running();
  pae.words(0x20000, 0x21001, 0);
  pae.words(0x21008, 0x22007, 0);
  pae.words(0x22000, 0x333007, 0);
  pae.cpu.i32[S.CR4]! |= S.CR4_PAE;
  pae.cpu.i32[S.CR3] = 0x20000;
  pae.vcpu.nonRoot.loadPdptes(0x20000);
  before = pae.events("tlb.reference");
  assert.is(translate(pae, 0x200000, ACCESS_READ), undefined);
  assert.is(pae.events("tlb.reference") - before, 14);
  pae.words(0x333000, 77);
  assert.is(pae.cpu.mmu.read32(0x200000), 77);
});

ept("the walk sets the guest's accessed and dirty bits, in the guest's memory", () => {
  const rig = running();
  assert.is(translate(rig, 0x200000, ACCESS_READ), undefined);
  assert.is(rig.read(PD), PT | 0x27);
  assert.is(rig.read(PT + 0x800), 0x200027);
  assert.is(translate(rig, 0x201000, ACCESS_WRITE), undefined);
  assert.is(rig.read(PT + 0x804), 0x201067);
});

ept("a violation on a guest table: read, linear address valid, not the final access", () => {
  const rig = running(false);
  const exit = translate(rig, 0x200000, ACCESS_WRITE)!;
  assert.is(exit.reason, REASON.ept_violation);
  assert.is(exit.qualification, 0x81);
  assert.is(exit.guestPhysical, PD);
  assert.is(exit.guestLinear, 0x200000);
});

ept("a violation on the final address: the access, the rights that were there, bits 7 and 8", () => {
  const rig = running();
  const cases: readonly (readonly [number, number, number])[] = [
    [0, ACCESS_READ, 0x181], [0, ACCESS_WRITE, 0x182], [0, ACCESS_EXECUTE, 0x184],
    [EPT_READ, ACCESS_WRITE, 0x18a], [EPT_READ, ACCESS_EXECUTE, 0x18c], [EPT_READ | EPT_WRITE, ACCESS_EXECUTE, 0x19c],
    [EPT_READ | EPT_EXECUTE, ACCESS_WRITE, 0x1aa],
  ];
  for (const [rights, access, qualification] of cases) {
    if (rights === 0) rig.tables.unmap(0x234000);
    else mapRam(rig, rig.tables, 0x234000, rights);
    const exit = translate(rig, 0x234567, access)!;
    assert.is(exit.reason, REASON.ept_violation);
    assert.is(exit.qualification, qualification, `${rights} ${access}`);
    assert.is(exit.guestPhysical, 0x234567);
  }
});

ept("an accessed bit that EPT forbids to set is a write violation on the table", () => {
  const rig = running();
  mapRam(rig, rig.tables, PT, EPT_READ);
  const exit = translate(rig, 0x200000, ACCESS_READ)!;
  assert.is(exit.qualification, 0x80 | EPT_WRITE | EPT_READ << 3);
  assert.is(exit.guestPhysical, PT + 0x800);
});

ept("misconfigurations: write without read, execute alone, reserved bits, memory types, addresses beyond memory", () => {
  const { vcpu, machine, tables } = running();
  const walk = createEptWalk();
  assert.is(walkEpt(walk, machine.memory, tables.pointer, 0x345000, EPT_READ).outcome, "mapped");
  const pdpt = machine.memory.read32(tables.pointer & ~0xfff) & ~0xfff;
  const pd = machine.memory.read32(pdpt) & ~0xfff;
  const at = (machine.memory.read32(pd + 8) & ~0xfff) + 0x145 * 8;
  const good = machine.memory.read32(at);
  for (const bad of [good & ~1, good & ~3, good & ~0x38 | 2 << 3, good & ~0x38 | 3 << 3, good & ~0x38 | 7 << 3]) {
    machine.memory.write32(at, bad);
    assert.is(walkEpt(walk, machine.memory, tables.pointer, 0x345000, EPT_READ).outcome, "misconfig", bad.toString(16));
  }
  machine.memory.write32(at, good);
  machine.memory.write32(at + 4, 1);
  assert.is(walkEpt(walk, machine.memory, tables.pointer, 0x345000, EPT_READ).outcome, "misconfig");
  machine.memory.write32(at + 4, 0);
  machine.memory.write32(pd + 8, machine.memory.read32(pd + 8) | 8);
  assert.is(walkEpt(walk, machine.memory, tables.pointer, 0x345000, EPT_READ).outcome, "misconfig");
  vcpu.cpu.mmu.flush(true);
});

ept("a 2 MB EPT page ends the walk a level early", () => {
  const { machine, tables } = running(false);
  tables.mapLarge(0x40000000, 0x200, EPT_RWX, MEMORY_WRITE_BACK);
  const walk = walkEpt(createEptWalk(), machine.memory, tables.pointer, 0x40123456, EPT_READ);
  assert.is(walk.outcome, "mapped");
  assert.is(walk.references, 3);
  assert.is(walk.address, 0x323456);
  tables.mapLarge(0x40000000, 0x201, EPT_RWX, MEMORY_WRITE_BACK);
  assert.is(walkEpt(walk, machine.memory, tables.pointer, 0x40123456, EPT_READ).outcome, "misconfig");
});

ept("EPT maps a guest frame on its first touch, to another machine frame, once", () => {
  const rig = createRig();
  pagingOn(rig);
  rig.put(CODE, "a100003000 a100003000 890500003500 b000 e6f4");
  rig.words(0x300000, 0x11111111);
  rig.engine.run(1000);
  assert.is(rig.cpu.i32[S.EAX]! & ~0xff, 0x11111100);
  // PD, PT, the code, and the two operands' frames.
  assert.is(rig.events("vmexit.ept_violation"), 5);
  assert.is(rig.events("ept.fill"), 5);
  assert.ok(rig.hvm.map.machineFrame(0x300) !== 0x300);
});

ept("a write to ROM is emulated and lost; ROM is mapped without the right to write", () => {
  const rig = createRig();
  rig.words(0xf0000, 5);
  rig.machine.memory.kind[0xf0] = FRAME_ROM;
  rig.put(CODE, "a100000f00 c70500000f00 09000000 8b1d00000f00 b000 e6f4");
  rig.engine.run(1000);
  assert.is(rig.cpu.i32[S.EBX], 5);
  assert.is(recorded(rig).reason, REASON.io_instruction);
  assert.is(rig.events("hvm.emulated_instruction"), 1);
});

ept("device registers: marked on first touch, then a misconfiguration and an emulated instruction for each access", () => {
  const rig = createRig();
  rig.machine.memory.kind[0xa0] = FRAME_MMIO;
  const seen: string[] = [];
  rig.machine.memory.mmio = {
    read: (pa, size) => { seen.push(`r${size} ${pa.toString(16)}`); return 0x1234; },
    write: (pa, size, value) => { seen.push(`w${size} ${pa.toString(16)}=${value.toString(16)}`); },
  };
  rig.put(CODE, "66a104000a00 880510000a00 c605 0000e0fe 7f b000 e6f4");
  rig.engine.run(1000);
  assert.equal(seen, ["r2 a0004", "w1 a0010=34", "w1 fee00000=7f"]);
  assert.is(rig.events("vmexit.ept_misconfig"), 3);
  assert.is(rig.events("hvm.emulated_instruction"), 3);
  assert.is(rig.machine.ledger.instructions, 5);
});

ept("a misconfiguration on the guest's memory is the monitor's mistake and stops the run", () => {
  const rig = rootRig();
  assert.is(handle(rig, "ept_misconfig", { guestPhysical: 0x5000 }), "stop");
});

ept("PDPTEs with reserved bits make MOV CR3 a #GP", () => {
  const rig = running();
  rig.words(0x20000, 0x21007, 0);
  assert.throws(() => rig.vcpu.nonRoot.loadPdptes(0x20000), (thrown: unknown) => thrown instanceof Trap && thrown.vector === 13);
});

ept.run();
