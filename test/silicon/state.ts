/**
 * The state of a processor around one instruction, as record.c reads and writes it: one flat array of bytes, so that a
 * vector is a difference between two of them.
 */
export const STATE_BYTES = 1600;
/** Eight general registers in encoding order. */
export const REGISTERS_AT = 0;
export const EFLAGS_AT = 32, EIP_AT = 36;
/** Exception vector, or NO_FAULT, with error code and CR2 (for #PF). */
export const VECTOR_AT = 40, ERROR_AT = 44, CR2_AT = 48;
/** An FXSAVE image (SDM vol. 1, table 10-2). */
export const FX_AT = 64, FX_BYTES = 512;
export const FCW_AT = FX_AT, FSW_AT = FX_AT + 2, FTW_AT = FX_AT + 4, MXCSR_AT = FX_AT + 24, ST_AT = FX_AT + 32, XMM_AT = FX_AT + 160;
/** The window of memory: the last bytes of a page behind which nothing is mapped. */
export const MEMORY_AT = 576, MEMORY_BYTES = 1024;

export const DATA_PAGE = 0x10000000, CODE_PAGE = 0x20000000, PAGE = 4096;
export const WINDOW_BASE = DATA_PAGE + PAGE - MEMORY_BYTES;
export const ENTRY = CODE_PAGE + 0x800;
export const NO_FAULT = 0xffffffff;
/** INT3, which fills the code page: wherever code goes, it stops there. */
export const STOP = 0xcc;
export const CODE_BYTES = 32;
export const REQUEST_BYTES = STATE_BYTES + 4 + CODE_BYTES + 12;

/** Where the operands of the test forms lie: ESI points to MEMORY_OPERAND, EDI to SECOND_OPERAND, ESP and EBP to the stack. */
export const MEMORY_OPERAND = WINDOW_BASE + 0x40, SECOND_OPERAND = WINDOW_BASE + 0x80, STACK_TOP = WINDOW_BASE + 0x300, FRAME = WINDOW_BASE + 0x340;

export class State {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array = new Uint8Array(STATE_BYTES)) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  copy(): State {
    return new State(this.bytes.slice());
  }

  get32(at: number): number { return this.view.getUint32(at, true); }
  set32(at: number, value: number): void { this.view.setUint32(at, value >>> 0, true); }
  get16(at: number): number { return this.view.getUint16(at, true); }
  set16(at: number, value: number): void { this.view.setUint16(at, value, true); }
  reg(r: number): number { return this.get32(REGISTERS_AT + 4 * r); }
  setReg(r: number, value: number): void { this.set32(REGISTERS_AT + 4 * r, value); }

  /** Index of the memory byte at a linear address in the window. */
  static memoryIndex(address: number): number { return MEMORY_AT + address - WINDOW_BASE; }
}

/** What every case starts from: pointers set, all x87 registers 1.0 and in use, exceptions masked. */
export function baseState(): State {
  const state = new State();
  state.setReg(4, STACK_TOP);
  state.setReg(5, FRAME);
  state.setReg(6, MEMORY_OPERAND);
  state.setReg(7, SECOND_OPERAND);
  state.set32(EFLAGS_AT, 0x202);
  state.set32(EIP_AT, ENTRY);
  state.set32(VECTOR_AT, NO_FAULT);
  state.set16(FCW_AT, 0x37f);
  state.bytes[FTW_AT] = 0xff;
  state.set32(MXCSR_AT, 0x1f80);
  for (let i = 0; i < 8; i++) {
    state.set32(ST_AT + 16 * i + 4, 0x80000000);
    state.set16(ST_AT + 16 * i + 8, 0x3fff);
  }
  return state;
}

/** An instruction form (code) with its inputs; outputs when they have been recorded. */
export interface FormCases {
  readonly name: string;
  readonly mnemonic: string;
  readonly code: Uint8Array;
  readonly inputs: readonly State[];
  readonly outputs: readonly State[];
}
