/**
 * Where each piece of architectural state lives in the heap: word indices into `Heap.i32`.
 * Order of the general registers and of the segment registers is Intel's encoding (SDM vol. 2, 2.1.5).
 */
export const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7;
export const EIP = 8;

/** Lazy arithmetic flags: the operation (a CC_* kind and size) and its operands; see flags.ts. */
export const CC_OP = 9, CC_DST = 10, CC_SRC = 11, CC_AUX = 12;
/** EFLAGS without its six arithmetic bits, which are in the CC words; bit 1 is always set. */
export const EFLAGS_SYS = 13;

/** Instructions left in the running slice. */
export const BUDGET = 14;
/** Execution-mode bits that generated code is specialised on (MODE_*). */
export const MODE = 15;

export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5;
/** Hidden LDTR and TR use the same four arrays at 6 and 7. */
export const LDTR = 6, TR = 7;
export const SELECTOR = 16, SEG_BASE = 24, SEG_LIMIT = 32, SEG_ATTR = 40;

export const GDTR_BASE = 48, GDTR_LIMIT = 49, IDTR_BASE = 50, IDTR_LIMIT = 51;
export const CR0 = 52, CR2 = 54, CR3 = 55, CR4 = 56;
export const DR0 = 60;
export const CPL = 68;

/** x87: eight 80-bit registers of 16 bytes (mantissa low word, mantissa high word, sign and exponent, spare), physical order. */
export const FPU_REGS = 80;
export const FPU_CW = 112, FPU_SW = 113, FPU_TAG = 114, FPU_FIP = 115, FPU_FCS = 116, FPU_FDP = 117, FPU_FDS = 118, FPU_FOP = 119;
export const MXCSR = 120;
/** Eight 128-bit XMM registers, four words each. */
export const XMM_REGS = 128;
/** Scratch words of generated code: nothing of the guest's. */
export const SCRATCH = 192;
/** Nonzero once an access that asm.js code had made for it has faulted: the code leaves. */
export const FAULTED = SCRATCH;
/** FS and GS: an access of up to 4 bytes is within the segment when its effective address is below this (unsigned); 0: ask the descriptor. */
export const SEG_REACH = SCRATCH + 4;
/** Iterations that generated code has done of the repeated string instruction which the interpreter now goes on with. */
export const STRING_DONE = SCRATCH + 10;
export const STATE_WORDS = 256;

/** The run loop's, which a reset leaves as they are: index of the running instruction in its block, and the index before which the block ends; the block's record. */
export const INDEX = STATE_WORDS, END = STATE_WORDS + 1, RUNNING = STATE_WORDS + 2;
/** Record of the block by which a region has been entered without the run loop, or 0; the budget then; the region's number. */
export const ENTERED = STATE_WORDS + 4, ENTRY_BUDGET = STATE_WORDS + 5, REGION = STATE_WORDS + 6;
/** Nonzero: the region that runs must be left behind the running instruction. */
export const LEAVE = STATE_WORDS + 7;
/**
 * A writable page that generated code has found in the data TLB for an access at ESP: its linear address, or STACK_NONE, which is equal to no address
 * rounded down to an operand's size and its page; and how far from there it is in the heap. Two words for supervisor code, two for user code.
 */
export const STACK_PAGE = STATE_WORDS + 8, STACK_DELTA = STACK_PAGE + 1, STACK_USER = 2, STACK_NONE = 4;
/** Two words of Ledger.tally each: dbt's indirect transfers, string instructions, divisions. */
export const INDIRECT_TALLY = STATE_WORDS + 16, STRING_TALLY = STATE_WORDS + 18, DIVISION_TALLY = STATE_WORDS + 20;
/**
 * The clock that the ledger lends to generated code (Ledger.lend). Doubles, by index into Heap.f64: the instruction count at which the budget is 0, extraCycles,
 * cycles of an instruction, cycles of RDTSC, and of each tallied event the settled count and the price.
 */
export const CLOCK = STATE_WORDS + 32 >> 1, CLOCK_ORIGIN = CLOCK, CLOCK_EXTRA = CLOCK + 1, CLOCK_RATE = CLOCK + 2, CLOCK_PRICE = CLOCK + 3,
  CLOCK_COUNTS = CLOCK + 4, CLOCK_PRICES = CLOCK + 8, CLOCK_READING = CLOCK + 12;
/** Words: nonzero while it is lent; times that it has been read since; byte addresses of the tallied events' words. */
export const CLOCK_LENT = STATE_WORDS + 64, CLOCK_READ = CLOCK_LENT + 1, CLOCK_TALLIES = CLOCK_LENT + 2;
/** Tallied events that there is room for. */
export const CLOCK_EVENTS = 4;
/** Nonzero: something has changed that the run loop must look at (Cpu.recheck). */
export const RECHECK = STATE_WORDS + 3;

/** Changes whenever an instruction TLB entry that was there goes or is replaced, and is never 0: while it does not, code found at an address is there still. */
export const CODE_GENERATION = STATE_WORDS + 22;

/** MODE bits. A block of code is translated for one value of MODE and found by it. */
export const MODE_CODE32 = 1;
export const MODE_STACK32 = 2;
export const MODE_USER = 4;
/** CS, SS, DS and ES all have base 0 and reach as far as the strategy's flat limit. */
export const MODE_FLAT = 8;
export const MODE_V86 = 16;
export const MODE_REAL = 32;
/** The strategy rewrites code here (dbt: the guest's kernel). */
export const MODE_TRANSLATED = 64;
/** References are checked for alignment: CR0.AM and EFLAGS.AC at CPL 3. Never with MODE_FLAT. */
export const MODE_ALIGNED = 128;

/** SEG_ATTR: the descriptor's second word's access bits, shifted: type 0-3, S 4, DPL 5-6, P 7, AVL 8, D/B 10, G 11. */
export const ATTR_TYPE = 0x0f, ATTR_S = 0x10, ATTR_DPL_SHIFT = 5, ATTR_P = 0x80, ATTR_AVL = 0x100, ATTR_DB = 0x400, ATTR_G = 0x800;
export const ATTR_CODE = 0x08, ATTR_EXPAND_DOWN = 0x04, ATTR_CONFORMING = 0x04, ATTR_WRITABLE = 0x02, ATTR_READABLE = 0x02, ATTR_ACCESSED = 0x01;
/** Set in SEG_ATTR of a data segment register that holds a null selector: any use is #GP(0) (#SS(0) never: SS cannot be null). */
export const ATTR_NULL = 0x10000;

export const CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 0x10, CR0_NE = 0x20, CR0_WP = 0x10000, CR0_AM = 0x40000,
  CR0_NW = 0x20000000, CR0_CD = 0x40000000, CR0_PG = 0x80000000 | 0;
export const CR4_VME = 1, CR4_PVI = 2, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_MCE = 0x40, CR4_PGE = 0x80,
  CR4_PCE = 0x100, CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400;

export const FLAG_CF = 1, FLAG_PF = 4, FLAG_AF = 0x10, FLAG_ZF = 0x40, FLAG_SF = 0x80, FLAG_TF = 0x100, FLAG_IF = 0x200, FLAG_DF = 0x400,
  FLAG_OF = 0x800, FLAG_IOPL = 0x3000, FLAG_NT = 0x4000, FLAG_RF = 0x10000, FLAG_VM = 0x20000, FLAG_AC = 0x40000, FLAG_VIF = 0x80000,
  FLAG_VIP = 0x100000, FLAG_ID = 0x200000;
export const FLAGS_ARITHMETIC = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;
