import type { Cpu } from "../cpu.js";
import * as S from "../cpu-state.js";
import { pagingMode } from "../native.js";
import type { Shadow } from "./shadow.js";

/** CR0 and CR4 bits that decide how addresses are translated. */
const CR0_PAGING = S.CR0_PG | S.CR0_WP, CR4_PAGING = S.CR4_PSE | S.CR4_PAE | S.CR4_PGE;

/** Keeps the shadow's root and paging mode with a processor's CR0, CR3 and CR4. */
export interface PagingTracker {
  /** Before a translation: anything may have changed that flushed the TLB. */
  follow(cpu: Cpu): void;
  /** CR3 was loaded, be it with the same value. */
  load(cpu: Cpu): void;
}

/** Tracks the control registers of whoever has them in the state words: under dbt and in the monitor's work the guest's. */
export function createPagingTracker(shadow: Shadow): PagingTracker {
  let cr0 = -1, cr3 = -1, cr4 = -1;
  const load = (cpu: Cpu): void => {
    cr0 = cpu.cr0 & CR0_PAGING;
    cr3 = cpu.cr3;
    cr4 = cpu.cr4 & CR4_PAGING;
    shadow.setRoot(cr3, { ...pagingMode(cpu), paging: cpu.paging });
  };
  return {
    load,
    follow: (cpu) => {
      if ((cpu.cr0 & CR0_PAGING) !== cr0 || cpu.cr3 !== cr3 || (cpu.cr4 & CR4_PAGING) !== cr4) load(cpu);
    },
  };
}
