/**
 * INT 16h and the keyboard's interrupt: scan codes of set 1 become characters in the ring of the BIOS data area. Bytes that
 * wait at COM1 are keys too, as long as nobody drives the port by interrupts: a guest's console is its serial port.
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference, interrupts 09h and 16h, "Keyboard".
 * Left out: Alt and the numeric pad for characters, Pause and Print Screen, layouts but the American one.
 */
import type { I8042 } from "../devices/i8042.js";
import type { PortDevice } from "../devices/device.js";
import * as B from "./bda.js";
import type { Frame } from "./frame.js";
import { RETURN, WAIT } from "./rom.js";

const SHIFT_RIGHT = 0x01, SHIFT_LEFT = 0x02, CONTROL = 0x04, ALT = 0x08, CAPS = 0x40, NUM = 0x20;
const RELEASED = 0x80, EXTENDED = 0xe0;
/** Characters by scan code of set 1, plain and shifted; "\0" where a key has none. */
const PLAIN = "\0\x1b1234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
const SHIFTED = "\0\x1b!@#$%^&*()_+\b\0QWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
/** Modifier keys: scan code and bit. */
const MODIFIERS: ReadonlyMap<number, number> = new Map([[0x2a, SHIFT_LEFT], [0x36, SHIFT_RIGHT], [0x1d, CONTROL], [0x38, ALT]]);
const LOCKS: ReadonlyMap<number, number> = new Map([[0x3a, CAPS], [0x45, NUM]]);
/** Escape sequences of a terminal's cursor keys: last byte, scan code. */
const CURSOR_KEYS: ReadonlyMap<string, number> = new Map([["A", 0x48], ["B", 0x50], ["C", 0x4d], ["D", 0x4b], ["H", 0x47], ["F", 0x4f]]);
/** Offsets and bits of the serial port. */
const UART_DATA = 0, UART_IER = 1, UART_LSR = 5, LSR_READY = 0x01;
const ESCAPE = 0x1b, DELETE = 0x7f;

export class KeyboardServices {
  private readonly cells: B.Cells;
  private readonly controller: I8042;
  private readonly uart: PortDevice;
  private extended = false;

  constructor(cells: B.Cells, controller: I8042, uart: PortDevice) {
    this.cells = cells;
    this.controller = controller;
    this.uart = uart;
  }

  /** Empties the ring. */
  reset(): void {
    const { cells } = this;
    cells.setWord(B.BDA_KEY_START, B.BDA_KEY_BUFFER - 0x400);
    cells.setWord(B.BDA_KEY_END, B.BDA_KEY_BUFFER_END - 0x400);
    cells.setWord(B.BDA_KEY_HEAD, B.BDA_KEY_BUFFER - 0x400);
    cells.setWord(B.BDA_KEY_TAIL, B.BDA_KEY_BUFFER - 0x400);
    cells.setByte(B.BDA_KEYBOARD_FLAGS3, 0x10); // a keyboard of 101 keys
    this.extended = false;
  }

  serve(f: Frame): number {
    const { cells } = this;
    switch (f.ah) {
      case 0x00: case 0x10: {
        const key = this.next();
        if (key === undefined) return WAIT;
        this.take();
        f.ax = key;
        break;
      }
      case 0x01: case 0x11: {
        const key = this.next();
        f.zero = key === undefined;
        if (key !== undefined) f.ax = key;
        break;
      }
      case 0x02: f.al = cells.byte(B.BDA_SHIFT); break;
      case 0x05: f.al = this.put(f.cx) ? 0 : 1; break;
      case 0x09: f.al = 0x20; break; // functions 10h to 12h are there
      case 0x12: f.ax = cells.byte(B.BDA_SHIFT); break;
      default: break;
    }
    return RETURN;
  }

  /** INT 09h: takes what the controller has. */
  interrupt(): void {
    const status = this.controller.command.read(0, 1);
    if ((status & 0x01) === 0) return;
    const code = this.controller.data.read(0, 1);
    if ((status & 0x20) !== 0) return; // the mouse's
    if (code === EXTENDED) {
      this.extended = true;
      return;
    }
    this.key(code & 0x7f, (code & RELEASED) !== 0, this.extended);
    this.extended = false;
  }

  private key(scan: number, released: boolean, extended: boolean): void {
    const { cells } = this, flags = cells.byte(B.BDA_SHIFT);
    const modifier = MODIFIERS.get(scan), lock = LOCKS.get(scan);
    if (modifier !== undefined) {
      if (!extended || (modifier & (CONTROL | ALT)) !== 0) cells.setByte(B.BDA_SHIFT, released ? flags & ~modifier : flags | modifier);
    } else if (released) return;
    else if (lock !== undefined) cells.setByte(B.BDA_SHIFT, flags ^ lock);
    else this.put(scan << 8 | (extended && scan !== 0x1c && scan !== 0x35 ? 0xe0 : characterOf(scan, flags)));
  }

  /** The key next in the ring, undefined when it is empty and the serial port too. */
  private next(): number | undefined {
    const { cells } = this;
    if (cells.word(B.BDA_KEY_HEAD) === cells.word(B.BDA_KEY_TAIL)) this.fromSerial();
    const head = cells.word(B.BDA_KEY_HEAD);
    return head === cells.word(B.BDA_KEY_TAIL) ? undefined : cells.word(0x400 + head);
  }

  private after(at: number): number {
    const { cells } = this;
    return at + 2 >= cells.word(B.BDA_KEY_END) ? cells.word(B.BDA_KEY_START) : at + 2;
  }

  private take(): void {
    this.cells.setWord(B.BDA_KEY_HEAD, this.after(this.cells.word(B.BDA_KEY_HEAD)));
  }

  private put(key: number): boolean {
    const { cells } = this, tail = cells.word(B.BDA_KEY_TAIL), after = this.after(tail);
    if (after === cells.word(B.BDA_KEY_HEAD)) return false;
    cells.setWord(0x400 + tail, key);
    cells.setWord(B.BDA_KEY_TAIL, after);
    return true;
  }

  private serialByte(): number | undefined {
    const { uart } = this;
    if (uart.read(UART_IER, 1) !== 0 || (uart.read(UART_LSR, 1) & LSR_READY) === 0) return undefined;
    return uart.read(UART_DATA, 1);
  }

  /** A byte of COM1 as the key that makes it; ESC [ and a letter is a cursor key. */
  private fromSerial(): void {
    const byte = this.serialByte();
    if (byte === undefined) return;
    if (byte !== ESCAPE) return void this.put(keyOf(byte === DELETE ? 8 : byte === 10 ? 13 : byte));
    const second = this.serialByte();
    if (second === undefined) return void this.put(keyOf(ESCAPE));
    const third = second === 0x5b || second === 0x4f ? this.serialByte() : undefined;
    const scan = third === undefined ? undefined : CURSOR_KEYS.get(String.fromCharCode(third));
    if (scan !== undefined) this.put(scan << 8 | 0xe0);
    else for (const each of [ESCAPE, second, third]) if (each !== undefined) this.put(keyOf(each));
  }
}

/** The character a key makes, 0 for none. */
function characterOf(scan: number, flags: number): number {
  if ((flags & ALT) !== 0) return 0;
  const shifted = (flags & (SHIFT_LEFT | SHIFT_RIGHT)) !== 0;
  const plain = PLAIN.charCodeAt(scan) || 0;
  const letter = plain >= 0x61 && plain <= 0x7a;
  if ((flags & CONTROL) !== 0) return letter ? plain & 0x1f : 0;
  return (shifted !== (letter && (flags & CAPS) !== 0) ? SHIFTED : PLAIN).charCodeAt(scan) || 0;
}

/** Scan code and character of the key for a character. */
function keyOf(code: number): number {
  const c = String.fromCharCode(code);
  const plain = PLAIN.indexOf(c, 1), shifted = SHIFTED.indexOf(c, 1);
  const scan = plain > 0 ? plain : shifted > 0 ? shifted : code < 0x20 ? PLAIN.indexOf(String.fromCharCode(code | 0x60), 1) : 0;
  return Math.max(0, scan) << 8 | code;
}
