import * as S from "./cpu-state.js";

/**
 * The one processor model: what the decoder takes, what CPUID says and which bits CR4 has follow from it. A feature is
 * listed only when its semantics exist.
 */
export interface CpuModel {
  readonly vendor: string;
  readonly brand: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Instruction sets, by the opcode table's names (translator/isa/opcodes-notation.ts, FEATURES). */
  readonly instructions: readonly string[];
  /** System features, by the names of SYSTEM_BITS. */
  readonly system: readonly string[];
  /** Cache and TLB descriptors of CPUID leaf 2: EAX, EBX, ECX, EDX. */
  readonly cacheDescriptors: readonly [number, number, number, number];
}

/** CPUID.1:EDX bits (SDM vol. 2, CPUID, table 3-11) of instruction sets and of system features. */
const INSTRUCTION_BITS: Readonly<Record<string, number>> = {
  fpu: 0, tsc: 4, msr: 5, cx8: 8, sep: 11, cmov: 15, clflush: 19, mmx: 23, fxsr: 24, sse: 25, sse2: 26,
};
const SYSTEM_BITS: Readonly<Record<string, number>> = { vme: 1, de: 2, pse: 3, pae: 6, mce: 7, apic: 9, mtrr: 12, pge: 13 };

const CR4_BITS: Readonly<Record<string, number>> = {
  vme: S.CR4_VME | S.CR4_PVI, tsc: S.CR4_TSD, de: S.CR4_DE, pse: S.CR4_PSE, pae: S.CR4_PAE, mce: S.CR4_MCE, pge: S.CR4_PGE,
  p6: S.CR4_PCE, fxsr: S.CR4_OSFXSR, sse: S.CR4_OSXMMEXCPT,
};

/** A P6-class processor with SSE2, as the Pentium M was; leaf 2 as of a Pentium III: 16 KB + 16 KB of L1, 256 KB of L2, 32- and 64-entry TLBs. */
export const P6: CpuModel = {
  vendor: "GenuineIntel",
  brand: "trivisor P6-class processor",
  family: 6,
  model: 9,
  stepping: 5,
  instructions: ["i386", "fpu", "486", "586", "tsc", "msr", "cx8", "p6", "cmov", "sep", "mmx", "fxsr", "sse", "sse2", "clflush"],
  system: ["vme", "de", "pse", "pae", "mce", "apic", "mtrr", "pge"],
  cacheDescriptors: [0x03020101, 0, 0, 0x0c040882],
};

/** The model every processor here is. */
export const MODEL: CpuModel = P6;

const bits = (names: readonly string[], of: Readonly<Record<string, number>>): number =>
  names.reduce((set, name) => name in of ? set | 1 << of[name]! : set, 0);

/** CPUID.1:EAX, which is EDX at reset too: family, model and stepping. */
export function signature(model: CpuModel): number {
  return model.family << 8 | model.model << 4 | model.stepping;
}

/** CPUID.1:EDX. */
export function featureBits(model: CpuModel): number {
  return bits(model.instructions, INSTRUCTION_BITS) | bits(model.system, SYSTEM_BITS);
}

/** The bits of CR4 that may be set. */
export function cr4Mask(model: CpuModel): number {
  return [...model.instructions, ...model.system].reduce((set, name) => set | (CR4_BITS[name] ?? 0), 0);
}

/** EAX, EBX, ECX, EDX. */
export type CpuidLeaf = readonly [number, number, number, number];

const HIGHEST_BASIC = 2, HIGHEST_EXTENDED = 0x80000004;

function words(text: string, at: number): number[] {
  const word = (i: number): number => [0, 1, 2, 3].reduce((w, b) => w | (text.charCodeAt(at + i * 4 + b) || 0) << (8 * b), 0);
  return [word(0), word(1), word(2), word(3)];
}

/** What CPUID answers for EAX = `leaf`; a leaf beyond the highest gives the highest basic one's answer. */
export function cpuid(model: CpuModel, leaf: number): CpuidLeaf {
  leaf >>>= 0;
  if (leaf === 0) {
    const [b, d, c] = words(model.vendor, 0);
    return [HIGHEST_BASIC, b!, c!, d!];
  }
  if (leaf === 1) {
    const clflushLine = model.instructions.includes("clflush") ? 8 << 8 : 0;
    return [signature(model), clflushLine, 0, featureBits(model)];
  }
  if (leaf === 0x80000000) return [HIGHEST_EXTENDED | 0, 0, 0, 0];
  if (leaf === 0x80000001) return [0, 0, 0, 0];
  if (leaf > 0x80000001 && leaf <= HIGHEST_EXTENDED) {
    const [a, b, c, d] = words(model.brand, (leaf - 0x80000002) * 16);
    return [a!, b!, c!, d!];
  }
  return model.cacheDescriptors;
}
