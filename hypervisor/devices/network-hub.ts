/**
 * A hub in the process: what one port sends, all others receive. Network back end of every front end.
 * Frames arrive at once and wait at the receiver, whose own clock says when they are taken: two machines need no common
 * clock, only a fixed order in which they run.
 */

/** One end of a cable. */
export interface NetworkPort {
  /** A frame without its checksum. The bytes are kept by nobody but the receivers, who copy them. */
  send(frame: Uint8Array): void;
  /** Pulls the cable out: nothing arrives any more. */
  unplug(): void;
}

export class NetworkHub {
  private readonly receivers: ((frame: Uint8Array) => void)[] = [];

  /** Plugs a receiver in; gives the port it sends by. */
  connect(receive: (frame: Uint8Array) => void): NetworkPort {
    this.receivers.push(receive);
    return {
      send: frame => {
        for (const other of this.receivers) if (other !== receive) other(frame.slice());
      },
      unplug: () => { this.receivers.splice(this.receivers.indexOf(receive), 1); },
    };
  }
}
