import { PTE_RW, PTE_US, type PagingMode } from "../paging.js";

/** How the guest has set up paging. */
export interface GuestPaging extends PagingMode {
  /** CR0.PG; without it linear addresses are guest-physical ones. */
  readonly paging: boolean;
}

/**
 * What a shadow table stands for, beside the guest table's address. Two uses of one guest table under different roles
 * have a shadow each; the low two bits are its level (1 holds leaves).
 */
export const ROLE_LEVEL = 3, ROLE_PAE = 4, ROLE_PSE = 8, ROLE_WP = 0x10, ROLE_PGE = 0x20;
/** Level 1: the rights that the levels above grant. Leaves hold the combined rights; directories grant everything. */
export const ROLE_RW = 0x40, ROLE_US = 0x80;
/** Level 1: stands for the 4 KB pieces of one large page; `gpa` is the address of the guest's directory entry. */
export const ROLE_LARGE = 0x100;
/** The guest has paging off: identity, no guest table; `gpa` is the first linear address covered. */
export const ROLE_FLAT = 0x200;

/** Shadow of one guest table, in one monitor frame. */
export interface ShadowPage {
  /** Guest-physical address of the guest's table (of the directory entry for ROLE_LARGE, linear address for ROLE_FLAT). */
  readonly gpa: number;
  readonly role: number;
  /** Machine frame that holds the shadow entries. */
  readonly frame: number;
  /** Machine-physical addresses of the shadow entries that point here. */
  readonly parents: number[];
  /** Time of last use, for eviction. */
  stamp: number;
  /** Traced writes since the last fill through this page. */
  writes: number;
}

export const levelOf = (page: ShadowPage): number => page.role & ROLE_LEVEL;
export const entryShift = (role: number): number => (role & ROLE_PAE) !== 0 ? 3 : 2;
export const entriesOf = (role: number): number => (role & ROLE_PAE) !== 0 ? 512 : 1024;
/** Bits of linear address that an entry of a directory (level 2) of this role covers. */
export const directoryShift = (role: number): number => (role & ROLE_PAE) !== 0 ? 21 : 22;

/** Whether the page shadows a guest table, whose guest frame must then be traced. */
export const shadowsTable = (page: ShadowPage): boolean => (page.role & (ROLE_LARGE | ROLE_FLAT)) === 0 && levelOf(page) !== 3;

/** PTE_RW and PTE_US as the levels above a leaf table grant them. */
export function roleRights(role: number): number {
  if ((role & (ROLE_LARGE | ROLE_FLAT)) !== 0) return PTE_RW | PTE_US;
  return ((role & ROLE_RW) !== 0 ? PTE_RW : 0) | ((role & ROLE_US) !== 0 ? PTE_US : 0);
}

/** The part of the role that is the same at all levels. */
export function modeRole(mode: GuestPaging): number {
  if (!mode.paging) return ROLE_FLAT | ROLE_WP;
  return (mode.pae ? ROLE_PAE : 0) | (mode.pse ? ROLE_PSE : 0) | (mode.wp ? ROLE_WP : 0) | (mode.pge ? ROLE_PGE : 0);
}
