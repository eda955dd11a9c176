/**
 * A cable from one machine to one host in this process: full duplex, with a rate and a delay in the machine's virtual time, so that
 * a run over it is the same every time.
 */
import type { DeviceClock } from "../devices/device.js";
import { type Network, type NetworkPort, Wire } from "./network.js";

/** What is at the far end. */
export interface FarHost {
  receive(frame: Uint8Array): void;
}

/** Makes the far host, which lives on the machine's clock and sends by `send`. */
export type FarHostMaker = (clock: DeviceClock, send: (frame: Uint8Array) => void) => FarHost;

export interface LinkOptions {
  /** Bits a second each way. Default: 10^9, the Broadcom Tigon 3 of the testbed in "Xen and the Art of Virtualization", SOSP 2003. */
  readonly bitRate?: number;
  /** Seconds from one end to the other. Default: 100 m of copper at 5 ns a metre. */
  readonly delay?: number;
  /** For tests of loss: gives the frames that arrive in place of `frame` (none, two, an earlier one first ...). */
  readonly disturb?: (frame: Uint8Array, outbound: boolean) => readonly Uint8Array[];
}

export const GIGABIT = 1e9, CABLE_DELAY = 0.5e-6;

export class NetworkLink implements Network {
  readonly bitRate: number;
  private readonly makeHost: FarHostMaker;
  private readonly options: LinkOptions;
  private connected = false;

  constructor(makeHost: FarHostMaker, options: LinkOptions = {}) {
    this.makeHost = makeHost;
    this.options = options;
    this.bitRate = options.bitRate ?? GIGABIT;
  }

  /** Takes one card: a cable has two ends. Throws Error for a second one. Each card that is plugged in meets the far host as it is when it is switched on. */
  connect(receive: (frame: Uint8Array) => void, clock: DeviceClock): NetworkPort {
    if (this.connected) throw new Error("this link's near end is taken");
    this.connected = true;
    let plugged = true;
    const delay = Math.round((this.options.delay ?? CABLE_DELAY) * clock.hz), disturb = this.options.disturb;
    const deliver = (frame: Uint8Array, outbound: boolean, to: (frame: Uint8Array) => void): void => {
      if (!plugged) return;
      if (disturb) for (const left of disturb(frame, outbound)) to(left);
      else to(frame);
    };
    const inbound = new Wire(clock, this.bitRate);
    const host = this.makeHost(clock, (frame) => {
      clock.schedule(inbound.pass(frame.length) + delay, () => deliver(frame, false, receive));
    });
    return {
      send: (frame, sent) => {
        const own = frame.slice();
        clock.schedule(clock.now() + delay, () => deliver(own, true, (f) => host.receive(f)));
        sent?.();
      },
      unplug: () => { plugged = this.connected = false; },
    };
  }
}
