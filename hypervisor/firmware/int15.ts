/**
 * INT 15h: how much memory there is, the A20 gate, moving blocks above 1 MiB, the configuration table.
 * Reference: ACPI specification 6.4, 15.1 (E820h); IBM PS/2 and PC BIOS Interface Technical Reference, interrupt 15h.
 * Left out: APM, the watchdog, joysticks, cassettes.
 */
import type { A20Gate } from "../devices/system-control.js";
import { memoryMap } from "../loader/memory-map.js";
import { BDA_EBDA, type Cells } from "./bda.js";
import type { Frame } from "./frame.js";
import type { PointingDevice } from "./pointing-device.js";
import { ROM_SEGMENT, SYSTEM_CONFIG } from "./rom.js";

const NO_SUCH_FUNCTION = 0x86, SMAP = 0x534d4150, ENTRY_BYTES = 20;
const MIB = 1 << 20, KIB = 1024;
/** Descriptors of the source and the target in the table of function 87h; address bytes in a descriptor. */
const MOVE_SOURCE = 0x10, MOVE_TARGET = 0x18;

export class SystemServices {
  private readonly cells: Cells;
  private readonly a20: A20Gate;
  private readonly mouse: PointingDevice;

  constructor(cells: Cells, a20: A20Gate, mouse: PointingDevice) {
    this.cells = cells;
    this.a20 = a20;
    this.mouse = mouse;
  }

  serve(f: Frame): void {
    f.carry = !this.command(f);
  }

  private command(f: Frame): boolean {
    const above1 = Math.max(0, this.cells.memory.size - MIB) / KIB;
    switch (f.ah) {
      case 0x24: return this.gate(f);
      case 0x4f: f.carry = true; return false; // the key is for the keyboard's handler
      case 0x86: return true; // waiting takes no time
      case 0x87: return this.move(f);
      case 0x88: f.ax = Math.min(above1, 0xfc00); return true;
      case 0xc0:
        f.es = ROM_SEGMENT;
        f.bx = SYSTEM_CONFIG;
        f.ah = 0;
        return true;
      case 0xc1: f.es = this.cells.word(BDA_EBDA); return true;
      case 0xc2: return this.mouse.serve(f);
      case 0xe8:
        if (f.al === 0x20) return this.map(f);
        if (f.al === 0x01) return this.sizes(f, above1);
        break;
      default: break;
    }
    f.ah = NO_SUCH_FUNCTION;
    return false;
  }

  private gate(f: Frame): boolean {
    const { a20 } = this;
    switch (f.al) {
      case 0x00: case 0x01:
        a20.setFast(f.al === 1);
        a20.setKeyboard(f.al === 1);
        break;
      case 0x02: f.al = a20.open ? 1 : 0; break;
      case 0x03: f.bx = 0x0003; break; // by the keyboard controller and by port 92h
      default: f.ah = NO_SUCH_FUNCTION; return false;
    }
    f.ah = 0;
    return true;
  }

  /** Copies CX words between the addresses in a descriptor table at ES:SI. */
  private move(f: Frame): boolean {
    const table = f.es * 16 + f.si, { cells } = this;
    const address = (at: number): number => cells.dword(at + 2) % 2 ** 24 + cells.byte(at + 7) * 2 ** 24;
    const bytes = new Uint8Array(f.cx * 2);
    cells.memory.read(address(table + MOVE_SOURCE), bytes);
    cells.memory.write(address(table + MOVE_TARGET), bytes);
    f.ah = 0;
    return true;
  }

  private sizes(f: Frame, above1: number): boolean {
    f.ax = f.cx = Math.min(above1, 15 * KIB);
    f.bx = f.dx = Math.floor(Math.max(0, above1 - 15 * KIB) / 64);
    return true;
  }

  /** EBX is the number of the entry asked for; 0 after the last. */
  private map(f: Frame): boolean {
    const ranges = memoryMap(this.cells.memory.size), range = ranges[f.ebx];
    if (f.edx !== SMAP || f.ecx < ENTRY_BYTES || !range) {
      f.ah = NO_SUCH_FUNCTION;
      return false;
    }
    const at = f.es * 16 + f.di, { cells } = this;
    [range.start, 0, range.length, 0, range.type].forEach((value, i) => cells.setDword(at + 4 * i, value));
    f.eax = SMAP;
    f.ecx = ENTRY_BYTES;
    f.ebx = f.ebx + 1 < ranges.length ? f.ebx + 1 : 0;
    return true;
  }
}
