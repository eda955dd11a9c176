import type { AnyNode, AssignmentExpression, BinaryExpression, CallExpression, Expression, MemberExpression, Statement } from "acorn";
import { FAULTED, STACK_NONE } from "../../hypervisor/cpu-state.js";
import { assign, assigned, assignElement, binary, block, breakTo, call, conditional, element, forever, identifier, ifThen, labeled, literal, numberOf, returns, sequence, statement, unary } from "./ast.js";
import type { Site } from "./emit.js";
import { type Access, accessOf, type AccessTables, type PageCache, slowName, type StackAccesses } from "./memory-access.js";
import { stackName, stackWords } from "./stack-access.js";

/**
 * Generated code in the form that validates as asm.js (asmjs.org/spec): the host compiles it ahead of time, so that it
 * neither warms up nor deoptimises. Its locals are 32-bit integers, all declared at the function's head; every
 * expression has a type, and coercions stand where the types ask for them. Accesses to memory are written out: a look
 * in the software TLB, then the typed array or a call of the slow half. asm.js has no exceptions: a slow half that
 * faulted sets a word of the heap, upon which the code leaves by the label FAULT.
 */

/** Where an access that faulted leaves to. */
export const FAULT = "F";

/** Locals of an access: address, word of the TLB, value stored; the TLB word of a read-modify-write. */
const ADDRESS = "$a", WORD = "$s", VALUE = "$v", UPDATE_WORD = "$w";

/** What accesses depend on: where the TLB's tables are, the loops that sites are in, what is at ESP, and whether slow halves throw instead of setting FAULTED. */
export interface AccessContext extends AccessTables {
  readonly sites: readonly Pick<Site, "loop">[];
  readonly stack: { readonly accesses: StackAccesses; readonly user: boolean } | null;
  readonly throws?: true;
}

/** Bit 2 is in no page and no alignment, so that NO_PAGE is equal to no masked address. */
const NO_PAGE = STACK_NONE, PAGE_MASK = -4096;

/** Statements that empty page caches. */
export function forgetPages(caches: readonly PageCache[]): Statement[] {
  return caches.map(({ page }) => statement(assign(page, literal(NO_PAGE))));
}

/** log2 of the bytes of the heap's arrays' elements. */
const SHIFTS = new Map([["i32", 2], ["u16", 1], ["u8", 0]]);

type Type = "fixnum" | "signed" | "unsigned" | "int" | "intish";
interface Typed { readonly e: Expression; readonly type: Type }

const zero = literal(0);
const RELATIONS = new Map([["<", "<"], ["<=", "<="], [">", ">"], [">=", ">="], ["===", "=="], ["!==", "!="]]);

const LEAVE_IF_FAULTED = ifThen(binary(element("i32", literal(FAULTED)), "|", zero), breakTo(FAULT));

const signed = ({ e, type }: Typed): Expression => type === "signed" || type === "fixnum" ? e : binary(e, "|", zero);
const int = (t: Typed): Expression => t.type === "intish" ? signed(t) : t.e;

export class AsmLowerer {
  private readonly context: AccessContext;
  /** Every local that has been met, in order of meeting. */
  readonly locals = new Set<string>();
  /** Functions called that are not part of the language. */
  readonly called = new Set<string>();
  /** Names declared in each block that is open, innermost last, and all of them. */
  private readonly scopes: string[][] = [];
  private readonly open = new Set<string>();
  /** Locals that are pages of page caches. */
  private readonly pages = new Set<string>();
  /** The site whose read-modify-write has looked the TLB up last. */
  private updated = -1;

  constructor(context: AccessContext) {
    this.context = context;
  }

  /** What a local is at the start. */
  initial(local: string): number {
    return this.pages.has(local) ? NO_PAGE : 0;
  }

  // ---- statements ----------------------------------------------------------------------------------------------------

  statements(list: readonly Statement[]): Statement[] {
    const own: string[] = [], out: Statement[] = [];
    this.scopes.push(own);
    for (const s of list) this.statement(s, out);
    this.scopes.pop();
    for (const name of own) this.open.delete(name);
    return out;
  }

  private statement(node: Statement, out: Statement[]): void {
    switch (node.type) {
      case "BlockStatement":
        out.push(block(this.statements(node.body)));
        return;
      case "ExpressionStatement": return this.effect(node.expression, out);
      case "VariableDeclaration":
        for (const { id, init } of node.declarations) {
          if (id.type !== "Identifier") throw new Error("generated code declares plain names");
          this.declare(id.name);
          if (init != null) this.effect(assign(id.name, init), out);
        }
        return;
      case "IfStatement":
        out.push(ifThen(int(this.expression(node.test)), this.one(node.consequent), node.alternate == null ? null : this.one(node.alternate)));
        return;
      case "LabeledStatement":
        out.push(labeled(node.label.name, this.one(node.body)));
        return;
      case "ForStatement":
        out.push(forever(this.statements(node.body.type === "BlockStatement" ? node.body.body : [node.body])));
        return;
      case "ReturnStatement":
        out.push(node.argument == null ? node : returns(signed(this.expression(node.argument))));
        return;
      default: out.push(node);
    }
  }

  private one(node: Statement): Statement {
    if (node.type === "BlockStatement") return block(this.statements(node.body));
    const lowered: Statement[] = [];
    this.statement(node, lowered);
    return lowered.length === 1 ? lowered[0]! : block(lowered);
  }

  /** All locals live at the function's head, so a name must not stand for two at once. */
  private declare(name: string): void {
    if (this.open.has(name)) throw new Error(`${name} is declared twice`);
    this.open.add(name);
    this.scopes[this.scopes.length - 1]!.push(name);
    this.locals.add(name);
  }

  /** An expression for what it does. */
  private effect(node: Expression, out: Statement[]): void {
    if (node.type === "SequenceExpression") {
      for (const e of node.expressions) this.effect(e, out);
      return;
    }
    if (node.type === "CallExpression") {
      const access = accessOf(node);
      if (access === null) out.push(statement(signed(this.call(node))));
      else this.access(access, "", out);
      return;
    }
    if (node.type === "AssignmentExpression" && node.left.type === "Identifier" && node.right.type === "CallExpression") {
      const access = accessOf(node.right);
      if (access !== null) return this.access(access, node.left.name, out);
    }
    out.push(statement(this.expression(node).e));
  }

  // ---- accesses ------------------------------------------------------------------------------------------------------

  /** The value in a local that nothing changes until the access is made, or as a number. */
  private held(value: Typed, local: string, out: Statement[]): Expression {
    if (numberOf(value.e) !== undefined || value.e.type === "Identifier") return value.e;
    this.locals.add(local);
    out.push(statement(assign(local, int(value))));
    return identifier(local);
  }

  /** A load, update or store; a value read goes to the local `into`. */
  private access({ kind, z, address, value, site }: Access, into: string, out: Statement[]): void {
    const at = this.held(this.expression(address), ADDRESS, out);
    const stored = value === null ? null : this.held(this.expression(value), VALUE, out);
    const word = kind === "update" || (kind === "store" && this.updated === site) ? UPDATE_WORD : WORD;
    this.locals.add(word);
    const { loop } = this.context.sites[site]!;
    if (kind !== "update" && word === WORD && this.context.stack?.accesses.has(kind, site) === true) return this.atStack(kind, z, at, stored, site, into, out);
    const cache = word !== WORD && kind !== "update" ? null : loop?.of(kind, site) ?? null;
    const look = word === WORD || kind === "update" ? statement(assign(word, this.tlbWord(at, kind !== "load"))) : null;
    this.updated = kind === "update" ? site : -1;
    const place = binary(binary(at, "+", identifier(word)), "-", literal(1));
    const slow = slowName(kind, z);
    this.called.add(slow);
    const atSigned = binary(at, "|", zero), number = literal(site);
    const asked = stored === null ? binary(call(slow, [atSigned, number]), "|", zero) : call(slow, [atSigned, binary(stored, "|", zero), number]);
    const fast = (place: Expression): Statement => {
      const [array, index] = cell(place, z);
      return statement(stored === null ? assign(into, binary(element(array, index), "|", zero)) : assignElement(array, index, stored));
    };
    const refused = block([
      statement(stored === null ? assign(into, asked) : asked), ...this.forget(loop?.all ?? []),
      ...(this.context.throws === true ? [] : [LEAVE_IF_FAULTED]),
    ]);
    if (into !== "") this.locals.add(into);
    if (cache === null) {
      if (look !== null) out.push(look);
      out.push(ifThen(hits(at, identifier(word), z), fast(place), refused));
      return;
    }
    this.pages.add(cache.page);
    this.locals.add(cache.page).add(cache.delta);
    const within = binary(at, "+", identifier(cache.delta));
    const take = kind === "update" ? [statement(assign(word, binary(identifier(cache.delta), "|", literal(1))))] : [];
    const keep = [statement(assign(cache.page, binary(at, "&", literal(PAGE_MASK)))), statement(assign(cache.delta, binary(binary(identifier(word), "-", literal(1)), "|", zero)))];
    out.push(ifThen(
      samePage(at, identifier(cache.page), z), block([...take, fast(within)]),
      block([...(look === null ? [] : [look]), ifThen(hits(at, identifier(word), z), block([...keep, fast(within)]), refused)]),
    ));
  }

  /** See stack-access.ts. */
  private atStack(kind: "load" | "store", z: number, at: Expression, stored: Expression | null, site: number, into: string, out: Statement[]): void {
    const { page, delta } = stackWords(this.context.stack!.user);
    const other = stackName(kind, z), address = binary(at, "|", zero), number = literal(site);
    this.called.add(other);
    const [array, index] = cell(binary(at, "+", binary(element("i32", literal(delta)), "|", zero)), z);
    const [fast, slow] = stored === null
      ? [assign(into, binary(element(array, index), "|", zero)), assign(into, binary(call(other, [address, number]), "|", zero))]
      : [assignElement(array, index, stored), call(other, [address, binary(stored, "|", zero), number])];
    if (into !== "") this.locals.add(into);
    out.push(ifThen(samePage(at, element("i32", literal(page)), z), block([statement(fast)]), block([
      statement(slow), ...this.forget(this.context.sites[site]!.loop?.all ?? []), LEAVE_IF_FAULTED,
    ])));
  }

  private forget(caches: readonly PageCache[]): Statement[] {
    for (const { page } of caches) this.locals.add(page);
    return forgetPages(caches);
  }

  private tlbWord(at: Expression, write: boolean): Expression {
    const table = write ? this.context.write : this.context.read;
    const page = binary(binary(at, ">>>", literal(10)), "&", literal(0x3ffffc));
    return binary(element("i32", binary(binary(page, "+", literal(table << 2)), ">>", literal(2))), "|", zero);
  }

  // ---- expressions -----------------------------------------------------------------------------------------------------

  private expression(node: AnyNode): Typed {
    switch (node.type) {
      case "Literal": return number(node.value);
      case "Identifier":
        this.locals.add(node.name);
        return { e: node, type: "int" };
      case "BinaryExpression": return this.binary(node);
      case "UnaryExpression": {
        const value = numberOf(node);
        if (value !== undefined) return number(value);
        const argument = this.expression(node.argument);
        if (node.operator === "-") return { e: unary("-", int(argument)), type: "intish" };
        return node.operator === "!" ? { e: unary("!", int(argument)), type: "int" } : { e: unary(node.operator, argument.e), type: "signed" };
      }
      case "LogicalExpression": {
        const left = int(this.expression(node.left)), right = int(this.expression(node.right));
        return { e: node.operator === "&&" ? conditional(left, right, zero) : conditional(left, literal(1), right), type: "int" };
      }
      case "ConditionalExpression": {
        const test = int(this.expression(node.test));
        return { e: conditional(test, int(this.expression(node.consequent)), int(this.expression(node.alternate))), type: "int" };
      }
      case "SequenceExpression": {
        const parts = node.expressions.map((e) => this.expression(e));
        return { e: sequence(parts.map((p) => p.e)), type: parts[parts.length - 1]!.type };
      }
      case "AssignmentExpression": return this.assignment(node);
      case "MemberExpression": {
        return { e: binary(this.member(node), "|", zero), type: "signed" };
      }
      case "CallExpression": return this.call(node);
      default: throw new Error(`${node.type} is not asm.js`);
    }
  }

  private assignment(node: AssignmentExpression): Typed {
    const value = int(this.expression(node.right));
    if (node.left.type === "Identifier") this.locals.add(node.left.name);
    return { e: assigned(node.left.type === "MemberExpression" ? this.member(node.left) : node.left, value), type: "int" };
  }

  /** An element of one of the heap's arrays; its index is a number, a shifted address, or anything that is shifted here. */
  private member(node: MemberExpression): MemberExpression {
    const { object, property } = node;
    if (object.type !== "Identifier" || property.type === "PrivateIdentifier") throw new Error("generated code has the heap's arrays only");
    if (numberOf(property) !== undefined) return node;
    const shift = SHIFTS.get(object.name)!;
    const index = property.type === "BinaryExpression" && property.operator === ">>" ? binary(this.expression(property.left).e, ">>", property.right)
      : shift === 0 ? signed(this.expression(property)) : binary(binary(this.expression(property).e, "<<", literal(shift)), ">>", literal(shift));
    return element(object.name, index) as MemberExpression;
  }

  private call(node: CallExpression): Typed {
    const args = node.arguments.map((a) => signed(this.expression(a)));
    const { callee } = node;
    if (callee.type === "MemberExpression" && callee.property.type === "Identifier") {
      this.called.add(callee.property.name);
      return { e: binary(call(callee.property.name, args), "|", zero), type: "signed" };
    }
    if (callee.type !== "Identifier" || accessOf(node) !== null) throw new Error("an access stands alone in generated code");
    this.called.add(callee.name);
    return { e: binary(call(callee.name, args), "|", zero), type: "signed" };
  }

  private binary(node: BinaryExpression): Typed {
    if (node.left.type === "PrivateIdentifier") throw new Error("no private names in generated code");
    const left = this.expression(node.left), right = this.expression(node.right);
    const relation = RELATIONS.get(node.operator);
    if (relation !== undefined) return compared(relation, left, right);
    switch (node.operator) {
      case "+": case "-": return { e: binary(left.e, node.operator, int(right)), type: "intish" };
      case "%": return { e: binary(signed(left), "%", signed(right)), type: "intish" };
      case "&": case "|": case "^": case "<<": case ">>": return { e: binary(left.e, node.operator, right.e), type: "signed" };
      case ">>>": return { e: binary(left.e, ">>>", right.e), type: "unsigned" };
      default: throw new Error(`${node.operator} is not for integers`);
    }
  }
}

function number(value: unknown): Typed {
  if (typeof value === "boolean") return { e: literal(value ? 1 : 0), type: "fixnum" };
  if (typeof value !== "number") throw new Error("generated code has numbers only");
  return { e: literal(value | 0), type: (value | 0) >= 0 ? "fixnum" : "signed" };
}

/** A relation is between two signed or two unsigned numbers. */
function compared(operator: string, left: Typed, right: Typed): Typed {
  const unsigned = left.type === "unsigned" || right.type === "unsigned";
  const equality = operator === "==" || operator === "!=";
  if (unsigned && !equality) {
    for (const { type } of [left, right]) if (type !== "unsigned" && type !== "fixnum") throw new Error("a relation of signed and unsigned");
    return { e: binary(left.e, operator as "<", right.e), type: "int" };
  }
  return { e: binary(signed(left), operator as "<", signed(right)), type: "int" };
}

/** Test that an operand of `z` bits is on the page whose linear address is `page`, and aligned. */
function samePage(at: Expression, page: Expression, z: number): Expression {
  return binary(binary(at, "&", literal(PAGE_MASK | (z >> 3) - 1)), "==", binary(page, "|", zero));
}

/** Test that the TLB word serves an access of `z` bits on the fast path (heap.ts). */
function hits(at: Expression, word: Expression, z: number): Expression {
  if (z === 8) return word;
  return binary(binary(at, "&", literal(z === 32 ? 3 : 1)), "<", binary(word, "&", literal(1)));
}

/** The place in the heap's typed arrays of the operand at heap address `sum`. */
function cell(sum: Expression, z: number): [string, Expression] {
  if (z === 8) return ["u8", binary(sum, "|", zero)];
  return z === 16 ? ["u16", binary(sum, ">>", literal(1))] : ["i32", binary(sum, ">>", literal(2))];
}
