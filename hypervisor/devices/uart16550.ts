/**
 * UART 16550A: a serial port with 16-byte FIFOs.
 * Reference: National Semiconductor PC16550D, "Universal Asynchronous Receiver/Transmitter with FIFOs".
 * Left out: line timing (a byte leaves as soon as it is written, and the receiver's character
 * time-out passes at once), parity, framing and break errors, DMA signalling by RXRDY and TXRDY.
 * The board's part is here too: OUT2 gates the interrupt, as on every PC.
 */
import type { CountEvent, IrqLine, PortDevice } from "./device.js";

const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;
const IER_MASK = 0x0f;

const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_THR_EMPTY = 0x02;
const IIR_DATA_AVAILABLE = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_CHARACTER_TIMEOUT = 0x0c;
const IIR_FIFOS_ENABLED = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_RCVR_RESET = 0x02;
const FCR_TRIGGER_SHIFT = 6;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const MCR_MASK = 0x1f;

const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const LSR_ERRORS = 0x1e;

const MSR_TERI = 0x04;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
const MSR_DELTAS = 0x0f;
const MSR_LINES = 0xf0;

const FIFO_DEPTH = 16;
const DIVISOR_9600_BAUD = 12;

export interface UartOptions {
  /** The interrupt output, after the OUT2 gate. */
  irq: IrqLine;
  /** Takes each byte the guest transmits. */
  output: (byte: number) => void;
  count: CountEvent;
}

export class Uart16550 implements PortDevice {
  private readonly irq: IrqLine;
  private readonly output: (byte: number) => void;
  private readonly count: CountEvent;

  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private scr = 0;
  private divisor = DIVISOR_9600_BAUD;
  /** Latched receiver errors of the line status register. */
  private errors = 0;
  /** Modem inputs as the other end drives them, in MSR's positions. */
  private modem = MSR_CTS | MSR_DSR | MSR_DCD;
  private deltas = 0;
  private thrEmptyPending = false;
  private fifo: number[] = [];
  /** Bytes the other end holds back until the receiver has room: hardware flow control. */
  private waiting: number[] = [];

  constructor(options: UartOptions) {
    this.irq = options.irq;
    this.output = options.output;
    this.count = options.count;
  }

  /** Master reset (MR): bytes not yet received stay with the sender. */
  reset(): void {
    this.ier = this.fcr = this.lcr = this.mcr = this.errors = this.deltas = 0;
    this.thrEmptyPending = false;
    this.fifo = [];
    this.refill();
    this.updateIrq();
  }

  /** Bytes arriving on the line; what does not fit the FIFO waits, so that nothing is overrun. */
  receive(bytes: Iterable<number>): void {
    for (const byte of bytes) this.waiting.push(byte & 0xff);
    this.refill();
    this.updateIrq();
  }

  /** Sets the modem inputs (MSR bits 4-7: CTS, DSR, RI, DCD). */
  setModemLines(lines: number): void {
    const before = this.modemLines();
    this.modem = lines & MSR_LINES;
    this.noteModemChange(before);
    this.updateIrq();
  }

  read(offset: number): number {
    switch (offset) {
      case RBR_THR_DLL: return this.lcr & LCR_DLAB ? this.divisor & 0xff : this.readReceiver();
      case IER_DLM: return this.lcr & LCR_DLAB ? this.divisor >>> 8 : this.ier;
      case IIR_FCR: return this.readInterruptIdentification();
      case LCR: return this.lcr;
      case MCR: return this.mcr;
      case LSR: return this.readLineStatus();
      case MSR: return this.readModemStatus();
      case SCR: return this.scr;
      default: return 0xff;
    }
  }

  write(offset: number, _size: number, value: number): void {
    switch (offset) {
      case RBR_THR_DLL:
        if (this.lcr & LCR_DLAB) this.divisor = (this.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case IER_DLM:
        if (this.lcr & LCR_DLAB) this.divisor = (this.divisor & 0x00ff) | (value << 8);
        else this.writeInterruptEnable(value);
        break;
      case IIR_FCR: this.writeFifoControl(value); break;
      case LCR: this.lcr = value; break;
      case MCR: this.writeModemControl(value); break;
      case SCR: this.scr = value; break;
      default: break; // LSR and MSR are read only in normal use
    }
    this.updateIrq();
  }

  private get depth(): number {
    return this.fcr & FCR_ENABLE ? FIFO_DEPTH : 1;
  }

  private transmit(byte: number): void {
    if (this.mcr & MCR_LOOP) {
      if (this.fifo.length < this.depth) this.fifo.push(byte);
      else this.errors |= LSR_OE;
    } else {
      this.count("device.serial.byte");
      this.output(byte);
    }
    this.thrEmptyPending = true; // written, and empty again at once
  }

  private readReceiver(): number {
    const byte = this.fifo.shift() ?? 0;
    this.refill();
    this.updateIrq();
    return byte;
  }

  private readInterruptIdentification(): number {
    const source = this.source();
    if (source === IIR_THR_EMPTY) this.thrEmptyPending = false; // reading IIR is the reset of this source
    this.updateIrq();
    return source | (this.fcr & FCR_ENABLE ? IIR_FIFOS_ENABLED : 0);
  }

  private readLineStatus(): number {
    const status = LSR_THRE | LSR_TEMT | this.errors | (this.fifo.length > 0 ? LSR_DR : 0);
    this.errors = 0;
    this.updateIrq();
    return status;
  }

  private readModemStatus(): number {
    const status = this.modemLines() | this.deltas;
    this.deltas = 0;
    this.updateIrq();
    return status;
  }

  private writeInterruptEnable(value: number): void {
    // Enabling the source while THR is empty interrupts at once; drivers rely on it to start sending.
    if (value & ~this.ier & IER_ETBEI) this.thrEmptyPending = true;
    this.ier = value & IER_MASK;
  }

  private writeFifoControl(value: number): void {
    const toggled = (value ^ this.fcr) & FCR_ENABLE;
    if (toggled || (value & FCR_ENABLE && value & FCR_RCVR_RESET)) this.fifo = [];
    // Other bits are only programmed while the enable bit is written as one.
    this.fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | (3 << FCR_TRIGGER_SHIFT)) : 0;
    this.refill();
  }

  private writeModemControl(value: number): void {
    const before = this.modemLines();
    this.mcr = value & MCR_MASK;
    this.noteModemChange(before);
    this.refill();
  }

  /** Modem inputs as MSR shows them: in loopback they are the four outputs. */
  private modemLines(): number {
    if (!(this.mcr & MCR_LOOP)) return this.modem;
    return (this.mcr & MCR_RTS ? MSR_CTS : 0) | (this.mcr & MCR_DTR ? MSR_DSR : 0) |
      (this.mcr & MCR_OUT1 ? MSR_RI : 0) | (this.mcr & MCR_OUT2 ? MSR_DCD : 0);
  }

  private noteModemChange(before: number): void {
    const now = this.modemLines();
    const changed = (before ^ now) >>> 4;
    const ringEnded = before & ~now & MSR_RI ? MSR_TERI : 0; // RI counts its trailing edge only
    this.deltas |= ((changed & ~MSR_TERI) | ringEnded) & MSR_DELTAS;
  }

  private refill(): void {
    if (this.mcr & MCR_LOOP || this.waiting.length === 0) return;
    const room = this.depth - this.fifo.length;
    if (room > 0) this.fifo.push(...this.waiting.splice(0, room));
  }

  /** The highest-priority enabled source as IIR names it (table II of the datasheet). */
  private source(): number {
    if (this.ier & IER_ELSI && this.errors & LSR_ERRORS) return IIR_LINE_STATUS;
    if (this.ier & IER_ERBFI && this.fifo.length > 0) {
      const trigger = this.fcr & FCR_ENABLE ? TRIGGER_LEVELS[this.fcr >>> FCR_TRIGGER_SHIFT]! : 1;
      return this.fifo.length >= trigger ? IIR_DATA_AVAILABLE : IIR_CHARACTER_TIMEOUT;
    }
    if (this.ier & IER_ETBEI && this.thrEmptyPending) return IIR_THR_EMPTY;
    if (this.ier & IER_EDSSI && this.deltas) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  private updateIrq(): void {
    this.irq((this.mcr & MCR_OUT2) !== 0 && this.source() !== IIR_NONE);
  }
}
