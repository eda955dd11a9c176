/**
 * The nanobenchmarks of Adams and Agesen as kernels of a few dozen instructions: like theirs, each is one operation in a
 * loop and nothing of an operating system. RDTSC before and after; the first pass warms up, the last one counts.
 */
import { Assembler, flatDescriptors, interruptTable, KERNEL_DS, TSS, USER_CS, USER_DS } from "./assembler.js";

export interface NanoBenchmark {
  readonly name: string;
  /** Operations of one turn of the loop. */
  readonly unrolled: number;
  readonly shows: string;
  /** Code that runs in ring 3. */
  readonly user?: boolean;
  /** Needs a processor that has CR8 outside of 64-bit mode. */
  readonly cr8?: boolean;
  /** One turn of the loop; EDI counts the turns and ESI is the pass. */
  readonly body: string;
  /** What else the kernel has: handlers, the function that is called. */
  readonly also?: (code: Assembler) => void;
}

export const TURNS = 512;
const PASSES = 3, STACK = 0x300000, USER_STACK = 0x2f0000;
/** Never mapped; and pages whose entries the kernel changes, or whose words it sums. */
const ABSENT = "=01400000";
const SWEPT_PAGES = 1024, SMALL = "=00800000", LARGE = "=00c00000";
const sweep = (from: string): string => `bb ${from} 31c0 0303 81c3 =1000 81fb ${from === SMALL ? LARGE : "=01000000"} 72f0`;

export const NANO_BENCHMARKS: readonly NanoBenchmark[] = [
  { name: "syscall", unrolled: 1, user: true, shows: "SYSENTER to the kernel, SYSEXIT back.", body: "ba @returned 89e1 0f34", also: (code) => code.label("entered").put("0f35") },
  { name: "in", unrolled: 1, shows: "An input from port 80h, the chipset's POST port.", body: "e480" },
  { name: "cr8wr", unrolled: 1, cr8: true, shows: "A write of CR8, in AMD's encoding for 32-bit code.", body: "f0 0f22c6" },
  { name: "call/ret", unrolled: 1, shows: "A call and its return.", body: "e8 >leaf", also: (code) => code.label("leaf").put("c3") },
  {
    name: "pgfault", unrolled: 1, user: true, shows: "A load from a page that is not there; the handler skips it.", body: `a1 ${ABSENT}`,
    also: (code) => code.label("on_page_fault").put("8344240405 83c404 cf"),
  },
  {
    name: "divzero", unrolled: 1, user: true, shows: "A division by zero; the handler skips it.", body: "31c9 f7f1",
    also: (code) => code.label("on_divide").put("83042402 cf"),
  },
  {
    name: "ptemod", unrolled: 8, shows: "A store into a page table of the running address space, eight a turn.",
    body: Array.from({ length: 8 }, (_, i) => `89 05 @entry${i}`).join(" "),
  },
  { name: "tlb-4k", unrolled: SWEPT_PAGES, shows: "One load from each of 1,024 pages of 4 KB.", body: sweep(SMALL) },
  { name: "tlb-4m", unrolled: SWEPT_PAGES, shows: "The same 1,024 loads, from one page of 4 MB.", body: sweep(LARGE) },
];

export function nanoBenchmark(name: string): NanoBenchmark | undefined {
  return NANO_BENCHMARKS.find((candidate) => candidate.name === name);
}

/** Turns of one pass: a sweep is long enough by itself. */
export function turnsOf(benchmark: NanoBenchmark): number {
  return benchmark.unrolled === SWEPT_PAGES ? 16 : TURNS;
}

export function nanoKernel(benchmark: NanoBenchmark): Uint8Array {
  const code = new Assembler();
  setup(code);
  if (benchmark.user) code.put(`6a ${hex(USER_DS)} 68 =${USER_STACK.toString(16)} 6a02 6a ${hex(USER_CS)} 68 @timed cf`);
  code.label("timed");
  if (benchmark.user) code.put(`66b8 ${hex(USER_DS)}00 8ed8 8ec0`);
  code.put(`be =${PASSES.toString(16)}`).label("pass").put(`0f31 bf =${turnsOf(benchmark).toString(16)}`).label("turn").put(benchmark.body)
    .label("returned").put("4f 0f85 >turn 0f31 4e 0f85 >pass");
  code.label("done").put("ebfe");
  benchmark.also?.(code);
  tables(code, benchmark);
  return code.kernel();
}

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

function setup(code: Assembler): void {
  code.put(`
    fa 0f0115 @gdtr ea @flat 0800`).label("flat").put(`
    b8 =${KERNEL_DS.toString(16)} 8ed8 8ec0 8ed0 bc =${STACK.toString(16)} 0f011d @idtr 66b8 ${hex(TSS)}00 0f00d8
    b0ff e621 e6a1
    0f20e0 83c810 0f22e0 b8 @directory 0f22d8 0f20c0 0d =80000001 0f22c0 eb00
    b9 =174 b8 =8 31d2 0f30 b9 =175 b8 =${STACK.toString(16)} 0f30 b9 =176 b8 @entry_point 0f30
    31c0 a1 =00400000 89c3`);
}

function tables(code: Assembler, benchmark: NanoBenchmark): void {
  const has = (label: string): boolean => benchmark.also !== undefined && label === { syscall: "entered", pgfault: "on_page_fault", divzero: "on_divide" }[benchmark.name];
  code.label("halt").put("f4 ebfd");
  if (has("entered")) code.label("entry_point").put("e9 >entered");
  else code.label("entry_point").put("e9 >halt");
  code.align(8).label("idt");
  interruptTable(code, 32, new Map(Array.from({ length: 32 }, (_, vector): [number, [string, number]] =>
    [vector, [vector === 14 && has("on_page_fault") ? "on_page_fault" : vector === 0 && has("on_divide") ? "on_divide" : "halt", 0x8e]])));
  code.label("tss").word(0, STACK, KERNEL_DS, ...new Array<number>(23).fill(0));
  code.align(8).label("gdt").word(...flatDescriptors(code.addressOf("tss")));
  code.label("gdtr").put("2f00 @gdt").label("idtr").put("ff00 @idt");
  pageTables(code);
}

/** 4 MB of the kernel, 4 MB to change, 4 MB in small pages, 4 MB in one large page. */
function pageTables(code: Assembler): void {
  const PRESENT = 7;
  code.align(4096);
  const first = code.here + 4096;
  code.label("directory").word(...[0, 1, 2].map((i) => first + 4096 * i | PRESENT), 0x800000 | 0x87, ...new Array<number>(1020).fill(0));
  for (let table = 0; table < 3; table++) {
    for (let entry = 0; entry < 1024; entry++) {
      if (table === 1 && entry < 8) code.label(`entry${entry}`);
      const page = 4 * table << 20 | entry << 12;
      code.word(page | PRESENT);
    }
  }
}
