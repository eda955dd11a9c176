/** The kernel around a sensitive instruction: for a bare PC, and for Xen's public interface in ring 1. */
import { Assembler, flatDescriptors, interruptTable, KERNEL_CS, KERNEL_DS, TSS, USER_CS, USER_DS } from "./assembler.js";
import type { SensitiveProgram } from "./sensitive-programs.js";
import { xenImage } from "./xen-image.js";

export interface SensitiveImage {
  readonly image: Uint8Array;
  /** Linear address of the eight words that tell what happened. */
  readonly result: number;
}

/** Words at `result`: the number, one more, then the exception that came plus one, and 1 when the program reached its end. */
export const RESULT_WORDS = 8, VECTOR_WORD = 4, FINISHED_WORD = 5;
const VECTORS = 32, STACK_BYTES = 0x800, XEN_CS = 0xe019, XEN_DS = 0xe021, XEN_USER_CS = 0xe02b, XEN_USER_DS = 0xe033;
const XEN_BASE = 0xc0001000;

interface Selectors {
  readonly cs: number;
  readonly ds: number;
  readonly ucs: number;
  readonly uds: number;
}

export function bareKernel(program: SensitiveProgram): SensitiveImage {
  const code = new Assembler();
  code.put(`fa 0f0115 @gdtr ea @flat 0800`).label("flat").put(`
    b8 =${KERNEL_DS.toString(16)} 8ed8 8ec0 8ed0 bc @stack 0f011d @idtr 66b8 ${byte(TSS)}00 0f00d8
    0f20e0 83c810 0f22e0 b8 @directory 0f22d8 0f20c0 0d =80000001 0f22c0 eb00
    b011 e620 b020 e621 b004 e621 b001 e621 b0fe e621 b0ff e6a1
    b9 =174 b8 =8 31d2 0f30 b9 =175 b8 @stack 0f30 b9 =176 b8 @jumped 0f30`);
  body(code, program, { cs: KERNEL_CS, ds: KERNEL_DS, ucs: USER_CS, uds: USER_DS });
  interruptCode(code);
  code.align(8).label("idt");
  const gates = new Map<number, readonly [string, number]>(Array.from({ length: VECTORS }, (_, vector) => [vector, [`vector${vector}`, vector === 3 || vector === 4 ? 0xee : 0x8e]]));
  gates.set(0x20, ["on_tick", 0x8e]).set(0x40, ["on_int", 0x8e]).set(0x41, ["on_user", 0xee]);
  interruptTable(code, 0x42, gates);
  code.label("tss").word(0).put("@stack").word(KERNEL_DS, ...new Array<number>(23).fill(0)).label("tss2").word(0).put("@stack").word(KERNEL_DS, ...new Array<number>(23).fill(0));
  code.align(8).label("gdt").word(...flatDescriptors(code.addressOf("tss")), ...flatDescriptors(code.addressOf("tss2")).slice(-2));
  code.label("gdtr").put("3700 @gdt").label("idtr").put("0f02 @idt");
  data(code);
  code.align(4096).label("directory").word(0x87, ...new Array<number>(1023).fill(0));
  return { image: code.kernel(), result: code.addressOf("result") };
}

export function xenKernel(program: SensitiveProgram): SensitiveImage {
  const code = new Assembler(XEN_BASE);
  code.put("31c0 bb @traps cd82");
  body(code, program, { cs: XEN_CS, ds: XEN_DS, ucs: XEN_USER_CS, uds: XEN_USER_DS });
  code.label("pending").label("tick").label("start_timer").put("c3");
  code.align(8).label("traps");
  for (let vector = 0; vector < VECTORS; vector++) if (vector !== 2) code.put(`${byte(vector)} 01 19e0 @vector${vector}`);
  code.put("40 01 19e0 @on_int").word(0, 0).label("gdtr").label("idtr").word(0, 0);
  data(code);
  return { image: xenImage(code.assemble(), XEN_BASE), result: code.addressOf("result") };
}

const byte = (value: number): string => value.toString(16).padStart(2, "0");
const half = (value: number): string => byte(value & 0xff) + byte(value >> 8);

function body(code: Assembler, program: SensitiveProgram, s: Selectors): void {
  const port = (text = ""): string => text
    .replace(/6a \{(ds|uds|ucs)\}/g, (_, name: keyof Selectors) => `68 =${s[name].toString(16)}`)
    .replace(/\{ds32\}/g, `=${s.ds.toString(16)}`).replace(/\{cs16\}/g, half(s.cs));
  code.put(`8925 @saved ${port(program.prepare)} 0f31 ${port(program.test)}`).label("observe").put(`50 0f31 58 ${port(program.observe)}`);
  code.label("resume").put(`8b25 @saved 0f31 c705 @finished =1`).label("end").put("ebfe");
  code.label("called").put(`58 58 25 =ffff a3 @result e9 >resume`);
  code.label("jumped").put(`31c0 8cc8 a3 @result e9 >resume`);
  code.label("user").put("90 90 90 90 cd41 ebfe");
  code.label("on_user").put(`36 8b442404 36 a3 @seen b8 =${s.ds.toString(16)} 8ed8 8ec0 a1 @seen a3 @result 8b25 @saved e9 >observe`);
  code.label("on_int").put("8b442404 25 =ffff a3 @result e9 >resume");
  for (let vector = 0; vector < VECTORS; vector++) code.label(`vector${vector}`).put(`b8 =${(vector + 1).toString(16)} e9 >fault`);
  code.label("fault").put(`bb =${s.ds.toString(16)} 8edb 8ec3 a3 @vector e9 >resume`);
}

/** `pending` waits with interrupts off until the timer's interrupt is requested; `tick` lets that pass; the handler counts. */
function interruptCode(code: Assembler): void {
  code.label("pending").put("fa").label("tick").put("e8 >start_timer b00a e620").label("poll").put("e420 a801 0f84 >poll c3");
  code.label("start_timer").put("b030 e643 b040 e640 b000 e640 c3");
  code.label("on_tick").put(`50 1e b8 =${KERNEL_DS.toString(16)} 8ed8 ff05 @ticks b020 e620 1f 58 cf`);
}

function data(code: Assembler): void {
  code.align(16).label("result").word(0, 0, 0, 0).label("vector").word(0).label("finished").word(0).label("ticks").word(0).label("saved").word(0).label("seen").word(0);
  code.align(16).word(...new Array<number>(STACK_BYTES / 4).fill(0)).label("stack").word(...new Array<number>(STACK_BYTES / 4).fill(0)).label("user_stack").word(0);
}
