import { DOMID_INVALID, DOMID_XEN } from "../hypervisor/xen/public/xen.js";

/** What a frame is used as while its type count is not zero (Xen's PGT_* types, asm-x86/mm.h). Exclusive of each other. */
export const PGT_none = 0, PGT_l1_page_table = 1, PGT_l2_page_table = 2, PGT_l3_page_table = 3, PGT_gdt_page = 5, PGT_ldt_page = 6, PGT_writable_page = 7;
export const PGT_NAMES: Readonly<Record<number, string>> = {
  0: "none", 1: "l1_page_table", 2: "l2_page_table", 3: "l3_page_table", 5: "gdt_page", 6: "ldt_page", 7: "writable_page",
};

/** Where an L1 table is hooked in: heap address of the one L2 entry, or one of these. */
export const BACKPTR_MUTABLE = -1, BACKPTR_MANY = -2;

const COUNT_LIMIT = 2 ** 29 - 1, TYPE_COUNT_LIMIT = 2 ** 16 - 1;

/**
 * Who owns each machine frame, how often it is referred to, and what as: the record behind every check of the interface.
 * A frame is kept while `count` is not zero; it has one type while `typeCount` is not zero.
 */
export class FrameTable {
  readonly frames: number;
  /** Domain number; DOMID_INVALID for a free frame. */
  readonly owner: Uint16Array;
  readonly count: Int32Array;
  /** The owner's own reference, counted in `count` (PGC_allocated). */
  readonly allocated: Uint8Array;
  readonly type: Uint8Array;
  readonly typeCount: Int32Array;
  /** PGT_pinned: the guest's own reference to the type, counted in both counts. */
  readonly pinned: Uint8Array;
  /** PGT_validated: the content has been checked for the type. */
  readonly validated: Uint8Array;
  /** PGT_pae_xen_l2: this L2 table holds Xen's slots. */
  readonly xenL2: Uint8Array;
  readonly backPointer: Int32Array;
  /** TlbClock when the type count last fell to zero; -1 before. */
  readonly tlbStamp: Float64Array;
  /** Free frames that may be given to domains; taken from the end. */
  readonly free: number[] = [];
  private readonly xenStart: number;
  private nextXen: number;
  private readonly pages = new Map<number, number>();
  /** A frame has lost its last reference and is free again. */
  onRelease: (mfn: number) => void = () => {};

  /** `xenStart`: first frame of Xen's heap, which reaches to the end of memory. Frame 0 belongs to Xen too. */
  constructor(frames: number, xenStart: number) {
    this.frames = frames;
    this.owner = new Uint16Array(frames).fill(DOMID_INVALID);
    this.count = new Int32Array(frames);
    this.allocated = new Uint8Array(frames);
    this.type = new Uint8Array(frames);
    this.typeCount = new Int32Array(frames);
    this.pinned = new Uint8Array(frames);
    this.validated = new Uint8Array(frames);
    this.xenL2 = new Uint8Array(frames);
    this.backPointer = new Int32Array(frames).fill(BACKPTR_MUTABLE);
    this.tlbStamp = new Float64Array(frames).fill(-1);
    this.xenStart = xenStart;
    this.nextXen = xenStart;
    this.owner.fill(DOMID_XEN, xenStart);
    this.owner[0] = DOMID_XEN;
  }

  /** Takes the next frame of Xen's heap. */
  allocateXen(): number {
    if (this.nextXen >= this.frames) throw new RangeError("Xen's heap is exhausted: the machine needs more monitor memory");
    const mfn = this.nextXen++;
    this.count[mfn] = 1;
    return mfn;
  }

  /** Takes a frame of Xen's heap that domain `domid` may map. */
  allocateShared(domid: number): number {
    const mfn = this.allocateXen();
    this.share(mfn, domid);
    return mfn;
  }

  /** Xen's heap frames left. */
  get xenFramesLeft(): number {
    return this.frames - this.nextXen;
  }

  /** Gives a free frame to a domain; -1 when there is none. */
  allocate(domid: number): number {
    const mfn = this.free.pop();
    if (mfn === undefined) return -1;
    this.give(mfn, domid);
    return mfn;
  }

  /** Makes an unowned frame a domain's, with the one reference that says so. */
  give(mfn: number, domid: number): void {
    this.owner[mfn] = domid;
    this.count[mfn] = 1;
    this.allocated[mfn] = 1;
    this.type[mfn] = PGT_none;
    this.validated[mfn] = 0;
    this.pages.set(domid, this.pagesOf(domid) + 1);
  }

  /** Lets a domain map a Xen frame (shared_info, grant table): its type stays writable for good, so it never is a page table. */
  share(mfn: number, domid: number): void {
    this.owner[mfn] = domid;
    this.allocated[mfn] = 1;
    this.type[mfn] = PGT_writable_page;
    this.typeCount[mfn] = 1;
    this.validated[mfn] = 1;
  }

  /** Whether a frame is of Xen's heap, shared or not: no domain can give it away. */
  isXenHeap(mfn: number): boolean {
    return mfn === 0 || mfn >= this.xenStart;
  }

  /** Frames a domain has been given. */
  pagesOf(domid: number): number {
    return this.pages.get(domid) ?? 0;
  }

  valid(mfn: number): boolean {
    return mfn >= 0 && mfn < this.frames;
  }

  /** Takes a reference on a frame of domain `domid`; false when it is another's, free, or does not exist. */
  getPage(mfn: number, domid: number): boolean {
    if (!this.valid(mfn) || this.owner[mfn] !== domid) return false;
    const count = this.count[mfn]!;
    if (count === 0 || count === COUNT_LIMIT) return false;
    this.count[mfn] = count + 1;
    return true;
  }

  /** Drops a reference; with the last one the frame is free. */
  putPage(mfn: number): void {
    const count = --this.count[mfn]!;
    if (count < 0) throw new Error(`frame ${mfn.toString(16)} has lost more references than it had`);
    if (count === 0) this.release(mfn);
  }

  private release(mfn: number): void {
    const owner = this.owner[mfn]!;
    this.pages.set(owner, this.pagesOf(owner) - 1);
    this.owner[mfn] = DOMID_INVALID;
    this.type[mfn] = PGT_none;
    this.validated[mfn] = 0;
    this.free.push(mfn);
    this.onRelease(mfn);
  }

  /** Ends a domain's ownership of a frame that nothing refers to, without freeing it (page transfer); false when something does. */
  steal(mfn: number, domid: number): boolean {
    if (!this.valid(mfn) || this.isXenHeap(mfn) || this.owner[mfn] !== domid || this.count[mfn] !== 1 || this.allocated[mfn] === 0) return false;
    this.allocated[mfn] = 0;
    this.count[mfn] = 0;
    this.owner[mfn] = DOMID_INVALID;
    this.pages.set(domid, this.pagesOf(domid) - 1);
    return true;
  }

  /** Whether one more reference to the type fits. */
  typeCountFits(mfn: number): boolean {
    return this.typeCount[mfn]! < TYPE_COUNT_LIMIT;
  }

  isType(mfn: number, type: number): boolean {
    return this.valid(mfn) && this.type[mfn] === type && this.typeCount[mfn] !== 0;
  }
}
