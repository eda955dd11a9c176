/** Ethernet, ARP, IPv4, ICMP and TCP on the wire, as far as the far host speaks them (RFC 826, 791, 792, 9293). */
export const ETH_BYTES = 14, ETH_IP = 0x0800, ETH_ARP = 0x0806, IP_BYTES = 20, IP_ICMP = 1, IP_TCP = 6, TCP_BYTES = 20, ARP_BYTES = 28;
export const TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16;
const OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2;

/** One's complement sum of 16-bit words, most significant byte first (RFC 1071), on top of `sum`; not yet folded. */
export function sumWords(bytes: Uint8Array, sum = 0): number {
  const even = bytes.length & ~1;
  let total = sum;
  for (let i = 0; i < even; i += 2) total += bytes[i]! << 8 | bytes[i + 1]!;
  return even === bytes.length ? total : total + (bytes[even]! << 8);
}

/** The checksum field for a sum, or 0 when the sum was over something whose checksum is right. */
export function checksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function pseudoSum(from: number, to: number, length: number): number {
  return (from >>> 16) + (from & 0xffff) + (to >>> 16) + (to & 0xffff) + IP_TCP + length;
}

/** A frame with room for `payload` bytes after its Ethernet header. */
export function ethernet(to: Uint8Array, from: Uint8Array, type: number, payload: number): Uint8Array {
  const frame = new Uint8Array(ETH_BYTES + payload);
  frame.set(to);
  frame.set(from, 6);
  view(frame).setUint16(12, type);
  return frame;
}

export interface ArpPacket { readonly operation: number; readonly mac: Uint8Array; readonly ip: number; readonly target: number }
export const ARP_REQUEST = 1, ARP_REPLY = 2;

/** The ARP packet of a frame, undefined when it is none for Ethernet and IPv4. */
export function parseArp(frame: Uint8Array): ArpPacket | undefined {
  if (frame.length < ETH_BYTES + ARP_BYTES) return undefined;
  const v = view(frame.subarray(ETH_BYTES));
  if (v.getUint32(0) !== 0x0001_0800 || v.getUint16(4) !== 0x0604) return undefined;
  return { operation: v.getUint16(6), mac: frame.slice(ETH_BYTES + 8, ETH_BYTES + 14), ip: v.getUint32(14), target: v.getUint32(24) };
}

export function buildArp(operation: number, mac: Uint8Array, ip: number, toMac: Uint8Array, toIp: number): Uint8Array {
  const frame = ethernet(operation === ARP_REQUEST ? new Uint8Array(6).fill(0xff) : toMac, mac, ETH_ARP, ARP_BYTES);
  const body = frame.subarray(ETH_BYTES), v = view(body);
  v.setUint32(0, 0x0001_0800);
  v.setUint32(4, (0x0604_0000 | operation) >>> 0);
  body.set(mac, 8);
  v.setUint32(14, ip);
  body.set(toMac, 18);
  v.setUint32(24, toIp);
  return frame;
}

export interface IpPacket { readonly from: number; readonly to: number; readonly protocol: number; readonly payload: Uint8Array }

/** The IPv4 packet of a frame, undefined when it is none, a fragment, or broken. */
export function parseIp(frame: Uint8Array): IpPacket | undefined {
  const bytes = frame.subarray(ETH_BYTES);
  if (bytes.length < IP_BYTES) return undefined;
  const v = view(bytes), head = (bytes[0]! & 15) * 4, total = v.getUint16(2);
  if (bytes[0]! >>> 4 !== 4 || head < IP_BYTES || total < head || total > bytes.length || (v.getUint16(6) & 0x3fff) !== 0) return undefined;
  if (checksum(sumWords(bytes.subarray(0, head))) !== 0) return undefined;
  return { from: v.getUint32(12), to: v.getUint32(16), protocol: bytes[9]!, payload: bytes.subarray(head, total) };
}

/** A frame with an IPv4 header; the payload is still to be put at ETH_BYTES + IP_BYTES. */
export function ipFrame(toMac: Uint8Array, mac: Uint8Array, from: number, to: number, protocol: number, payload: number): Uint8Array {
  const frame = ethernet(toMac, mac, ETH_IP, IP_BYTES + payload);
  const head = frame.subarray(ETH_BYTES, ETH_BYTES + IP_BYTES), v = view(head);
  v.setUint16(0, 0x4500);
  v.setUint16(2, IP_BYTES + payload);
  v.setUint16(6, 0x4000);
  v.setUint16(8, 64 << 8 | protocol);
  v.setUint32(12, from);
  v.setUint32(16, to);
  v.setUint16(10, checksum(sumWords(head)));
  return frame;
}

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** The segment-size option's value. */
  readonly mss: number | undefined;
  readonly data: Uint8Array;
}

/** The segment of a packet, undefined when it is broken. */
export function parseTcp(packet: IpPacket): TcpSegment | undefined {
  const { payload: bytes, from, to } = packet;
  if (bytes.length < TCP_BYTES) return undefined;
  const v = view(bytes), head = (bytes[12]! >>> 4) * 4;
  if (head < TCP_BYTES || head > bytes.length || checksum(sumWords(bytes, pseudoSum(from, to, bytes.length))) !== 0) return undefined;
  return {
    sourcePort: v.getUint16(0), destPort: v.getUint16(2), seq: v.getUint32(4), ack: v.getUint32(8), flags: bytes[13]!, window: v.getUint16(14),
    mss: mssOption(bytes.subarray(TCP_BYTES, head)), data: bytes.subarray(head),
  };
}

function mssOption(options: Uint8Array): number | undefined {
  for (let i = 0; i < options.length && options[i] !== OPTION_END;) {
    if (options[i] === OPTION_NOP) { i++; continue; }
    const length = options[i + 1] ?? 0;
    if (length < 2 || i + length > options.length) return undefined;
    if (options[i] === OPTION_MSS && length === 4) return options[i + 2]! << 8 | options[i + 3]!;
    i += length;
  }
  return undefined;
}

export interface Address { readonly mac: Uint8Array; readonly ip: number }

export function buildTcp(from: Address, to: Address, s: TcpSegment): Uint8Array {
  const head = TCP_BYTES + (s.mss === undefined ? 0 : 4);
  const frame = ipFrame(to.mac, from.mac, from.ip, to.ip, IP_TCP, head + s.data.length);
  const bytes = frame.subarray(ETH_BYTES + IP_BYTES), v = view(bytes);
  v.setUint16(0, s.sourcePort);
  v.setUint16(2, s.destPort);
  v.setUint32(4, s.seq);
  v.setUint32(8, s.ack);
  bytes[12] = head << 2;
  bytes[13] = s.flags;
  v.setUint16(14, s.window);
  if (s.mss !== undefined) v.setUint32(TCP_BYTES, 0x0204_0000 | s.mss);
  bytes.set(s.data, head);
  v.setUint16(16, checksum(sumWords(bytes, pseudoSum(from.ip, to.ip, bytes.length))));
  return frame;
}
