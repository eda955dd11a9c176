import { UsageError } from "../hypervisor/errors.js";
import * as S from "../hypervisor/cpu-state.js";
import { resetCpu } from "../hypervisor/reset.js";
import { SYS_TSS32_BUSY } from "../hypervisor/segmentation.js";
import type { XenElf } from "../hypervisor/loader/xen-elf.js";
import { returnToGuest } from "./bounce.js";
import type { Dom0 } from "./dom0.js";
import type { Domain } from "./domain.js";
import { PGT_l2_page_table, PGT_l3_page_table } from "./frame-table.js";
import { newBasePointer } from "./mmuext.js";
import { PTE_A, PTE_D, PTE_P, PTE_RW, PTE_US, writeEntry } from "./page-tables.js";
import { getPageAndType } from "./page-types.js";
import * as X from "../hypervisor/xen/public/xen.js";
import { featuresOf, VERSION_TEXT } from "./version.js";
import { HYPERCALL_SLOTS } from "./hypercalls.js";

/**
 * Dom0's domain builder: puts a kernel into the domain's memory with everything it expects to find (public/xen.h, "Start-of-day
 * memory layout"): RAM disk, list of frames, start_info, store and console pages, page tables, stack, in that order from the end
 * of the image, all mapped from VIRT_BASE on.
 */
const FOUR_MB = 4 << 20, PADDING = 512 << 10, PAGE = 4096;
const L1_FLAGS = PTE_P | PTE_RW | PTE_A, L2_FLAGS = PTE_P | PTE_RW | PTE_A | PTE_D | PTE_US, L3_FLAGS = PTE_P;
const IRET_NUMBER = 23, STUB_BYTES = 32;

export interface BuildOptions {
  readonly image: XenElf;
  readonly imageName: string;
  readonly commandLine: string;
  readonly initrd: Uint8Array | undefined;
}

/** Where each bootstrap element lies, as frame numbers from the start of the domain's memory. */
interface BootLayout {
  readonly initrd: number;
  readonly p2m: number;
  readonly startInfo: number;
  readonly store: number;
  readonly console: number;
  readonly tables: number;
  readonly tableCount: number;
  readonly stack: number;
  /** Frames mapped. */
  readonly end: number;
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE);

/** Page tables for the linear addresses from `start` to `end`: root, L2 tables (the last always: it is Xen's too), L1 tables. */
function tablesFor(d: Domain, start: number, end: number): { l2: number[]; l1: number[] } {
  const { layout } = d;
  const l1Reach = 2 ** layout.l2Shift;
  const l1: number[] = [];
  for (let va = start - start % l1Reach; va < end; va += l1Reach) l1.push(va);
  if (!layout.pae) return { l2: [], l1 };
  const l2 = new Set([3]);
  for (const va of l1) l2.add(Math.floor(va / 2 ** 30));
  return { l2: [...l2].sort(), l1 };
}

function planLayout(d: Domain, o: BuildOptions): BootLayout {
  const { virtBase, virtEnd } = o.image;
  const kernel = pages(virtEnd - virtBase);
  const p2m = kernel + pages(o.initrd?.length ?? 0);
  const startInfo = p2m + pages(d.totPages * 4);
  const tables = startInfo + 3;
  // The tables map themselves, so their number depends on it; it grows with the region by a page in 512 or 1024.
  for (let count = 1; ; count++) {
    const stack = tables + count;
    const end = Math.ceil((virtBase + (stack + 1) * PAGE + PADDING) / FOUR_MB) * FOUR_MB;
    const needed = tablesFor(d, virtBase, end);
    if (1 + needed.l2.length + needed.l1.length > count) continue;
    return { initrd: kernel, p2m, startInfo, store: startInfo + 1, console: startInfo + 2, tables, tableCount: count, stack, end: (end - virtBase) / PAGE };
  }
}

/** Loads the kernel and leaves the processor at its first instruction. Throws UsageError for an image that cannot run here. */
export function buildDomain(d: Domain, dom0: Dom0, mfns: readonly number[], o: BuildOptions): { storeMfn: number; storePort: number; consoleMfn: number; consolePort: number } {
  const { image, imageName } = o;
  if ((image.requiredFeatures & ~featuresOf(d)) !== 0) throw new UsageError(`${imageName} requires Xen features that this hypervisor does not have`);
  const layout = planLayout(d, o);
  const top = image.virtBase + layout.end * PAGE;
  if (top > d.layout.hypervisorStart) throw new UsageError(`${imageName} and what goes with it reach into Xen's part of the address space`);
  if (image.hvStartLow !== undefined && image.hvStartLow > d.layout.hypervisorStart) throw new UsageError(`${imageName} wants more address space than Xen leaves it`);
  if (layout.stack >= mfns.length) throw new UsageError(`${imageName} needs ${layout.stack + 1} pages, and the domain has ${mfns.length}`);

  const put = (offset: number, bytes: Uint8Array): void => {
    for (let done = 0; done < bytes.length;) {
      const at = offset + done, chunk = Math.min(PAGE - at % PAGE, bytes.length - done);
      d.memory.writeBytes(mfns[Math.floor(at / PAGE)] * PAGE + at % PAGE, bytes.subarray(done, done + chunk));
      done += chunk;
    }
  };
  for (const segment of image.segments) put(segment.pseudoPhysical, segment.data);
  if (image.hypercallPage !== undefined) put(image.hypercallPage - image.virtBase, hypercallPage());
  if (o.initrd !== undefined) put(layout.initrd * PAGE, o.initrd);
  put(layout.p2m * PAGE, new Uint8Array(Uint32Array.from(mfns).buffer));
  const storePort = d.events.allocUnbound(X.DOMID_SELF, dom0.events.id), consolePort = d.events.allocUnbound(X.DOMID_SELF, dom0.events.id);
  const found = { storeMfn: mfns[layout.store], storePort, consoleMfn: mfns[layout.console], consolePort };
  put(layout.startInfo * PAGE, startInfo(d, o, layout, found));
  enter(d, image, layout, buildTables(d, image.virtBase, layout, mfns));
  return found;
}

/** Stubs that guests call by number: `mov $n,%eax; int $0x82; ret`. The iret's keeps EAX on the stack, where Xen finds it. */
export function hypercallPage(): Uint8Array {
  const page = new Uint8Array(PAGE);
  for (let n = 0; n < HYPERCALL_SLOTS; n++) {
    const stub = n === IRET_NUMBER ? [0x50, 0xb8, n, 0, 0, 0, 0xcd, X.HYPERCALL_VECTOR] : [0xb8, n, 0, 0, 0, 0xcd, X.HYPERCALL_VECTOR, 0xc3];
    page.set(stub, n * STUB_BYTES);
  }
  return page;
}

function startInfo(d: Domain, o: BuildOptions, layout: BootLayout, found: { storeMfn: number; storePort: number; consoleMfn: number; consolePort: number }): Uint8Array {
  const bytes = new Uint8Array(PAGE), view = new DataView(bytes.buffer);
  const va = (frame: number): number => o.image.virtBase + frame * PAGE;
  const text = (at: number, limit: number, value: string): void => { bytes.set(new TextEncoder().encode(value).subarray(0, limit - 1), at); };
  text(X.START_MAGIC, 32, `${VERSION_TEXT}-${d.layout.machine}`);
  const words: readonly (readonly [number, number])[] = [
    [X.START_NR_PAGES, d.totPages], [X.START_SHARED_INFO, d.sharedInfoMfn * PAGE], [X.START_FLAGS, 0],
    [X.START_STORE_MFN, found.storeMfn], [X.START_STORE_EVTCHN, found.storePort],
    [X.START_CONSOLE_MFN, found.consoleMfn], [X.START_CONSOLE_EVTCHN, found.consolePort],
    [X.START_PT_BASE, va(layout.tables)], [X.START_NR_PT_FRAMES, layout.tableCount], [X.START_MFN_LIST, va(layout.p2m)],
    [X.START_MOD_START, o.initrd === undefined ? 0 : va(layout.initrd)], [X.START_MOD_LEN, o.initrd?.length ?? 0],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  text(X.START_CMD_LINE, X.MAX_GUEST_CMDLINE, o.commandLine);
  return bytes;
}

/** Writes the bootstrap page tables; gives the root's frame. They are mapped read-only, all else can be written. */
function buildTables(d: Domain, virtBase: number, layout: BootLayout, mfns: readonly number[]): number {
  const { l2, l1 } = tablesFor(d, virtBase, virtBase + layout.end * PAGE);
  const { entries, l2Shift, pae } = d.layout;
  let next = layout.tables;
  const take = (): number => {
    const mfn = mfns[next++];
    d.memory.writeBytes(mfn * PAGE, new Uint8Array(PAGE));
    return mfn;
  };
  const root = take();
  const l2Tables = new Map<number, number>();
  for (const slot of l2) {
    l2Tables.set(slot, take());
    writeEntry(d, root, slot, l2Tables.get(slot)! << 12 | L3_FLAGS, 0);
  }
  for (const va of l1) {
    const table = take();
    const parent = pae ? l2Tables.get(Math.floor(va / 2 ** 30))! : root;
    writeEntry(d, parent, Math.floor(va / 2 ** l2Shift) % entries, table << 12 | L2_FLAGS, 0);
    for (let i = 0; i < entries; i++) {
      const pfn = (va - virtBase) / PAGE + i;
      if (pfn < 0 || pfn >= layout.end || pfn >= mfns.length) continue;
      const isTable = pfn >= layout.tables && pfn < layout.tables + layout.tableCount;
      writeEntry(d, table, i, mfns[pfn] << 12 | (isTable ? L1_FLAGS & ~PTE_RW : L1_FLAGS), 0);
    }
  }
  return root;
}

/** Validates and pins the tables, and sets the processor as a new domain finds it. */
function enter(d: Domain, image: XenElf, layout: BootLayout, root: number): void {
  const { cpu, reserved } = d;
  resetCpu(cpu);
  cpu.i32[S.CR0] = S.CR0_PE | S.CR0_MP | S.CR0_ET | S.CR0_NE | S.CR0_WP | S.CR0_AM | S.CR0_PG;
  cpu.i32[S.CR4] = S.CR4_PSE | S.CR4_PGE | (d.layout.pae ? S.CR4_PAE : 0);
  const rootType = d.layout.pae ? PGT_l3_page_table : PGT_l2_page_table;
  if (!getPageAndType(d, root, rootType)) throw new Error("the bootstrap page tables are not valid");
  d.frames.pinned[root] = 1;
  if (!newBasePointer(d, root)) throw new Error("the bootstrap page tables cannot be used");
  cpu.i32[S.GDTR_BASE] = reserved.gdtBase | 0;
  cpu.i32[S.GDTR_LIMIT] = reserved.gdtLimit;
  cpu.i32[S.IDTR_BASE] = reserved.idtBase | 0;
  cpu.i32[S.IDTR_LIMIT] = 256 * 8 - 1;
  cpu.setSegment(S.TR, reserved.tssSelector, reserved.tssBase | 0, reserved.tssBytes - 1, S.ATTR_P | SYS_TSS32_BUSY);
  cpu.setSegment(S.LDTR, 0, 0, 0, S.ATTR_NULL);
  d.kernelSs = X.FLAT_RING1_SS;
  d.kernelSp = (image.virtBase + (layout.stack + 1) * PAGE) | 0;
  reserved.setKernelStack(d.kernelSs, d.kernelSp);
  d.upcallMask = true;
  for (const r of [S.EAX, S.ECX, S.EDX, S.EBX, S.EBP, S.EDI]) cpu.i32[r] = 0;
  cpu.i32[S.ESI] = (image.virtBase + layout.startInfo * PAGE) | 0;
  cpu.setCpl(0);
  returnToGuest(d, { eip: image.entry | 0, cs: X.FLAT_RING1_CS, eflags: S.FLAG_IF | 2, esp: d.kernelSp, ss: X.FLAT_RING1_SS }, true);
  // Of the data segments the entry state says the same.
  const data = { base: cpu.segBase(S.SS), limit: cpu.i32[S.SEG_LIMIT + S.SS], attr: cpu.segAttr(S.SS) };
  for (const sreg of [S.DS, S.ES, S.FS, S.GS]) cpu.setSegment(sreg, X.FLAT_RING1_DS, data.base, data.limit, data.attr);
  cpu.modeChanged();
}
