/**
 * What a network card is plugged into: the common back end of every network front end (rtl8139.ts, paravirt/net-back.ts).
 * Frames are Ethernet frames from the destination address on, without the checksum.
 */
import type { DeviceClock } from "../devices/device.js";

/** One end of a cable. */
export interface NetworkPort {
  /**
   * A frame has left the card, its last bit included. The bytes are kept by nobody but the receivers, who copy them. `sent` is called when
   * the frame is out of the host's hands too: at once, where there is no host's adapter behind (host-adapter.ts).
   */
  send(frame: Uint8Array, sent?: () => void): void;
  /** Pulls the cable out: nothing arrives any more. */
  unplug(): void;
}

export interface Network {
  /** Bits a second on the cable; a card whose network says nothing runs at its own rate. */
  readonly bitRate?: number;
  /** Plugs a card of the machine with this clock in; `receive` is called with each frame that has arrived whole. */
  connect(receive: (frame: Uint8Array) => void, clock: DeviceClock): NetworkPort;
}

/** What goes over the wire besides the frame (IEEE 802.3, clause 3 and 4.4): preamble and delimiter 8, FCS 4, interframe gap 12. */
export const WIRE_OVERHEAD = 24;
/** Shortest frame without its FCS: shorter ones are padded by the sender. */
export const MIN_FRAME = 60;

/** Of a card that nobody gives another; locally administered. */
export const DEFAULT_MAC: readonly number[] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/** One direction of a full-duplex wire: frames go one after the other, at its rate. */
export class Wire {
  private readonly clock: DeviceClock;
  private readonly cyclesPerByte: number;
  private freeAt = 0;

  constructor(clock: DeviceClock, bitRate: number) {
    this.clock = clock;
    this.cyclesPerByte = 8 / bitRate * clock.hz;
  }

  /** Takes a frame of `length` bytes; gives the virtual cycle at which its last bit is on the wire. */
  pass(length: number): number {
    const began = Math.max(this.clock.now(), this.freeAt);
    this.freeAt = began + Math.ceil((Math.max(length, MIN_FRAME) + WIRE_OVERHEAD) * this.cyclesPerByte);
    return this.freeAt;
  }
}
