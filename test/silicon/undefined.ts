/**
 * What the manual leaves undefined, or the recording processor does otherwise than the modelled one, by mnemonic. Each
 * entry says why.
 */
const C = 1, P = 4, A = 0x10, Z = 0x40, S = 0x80, O = 0x800;
export const ARITHMETIC_FLAGS = C | P | A | Z | S | O;
/** Bits of EFLAGS that are compared at all: RF, IF and the like are the kernel's. */
export const COMPARED_FLAGS = ARITHMETIC_FLAGS | 0x400;

/** EFLAGS left undefined (SDM vol. 2, "Flags Affected" of each). */
export const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {};

const C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000;

/** x87 status bits in which processors differ. */
export const UNDEFINED_STATUS: Readonly<Record<string, number>> = {
  // The manual says "C1: set to 0"; AMD's processors leave it.
  FCOMI: C1, FCOMIP: C1, FUCOMI: C1, FUCOMIP: C1,
};

/**
 * Comparisons: after an unmasked exception the manual has condition bits and EFLAGS stay as they were (SDM vol. 2,
 * table 3-21); AMD's processors set them.
 */
export const COMPARISONS: ReadonlySet<string> = new Set([
  "FCOM", "FCOMP", "FCOMPP", "FUCOM", "FUCOMP", "FUCOMPP", "FICOM", "FICOMP", "FTST", "FCOMI", "FCOMIP", "FUCOMI", "FUCOMIP",
]);
export const COMPARISON_STATUS = C0 | C2 | C3;

/** Results that may differ in the last place: the transcendental instructions' error is bounded, not their value. */
export const ONE_ULP: ReadonlySet<string> = new Set(["F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS"]);
export { A, C, O, P, S, Z };
