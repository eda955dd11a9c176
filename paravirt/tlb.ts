import type { Cpu } from "../hypervisor/cpu.js";

/**
 * When the TLB was last emptied, so that a frame which changes its type can tell whether a stale translation to it may be left
 * (Xen's tlbflush_timestamp). Every flush of the domain goes through here.
 */
export class TlbClock {
  private readonly cpu: Cpu;
  private deferred = false;
  private readonly flushEvent: number;
  private readonly invlpgEvent: number;
  /** Number of flushes so far. */
  clock = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.flushEvent = cpu.ledger.id("paravirt.tlb_flush");
    this.invlpgEvent = cpu.ledger.id("paravirt.invlpg");
  }

  flush(): void {
    this.clock++;
    this.deferred = false;
    this.cpu.mmu.flush(false);
    this.cpu.ledger.count(this.flushEvent);
  }

  invalidate(va: number): void {
    this.cpu.mmu.invalidate(va);
    this.cpu.ledger.count(this.invlpgEvent);
  }

  /** Flushes unless that has happened since `stamp`. */
  flushIfSince(stamp: number): void {
    if (stamp >= this.clock) this.flush();
  }

  /** A page table is going: flush before the hypercall (or fault) ends. */
  deferFlush(): void {
    this.deferred = true;
  }

  /** To be called at the end of whatever may have deferred a flush. */
  settle(): void {
    if (this.deferred) this.flush();
  }
}
