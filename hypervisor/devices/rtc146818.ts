/**
 * MC146818 real-time clock and CMOS memory, as the PC/AT wires it (index 0x70, data 0x71).
 * Reference: Motorola MC146818A datasheet; CMOS byte meanings from the PC/AT technical reference.
 * The time is worked out from the virtual clock when asked; only enabled interrupts are events, and
 * none is scheduled while the line is already high.
 * Left out: daylight saving, the square-wave output, register contents scrambled during the update
 * (UIP tells of it in time).
 */
import type { CountEvent, DeviceClock, IrqLine, PortDevice } from "./device.js";
import * as F from "./rtc-format.js";
import { civilFromDays, daysFromCivil, SECONDS_PER_DAY } from "./civil-time.js";

const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DATE_OF_MONTH = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REG_A = 0x0a;
const REG_B = 0x0b;
const REG_C = 0x0c;
const REG_D = 0x0d;
const CENTURY = 0x32;

const A_UIP = 0x80;
const A_DV_SHIFT = 4;
const A_DV_HELD = 6;
const A_RS = 0x0f;
const A_DEFAULT = 0x26;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;
const ALARM_ANY = 0xc0;
const NMI_MASK = 0x80;
const CMOS_BYTES = 128;

/** UIP rises 244 us before the 1984 us update cycle, which ends as the second begins. */
const UIP_SECONDS = 2228e-6;
const ROUNDING = 1e-6;
const NEVER = Infinity;
const KIB = 1024;
const MIB = 1024 * KIB;
const CHECKSUM_FIRST = 0x10;
const CHECKSUM_LAST = 0x2d;

/** 2003-10-19 00:00:00 UTC, in seconds since 1970: the default start. */
export const DEFAULT_START_TIME = 1_066_521_600;

export interface RtcOptions {
  clock: DeviceClock;
  irq: IrqLine;
  count: CountEvent;
  /** Seconds since 1970 (UTC) when the machine is made; fixed by default, so that runs repeat. */
  startTime?: number;
  /** `nmiMasked` may have changed. */
  onNmiMask?: () => void;
  /** RAM in bytes, told to the guest in the memory-size bytes. */
  memoryBytes?: number;
}

export class Rtc146818 implements PortDevice {
  /** Bit 7 of port 0x70: whether the guest has masked NMI. */
  nmiMasked = false;
  private readonly clock: DeviceClock;
  private readonly irq: IrqLine;
  private readonly countEvent: CountEvent;
  private readonly onNmiMask: () => void;
  private readonly ram = new Uint8Array(CMOS_BYTES);
  private index = 0;
  private flags = 0;
  /** Time of day in seconds since 1970 at virtual second 0; the running time adds the clock's. */
  private epoch: number;
  /** The time shown while updates are held by SET or by the divider, or NaN while time runs. */
  private heldTime = NaN;
  /** What the guest's day of the week differs from the calendar's. */
  private weekdayShift = 0;
  private lastSecond = 0;
  private lastPeriod = 0;
  private nextAlarm = NEVER;
  private event = 0;
  private eventAt = NEVER;
  private lineLevel = false;

  constructor(options: RtcOptions) {
    this.clock = options.clock;
    this.irq = options.irq;
    this.countEvent = options.count;
    this.onNmiMask = options.onNmiMask ?? (() => {});
    this.epoch = Math.floor(options.startTime ?? DEFAULT_START_TIME);
    this.ram[REG_A] = A_DEFAULT;
    this.ram[REG_B] = F.B_24H;
    this.setMemorySize(options.memoryBytes ?? 0);
    this.restartAlarms();
  }

  /** RESET clears the interrupt enables and flags; the time and the memory live on their battery. */
  reset(): void {
    this.ram[REG_B]! &= ~(B_PIE | B_AIE | B_UIE);
    this.flags = 0;
    this.index = 0;
    this.nmiMasked = false;
    this.onNmiMask();
    this.updateIrq();
  }

  /** Starts with the time and the memory of another clock's battery, as after a RESET. */
  inherit(other: Rtc146818): void {
    this.ram.set(other.ram);
    this.epoch = other.epoch;
    this.heldTime = other.heldTime;
    this.weekdayShift = other.weekdayShift;
    this.restartAlarms();
    this.reset();
  }

  /** Sets one byte of CMOS memory (0x0e to 0x7f) from outside, as firmware set-up would. */
  setByte(index: number, value: number): void {
    if (index > REG_D && index < CMOS_BYTES) this.ram[index] = value;
  }

  /** Fills in the memory-size bytes and their checksum for this many bytes of RAM. */
  setMemorySize(bytes: number): void {
    const extended = Math.min(0xffff, Math.max(0, Math.floor((bytes - MIB) / KIB)));
    const above16 = Math.min(0xffff, Math.max(0, Math.floor((bytes - 16 * MIB) / (64 * KIB))));
    this.setWord(0x15, 640);
    this.setWord(0x17, extended);
    this.setWord(0x30, extended);
    this.setWord(0x34, above16);
    let sum = 0;
    for (let i = CHECKSUM_FIRST; i <= CHECKSUM_LAST; i++) sum += this.ram[i]!;
    this.ram[0x2e] = sum >>> 8; // the checksum is the one word kept high byte first
    this.ram[0x2f] = sum;
  }

  read(offset: number): number {
    if (offset === 0) return 0xff; // the index cannot be read back
    return this.readRegister(this.index) & 0xff; // a nonsense date may work out negative
  }

  write(offset: number, _size: number, value: number): void {
    if (offset === 0) {
      this.index = value & (CMOS_BYTES - 1);
      this.nmiMasked = (value & NMI_MASK) !== 0;
      this.onNmiMask();
    } else {
      this.writeRegister(this.index, value);
    }
  }

  private readRegister(index: number): number {
    switch (index) {
      case REG_A: return this.ram[REG_A]! | (this.updateInProgress() ? A_UIP : 0);
      case REG_C: return this.readFlags();
      case REG_D: return D_VRT;
      default: return this.timeField(index) ?? this.ram[index]!;
    }
  }

  private writeRegister(index: number, value: number): void {
    this.noteEvents();
    switch (index) {
      case REG_A:
        this.changeControl(() => { this.ram[REG_A] = value & ~A_UIP; });
        break;
      case REG_B:
        // SET also clears UIE, says the datasheet.
        this.changeControl(() => { this.ram[REG_B] = value & B_SET ? value & ~B_UIE : value; });
        break;
      case REG_C:
      case REG_D:
        break;
      default:
        if (this.timeField(index) !== undefined) this.setTimeField(index, value);
        else this.ram[index] = value;
        this.restartAlarms();
    }
    this.updateIrq();
  }

  /** Reading register C takes all flags at once and releases the line. */
  private readFlags(): number {
    this.noteEvents();
    const value = this.flags | (this.flags & this.ram[REG_B]! ? C_IRQF : 0);
    this.flags = 0;
    this.updateIrq();
    return value;
  }

  /** Changes A or B, and holds or releases time as they say. */
  private changeControl(change: () => void): void {
    const now = this.time();
    change();
    const held = (this.ram[REG_B]! & B_SET) !== 0 || this.ram[REG_A]! >>> A_DV_SHIFT >= A_DV_HELD;
    if (held) {
      if (Number.isNaN(this.heldTime)) this.heldTime = now;
    } else if (!Number.isNaN(this.heldTime)) {
      this.epoch += this.heldTime - this.time(true);
      this.heldTime = NaN;
    }
    this.lastSecond = this.time();
    this.lastPeriod = this.period();
    this.restartAlarms();
  }

  /** Virtual seconds since the machine was made. */
  private seconds(): number {
    return this.clock.now() / this.clock.hz + ROUNDING / this.clock.hz;
  }

  /** Time of day in whole seconds since 1970, as the registers show it (or would, if it ran). */
  private time(running = false): number {
    if (!running && !Number.isNaN(this.heldTime)) return this.heldTime;
    return this.epoch + Math.floor(this.seconds());
  }

  private updateInProgress(): boolean {
    const seconds = this.seconds();
    return Number.isNaN(this.heldTime) && seconds - Math.floor(seconds) >= 1 - UIP_SECONDS;
  }

  /** Frequency of the periodic flag in hertz, 0 when off (RS3-RS0 with a 32,768 Hz time base). */
  private frequency(): number {
    const rs = this.ram[REG_A]! & A_RS;
    return rs === 0 ? 0 : rs <= 2 ? 512 >>> rs : 65_536 >>> rs;
  }

  private period(): number {
    return Math.floor(this.seconds() * this.frequency() + ROUNDING);
  }

  /** A time register's value in the guest's format, undefined for any other index. */
  private timeField(index: number): number | undefined {
    const time = this.time(), form = this.ram[REG_B]!;
    const days = Math.floor(time / SECONDS_PER_DAY);
    const second = time - days * SECONDS_PER_DAY;
    switch (index) {
      case SECONDS: return F.encode(form, second % 60);
      case MINUTES: return F.encode(form, Math.floor(second / 60) % 60);
      case HOURS: return F.encodeHour(form, Math.floor(second / 3600));
      case DAY_OF_WEEK: return F.encode(form, this.weekday(days));
      case DATE_OF_MONTH: return F.encode(form, civilFromDays(days).day);
      case MONTH: return F.encode(form, civilFromDays(days).month);
      case YEAR: return F.encode(form, civilFromDays(days).year % 100);
      case CENTURY: return F.toBcd(Math.floor(civilFromDays(days).year / 100));
      default: return undefined;
    }
  }

  private setTimeField(index: number, value: number): void {
    const time = this.time(), form = this.ram[REG_B]!;
    const days = Math.floor(time / SECONDS_PER_DAY);
    const date = civilFromDays(days);
    const clock = time - days * SECONDS_PER_DAY;
    let second = clock % 60;
    let minute = Math.floor(clock / 60) % 60;
    let hour = Math.floor(clock / 3600);
    switch (index) {
      case SECONDS: second = F.decode(form, value); break;
      case MINUTES: minute = F.decode(form, value); break;
      case HOURS: hour = F.decodeHour(form, value); break;
      case DAY_OF_WEEK: this.weekdayShift = F.decode(form, value) - this.weekday(days) + this.weekdayShift; return;
      case DATE_OF_MONTH: date.day = F.decode(form, value); break;
      case MONTH: date.month = F.decode(form, value); break;
      case YEAR: date.year = Math.floor(date.year / 100) * 100 + F.decode(form, value); break;
      default: date.year = F.fromBcd(value) * 100 + date.year % 100;
    }
    const set = daysFromCivil(date) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    if (Number.isNaN(this.heldTime)) this.epoch += set - time;
    else this.heldTime = set;
    this.lastSecond = this.time();
  }

  /** 1 (Sunday) to 7, moved by what the guest has set. */
  private weekday(days: number): number {
    return ((((days + 4 + this.weekdayShift) % 7) + 7) % 7) + 1; // 1970-01-01 was a Thursday
  }

  private alarmMatches(register: number, value: number): boolean {
    const alarm = this.ram[register]!, form = this.ram[REG_B]!;
    if (alarm >= ALARM_ANY) return true;
    return (register === HOURS_ALARM ? F.decodeHour(form, alarm) : F.decode(form, alarm)) === value;
  }

  /** The first second after this one that the alarm registers match, or NEVER. */
  private findAlarm(after: number): number {
    for (let time = after + 1; time <= after + SECONDS_PER_DAY;) {
      const second = ((time % SECONDS_PER_DAY) + SECONDS_PER_DAY) % SECONDS_PER_DAY;
      if (!this.alarmMatches(HOURS_ALARM, Math.floor(second / 3600))) time += 3600 - (second % 3600);
      else if (!this.alarmMatches(MINUTES_ALARM, Math.floor(second / 60) % 60)) time += 60 - (second % 60);
      else if (!this.alarmMatches(SECONDS_ALARM, second % 60)) time++;
      else return time;
    }
    return NEVER;
  }

  private restartAlarms(): void {
    this.lastSecond = this.time();
    this.nextAlarm = this.findAlarm(this.lastSecond);
  }

  /** Sets the flags of everything that happened since it was last called. */
  private noteEvents(): void {
    const period = this.period();
    if (period > this.lastPeriod && this.frequency() > 0) this.flags |= C_PF;
    this.lastPeriod = period;
    const time = this.time();
    if (time > this.lastSecond) this.flags |= C_UF;
    this.lastSecond = time;
    if (time < this.nextAlarm) return;
    this.flags |= C_AF;
    this.nextAlarm = this.findAlarm(time);
  }

  /** Virtual second of the next enabled interrupt, or NEVER. */
  private nextInterrupt(): number {
    const enabled = this.ram[REG_B]!;
    const frequency = this.frequency();
    let next = NEVER;
    if (enabled & B_PIE && frequency > 0) next = (this.period() + 1) / frequency;
    if (!Number.isNaN(this.heldTime)) return next;
    if (enabled & B_UIE) next = Math.min(next, Math.floor(this.seconds()) + 1);
    if (enabled & B_AIE) next = Math.min(next, this.nextAlarm - this.epoch);
    return next;
  }

  private updateIrq(): void {
    const level = (this.flags & this.ram[REG_B]!) !== 0;
    if (level && !this.lineLevel) this.countEvent("device.rtc.interrupt");
    this.lineLevel = level;
    this.irq(level);
    const next = level ? NEVER : this.nextInterrupt();
    if (next === this.eventAt) return;
    if (this.eventAt !== NEVER) this.clock.cancel(this.event);
    this.eventAt = next;
    if (next !== NEVER) {
      this.event = this.clock.schedule(Math.ceil(next * this.clock.hz), () => {
        this.eventAt = NEVER;
        this.noteEvents();
        this.updateIrq();
      });
    }
  }

  private setWord(index: number, value: number): void {
    this.ram[index] = value;
    this.ram[index + 1] = value >>> 8;
  }
}
