/**
 * INT 15h, AH = C2h: the pointing device, and the mouse's interrupt, which hands each packet to the program's own handler. What it
 * remembers is in the extended BIOS data area, where the ROM finds the handler (rom.ts).
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference, interrupt 15h, "Pointing Device BIOS Interface".
 */
import type { I8042 } from "../devices/i8042.js";
import * as B from "./bda.js";
import type { Frame } from "./frame.js";
import type { KeyboardServices } from "./int16.js";
import { EBDA_MOUSE_HANDLER } from "./rom.js";

/** Offsets in the extended data area: bytes taken of a packet, packet size less one and whether there is a handler, the packet. */
const TAKEN = 0x26, FLAGS = 0x27, PACKET = 0x28;
const HAS_HANDLER = 0x80, SIZE = 0x07;

const OK = 0, BAD_FUNCTION = 1, BAD_INPUT = 2, INTERFACE = 3, NO_HANDLER = 5;
const STATUS_FULL = 0x01, STATUS_AUX = 0x20, READ_CONFIG = 0x20, WRITE_CONFIG = 0x60, KEYBOARD_OFF = 0xad, WRITE_MOUSE = 0xd4;
const CONFIG_IRQ12 = 0x02, CONFIG_AUX_OFF = 0x20;
const ACK = 0xfa;
const MOUSE_RESET = 0xff, MOUSE_ON = 0xf4, MOUSE_OFF = 0xf5, MOUSE_RATE = 0xf3, MOUSE_IDENTIFY = 0xf2, MOUSE_STATUS = 0xe9, MOUSE_RESOLUTION = 0xe8,
  MOUSE_SCALE1 = 0xe6;
/** Reports a second, by the number a caller gives. */
const RATES: readonly number[] = [10, 20, 40, 60, 80, 100, 200];

export class PointingDevice {
  private readonly cells: B.Cells;
  private readonly controller: I8042;
  private readonly keyboard: KeyboardServices;

  constructor(cells: B.Cells, controller: I8042, keyboard: KeyboardServices) {
    this.cells = cells;
    this.controller = controller;
    this.keyboard = keyboard;
  }

  private get area(): number {
    return this.cells.word(B.BDA_EBDA) * 16;
  }

  /** No handler, packets of three bytes. */
  reset(): void {
    this.cells.setDword(this.area + EBDA_MOUSE_HANDLER, 0);
    this.cells.setByte(this.area + TAKEN, 0);
    this.cells.setByte(this.area + FLAGS, 2);
  }

  /** INT 15h, AH = C2h: gives whether it succeeded; AH says why not. */
  serve(f: Frame): boolean {
    f.ah = this.command(f);
    return f.ah === OK;
  }

  private command(f: Frame): number {
    const { cells, area } = this;
    switch (f.al) {
      case 0x00:
        if (f.bh > 1) return BAD_INPUT;
        if (f.bh === 1 && (cells.byte(area + FLAGS) & HAS_HANDLER) === 0) return NO_HANDLER;
        return this.ask([f.bh === 1 ? MOUSE_ON : MOUSE_OFF], 0, f.bh === 1) ? OK : INTERFACE;
      case 0x01: return this.restart(f);
      case 0x02: {
        const rate = RATES[f.bh];
        return rate === undefined ? BAD_INPUT : this.ask([MOUSE_RATE, rate]) ? OK : INTERFACE;
      }
      case 0x03: return f.bh > 3 ? BAD_INPUT : this.ask([MOUSE_RESOLUTION, f.bh]) ? OK : INTERFACE;
      case 0x04: {
        const identity = this.ask([MOUSE_IDENTIFY], 1);
        if (identity) f.bh = identity[0]!;
        return identity ? OK : INTERFACE;
      }
      case 0x05:
        if (f.bh === 0 || f.bh > 8) return BAD_INPUT;
        cells.setByte(area + FLAGS, cells.byte(area + FLAGS) & HAS_HANDLER | f.bh - 1);
        return this.restart(f);
      case 0x06: return this.extended(f);
      case 0x07: {
        const none = f.es === 0 && f.bx === 0;
        cells.setWord(area + EBDA_MOUSE_HANDLER, f.bx);
        cells.setWord(area + EBDA_MOUSE_HANDLER + 2, f.es);
        cells.setByte(area + FLAGS, cells.byte(area + FLAGS) & SIZE | (none ? 0 : HAS_HANDLER));
        return OK;
      }
      default: return BAD_FUNCTION;
    }
  }

  private restart(f: Frame): number {
    const answer = this.ask([MOUSE_RESET], 2);
    if (!answer) return INTERFACE;
    this.cells.setByte(this.area + TAKEN, 0);
    f.bl = answer[0]!;
    f.bh = answer[1]!;
    return OK;
  }

  private extended(f: Frame): number {
    if (f.bh === 1 || f.bh === 2) return this.ask([MOUSE_SCALE1 + f.bh - 1]) ? OK : INTERFACE;
    if (f.bh !== 0) return BAD_INPUT;
    const status = this.ask([MOUSE_STATUS], 3);
    if (!status) return INTERFACE;
    [f.bl, f.cl, f.dl] = status as [number, number, number];
    return OK;
  }

  /**
   * Sends bytes to the mouse and gives `answers` bytes that follow the last one's acknowledgement, undefined when there is none. The keyboard
   * and the mouse's interrupt are off meanwhile; `interrupts` says how the latter is left, which is as it was if nobody says.
   */
  private ask(bytes: readonly number[], answers = 0, interrupts?: boolean): number[] | undefined {
    const { command, data } = this.controller;
    while ((this.status() & (STATUS_FULL | STATUS_AUX)) === STATUS_FULL) this.keyboard.interrupt();
    command.write(0, 1, READ_CONFIG);
    const before = data.read(0, 1);
    this.configure(before & ~(CONFIG_IRQ12 | CONFIG_AUX_OFF));
    command.write(0, 1, KEYBOARD_OFF);
    while ((this.status() & STATUS_FULL) !== 0) data.read(0, 1); // of a packet that nobody has fetched
    let got: number[] | undefined = [];
    for (const byte of bytes) {
      command.write(0, 1, WRITE_MOUSE);
      data.write(0, 1, byte);
      if (this.fetch() !== ACK) got = undefined;
    }
    for (let i = 0; i < answers; i++) {
      const byte = this.fetch();
      if (byte === undefined) got = undefined;
      else got?.push(byte);
    }
    this.configure(interrupts === undefined ? before : interrupts ? before & ~CONFIG_AUX_OFF | CONFIG_IRQ12 : before & ~CONFIG_IRQ12);
    return got;
  }

  private configure(value: number): void {
    this.controller.command.write(0, 1, WRITE_CONFIG);
    this.controller.data.write(0, 1, value);
  }

  private status(): number {
    return this.controller.command.read(0, 1);
  }

  private fetch(): number | undefined {
    return (this.status() & STATUS_FULL) === 0 ? undefined : this.controller.data.read(0, 1);
  }

  /** A byte of the mouse has come: AL is 1 when it ends a packet that the handler is to have, whose first three bytes are in BX, CX and DX. */
  interrupt(f: Frame): void {
    const { cells, area } = this, flags = cells.byte(area + FLAGS);
    f.al = 0;
    if ((this.status() & (STATUS_FULL | STATUS_AUX)) !== (STATUS_FULL | STATUS_AUX)) return;
    const taken = cells.byte(area + TAKEN) & SIZE;
    cells.setByte(area + PACKET + taken, this.controller.data.read(0, 1));
    const whole = taken >= (flags & SIZE);
    cells.setByte(area + TAKEN, whole ? 0 : taken + 1);
    if (!whole || (flags & HAS_HANDLER) === 0) return;
    [f.bx, f.cx, f.dx] = [0, 1, 2].map((i) => cells.byte(area + PACKET + i)) as [number, number, number];
    f.al = 1;
  }
}
