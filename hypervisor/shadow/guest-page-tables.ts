import { createWalk, PTE_A, PTE_D, PTE_P, PTE_PS, PTE_RW, PTE_US, type Walk, walkPageTables } from "../paging.js";
import type { PhysicalMap } from "./p2m.js";
import { directoryShift, type GuestPaging, modeRole, ROLE_PAE } from "./shadow-page.js";

/** The guest's own page tables as CR3 and its paging mode select them; without paging, identity. */
export class GuestPageTables {
  private readonly p2m: PhysicalMap;
  /** The last walk. */
  readonly found: Walk = createWalk();
  mode: GuestPaging = { paging: false, pae: false, pse: false, wp: true, pge: false };
  /** The mode as roles of shadow tables say it. */
  role = modeRole(this.mode);
  /** Guest-physical address of the root table, 0 without paging. */
  root = 0;

  constructor(p2m: PhysicalMap) {
    this.p2m = p2m;
  }

  select(cr3: number, mode: GuestPaging): void {
    this.mode = mode;
    this.role = modeRole(mode);
    this.root = !mode.paging ? 0 : mode.pae ? (cr3 & 0xffffffe0) >>> 0 : (cr3 & 0xfffff000) >>> 0;
  }

  /** Walks for an access and sets A and D as the processor would; the result is `found`. */
  walk(la: number, write: boolean, user: boolean): Walk {
    const { found } = this;
    if (this.mode.paging) return walkPageTables(found, this.p2m, this.root, this.mode, la, write, user, true);
    found.fault = false;
    found.pa = la & 0xfffff000;
    found.user = found.writable = found.dirty = true;
    found.global = false;
    found.entry = la & 0xfffff000 | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
    return found;
  }

  /** Low word of the PDPTE for a linear address. */
  pdpte(la: number): number {
    return this.p2m.read32((this.root & 0xffffffe0) + ((la >>> 30) << 3));
  }

  /** Guest-physical address of the page-directory entry for a linear address. */
  directoryEntryAddress(la: number): number {
    if (!this.mode.pae) return (this.root & 0xfffff000) + ((la >>> 22) << 2);
    return (this.pdpte(la) & 0xfffff000) + (((la >>> 21) & 0x1ff) << 3);
  }

  isLarge(directoryEntry: number): boolean {
    return (directoryEntry & PTE_PS) !== 0 && (this.mode.pae || this.mode.pse);
  }

  /** Index of a linear address in its page directory and in its page table. */
  directoryIndex(la: number): number {
    return (la >>> directoryShift(this.role)) & this.indexMask;
  }

  tableIndex(la: number): number {
    return (la >>> 12) & this.indexMask;
  }

  private get indexMask(): number {
    return (this.role & ROLE_PAE) !== 0 ? 0x1ff : 0x3ff;
  }

  /** Whether every table on the way to `la` (present all the way) lies in memory, where writes to it can be traced. */
  inMemory(la: number): boolean {
    // Behind a closed A20 gate a table has two addresses, and a trace knows one.
    if (!this.p2m.a20Open) return false;
    if (!this.mode.paging) return true;
    const address = this.directoryEntryAddress(la);
    if (!this.p2m.isMemory(this.root >>> 12) || !this.p2m.isMemory(address >>> 12)) return false;
    const entry = this.p2m.read32(address);
    return this.isLarge(entry) || this.p2m.isMemory(entry >>> 12);
  }
}
