import type { Memory } from "../hypervisor/memory.js";
import { leaf, type PagingMode, PTE_A, PTE_D, PTE_P, PTE_PS, type Walk } from "../hypervisor/paging.js";
import { createEptWalk, LEVELS } from "./ept.js";
import type { GuestPhysicalMappings } from "./guest-physical-mappings.js";
import { EPT_READ } from "./qualifications.js";

const SLOTS = 64;
/** Two EPT walks of four levels and the guest's entry between them. */
const UPPER_REFERENCES = 2 * LEVELS + 1;
const NONE = -1;

/** A page-directory entry that points to a page table, and the ways to both through EPT. */
class Slot {
  /** Number of the 4 MB (2 MB under PAE) that the entry is for; NONE: nothing is kept. */
  region = NONE;
  pae = false;
  /** What the page directory was found by: CR3, or the PDPTE. */
  root = 0;
  pde = 0;
  /** Machine-physical address of the entry, and of the page table. */
  pdeAddress = 0;
  table = 0;
  /** Machine-physical addresses of the entries read before the page table's. */
  readonly entries = new Int32Array(UPPER_REFERENCES);
  references = 0;
}

/**
 * Combined paging-structure-cache entries (SDM vol. 3C, 28.3.1): which page table serves a linear address, so that a TLB miss
 * need not go through EPT for the guest's tables again. Unlike a processor's, an entry is held against the guest's page
 * directory whenever it is used, and its use counts the events of the walk that it saves: this cache saves time alone.
 */
export class PagingStructureCache {
  private readonly memory: Memory;
  private readonly mappings: GuestPhysicalMappings;
  private readonly slots = Array.from({ length: SLOTS }, () => new Slot());
  private readonly eptWalk = createEptWalk();

  constructor(memory: Memory, mappings: GuestPhysicalMappings) {
    this.memory = memory;
    this.mappings = mappings;
  }

  invalidate(): void {
    for (const slot of this.slots) slot.region = NONE;
  }

  /**
   * Does what walkPageTables would, through EPT, if the page directory's entry is kept, and the page table's grants the access and
   * has no bit to be set: fills `walk`, and `entries` with the addresses of what it saves reading and of the page table's entry.
   * How many those are; 0: nothing was done.
   */
  walk(walk: Walk, entries: Int32Array, root: number, mode: PagingMode, la: number, write: boolean, user: boolean): number {
    const { memory } = this, { pae } = mode;
    const region = la >>> (pae ? 21 : 22), slot = this.slots[region & SLOTS - 1]!;
    if (slot.region !== region || slot.root !== root || slot.pae !== pae || memory.read32(slot.pdeAddress) !== slot.pde) return 0;
    if (!pae && mode.pse && (slot.pde & PTE_PS) !== 0) return 0;
    const pteAddress = slot.table + (pae ? (la >>> 12 & 0x1ff) << 3 : (la >>> 12 & 0x3ff) << 2);
    const pte = memory.read32(pteAddress), rights = pte & slot.pde;
    const wanted = PTE_P | PTE_A | (write ? PTE_D : 0);
    if ((pte & wanted) !== wanted || (pae && (memory.read32(slot.pdeAddress + 4) | memory.read32(pteAddress + 4)) !== 0)) return 0;
    walk.fault = false;
    if (leaf(walk, memory, pteAddress, pte, rights, slot.pdeAddress, slot.pde, mode, write, user, false).fault) return 0;
    walk.pa = pte & 0xfffff000;
    walk.pageBytes = 4096;
    return this.readBefore(slot, entries, pteAddress);
  }

  private readBefore(slot: Slot, entries: Int32Array, pteAddress: number): number {
    const n = slot.references;
    for (let i = 0; i < n; i++) entries[i] = slot.entries[i]!;
    entries[n] = pteAddress;
    return n + 1;
  }

  /** Keeps what the walk for `la` has found, if it went by a page table. */
  keep({ references, upperAddress, entryAddress }: Walk, root: number, pae: boolean, la: number): void {
    if (references !== 2) return;
    const { eptWalk, mappings } = this, region = la >>> (pae ? 21 : 22), slot = this.slots[region & SLOTS - 1]!;
    slot.region = NONE;
    if (!mappings.find(eptWalk, upperAddress >>> 0, EPT_READ)) return;
    slot.pdeAddress = eptWalk.address;
    slot.pde = this.memory.read32(eptWalk.address);
    slot.entries.set(eptWalk.entries.subarray(0, eptWalk.references));
    slot.references = eptWalk.references;
    slot.entries[slot.references++] = slot.pdeAddress;
    if (!mappings.find(eptWalk, entryAddress >>> 0, EPT_READ)) return;
    slot.table = (eptWalk.address & ~0xfff) >>> 0;
    slot.entries.set(eptWalk.entries.subarray(0, eptWalk.references), slot.references);
    slot.references += eptWalk.references;
    Object.assign(slot, { region, root, pae });
  }
}
