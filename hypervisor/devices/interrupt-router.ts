/**
 * Where the PC's interrupt lines go: each IRQ to the pair of 8259s and to the I/O APIC (IRQ 0 to its input 2), the 8259s'
 * INTR to the local APIC's LINT0; and what the processor sees of them all.
 * Reference: MultiProcessor Specification 1.4, 3.6.2 (virtual wire mode).
 */
import type { CountEvent, DeviceClock, IrqLine, SignalLine } from "./device.js";
import { IoApic } from "./apic-io.js";
import { LocalApic } from "./apic-local.js";
import { Pic8259Pair } from "./pic8259.js";

/** Input of the I/O APIC that the timer's IRQ 0 is wired to. */
export const TIMER_INPUT = 2;

export interface RouterOptions {
  readonly clock: DeviceClock;
  readonly count: CountEvent;
  /** INTR to the processor changed. */
  readonly intr: SignalLine;
  readonly nmi?: () => void;
  /** False: a PC of before the APIC; INTR comes from the 8259s alone. */
  readonly apic: boolean;
}

export class InterruptRouter {
  readonly pic: Pic8259Pair;
  readonly localApic: LocalApic | undefined;
  readonly ioApic: IoApic | undefined;
  private readonly lines: readonly IrqLine[];
  private readonly intrLine: SignalLine;
  private readonly nmi: () => void;
  private level = false;

  constructor(options: RouterOptions) {
    const { count } = options;
    const changed = (): void => this.changed();
    this.intrLine = options.intr;
    this.nmi = options.nmi ?? (() => {});
    if (options.apic) {
      const local = new LocalApic({
        clock: options.clock, count, nmi: options.nmi, endOfInterrupt: vector => this.ioApic?.endOfInterrupt(vector), changed,
      });
      this.ioApic = new IoApic((destination, logical, delivery, vector, level) => local.receive(destination, logical, delivery, vector, level), count);
      this.localApic = local;
      this.pic = new Pic8259Pair({ intr: local.setLint0, count });
    } else this.pic = new Pic8259Pair({ intr: changed, count });
    const { ioApic } = this;
    this.lines = Array.from({ length: 16 }, (_, irq) => {
      const toPic = this.pic.line(irq);
      const toIoApic = ioApic?.line(irq === 0 ? TIMER_INPUT : irq);
      return irq === TIMER_INPUT || !toIoApic ? toPic : (level: boolean) => { toPic(level); toIoApic(level); };
    });
  }

  /** The line of an ISA IRQ, for a device to hold. */
  line(irq: number): IrqLine {
    return this.lines[irq]!;
  }

  /** Level of INTR. */
  get intr(): boolean {
    return this.level;
  }

  /** Whether INTR could rise by itself: a line, or the local APIC's timer, is let through somewhere. */
  get mayInterrupt(): boolean {
    const { localApic, ioApic, pic } = this;
    if (this.level) return true;
    if (localApic === undefined) return pic.anyEnabled;
    return (localApic.takesPic && pic.anyEnabled) || (localApic.enabled && (localApic.timerEnabled || (ioApic?.anyEnabled ?? false)));
  }

  /** Whether a line is wired to NMI: the 8259s' by LINT0, or one of the I/O APIC's. */
  get mayNmi(): boolean {
    return (this.localApic?.lint0IsNmi ?? false) || (this.ioApic?.anyNmi ?? false);
  }

  /** An edge of the chip set's NMI line. */
  nmiPin(): void {
    if (this.localApic) this.localApic.nmiPin();
    else this.nmi();
  }

  /** The interrupt acknowledge cycle: the vector of the interrupt taken. */
  acknowledge(): number {
    const vector = this.localApic?.acknowledge() ?? -1;
    const taken = vector >= 0 ? vector : this.pic.acknowledge();
    this.changed();
    return taken;
  }

  private changed(): void {
    const level = this.localApic ? this.localApic.intr : this.pic?.intr ?? false; // a part may speak up while it is made
    if (level === this.level) return;
    this.level = level;
    this.intrLine(level);
  }

  reset(): void {
    this.pic.reset();
    this.localApic?.reset();
    this.ioApic?.reset();
  }
}
