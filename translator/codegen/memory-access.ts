import type { CallExpression, Expression } from "acorn";
import { type Heap, TLB_SUPERVISOR_READ, TLB_SUPERVISOR_WRITE, TLB_USER_READ, TLB_USER_WRITE } from "../../hypervisor/heap.js";

import { numberOf } from "./ast.js";

/** An access as generated code asks for it: load32(address, site), update32(address, site), store32(address, value, site). */
export interface Access {
  readonly kind: "load" | "store" | "update";
  readonly z: number;
  readonly address: Expression;
  readonly value: Expression | null;
  readonly site: number;
}

/** Every sort of access and its width in bits, the kinds in turn. */
export const SORTS: readonly { readonly kind: Access["kind"]; readonly z: 8 | 16 | 32 }[] =
  (["load", "store", "update"] as const).flatMap((kind) => ([8, 16, 32] as const).map((z) => ({ kind, z })));

const ACCESSES = new Map(SORTS.map((sort) => [`${sort.kind}${sort.z}`, sort]));

/** The access that a call of generated code is, or null. */
export function accessOf(node: CallExpression): Access | null {
  const named = node.callee.type === "Identifier" ? ACCESSES.get(node.callee.name) : undefined;
  if (named === undefined) return null;
  const args = node.arguments as Expression[];
  const { kind, z } = named;
  return { kind, z, address: args[0]!, value: kind === "store" ? args[1]! : null, site: numberOf(args[args.length - 1]!)! };
}

/** What the names of slow halves in asm.js begin with. */
export const SLOW = "slow_";

/** The name of an access's slow half in asm.js. */
export function slowName(kind: Access["kind"], z: number): string {
  return `${SLOW}${kind}${z}`;
}

/**
 * The last page that an access within a loop has found in the TLB, in two locals of asm.js code: the linear address of
 * the page (NO_PAGE when there is none), and how far from there it is in the heap. It saves the look in the TLB while the loop stays within the page.
 */
export interface PageCache { readonly page: string; readonly delta: string }

/** An innermost loop while its code is made. A page cache may outlive no call of the loop and no entry to it. */
export class LoopCaches {
  /** By kind of access and EIP, and by kind and site. */
  private readonly caches = new Map<string, PageCache>();
  private readonly sites = new Map<string, PageCache>();
  private readonly number: number;
  private open = true;

  constructor(number: number) {
    this.number = number;
  }

  /** Takes note of an access in the loop, of the instruction at `eip`: it has one cache for all turns that are written out. */
  note(kind: Access["kind"], site: number, eip: number): void {
    const key = `${kind}${eip}`, k = `${this.number}_${this.caches.size}`;
    let cache = this.caches.get(key);
    if (cache === undefined) this.caches.set(key, cache = { page: `$g${k}`, delta: `$o${k}` });
    this.sites.set(`${kind}${site}`, cache);
  }

  /** The loop does what may change the TLB. */
  close(): void {
    this.open = false;
  }

  of(kind: Access["kind"], site: number): PageCache | null {
    return this.worthwhile ? this.sites.get(`${kind}${site}`) ?? null : null;
  }

  get all(): PageCache[] {
    return this.worthwhile ? [...this.caches.values()] : [];
  }

  private get worthwhile(): boolean {
    return this.open && this.caches.size <= MOST_CACHES;
  }
}

/** The accesses of a region at ESP (stack-access.ts). */
export class StackAccesses {
  private readonly accesses = new Set<string>();

  note(kind: Access["kind"], site: number): void {
    this.accesses.add(`${kind}${site}`);
  }

  has(kind: Access["kind"], site: number): boolean {
    return this.accesses.has(`${kind}${site}`);
  }
}

/** Page caches in a loop at most: more are dearer to carry through it than what they save. */
const MOST_CACHES = 4;

/** Word indices of the software TLB's tables. */
export interface AccessTables { readonly read: number; readonly write: number }

export function tablesFor(user: boolean): AccessTables {
  return user ? { read: TLB_USER_READ, write: TLB_USER_WRITE } : { read: TLB_SUPERVISOR_READ, write: TLB_SUPERVISOR_WRITE };
}

/** `site` tells which access of the region it is, should it not complete. */
export type SlowLoad = (la: number, site: number) => number;
export type SlowStore = (la: number, value: number, site: number) => void;

/** The slow halves, for 8, 16 and 32 bits. */
export interface SlowAccesses {
  readonly load: readonly [SlowLoad, SlowLoad, SlowLoad];
  readonly store: readonly [SlowStore, SlowStore, SlowStore];
  /** Reads for a read-modify-write, whose write then cannot fault. */
  readonly update: readonly [SlowLoad, SlowLoad, SlowLoad];
}

/**
 * The fast halves of generated code's accesses: a look in the software TLB of one privilege, then the typed array.
 * They are functions, which the host inlines where it pays, and not written out at each access: there a first miss
 * throws away the optimised code of the whole region, for its call has not been seen made; here all accesses share what
 * has been seen (measured on a Linux boot's first 850 million instructions: 8.0 s of processor time, written out 21.8 s).
 * Made from text, so that the tables' places are constants in each.
 */
export function memoryAccess(heap: Heap, user: boolean, slow: SlowAccesses): unknown[] {
  const { read, write } = tablesFor(user);
  const word = (table: number): string => `const s = i32[${table} + (a >>> 12)];`;
  const make = new Function("i32", "u8", "u16", "load8", "load16", "load32", "store8", "store16", "store32", "update8", "update16", "update32", `return [
    (a, k) => { ${word(read)} return s !== 0 ? u8[a + s - 1 | 0] : load8(a, k); },
    (a, k) => { ${word(read)} return (a & 1) < (s & 1) ? u16[a + s >>> 1] : load16(a, k); },
    (a, k) => { ${word(read)} return (a & 3) < (s & 1) ? i32[a + s >>> 2] : load32(a, k); },
    (a, v, k) => { ${word(write)} if (s !== 0) u8[a + s - 1 | 0] = v; else store8(a, v, k); },
    (a, v, k) => { ${word(write)} if ((a & 1) < (s & 1)) u16[a + s >>> 1] = v; else store16(a, v, k); },
    (a, v, k) => { ${word(write)} if ((a & 3) < (s & 1)) i32[a + s >>> 2] = v; else store32(a, v, k); },
    (a, k) => { ${word(write)} return s !== 0 ? u8[a + s - 1 | 0] : update8(a, k); },
    (a, k) => { ${word(write)} return (a & 1) < (s & 1) ? u16[a + s >>> 1] : update16(a, k); },
    (a, k) => { ${word(write)} return (a & 3) < (s & 1) ? i32[a + s >>> 2] : update32(a, k); },
  ];`);
  return make(heap.i32, heap.u8, heap.u16, ...slow.load, ...slow.store, ...slow.update) as unknown[];
}
