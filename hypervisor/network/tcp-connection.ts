/**
 * One TCP connection of the far host (RFC 9293): an endpoint that takes no time of its own, so that what is measured is the machine at
 * the near end. Slow start, congestion avoidance and fast retransmission (RFC 5681), a retransmission timer (RFC 6298), delayed
 * acknowledgements (RFC 1122, 4.2.3.2). What arrives is taken at once: its window is always open.
 */
import type { DeviceClock } from "../devices/device.js";
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, type TcpSegment } from "./frames.js";

const WINDOW = 65535, DELAYED_ACK = 0.04, RTO_FIRST = 1, RTO_MIN = 0.2, RTO_MAX = 60, TRIES = 8, DEFAULT_MSS = 536, MOST_EARLY = 256;
const before = (a: number, b: number): boolean => (a - b | 0) < 0;

type State = "syn-sent" | "syn-received" | "open" | "closed";

/** What a service does with its connections. */
export interface TcpService {
  opened?(c: TcpConnection): void;
  received?(c: TcpConnection, bytes: Uint8Array): void;
  /** The other side has sent its FIN. */
  ended?(c: TcpConnection): void;
  /** Nothing more will happen. */
  closed?(c: TcpConnection): void;
}

export interface ConnectionParts {
  readonly clock: DeviceClock;
  readonly service: TcpService;
  readonly localPort: number;
  readonly remotePort: number;
  readonly iss: number;
  /** Largest segment this end can take. */
  readonly mss: number;
  readonly send: (segment: TcpSegment) => void;
  readonly forget: () => void;
}

export class TcpConnection {
  readonly remotePort: number;
  private readonly p: ConnectionParts;
  private state: State = "syn-sent";
  private mss = DEFAULT_MSS;
  // Sending. Sequence numbers are unsigned; `una` begins the queue.
  private una: number;
  private nxt: number;
  /** Highest number ever sent. */
  private max: number;
  private window = 0;
  private cwnd = 0;
  private ssthresh = WINDOW;
  private dupAcks = 0;
  private recover = 0;
  private queue: Uint8Array[] = [];
  private queued = 0;
  private finWanted = false;
  private finAcked = false;
  private timer: number | undefined;
  private rto = RTO_FIRST;
  private srtt = 0;
  private rttvar = 0;
  private measuring: { readonly seq: number; readonly at: number } | undefined;
  private tries = 0;
  // Receiving.
  private rcvNxt = 0;
  private finReceived = false;
  private finSeq: number | undefined;
  private early = new Map<number, Uint8Array>();
  private unacknowledged = 0;
  private ackNow = false;
  private ackTimer: number | undefined;

  constructor(parts: ConnectionParts) {
    this.p = parts;
    this.remotePort = parts.remotePort;
    this.una = this.nxt = this.max = parts.iss >>> 0;
  }

  // ---- for services ------------------------------------------------------------------------------------------------------

  /** Queues bytes, which are kept as they are. */
  write(bytes: Uint8Array): void {
    if (this.finWanted || bytes.length === 0 || this.state === "closed") return;
    this.queue.push(bytes);
    this.queued += bytes.length;
    this.push();
  }

  /** Sends a FIN after what is queued. */
  end(): void {
    this.finWanted = true;
    this.push();
  }

  /** Calls the other side. */
  open(): void {
    this.nxt = this.max = (this.una + 1) >>> 0;
    this.emit(this.una, TCP_SYN, NOTHING, this.p.mss);
    this.startTimer();
  }

  // ---- sending -----------------------------------------------------------------------------------------------------------

  private emit(seq: number, flags: number, data: Uint8Array, mss?: number): void {
    const { localPort, remotePort, send } = this.p;
    send({ sourcePort: localPort, destPort: remotePort, seq, ack: (flags & TCP_ACK) !== 0 ? this.rcvNxt : 0, flags, window: WINDOW, mss, data });
    if ((flags & TCP_ACK) === 0) return;
    this.ackNow = false;
    this.unacknowledged = 0;
    if (this.ackTimer !== undefined) this.p.clock.cancel(this.ackTimer);
    this.ackTimer = undefined;
  }

  /** `length` bytes of the queue from `offset` past `una`. */
  private slice(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    let at = 0, skip = offset;
    for (const part of this.queue) {
      if (skip >= part.length) { skip -= part.length; continue; }
      const piece = part.subarray(skip, skip + length - at);
      out.set(piece, at);
      at += piece.length;
      skip = 0;
      if (at === length) break;
    }
    return out;
  }

  /** Sends one segment of data from `seq`; with the FIN when it is the last. */
  private transmit(seq: number, length: number): void {
    const offset = seq - this.una >>> 0, last = offset + length === this.queued;
    const fin = last && this.finWanted;
    this.emit(seq, TCP_ACK | (last && length > 0 ? TCP_PSH : 0) | (fin ? TCP_FIN : 0), this.slice(offset, length));
    const next = (seq + length + (fin ? 1 : 0)) >>> 0;
    if (!before(seq, this.max) && this.measuring === undefined) this.measuring = { seq: next, at: this.p.clock.now() };
    if (before(this.nxt, next)) this.nxt = next;
    if (before(this.max, next)) this.max = next;
    if (this.timer === undefined) this.startTimer();
  }

  /** Sends what the windows allow, and an acknowledgement if one is due. */
  private push(): void {
    if (this.state === "open") {
      for (;;) {
        const offset = this.nxt - this.una >>> 0, left = this.queued - offset;
        if (left < 0 || this.finAcked) break;
        if (left === 0) {
          if (this.finWanted) this.transmit(this.nxt, 0);
          break;
        }
        const room = Math.min(this.window, this.cwnd) - offset, length = Math.min(left, this.mss, room);
        if (length <= 0) break;
        // Not a part of a segment, unless it is all there is or half of the largest window (RFC 9293, 3.8.6.2.1).
        if (length < this.mss && length < left && length < WINDOW / 2) break;
        if (length < this.mss && length === left && offset > 0 && !this.finWanted) break;
        this.transmit(this.nxt, length);
      }
      if (this.queued > 0 && this.timer === undefined) this.startTimer();
    }
    if (this.ackNow && this.state !== "closed") this.emit(this.nxt, TCP_ACK, NOTHING);
  }

  // ---- time --------------------------------------------------------------------------------------------------------------

  private startTimer(): void {
    const { clock } = this.p;
    this.timer = clock.schedule(clock.now() + Math.ceil(Math.min(this.rto * 2 ** this.tries, RTO_MAX) * clock.hz), () => this.timeout());
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.p.clock.cancel(this.timer);
    this.timer = undefined;
  }

  private timeout(): void {
    this.timer = undefined;
    if (this.tries++ >= TRIES) return this.close();
    this.measuring = undefined;
    if (this.state === "syn-sent") this.emit(this.una, TCP_SYN, NOTHING, this.p.mss);
    else if (this.state === "syn-received") this.emit(this.una, TCP_SYN | TCP_ACK, NOTHING, this.p.mss);
    else if (this.state === "open") {
      this.ssthresh = Math.max((this.max - this.una >>> 0) / 2, 2 * this.mss);
      this.cwnd = this.mss;
      this.dupAcks = 0;
      this.nxt = this.una;
      // Into a closed window goes one byte, to hear whether it has opened.
      if (this.window === 0 && this.queued > 0) this.transmit(this.una, 1);
      else this.push();
    }
    if (this.timer === undefined) this.startTimer();
  }

  private measured(at: number): void {
    const { clock } = this.p, r = (clock.now() - at) / clock.hz;
    if (this.srtt === 0) {
      this.srtt = r;
      this.rttvar = r / 2;
    } else {
      this.rttvar += (Math.abs(this.srtt - r) - this.rttvar) / 4;
      this.srtt += (r - this.srtt) / 8;
    }
    this.rto = Math.min(Math.max(this.srtt + 4 * this.rttvar, RTO_MIN), RTO_MAX);
    this.measuring = undefined;
  }

  private close(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.stopTimer();
    if (this.ackTimer !== undefined) this.p.clock.cancel(this.ackTimer);
    this.p.forget();
    this.p.service.closed?.(this);
  }

  // ---- receiving ---------------------------------------------------------------------------------------------------------

  /** The first segment of a connection that the other side opens. */
  accept(s: TcpSegment): void {
    this.state = "syn-received";
    this.synchronised(s);
    this.nxt = this.max = (this.una + 1) >>> 0;
    this.emit(this.una, TCP_SYN | TCP_ACK, NOTHING, this.p.mss);
    this.startTimer();
  }

  private synchronised(s: TcpSegment): void {
    this.rcvNxt = (s.seq + 1) >>> 0;
    this.window = s.window;
    this.mss = Math.min(this.p.mss, Math.max(s.mss ?? DEFAULT_MSS, 64));
    this.cwnd = Math.min(4 * this.mss, Math.max(2 * this.mss, 4380)); // RFC 3390
  }

  private established(): void {
    this.state = "open";
    this.una = this.nxt;
    this.tries = 0;
    this.stopTimer();
    this.p.service.opened?.(this);
  }

  receive(s: TcpSegment): void {
    if (this.state === "closed") return;
    if (this.state === "syn-sent") this.receiveSynSent(s);
    else this.receiveOpen(s);
    this.push();
    if (this.state === "open" && this.finReceived && this.finAcked) this.close();
  }

  private receiveSynSent(s: TcpSegment): void {
    if ((s.flags & TCP_ACK) === 0 || s.ack !== this.nxt) return;
    if ((s.flags & TCP_RST) !== 0) return this.close();
    if ((s.flags & TCP_SYN) === 0) return;
    this.synchronised(s);
    this.ackNow = true;
    this.established();
  }

  private receiveOpen(s: TcpSegment): void {
    const length = s.data.length + ((s.flags & TCP_FIN) !== 0 ? 1 : 0);
    const end = (s.seq + length) >>> 0, beyond = (this.rcvNxt + WINDOW) >>> 0;
    const acceptable = length === 0 ? !before(s.seq, this.rcvNxt) && before(s.seq, beyond) : before(s.seq, beyond) && before(this.rcvNxt, end);
    if (!acceptable || (s.flags & TCP_SYN) !== 0) {
      if ((s.flags & TCP_RST) === 0) this.ackNow = true;
      if ((s.flags & TCP_SYN) !== 0 && this.state === "syn-received") this.emit(this.una, TCP_SYN | TCP_ACK, NOTHING, this.p.mss);
      if ((s.flags & TCP_ACK) !== 0 && (s.flags & (TCP_RST | TCP_SYN)) === 0 && this.state === "open") this.acknowledge(s);
      return;
    }
    if ((s.flags & TCP_RST) !== 0) return s.seq === this.rcvNxt ? this.close() : undefined;
    if ((s.flags & TCP_ACK) === 0) return;
    if (this.state === "syn-received") {
      if (s.ack !== this.nxt) return;
      this.window = s.window;
      this.established();
    }
    this.acknowledge(s);
    this.take(s);
  }

  private acknowledge(s: TcpSegment): void {
    if (before(this.max, s.ack)) {
      this.ackNow = true;
      return;
    }
    if (before(this.una, s.ack)) this.advance(s.ack);
    else if (s.ack === this.una && this.max !== this.una && s.data.length === 0 && s.window === this.window && (s.flags & TCP_FIN) === 0) this.duplicate();
    if (!before(s.ack, this.una)) this.window = s.window;
  }

  private advance(ack: number): void {
    const moved = ack - this.una >>> 0;
    if (this.measuring !== undefined && !before(ack, this.measuring.seq)) this.measured(this.measuring.at);
    if (moved > this.queued) this.finAcked = true;
    this.dequeue(Math.min(moved, this.queued));
    this.una = ack;
    if (before(this.nxt, ack)) this.nxt = ack;
    this.tries = 0;
    this.stopTimer();
    if (this.max !== this.una) this.startTimer();
    if (this.dupAcks >= 3) {
      if (before(ack, this.recover)) { // a partial acknowledgement: the next segment is lost too (RFC 6582)
        this.cwnd = Math.max(this.cwnd - moved + this.mss, this.mss);
        return this.retransmit();
      }
      this.cwnd = this.ssthresh;
    } else this.cwnd += this.cwnd < this.ssthresh ? Math.min(moved, 2 * this.mss) : Math.max(1, Math.floor(this.mss * this.mss / this.cwnd));
    this.cwnd = Math.min(this.cwnd, 2 * WINDOW);
    this.dupAcks = 0;
  }

  private dequeue(bytes: number): void {
    let left = bytes;
    while (left > 0) {
      const first = this.queue[0]!;
      if (first.length <= left) {
        this.queue.shift();
        left -= first.length;
      } else {
        this.queue[0] = first.subarray(left);
        left = 0;
      }
    }
    this.queued -= bytes;
  }

  private duplicate(): void {
    this.dupAcks++;
    if (this.dupAcks === 3) {
      this.ssthresh = Math.max((this.max - this.una >>> 0) / 2, 2 * this.mss);
      this.recover = this.max;
      this.cwnd = this.ssthresh + 3 * this.mss;
      this.measuring = undefined;
      this.retransmit();
    } else if (this.dupAcks > 3) this.cwnd += this.mss;
  }

  private retransmit(): void {
    if (this.max !== this.una) this.transmit(this.una, Math.min(this.mss, this.queued));
  }

  private take(s: TcpSegment): void {
    if ((s.flags & TCP_FIN) !== 0) this.finSeq = (s.seq + s.data.length) >>> 0;
    if (s.data.length > 0 && !this.finReceived) {
      if (before(this.rcvNxt, s.seq)) {
        if (this.early.size < MOST_EARLY) this.early.set(s.seq, s.data.slice());
        this.ackNow = true;
        return;
      }
      this.deliver(s.seq, s.data);
      if (++this.unacknowledged >= 2 || this.early.size > 0) this.ackNow = true;
      else this.ackLater();
      for (let found = true; found;) {
        found = false;
        for (const [seq, data] of this.early) {
          if (before(this.rcvNxt, seq)) continue;
          this.early.delete(seq);
          this.deliver(seq, data);
          found = true;
        }
      }
    }
    if (this.finSeq === undefined || this.finReceived) return;
    this.ackNow = true;
    if (this.finSeq !== this.rcvNxt) return;
    this.finReceived = true;
    this.rcvNxt = (this.rcvNxt + 1) >>> 0;
    this.p.service.ended?.(this);
  }

  private deliver(seq: number, data: Uint8Array): void {
    const fresh = data.subarray(this.rcvNxt - seq >>> 0);
    if (fresh.length === 0 || before((seq + data.length) >>> 0, this.rcvNxt)) return;
    this.rcvNxt = (this.rcvNxt + fresh.length) >>> 0;
    this.p.service.received?.(this, fresh);
  }

  private ackLater(): void {
    const { clock } = this.p;
    this.ackTimer ??= clock.schedule(clock.now() + Math.ceil(DELAYED_ACK * clock.hz), () => {
      this.ackTimer = undefined;
      this.ackNow = true;
      this.push();
    });
  }
}

const NOTHING = new Uint8Array(0);
