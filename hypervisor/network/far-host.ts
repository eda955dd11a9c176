/** The host at the far end of a link: answers ARP and pings, serves TCP ports, and calls the near end. It takes no time of its own. */
import type { DeviceClock } from "../devices/device.js";
import * as F from "./frames.js";
import type { FarHost, FarHostMaker } from "./link.js";
import { TcpConnection, type TcpService } from "./tcp-connection.js";

export interface FarHostOptions {
  /** Default 1500. */
  readonly mtu?: number;
  /** Default 10.0.2.2, QEMU's word for the host. */
  readonly ip?: number;
  /** By port. */
  readonly services?: ReadonlyMap<number, () => TcpService>;
  /** Told of the host once it is connected: a client begins here. */
  readonly started?: (host: Host) => void;
}

export const FAR_IP = 0x0a00_0202, NEAR_IP = 0x0a00_020f;
const FAR_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02), FIRST_PORT = 40000, LAST_PORT = 60000;
const ICMP_ECHO = 8, ICMP_ECHO_REPLY = 0;

/** An echo reply: identifier, sequence number and cycles since the request. */
export interface EchoReply { readonly sequence: number; readonly cycles: number }

export class Host implements FarHost {
  readonly clock: DeviceClock;
  private readonly send: (frame: Uint8Array) => void;
  private readonly options: FarHostOptions;
  private readonly address: F.Address;
  private readonly mss: number;
  private readonly connections = new Map<string, TcpConnection>();
  private readonly macs = new Map<number, Uint8Array>();
  private readonly waiting = new Map<number, ((mac: Uint8Array) => void)[]>();
  private readonly pings = new Map<number, { readonly at: number; readonly done: (reply: EchoReply) => void }>();
  private nextPort = FIRST_PORT;
  private iss = 1;

  constructor(clock: DeviceClock, send: (frame: Uint8Array) => void, options: FarHostOptions) {
    this.clock = clock;
    this.send = send;
    this.options = options;
    this.address = { mac: FAR_MAC, ip: options.ip ?? FAR_IP };
    this.mss = (options.mtu ?? 1500) - F.IP_BYTES - F.TCP_BYTES;
    options.started?.(this);
  }

  /** A frame has arrived. */
  receive(frame: Uint8Array): void {
    if (frame.length < F.ETH_BYTES) return;
    const type = frame[12]! << 8 | frame[13]!;
    if (type === F.ETH_ARP) this.receiveArp(frame);
    else if (type === F.ETH_IP) this.receiveIp(frame);
  }

  private receiveArp(frame: Uint8Array): void {
    const arp = F.parseArp(frame);
    if (arp === undefined) return;
    if (arp.operation === F.ARP_REQUEST && arp.target === this.address.ip) {
      this.send(F.buildArp(F.ARP_REPLY, this.address.mac, this.address.ip, arp.mac, arp.ip));
    }
    this.learn(arp.ip, arp.mac); // what waited for the address comes after the answer
  }

  private learn(ip: number, mac: Uint8Array): void {
    this.macs.set(ip, mac);
    const waiting = this.waiting.get(ip) ?? [];
    this.waiting.delete(ip);
    for (const go of waiting) go(mac);
  }

  /** Calls `go` with the hardware address of `ip`, once it is known. */
  private resolve(ip: number, go: (mac: Uint8Array) => void): void {
    const mac = this.macs.get(ip);
    if (mac !== undefined) return go(mac);
    const waiting = this.waiting.get(ip);
    if (waiting !== undefined) {
      waiting.push(go);
      return;
    }
    this.waiting.set(ip, [go]);
    this.ask(ip);
  }

  /** Asks until somebody answers: the near end may not be up yet. */
  private ask(ip: number): void {
    if (!this.waiting.has(ip)) return;
    this.send(F.buildArp(F.ARP_REQUEST, this.address.mac, this.address.ip, new Uint8Array(6), ip));
    this.clock.schedule(this.clock.now() + Math.ceil(this.clock.hz / 10), () => this.ask(ip));
  }

  private receiveIp(frame: Uint8Array): void {
    const packet = F.parseIp(frame);
    if (packet === undefined || packet.to !== this.address.ip) return;
    const from: F.Address = { mac: frame.slice(6, 12), ip: packet.from };
    if (packet.protocol === F.IP_ICMP) this.receiveIcmp(packet, from);
    else if (packet.protocol === F.IP_TCP) this.receiveTcp(packet, from);
  }

  // ---- ICMP --------------------------------------------------------------------------------------------------------------

  private receiveIcmp({ payload }: F.IpPacket, from: F.Address): void {
    if (payload.length < 8 || F.checksum(F.sumWords(payload)) !== 0) return;
    if (payload[0] === ICMP_ECHO) this.sendIcmp(from, ICMP_ECHO_REPLY, payload.subarray(4));
    const sequence = payload[6]! << 8 | payload[7]!, ping = this.pings.get(sequence);
    if (payload[0] !== ICMP_ECHO_REPLY || ping === undefined) return;
    this.pings.delete(sequence);
    ping.done({ sequence, cycles: this.clock.now() - ping.at });
  }

  private sendIcmp(to: F.Address, type: number, rest: Uint8Array): void {
    const frame = F.ipFrame(to.mac, this.address.mac, this.address.ip, to.ip, F.IP_ICMP, 4 + rest.length);
    const body = frame.subarray(F.ETH_BYTES + F.IP_BYTES);
    body[0] = type;
    body.set(rest, 4);
    const sum = F.checksum(F.sumWords(body));
    body[2] = sum >>> 8;
    body[3] = sum & 0xff;
    this.send(frame);
  }

  /** Pings `ip` with `bytes` of data. */
  ping(ip: number, sequence: number, bytes: number, done: (reply: EchoReply) => void): void {
    this.resolve(ip, (mac) => {
      const rest = new Uint8Array(4 + bytes).fill(0x61);
      rest.set([0x12, 0x34, sequence >>> 8, sequence & 0xff]);
      this.pings.set(sequence, { at: this.clock.now(), done });
      this.sendIcmp({ mac, ip }, ICMP_ECHO, rest);
    });
  }

  // ---- TCP ---------------------------------------------------------------------------------------------------------------

  private receiveTcp(packet: F.IpPacket, from: F.Address): void {
    const s = F.parseTcp(packet);
    if (s === undefined) return;
    const key = keyOf(s.destPort, from.ip, s.sourcePort);
    const known = this.connections.get(key);
    if (known !== undefined) return known.receive(s);
    const service = this.options.services?.get(s.destPort);
    if (service !== undefined && (s.flags & (F.TCP_SYN | F.TCP_ACK | F.TCP_RST)) === F.TCP_SYN) {
      this.connect(s.destPort, from, s.sourcePort, service()).accept(s);
    } else if ((s.flags & F.TCP_RST) === 0) this.reset(s, from);
  }

  private connect(localPort: number, to: F.Address, remotePort: number, service: TcpService): TcpConnection {
    const key = keyOf(localPort, to.ip, remotePort);
    const connection = new TcpConnection({
      clock: this.clock, service, localPort, remotePort, mss: this.mss, iss: (this.iss = (this.iss + 64021) >>> 0),
      send: (segment) => this.send(F.buildTcp(this.address, to, segment)),
      forget: () => this.connections.delete(key),
    });
    this.connections.set(key, connection);
    return connection;
  }

  private reset(s: TcpReset, to: F.Address): void {
    const answers = (s.flags & F.TCP_ACK) !== 0;
    const length = s.data.length + ((s.flags & F.TCP_SYN) !== 0 ? 1 : 0) + ((s.flags & F.TCP_FIN) !== 0 ? 1 : 0);
    this.send(F.buildTcp(this.address, to, {
      sourcePort: s.destPort, destPort: s.sourcePort, seq: answers ? s.ack : 0, ack: answers ? 0 : (s.seq + length) >>> 0,
      flags: answers ? F.TCP_RST : F.TCP_RST | F.TCP_ACK, window: 0, mss: undefined, data: new Uint8Array(0),
    }));
  }

  /** Opens a connection to a port of the near end. */
  dial(ip: number, port: number, service: TcpService): void {
    this.resolve(ip, (mac) => {
      const local = this.nextPort++;
      if (this.nextPort === LAST_PORT) this.nextPort = FIRST_PORT;
      this.connect(local, { mac, ip }, port, service).open();
    });
  }
}

type TcpReset = F.TcpSegment;
const keyOf = (local: number, ip: number, remote: number): string => `${local} ${ip} ${remote}`;

/** A far host as a link wants it. */
export function farHost(options: FarHostOptions = {}): FarHostMaker {
  return (clock, send) => new Host(clock, send, options);
}
