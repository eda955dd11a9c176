/**
 * One small program for each sensitive instruction: what comes before it, the instruction itself, and how its effect is
 * made a number at `result`. Code is in hexadecimal (assembler.ts); {cs}, {ds}, {ucs} and {uds} are the port's selectors.
 */
export interface SensitiveProgram {
  /** As in the trap policy. */
  readonly name: string;
  readonly prepare?: string;
  readonly test: string;
  /** Makes what happened a number; what a fault left behind is recorded anyway. */
  readonly observe?: string;
  /** What the number is, for the reader. */
  readonly observes: string;
  /** Why a kernel on Xen's interface cannot be asked this way. */
  readonly notOnXen?: string;
}

const STORE = "a3 @result", COUNTER = "a1 @ticks a3 @result", DONE = "c705 @result =1";
const PENDING = "e8 >pending", NO_PIC = "no interrupt controller: events come by shared memory", NO_USER = "needs pages of a program, which a domain maps by hypercall";
const NOPS = "90 90 90 90";
/** Pushes a frame that leads to `user` in ring 3. */
const USER_FRAME = "6a {uds} 68 @user_stack 68 =202 6a {ucs} 68 @user";
/** Reads what LAR or LSL says of all 8,192 selectors, or counts those that VERR or VERW allows. */
const scan = (opcode: string, then: string): string => `31c9 31db b8 =0 ${opcode} 75 ${then.length / 2 < 16 ? (then.length / 2).toString(16).padStart(2, "0") : "00"} ${then} 83c108 81f9 =00010000 72 ${(256 - (5 + opcode.length / 2 + 2 + then.length / 2 + 3 + 6 + 2)).toString(16)}`;
const EBX = "891d @result";

export const SENSITIVE_PROGRAMS: readonly SensitiveProgram[] = [
  { name: "CLI", prepare: "fb", test: "fa", observe: `e8 >tick ${NOPS} ${COUNTER}`, observes: "interrupts that came after it", notOnXen: NO_PIC },
  { name: "STI", prepare: PENDING, test: `fb ${NOPS}`, observe: COUNTER, observes: "interrupts that were let in", notOnXen: NO_PIC },
  { name: "PUSHF", test: "9c 58", observe: `25 =3200 ${STORE}`, observes: "IF and IOPL as pushed, interrupts off" },
  { name: "POPF", prepare: PENDING, test: `68 =202 9d ${NOPS}`, observe: COUNTER, observes: "interrupts that were let in", notOnXen: NO_PIC },
  { name: "IRET", prepare: PENDING, test: `${USER_FRAME} cf`, observe: COUNTER, observes: "interrupts that were let in by IRET to ring 3", notOnXen: NO_USER },
  { name: "INT", test: "cd40", observes: "CS on the handler's stack" },
  { name: "INT3", test: "cc", observes: "the vector that came" },
  { name: "INTO", prepare: "b8 =7fffffff 40", test: "b8 =7fffffff 40 ce", observes: "the vector that came" },
  { name: "INT1", test: "f1", observes: "the vector that came" },
  { name: "HLT", prepare: "e8 >start_timer", test: "fb f4", observe: COUNTER, observes: "interrupts that woke it", notOnXen: NO_PIC },
  { name: "IN", test: "31c0 e480", observe: STORE, observes: "the byte read from port 80h" },
  { name: "OUT", test: "e680", observe: DONE, observes: "whether it got past" },
  { name: "INS", test: "bf @result 66ba8000 6c", observes: "the byte read from port 80h" },
  { name: "OUTS", test: "be @result 66ba8000 6e", observe: DONE, observes: "whether it got past" },
  { name: "MOV_CR", test: "0f20d8 0f22d8", observe: "0f20c0 25 =80000001 a3 @result", observes: "CR0's PE and PG, after CR3 was loaded with itself" },
  { name: "MOV_DR", test: "b8 =00123456 0f23c0 0f21c3", observe: EBX, observes: "DR0 read back" },
  { name: "CLTS", prepare: "0f20c0 0c08 0f22c0", test: "0f06", observe: `0f20c0 83e008 ${STORE}`, observes: "CR0.TS after it" },
  { name: "LMSW", prepare: "0f20c0 0c08", test: "b8 =9 0f01f0", observe: `0f20c0 83e008 ${STORE}`, observes: "CR0.TS after it was set" },
  { name: "SMSW", prepare: "0f20c0 0c08 0f22c0", test: "31c0 0f01e0", observe: `25 =ffff ${STORE}`, observes: "the low half of CR0, TS set" },
  { name: "INVLPG", test: "0f013d @result", observe: DONE, observes: "whether it got past" },
  { name: "INVD", test: "0f08", observe: DONE, observes: "whether it got past" },
  { name: "WBINVD", test: "0f09", observe: DONE, observes: "whether it got past" },
  { name: "LGDT", test: "0f0115 @gdtr", observe: DONE, observes: "whether it got past" },
  { name: "LIDT", test: "0f011d @idtr", observe: DONE, observes: "whether it got past" },
  { name: "LLDT", test: "31c0 0f00d0", observe: DONE, observes: "whether it got past" },
  { name: "LTR", test: "66b83000 0f00d8", observe: DONE, observes: "whether it got past" },
  { name: "SGDT", test: "0f0105 @result", observes: "limit and base" },
  { name: "SIDT", test: "0f010d @result", observes: "limit and base" },
  { name: "SLDT", test: "31c0 0f00c0", observe: STORE, observes: "the selector" },
  { name: "STR", test: "31c0 0f00c8", observe: STORE, observes: "the selector" },
  { name: "LAR", test: scan("0f02c1", "01c3"), observe: EBX, observes: "the sum over all selectors" },
  { name: "LSL", test: scan("0f03c1", "01c3"), observe: EBX, observes: "the sum over all selectors" },
  { name: "VERR", test: scan("0f00e1", "43"), observe: EBX, observes: "how many selectors are readable" },
  { name: "VERW", test: scan("0f00e9", "43"), observe: EBX, observes: "how many selectors are writable" },
  { name: "PUSH_SREG", test: "0e 58", observe: `25 =ffff ${STORE}`, observes: "CS as pushed" },
  { name: "POP_SREG", test: "6a {ds} 1f", observe: "8cd8 35 {ds32} a3 @result", observes: "DS after it, against what was loaded" },
  { name: "MOV_SREG", test: "31c0 8cc8", observe: STORE, observes: "CS as read" },
  { name: "LOAD_SREG", test: "b8 {ds32} 8ed8", observe: "8cd8 35 {ds32} a3 @result", observes: "DS after it, against what was loaded" },
  { name: "CALLF", test: "9a @called {cs16} ", observe: "", observes: "CS as pushed" },
  { name: "JMPF", test: "ea @jumped {cs16}", observe: "", observes: "CS after it" },
  { name: "RETF", test: "6a {uds} 68 @user_stack 6a {ucs} 68 @user cb", observe: "", observes: "CS of ring 3, whence the program came back", notOnXen: NO_USER },
  { name: "SYSENTER", test: "0f34", observe: "", observes: "CS after it", notOnXen: "a domain's SYSENTER registers are not its own" },
  { name: "SYSEXIT", test: "ba @user b9 @user_stack 0f35", observe: "", observes: "CS of ring 3, whence the program came back", notOnXen: NO_USER },
  { name: "RDMSR", test: "b9 =176 0f32", observe: STORE, observes: "SYSENTER_EIP", notOnXen: "a domain's SYSENTER registers are not its own" },
  { name: "WRMSR", test: "b9 =176 b8 @user 31d2 0f30", observe: `b9 =176 0f32 ${STORE}`, observes: "SYSENTER_EIP read back", notOnXen: "a domain's SYSENTER registers are not its own" },
  { name: "RDTSC", test: "31c0 31d2 0f31", observe: `09d0 0f95c0 0fb6c0 ${STORE}`, observes: "whether it counts" },
  { name: "RDPMC", test: "31c9 0f33", observe: DONE, observes: "whether it got past" },
  { name: "CPUID", test: "31c0 0fa2", observe: EBX, observes: "the vendor's first letters" },
  { name: "RSM", test: "0faa", observe: DONE, observes: "the vector that came" },
  ...Object.entries({
    VMCALL: "0f01c1", VMLAUNCH: "0f01c2", VMRESUME: "0f01c3", VMXOFF: "0f01c4", VMXON: "f30fc735 @result", VMREAD: "0f78c0", VMWRITE: "0f79c0",
    VMPTRLD: "0fc735 @result", VMPTRST: "0fc73d @result", VMCLEAR: "660fc735 @result",
  }).map(([name, test]) => ({ name, test, observe: DONE, observes: "the vector that came" })),
];
