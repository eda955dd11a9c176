import type { AnyNode, BinaryExpression, CallExpression, Expression, FunctionExpression, MemberExpression, Statement, VariableDeclaration } from "acorn";
import * as flags from "../../hypervisor/flags.js";
import { assign, binary, block, call, conditional, ifThen, literal, not, numberOf, parseFunction, statement, unary } from "./ast.js";

/**
 * Partial evaluation of our own semantics: a function's syntax tree is copied with its parameters bound, what is
 * constant folded away, and the members of Exec handed to a Vocabulary that says what they become in generated code.
 */
export interface Vocabulary {
  /** x.member(...args): args are expanded already. */
  invoke(member: string, args: Expression[]): Expression;
  /** x.member as a value. */
  read(member: string): Expression;
  /** x.member = value */
  write(member: string, value: Expression): Expression;
  /** Flags knowledge forks at a conditional statement: called before, between and after its branches. */
  fork(): number;
  rejoin(before: number, first: number): void;
  restore(state: number): void;
}

/** What a body expands to: statements, and the expression it returns (null when it returns nothing). */
export interface Expansion {
  readonly statements: Statement[];
  readonly result: Expression | null;
}

const CC_CONSTANTS = new Map(Object.entries(flags).filter(([name, value]) => name.startsWith("CC_") && typeof value === "number") as [string, number][]);

const trees = new Map<unknown, FunctionExpression>();

/** The syntax tree of a function of ours, parsed on first use. */
export function treeOf(fn: (...args: never[]) => unknown): FunctionExpression {
  let tree = trees.get(fn);
  if (tree === undefined) {
    tree = parseFunction(Function.prototype.toString.call(fn));
    trees.set(fn, tree);
  }
  return tree;
}

/** Names of a tree's parameters, in order. */
export function parametersOf(tree: FunctionExpression): string[] {
  return tree.params.map((p) => {
    if (p.type !== "Identifier") throw new Error("semantics take plain parameters");
    return p.name;
  });
}

type Bindings = Map<string, Expression>;

class Splicer {
  private readonly names: Bindings;
  private readonly exec: string | null;
  private readonly vocabulary: Vocabulary | null;

  constructor(names: Bindings, exec: string | null, vocabulary: Vocabulary | null) {
    this.names = names;
    this.exec = exec;
    this.vocabulary = vocabulary;
  }

  /** Copies statements up to the first return that is sure to execute. */
  body(source: readonly AnyNode[]): Expansion {
    const statements: Statement[] = [];
    for (const node of source) {
      if (node.type === "ReturnStatement") return { statements, result: node.argument == null ? null : this.expression(node.argument) };
      if (node.type === "IfStatement") {
        const test = this.expression(node.test);
        const known = truth(test);
        if (known !== undefined) {
          const taken = known ? node.consequent : node.alternate;
          if (taken == null) continue;
          const inner = this.body(taken.type === "BlockStatement" ? taken.body : [taken]);
          statements.push(...inner.statements);
          if (inner.result !== null) return { statements, result: inner.result };
          continue;
        }
        statements.push(this.conditional(test, node.consequent, node.alternate ?? null));
      } else statements.push(...this.statement(node));
    }
    return { statements, result: null };
  }

  private conditional(test: Expression, consequent: Statement, alternate: Statement | null): Statement {
    const { vocabulary } = this;
    const before = vocabulary?.fork() ?? 0;
    const first = this.branch(consequent);
    const after = vocabulary?.fork() ?? 0;
    vocabulary?.restore(before);
    const second = alternate === null ? null : this.branch(alternate);
    vocabulary?.rejoin(vocabulary.fork(), after);
    return ifThen(test, first, second);
  }

  private branch(node: Statement): Statement {
    const inner = this.body(node.type === "BlockStatement" ? node.body : [node]);
    if (inner.result !== null) throw new Error("a semantics body returns once, at its end");
    return block(inner.statements);
  }

  private statement(node: AnyNode): Statement[] {
    if (node.type === "VariableDeclaration") return this.declaration(node);
    if (node.type === "ExpressionStatement") {
      const e = this.expression(node.expression);
      return e.type === "SequenceExpression" && e.expressions.length === 0 ? [] : [statement(e)];
    }
    if (node.type === "BlockStatement") return [block(this.body(node.body).statements)];
    throw new Error(`semantics may not use ${node.type}`);
  }

  /** A const whose value folds to a number vanishes. */
  private declaration(node: VariableDeclaration): Statement[] {
    const [declarator] = node.declarations;
    if (declarator === undefined || node.declarations.length !== 1 || declarator.id.type !== "Identifier" || declarator.init == null) {
      throw new Error("semantics declare one initialised name at a time");
    }
    const init = this.expression(declarator.init);
    if (node.kind === "const" && numberOf(init) !== undefined) {
      this.names.set(declarator.id.name, init);
      return [];
    }
    return [{ ...node, declarations: [{ ...declarator, init }] }];
  }

  expression(node: AnyNode): Expression {
    switch (node.type) {
      case "Literal": return node;
      case "Identifier": {
        const bound = this.names.get(node.name);
        if (bound !== undefined) return bound;
        const constant = CC_CONSTANTS.get(node.name);
        return constant !== undefined ? literal(constant) : node;
      }
      case "BinaryExpression": return this.binary(node);
      case "LogicalExpression": {
        const left = this.expression(node.left);
        const known = truth(left);
        if (known !== undefined && node.operator !== "??") return known === (node.operator === "&&") ? this.expression(node.right) : left;
        return { type: "LogicalExpression", operator: node.operator, left, right: this.expression(node.right), start: 0, end: 0 };
      }
      case "UnaryExpression": {
        const argument = this.expression(node.argument);
        const value = numberOf(argument);
        if (value !== undefined) {
          if (node.operator === "-") return literal(-value);
          if (node.operator === "~") return literal(~value);
          if (node.operator === "!") return literal(value === 0 ? 1 : 0);
        }
        return node.operator === "!" ? not(argument) : unary(node.operator, argument);
      }
      case "ConditionalExpression": {
        const test = this.expression(node.test);
        const known = truth(test);
        if (known !== undefined) return this.expression(known ? node.consequent : node.alternate);
        return conditional(test, this.expression(node.consequent), this.expression(node.alternate));
      }
      case "AssignmentExpression": {
        const right = this.expression(node.right);
        if (node.left.type === "Identifier" && node.operator === "=") return assign(node.left.name, right);
        if (node.left.type === "MemberExpression" && this.isExec(node.left)) return this.vocabulary!.write(memberName(node.left), right);
        throw new Error("semantics assign to names and to members of Exec");
      }
      case "ParenthesizedExpression": return this.expression(node.expression);
      case "MemberExpression":
        if (this.isExec(node)) return this.vocabulary!.read(memberName(node));
        return node;
      case "CallExpression": return this.call(node);
      default: throw new Error(`semantics may not use ${node.type}`);
    }
  }

  private isExec(node: MemberExpression): boolean {
    return node.object.type === "Identifier" && node.object.name === this.exec;
  }

  private call(node: CallExpression): Expression {
    const args = node.arguments.map((a) => this.expression(a));
    const { callee } = node;
    if (callee.type === "MemberExpression" && this.isExec(callee)) return this.vocabulary!.invoke(memberName(callee), args);
    if (callee.type === "Identifier") {
      if (callee.name === "trunc") return truncated(numberOf(args[0]!)!, args[1]!);
      if (callee.name === "sext") return extended(numberOf(args[0]!)!, args[1]!);
      return call(callee.name, args);
    }
    return { ...node, arguments: args };
  }

  private binary(node: BinaryExpression): Expression {
    if (node.left.type === "PrivateIdentifier") throw new Error("no private names in semantics");
    return folded(this.expression(node.left), node.operator as Parameters<typeof binary>[1], this.expression(node.right));
  }
}

function memberName(node: MemberExpression): string {
  if (node.property.type !== "Identifier") throw new Error("members of Exec are named");
  return node.property.name;
}

function truth(node: Expression): boolean | undefined {
  if (node.type === "Literal" && typeof node.value === "boolean") return node.value;
  const value = numberOf(node);
  return value === undefined ? undefined : value !== 0;
}

/** A binary expression, computed when both sides are numbers, and without neutral operands. */
export function folded(left: Expression, operator: Parameters<typeof binary>[1], right: Expression): Expression {
  const l = numberOf(left), r = numberOf(right);
  if (l !== undefined && r !== undefined) return literal(compute(l, operator, r));
  if (r === 0 && (operator === "+" || operator === "-" || operator === "<<" || operator === ">>")) return left;
  if (r === 0 && operator === "|" && isInt32(left)) return left;
  return binary(left, operator, right);
}

function compute(l: number, operator: string, r: number): number {
  switch (operator) {
    case "+": return l + r;
    case "-": return l - r;
    case "*": return l * r;
    case "%": return l % r;
    case "&": return l & r;
    case "|": return l | r;
    case "^": return l ^ r;
    case "<<": return l << r;
    case ">>": return l >> r;
    case ">>>": return l >>> r;
    case "===": return l === r ? 1 : 0;
    case "!==": return l !== r ? 1 : 0;
    case "<": return l < r ? 1 : 0;
    case "<=": return l <= r ? 1 : 0;
    case ">": return l > r ? 1 : 0;
    case ">=": return l >= r ? 1 : 0;
    default: throw new Error(`operator ${operator} in semantics`);
  }
}

/** Expressions whose value is a signed 32-bit number as they stand. */
function isInt32(e: Expression): boolean {
  return e.type === "BinaryExpression" && (e.operator === "|" || e.operator === "&" || e.operator === "^" || e.operator === "<<" || e.operator === ">>");
}

function truncated(z: number, e: Expression): Expression {
  return folded(e, z === 32 ? "|" : "&", literal(z === 32 ? 0 : z === 16 ? 65535 : 255));
}

function extended(z: number, e: Expression): Expression {
  if (z === 32) return folded(e, "|", literal(0));
  return folded(folded(e, "<<", literal(32 - z)), ">>", literal(32 - z));
}

/** Expands a pure function of one expression (a flag rule) on argument expressions. */
export function expandPure(fn: (...args: never[]) => unknown, args: readonly Expression[]): Expression {
  const tree = treeOf(fn);
  const names: Bindings = new Map(parametersOf(tree).map((name, i) => [name, args[i]!]));
  const { statements, result } = new Splicer(names, null, null).body(tree.body.body);
  if (statements.length !== 0 || result === null) throw new Error("a flag rule is one expression");
  return result;
}

/** Expands inline semantics: `args` are the operands' expressions after x, in the order z, a, b, c. */
export function expandInline(tree: FunctionExpression, args: readonly Expression[], vocabulary: Vocabulary): Expansion {
  const parameters = parametersOf(tree);
  const names: Bindings = new Map(parameters.slice(1).map((name, i) => [name, args[i]!]));
  return new Splicer(names, parameters[0] ?? null, vocabulary).body(tree.body.body);
}
