import type { Cpu } from "../../hypervisor/cpu.js";
import { segmentAddress } from "../../hypervisor/segmentation.js";
import type { AccessContext } from "../codegen/asm-lower.js";
import { type SlowAccesses, tablesFor } from "../codegen/memory-access.js";

/** The slow halves of the interpreter's accesses: whole accesses by the MMU, which throws their faults. */
export function slowAccesses({ mmu }: Cpu): SlowAccesses {
  const updating = (read: (la: number) => number, bytes: number) => (la: number): number => {
    mmu.probeWrite(la, bytes);
    return read(la);
  };
  const read8 = (la: number): number => mmu.read8(la), read16 = (la: number): number => mmu.read16(la), read32 = (la: number): number => mmu.read32(la);
  return {
    load: [read8, read16, read32],
    store: [(la, v) => mmu.write8(la, v), (la, v) => mmu.write16(la, v), (la, v) => mmu.write32(la, v)],
    update: [updating(read8, 1), updating(read16, 2), updating(read32, 4)],
  };
}

/** The linear address of an operand, with all checks; SEGMENT_ADDRESS of emission.ts. */
export function checkedAddress(cpu: Cpu): (sreg: number, offset: number, bytes: number, write: number) => number {
  return (sreg, offset, bytes, write) => segmentAddress(cpu, sreg, offset, bytes, write !== 0);
}

/** What the interpreter's accesses depend on: nothing of where they stand, and their slow halves throw. */
export function interpreterAccesses(user: boolean): AccessContext {
  return { ...tablesFor(user), sites: [{ loop: null }], stack: null, throws: true };
}
