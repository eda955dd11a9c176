import { PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE } from "./trap.js";

/** Page-table entry bits (SDM vol. 3, 4.3 and 4.4). */
export const PTE_P = 1, PTE_RW = 2, PTE_US = 4, PTE_PWT = 8, PTE_PCD = 0x10, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100;

/** Reads and writes the words of page tables, by the physical address that CR3 and the entries hold. */
export interface TableMemory {
  read32(pa: number): number;
  write32(pa: number, value: number): void;
}

export interface PagingMode {
  readonly pae: boolean;
  /** CR4.PSE: 4 MB pages without PAE (2 MB pages need no enabling under PAE). */
  readonly pse: boolean;
  /** CR0.WP: supervisor writes obey R/W. */
  readonly wp: boolean;
  /** CR4.PGE */
  readonly pge: boolean;
}

/** Result of a walk; one record, reused by the walker that owns it. */
export interface Walk {
  /** 0, or the page-fault error code. */
  error: number;
  fault: boolean;
  /** Physical address of the 4 KB piece of the page that holds the linear address (low 32 bits). */
  pa: number;
  writable: boolean;
  user: boolean;
  /** The leaf's D bit after the walk: a writable entry may only be cached for writing when it is set. */
  dirty: boolean;
  global: boolean;
  /** Bytes mapped by the leaf: 4096, 2 MB or 4 MB. */
  pageBytes: number;
  /** Table entries read. */
  references: number;
  /** With two references, physical address of the first entry read. */
  upperAddress: number;
  /** Physical address of the last entry read, the leaf unless the walk failed; and the leaf's low word. */
  entryAddress: number;
  entry: number;
}

export function createWalk(): Walk {
  return { error: 0, fault: false, pa: 0, writable: false, user: false, dirty: false, global: false, pageBytes: 4096, references: 0, upperAddress: 0, entryAddress: 0, entry: 0 };
}

function fail(walk: Walk, write: boolean, user: boolean, bits: number): Walk {
  walk.fault = true;
  walk.error = bits | (write ? PF_WRITE : 0) | (user ? PF_USER : 0);
  return walk;
}

/**
 * Walks the two-level or PAE tables at `root` (CR3's value) for linear address `la` (SDM vol. 3, 4.3, 4.4 and 4.6).
 * With `setBits`, sets A on the way and D for a write, once the whole access is known to be allowed. Gives `walk`.
 */
export function walkPageTables(walk: Walk, memory: TableMemory, root: number, mode: PagingMode, la: number, write: boolean, user: boolean, setBits: boolean): Walk {
  walk.fault = false;
  walk.error = 0;
  return mode.pae ? walkPae(walk, memory, root, mode, la, write, user, setBits) : walk32(walk, memory, root, mode, la, write, user, setBits);
}

function walk32(walk: Walk, memory: TableMemory, root: number, mode: PagingMode, la: number, write: boolean, user: boolean, setBits: boolean): Walk {
  const pdeAddress = (root & 0xfffff000) + ((la >>> 22) << 2);
  const pde = memory.read32(pdeAddress);
  walk.entryAddress = pdeAddress;
  walk.references = 1;
  if ((pde & PTE_P) === 0) return fail(walk, write, user, 0);
  if (mode.pse && (pde & PTE_PS) !== 0) {
    // PSE-36 bits 13-16 would address above 4 GB and bit 21 is reserved: all must be clear here.
    if ((pde & 0x3fe000) !== 0) return fail(walk, write, user, PF_PRESENT | PF_RESERVED);
    walk.pa = (pde & 0xffc00000) | (la & 0x3ff000);
    walk.pageBytes = 0x400000;
    return leaf(walk, memory, pdeAddress, pde, pde, 0, PTE_A, mode, write, user, setBits);
  }
  const pteAddress = (pde & 0xfffff000) + (((la >>> 12) & 0x3ff) << 2);
  const pte = memory.read32(pteAddress);
  walk.upperAddress = pdeAddress;
  walk.entryAddress = pteAddress;
  walk.references = 2;
  if ((pte & PTE_P) === 0) return fail(walk, write, user, 0);
  walk.pa = pte & 0xfffff000;
  walk.pageBytes = 4096;
  return leaf(walk, memory, pteAddress, pte, pde & pte, pdeAddress, pde, mode, write, user, setBits);
}

function walkPae(walk: Walk, memory: TableMemory, root: number, mode: PagingMode, la: number, write: boolean, user: boolean, setBits: boolean): Walk {
  const pdpteAddress = (root & 0xffffffe0) + ((la >>> 30) << 3);
  const pdpte = memory.read32(pdpteAddress);
  // The PDPTE registers are loaded with CR3 (SDM vol. 3, 4.4.1): reading one here is not a reference of the walk.
  walk.references = 0;
  if ((pdpte & PTE_P) === 0) return fail(walk, write, user, 0);
  const pdeAddress = (pdpte & 0xfffff000) + (((la >>> 21) & 0x1ff) << 3);
  const pde = memory.read32(pdeAddress);
  walk.entryAddress = pdeAddress;
  walk.references = 1;
  if ((pde & PTE_P) === 0) return fail(walk, write, user, 0);
  if (memory.read32(pdeAddress + 4) !== 0) return fail(walk, write, user, PF_PRESENT | PF_RESERVED);
  if ((pde & PTE_PS) !== 0) {
    if ((pde & 0x1fe000) !== 0) return fail(walk, write, user, PF_PRESENT | PF_RESERVED);
    walk.pa = (pde & 0xffe00000) | (la & 0x1ff000);
    walk.pageBytes = 0x200000;
    return leaf(walk, memory, pdeAddress, pde, pde, 0, PTE_A, mode, write, user, setBits);
  }
  const pteAddress = (pde & 0xfffff000) + (((la >>> 12) & 0x1ff) << 3);
  const pte = memory.read32(pteAddress);
  walk.upperAddress = pdeAddress;
  walk.entryAddress = pteAddress;
  walk.references = 2;
  if ((pte & PTE_P) === 0) return fail(walk, write, user, 0);
  if (memory.read32(pteAddress + 4) !== 0) return fail(walk, write, user, PF_PRESENT | PF_RESERVED);
  walk.pa = pte & 0xfffff000;
  walk.pageBytes = 4096;
  return leaf(walk, memory, pteAddress, pte, pde & pte, pdeAddress, pde, mode, write, user, setBits);
}

/**
 * Ends a walk at a leaf: `rights` are what all levels grant, and are checked before any A or D bit is set. `entry` is read at `address`, `upper` at `upperAddress`; without
 * `setBits` nothing is written. Gives `walk`, whose `fault` has been cleared before.
 */
export function leaf(walk: Walk, memory: TableMemory, address: number, entry: number, rights: number, upperAddress: number, upper: number,
  mode: PagingMode, write: boolean, user: boolean, setBits: boolean): Walk {
  walk.user = (rights & PTE_US) !== 0;
  walk.writable = (rights & PTE_RW) !== 0;
  if (user && !walk.user) return fail(walk, write, user, PF_PRESENT);
  if (write && !walk.writable && (user || mode.wp)) return fail(walk, write, user, PF_PRESENT);
  const wanted = entry | PTE_A | (write ? PTE_D : 0);
  if (setBits) {
    if ((upper & PTE_A) === 0) memory.write32(upperAddress, upper | PTE_A);
    if (wanted !== entry) memory.write32(address, wanted);
    walk.entry = wanted;
  } else walk.entry = entry;
  walk.dirty = (walk.entry & PTE_D) !== 0;
  walk.global = mode.pge && (entry & PTE_G) !== 0;
  return walk;
}
