/**
 * The host's own network adapter, under a virtual one: the RTL8139 that a guest on the bare machine has, with a driver that is the host's
 * software (Dom0's, or that of a hosted monitor's operating system). The driver is not executed by the model's processor, but it does the
 * port accesses that our guest's driver does (guest/arch/bare/rtl8139.c), on the guest's time; so a virtual adapter costs what it adds.
 */
import type { CountEvent, DeviceClock, GuestMemory } from "../devices/device.js";
import { COMMAND_IO, COMMAND_MASTER, PCI_COMMAND } from "../devices/pci.js";
import { CAPR, CR, CR_EMPTY, CR_RX, CR_TX, IMR, INT_OVERFLOW, INT_ROK, INT_TOK, ISR, RBSTART, RCR, RCR_ALL, RCR_BROADCAST, RCR_MINE, RCR_MULTICAST, RCR_NO_WRAP, Rtl8139,
  TSAD, TSAD0, TSD0 } from "../devices/rtl8139.js";
import { DEFAULT_MAC, MIN_FRAME, type Network, type NetworkPort } from "./network.js";

export interface HostAdapterHooks {
  readonly count: CountEvent;
  /** The host has been interrupted; it goes back to the guest when this interrupt has been served. */
  readonly interrupted?: () => void;
  /** A frame goes from the guest to the adapter, or the other way. */
  readonly transmits?: () => void;
  readonly receives?: () => void;
}

const SENDERS = 4, RING_AT = 0, RING_BYTES = 0x1_0000, RING_64K = 3 << 11, BUFFERS_AT = RING_BYTES + 0x1000, BUFFER_BYTES = 2048, MEMORY_BYTES = BUFFERS_AT + SENDERS * BUFFER_BYTES;
/** Frames that wait for a transmitter: more are lost, as from any queue. */
const QUEUE_LIMIT = 1000;

interface Outgoing { readonly frame: Uint8Array; readonly sent: (() => void) | undefined }

export class HostAdapter implements Network {
  /** A virtual card has no wire of its own: the host takes its frames at once. */
  readonly bitRate = Infinity;
  private readonly network: Network;
  private readonly hooks: HostAdapterHooks;

  constructor(network: Network, hooks: HostAdapterHooks) {
    this.network = network;
    this.hooks = hooks;
  }

  connect(receive: (frame: Uint8Array) => void, clock: DeviceClock): NetworkPort {
    const { transmits } = this.hooks;
    const driver = new Driver(this.network, this.hooks, receive, clock);
    return {
      send: (frame, sent) => {
        transmits?.();
        driver.send({ frame: frame.slice(), sent });
      },
      unplug: () => driver.card.unplug(),
    };
  }
}

/** The card and its driver, with memory of their own. */
class Driver {
  readonly card: Rtl8139;
  private readonly bytes = new Uint8Array(MEMORY_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly hooks: HostAdapterHooks;
  private readonly receive: (frame: Uint8Array) => void;
  private readonly clock: DeviceClock;
  private readonly queue: Outgoing[] = [];
  private readonly flying: Outgoing[] = [];
  private nextSender = 0;
  private ringAt = 0;
  private line = false;
  private serving = false;

  constructor(network: Network, hooks: HostAdapterHooks, receive: (frame: Uint8Array) => void, clock: DeviceClock) {
    this.hooks = hooks;
    this.receive = receive;
    this.clock = clock;
    const memory: GuestMemory = {
      size: MEMORY_BYTES,
      read: (pa, into) => into.set(this.bytes.subarray(pa, pa + into.length)),
      write: (pa, from) => this.bytes.set(from.subarray(0, MEMORY_BYTES - pa), pa),
    };
    this.card = new Rtl8139({ clock, memory, irq: (level) => this.interrupt(level), count: () => {}, mac: DEFAULT_MAC, network });
    this.start();
  }

  /** What the driver does once, at boot, is before the guest's time. */
  private start(): void {
    const { card } = this;
    card.config.write(PCI_COMMAND, 2, COMMAND_IO | COMMAND_MASTER);
    card.write(CR, 1, CR_RX | CR_TX);
    for (let i = 0; i < SENDERS; i++) card.write(TSAD0 + 4 * i, 4, BUFFERS_AT + i * BUFFER_BYTES);
    card.write(RBSTART, 4, RING_AT);
    card.write(RCR, 4, RING_64K | RCR_NO_WRAP | RCR_ALL | RCR_MINE | RCR_MULTICAST | RCR_BROADCAST);
    card.write(IMR, 2, INT_ROK | INT_TOK | INT_OVERFLOW);
  }

  private in(offset: number, size: 1 | 2): number {
    this.hooks.count("bus.port");
    return this.card.read(offset, size);
  }

  private out(offset: number, size: 2 | 4, value: number): void {
    this.hooks.count("bus.port");
    this.card.write(offset, size, value);
  }

  send(outgoing: Outgoing): void {
    if (this.queue.length >= QUEUE_LIMIT) outgoing.sent?.();
    else this.queue.push(outgoing);
    this.startSenders();
  }

  private startSenders(): void {
    while (this.flying.length < SENDERS && this.queue.length > 0) {
      const next = this.queue.shift()!, sender = this.nextSender++ % SENDERS;
      this.bytes.fill(0, BUFFERS_AT + sender * BUFFER_BYTES, BUFFERS_AT + sender * BUFFER_BYTES + MIN_FRAME);
      this.bytes.set(next.frame.subarray(0, BUFFER_BYTES), BUFFERS_AT + sender * BUFFER_BYTES);
      this.flying.push(next);
      this.out(TSD0 + 4 * sender, 4, Math.max(next.frame.length, MIN_FRAME));
    }
  }

  /** The line has changed; an interrupt is served after everything else that is due by now. */
  private interrupt(level: boolean): void {
    this.line = level;
    if (!level || this.serving) return;
    this.serving = true;
    this.clock.schedule(this.clock.now(), () => {
      this.hooks.count("interrupt.external");
      this.hooks.interrupted?.();
      this.serve();
      this.serving = false;
      this.interrupt(this.line);
    });
  }

  private serve(): void {
    const status = this.in(ISR, 2);
    this.out(ISR, 2, status);
    if ((status & INT_TOK) !== 0) this.finishSenders();
    if ((status & (INT_ROK | INT_OVERFLOW)) !== 0) this.emptyRing();
  }

  private finishSenders(): void {
    const own = this.in(TSAD, 2);
    while (this.flying.length > 0 && (own >>> ((this.nextSender - this.flying.length) % SENDERS) & 1) !== 0) this.flying.shift()!.sent?.();
    this.startSenders();
  }

  private emptyRing(): void {
    while ((this.in(CR, 1) & CR_EMPTY) === 0) {
      const length = this.view.getUint16(RING_AT + this.ringAt + 2, true), at = RING_AT + this.ringAt + 4;
      const frame = this.bytes.slice(at, at + length - 4);
      this.ringAt = (this.ringAt + length + 4 + 3 & ~3) % RING_BYTES;
      this.out(CAPR, 2, this.ringAt - 16 & 0xffff);
      this.hooks.receives?.();
      this.receive(frame);
    }
  }
}
