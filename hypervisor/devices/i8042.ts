/**
 * The i8042 keyboard controller with a keyboard and a mouse: status, self test, configuration byte, output port (A20 and
 * reset), translation to scan code set 1.
 * Reference: Intel UPI-41/42 (8042) as programmed in the PC/AT and PS/2, IBM PS/2 Hardware Interface Technical Reference,
 * "Keyboard and Auxiliary Device Controller".
 * Left out: the time bytes take on the wire, the password commands.
 */
import type { IrqLine, PortDevice } from "./device.js";
import { Ps2Keyboard, Ps2Mouse } from "./ps2.js";
import { toSet1 } from "./scan-codes.js";
import type { A20Gate } from "./system-control.js";

/** Address of the configuration byte in the controller's memory. */
const CONFIG = 0;

const STATUS_OBF = 0x01;
const STATUS_SYS = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX = 0x20;

const CONFIG_IRQ1 = 0x01;
const CONFIG_IRQ12 = 0x02;
const CONFIG_SYS = 0x04;
const CONFIG_KEYBOARD_OFF = 0x10;
const CONFIG_AUX_OFF = 0x20;
const CONFIG_TRANSLATE = 0x40;

const OUTPUT_NO_RESET = 0x01;
const OUTPUT_A20 = 0x02;
const OUTPUT_IDLE = 0xcc;
const INPUT_PORT = 0x80;

const READ_RAM = 0x20;
const WRITE_RAM = 0x60;
const RAM_BYTES = 0x20;
const DISABLE_AUX = 0xa7;
const ENABLE_AUX = 0xa8;
const TEST_AUX = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_INPUT_PORT = 0xc0;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_BUFFER = 0xd2;
const WRITE_AUX_BUFFER = 0xd3;
const WRITE_AUX = 0xd4;
const PULSE_OUTPUT = 0xf0;

const SELF_TEST_PASSED = 0x55;
const INTERFACE_PASSED = 0x00;

export interface I8042Options {
  irq1: IrqLine;
  /** The mouse's interrupt. */
  irq12?: IrqLine;
  a20: A20Gate;
  onReset: () => void;
}

/** Two windows of one port each, with port 0x61 of the timer between them. */
export class I8042 {
  /** Port 0x60. */
  readonly data: PortDevice;
  /** Port 0x64. */
  readonly command: PortDevice;
  readonly keyboard = new Ps2Keyboard(() => this.poll());
  readonly mouse = new Ps2Mouse(() => this.poll());
  private readonly irq1: IrqLine;
  private readonly irq12: IrqLine;
  private readonly a20: A20Gate;
  private readonly onReset: () => void;
  private readonly ram = new Uint8Array(RAM_BYTES);
  private outputBuffer = 0;
  private full = false;
  /** The byte in the output buffer is the mouse's. */
  private fromAux = false;
  /** A set 2 break prefix has been taken and not yet been translated. */
  private breakPrefix = false;
  private systemFlag = true; // the self test of power-on has passed
  private lastWasCommand = false;
  private waiting = -1;
  private gateA20 = true;

  constructor(options: I8042Options) {
    this.irq1 = options.irq1;
    this.irq12 = options.irq12 ?? (() => {});
    this.a20 = options.a20;
    this.onReset = options.onReset;
    this.ram[CONFIG] = CONFIG_SYS | CONFIG_AUX_OFF;
    this.data = { read: () => this.readData(), write: (_o, _s, value) => this.writeData(value) };
    this.command = { read: () => this.readStatus(), write: (_o, _s, value) => this.writeCommand(value) };
  }

  reset(): void {
    this.ram.fill(0);
    this.ram[CONFIG] = CONFIG_SYS | CONFIG_AUX_OFF;
    this.full = false;
    this.fromAux = this.breakPrefix = false;
    this.systemFlag = true;
    this.waiting = -1;
    this.keyboard.reset();
    this.mouse.reset();
    this.setA20(true);
    this.updateIrq();
  }

  private config(bit: number): boolean {
    return (this.ram[CONFIG]! & bit) !== 0;
  }

  private readStatus(): number {
    return STATUS_UNLOCKED | (this.full ? STATUS_OBF : 0) | (this.full && this.fromAux ? STATUS_AUX : 0) | (this.systemFlag ? STATUS_SYS : 0) |
      (this.lastWasCommand ? STATUS_COMMAND : 0);
  }

  private readData(): number {
    const value = this.outputBuffer;
    this.full = false;
    this.updateIrq(); // the line falls before the next byte raises it
    this.poll();
    return value;
  }

  private answer(value: number, aux = false): void {
    this.outputBuffer = value;
    this.full = true;
    this.fromAux = aux;
    this.updateIrq();
  }

  /** Takes a waiting byte of the keyboard, else of the mouse, into the empty output buffer. */
  private poll(): void {
    while (!this.full) {
      let byte = this.config(CONFIG_KEYBOARD_OFF) ? undefined : this.keyboard.next();
      const aux = byte === undefined;
      if (aux) byte = this.config(CONFIG_AUX_OFF) ? undefined : this.mouse.next();
      if (byte === undefined) return;
      if (aux) this.answer(byte, true);
      else this.fromKeyboard(byte);
    }
  }

  private fromKeyboard(byte: number): void {
    if (!this.config(CONFIG_TRANSLATE)) return this.answer(byte);
    if (byte === 0xf0) {
      this.breakPrefix = true;
      return;
    }
    this.answer(toSet1(byte) | (this.breakPrefix ? 0x80 : 0));
    this.breakPrefix = false;
  }

  private writeCommand(command: number): void {
    this.lastWasCommand = true;
    this.waiting = -1;
    if (command >= PULSE_OUTPUT) { // bits that are zero pulse their output low
      if (!(command & OUTPUT_NO_RESET)) this.onReset();
      return;
    }
    if (command >= READ_RAM && command < READ_RAM + RAM_BYTES) return this.answer(this.ram[command - READ_RAM]!);
    if (command >= WRITE_RAM && command < WRITE_RAM + RAM_BYTES) { this.waiting = command; return; }
    switch (command) {
      case DISABLE_AUX: this.ram[CONFIG]! |= CONFIG_AUX_OFF; break;
      case ENABLE_AUX: this.ram[CONFIG]! &= ~CONFIG_AUX_OFF; break;
      case DISABLE_KEYBOARD: this.ram[CONFIG]! |= CONFIG_KEYBOARD_OFF; break;
      case ENABLE_KEYBOARD: this.ram[CONFIG]! &= ~CONFIG_KEYBOARD_OFF; break;
      case SELF_TEST:
        this.systemFlag = true;
        this.answer(SELF_TEST_PASSED);
        break;
      case TEST_KEYBOARD:
      case TEST_AUX: this.answer(INTERFACE_PASSED); break;
      case READ_INPUT_PORT: this.answer(INPUT_PORT); break;
      case READ_OUTPUT_PORT:
        this.answer(OUTPUT_IDLE | OUTPUT_NO_RESET | (this.gateA20 ? OUTPUT_A20 : 0));
        break;
      case WRITE_OUTPUT_PORT:
      case WRITE_KEYBOARD_BUFFER:
      case WRITE_AUX_BUFFER:
      case WRITE_AUX: this.waiting = command; break;
      default: break; // not a command of the PC's controller
    }
    this.updateIrq();
    this.poll();
  }

  private writeData(value: number): void {
    const command = this.waiting;
    this.lastWasCommand = false;
    this.waiting = -1;
    if (command < 0) {
      this.ram[CONFIG]! &= ~CONFIG_KEYBOARD_OFF; // a byte for the keyboard turns its clock on
      this.keyboard.send(value);
    } else if (command === WRITE_OUTPUT_PORT) {
      this.setA20((value & OUTPUT_A20) !== 0);
      if (!(value & OUTPUT_NO_RESET)) this.onReset();
    } else if (command === WRITE_KEYBOARD_BUFFER) this.answer(value);
    else if (command === WRITE_AUX_BUFFER) this.answer(value, true);
    else if (command === WRITE_AUX) {
      this.ram[CONFIG]! &= ~CONFIG_AUX_OFF;
      this.mouse.send(value);
    } else {
      this.ram[command - WRITE_RAM] = value;
      if (command === WRITE_RAM) this.systemFlag = (value & CONFIG_SYS) !== 0;
    }
    this.updateIrq();
    this.poll();
  }

  private setA20(open: boolean): void {
    this.gateA20 = open;
    this.a20.setKeyboard(open);
  }

  private updateIrq(): void {
    this.irq1(this.full && !this.fromAux && this.config(CONFIG_IRQ1));
    this.irq12(this.full && this.fromAux && this.config(CONFIG_IRQ12));
  }
}
