import { RAM_BASE } from "../heap.js";
import type { Memory } from "../memory.js";
import type { Network, NetworkPort } from "../network/network.js";
import { REQ_EVENT, REQ_PROD, RING_HEADER_BYTES, RSP_EVENT, RSP_PROD } from "./public/ring.js";
import type { BackendDriver, BackendParts } from "./xenbus.js";

/**
 * Dom0's network back end (public/io/netif.h, public/io/ring.h): two rings in pages of the guest's. A transmit request names a granted
 * page with a frame in it, which stays mapped until the host's adapter has sent it; a receive request names a page to copy a frame into.
 * Frames are copied, never flipped (feature-rx-copy): that is what every front end since 2006 asks for, the only way for a guest whose
 * frames are translated, and cheaper than exchanging pages (Menon, Cox, Zwaenepoel, USENIX 2006). No scatter, no checksum offload.
 */
export const NETIF_RSP_OKAY = 0, NETIF_RSP_ERROR = -1, NETIF_RSP_DROPPED = -2;
export const NETTXF_csum_blank = 1, NETTXF_data_validated = 2, NETTXF_more_data = 4, NETTXF_extra_info = 8;
/** struct netif_tx_request: gref, offset, flags, id, size; its response: id, status. struct netif_rx_request: id, gref; its response: id, offset, flags, status. */
export const NET_RING_ENTRIES = 256, TX_BYTES = 12, RX_BYTES = 8;
/** Of the back end's directory in the store. */
export const NET_FEATURES: Readonly<Record<string, string>> = { "feature-rx-copy": "1", "feature-rx-flip": "0", "feature-sg": "0", "feature-no-csum-offload": "1" };

const DOM0 = 0, ETH_BYTES = 14, MAX_FRAME = 1518, MOST_WAITING = 256;

export const macText = (mac: readonly number[]): string => mac.map((byte) => byte.toString(16).padStart(2, "0")).join(":");

export interface NetBackParts extends BackendParts {
  readonly network: Network;
}

interface TxRequest { readonly gref: number; readonly offset: number; readonly flags: number; readonly id: number; readonly size: number }

/** A ring as the back end sees it: its page, and how far it has come. */
class Ring {
  readonly ref: number;
  readonly page: number;
  reqCons = 0;
  rspProd = 0;
  private readonly memory: Memory;
  private readonly entryBytes: number;

  constructor(memory: Memory, ref: number, frame: number, entryBytes: number) {
    this.memory = memory;
    this.ref = ref;
    this.page = frame * 4096;
    this.entryBytes = entryBytes;
  }

  /** Requests to take; 0 when the producer index makes no sense. */
  waiting(): number {
    const prod = this.memory.read(this.page + REQ_PROD, 4);
    return ((prod - this.rspProd) >>> 0) > NET_RING_ENTRIES ? 0 : (prod - this.reqCons) >>> 0;
  }

  take(): number {
    return this.entry(this.reqCons++);
  }

  private entry(index: number): number {
    return this.page + RING_HEADER_BYTES + (index % NET_RING_ENTRIES) * this.entryBytes;
  }

  /** Asks to be told of the next request; gives whether one has come meanwhile. */
  sleep(): boolean {
    this.memory.write32(this.page + REQ_EVENT, this.reqCons + 1);
    return this.waiting() !== 0;
  }

  /** Where the next response goes. */
  next(): number {
    return this.entry(this.rspProd);
  }

  /** Publishes one response; gives whether the front end has asked to be told (RING_PUSH_RESPONSES_AND_CHECK_NOTIFY). */
  publish(): boolean {
    this.rspProd = (this.rspProd + 1) >>> 0;
    this.memory.write32(this.page + RSP_PROD, this.rspProd);
    return this.memory.read(this.page + RSP_EVENT, 4) === this.rspProd;
  }
}

export class NetBack implements BackendDriver {
  private readonly p: NetBackParts;
  private readonly port: NetworkPort;
  private rings: { readonly tx: Ring; readonly rx: Ring; readonly port: number } | undefined;
  private readonly waiting: Uint8Array[] = [];

  constructor(parts: NetBackParts) {
    this.p = parts;
    this.port = parts.network.connect((frame) => this.arrive(frame), parts.clock);
  }

  /** Pulls the cable out. */
  unplug(): void {
    this.port.unplug();
  }

  // ---- connection ------------------------------------------------------------------------------------------------------

  connect(frontend: string): boolean {
    const { store, grants, events, frontendDomain, memory } = this.p;
    const number = (key: string): number => Number(store.peek(`${frontend}/${key}`));
    const [txRef, rxRef, port] = [number("tx-ring-ref"), number("rx-ring-ref"), number("event-channel")];
    const protocol = store.peek(`${frontend}/protocol`);
    if (![txRef, rxRef, port].every(Number.isInteger) || number("request-rx-copy") !== 1 || (protocol !== undefined && protocol !== "x86_32-abi")) return false;
    const tx = grants.acquire(txRef, DOM0, true);
    if (tx < 0) return false;
    const rx = grants.acquire(rxRef, DOM0, true);
    const local = rx < 0 ? -1 : events.bindInterdomain(frontendDomain, port);
    if (local < 0) {
      grants.release(txRef, true);
      if (rx >= 0) grants.release(rxRef, true);
      return false;
    }
    this.rings = { tx: new Ring(memory, txRef, tx, TX_BYTES), rx: new Ring(memory, rxRef, rx, RX_BYTES), port: local };
    events.handle(local, () => this.notified());
    this.notified();
    return true;
  }

  disconnect(): void {
    const { rings } = this;
    if (rings === undefined) return;
    this.rings = undefined;
    this.waiting.length = 0;
    this.p.events.close(rings.port);
    this.p.grants.release(rings.tx.ref, true);
    this.p.grants.release(rings.rx.ref, true);
  }

  private notified(): void {
    this.p.count("paravirt.domain_switch", 2);
    this.transmitAll();
    this.deliver();
  }

  // ---- transmit --------------------------------------------------------------------------------------------------------

  private transmitAll(): void {
    const { rings } = this;
    if (rings === undefined) return;
    const { tx } = rings;
    do for (let n = tx.waiting(); n > 0; n--) this.transmit(this.readTx(tx.take()), tx);
    while (tx.sleep());
  }

  private readTx(at: number): TxRequest {
    const { memory } = this.p;
    return { gref: memory.read(at, 4), offset: memory.read(at + 4, 2), flags: memory.read(at + 6, 2), id: memory.read(at + 8, 2), size: memory.read(at + 10, 2) };
  }

  /** A frame that makes sense goes to the network; the grant is held until it is out of the host's hands, and then the answer comes. */
  private transmit(request: TxRequest, tx: Ring): void {
    const { grants, memory, count } = this.p;
    const { gref, offset, flags, size } = request;
    count("device.netback.transmit");
    const fits = size >= ETH_BYTES && size <= MAX_FRAME && offset + size <= 4096;
    // Chains and extra segments were not offered, nor were blank checksums.
    const frame = fits && (flags & (NETTXF_more_data | NETTXF_extra_info | NETTXF_csum_blank)) === 0 ? grants.acquire(gref, DOM0, false) : -1;
    if (frame < 0) return this.respondTx(tx, request, NETIF_RSP_ERROR);
    count("grant.map");
    const at = RAM_BASE + frame * 4096 + offset;
    const bytes = memory.heap.u8.slice(at, at + size);
    this.port.send(bytes, () => {
      count("grant.unmap");
      grants.release(gref, false);
      this.respondTx(tx, request, NETIF_RSP_OKAY);
    });
  }

  private respondTx(tx: Ring, request: TxRequest, status: number): void {
    const { memory, events } = this.p;
    if (this.rings?.tx !== tx) return;
    memory.write(tx.next(), 2, request.id);
    memory.write(tx.next() + 2, 2, status & 0xffff);
    if (tx.publish()) events.send(this.rings.port);
  }

  // ---- receive ---------------------------------------------------------------------------------------------------------

  private arrive(frame: Uint8Array): void {
    if (this.rings === undefined || this.waiting.length >= MOST_WAITING) return;
    this.waiting.push(frame);
    this.deliver();
  }

  /** Copies frames into the pages that the front end has granted for them, as many as there are. */
  private deliver(): void {
    const { rings, waiting } = this;
    if (rings === undefined) return;
    const { rx } = rings;
    while (waiting.length > 0) {
      if (rx.waiting() === 0 && !rx.sleep()) return;
      this.receive(waiting.shift()!, rx);
    }
  }

  private receive(frame: Uint8Array, rx: Ring): void {
    const { grants, memory, events, count } = this.p;
    const request = rx.take(), id = memory.read(request, 2), gref = memory.read(request + 4, 4);
    const page = grants.acquire(gref, DOM0, true);
    count("device.netback.receive");
    if (page >= 0) {
      memory.writeBytes(page * 4096, frame);
      grants.release(gref, true);
      count("grant.copy");
      count("grant.copy.byte", frame.length);
    }
    const at = rx.next();
    memory.write(at, 2, id);
    memory.write(at + 2, 2, 0);
    memory.write(at + 4, 2, 0);
    memory.write(at + 6, 2, (page >= 0 ? frame.length : NETIF_RSP_ERROR) & 0xffff);
    if (rx.publish()) events.send(this.rings!.port);
  }
}
