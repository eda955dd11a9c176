import type { Program } from "acorn";
import { baseGenerator, generate, type State } from "astring";
import type { CommentStatement } from "./ast.js";

const generator = {
  ...baseGenerator,
  CommentStatement(node: CommentStatement, state: State): void {
    state.write(`// ${node.text}`);
  },
};

/** Source text of generated code; comments name the guest instruction each piece came from. */
export function print(node: Program): string {
  return generate(node as unknown as Parameters<typeof generate>[0], { generator, indent: " " });
}
