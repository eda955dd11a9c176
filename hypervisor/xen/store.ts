/**
 * XenStore: the tree of small strings in which domains and Dom0 find each other's rings, event channels and states. The tree, its
 * permissions, watches and transactions are here; store-ring.ts speaks the wire protocol (public/io/xs_wire.h) on a guest's page.
 * Values are strings of one byte a character. An operation that fails throws StoreError with one of the protocol's error names.
 */
export type StoreErrorName = "EINVAL" | "EACCES" | "EEXIST" | "ENOENT" | "E2BIG" | "ENOSYS" | "EBUSY" | "EAGAIN" | "EPERM" | "ENOSPC";

export class StoreError extends Error {
  readonly code: StoreErrorName;
  constructor(code: StoreErrorName) {
    super(code);
    this.code = code;
  }
}

/** Rights as the protocol writes them: 'n' none, 'r' read, 'w' write, 'b' both. The first entry names the owner and everybody else's rights. */
export interface Permission { readonly domid: number; readonly rights: "n" | "r" | "w" | "b" }

interface Node {
  value: string;
  permissions: readonly Permission[];
  readonly children: Set<string>;
}

interface Watch {
  readonly path: string;
  readonly domid: number;
  readonly token: string;
  readonly fire: (path: string) => void;
}

const PATH_LIMIT = 3072, RELATIVE_LIMIT = 2048, VALUE_LIMIT = 2048, NODES_PER_DOMAIN = 1000, WATCHES_PER_DOMAIN = 128, TRANSACTIONS_PER_DOMAIN = 10;
const DOM0 = 0;

export class Store {
  private nodes = new Map<string, Node>();
  private watches: Watch[] = [];
  private readonly transactions = new Map<number, { readonly domid: number; readonly before: Map<string, Node> }>();
  private nextTransaction = 1;

  constructor() {
    this.nodes.set("/", { value: "", permissions: [{ domid: DOM0, rights: "r" }], children: new Set() });
  }

  // ---- paths -----------------------------------------------------------------------------------------------------------

  /** The absolute form of a path a domain gives; relative ones are below its own home. */
  absolute(domid: number, path: string): string {
    const relative = !path.startsWith("/");
    if (path === "" || path.length > (relative ? RELATIVE_LIMIT : PATH_LIMIT)) throw new StoreError("EINVAL");
    const full = relative ? `/local/domain/${domid}/${path}` : path;
    const wellFormed = full === "/" || (!full.endsWith("/") && !full.includes("//") && /^[-/_@A-Za-z0-9]+$/.test(full));
    if (!wellFormed) throw new StoreError("EINVAL");
    return full;
  }

  private parentOf(path: string): string {
    const slash = path.lastIndexOf("/");
    return slash === 0 ? "/" : path.slice(0, slash);
  }

  private node(path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) throw new StoreError("ENOENT");
    return node;
  }

  // ---- permissions -----------------------------------------------------------------------------------------------------

  private allowed(node: Node, domid: number, right: "r" | "w"): boolean {
    if (domid === DOM0 || node.permissions[0].domid === domid) return true;
    const entry = node.permissions.slice(1).find((p) => p.domid === domid) ?? node.permissions[0];
    return entry.rights === "b" || entry.rights === right;
  }

  private readable(domid: number, path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) {
      // Who may not read the nearest ancestor is not told what there is not.
      let up = path;
      while (!this.nodes.has(up)) up = this.parentOf(up);
      throw new StoreError(this.allowed(this.node(up), domid, "r") ? "ENOENT" : "EACCES");
    }
    if (!this.allowed(node, domid, "r")) throw new StoreError("EACCES");
    return node;
  }

  permissions(domid: number, path: string): readonly Permission[] {
    return this.readable(domid, path).permissions;
  }

  setPermissions(domid: number, path: string, permissions: readonly Permission[]): void {
    const node = this.node(path);
    if (permissions.length === 0) throw new StoreError("EINVAL");
    if (domid !== DOM0 && node.permissions[0].domid !== domid) throw new StoreError("EACCES");
    if (domid !== DOM0 && permissions[0].domid !== domid) throw new StoreError("EPERM");
    node.permissions = [...permissions];
    this.fire(path);
  }

  // ---- reading and writing ---------------------------------------------------------------------------------------------

  read(domid: number, path: string): string {
    return this.readable(domid, path).value;
  }

  /** The value, or undefined: for Dom0's own use. */
  peek(path: string): string | undefined {
    return this.nodes.get(path)?.value;
  }

  directory(domid: number, path: string): string[] {
    return [...this.readable(domid, path).children];
  }

  write(domid: number, path: string, value: string): void {
    if (value.length > VALUE_LIMIT && domid !== DOM0) throw new StoreError("ENOSPC");
    const node = this.nodes.get(path);
    if (node === undefined) this.create(domid, path).value = value;
    else {
      if (!this.allowed(node, domid, "w")) throw new StoreError("EACCES");
      node.value = value;
    }
    this.fire(path);
  }

  /** Makes a node; an existing one is left as it is. */
  mkdir(domid: number, path: string): void {
    const node = this.nodes.get(path);
    if (node !== undefined) {
      if (!this.allowed(node, domid, "w")) throw new StoreError("EACCES");
      return;
    }
    this.create(domid, path);
    this.fire(path);
  }

  /** Makes a node and what lacks above it, with the permissions of the nearest ancestor; the maker owns them unless it is Dom0. */
  private create(domid: number, path: string): Node {
    const existing = this.nodes.get(path);
    if (existing !== undefined) return existing;
    const parentPath = this.parentOf(path);
    if (!this.nodes.has(parentPath)) {
      let up = parentPath;
      while (!this.nodes.has(up)) up = this.parentOf(up);
      if (!this.allowed(this.node(up), domid, "w")) throw new StoreError("EACCES");
    }
    const parent = this.create(domid, parentPath);
    if (!this.allowed(parent, domid, "w")) throw new StoreError("EACCES");
    const permissions = [...parent.permissions];
    if (domid !== DOM0) {
      if (this.owned(domid) >= NODES_PER_DOMAIN) throw new StoreError("ENOSPC");
      permissions[0] = { ...permissions[0], domid };
    }
    const node: Node = { value: "", permissions, children: new Set() };
    parent.children.add(path.slice(path.lastIndexOf("/") + 1));
    this.nodes.set(path, node);
    return node;
  }

  private owned(domid: number): number {
    let n = 0;
    for (const node of this.nodes.values()) if (node.permissions[0].domid === domid) n++;
    return n;
  }

  /** Removes a node and all below it. */
  remove(domid: number, path: string): void {
    if (path === "/") throw new StoreError("EINVAL");
    const node = this.nodes.get(path);
    if (node === undefined) {
      // Removing what is not there is no error as long as its parent is.
      if (!this.nodes.has(this.parentOf(path))) throw new StoreError("ENOENT");
      return;
    }
    if (!this.allowed(node, domid, "w")) throw new StoreError("EACCES");
    this.nodes.get(this.parentOf(path))!.children.delete(path.slice(path.lastIndexOf("/") + 1));
    for (const other of [...this.nodes.keys()]) if (other === path || other.startsWith(path + "/")) this.nodes.delete(other);
    this.fire(path, true);
  }

  // ---- watches ---------------------------------------------------------------------------------------------------------

  /** Calls `fire` with the path of every change at or below `path`, and once at first. */
  watch(domid: number, path: string, token: string, fire: (path: string) => void): void {
    if (this.watches.some((w) => w.domid === domid && w.path === path && w.token === token)) throw new StoreError("EEXIST");
    if (domid !== DOM0 && this.watches.filter((w) => w.domid === domid).length >= WATCHES_PER_DOMAIN) throw new StoreError("E2BIG");
    this.watches.push({ path, domid, token, fire });
  }

  unwatch(domid: number, path: string, token: string): void {
    const i = this.watches.findIndex((w) => w.domid === domid && w.path === path && w.token === token);
    if (i < 0) throw new StoreError("ENOENT");
    this.watches.splice(i, 1);
  }

  resetWatches(domid: number): void {
    this.watches = this.watches.filter((w) => w.domid !== domid);
  }

  /** A removal is told to watches below the node too. */
  private fire(path: string, below = false): void {
    for (const watch of [...this.watches]) {
      const covers = watch.path === path || watch.path === "/" || path.startsWith(watch.path + "/");
      if (!covers && !(below && watch.path.startsWith(path + "/"))) continue;
      const told = covers ? path : watch.path;
      const node = this.nodes.get(told);
      if (watch.domid !== DOM0 && node !== undefined && !this.allowed(node, watch.domid, "r")) continue;
      watch.fire(told);
    }
  }

  // ---- transactions ----------------------------------------------------------------------------------------------------

  /**
   * Begins a transaction. There is nobody to run against: one domain talks at a time, so it sees and makes its changes at once,
   * and only an abort has work to do.
   */
  begin(domid: number): number {
    let open = 0;
    for (const t of this.transactions.values()) if (t.domid === domid) open++;
    if (open >= TRANSACTIONS_PER_DOMAIN) throw new StoreError("ENOSPC");
    const before = new Map([...this.nodes].map(([path, node]) => [path, { ...node, children: new Set(node.children) }]));
    this.transactions.set(this.nextTransaction, { domid, before });
    return this.nextTransaction++;
  }

  end(domid: number, id: number, commit: boolean): void {
    this.check(domid, id);
    if (!commit) this.nodes = this.transactions.get(id)!.before;
    this.transactions.delete(id);
  }

  /** Whether a request may name transaction `id` (0: none). */
  check(domid: number, id: number): void {
    if (id !== 0 && this.transactions.get(id)?.domid !== domid) throw new StoreError("ENOENT");
  }
}
