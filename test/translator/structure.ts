// Structured code of random graphs, reducible and not: it visits the nodes that a walk over the graph visits.

import type { Statement } from "acorn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as A from "../../translator/codegen/ast.js";
import { print } from "../../translator/codegen/print.js";
import { loopHeaders, makeReducible, structure } from "../../translator/codegen/structure.js";
import { Random } from "../isa/random.js";

const name = suite("structure");

type Choose = () => number;

/** Compiles a graph: its function calls `visit(node)`, which gives the number of the successor to go to, or -1 to leave. */
function compile(successors: readonly (readonly number[])[]): (visit: (node: number) => number) => void {
  const graph = makeReducible({ successors, root: 0 });
  const go = (from: number, to: number, jump: (target: number) => Statement[]): Statement[] =>
    graph.cut(from, to) ? [A.statement(A.assign("target", A.literal(to))), ...jump(graph.dispatcher)] : jump(to);
  const body = structure(graph, (node, jump) => {
    if (node === graph.dispatcher) {
      return [
        ...graph.targets.map((t) => A.ifThen(A.binary(A.identifier("target"), "===", A.literal(t)), A.block(jump(t)))),
        ...(graph.successors[node]!.includes(0) ? jump(0) : [A.returns()]),
      ];
    }
    return [
      A.statement(A.assign("k", A.call("visit", [A.literal(node)]))),
      ...successors[node]!.map((s) => A.ifThen(A.binary(A.identifier("k"), "===", A.literal(s)), A.block(go(node, s, jump)))),
      A.returns(),
    ];
  });
  const source = print(A.program(body));
  return new Function("visit", `let k, target = -1;\n${source}`) as (visit: (node: number) => number) => void;
}

/** The nodes that a walk visits, at most `limit`. */
function walk(successors: readonly (readonly number[])[], choose: Choose, limit: number): number[] {
  const out: number[] = [];
  for (let node = 0; out.length < limit;) {
    out.push(node);
    const list = successors[node]!;
    if (list.length === 0) break;
    node = list[choose() % list.length]!;
  }
  return out;
}

function follow(successors: readonly (readonly number[])[], choose: Choose, limit: number): number[] {
  const out: number[] = [];
  compile(successors)((node) => {
    out.push(node);
    if (out.length === limit) return -1;
    const list = successors[node]!;
    return list.length === 0 ? -1 : list[choose() % list.length]!;
  });
  return out;
}

function check(successors: readonly (readonly number[])[], seed: number): void {
  for (let round = 0; round < 4; round++) {
    const expected = walk(successors, ((random) => () => random.below(64))(new Random(seed + round)), 200);
    const got = follow(successors, ((random) => () => random.below(64))(new Random(seed + round)), 200);
    assert.equal(got, expected, JSON.stringify(successors));
  }
}

name("shapes known by name", () => {
  check([[]], 1);
  check([[0]], 2);
  check([[1], [0]], 3);
  check([[1, 2], [3], [3], []], 4);
  check([[1, 2], [2, 3], [1, 3], [0]], 5); // entered at two places: irreducible
  check([[1, 2], [3, 0], [3, 1], [1, 2, 0]], 6);
  check([[1], [2, 4], [3, 2], [1, 3], [0, 4]], 7);
  check([[2, 1], [2, 0], [1, 2]], 8);
});

name("random graphs", () => {
  const random = new Random(77);
  let irreducible = 0;
  for (let i = 0; i < 600; i++) {
    const nodes = 1 + random.below(random.pick([4, 8, 20]));
    const successors = Array.from({ length: nodes }, () => [...new Set(Array.from({ length: random.below(4) }, () => random.below(nodes)))]);
    if (makeReducible({ successors, root: 0 }).dispatcher >= 0) irreducible++;
    check(successors, random.next());
  }
  assert.ok(irreducible > 30, `${irreducible}`);
});

name("random programs: fall through or jump, mostly near", () => {
  const random = new Random(78);
  for (let i = 0; i < 300; i++) {
    const nodes = 2 + random.below(40);
    const successors = Array.from({ length: nodes }, (_, node) => {
      const list = new Set<number>();
      if (node + 1 < nodes && random.below(6) !== 0) list.add(node + 1);
      if (random.below(2) === 0) list.add(Math.min(nodes - 1, Math.max(0, node + random.below(9) - 4)));
      return [...list];
    });
    check(successors, random.next());
  }
});

name("what is made reducible is: each loop is entered at its header alone", () => {
  const random = new Random(79);
  for (let i = 0; i < 500; i++) {
    const nodes = 2 + random.below(12);
    const successors = Array.from({ length: nodes }, () => [...new Set(Array.from({ length: 1 + random.below(3) }, () => random.below(nodes)))]);
    const graph = makeReducible({ successors, root: 0 });
    const again = makeReducible({ successors: graph.successors, root: graph.root });
    assert.is(again.dispatcher, -1);
    // Without its headers a graph has no cycle.
    const headers = loopHeaders(graph);
    const state = new Map<number, number>();
    const acyclic = (node: number): boolean => {
      if (state.get(node) === 2) return true;
      if (state.get(node) === 1) return false;
      state.set(node, 1);
      const fine = graph.successors[node]!.every((s) => headers.has(s) || acyclic(s));
      state.set(node, 2);
      return fine;
    };
    assert.ok([graph.root, ...headers].every(acyclic));
  }
});

name.run();
