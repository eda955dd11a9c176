import { timeStampCounter } from "../hypervisor/model-specific-registers.js";
import { DEFAULT_START_TIME } from "../hypervisor/devices/rtc146818.js";
import type { Domain } from "./domain.js";
import { SHARED_WC_NSEC, SHARED_WC_SEC, SHARED_WC_VERSION, TIME_SYSTEM_TIME, TIME_TSC_SHIFT, TIME_TSC_TIMESTAMP, TIME_TSC_TO_SYSTEM_MUL,
  TIME_VERSION, VCPU_TIME, VIRQ_TIMER } from "../hypervisor/xen/public/xen.js";

/**
 * Xen's times: the cycle counter, system time (nanoseconds since boot, the guest computes it from the counter by the numbers in
 * vcpu_time_info), wall-clock time, and the timers that raise VIRQ_TIMER.
 */
const BILLION = 1_000_000_000;
/** Xen ticks every running virtual processor this often until told otherwise (public/vcpu.h). */
const DEFAULT_PERIOD_NS = 10_000_000;

export class DomainTime {
  private readonly d: Domain;
  private single = 0;
  private periodic = 0;
  private periodNs = DEFAULT_PERIOD_NS;
  private nextTickNs = 0;
  private running = false;
  /** Multiplier and shift of vcpu_time_info for the processor's clock. */
  private readonly multiplier: number;
  private readonly shift: number;

  constructor(d: Domain) {
    this.d = d;
    let hz = BigInt(Math.round(d.cpu.clock.hz)), shift = 0;
    for (; hz > 2n * BigInt(BILLION); hz >>= 1n) shift--;
    for (; hz <= BigInt(BILLION); hz <<= 1n) shift++;
    this.shift = shift;
    this.multiplier = Number((BigInt(BILLION) << 32n) / hz);
  }

  /** System time in nanoseconds, a double. */
  now(): number {
    return this.nsOf(this.d.cpu.clock.now());
  }

  private nsOf(cycles: number): number {
    return Math.floor(cycles / this.d.cpu.clock.hz * BILLION);
  }

  private cyclesOf(ns: number): number {
    return Math.ceil(ns / BILLION * this.d.cpu.clock.hz);
  }

  /** Fills in what never changes, and starts the tick; wall-clock time at boot is as the RTC's, seconds since 1970. */
  start(epochSeconds: number = DEFAULT_START_TIME): void {
    const { memory, sharedInfoMfn } = this.d;
    const base = sharedInfoMfn * 4096;
    memory.write32(base + SHARED_WC_VERSION, 2);
    memory.write32(base + SHARED_WC_SEC, epochSeconds);
    memory.write32(base + SHARED_WC_NSEC, 0);
    this.update();
    this.resume();
  }

  /** Brings vcpu_time_info up to date; its version is odd meanwhile. */
  update(): void {
    const { memory, sharedInfoMfn, cpu } = this.d;
    const base = sharedInfoMfn * 4096 + VCPU_TIME;
    const version = memory.read32(base + TIME_VERSION);
    memory.write32(base + TIME_VERSION, version + 1);
    const [low, high] = timeStampCounter(cpu);
    memory.write32(base + TIME_TSC_TIMESTAMP, low);
    memory.write32(base + TIME_TSC_TIMESTAMP + 4, high);
    const ns = this.now();
    memory.write32(base + TIME_SYSTEM_TIME, ns >>> 0);
    memory.write32(base + TIME_SYSTEM_TIME + 4, Math.floor(ns / 2 ** 32));
    memory.write32(base + TIME_TSC_TO_SYSTEM_MUL, this.multiplier);
    memory.write(base + TIME_TSC_SHIFT, 1, this.shift & 0xff);
    memory.write32(base + TIME_VERSION, version + 2);
  }

  private raise(): void {
    this.d.count("interrupt.external");
    this.update();
    this.d.events.raiseVirq(VIRQ_TIMER);
  }

  /** Raises VIRQ_TIMER once system time reaches `ns`, in place of an earlier request. */
  setSingleShot(ns: number): void {
    this.stopSingleShot();
    // One cycle more, so that rounding never lets the guest see a time before the one it asked for.
    this.single = this.d.cpu.clock.schedule(this.cyclesOf(ns) + 1, () => {
      this.single = 0;
      this.raise();
    });
  }

  stopSingleShot(): void {
    if (this.single !== 0) this.d.cpu.clock.cancel(this.single);
    this.single = 0;
  }

  /** Raises VIRQ_TIMER every `ns` while the processor is not blocked; 0 stops that. */
  setPeriod(ns: number): void {
    this.periodNs = ns;
    this.nextTickNs = 0;
    this.suspend();
    this.resume();
  }

  /** The processor blocks: it is not ticked. */
  suspend(): void {
    this.running = false;
    if (this.periodic !== 0) this.d.cpu.clock.cancel(this.periodic);
    this.periodic = 0;
  }

  /** The processor runs again: a tick that is overdue comes at once. */
  resume(): void {
    if (this.running || this.periodNs === 0) return;
    this.running = true;
    const now = this.now();
    if (this.nextTickNs === 0) this.nextTickNs = now + this.periodNs;
    this.schedule(Math.max(now, this.nextTickNs));
  }

  private schedule(ns: number): void {
    this.periodic = this.d.cpu.clock.schedule(this.cyclesOf(ns), () => {
      this.nextTickNs = this.now() + this.periodNs;
      this.schedule(this.nextTickNs);
      this.raise();
    });
  }
}
