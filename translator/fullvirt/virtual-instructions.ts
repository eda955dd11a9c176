import type { Cpu } from "../../hypervisor/cpu.js";
import * as S from "../../hypervisor/cpu-state.js";
import type { Ledger } from "../../hypervisor/ledger.js";
import type { InterruptController } from "../../hypervisor/native.js";
import { peek } from "../../hypervisor/stack.js";
import type { SensitiveHook, SensitiveInstruction, SensitiveOperand } from "../../hypervisor/strategy.js";
import { POLICY } from "./policy.js";

/**
 * What the translated form of each sensitive instruction is: an event `dbt.inline.NAME` or `dbt.callout.NAME`. The state
 * that the instruction works on is the virtual processor's (the real one's registers are the monitor's and are not in
 * reach of the guest), so the instruction's own semantics are the right ones: the hooks say what it costs, never what it
 * does. In direct execution of user code no hook does anything: the processor runs the instruction as it stands.
 */

/** Software interrupts count where they are delivered, from user code too. */
const COUNTED_AT_DELIVERY: ReadonlySet<string> = new Set(["INT", "INT1", "INT3", "INTO"]);

type Indexed = SensitiveOperand & { readonly index: number };
const isIndexed = (operand: SensitiveOperand | undefined, kind: string): operand is Indexed => operand?.kind === kind;

/** The event of one execution, for the instructions whose form depends on more than their name. */
type Chooser = (cpu: Cpu, instruction: SensitiveInstruction) => string;

function choosers(pic: InterruptController): Readonly<Record<string, Chooser>> {
  const opens = (cpu: Cpu): boolean => pic.intr && !cpu.interruptFlag;
  return {
    STI: (cpu) => opens(cpu) ? "callout.sti" : "inline.sti",
    POPF: (cpu, { opSize }) => opens(cpu) && (peek(cpu, 0, opSize === 16 ? 2 : 4) & S.FLAG_IF) !== 0 ? "callout.popf" : "inline.popf",
    MOV_CR: (_cpu, { operands: [first] }) => isIndexed(first, "creg") ? first.index === 8 ? "inline.cr8_write" : `callout.cr${first.index}_write` : "inline.cr_read",
  };
}

/** Strategy.sensitive of dbt, built from the policy table. */
export function virtualInstructions(ledger: Ledger, pic: InterruptController): Readonly<Record<string, SensitiveHook>> {
  const chosen = choosers(pic);
  const hooks: Record<string, SensitiveHook> = {};
  for (const { name, dbt } of POLICY) {
    if ((dbt.treatment !== "inline" && dbt.treatment !== "callout") || COUNTED_AT_DELIVERY.has(name)) continue;
    const choose = chosen[name];
    const event = choose === undefined ? ledger.id(`dbt.${dbt.treatment}.${name.toLowerCase()}`) : -1;
    hooks[name] = (cpu, instruction) => {
      if ((cpu.i32[S.MODE]! & S.MODE_TRANSLATED) === 0) return false;
      if (choose === undefined) ledger.count(event);
      else ledger.event("dbt." + choose(cpu, instruction));
      return false;
    };
  }
  return hooks;
}
