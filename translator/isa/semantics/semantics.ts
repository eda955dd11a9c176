import type { Cpu } from "../../../hypervisor/cpu.js";
import type { Instruction } from "../instruction.js";
import type { Exec } from "./exec.js";

/**
 * An instruction's effect as a value function in the plain subset that the translator parses and splices: `x` is the
 * vocabulary (exec.ts), `z` the operand size in bits, a, b, c the operands' values (8 and 16 bits zero-extended, 32
 * bits signed). The result goes to the first operand when its access says `w`.
 */
export type InlineFunction = (x: Exec, z: number, a: number, b: number, c: number) => number | void;

/** An instruction's effect in ordinary TypeScript on the processor's state. cpu.eip is the instruction's own address. */
export type ComplexFunction = (cpu: Cpu, instruction: Instruction) => void;

/**
 * How the tiers run an instruction:
 * - inline: `fn` is spliced into generated code, and called by the interpreter;
 * - helper: `fn` is called by both; EIP is advanced for it; the block goes on;
 * - exit: as helper, but the block ends: it may change mode, mappings, pending interrupts or read time;
 * - transfer: the block ends and `fn` sets EIP itself.
 * Every fn is restartable: it either completes or throws a trap with the state as before.
 */
export type Semantics =
  | { readonly kind: "inline"; readonly fn: InlineFunction; readonly access: string }
  | { readonly kind: "helper" | "exit" | "transfer"; readonly fn: ComplexFunction };

/** `access` has a letter pair an operand: r read, w written, rw both, - address only (LEA). */
export function inline(access: string, fn: InlineFunction): Semantics {
  return { kind: "inline", fn, access };
}
export function helper(fn: ComplexFunction): Semantics {
  return { kind: "helper", fn };
}
export function exit(fn: ComplexFunction): Semantics {
  return { kind: "exit", fn };
}
export function transfer(fn: ComplexFunction): Semantics {
  return { kind: "transfer", fn };
}
