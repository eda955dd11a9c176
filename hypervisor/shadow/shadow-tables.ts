import type { Ledger } from "../ledger.js";
import { PTE_A, PTE_D, PTE_G, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../paging.js";
import type { GuestPageTables } from "./guest-page-tables.js";
import type { PhysicalMap } from "./p2m.js";
import type { ShadowCache } from "./shadow-cache.js";
import { entryShift, levelOf, ROLE_LARGE, ROLE_PAE, ROLE_PGE, ROLE_RW, ROLE_US, roleRights, type ShadowPage } from "./shadow-page.js";

/** Writes to an address space that is not in use, since its last use, after which its tables are taken to be something else now. */
const UNUSED_WRITES = 4;

/** Bits of a directory entry whose change makes its shadow wrong. */
const DIRECTORY_BITS = 0xfffff000 | PTE_P | PTE_RW | PTE_US | PTE_PS | PTE_D | PTE_G;

const directoryRights = (entry: number): number => ((entry & PTE_RW) !== 0 ? ROLE_RW : 0) | ((entry & PTE_US) !== 0 ? ROLE_US : 0);

/** What shadow entries hold: filled from the guest's entries on a fault, brought up to them after a traced write. */
export class ShadowTables {
  private readonly p2m: PhysicalMap;
  private readonly cache: ShadowCache;
  private readonly guest: GuestPageTables;
  private readonly ledger: Ledger;
  private readonly events: Readonly<Record<"fill" | "zap" | "update" | "unused", number>>;

  constructor(p2m: PhysicalMap, cache: ShadowCache, guest: GuestPageTables, ledger: Ledger) {
    this.p2m = p2m;
    this.cache = cache;
    this.guest = guest;
    this.ledger = ledger;
    this.events = { fill: ledger.id("shadow.fill"), zap: ledger.id("shadow.zap"), update: ledger.id("shadow.update"), unused: ledger.id("shadow.untrace") };
  }

  // ---- filling -------------------------------------------------------------------------------------------------------

  get rootRole(): number {
    return this.guest.role | ((this.guest.role & ROLE_PAE) !== 0 ? 3 : 2);
  }

  /** The shadow of the guest's root table. */
  root(): ShadowPage {
    return this.cache.obtain(this.guest.root, this.rootRole);
  }

  /** The shadow leaf table for `la`, linked under the root; made where it is missing. The pages of the path cannot be evicted meanwhile. */
  leafTable(la: number): ShadowPage {
    const { cache, guest } = this;
    cache.pinned.clear();
    const root = this.root();
    cache.pinned.add(root);
    let directory = root;
    if (guest.mode.paging && guest.mode.pae) {
      directory = cache.obtain(guest.pdpte(la) & 0xfffff000, guest.role | 2);
      cache.pinned.add(directory);
      cache.link(root, la >>> 30, directory);
    }
    const leaf = this.leafOf(la);
    cache.pinned.add(leaf);
    cache.link(directory, guest.directoryIndex(la), leaf);
    cache.pinned.clear();
    return leaf;
  }

  private leafOf(la: number): ShadowPage {
    const { cache, guest } = this;
    if (!guest.mode.paging) return cache.obtain(la & 0xffc00000, guest.role | 1);
    const address = guest.directoryEntryAddress(la);
    const entry = this.p2m.read32(address);
    if (guest.isLarge(entry)) return cache.obtain(address, guest.role | ROLE_LARGE | 1);
    return cache.obtain(entry & 0xfffff000, guest.role | directoryRights(entry) | 1);
  }

  /** Fills the leaf for `la` from the guest's last walk, which allowed the access. */
  fillLeaf(page: ShadowPage, la: number, gfn: number, write: boolean, user: boolean): void {
    this.ledger.count(this.events.fill);
    let value = this.leafValue(page.role, this.guest.found.entry, gfn);
    // CR0.WP clear: the supervisor writes where R/W forbids. The hardware runs with WP set, so the page becomes the
    // supervisor's until user code faults it back.
    if (write && !user && (value & PTE_RW) === 0) value = value & ~PTE_US | PTE_RW | PTE_D;
    this.cache.setLeaf(page, this.guest.tableIndex(la), value);
  }

  /** What a leaf entry may hold for guest entry `entry` (present and accessed) that maps guest frame `gfn`. */
  private leafValue(role: number, entry: number, gfn: number): number {
    const rights = entry & roleRights(role);
    const writable = (rights & PTE_RW) !== 0 && (entry & PTE_D) !== 0 && !this.cache.traced(gfn);
    return this.p2m.machineFrame(gfn) << 12 | PTE_P | PTE_A | rights & PTE_US | (writable ? PTE_RW | PTE_D : 0) |
      ((role & ROLE_PGE) !== 0 ? entry & PTE_G : 0);
  }

  // ---- following the guest's writes ------------------------------------------------------------------------------------

  /** A word of a guest table was `before`; `eager` fills a leaf that was absent when its new entry is accessed already. */
  wordChanged(gfn: number, offset: number, before: number, eager: boolean): void {
    for (const page of [...this.cache.shadowsOf(gfn)]) {
      page.writes++;
      const shift = entryShift(page.role);
      if (levelOf(page) === 2) this.directoryChanged(page, offset >> shift, before, shift === 3 && (offset & 4) !== 0);
      else this.leafChanged(page, offset >> shift, eager);
    }
  }

  private directoryChanged(page: ShadowPage, index: number, before: number, highWord: boolean): void {
    const after = this.p2m.read32(page.gpa + (index << entryShift(page.role)));
    const address = this.cache.entryAddress(page, index);
    const stale = highWord || ((before ^ after) & DIRECTORY_BITS) !== 0 || (after & PTE_A) === 0;
    if (!stale || (this.cache.read(address) & PTE_P) === 0) return;
    this.ledger.count(this.events.zap);
    this.cache.unlink(address);
  }

  private leafChanged(page: ShadowPage, index: number, eager: boolean): void {
    const { cache } = this;
    const shift = entryShift(page.role);
    const entryAt = page.gpa + (index << shift);
    const after = this.p2m.read32(entryAt), high = shift === 3 ? this.p2m.read32(entryAt + 4) : 0;
    const address = cache.entryAddress(page, index);
    const present = (cache.read(address) & PTE_P) !== 0;
    const usable = (after & (PTE_P | PTE_A)) === (PTE_P | PTE_A) && high === 0 && this.p2m.isMemory(after >>> 12);
    cache.dropTranslation(address);
    if (usable && (present || eager)) {
      this.ledger.count(this.events.update);
      cache.setLeaf(page, index, this.leafValue(page.role, after, after >>> 12));
    } else if (present) {
      this.ledger.count(this.events.zap);
      cache.setLeaf(page, index, 0);
    }
  }

  /**
   * Stops shadowing tables that nothing uses: a written table no directory points to, or one outside the current address
   * space that was written again and again. Its frame is likely something else by now; if not, it is filled anew.
   */
  giveUpUnused(gfn: number): void {
    for (const page of [...this.cache.shadowsOf(gfn)]) {
      if (this.inUse(page)) continue;
      if ((page.parents.length === 0 && levelOf(page) === 1) || page.writes >= UNUSED_WRITES) this.unshadow(page);
    }
  }

  /** Forgets all shadows of the tables in a guest frame. */
  giveUp(gfn: number): void {
    for (const page of [...this.cache.shadowsOf(gfn)]) this.unshadow(page);
  }

  private unshadow(page: ShadowPage): void {
    this.ledger.count(this.events.unused);
    this.cache.destroy(page);
  }

  /** Whether a page is reachable from the current root. */
  private inUse(page: ShadowPage): boolean {
    if (page.gpa === this.guest.root && page.role === this.rootRole) return true;
    return page.parents.some((entry) => this.inUse(this.cache.pageAt(entry)!));
  }

  /** The four PDPTEs are read when CR3 is loaded, not traced (SDM vol. 3, 4.4.1): unlinks those that have changed. */
  loadPdptes(): void {
    const root = this.cache.find(this.guest.root, this.rootRole);
    if (root === undefined || levelOf(root) !== 3) return;
    for (let i = 0; i < 4; i++) {
      const address = this.cache.entryAddress(root, i);
      const child = this.cache.pageAt(this.cache.read(address));
      if (child === undefined) continue;
      const entry = this.guest.pdpte(i << 30);
      if ((entry & PTE_P) === 0 || (entry & 0xfffff000) >>> 0 !== child.gpa) this.cache.unlink(address);
    }
  }
}
