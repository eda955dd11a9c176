import { createMachine, type Machine } from "../../hypervisor/machine.js";
import type { CostProfile } from "../../hypervisor/ledger.js";
import { createWalk, PTE_A, PTE_D, PTE_P, PTE_PS, PTE_RW, PTE_US, walkPageTables } from "../../hypervisor/paging.js";
import { createPhysicalMap, type PhysicalMap } from "../../hypervisor/shadow/p2m.js";
import { createShadow, type GuestPaging, type Shadow } from "../../hypervisor/shadow/shadow.js";
import { Trap } from "../../hypervisor/trap.js";

export const PROFILE: CostProfile = {
  schema: "trivisor/profile@1", name: "unit", title: "one cycle an instruction", hz: 1e9,
  cyclesPerInstruction: { cycles: 1, source: "-" }, tlb: { data: 64, instruction: 32, source: "-" }, costs: {},
};

export const P = PTE_P, RW = PTE_RW, US = PTE_US, A = PTE_A, D = PTE_D, PS = PTE_PS, G = 0x100;
export const PLAIN: GuestPaging = { paging: true, pae: false, pse: true, wp: true, pge: true };
export const PAE: GuestPaging = { ...PLAIN, pae: true };

/** What an access came to: the value, or the page fault's error code. */
export type Outcome = { readonly value: number } | { readonly fault: number };

/** A machine without a program: the test plays the processor and the guest's kernel. */
export class Guest {
  readonly machine: Machine;
  readonly p2m: PhysicalMap;
  readonly shadow: Shadow;
  mode: GuestPaging = PLAIN;
  root = 0;

  constructor(guestPages = 0x400, monitorPages = 64) {
    this.machine = createMachine(PROFILE, guestPages * 4096, monitorPages * 4096);
    this.p2m = createPhysicalMap(this.machine);
    const shadow = createShadow(this.machine, this.p2m);
    this.shadow = shadow;
    const { cpu } = this.machine;
    cpu.strategy = { ...cpu.strategy, translate: (_cpu, la, access, user) => shadow.translate(la, access, user) };
  }

  /** Loads the guest's CR3 under a paging mode. */
  load(root: number, mode: GuestPaging = PLAIN): void {
    this.root = root;
    this.mode = mode;
    this.shadow.setRoot(root, mode);
  }

  read(la: number, user = false): Outcome {
    return this.attempt(() => this.machine.cpu.mmu.readAs(la, 4, user) | 0);
  }

  /** A store by the guest; one that traces is let through as a monitor does. */
  write(la: number, value: number, user = false): Outcome {
    const store = (): number => {
      this.machine.cpu.mmu.writeAs(la, 4, value, user);
      return value;
    };
    return this.attempt(() => {
      try {
        return store();
      } catch (error) {
        if (!(error instanceof Trap) || this.shadow.takeTrace() === null) throw error;
        this.shadow.step(store);
        return value;
      }
    });
  }

  private attempt(action: () => number): Outcome {
    try {
      return { value: action() };
    } catch (error) {
      if (!(error instanceof Trap)) throw error;
      return { fault: error.errorCode! };
    }
  }

  /** What a processor with the guest's own tables would do; sets A and D as it would. */
  expected(la: number, write: boolean, user: boolean): { readonly pa: number } | { readonly fault: number } {
    const walk = walkPageTables(createWalk(), this.p2m, this.root, this.mode, la, write, user, true);
    return walk.fault ? { fault: walk.error } : { pa: (walk.pa | la & 0xfff) >>> 0 };
  }

  count(event: string): number {
    return this.machine.ledger.countOf(event);
  }

  /** Words of guest-physical memory, written before any shadow exists (a loader). */
  poke(gpa: number, ...words: number[]): void {
    words.forEach((word, i) => this.p2m.write32(gpa + 4 * i, word));
  }

  peek(gpa: number): number {
    return this.p2m.read32(gpa);
  }
}

export const DIRECTORY = 0x10000, TABLE = 0x11000, KERNEL_TABLE = 0x12000, DATA = 0x200000;
/** Where the kernel sees all of guest-physical memory's first 4 MB. */
export const KERNEL = 0xc0000000 | 0;

/**
 * Tables as a small kernel has them: 0x400000.. is user memory through TABLE (pages of DATA), KERNEL is all of low memory
 * through KERNEL_TABLE, so that the kernel writes its page tables at KERNEL + their address.
 */
export function smallKernel(guest: Guest): void {
  guest.poke(DIRECTORY + 4 * 1, TABLE | P | RW | US);
  guest.poke(DIRECTORY + 4 * 0x300, KERNEL_TABLE | P | RW);
  for (let i = 0; i < 8; i++) guest.poke(TABLE + 4 * i, DATA + i * 0x1000 | P | RW | US);
  for (let i = 0; i < 0x400; i++) guest.poke(KERNEL_TABLE + 4 * i, i << 12 | P | RW | G);
  for (let i = 0; i < 16; i++) guest.poke(DATA + i * 0x1000, 0x1000 + i);
  guest.load(DIRECTORY);
}
