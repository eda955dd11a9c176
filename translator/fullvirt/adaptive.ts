import type { Ledger } from "../../hypervisor/ledger.js";

/** Trace faults of one instruction before it is rewritten into a callout. */
export const ADAPT_AFTER = 8;
/** Executions in a row of a callout that wrote no traced page before the instruction is made itself again. */
export const REVERT_AFTER = 256;

/** What is known of one instruction that has written a traced page. */
interface Suspect {
  traces: number;
  callout: boolean;
  idle: number;
}

/**
 * Adaptive retranslation ("innocent until proven guilty", ASPLOS 2006, 3.3): kernel instructions that trace often are
 * rewritten into callouts that update guest entry and shadow, which costs less than a fault; one that has stopped is
 * rewritten back. Both rewritings count `dbt.adapt` and `dbt.revert`.
 */
export class AdaptiveCallouts {
  private readonly suspects = new Map<number, Suspect>();
  private readonly ledger: Ledger;
  private readonly changed: (eip: number) => void;

  /** `changed` is told when the instruction at an address is to be translated anew. */
  constructor(ledger: Ledger, changed: (eip: number) => void) {
    this.ledger = ledger;
    this.changed = changed;
  }

  isCallout(eip: number): boolean {
    return this.suspects.get(eip)?.callout === true;
  }

  /** The instruction at `eip` has caused a trace fault. */
  traced(eip: number): void {
    let suspect = this.suspects.get(eip);
    if (suspect === undefined) this.suspects.set(eip, suspect = { traces: 0, callout: false, idle: 0 });
    if (suspect.callout || ++suspect.traces < ADAPT_AFTER) return;
    suspect.callout = true;
    suspect.idle = 0;
    this.ledger.event("dbt.adapt");
    this.changed(eip);
  }

  /** The callout at `eip` has run; `useful` when it wrote a traced page. */
  ran(eip: number, useful: boolean): void {
    const suspect = this.suspects.get(eip);
    if (suspect === undefined) return;
    suspect.idle = useful ? 0 : suspect.idle + 1;
    if (suspect.idle < REVERT_AFTER) return;
    this.suspects.delete(eip);
    this.ledger.event("dbt.revert");
    this.changed(eip);
  }
}
