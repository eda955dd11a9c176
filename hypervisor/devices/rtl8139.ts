/**
 * The RTL8139C Ethernet controller: four transmit descriptors, the receive ring, the serial EEPROM, the PHY's basic
 * registers.
 * Reference: Realtek RTL8139C(L) datasheet 1.4, chapters 5 and 6.
 * The rate of the line is that of the network it is plugged into, the chip's own 100 Mb/s where the network names none: on a gigabit link
 * this is a programming model, not the part.
 * Left out: the C+ descriptor rings, wake-up, the boot ROM, early receive, the general timer's interrupt, statistics.
 */
import type { AccessSize, CountEvent, DeviceClock, GuestMemory, IrqLine, PortDevice } from "./device.js";
import { Eeprom93c46 } from "./eeprom93c46.js";
import { MIN_FRAME, type Network, type NetworkPort, Wire } from "../network/network.js";
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PCI_COMMAND, PciFunction } from "./pci.js";

export const RTL8139_BYTES = 0x100;
const BAR_PORTS = 0, BAR_MEMORY = 1;

export const TSD0 = 0x10, TSAD0 = 0x20, RBSTART = 0x30, CR = 0x37, CAPR = 0x38, IMR = 0x3c, ISR = 0x3e, RCR = 0x44;
/** TSAD, the summary of all transmit descriptors. */
export const TSAD = 0x60;
const IDR0 = 0x00, MAR0 = 0x08, CBR = 0x3a,
  TCR = 0x40, TCTR = 0x48, MPC = 0x4c, EECR = 0x50, CONFIG0 = 0x51, MSR = 0x58, CONFIG4 = 0x5a, BMCR = 0x62, BMSR = 0x64,
  ANAR = 0x66, ANLPAR = 0x68, ANER = 0x6a;

const CR_RESET = 0x10;
export const CR_RX = 0x08, CR_TX = 0x04, CR_EMPTY = 0x01;
export const INT_ROK = 0x01, INT_TOK = 0x04, INT_OVERFLOW = 0x10;
const TSD_SIZE = 0x1fff, TSD_OWN = 0x2000, TSD_TOK = 0x8000, TSD_THRESHOLD = 0x3f_0000;
const TCR_VERSION = 0x7400_0000, TCR_VERSION_MASK = 0x7cc0_0000, TCR_LOOPBACK = 0x6_0000;
export const RCR_ALL = 0x01, RCR_MINE = 0x02, RCR_MULTICAST = 0x04, RCR_BROADCAST = 0x08, RCR_NO_WRAP = 0x80;
const EECR_PROGRAM = 0x80, EECR_CS = 0x08, EECR_SK = 0x04, EECR_DI = 0x02, EECR_DO = 0x01, EECR_MODE = 0xc0;
const RX_OK = 0x0001, RX_BROADCAST = 0x2000, RX_PHYSICAL = 0x4000, RX_MULTICAST = 0x8000;
const MSR_VALUE = 0x10, BMCR_VALUE = 0x1100, BMSR_VALUE = 0x782d, ABILITIES = 0x05e1, PARTNER = 0x45e1;

const CRC_BYTES = 4, HEADER = 4, QUEUE_LIMIT = 256;
/** Bits a second, of its own. */
const LINE_RATE = 100_000_000;

export interface Rtl8139Options {
  readonly clock: DeviceClock;
  readonly memory: GuestMemory;
  readonly irq: IrqLine;
  readonly count: CountEvent;
  /** Six bytes. */
  readonly mac: readonly number[];
  /** Where the cable leads. */
  readonly network?: Network;
}

export class Rtl8139 implements PortDevice {
  readonly config = new PciFunction({
    vendor: 0x10ec, device: 0x8139, revision: 0x10, classCode: 0x02_0000, subsystem: [0x10ec, 0x8139],
    command: COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER, status: 0x0280, interruptPin: 1,
  });
  private readonly clock: DeviceClock;
  private readonly memory: GuestMemory;
  private readonly irq: IrqLine;
  private readonly count: CountEvent;
  private readonly mac: readonly number[];
  private readonly port: NetworkPort | undefined;
  private readonly eeprom = new Eeprom93c46();
  private readonly bytes = new Uint8Array(RTL8139_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly queue: Uint8Array[] = [];
  private receiving: number | undefined;
  private readonly wire: Wire;

  constructor(options: Rtl8139Options) {
    this.clock = options.clock;
    this.memory = options.memory;
    this.irq = options.irq;
    this.count = options.count;
    this.mac = options.mac;
    this.eeprom.words[0] = 0x8129;
    for (let i = 0; i < 3; i++) this.eeprom.words[7 + i] = this.mac[2 * i]! | this.mac[2 * i + 1]! << 8;
    this.wire = new Wire(options.clock, options.network?.bitRate ?? LINE_RATE);
    this.port = options.network?.connect(frame => this.arrive(frame), options.clock);
    this.reset();
  }

  /** Takes the card off the network, for good. */
  unplug(): void {
    this.port?.unplug();
  }

  /** Makes the two windows, which their base address registers move. */
  bind(ports: (base: number | undefined) => void, memory: (base: number | undefined) => void): void {
    this.config.addBar(BAR_PORTS, RTL8139_BYTES, true, { place: ports });
    this.config.addBar(BAR_MEMORY, RTL8139_BYTES, false, { place: memory });
  }

  reset(): void {
    this.bytes.fill(0);
    this.bytes.set(this.mac, IDR0);
    for (let i = 0; i < 4; i++) this.set(TSD0 + 4 * i, 4, TSD_OWN);
    this.set(CAPR, 2, 0xfff0);
    this.set(TCR, 4, TCR_VERSION);
    this.bytes[MSR] = MSR_VALUE;
    this.set(BMCR, 2, BMCR_VALUE);
    this.set(BMSR, 2, BMSR_VALUE);
    this.set(ANAR, 2, ABILITIES);
    this.set(ANLPAR, 2, PARTNER);
    this.set(ANER, 2, 1);
    this.queue.length = 0;
    this.updateIrq();
  }

  private get(at: number, size: AccessSize): number {
    return size === 4 ? this.view.getUint32(at, true) : size === 2 ? this.view.getUint16(at, true) : this.bytes[at]!;
  }

  private set(at: number, size: AccessSize, value: number): void {
    if (size === 4) this.view.setUint32(at, value, true);
    else if (size === 2) this.view.setUint16(at, value, true);
    else this.bytes[at] = value;
  }

  // ---- registers -----------------------------------------------------------------------------------------------

  widest(offset: number): AccessSize {
    return offset % 4 === 0 ? 4 : offset % 2 === 0 ? 2 : 1;
  }

  read(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  private readByte(at: number): number {
    if (at === CR) return this.bytes[CR]! & ~CR_EMPTY | (this.ringEmpty() ? CR_EMPTY : 0);
    if (at === EECR) return this.bytes[EECR]! & ~EECR_DO | (this.eeprom.dataOut ? EECR_DO : 0);
    if (at >= TCTR && at < TCTR + 4) return Math.floor(this.clock.now() * 33e6 / this.clock.hz) % 2 ** 32 >>> (8 * (at - TCTR)) & 0xff;
    if (at === TSAD || at === TSAD + 1) return this.transmitSummary() >>> (8 * (at - TSAD)) & 0xff;
    return at < RTL8139_BYTES ? this.bytes[at]! : 0;
  }

  /** TSAD: the OWN and TOK bits of the four descriptors in one word. */
  private transmitSummary(): number {
    let word = 0;
    for (let i = 0; i < 4; i++) {
      const tsd = this.get(TSD0 + 4 * i, 4);
      word |= ((tsd & TSD_OWN) !== 0 ? 1 : 0) << i | ((tsd & TSD_TOK) !== 0 ? 1 : 0) << (12 + i);
    }
    return word;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= TSD0 && offset < TSD0 + 16) return this.writeTransmit(offset & ~3, value);
    if (offset >= ISR && offset < ISR + 2 || offset === IMR && size === 4) {
      const acknowledged = offset === IMR ? value >>> 16 : value << (8 * (offset - ISR));
      if (offset === IMR) this.set(IMR, 2, value & 0xffff);
      this.set(ISR, 2, this.get(ISR, 2) & ~acknowledged);
      return this.updateIrq();
    }
    if (offset === TCR) return this.set(TCR, 4, (value & ~TCR_VERSION_MASK | TCR_VERSION) >>> 0);
    for (let i = 0; i < size; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
    if (offset <= CAPR && offset + size > CAPR) this.receiveSoon();
    this.updateIrq();
  }

  private writeByte(at: number, value: number): void {
    if (at === CR) this.writeCommand(value);
    else if (at === EECR) {
      this.bytes[EECR] = value;
      if ((value & EECR_MODE) === EECR_PROGRAM) this.eeprom.drive((value & EECR_CS) !== 0, (value & EECR_SK) !== 0, (value & EECR_DI) !== 0);
    } else if (at < MAR0 + 8 || at >= TSAD0 && at < TSAD0 + 16 || at >= RBSTART && at < CR || at === CAPR || at === CAPR + 1 || at === IMR || at === IMR + 1 ||
      at >= RCR && at < RCR + 4 || at >= CONFIG0 && at < MSR || at === CONFIG4 || at >= ANAR && at < ANAR + 2) this.bytes[at] = value;
    else if (at >= MPC && at < MPC + 4) this.set(MPC, 4, 0);
  }

  private writeCommand(value: number): void {
    if ((value & CR_RESET) !== 0) {
      const { bytes } = this;
      const mac = bytes.slice(IDR0, IDR0 + 6), eecr = bytes[EECR]!;
      this.reset();
      bytes.set(mac, IDR0);
      bytes[EECR] = eecr;
      return;
    }
    const started = value & ~this.bytes[CR]! & CR_RX;
    this.bytes[CR] = value & (CR_RX | CR_TX);
    if (started) {
      this.set(CBR, 2, 0);
      this.receiveSoon();
    }
  }

  private updateIrq(): void {
    this.irq((this.get(ISR, 2) & this.get(IMR, 2)) !== 0);
  }

  private raise(bits: number): void {
    this.set(ISR, 2, this.get(ISR, 2) | bits);
    this.updateIrq();
  }

  private mayMaster(): boolean {
    return (this.config.get(PCI_COMMAND, 2) & COMMAND_MASTER) !== 0;
  }

  // ---- transmit ------------------------------------------------------------------------------------------------

  /** Clearing OWN hands a descriptor over; the frame is on the line as long as the line rate says. */
  private writeTransmit(at: number, value: number): void {
    this.set(at, 4, value & (TSD_SIZE | TSD_OWN | TSD_THRESHOLD));
    if ((value & TSD_OWN) !== 0 || (this.bytes[CR]! & CR_TX) === 0 || !this.mayMaster()) return;
    const frame = new Uint8Array(Math.max(MIN_FRAME, value & TSD_SIZE));
    this.memory.read(this.get(TSAD0 + at - TSD0, 4), frame.subarray(0, value & TSD_SIZE));
    this.clock.schedule(this.wire.pass(frame.length), () => {
      this.count("device.rtl8139.transmit");
      this.set(at, 4, this.get(at, 4) | TSD_OWN | TSD_TOK);
      if ((this.get(TCR, 4) & TCR_LOOPBACK) === TCR_LOOPBACK) this.arrive(frame);
      else this.port?.send(frame);
      this.raise(INT_TOK);
    });
  }

  // ---- receive -------------------------------------------------------------------------------------------------

  /** A frame from the network: it waits until this machine's clock has moved. */
  private arrive(frame: Uint8Array): void {
    if ((this.bytes[CR]! & CR_RX) === 0 || this.queue.length >= QUEUE_LIMIT) return;
    this.queue.push(frame);
    this.receiveSoon();
  }

  private receiveSoon(): void {
    if (this.receiving !== undefined || this.queue.length === 0) return;
    this.receiving = this.clock.schedule(this.clock.now() + 1, () => {
      this.receiving = undefined;
      const frame = this.queue.shift();
      if (frame) this.receive(frame);
      this.receiveSoon();
    });
  }

  private ringBytes(): number {
    return 8192 << (this.get(RCR, 4) >>> 11 & 3);
  }

  /** Bytes of the ring that the driver has not yet read. */
  private used(): number {
    const ring = this.ringBytes();
    const read = (this.get(CAPR, 2) + 16) % ring;
    return (this.get(CBR, 2) - read + ring) % ring;
  }

  private ringEmpty(): boolean {
    return this.used() === 0;
  }

  private receive(frame: Uint8Array): void {
    const status = this.accepts(frame);
    if (status === 0 || (this.bytes[CR]! & CR_RX) === 0 || !this.mayMaster()) return;
    const ring = this.ringBytes();
    const packet = new Uint8Array(HEADER + Math.max(MIN_FRAME, frame.length) + CRC_BYTES);
    const room = packet.length + 3 & ~3;
    if (this.used() + room >= ring) return this.raise(INT_OVERFLOW);
    packet.set(frame, HEADER);
    new DataView(packet.buffer).setUint16(0, status | RX_OK, true);
    new DataView(packet.buffer).setUint16(2, packet.length - HEADER, true);
    const at = this.get(CBR, 2), start = this.get(RBSTART, 4);
    const tail = (this.get(RCR, 4) & RCR_NO_WRAP) !== 0 ? packet.length : Math.min(packet.length, ring - at);
    this.memory.write(start + at, packet.subarray(0, tail));
    if (tail < packet.length) this.memory.write(start, packet.subarray(tail));
    this.set(CBR, 2, (at + room) % ring);
    this.count("device.rtl8139.receive");
    this.raise(INT_ROK);
  }

  /** The address bits of a frame's status, 0 for one that the filter drops. */
  private accepts(frame: Uint8Array): number {
    const rcr = this.get(RCR, 4);
    const broadcast = frame.subarray(0, 6).every(byte => byte === 0xff);
    if (broadcast) return (rcr & (RCR_BROADCAST | RCR_ALL)) !== 0 ? RX_BROADCAST : 0;
    if ((frame[0]! & 1) !== 0) {
      const hash = crc32(frame.subarray(0, 6)) >>> 26;
      const listed = (this.bytes[MAR0 + (hash >>> 3)]! >>> (hash & 7) & 1) !== 0;
      return (rcr & RCR_ALL) !== 0 || (rcr & RCR_MULTICAST) !== 0 && listed ? RX_MULTICAST : 0;
    }
    const mine = frame.subarray(0, 6).every((byte, i) => byte === this.bytes[IDR0 + i]);
    if (mine) return (rcr & (RCR_MINE | RCR_ALL)) !== 0 ? RX_PHYSICAL : 0;
    return (rcr & RCR_ALL) !== 0 ? RX_OK : 0;
  }
}

/** The CRC of Ethernet, most significant bit first, as the multicast hash takes it. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    for (let bit = 0, b = byte; bit < 8; bit++, b >>>= 1) {
      const carry = (crc >>> 31 ^ b & 1) & 1;
      crc = (crc << 1 ^ (carry ? 0x04c1_1db7 : 0)) >>> 0;
    }
  }
  return crc >>> 0;
}
