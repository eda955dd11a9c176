/**
 * INT 1Ah and the timer's interrupt: ticks since midnight, the real-time clock, and the PCI BIOS.
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference, interrupts 08h and 1Ah; PCI BIOS Specification 2.1.
 * Left out: alarms; INT 1Ah's 32-bit entry (BIOS32).
 */
import type { AccessSize, PortDevice } from "../devices/device.js";
import * as B from "./bda.js";
import type { Frame } from "./frame.js";

/** Ticks in a day, at 1,193,182 / 65,536 a second. */
const DAY_TICKS = 0x1800b0;
const SECONDS = 0x00, MINUTES = 0x02, HOURS = 0x04, DAY = 0x07, MONTH = 0x08, YEAR = 0x09, CENTURY = 0x32, REG_B = 0x0b, B_SET = 0x80;
const PCI_PRESENT = 0x20494350, PCI_BAD_REGISTER = 0x87, PCI_NO_DEVICE = 0x86, PCI_UNSUPPORTED = 0x81;
const PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc, DEVICES = 32, FUNCTIONS = 8;

/** Port space, as the services reach the configuration registers. */
export interface PortAccess {
  read(port: number, size: AccessSize): number;
  write(port: number, size: AccessSize, value: number): void;
}

export class ClockServices {
  private readonly cells: B.Cells;
  private readonly rtc: PortDevice;
  private readonly ports: PortAccess;

  constructor(cells: B.Cells, rtc: PortDevice, ports: PortAccess) {
    this.cells = cells;
    this.rtc = rtc;
    this.ports = ports;
  }

  /** Ticks by the time of day. */
  reset(): void {
    const decimal = (index: number): number => { const bcd = this.cmos(index); return (bcd >>> 4) * 10 + (bcd & 15); };
    const seconds = decimal(HOURS) * 3600 + decimal(MINUTES) * 60 + decimal(SECONDS);
    this.cells.setDword(B.BDA_TICKS, Math.floor(seconds * DAY_TICKS / 86_400));
    this.cells.setByte(B.BDA_MIDNIGHT, 0);
  }

  /** INT 08h */
  tick(): void {
    const { cells } = this, ticks = cells.dword(B.BDA_TICKS) + 1;
    cells.setDword(B.BDA_TICKS, ticks >= DAY_TICKS ? 0 : ticks);
    if (ticks >= DAY_TICKS) cells.setByte(B.BDA_MIDNIGHT, 1);
  }

  serve(f: Frame): void {
    const { cells } = this;
    f.carry = false;
    switch (f.ah) {
      case 0x00: {
        const ticks = cells.dword(B.BDA_TICKS);
        f.al = cells.byte(B.BDA_MIDNIGHT);
        f.cx = ticks >>> 16;
        f.dx = ticks & 0xffff;
        cells.setByte(B.BDA_MIDNIGHT, 0);
        return;
      }
      case 0x01:
        cells.setDword(B.BDA_TICKS, f.cx * 0x1_0000 + f.dx);
        cells.setByte(B.BDA_MIDNIGHT, 0);
        return;
      case 0x02:
        f.ch = this.cmos(HOURS);
        f.cl = this.cmos(MINUTES);
        f.dh = this.cmos(SECONDS);
        f.dl = 0;
        return;
      case 0x03: return this.setRtc([[HOURS, f.ch], [MINUTES, f.cl], [SECONDS, f.dh]]);
      case 0x04:
        f.ch = this.cmos(CENTURY);
        f.cl = this.cmos(YEAR);
        f.dh = this.cmos(MONTH);
        f.dl = this.cmos(DAY);
        return;
      case 0x05: return this.setRtc([[CENTURY, f.ch], [YEAR, f.cl], [MONTH, f.dh], [DAY, f.dl]]);
      case 0xb1: return this.pci(f);
      default: f.carry = true;
    }
  }

  private cmos(index: number): number {
    this.rtc.write(0, 1, index);
    return this.rtc.read(1, 1);
  }

  private setRtc(fields: readonly (readonly [number, number])[]): void {
    const control = this.cmos(REG_B);
    const put = (index: number, value: number): void => { this.rtc.write(0, 1, index); this.rtc.write(1, 1, value); };
    put(REG_B, control | B_SET);
    for (const [index, value] of fields) put(index, value);
    put(REG_B, control & ~B_SET);
  }

  // ---- PCI BIOS ------------------------------------------------------------------------------------------------

  private pci(f: Frame): void {
    const status = this.pciCommand(f);
    f.ah = status;
    f.carry = status !== 0;
  }

  private pciCommand(f: Frame): number {
    switch (f.al) {
      case 0x01:
        f.edx = PCI_PRESENT;
        f.al = 0x01; // configuration mechanism 1
        f.bx = 0x0210;
        f.cl = 0;
        return 0;
      case 0x02: return this.find(f, f.si, at => at(0) === (f.cx << 16 | f.dx) >>> 0);
      case 0x03: return this.find(f, f.si, at => at(8) >>> 8 === (f.ecx & 0xff_ffff));
      case 0x08: case 0x09: case 0x0a: case 0x0b: case 0x0c: case 0x0d: return this.configuration(f);
      default: return PCI_UNSUPPORTED;
    }
  }

  private select(bus: number, devfn: number, register: number): void {
    this.ports.write(PCI_ADDRESS, 4, (0x8000_0000 | bus << 16 | devfn << 8 | register & 0xfc) >>> 0);
  }

  /** The function number `skip` that matches, on bus 0. */
  private find(f: Frame, skip: number, matches: (at: (register: number) => number) => boolean): number {
    for (let devfn = 0; devfn < DEVICES * FUNCTIONS; devfn++) {
      const at = (register: number): number => {
        this.select(0, devfn, register);
        return this.ports.read(PCI_DATA, 4);
      };
      if (at(0) === 0xffff_ffff || !matches(at) || skip-- > 0) continue;
      f.bx = devfn;
      return 0;
    }
    return PCI_NO_DEVICE;
  }

  /** Functions 08h to 0Dh: read or write a byte, a word or a double word. */
  private configuration(f: Frame): number {
    const size = [1, 2, 4][(f.al - 8) % 3] as AccessSize, register = f.di;
    if (register > 0xff || register % size !== 0) return PCI_BAD_REGISTER;
    this.select(f.bh, f.bl, register);
    const port = PCI_DATA + (register & 3);
    if (f.al >= 0x0b) this.ports.write(port, size, size === 1 ? f.cl : size === 2 ? f.cx : f.ecx);
    else {
      const value = this.ports.read(port, size);
      if (size === 1) f.cl = value;
      else if (size === 2) f.cx = value;
      else f.ecx = value;
    }
    return 0;
  }
}
