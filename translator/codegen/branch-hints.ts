import type { AnyNode, IfStatement, Statement } from "acorn";
import { FAULT } from "./asm-lower.js";
import { EXIT } from "./emit.js";
import { SLOW } from "./memory-access.js";
import { STACK } from "./stack-access.js";

/**
 * Which way an `if` of generated code goes as a rule, or undefined: what calls the slow half of an access, or only leaves the
 * region, is seldom done. The host then moves it out of the way and keeps locals in registers around it, where a call that may
 * be made in every turn of a loop puts all of them on the stack.
 */
export function likely({ consequent, alternate }: IfStatement): boolean | undefined {
  if (isSeldom(consequent)) return false;
  return alternate != null && isSeldom(alternate) ? true : undefined;
}

function isSeldom(node: Statement): boolean {
  switch (node.type) {
    case "BlockStatement": return node.body.some(isSeldom) && node.body.every((s) => s.type === "ExpressionStatement" || isSeldom(s));
    case "ExpressionStatement": return callsSlow(node.expression);
    case "BreakStatement": return node.label!.name === EXIT || node.label!.name === FAULT;
    case "IfStatement": return isSeldom(node.alternate ?? node.consequent);
    default: return false;
  }
}

function callsSlow(node: AnyNode): boolean {
  switch (node.type) {
    case "CallExpression": return node.callee.type === "Identifier" && (node.callee.name.startsWith(SLOW) || node.callee.name.startsWith(STACK));
    case "AssignmentExpression": return callsSlow(node.right);
    case "BinaryExpression": return callsSlow(node.left);
    default: return false;
  }
}
