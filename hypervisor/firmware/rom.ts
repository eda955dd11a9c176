/**
 * The BIOS's ROM, but for the video services (video-rom.ts): one stub for each vector that has a service. A stub pushes the vector and all registers, tells
 * TypeScript where they are by a 32-bit OUT to PORT, and reads there what to do next: return, wait for an interrupt and ask
 * again, or go on with the user's timer hook. The reset vector, the date and the font of graphics modes are where programs expect them.
 */
import { font } from "../devices/vga-font.js";

/** Port that the stubs trap by: OUT gives a frame's address, IN what to do. */
export const FIRMWARE_PORT = 0x05e0, FIRMWARE_PORT_COUNT = 4;
export const RETURN = 0, WAIT = 1, TIMER_HOOK = 2;
/** Vector numbers that no interrupt has: the power-on self-test, and what the mouse's interrupt asks. */
export const VECTOR_POST = 0x100, VECTOR_MOUSE = 0x101;
export const MOUSE_IRQ = 0x74;
/** Where the program's handler of the mouse is in the extended BIOS data area. */
export const EBDA_MOUSE_HANDLER = 0x22;

export const ROM_SEGMENT = 0xf000, ROM_BASE = 0xf_c000, ROM_BYTES = 0x4000;
/** Offsets in segment F000. */
const STUBS = 0xc000, FONT8_LOW = 0xfa6e, RESET_VECTOR = 0xfff0, DATE = 0xfff5, MODEL = 0xfffe;
export const SYSTEM_CONFIG = 0xe6f5, DISKETTE_TABLE = 0xefc7, DUMMY_HANDLER = 0xff53, HALT = 0xff60;
const START = 0xe05b, MODEL_AT = 0xfc;
/** CMOS byte, its values for a jump without and with an end of interrupt, and where the jump's target is. */
const SHUTDOWN_CODE = 0x0f, SHUTDOWN_JUMP = 0x0a, SHUTDOWN_JUMP_EOI = 0x05, RESUME_VECTOR = 0x467;

const word = (value: number): number[] => [value & 0xff, value >>> 8 & 0xff];

/** Code at a growing offset of segment F000. */
export class Code {
  readonly bytes: number[] = [];
  private readonly origin: number;

  constructor(origin: number) {
    this.origin = origin;
  }

  get here(): number { return this.origin + this.bytes.length; }
  emit(...bytes: number[]): void { this.bytes.push(...bytes); }
  /** CALL or JMP (by opcode) to an offset. */
  near(opcode: number, target: number): void { this.emit(opcode, ...word(target - this.here - 3)); }
  /** Jcc or JMP SHORT to an offset. */
  short(opcode: number, target: number): void { this.emit(opcode, target - this.here - 2 & 0xff); }
}

export interface Rom {
  readonly bytes: Uint8Array;
  /** Offset in segment F000 of each vector's stub. */
  readonly stubs: ReadonlyMap<number, number>;
}

/** Builds the ROM for the vectors that TypeScript serves. */
export function buildRom(vectors: readonly number[]): Rom {
  const bytes = new Uint8Array(ROM_BYTES);
  const place = (offset: number, data: Iterable<number>): void => bytes.set([...data], offset - (ROM_BASE & 0xffff));
  const code = new Code(STUBS);
  const trap = emitTrap(code);
  const stubs = new Map<number, number>();
  for (const vector of [...vectors, VECTOR_POST, VECTOR_MOUSE]) stubs.set(vector, emitStub(code, vector, trap));
  stubs.set(MOUSE_IRQ, emitMouseInterrupt(code, stubs.get(VECTOR_MOUSE)!));
  place(STUBS, code.bytes);
  place(START, startCode(stubs.get(VECTOR_POST)!));
  place(RESET_VECTOR, [0xea, ...word(START), ...word(ROM_SEGMENT)]);
  place(DUMMY_HANDLER, [0xcf]); // iret
  place(HALT, [0xfa, 0xf4, 0xeb, 0xfc]); // cli; hlt; jmp back
  place(DATE, new TextEncoder().encode("10/19/03"));
  place(MODEL, [MODEL_AT]);
  place(SYSTEM_CONFIG, [8, 0, MODEL_AT, 1, 0, 0x70, 0, 0, 0, 0]);
  place(DISKETTE_TABLE, [0xaf, 0x02, 0x25, 0x02, 0x12, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08]);
  place(FONT8_LOW, font(8).subarray(0, 128 * 8));
  return { bytes, stubs };
}

/** A vector's stub, which ends in the shared part at `trap`; gives its offset. */
export function emitStub(code: Code, vector: number, trap: number): number {
  const stub = code.here;
  code.emit(0x68, ...word(vector)); // push vector
  code.near(0xe9, trap);
  return stub;
}

/** The part all stubs of a ROM share; the vector is on the stack above IP, CS and FLAGS. */
export function emitTrap(code: Code): number {
  const common = code.here;
  code.emit(0x1e, 0x06, 0x66, 0x60); // push ds; push es; pushad
  const ask = code.here;
  code.emit(0x66, 0x31, 0xc0, 0x8c, 0xd0, 0x66, 0xc1, 0xe0, 0x04); // xor eax,eax; mov ax,ss; shl eax,4
  code.emit(0x66, 0x0f, 0xb7, 0xdc, 0x66, 0x01, 0xd8); // movzx ebx,sp; add eax,ebx
  code.emit(0xba, ...word(FIRMWARE_PORT), 0x66, 0xef, 0xec); // mov dx,PORT; out dx,eax; in al,dx
  const hook = code.here + 12;
  code.emit(0x3c, WAIT); // cmp al,WAIT
  code.short(0x72, hook + 6); // jb done
  code.short(0x77, hook); // ja hook
  code.emit(0xfb, 0xf4, 0xfa, 0xfc); // sti; hlt; cli; cld
  code.short(0xeb, ask);
  code.emit(0xcd, 0x1c, 0xb0, 0x20, 0xe6, 0x20); // hook: int 1Ch; mov al,20h; out 20h,al
  code.emit(0x66, 0x61, 0x07, 0x1f, 0x83, 0xc4, 0x02, 0xcf); // done: popad; pop es; pop ds; add sp,2; iret
  return common;
}

/**
 * The mouse's interrupt: asks what came, calls the program's handler with a whole packet (status, X, Y and 0 as words on the stack), and ends
 * the interrupt at both controllers. Gives its offset.
 */
function emitMouseInterrupt(code: Code, ask: number): number {
  const start = code.here, call = [0x53, 0x51, 0x52, 0x6a, 0x00, 0xb8, 0x40, 0x00, 0x8e, 0xd8, 0x8e, 0x1e, 0x0e, 0x00, // push bx, cx, dx, 0; ds = [40:0E]
    0xff, 0x1e, ...word(EBDA_MOUSE_HANDLER), 0x83, 0xc4, 0x08]; // call far [22h]; add sp,8
  code.emit(0x1e, 0x06, 0x66, 0x60, 0x9c, 0x0e); // push ds; push es; pushad; pushf; push cs
  code.near(0xe8, ask);
  code.emit(0x84, 0xc0, 0x74, call.length, ...call); // test al,al; jz over the call
  code.emit(0xfa, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x66, 0x61, 0x07, 0x1f, 0xcf); // cli; mov al,20h; out 0A0h,al; out 20h,al; popad; pop es; pop ds; iret
  return start;
}

/**
 * From the reset vector: where the shutdown code in the CMOS memory says that a program had itself reset to leave protected mode, on to
 * 0040:0067; else a stack, the self-test as if it were an interrupt, then the bootstrap loader.
 */
function startCode(post: number): number[] {
  const code = new Code(START);
  code.emit(0xfa, 0xfc, 0xb0, SHUTDOWN_CODE, 0xe6, 0x70, 0xe4, 0x71, 0x86, 0xc4); // cli; cld; mov al,0Fh; out 70h,al; in al,71h; xchg al,ah
  code.emit(0xb0, SHUTDOWN_CODE, 0xe6, 0x70, 0x30, 0xc0, 0xe6, 0x71); // mov al,0Fh; out 70h,al; xor al,al; out 71h,al
  code.emit(0x80, 0xfc, SHUTDOWN_JUMP, 0x74, 0x09, 0x80, 0xfc, SHUTDOWN_JUMP_EOI, 0x75, 0x0c); // cmp ah,0Ah; je jump; cmp ah,5; jne cold
  code.emit(0xb0, 0x20, 0xe6, 0x20, 0x31, 0xc0, 0x8e, 0xd8, 0xff, 0x2e, ...word(RESUME_VECTOR)); // mov al,20h; out 20h,al; jump: xor ax,ax; mov ds,ax; jmp far [467h]
  code.emit(0x31, 0xc0, 0x8e, 0xd0, 0xbc, ...word(0x7c00)); // cold: xor ax,ax; mov ss,ax; mov sp,7C00h
  code.emit(0x50, 0x0e); // push ax (flags); push cs
  code.emit(0x68, ...word(code.here + 6)); // push where to go on
  code.near(0xe9, post);
  code.emit(0xcd, 0x19, 0xfa, 0xf4); // int 19h; cli; hlt
  code.short(0xeb, code.here - 2);
  return code.bytes;
}
