import type { Cpu } from "../hypervisor/cpu.js";
import * as S from "../hypervisor/cpu-state.js";

/** Index in the heap of each register that is one word there. */
const WORDS = {
  eax: S.EAX, ecx: S.ECX, edx: S.EDX, ebx: S.EBX, esp: S.ESP, ebp: S.EBP, esi: S.ESI, edi: S.EDI, eip: S.EIP,
  cs: S.SELECTOR + S.CS, ds: S.SELECTOR + S.DS, es: S.SELECTOR + S.ES, fs: S.SELECTOR + S.FS, gs: S.SELECTOR + S.GS, ss: S.SELECTOR + S.SS,
  ldtr: S.SELECTOR + S.LDTR, tr: S.SELECTOR + S.TR,
  gdtr: S.GDTR_BASE, idtr: S.IDTR_BASE, cr0: S.CR0, cr2: S.CR2, cr3: S.CR3, cr4: S.CR4,
} as const;

/** Those that a debugger may set as they stand: the rest have hidden parts or side effects, which instructions alone take care of. */
const WRITABLE: readonly string[] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "cr2"];

export type RegisterName = keyof typeof WORDS | "eflags" | "cpl";
export const REGISTER_NAMES: readonly RegisterName[] = [...Object.keys(WORDS) as (keyof typeof WORDS)[], "eflags", "cpl"];

/** Value of a register of the processor the guest runs on, unsigned. Under a hypervisor these are the real ones, not the guest's virtual ones. */
export function readRegister(cpu: Cpu, name: RegisterName): number {
  if (name === "eflags") return cpu.eflags >>> 0;
  if (name === "cpl") return cpu.cpl;
  return cpu.i32[WORDS[name]]! >>> 0;
}

/** Sets a general register, EIP, CR2 or EFLAGS; throws RangeError for the others. */
export function writeRegister(cpu: Cpu, name: RegisterName, value: number): void {
  if (name === "eflags") {
    cpu.eflags = value | 0;
    cpu.modeChanged();
  } else if (name !== "cpl" && WRITABLE.includes(name)) cpu.i32[WORDS[name]] = value;
  else throw new RangeError(`${name} cannot be set from outside`);
}

/** All registers in a few lines, as a crash report prints them. */
export function formatRegisters(cpu: Cpu): string {
  const hex = (name: RegisterName, digits = 8): string => `${name} ${readRegister(cpu, name).toString(16).padStart(digits, "0")}`;
  return [
    [hex("eax"), hex("ebx"), hex("ecx"), hex("edx")],
    [hex("esi"), hex("edi"), hex("ebp"), hex("esp")],
    [hex("eip"), hex("eflags"), `cpl ${cpu.cpl}`, cpu.halted ? "halted" : "running"],
    [hex("cr0"), hex("cr2"), hex("cr3"), hex("cr4")],
    [hex("cs", 4), hex("ss", 4), hex("ds", 4), hex("es", 4), hex("fs", 4), hex("gs", 4), hex("tr", 4), hex("ldtr", 4)],
    [hex("gdtr"), hex("idtr")],
  ].map((line) => line.join("  ")).join("\n");
}
