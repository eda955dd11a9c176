import type { Memory } from "../memory.js";

/**
 * Grant tables (public/grant_table.h): a domain lets another map, or copy from and to, single frames of its own. This file is the
 * mechanism: entries, the use counts behind GTF_reading and GTF_writing, and the handles of mappings; the hypercall is grant-table-op.ts.
 */
export const GTF_invalid = 0, GTF_permit_access = 1, GTF_accept_transfer = 2, GTF_type_mask = 3, GTF_readonly = 4, GTF_reading = 8, GTF_writing = 16,
  GTF_transfer_committed = 4, GTF_transfer_completed = 8;
export const GNTST_okay = 0, GNTST_general_error = -1, GNTST_bad_domain = -2, GNTST_bad_gntref = -3, GNTST_bad_handle = -4, GNTST_bad_virt_addr = -5,
  GNTST_bad_dev_addr = -6, GNTST_no_device_space = -7, GNTST_permission_denied = -8, GNTST_bad_page = -9, GNTST_bad_copy_arg = -10;
export const GRANT_ENTRY_BYTES = 8, NR_GRANT_FRAMES = 4, GRANT_ENTRIES = NR_GRANT_FRAMES * 4096 / GRANT_ENTRY_BYTES;
export const GNTMAP_device_map = 1, GNTMAP_host_map = 2, GNTMAP_readonly = 4, GNTMAP_application_map = 8, GNTMAP_contains_pte = 16;

/** Xen's side of one entry while it is in use. */
interface ActiveGrant {
  readonly frame: number;
  readonly domid: number;
  readers: number;
  writers: number;
}

/** How the frame table's references for a granted frame are taken: they are the granting domain's, by its rules. */
export interface GrantedFrames {
  get(frame: number, writable: boolean): boolean;
  put(frame: number, writable: boolean): void;
  /** Machine frame of a frame as the domain names it; absent where domains name machine frames. */
  machine?(frame: number): number;
}

export class GrantTable {
  readonly id: number;
  private readonly newFrame: () => number;
  private readonly memory: Memory;
  /** Frames of the shared table, all of them Xen's. */
  readonly sharedMfns: number[] = [];
  /** Frames the guest has asked for. */
  visibleFrames = 0;
  private readonly active = new Map<number, ActiveGrant>();
  /** Set with the domain: taking references needs its page types. */
  granted: GrantedFrames = { get: () => false, put: () => {} };

  /** `newFrame` gives a frame of the hypervisor's that domain `id` may map. */
  constructor(id: number, newFrame: () => number, memory: Memory) {
    this.id = id;
    this.newFrame = newFrame;
    this.memory = memory;
  }

  /** Makes the table's frames, mappable by the domain. */
  createShared(): void {
    while (this.sharedMfns.length < NR_GRANT_FRAMES) this.sharedMfns.push(this.newFrame());
  }

  private entryAddress(ref: number): number {
    const perFrame = 4096 / GRANT_ENTRY_BYTES;
    return this.sharedMfns[Math.floor(ref / perFrame)] * 4096 + ref % perFrame * GRANT_ENTRY_BYTES;
  }

  valid(ref: number): boolean {
    return ref < GRANT_ENTRIES && this.sharedMfns.length !== 0;
  }

  private flagsOf(ref: number): number { return this.memory.read(this.entryAddress(ref), 2); }
  private domidOf(ref: number): number { return this.memory.read(this.entryAddress(ref) + 2, 2); }
  private frameOf(ref: number): number { return this.memory.read(this.entryAddress(ref) + 4, 4); }
  private setFlags(ref: number, flags: number): void { this.memory.write(this.entryAddress(ref), 2, flags); }

  /** Fills in an entry: for Dom0's own grants, whose table no guest writes. */
  grant(ref: number, domid: number, frame: number, readonly: boolean): void {
    this.memory.write(this.entryAddress(ref) + 2, 2, domid);
    this.memory.write32(this.entryAddress(ref) + 4, frame);
    this.setFlags(ref, GTF_permit_access | (readonly ? GTF_readonly : 0));
  }

  /**
   * Begins a use of entry `ref` by domain `by`: the entry is checked, its in-use bits set and references taken on its frame.
   * Gives the machine frame, or a GNTST_* error.
   */
  acquire(ref: number, by: number, writable: boolean): number {
    if (!this.valid(ref)) return GNTST_bad_gntref;
    const flags = this.flagsOf(ref);
    let grant = this.active.get(ref);
    if ((flags & GTF_type_mask) !== GTF_permit_access || this.domidOf(ref) !== by) return GNTST_general_error;
    if (writable && (flags & GTF_readonly) !== 0) return GNTST_general_error;
    if (grant === undefined) grant = { frame: this.frameOf(ref), domid: by, readers: 0, writers: 0 };
    else if (grant.domid !== by) return GNTST_general_error;
    if (!this.granted.get(grant.frame, writable)) return GNTST_general_error;
    if (writable) grant.writers++;
    else grant.readers++;
    this.active.set(ref, grant);
    this.setFlags(ref, this.flagsOf(ref) | GTF_reading | (writable ? GTF_writing : 0));
    return this.granted.machine?.(grant.frame) ?? grant.frame;
  }

  /** Ends a use. */
  release(ref: number, writable: boolean): void {
    const grant = this.active.get(ref);
    if (grant === undefined) throw new Error(`grant ${ref} is released but not in use`);
    if (writable) grant.writers--;
    else grant.readers--;
    this.granted.put(grant.frame, writable);
    let flags = this.flagsOf(ref);
    if (grant.writers === 0) flags &= ~GTF_writing;
    if (grant.readers + grant.writers === 0) {
      flags &= ~GTF_reading;
      this.active.delete(ref);
    }
    this.setFlags(ref, flags);
  }

  /** For the accounts: frame, readers and writers of each entry in use. */
  uses(): Iterable<{ readonly frame: number; readonly readers: number; readonly writers: number }> {
    return this.active.values();
  }

  /**
   * Takes the frame of an entry that accepts a transfer from domain `from`: gives true once the entry is committed.
   * `complete` then says which frame came.
   */
  commitTransfer(ref: number, from: number): boolean {
    if (!this.valid(ref)) return false;
    const flags = this.flagsOf(ref);
    if (flags !== GTF_accept_transfer || this.domidOf(ref) !== from) return false;
    this.setFlags(ref, flags | GTF_transfer_committed);
    return true;
  }

  completeTransfer(ref: number, frame: number): void {
    this.memory.write32(this.entryAddress(ref) + 4, frame);
    this.setFlags(ref, this.flagsOf(ref) | GTF_transfer_completed);
  }
}
