/**
 * A PS/2 keyboard and a PS/2 mouse, as the wire shows them: a byte in is a command, bytes out are answers and events.
 * Reference: IBM PS/2 Hardware Interface Technical Reference, "Keyboard" and "Mouse"; scan code set 2.
 * Left out: set 3's key types, the typematic repeat (a key held down is one make code), remote and wrap mode of the mouse.
 */

/** What is plugged into a port of the keyboard controller. */
export interface Ps2Device {
  /** A byte from the host. */
  send(byte: number): void;
  /** The next byte for the host, undefined when there is none. */
  next(): number | undefined;
  reset(): void;
}

const ACK = 0xfa, RESEND = 0xfe, SELF_TEST_PASSED = 0xaa, ECHO = 0xee;
const QUEUE_LIMIT = 64;

/** Commands shared by both. */
const RESET = 0xff, SET_DEFAULTS = 0xf6, DISABLE = 0xf5, ENABLE = 0xf4, IDENTIFY = 0xf2;
const SET_LEDS = 0xed, SCAN_SET = 0xf0, SET_TYPEMATIC = 0xf3;

class Ps2Queue {
  private readonly bytes: number[] = [];

  put(...bytes: number[]): void {
    if (this.bytes.length + bytes.length <= QUEUE_LIMIT) this.bytes.push(...bytes);
  }

  next(): number | undefined { return this.bytes.shift(); }
  clear(): void { this.bytes.length = 0; }
}

export class Ps2Keyboard implements Ps2Device {
  private readonly queue = new Ps2Queue();
  private readonly changed: () => void;
  private argumentOf = 0;
  private scanning = true;
  private set = 2;

  constructor(changed: () => void) {
    this.changed = changed;
  }

  reset(): void {
    this.queue.clear();
    this.argumentOf = 0;
    this.scanning = true;
    this.set = 2;
  }

  next(): number | undefined {
    return this.queue.next();
  }

  /** A key's code of set 2 (`e0` in front of an extended one), made or broken. */
  key(code: number, pressed: boolean): void {
    if (!this.scanning) return;
    const bytes = code > 0xff ? [code >>> 8, code & 0xff] : [code];
    if (!pressed) bytes.splice(bytes.length - 1, 0, 0xf0);
    this.queue.put(...bytes);
    this.changed();
  }

  send(byte: number): void {
    const command = this.argumentOf;
    this.argumentOf = 0;
    if (command !== 0) this.argument(command, byte);
    else this.command(byte);
    this.changed();
  }

  private argument(command: number, value: number): void {
    this.queue.put(ACK);
    if (command !== SCAN_SET) return;
    if (value === 0) this.queue.put(this.set);
    else this.set = value;
  }

  private command(byte: number): void {
    switch (byte) {
      case ECHO: return this.queue.put(ECHO);
      case SET_LEDS: case SCAN_SET: case SET_TYPEMATIC: this.argumentOf = byte; break;
      case IDENTIFY: return this.queue.put(ACK, 0xab, 0x83);
      case ENABLE: this.scanning = true; break;
      case DISABLE: this.scanning = false; break;
      case SET_DEFAULTS: this.set = 2; break;
      case RESET:
        this.reset();
        return this.queue.put(ACK, SELF_TEST_PASSED);
      case RESEND: break;
      default: return this.queue.put(RESEND);
    }
    this.queue.put(ACK);
  }
}

const MOUSE_SET_RESOLUTION = 0xe8, MOUSE_STATUS = 0xe9, MOUSE_STREAM = 0xea, MOUSE_READ = 0xeb, MOUSE_SCALE1 = 0xe6, MOUSE_SCALE2 = 0xe7;
const PACKET_ALWAYS = 0x08, PACKET_X_SIGN = 0x10, PACKET_Y_SIGN = 0x20;
const WHEEL_KNOCK: readonly number[] = [200, 100, 80];
const ID_PLAIN = 0, ID_WHEEL = 3;

export class Ps2Mouse implements Ps2Device {
  private readonly queue = new Ps2Queue();
  private readonly changed: () => void;
  private argumentOf = 0;
  private reporting = false;
  private scaling2 = false;
  private resolution = 2;
  private rates: number[] = [];
  private rate = 100;
  private id = ID_PLAIN;
  private buttons = 0;

  constructor(changed: () => void) {
    this.changed = changed;
  }

  reset(): void {
    this.queue.clear();
    this.argumentOf = 0;
    this.defaults();
    this.id = ID_PLAIN;
  }

  next(): number | undefined {
    return this.queue.next();
  }

  /** Moves by `dx` to the right and `dy` upwards; buttons: left 1, right 2, middle 4. */
  move(dx: number, dy: number, buttons: number): void {
    this.buttons = buttons & 7;
    if (!this.reporting) return;
    this.packet(dx, dy);
    this.changed();
  }

  private packet(dx: number, dy: number): void {
    this.queue.put(PACKET_ALWAYS | this.buttons | (dx < 0 ? PACKET_X_SIGN : 0) | (dy < 0 ? PACKET_Y_SIGN : 0), dx & 0xff, dy & 0xff,
      ...(this.id === ID_WHEEL ? [0] : []));
  }

  private defaults(): void {
    this.reporting = this.scaling2 = false;
    this.resolution = 2;
    this.rate = 100;
    this.rates = [];
  }

  send(byte: number): void {
    const command = this.argumentOf;
    this.argumentOf = 0;
    this.queue.put(ACK);
    if (command === SET_TYPEMATIC) this.setRate(byte);
    else if (command === MOUSE_SET_RESOLUTION) this.resolution = byte & 3;
    else this.command(byte);
    this.changed();
  }

  /** Three sample rates in a row ask for the wheel. */
  private setRate(rate: number): void {
    this.rate = rate;
    this.rates = [...this.rates, rate].slice(-WHEEL_KNOCK.length);
    if (WHEEL_KNOCK.every((knock, i) => this.rates[i] === knock)) this.id = ID_WHEEL;
  }

  private command(byte: number): void {
    switch (byte) {
      case SET_TYPEMATIC: case MOUSE_SET_RESOLUTION: this.argumentOf = byte; break; // F3H sets the sample rate here
      case IDENTIFY: this.queue.put(this.id); break;
      case ENABLE: this.reporting = true; break;
      case DISABLE: this.reporting = false; break;
      case SET_DEFAULTS: this.defaults(); break;
      case MOUSE_SCALE1: this.scaling2 = false; break;
      case MOUSE_SCALE2: this.scaling2 = true; break;
      case MOUSE_STATUS: this.queue.put((this.reporting ? 0x20 : 0) | (this.scaling2 ? 0x10 : 0) | this.buttons, this.resolution, this.rate); break;
      case MOUSE_READ: this.packet(0, 0); break;
      case RESET:
        this.reset();
        this.queue.put(ACK, SELF_TEST_PASSED, ID_PLAIN);
        break;
      case MOUSE_STREAM: default: break;
    }
  }
}
