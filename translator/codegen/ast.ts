import { type AnyNode, type BlockStatement, type Expression, type ExpressionStatement, type FunctionExpression, type Identifier, type Literal, parse, parseExpressionAt, type Program, type Statement } from "acorn";

/** ESTree pieces. Positions mean nothing in generated code. */
const AT = { start: 0, end: 0 };

export function literal(value: number): Expression {
  if (value < 0 || Object.is(value, -0)) return { type: "UnaryExpression", operator: "-", prefix: true, argument: literal(-value), ...AT };
  return { type: "Literal", value, raw: String(value), ...AT } as Literal;
}

export function identifier(name: string): Identifier {
  return { type: "Identifier", name, ...AT };
}

export function binary(left: Expression, operator: "+" | "-" | "*" | "&" | "|" | "^" | "<<" | ">>" | ">>>" | "===" | "!==" | "==" | "!=" | "<" | "<=" | ">" | ">=", right: Expression): Expression {
  return { type: "BinaryExpression", left, operator, right, ...AT };
}

export function conditional(test: Expression, consequent: Expression, alternate: Expression): Expression {
  return { type: "ConditionalExpression", test, consequent, alternate, ...AT };
}

export function not(argument: Expression): Expression {
  return { type: "UnaryExpression", operator: "!", prefix: true, argument, ...AT };
}

export function assign(name: string, right: Expression): Expression {
  return { type: "AssignmentExpression", operator: "=", left: identifier(name), right, ...AT };
}

export function sequence(expressions: Expression[]): Expression {
  return expressions.length === 1 ? expressions[0]! : { type: "SequenceExpression", expressions, ...AT };
}

export function call(name: string, args: Expression[]): Expression {
  return { type: "CallExpression", callee: identifier(name), arguments: args, optional: false, ...AT };
}

/** array[index] */
export function element(array: string, index: Expression): Expression {
  return { type: "MemberExpression", object: identifier(array), property: index, computed: true, optional: false, ...AT };
}

export function assignElement(array: string, index: Expression, right: Expression): Expression {
  return { type: "AssignmentExpression", operator: "=", left: element(array, index) as Identifier, right, ...AT };
}

export function statement(expression: Expression): ExpressionStatement {
  return { type: "ExpressionStatement", expression, ...AT };
}

export function block(body: Statement[]): BlockStatement {
  return { type: "BlockStatement", body, ...AT };
}

export function constant(name: string, init: Expression): Statement {
  return { type: "VariableDeclaration", kind: "const", declarations: [{ type: "VariableDeclarator", id: identifier(name), init, ...AT }], ...AT };
}

export function variables(names: string[], init: (name: string) => Expression | null): Statement {
  return { type: "VariableDeclaration", kind: "let", declarations: names.map((name) => ({ type: "VariableDeclarator", id: identifier(name), init: init(name), ...AT })), ...AT };
}

export function ifThen(test: Expression, consequent: Statement, alternate: Statement | null = null): Statement {
  return { type: "IfStatement", test, consequent, alternate, ...AT };
}

export function labeled(label: string, body: Statement): Statement {
  return { type: "LabeledStatement", label: identifier(label), body, ...AT };
}

export function forever(body: Statement[]): Statement {
  return { type: "ForStatement", init: null, test: null, update: null, body: block(body), ...AT };
}

export function breakTo(label: string): Statement {
  return { type: "BreakStatement", label: identifier(label), ...AT };
}

export function continueTo(label: string): Statement {
  return { type: "ContinueStatement", label: identifier(label), ...AT };
}

export function returns(argument: Expression | null = null): Statement {
  return { type: "ReturnStatement", argument, ...AT };
}

export function program(body: Statement[]): Program {
  return { type: "Program", body, sourceType: "script", ...AT };
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
    const body = inner.body.type === "BlockStatement" ? inner.body : block([{ type: "ReturnStatement", argument: inner.body, ...AT }]);
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
  return { type: "CommentStatement", text, ...AT } as unknown as Statement;
}
