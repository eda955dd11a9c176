/**
 * A hub in the process: what one port sends, all others receive. Network back end of every front end.
 * Frames arrive at once and wait at the receiver, whose own clock says when they are taken: two machines need no common
 * clock, only a fixed order in which they run.
 */

import type { Network, NetworkPort } from "../network/network.js";

export class NetworkHub implements Network {
  private readonly receivers: ((frame: Uint8Array) => void)[] = [];

  /** Plugs a receiver in; gives the port it sends by. */
  connect(receive: (frame: Uint8Array) => void): NetworkPort {
    this.receivers.push(receive);
    return {
      send: (frame, sent) => {
        for (const other of this.receivers) if (other !== receive) other(frame.slice());
        sent?.();
      },
      unplug: () => { this.receivers.splice(this.receivers.indexOf(receive), 1); },
    };
  }
}
