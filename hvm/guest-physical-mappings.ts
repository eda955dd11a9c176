import type { EptWalk } from "./ept.js";

/** Walks that are kept: those of the guest's tables, and of the pages it works on. */
const WALKS = 256;
const NONE = -1;
/** Words of a walk: rights, address of the page, bytes that the leaf maps, references, and the addresses of the entries. */
const RIGHTS = 0, ADDRESS = 1, BYTES = 2, REFERENCES = 3, ENTRIES = 4, WORDS = 8;

/**
 * The guest-physical mappings a processor keeps beside its TLB (SDM vol. 3C, 28.3.1): what walks of the EPT tables came to, page
 * by page. Only walks that end in a mapping are kept, so that an entry made present needs no invalidation (28.3.3.4).
 * Here it saves time, not events: a walk that is taken from it counts as one made.
 */
export class GuestPhysicalMappings {
  private readonly pages = new Int32Array(WALKS).fill(NONE);
  private readonly words = new Int32Array(WALKS * WORDS);

  /** INVEPT. */
  invalidate(): void {
    this.pages.fill(NONE);
  }

  /** Fills `walk` for an access to `gpa`, if its walk is kept and grants the access; else false. */
  find(walk: EptWalk, gpa: number, access: number): boolean {
    const page = gpa >>> 12, slot = page & WALKS - 1;
    if (this.pages[slot] !== page) return false;
    const { words } = this, at = slot * WORDS, rights = words[at + RIGHTS]!;
    if ((rights & access) !== access) return false;
    walk.outcome = "mapped";
    walk.rights = rights;
    walk.address = (words[at + ADDRESS]! | gpa & 0xfff) >>> 0;
    walk.pageBytes = words[at + BYTES]!;
    const n = walk.references = words[at + REFERENCES]!;
    for (let i = 0; i < n; i++) walk.entries[i] = words[at + ENTRIES + i]!;
    return true;
  }

  /** Keeps a walk that ended in a mapping. */
  keep(walk: EptWalk, gpa: number): void {
    const page = gpa >>> 12, slot = page & WALKS - 1, { words } = this, at = slot * WORDS;
    this.pages[slot] = page;
    words[at + RIGHTS] = walk.rights;
    words[at + ADDRESS] = walk.address & ~0xfff;
    words[at + BYTES] = walk.pageBytes;
    words[at + REFERENCES] = walk.references;
    for (let i = 0; i < walk.references; i++) words[at + ENTRIES + i] = walk.entries[i]!;
  }
}
