import { PAGE_SIZE, RAM_BASE } from "../heap.js";
import type { Machine } from "../machine.js";

const WORDS = PAGE_SIZE / 4;

/** A traced page that is writable while one write is let through. */
interface OpenPage {
  readonly gfn: number;
  readonly machineFrame: number;
  /** The page's words before the write. */
  readonly before: Int32Array;
}

/** A word of a traced page was written: guest frame, byte offset of the word, its value before. */
export type WordChanged = (gfn: number, offset: number, before: number) => void;

/**
 * Traced pages that are open for one instruction (or one delivery by the monitor): writable in the TLB alone, compared
 * with a copy when it is over, and closed again.
 */
export class OpenPages {
  private readonly machine: Machine;
  private readonly i32: Int32Array;
  private readonly open: OpenPage[] = [];
  private readonly linear: number[] = [];
  private readonly spare: Int32Array[] = [];

  constructor(machine: Machine) {
    this.machine = machine;
    this.i32 = machine.heap.i32;
  }

  /** Opens a guest frame for a write at linear address `la`; the caller puts the translation in the TLB. */
  add(gfn: number, machineFrame: number, la: number): void {
    this.linear.push(la);
    if (this.open.some((page) => page.gfn === gfn)) return;
    const before = this.spare.pop() ?? new Int32Array(WORDS);
    const start = RAM_BASE + machineFrame * PAGE_SIZE >> 2;
    before.set(this.i32.subarray(start, start + WORDS));
    this.open.push({ gfn, machineFrame, before });
  }

  /** Protects the open pages again and tells each word that changed; gives the guest frames that had been open. */
  close(changed: WordChanged): readonly number[] {
    if (this.open.length === 0) return [];
    const pages = this.open.splice(0);
    for (const la of this.linear.splice(0)) this.machine.cpu.mmu.invalidate(la);
    for (const { gfn, machineFrame, before } of pages) {
      const start = RAM_BASE + machineFrame * PAGE_SIZE >> 2;
      for (let i = 0; i < WORDS; i++) if (this.i32[start + i] !== before[i]) changed(gfn, i * 4, before[i]!);
      this.spare.push(before);
    }
    return pages.map((page) => page.gfn);
  }
}
