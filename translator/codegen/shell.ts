import type { Statement } from "acorn";
import * as S from "../../hypervisor/cpu-state.js";
import { type AccessContext, FAULT } from "./asm-lower.js";
import { type AsmModule, asmModule } from "./asm-module.js";
import * as A from "./ast.js";
import { BUDGET_LOCAL, EXIT, EXIT_EIP } from "./emit.js";
import { print } from "./print.js";

/**
 * What stands around a region's statements: the guest's state comes into locals at the start, goes back to the heap at the end, and
 * is put right when an access faults.
 */
export interface RegionParts {
  /** EIP of the block it is entered by. */
  readonly entry: number;
  /** Breaks to EXIT with the next EIP in EXIT_EIP, or returns with everything in the heap. */
  readonly body: readonly Statement[];
  /** Locals to the heap and back. */
  readonly spill: readonly Statement[];
  readonly reload: readonly Statement[];
  readonly needed: number;
  /** The local that says where the dispatching node goes, if there is one: asm.js code takes it as its parameter, which else means nothing. */
  readonly selector: string | null;
}

const UNUSED = "$0";

/** Locals of plain code: its locals hold the guest's state; the budget under which it leaves at loop heads. */
export const LIVE = "$l", SOFT_LIMIT = "$q";

const n = A.identifier(BUDGET_LOCAL);
const budget = A.element("i32", A.literal(S.BUDGET));

function leave(spill: readonly Statement[]): Statement[] {
  return [
    ...spill, A.statement(A.assignElement("i32", A.literal(S.EIP), A.identifier(EXIT_EIP))), A.statement(A.assignElement("i32", A.literal(S.BUDGET), n)),
  ];
}

/** Prints code that is made. */
export type Printer = () => string;

/** The body of a function of `soft`, which is how many instructions it runs at the most. */
export function plainShell({ body, spill, reload, needed }: RegionParts, locals: readonly string[]): Printer {
  const left = A.binary(n, "-", A.identifier("soft"));
  const soft = A.conditional(A.binary(left, ">", A.literal(needed)), left, A.literal(needed));
  const onFault = A.ifThen(A.identifier(LIVE), A.block([...spill, A.statement(A.call("fault", [n]))]));
  const program = A.program([
    A.variables([...locals, EXIT_EIP, LIVE, BUDGET_LOCAL, SOFT_LIMIT], (name) => {
      return name === BUDGET_LOCAL ? budget : name === SOFT_LIMIT ? soft : A.literal(name === LIVE ? 1 : 0);
    }),
    ...reload,
    {
      type: "TryStatement", block: A.block([A.labeled(EXIT, A.block([...body]))]),
      handler: { type: "CatchClause", param: A.identifier("error"), body: A.block([onFault, { type: "ThrowStatement", argument: A.identifier("error"), start: 0, end: 0 }]), start: 0, end: 0 },
      finalizer: null, start: 0, end: 0,
    },
    ...leave(spill),
  ]);
  return () => print(program);
}

/** An asm.js module; `fault` throws what the access that faulted would have thrown. */
export function asmShell({ entry, body, spill, reload, selector }: RegionParts, context: AccessContext): AsmModule {
  return asmModule(`region_${(entry >>> 0).toString(16)}`, [selector ?? UNUSED], [
    A.statement(A.assign(BUDGET_LOCAL, budget)), ...reload,
    A.labeled(FAULT, A.block([A.labeled(EXIT, A.block([...body])), ...leave(spill), A.returns()])),
    ...spill, A.statement(A.call("fault", [n])),
  ], context);
}
