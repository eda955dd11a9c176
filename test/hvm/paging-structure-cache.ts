/** SDM vol. 3C, 28.3: what the processor keeps of EPT walks and of the guest's page directories must not be seen, here not even in what is counted. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { PTE_A, PTE_D, PTE_G, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../../hypervisor/paging.js";
import { Trap } from "../../hypervisor/trap.js";
import { EPT_LARGE, EPT_RWX, MEMORY_WRITE_BACK } from "../../hvm/ept.js";
import { vmEntry } from "../../hvm/entry.js";
import { VM_EXIT_VECTOR } from "../../hvm/vcpu.js";
import { F } from "../../hvm/vmcs-fields.js";
import { Random } from "../isa/random.js";
import { type Rig, rootRig } from "./rig.js";

const structures = suite("paging-structure cache");

/** Frames that serve as directories, tables and data at once. */
const FIRST = 0x10, FRAMES = 12;
const frameOf = (random: Random): number => (FIRST + random.below(FRAMES)) << 12;
const COUNTED = ["ept.walk", "tlb.reference", "tlb.evict"];

/** In non-root operation with tables at FIRST that point among themselves, everything mapped. */
function running(): Rig {
  const rig = rootRig();
  rig.vcpu.write(F.GUEST_CR3, FIRST << 12);
  rig.vcpu.write(F.GUEST_CR0, 0x80000021 | 0);
  for (let gfn = FIRST; gfn < FIRST + FRAMES; gfn++) {
    rig.vcpu.virtualization.ept!.map(gfn << 12, rig.hvm.map.machineFrame(gfn), EPT_RWX, MEMORY_WRITE_BACK);
    for (let i = 0; i < 1024; i++) rig.words(gfn * 4096 + i * 4, FIRST + (gfn + i) % FRAMES << 12 | PTE_P | PTE_RW | PTE_US | PTE_A);
  }
  assert.is(vmEntry(rig.vcpu), undefined);
  return rig;
}

type Step = (rig: Rig) => unknown;

/** Something that a guest or its monitor does; the same on every rig. */
function step(random: Random): Step {
  switch (random.below(24)) {
    case 0: {
      const at = frameOf(random) + random.below(8) * 4;
      const bits = random.below(0x200) & (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_PS | PTE_G), entry = frameOf(random) | bits | (random.below(4) === 0 ? 0 : PTE_P);
      return (rig) => rig.words(at, entry);
    }
    case 1: {
      const root = frameOf(random);
      return (rig) => { rig.cpu.i32[S.CR3] = root; };
    }
    case 2: {
      const bit = [S.CR4_PSE, S.CR4_PAE, S.CR4_PGE][random.below(3)]!;
      return (rig) => { rig.cpu.i32[S.CR4]! ^= bit; };
    }
    case 3: return (rig) => { rig.cpu.i32[S.CR0]! ^= S.CR0_WP; };
    case 4: {
      const words = Array.from({ length: 4 }, () => frameOf(random) | PTE_P);
      return (rig) => words.forEach((word, i) => { rig.vcpu.pdptes[2 * i] = word; });
    }
    case 5: {
      const gpa = frameOf(random), to = frameOf(random), rights = [0, 1, 3, 4, 5, 7, 7, 7, 7][random.below(9)]!;
      return ({ vcpu, hvm }) => vcpu.virtualization.ept!.map(gpa, hvm.map.machineFrame(to >>> 12), rights, MEMORY_WRITE_BACK);
    }
    default: return access(random);
  }
}

function access(random: Random): Step {
  const la = (random.below(2) * (0x400000 >> random.below(2)) + random.below(4) * 4096 + random.below(4096)) | 0, kind = random.below(3), user = random.below(3) === 0;
  return ({ vcpu, cpu }) => {
    try {
      vcpu.nonRoot.translate(la, kind, user);
      return kind === 2 ? cpu.mmu.codeAddress(la) : cpu.mmu.residentAddress(la);
    } catch (thrown) {
      if (!(thrown instanceof Trap)) throw thrown;
      return thrown.vector === VM_EXIT_VECTOR ? { ...vcpu.pendingExit! } : [thrown.vector, thrown.errorCode, vcpu.faultAddress];
    }
  };
}

structures("random histories: a processor that keeps nothing translates, faults, exits and counts the same", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed), keeps = running(), keepsNothing = running();
    for (let i = 0; i < 1500; i++) {
      const one = step(random);
      keepsNothing.vcpu.nonRoot.invalidateMappings();
      const outcomes = [keeps, keepsNothing].map((rig) => [one(rig), ...COUNTED.map((name) => rig.events(name))]);
      assert.equal(outcomes[0], outcomes[1], `seed ${seed}, step ${i}`);
    }
    for (let at = FIRST << 12; at < (FIRST + FRAMES) << 12; at += 4) assert.is(keeps.read(at), keepsNothing.read(at), at.toString(16));
  }
});

structures("another EPT pointer at VM entry: nothing of the tables before holds", () => {
  const rig = running(), { vcpu, cpu, machine } = rig;
  vcpu.nonRoot.translate(0x1000, 0, false);
  const before = cpu.mmu.residentAddress(0x1000);
  // A PML4 whose first 2 MB lie 2 MB higher in machine memory.
  const [pml4, pdpt, pd] = [vcpu.newFrame(), vcpu.newFrame(), vcpu.newFrame()];
  machine.memory.write32(pml4, pdpt | EPT_RWX);
  machine.memory.write32(pdpt, pd | EPT_RWX);
  machine.memory.write32(pd, 0x200000 | EPT_RWX | EPT_LARGE | MEMORY_WRITE_BACK << 3);
  for (let at = 0x210000; at < 0x21c000; at += 4) machine.memory.write32(at, machine.memory.read32(at) | (FIRST << 12) | PTE_P | PTE_RW | PTE_A);
  vcpu.write(F.EPT_POINTER, pml4 | vcpu.read(F.EPT_POINTER) & 0xfff);
  assert.is(vmEntry(vcpu), undefined);
  vcpu.nonRoot.translate(0x1000, 0, false);
  assert.is.not(cpu.mmu.residentAddress(0x1000), before);
  assert.is(cpu.mmu.residentAddress(0x1000) >>> 21, 1);
});

structures.run();
