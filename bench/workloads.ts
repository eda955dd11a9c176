/** One thing to measure: a workload of the guest's init (guest/README.md), and what it is good for. */
export interface Workload {
  readonly name: string;
  /** What its value counts; a value is the guest's own measurement, by RDTSC. */
  readonly unit: string;
  /** What a reader learns from it, in one line. */
  readonly shows: string;
  /** Operations the guest is told to do, and that counts are divided by; 1 where the value is for the whole run. */
  readonly size: number;
  readonly operations: number;
  /** MiB of an empty disk the machine gets. */
  readonly disk?: number;
  /** Browsers at the far end of the link ask the guest's web server: once for its clock to start, then so many times. */
  readonly requests?: number;
  /** MTU of the gigabit link to a far host that the machine gets. */
  readonly mtu?: number;
}

function each(name: string, size: number, operation: string, shows: string): Workload {
  return { name, unit: `cycles per ${operation}`, shows, size, operations: size };
}

/** The same on an empty disk. */
function onDisk(name: string, size: number, operation: string, shows: string): Workload {
  return { ...each(name, size, operation, shows), disk: 32 };
}

function whole(name: string, size: number, shows: string, disk?: number): Workload {
  return { name, unit: "cycles for the run", shows, size, operations: 1, ...(disk === undefined ? {} : { disk }) };
}

/** ttcp over the link: the value is for 1,024 bytes, so the bandwidth in Mb/s is 8192 * hz / value / 10^6. */
function ttcp(direction: "tx" | "rx", mtu: number, size: number): Workload {
  const shows = direction === "tx" ? "A stream sent by TCP" : "A stream received by TCP";
  return { name: `ttcp-${direction}-${mtu}`, unit: "cycles per KB", shows: `${shows}, in packets of ${mtu} bytes: a card's registers, or a ring.`, size, operations: size, mtu };
}

/** All of them, in the order of every table. */
export const WORKLOADS: readonly Workload[] = [
  each("syscall", 20000, "system call", "The way from a program into its kernel and back."),
  each("forkwait", 100, "process", "Copying an address space: many page-table entries, then faults on what is written."),
  each("forkexec", 60, "process", "The same, with a new program's pages filled on demand."),
  each("ctxsw-2p-0k", 4000, "switch", "An address-space switch and a pipe, nothing touched."),
  each("ctxsw-2p-16k", 800, "switch", "The same with 16 KB touched: the TLB has to be filled again."),
  each("ctxsw-8p-0k", 4000, "switch", "Eight address spaces take turns."),
  each("ctxsw-8p-16k", 800, "switch", "Eight take turns and touch 16 KB each."),
  each("pagefault", 2048, "page", "A fault, a fresh page, and one entry more in a page table."),
  each("protfault", 3000, "fault", "A fault that becomes a signal: no page table changes."),
  each("mmap", 100, "mapping", "Mapping 4 MB, touching some of it, and taking it down again."),
  each("signal", 4000, "signal", "Kernel work without memory management."),
  each("ptemod", 64000, "entry", "The kernel changes page-table entries: a trace, a hypercall, an exit or nothing."),
  each("portin", 20000, "input", "An input instruction in the kernel: a device access from every mode."),
  each("divzero", 3000, "exception", "An exception that the guest's kernel handles itself."),
  whole("disk", 4096, "4 MB written and read back, through IDE registers or a ring in shared memory.", 16),
  whole("compute", 4, "Sorting, sieving, multiplying: no kernel, and so nothing to virtualize."),
  whole("callret", 10, "Calls and returns, which a translator has to look up."),
  whole("build", 12, "Many short processes that read, compute and write files.", 16),
];

/** Those that only the papers' tables measure; `compare` runs them when they are named. */
export const FIGURE_WORKLOADS: readonly Workload[] = [
  each("fork", 100, "process", "A program that shares its C library forks, the child exits."),
  each("exec", 50, "process", "The same, and the child becomes another program: its pages, its library's, and the loader's work."),
  each("sh", 20, "process", "The same through a shell that starts the program."),
  each("null-io", 20000, "call", "A byte read from /dev/zero or written to /dev/null."),
  onDisk("stat", 10000, "call", "A path of three names, all of them known."),
  onDisk("open-close", 10000, "pair", "The same, and a descriptor made and given back."),
  each("select-tcp", 2000, "call", "100 TCP connections asked whether there is something to read."),
  each("sig-install", 20000, "call", "A signal handler set."),
  each("ctxsw-2p-64k", 400, "switch", "Two address spaces with 64 KB touched in each."),
  each("ctxsw-8p-64k", 400, "switch", "Eight with 64 KB each: together as much as a second-level cache."),
  each("ctxsw-16p-0k", 1600, "switch", "Sixteen address spaces, nothing touched."),
  each("ctxsw-16p-16k", 800, "switch", "Sixteen with 16 KB each."),
  each("ctxsw-16p-64k", 400, "switch", "Sixteen with 64 KB each: more than a second-level cache."),
  each("pipe-0k", 2000, "round", "What lat_ctx takes off: the token through a pipe, in one process."),
  each("pipe-16k", 800, "round", "The same with 16 KB summed."),
  each("pipe-64k", 400, "round", "The same with 64 KB summed."),
  onDisk("create-0k", 1000, "file", "Empty files made in a directory that grows: searching it, an inode, an entry."),
  onDisk("delete-0k", 1000, "file", "The same files taken away."),
  onDisk("create-10k", 500, "file", "Files of 10 KB: three blocks each beside that."),
  onDisk("delete-10k", 500, "file", "The same files taken away."),
  onDisk("mmap-file", 100, "mapping", "A file of 4 MB mapped, a page in ten of its first tenth touched, unmapped."),
  onDisk("fault-file", 2048, "page", "A page of a mapped file, which is in memory, touched for the first time."),
  ttcp("tx", 1500, 4096),
  ttcp("rx", 1500, 4096),
  ttcp("tx", 500, 2048),
  ttcp("rx", 500, 2048),
  whole("specint", 2, "An integer suite: compression, graphs, a game, expressions. The kernel is hardly needed."),
  whole("make", 6, "A build: for each source a shell, a driver, a compiler and an assembler, all with a shared library.", 32),
  onDisk("osdb-ir", 2000, "query", "A database asked for rows, by a client in another process."),
  onDisk("osdb-oltp", 400, "transaction", "A database that changes rows; each change is on the disk before the client is told."),
  whole("dbench", 6, "A file server's clients: files written, read, asked for and deleted.", 32),
  { ...onDisk("specweb", 150, "request", "A web server: files of four sizes and answers made for the asker, through the network card."), mtu: 1500, requests: 150 },
];

/** What measures a column of the paper's tables 3 to 5 and of its figure 3. */
export const SOSP_COLUMNS: Readonly<Record<"table3" | "table4" | "table5" | "figure3", Readonly<Record<string, string>>>> = {
  table3: {
    "null call": "syscall", "null I/O": "null-io", stat: "stat", "open/close": "open-close", "slct TCP": "select-tcp", "sig inst": "sig-install",
    "sig hndl": "signal", "fork proc": "fork", "exec proc": "exec", "sh proc": "sh",
  },
  table4: {
    "2p/0K": "ctxsw-2p-0k", "2p/16K": "ctxsw-2p-16k", "2p/64K": "ctxsw-2p-64k", "8p/16K": "ctxsw-8p-16k", "8p/64K": "ctxsw-8p-64k",
    "16p/16K": "ctxsw-16p-16k", "16p/64K": "ctxsw-16p-64k",
  },
  table5: {
    "0K file create": "create-0k", "0K file delete": "delete-0k", "10K file create": "create-10k", "10K file delete": "delete-10k",
    "mmap lat": "mmap-file", "prot fault": "protfault", "page fault": "fault-file",
  },
  figure3: {
    "SPEC INT2000 (score)": "specint", "Linux build time (s, lower is better)": "make", "OSDB-IR (tup/s)": "osdb-ir",
    "OSDB-OLTP (tup/s)": "osdb-oltp", "dbench (score)": "dbench", "SPEC WEB99 (score)": "specweb",
  },
};

export function workload(name: string): Workload | undefined {
  return [...WORKLOADS, ...FIGURE_WORKLOADS].find((candidate) => candidate.name === name);
}
