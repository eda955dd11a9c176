/** What the far host serves: the two halves of ttcp, discard and echo (RFC 863, 862); and the client that loads a web server. */
import type { Host } from "./far-host.js";
import type { TcpConnection, TcpService } from "./tcp-connection.js";

export const PORT_ECHO = 7, PORT_DISCARD = 9, PORT_TTCP_SINK = 5001, PORT_TTCP_SOURCE = 5002, PORT_HTTP = 80;
/** A client that asks for more than this gets no more. */
const MOST_SOURCE_BYTES = 64 << 20;
const FNV_START = 0x811c_9dc5, FNV_PRIME = 0x0100_0193;

/** FNV-1a over 32-bit words, least significant byte first, however the bytes come in pieces; a last part of a word counts with zeros. */
export class WordHash {
  private value = FNV_START;
  private word = 0;
  bytes = 0;

  add(piece: Uint8Array): void {
    let { value, word, bytes } = this;
    for (const byte of piece) {
      word |= byte << 8 * (bytes & 3);
      if ((++bytes & 3) !== 0) continue;
      value = Math.imul(value ^ word, FNV_PRIME);
      word = 0;
    }
    Object.assign(this, { value, word, bytes });
  }

  get hash(): number {
    return ((this.bytes & 3) === 0 ? this.value : Math.imul(this.value ^ this.word, FNV_PRIME)) >>> 0;
  }
}

/** Takes everything; at its end answers with how many bytes came and their hash, four bytes each. */
function sink(): TcpService {
  const hash = new WordHash();
  return {
    received: (_c, bytes) => hash.add(bytes),
    ended: (c) => {
      const answer = new DataView(new ArrayBuffer(8));
      answer.setUint32(0, hash.bytes, true);
      answer.setUint32(4, hash.hash, true);
      c.write(new Uint8Array(answer.buffer));
      c.end();
    },
  };
}

/** Is told in four bytes how many bytes to send, sends them and ends. */
function source(): TcpService {
  const asked: number[] = [];
  return {
    received: (c, bytes) => {
      if (asked.length >= 4) return;
      asked.push(...bytes.subarray(0, 4 - asked.length));
      if (asked.length === 4) {
        c.write(pattern(Math.min(new DataView(Uint8Array.from(asked).buffer).getUint32(0, true), MOST_SOURCE_BYTES)));
        c.end();
      }
    },
    ended: (c) => c.end(),
  };
}

/** Bytes in which every word is another. */
export function pattern(length: number): Uint8Array {
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => Math.imul(i + 1, 0x9e37_79b9));
  return new Uint8Array(words.buffer).subarray(0, length);
}

/** What a far host offers when nothing else is said. */
export const STANDARD_SERVICES: ReadonlyMap<number, () => TcpService> = new Map<number, () => TcpService>([
  [PORT_TTCP_SINK, sink],
  [PORT_TTCP_SOURCE, source],
  [PORT_DISCARD, () => ({ ended: (c) => c.end() })],
  [PORT_ECHO, () => ({ received: (c, bytes) => c.write(bytes.slice()), ended: (c) => c.end() })],
]);

// ---- the web client ------------------------------------------------------------------------------------------------------

export interface WebLoad {
  readonly ip: number;
  readonly port?: number;
  /** Requests under way at a time: a closed loop, each answer starts the next. */
  readonly connections: number;
  /** Requests in all. */
  readonly requests: number;
  /** Paths, asked for in turn by a fixed sequence weighted by their number of occurrences. */
  readonly paths: readonly string[];
  readonly done?: (result: WebResult) => void;
}

/** What came back, in the order it was asked for: bytes and hash of each answer, head included. */
export interface WebResult { readonly answers: readonly { readonly path: string; readonly bytes: number; readonly hash: number }[]; readonly cycles: number }

/** HTTP/1.0 requests, a connection each, in a closed loop. */
export function startWebLoad(host: Host, load: WebLoad): void {
  const answers: { path: string; bytes: number; hash: number }[] = [];
  const began = host.clock.now();
  let asked = 0, answered = 0;
  const next = (): void => {
    if (asked >= load.requests) return;
    const index = asked++, path = load.paths[index % load.paths.length]!, hash = new WordHash();
    let settled = false;
    const finish = (c: TcpConnection): void => {
      if (settled) return;
      settled = true;
      answers[index] = { path, bytes: hash.bytes, hash: hash.hash };
      c.end();
      if (++answered === load.requests) load.done?.({ answers, cycles: host.clock.now() - began });
      else next();
    };
    host.dial(load.ip, load.port ?? PORT_HTTP, {
      opened: (c) => c.write(new TextEncoder().encode(`GET ${path} HTTP/1.0\r\n\r\n`)),
      received: (_c, bytes) => hash.add(bytes),
      ended: finish,
      closed: finish,
    });
  };
  for (let i = 0; i < Math.min(load.connections, load.requests); i++) next();
}
