import { INTEGER_ROWS } from "../../translator/isa/opcodes-integer.js";
import type { Instruction } from "../../translator/isa/instruction.js";
import { type Form, formOf, formsOf } from "./forms.js";
import { Random, seedOf } from "./random.js";
import { baseState, CODE_PAGE, DATA_PAGE, EFLAGS_AT, type FormCases, MEMORY_OPERAND, PAGE, SECOND_OPERAND, STACK_TOP, State, WINDOW_BASE } from "./state.js";

/** Inputs for the instructions on general registers. */

/** Not for a user program to run on a system it does not know: selectors, interrupts, far transfers, time, identity. */
const EXCLUDED = new Set([
  "PUSH_SREG", "POP_SREG", "MOV_FROM_SREG", "MOV_TO_SREG", "LES", "LDS", "LSS", "LFS", "LGS", "CALLF", "JMPF", "RETF", "IRET", "INT", "INT1", "INT3", "INTO",
  "CPUID", "RDTSC", "SGDT", "SIDT", "SLDT", "STR", "SMSW", "LAR", "LSL", "VERR", "VERW", "SYSENTER", "SYSEXIT", "RDPMC",
  "CLFLUSH", "PREFETCH", "VMCALL", "RSM", "HLT",
]);

export function integerForms(): Form[] {
  const forms = INTEGER_ROWS.filter((row) => row.cpl === null && !EXCLUDED.has(row.mnemonic)).flatMap(formsOf).filter(possible);
  return [...forms, ...addressForms()];
}

/** A near branch with a 16-bit operand leaves the code page. */
function possible(form: Form): boolean {
  const { instruction } = form;
  if (instruction.row.ends !== null && instruction.opSize === 16) return false;
  // A register under 0F 0D is #UD on AMD's processors, NOP on Intel's.
  return !(instruction.row.opcode === "0f 0d" && instruction.operands[0]?.kind === "reg");
}

/** LEA with every kind of address, 32 and 16 bits wide. */
function addressForms(): Form[] {
  const random = new Random(5);
  const forms: Form[] = [];
  for (let i = 0; i < 40; i++) {
    const bytes = Array.from({ length: 8 }, () => random.word() & 0xff);
    const modrm = random.below(0xc0);
    forms.push(formOf([...(i % 3 === 0 ? [0x67] : []), ...(i % 4 === 0 ? [0x66] : []), 0x8d, modrm & ~0x38 | random.below(4) << 3, ...bytes]));
  }
  return forms;
}

export function integerCases(form: Form, count: number, salt: number): FormCases {
  const random = new Random(seedOf(form.name, salt));
  const { mnemonic } = form.instruction;
  return { name: form.name, mnemonic, code: form.code, inputs: Array.from({ length: count }, () => input(random, form.instruction)), outputs: [] };
}

const ARITHMETIC = 0x8d5, DIRECTION = 0x400;
const EAX = 0, ECX = 1, EDX = 2, EBX = 3, EBP = 5, ESI = 6, EDI = 7;
const STRING = /^(MOVS|CMPS|STOS|LODS|SCAS)$/;
const BIT = /^BT[CRS]?$/;

function input(random: Random, instruction: Instruction): State {
  const state = baseState();
  const { mnemonic } = instruction;
  for (const r of registersOf(instruction)) state.setReg(r, random.value());
  state.set32(EFLAGS_AT, 0x202 | random.word() & ARITHMETIC);
  const memory = State.memoryIndex(MEMORY_OPERAND);
  if (instruction.operands.some((operand) => operand.kind === "mem")) for (let i = 0; i < 8; i += 4) state.set32(memory + i, random.value());
  special(random, instruction, state);
  if (instruction.operands.some((operand) => operand.kind === "mem" && operand.base === ESI) && random.chance(3) && mnemonic !== "LEA") {
    // Partly, or just not, past the end of the page.
    state.setReg(ESI, DATA_PAGE + PAGE - random.below(9));
  }
  return state;
}

/** Registers whose content may matter: those it names, and where it names fewer than two operands any. */
function registersOf(instruction: Instruction): readonly number[] {
  const { operands, mnemonic } = instruction;
  if (operands.length < 2 || mnemonic.startsWith("CMPXCHG") || mnemonic === "LEA") return [EAX, ECX, EDX, EBX];
  const named = new Set<number>();
  for (const operand of operands) if (operand.kind === "reg") named.add(operand.size === 8 ? operand.index & 3 : operand.index);
  return [...named].filter((r) => r < 4);
}

/** Inputs that keep an instruction within its memory, or make its interesting cases likely. */
function special(random: Random, instruction: Instruction, state: State): void {
  const { mnemonic, row } = instruction;
  if (STRING.test(mnemonic)) return stringInput(random, state);
  if (BIT.test(mnemonic)) {
    const index = instruction.operands[1];
    if (index?.kind === "reg") state.setReg(index.index, (random.below(1024) - 512) >>> 0);
  } else if (mnemonic === "DIV" || mnemonic === "IDIV") {
    // A high half that is small, or a sign, so that the quotient often fits.
    if (random.chance(70)) state.setReg(EDX, random.pick([0, 0, 1, 0xffffffff, 0xfffffffe, random.below(0x10000)]));
    if (random.chance(50)) state.setReg(EAX, random.below(0x10000));
  } else if (mnemonic === "XLAT") {
    state.setReg(EBX, WINDOW_BASE + random.below(256));
    for (let i = 0; i < 64; i += 4) state.set32(State.memoryIndex(WINDOW_BASE) + 8 * i, random.word());
  } else if (mnemonic.startsWith("CMPXCHG") && random.chance(50)) {
    const memory = State.memoryIndex(MEMORY_OPERAND);
    state.setReg(EAX, state.get32(memory));
    state.setReg(EDX, state.get32(memory + 4));
    if (random.chance(30)) state.setReg(EDX, state.get32(memory + 4) ^ 1);
  } else if (row.ends === "indirect" || row.ends === "call" || row.ends === "ret" || row.ends === "jump") {
    const target = (): number => CODE_PAGE + random.below(PAGE);
    for (const r of [EAX, ECX, EDX, EBX]) state.setReg(r, target());
    state.set32(State.memoryIndex(MEMORY_OPERAND), target());
    state.set32(State.memoryIndex(STACK_TOP), target());
  } else if (/^LOOP|^JE?CXZ/.test(mnemonic) || row.operands.startsWith("J")) {
    state.setReg(ECX, random.pick([0, 1, 2, 0x10000, 0x10001, 0xffffffff, random.word()]));
  } else if (/^POP/.test(mnemonic)) {
    const top = State.memoryIndex(STACK_TOP);
    for (let i = 0; i < 32; i += 4) state.set32(top + i, mnemonic === "POPF" ? random.word() & (ARITHMETIC | DIRECTION) : random.value());
  } else if (mnemonic === "LEAVE") {
    state.set32(State.memoryIndex(STACK_TOP + 0x40), random.value());
    if (instruction.opSize === 16) state.setReg(EBP, STACK_TOP + 0x40);
  } else if (mnemonic === "BOUND") {
    const memory = State.memoryIndex(MEMORY_OPERAND);
    const value = random.word() | 0;
    state.setReg(EDX, value);
    state.set32(memory, value - random.below(3) + 1);
    state.set32(memory + 4, value + random.below(3) - 1);
  }
  if (mnemonic === "ENTER") for (let i = 0; i < 32; i += 4) state.set32(State.memoryIndex(state.reg(EBP) - 16) + i, random.word());
  if (mnemonic === "PUSHA") state.setReg(EDI, random.value());
  if (/^(BSWAP|LEA)$/.test(mnemonic)) for (const r of [EBP, EDI, ESI]) state.setReg(r, random.value());
}

function stringInput(random: Random, state: State): void {
  state.setReg(ECX, random.pick([0, 1, 2, 3, 7, 8, 0x10000 * random.below(2)]) & (random.chance(90) ? 0xf : 0x1000f));
  const source = State.memoryIndex(MEMORY_OPERAND), destination = State.memoryIndex(SECOND_OPERAND);
  for (let i = 0; i < 32; i += 4) {
    const word = random.chance(50) ? 0x41414141 : random.value();
    state.set32(source + i - 16, word);
    state.set32(destination + i - 16, random.chance(60) ? word : random.value());
  }
  if (random.chance(50)) state.setReg(EAX, state.get32(destination));
  if (random.chance(30)) state.set32(EFLAGS_AT, state.get32(EFLAGS_AT) | DIRECTION);
  // Overlapping, or across the end of the page.
  if (random.chance(20)) state.setReg(EDI, state.reg(ESI) + random.below(9) - 4);
  if (random.chance(10)) state.setReg(random.pick([ESI, EDI]), DATA_PAGE + PAGE - random.below(12));
}
