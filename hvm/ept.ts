import { PAGE_SIZE } from "../hypervisor/heap.js";
import type { Ledger } from "../hypervisor/ledger.js";
import type { Memory } from "../hypervisor/memory.js";
import type { MonitorFrames } from "../hypervisor/shadow/monitor-frames.js";
import { GuestCrash } from "../hypervisor/trap.js";
import { EPT_EXECUTE, EPT_READ, EPT_WRITE } from "./qualifications.js";

/**
 * Extended page tables (SDM vol. 3C, 28.2): four levels of 512 entries of 64 bits in machine frames, from guest-physical
 * to machine-physical addresses. Physical addresses have 32 bits here, so that an entry's high word is 0.
 */
export const EPT_RWX = EPT_READ | EPT_WRITE | EPT_EXECUTE;
export const EPT_LARGE = 1 << 7;
const MEMORY_TYPE_SHIFT = 3;
export const MEMORY_UNCACHEABLE = 0, MEMORY_WRITE_BACK = 6;
/** EPTP: write-back tables, a walk of four levels (24.6.11). */
const EPTP_FLAGS = MEMORY_WRITE_BACK | 3 << 3;
export const LEVELS = 4;

/** Outcome of one EPT walk; one record, reused. */
export interface EptWalk {
  outcome: "mapped" | "violation" | "misconfig";
  /** Machine-physical address of the byte asked for. */
  address: number;
  /** Rights that all entries used grant together, EPT_READ | EPT_WRITE | EPT_EXECUTE. */
  rights: number;
  /** Entries read, and the machine-physical address of each. */
  references: number;
  readonly entries: Int32Array;
  /** Bytes that the leaf maps. */
  pageBytes: number;
}

export function createEptWalk(): EptWalk {
  return { outcome: "mapped", address: 0, rights: 0, references: 0, entries: new Int32Array(LEVELS), pageBytes: 4096 };
}

/** Machine-physical address of the entry for `gpa` in the level-`level` table at `table`. */
function entryAddress(table: number, level: number, gpa: number): number {
  const shift = 12 + 9 * (level - 1);
  return table + (shift >= 32 ? 0 : (gpa >>> shift & 0x1ff) << 3);
}

/** Reserved bits, and rights that mean nothing (28.2.3.1). Execute-only is not supported. */
function isMisconfigured(low: number, high: number, level: number): boolean {
  const rights = low & EPT_RWX;
  if (rights === EPT_WRITE || rights === (EPT_WRITE | EPT_EXECUTE) || rights === EPT_EXECUTE) return true;
  if (high !== 0) return true;
  const leaf = level === 1 || (low & EPT_LARGE) !== 0;
  if (!leaf) return (low & 0x78) !== 0;
  if (level === 4 || (level > 1 && (low & ((1 << 12 + 9 * (level - 1)) - 1) & ~0xfff) !== 0)) return true;
  const type = low >> MEMORY_TYPE_SHIFT & 7;
  return type === 2 || type === 3 || type === 7;
}

/**
 * Walks the tables at `eptp` for an access (EPT_READ, EPT_WRITE or EPT_EXECUTE) to `gpa`, as the processor does on a miss.
 * An entry that is not present ends the walk with no rights; a misconfigured one whatever the access.
 */
export function walkEpt(walk: EptWalk, memory: Memory, eptp: number, gpa: number, access: number): EptWalk {
  let table = eptp & ~0xfff;
  walk.references = 0;
  walk.rights = EPT_RWX;
  for (let level = LEVELS; ; level--) {
    const at = entryAddress(table >>> 0, level, gpa);
    const low = memory.read32(at), high = memory.read32(at + 4);
    walk.entries[walk.references++] = at;
    if ((low & EPT_RWX) === 0) {
      walk.rights = 0;
      return fail(walk, "violation");
    }
    if (isMisconfigured(low, high, level)) return fail(walk, "misconfig");
    walk.rights &= low;
    if (level > 1 && (low & EPT_LARGE) === 0) {
      table = low & ~0xfff;
      continue;
    }
    if ((walk.rights & access) !== access) return fail(walk, "violation");
    const pageMask = level === 1 ? 0xfff : (1 << 12 + 9 * (level - 1)) - 1;
    walk.pageBytes = pageMask + 1;
    walk.address = ((low & ~0xfff & ~pageMask) | (gpa & pageMask)) >>> 0;
    walk.outcome = "mapped";
    return walk;
  }
}

function fail(walk: EptWalk, outcome: "violation" | "misconfig"): EptWalk {
  walk.outcome = outcome;
  return walk;
}

/** The monitor's side: builds and changes the tables, one frame of the monitor's a table. */
export class Ept {
  private readonly memory: Memory;
  private readonly frames: MonitorFrames;
  private readonly tableEvent: number;
  private readonly ledger: Ledger;
  /** The EPT pointer for the VMCS. */
  readonly pointer: number;
  /** Told when an entry that was present has changed: what the processor keeps of the tables may hold no longer. */
  onChange: () => void = () => {};

  constructor(memory: Memory, ledger: Ledger, frames: MonitorFrames) {
    this.memory = memory;
    this.frames = frames;
    this.ledger = ledger;
    this.tableEvent = ledger.id("ept.table");
    this.pointer = this.newTable() | EPTP_FLAGS;
  }

  private newTable(): number {
    const frame = this.frames.allocate();
    if (frame < 0) throw new GuestCrash("no monitor memory is left for EPT tables");
    this.ledger.count(this.tableEvent);
    return frame << 12;
  }

  /** Maps the guest frame of `gpa` to a machine frame with EPT_* rights and a MEMORY_* type. */
  map(gpa: number, machineFrame: number, rights: number, memoryType: number): void {
    this.setLeaf(gpa, 1, machineFrame << 12 | rights | memoryType << MEMORY_TYPE_SHIFT);
  }

  /** Maps the 2 MB around `gpa` to as many bytes of machine memory from `machineFrame` on, which is aligned to them. */
  mapLarge(gpa: number, machineFrame: number, rights: number, memoryType: number): void {
    this.setLeaf(gpa, 2, machineFrame << 12 | rights | memoryType << MEMORY_TYPE_SHIFT | EPT_LARGE);
  }

  /**
   * Marks a guest frame as devices' registers: its entry grants writing without reading, so that every access to it is
   * an EPT misconfiguration and needs no second look at the rights (as monitors do to tell MMIO from memory).
   */
  mapDevice(gpa: number): void {
    this.setLeaf(gpa, 1, EPT_WRITE | EPT_EXECUTE);
  }

  unmap(gpa: number): void {
    this.setLeaf(gpa, 1, 0);
  }

  /** Unmaps everything; the tables stay for what is mapped next. */
  clear(): void {
    this.clearTable(this.pointer & ~0xfff, LEVELS);
    this.onChange();
  }

  private clearTable(table: number, level: number): void {
    for (let at = table >>> 0, end = at + PAGE_SIZE; at < end; at += 8) {
      const entry = this.memory.read32(at);
      if ((entry & EPT_RWX) === 0) continue;
      if (level > 1 && (entry & EPT_LARGE) === 0) this.clearTable(entry & ~0xfff, level - 1);
      else this.memory.write32(at, 0);
    }
  }

  private setLeaf(gpa: number, leafLevel: number, entry: number): void {
    let table = this.pointer & ~0xfff;
    for (let level = LEVELS; level > leafLevel; level--) {
      const at = entryAddress(table >>> 0, level, gpa);
      let next = this.memory.read32(at);
      if ((next & EPT_RWX) === 0) {
        next = this.newTable() | EPT_RWX;
        this.memory.write32(at, next);
      }
      table = next & ~0xfff;
    }
    const at = entryAddress(table >>> 0, leafLevel, gpa), before = this.memory.read32(at);
    this.memory.write32(at, entry);
    if ((before & EPT_RWX) !== 0) this.onChange();
  }
}
