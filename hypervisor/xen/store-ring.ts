import type { Memory } from "../memory.js";
import { type Permission, type Store, StoreError } from "./store.js";

/**
 * Dom0's end of a domain's XenStore page: two byte rings, messages of a 16-byte header and a body (public/io/xs_wire.h,
 * struct xenstore_domain_interface, struct xsd_sockmsg).
 */
export const XS_CONTROL = 0, XS_DIRECTORY = 1, XS_READ = 2, XS_GET_PERMS = 3, XS_WATCH = 4, XS_UNWATCH = 5, XS_TRANSACTION_START = 6,
  XS_TRANSACTION_END = 7, XS_INTRODUCE = 8, XS_RELEASE = 9, XS_GET_DOMAIN_PATH = 10, XS_WRITE = 11, XS_MKDIR = 12, XS_RM = 13, XS_SET_PERMS = 14,
  XS_WATCH_EVENT = 15, XS_ERROR = 16, XS_IS_DOMAIN_INTRODUCED = 17, XS_RESUME = 18, XS_SET_TARGET = 19, XS_RESET_WATCHES = 21;
export const XENSTORE_RING_SIZE = 1024, XENSTORE_PAYLOAD_MAX = 4096, HEADER_BYTES = 16;
const REQ = 0, RSP = 1024, REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060;

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (b) => String.fromCharCode(b)).join("");

export class StoreRing {
  private readonly memory: Memory;
  private readonly base: number;
  private readonly store: Store;
  private readonly domid: number;
  private readonly notify: () => void;
  private readonly count: (event: string) => void;
  private input: number[] = [];
  private output: number[] = [];
  /** The domain has spoken nonsense: it is not listened to any more. */
  broken = false;

  constructor(memory: Memory, mfn: number, store: Store, domid: number, notify: () => void, count: (event: string) => void) {
    this.memory = memory;
    this.base = mfn * 4096;
    this.store = store;
    this.domid = domid;
    this.notify = notify;
    this.count = count;
  }

  private index(offset: number): number {
    return this.memory.read(this.base + offset, 4);
  }

  /** The domain has written a request, or taken answers. */
  serve(): void {
    if (this.broken) return;
    let moved = this.take();
    while (this.message()) moved = true;
    moved = this.give() || moved;
    if (moved) this.notify();
  }

  /** Moves what is in the request ring to the input; gives whether there was anything. */
  private take(): boolean {
    const cons = this.index(REQ_CONS), prod = this.index(REQ_PROD);
    const bytes = (prod - cons) >>> 0;
    if (bytes > XENSTORE_RING_SIZE) {
      this.broken = true;
      return false;
    }
    for (let i = 0; i < bytes; i++) this.input.push(this.memory.read(this.base + REQ + ((cons + i) & (XENSTORE_RING_SIZE - 1)), 1));
    if (bytes !== 0) this.memory.write32(this.base + REQ_CONS, prod);
    return bytes !== 0;
  }

  /** Moves output to the answer ring as far as it has room. */
  private give(): boolean {
    const cons = this.index(RSP_CONS), prod = this.index(RSP_PROD);
    const used = (prod - cons) >>> 0;
    if (used > XENSTORE_RING_SIZE) {
      this.broken = true;
      return false;
    }
    const bytes = Math.min(this.output.length, XENSTORE_RING_SIZE - used);
    for (let i = 0; i < bytes; i++) this.memory.write(this.base + RSP + ((prod + i) & (XENSTORE_RING_SIZE - 1)), 1, this.output[i]);
    if (bytes === 0) return false;
    this.output = this.output.slice(bytes);
    this.memory.write32(this.base + RSP_PROD, prod + bytes);
    return true;
  }

  /** Answers one whole message of the input, if there is one. */
  private message(): boolean {
    if (this.input.length < HEADER_BYTES || this.broken) return false;
    const header = new DataView(Uint8Array.from(this.input.slice(0, HEADER_BYTES)).buffer);
    const [type, request, transaction, length] = [0, 4, 8, 12].map((at) => header.getUint32(at, true));
    if (length > XENSTORE_PAYLOAD_MAX) {
      this.broken = true;
      return false;
    }
    if (this.input.length < HEADER_BYTES + length) return false;
    const body = latin1(Uint8Array.from(this.input.slice(HEADER_BYTES, HEADER_BYTES + length)));
    this.input = this.input.slice(HEADER_BYTES + length);
    this.count("device.xenstore.request");
    const after: (() => void)[] = [];
    try {
      const answer = this.answer(type, transaction, body, after);
      if (answer.length > XENSTORE_PAYLOAD_MAX) throw new StoreError("E2BIG");
      this.send(type, request, transaction, answer);
    } catch (e) {
      if (!(e instanceof StoreError)) throw e;
      this.send(XS_ERROR, request, transaction, e.code + "\0");
    }
    for (const run of after) run();
    return true;
  }

  private send(type: number, request: number, transaction: number, body: string): void {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    [type, request, transaction, body.length].forEach((word, i) => header.setUint32(i * 4, word, true));
    this.output.push(...new Uint8Array(header.buffer));
    for (let i = 0; i < body.length; i++) this.output.push(body.charCodeAt(i) & 0xff);
  }

  /** `after`: what is to happen once the answer is on its way (a watch's first event follows its answer). */
  private answer(type: number, transaction: number, body: string, after: (() => void)[]): string {
    const { store, domid } = this;
    store.check(domid, transaction);
    const fields = body.split("\0");
    const path = (): string => store.absolute(domid, fields[0]);
    const terminated = (n: number): void => { if (fields.length < n + 1) throw new StoreError("EINVAL"); };
    switch (type) {
      case XS_DIRECTORY: terminated(1); return store.directory(domid, path()).map((name) => name + "\0").join("");
      case XS_READ: terminated(1); return store.read(domid, path());
      case XS_WRITE: {
        terminated(1);
        store.write(domid, path(), body.slice(fields[0].length + 1));
        return "OK\0";
      }
      case XS_MKDIR: terminated(1); store.mkdir(domid, path()); return "OK\0";
      case XS_RM: terminated(1); store.remove(domid, path()); return "OK\0";
      case XS_GET_PERMS: terminated(1); return store.permissions(domid, path()).map((p) => `${p.rights}${p.domid}\0`).join("");
      case XS_SET_PERMS: terminated(2); store.setPermissions(domid, path(), fields.slice(1, -1).map(parsePermission)); return "OK\0";
      case XS_WATCH: terminated(2); this.watch(fields[0], fields[1], after); return "OK\0";
      case XS_UNWATCH: terminated(2); store.unwatch(domid, this.watchPath(fields[0]), fields[1]); return "OK\0";
      case XS_RESET_WATCHES: store.resetWatches(domid); return "OK\0";
      case XS_TRANSACTION_START: {
        if (transaction !== 0) throw new StoreError("EBUSY");
        return `${store.begin(domid)}\0`;
      }
      case XS_TRANSACTION_END: {
        if (fields[0] !== "T" && fields[0] !== "F") throw new StoreError("EINVAL");
        if (transaction === 0) throw new StoreError("ENOENT");
        store.end(domid, transaction, fields[0] === "T");
        return "OK\0";
      }
      case XS_GET_DOMAIN_PATH: terminated(1); return `/local/domain/${domainNumber(fields[0])}\0`;
      case XS_IS_DOMAIN_INTRODUCED: terminated(1); return domainNumber(fields[0]) === domid || fields[0] === "0" ? "T\0" : "F\0";
      // For the tools of Dom0.
      case XS_INTRODUCE: case XS_RELEASE: case XS_RESUME: case XS_SET_TARGET: case XS_CONTROL: throw new StoreError("EACCES");
      default: throw new StoreError("ENOSYS");
    }
  }

  /** Special watches (@introduceDomain, ...) have no path. */
  private watchPath(path: string): string {
    return path.startsWith("@") ? path : this.store.absolute(this.domid, path);
  }

  private watch(given: string, token: string, after: (() => void)[]): void {
    const relative = !given.startsWith("/") && !given.startsWith("@");
    const home = `/local/domain/${this.domid}/`;
    const fire = (path: string): void => {
      const told = relative && path.startsWith(home) ? path.slice(home.length) : path;
      this.send(XS_WATCH_EVENT, 0, 0, `${told}\0${token}\0`);
      if (this.give()) this.notify();
    };
    const full = this.watchPath(given);
    this.store.watch(this.domid, full, token, fire);
    after.push(() => fire(full));
  }
}

function domainNumber(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text)) throw new StoreError("EINVAL");
  return Number(text);
}

function parsePermission(text: string): Permission {
  const match = /^([nrwb])([0-9]{1,5})$/.exec(text);
  if (match === null) throw new StoreError("EINVAL");
  return { rights: match[1] as Permission["rights"], domid: Number(match[2]) };
}
