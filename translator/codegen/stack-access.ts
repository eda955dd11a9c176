import * as S from "../../hypervisor/cpu-state.js";
import { type AccessTables, slowName } from "./memory-access.js";

/**
 * Accesses at ESP. Most are on one page for long, which S.STACK_PAGE holds: one that may be written, so that it may be read, and at the same
 * place. In words of the heap it costs no local, lasts from region to region, and the MMU takes it away together with the TLB's entry.
 */
export interface StackTables extends AccessTables { readonly user: boolean }

/** Words of the heap that hold the page and its distance. */
export function stackWords(user: boolean): { page: number; delta: number } {
  const at = user ? S.STACK_USER : 0;
  return { page: S.STACK_PAGE + at, delta: S.STACK_DELTA + at };
}

/** What the names of functions here begin with. */
export const STACK = "$stack_";

/** Name of the function that makes an access on another page, and keeps that page. */
export function stackName(kind: "load" | "store", z: number): string {
  return `${STACK}${kind}${z}`;
}

/** Its source, or undefined for a function of another name. */
export function stackSource(name: string, { read, write, user }: StackTables): string | undefined {
  const [, kind, bits] = /^\$stack_(load|store)(8|16|32)$/.exec(name) ?? [];
  if (kind === undefined) return undefined;
  const z = Number(bits), { page, delta } = stackWords(user);
  const word = (table: number): string => `i32[((a >>> 10 & 0x3ffffc) + ${table << 2}) >> 2]`;
  const keep = `i32[${page}] = a & -4096; i32[${delta}] = s - 1;`;
  const hits = z === 8 ? "s !== 0" : `(a & ${z === 32 ? 3 : 1}) < (s & 1)`;
  const cell = z === 8 ? "u8[a + s - 1 | 0]" : z === 16 ? "u16[(a + s - 1) >> 1]" : "i32[(a + s - 1) >> 2]";
  if (kind === "store") return `(a, v, k) => { let s = ${word(write)}; if (${hits}) { ${keep} ${cell} = v; } else { ${slowName("store", z)}(a, v, k); } }`;
  return `(a, k) => { let s = ${word(read)}; if (${hits}) { if (${word(write)} === s) { ${keep} } return ${cell}; } return ${slowName("load", z)}(a, k); }`;
}
