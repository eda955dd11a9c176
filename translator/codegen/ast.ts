import { type AnyNode, type AssignmentExpression, type UnaryExpression, type BlockStatement, type Expression, type ExpressionStatement, type FunctionExpression, type Identifier, type Literal, parse, parseExpressionAt, type Program, type Statement } from "acorn";

/** ESTree pieces, written out: a spread makes each several times as dear. Positions mean nothing in generated code. */

export function literal(value: number): Expression {
  if (value < 0 || Object.is(value, -0)) return { type: "UnaryExpression", operator: "-", prefix: true, argument: literal(-value), start: 0, end: 0 };
  return { type: "Literal", value, start: 0, end: 0 } as Literal;
}

export function identifier(name: string): Identifier {
  return { type: "Identifier", name, start: 0, end: 0 };
}

export function binary(left: Expression, operator: "+" | "-" | "*" | "%" | "&" | "|" | "^" | "<<" | ">>" | ">>>" | "===" | "!==" | "==" | "!=" | "<" | "<=" | ">" | ">=", right: Expression): Expression {
  return { type: "BinaryExpression", left, operator, right, start: 0, end: 0 };
}

export function conditional(test: Expression, consequent: Expression, alternate: Expression): Expression {
  return { type: "ConditionalExpression", test, consequent, alternate, start: 0, end: 0 };
}

export function not(argument: Expression): Expression {
  return { type: "UnaryExpression", operator: "!", prefix: true, argument, start: 0, end: 0 };
}

export function assign(name: string, right: Expression): Expression {
  return { type: "AssignmentExpression", operator: "=", left: identifier(name), right, start: 0, end: 0 };
}

/** Assigns to what an assignment of the same left side assigns to. */
export function assigned(left: AssignmentExpression["left"], right: Expression): Expression {
  return { type: "AssignmentExpression", operator: "=", left, right, start: 0, end: 0 };
}

export function unary(operator: UnaryExpression["operator"], argument: Expression): Expression {
  return { type: "UnaryExpression", operator, prefix: true, argument, start: 0, end: 0 };
}

export function sequence(expressions: Expression[]): Expression {
  return expressions.length === 1 ? expressions[0]! : { type: "SequenceExpression", expressions, start: 0, end: 0 };
}

export function call(name: string, args: Expression[]): Expression {
  return { type: "CallExpression", callee: identifier(name), arguments: args, optional: false, start: 0, end: 0 };
}

/** array[index] */
export function element(array: string, index: Expression): Expression {
  return { type: "MemberExpression", object: identifier(array), property: index, computed: true, optional: false, start: 0, end: 0 };
}

export function assignElement(array: string, index: Expression, right: Expression): Expression {
  return { type: "AssignmentExpression", operator: "=", left: element(array, index) as Identifier, right, start: 0, end: 0 };
}

export function statement(expression: Expression): ExpressionStatement {
  return { type: "ExpressionStatement", expression, start: 0, end: 0 };
}

export function block(body: Statement[]): BlockStatement {
  return { type: "BlockStatement", body, start: 0, end: 0 };
}

export function constant(name: string, init: Expression): Statement {
  return { type: "VariableDeclaration", kind: "const", declarations: [{ type: "VariableDeclarator", id: identifier(name), init, start: 0, end: 0 }], start: 0, end: 0 };
}

export function variables(names: string[], init: (name: string) => Expression | null): Statement {
  return { type: "VariableDeclaration", kind: "let", declarations: names.map((name) => ({ type: "VariableDeclarator", id: identifier(name), init: init(name), start: 0, end: 0 })), start: 0, end: 0 };
}

export function ifThen(test: Expression, consequent: Statement, alternate: Statement | null = null): Statement {
  return { type: "IfStatement", test, consequent, alternate, start: 0, end: 0 };
}

export function labeled(label: string, body: Statement): Statement {
  return { type: "LabeledStatement", label: identifier(label), body, start: 0, end: 0 };
}

export function forever(body: Statement[]): Statement {
  return { type: "ForStatement", init: null, test: null, update: null, body: block(body), start: 0, end: 0 };
}

export function breakTo(label: string): Statement {
  return { type: "BreakStatement", label: identifier(label), start: 0, end: 0 };
}

export function continueTo(label: string): Statement {
  return { type: "ContinueStatement", label: identifier(label), start: 0, end: 0 };
}

export function returns(argument: Expression | null = null): Statement {
  return { type: "ReturnStatement", argument, start: 0, end: 0 };
}

export function program(body: Statement[]): Program {
  return { type: "Program", body, sourceType: "script", start: 0, end: 0 };
}

/** The value of a number literal, negative ones included, else undefined. */
export function numberOf(node: AnyNode): number | undefined {
  if (node.type === "Literal" && typeof node.value === "number") return node.value;
  if (node.type === "UnaryExpression" && node.operator === "-") {
    const value = numberOf(node.argument);
    return value === undefined ? undefined : -value;
  }
  return undefined;
}

/** Parses the source text of a function of ours (Function.prototype.toString); each is parsed once. */
export function parseFunction(source: string): FunctionExpression {
  const node = parseExpressionAt(`(${source})`, 0, { ecmaVersion: 2022 });
  const inner = node.type === "ParenthesizedExpression" ? node.expression : node;
  if (inner.type === "FunctionExpression") return inner;
  if (inner.type === "ArrowFunctionExpression") {
    const body = inner.body.type === "BlockStatement" ? inner.body : block([{ type: "ReturnStatement", argument: inner.body, start: 0, end: 0 }]);
    return { ...inner, type: "FunctionExpression", body, expression: false, id: null } as unknown as FunctionExpression;
  }
  throw new Error(`not a function: ${source.slice(0, 40)}`);
}

/** Parses statements of ours, once. */
export function parseStatements(source: string): Statement[] {
  return parse(source, { ecmaVersion: 2022, allowReturnOutsideFunction: true }).body as Statement[];
}

/**
 * Comments are statements that astring prints as such: an expression statement of this shape is printed by the
 * generator's own hook (print.ts).
 */
export interface CommentStatement { type: "CommentStatement"; text: string; start: number; end: number }

export function comment(text: string): Statement {
  return { type: "CommentStatement", text, start: 0, end: 0 } as unknown as Statement;
}

/** Whether a tree, or a list of them, has an identifier of this name. */
export function mentions(node: unknown, name: string): boolean {
  if (node === null || typeof node !== "object") return false;
  if (Array.isArray(node)) return node.some((child) => mentions(child, name));
  const record = node as { type?: string; name?: string };
  if (record.type === "Identifier") return record.name === name;
  return Object.values(record).some((child) => mentions(child, name));
}
