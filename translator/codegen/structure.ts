import type { Statement } from "acorn";
import { breakTo, continueTo, forever, labeled } from "./ast.js";

/** A control-flow graph: successors of each node, and the node entered first. */
export interface Graph { readonly successors: readonly (readonly number[])[]; readonly root: number }

/**
 * Emits a node: `jump(target)` gives the statements that go to a successor. Every path through the result must end in
 * one of them or leave the function.
 */
export type NodeEmitter = (node: number, jump: (target: number) => Statement[]) => Statement[];

interface Order {
  readonly number: Int32Array;
  readonly sequence: number[];
  readonly dominator: Int32Array;
}

/** Reverse postorder numbers and immediate dominators (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm, 2001). */
function analyse(graph: Graph): Order {
  const n = graph.successors.length;
  const postorder: number[] = [];
  const seen = new Uint8Array(n);
  const stack: [number, number][] = [[graph.root, 0]];
  seen[graph.root] = 1;
  while (stack.length !== 0) {
    const top = stack[stack.length - 1]!;
    const next = graph.successors[top[0]]![top[1]++];
    if (next === undefined) {
      postorder.push(top[0]);
      stack.pop();
    } else if (seen[next] === 0) {
      seen[next] = 1;
      stack.push([next, 0]);
    }
  }
  const sequence = postorder.reverse();
  const number = new Int32Array(n).fill(-1);
  sequence.forEach((node, i) => { number[node] = i; });
  const predecessors: number[][] = Array.from({ length: n }, () => []);
  for (const node of sequence) for (const s of graph.successors[node]!) predecessors[s]!.push(node);
  const dominator = new Int32Array(n).fill(-1);
  dominator[graph.root] = graph.root;
  for (let changed = true; changed;) {
    changed = false;
    for (const node of sequence) {
      if (node === graph.root) continue;
      let best = -1;
      for (const p of predecessors[node]!) {
        if (dominator[p] === -1) continue;
        best = best === -1 ? p : intersect(best, p, dominator, number);
      }
      if (dominator[node] !== best) {
        dominator[node] = best;
        changed = true;
      }
    }
  }
  return { number, sequence, dominator };
}

function intersect(a: number, b: number, dominator: Int32Array, number: Int32Array): number {
  while (a !== b) {
    while (number[a]! > number[b]!) a = dominator[a]!;
    while (number[b]! > number[a]!) b = dominator[b]!;
  }
  return a;
}

function dominates(a: number, b: number, order: Order): boolean {
  while (order.number[b]! > order.number[a]!) b = order.dominator[b]!;
  return a === b;
}

/** Nodes that an edge leads back to, in this order of visiting: where loops are entered. */
export function loopHeaders(graph: Graph): Set<number> {
  const { number, sequence } = analyse(graph);
  const headers = new Set<number>();
  for (const node of sequence) for (const s of graph.successors[node]!) if (number[s]! <= number[node]!) headers.add(s);
  return headers;
}

/** The innermost loops of a reducible graph: the nodes of each by its header, which no other loop of the graph is within. */
export function innermostLoops(graph: Graph): Map<number, Set<number>> {
  const { number, sequence } = analyse(graph);
  const predecessors: number[][] = graph.successors.map(() => []);
  for (const node of sequence) for (const s of graph.successors[node]!) predecessors[s]!.push(node);
  const loops = new Map<number, Set<number>>();
  for (const header of loopHeaders(graph)) {
    const body = new Set([header]);
    const left = predecessors[header]!.filter((p) => number[p]! >= number[header]!);
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (body.has(node)) continue;
      body.add(node);
      left.push(...predecessors[node]!);
    }
    loops.set(header, body);
  }
  const inner = [...loops].filter(([header, body]) => ![...loops.keys()].some((other) => other !== header && body.has(other)));
  return new Map(inner);
}

/** A reducible form of a graph. */
export interface Reducible extends Graph {
  /** The node that dispatches, or -1: it leads to `targets`, and the cut edges lead to it instead of to their targets. */
  readonly dispatcher: number;
  readonly targets: readonly number[];
  /** Whether the edge goes through the dispatcher. */
  readonly cut: (from: number, to: number) => boolean;
}

/**
 * Makes a graph reducible: edges into the middle of loops (recursion makes them) go through one dispatching node, which
 * becomes the root. A reducible graph stays as it is.
 */
export function makeReducible(graph: Graph): Reducible {
  const dispatcher = graph.successors.length;
  const targets = new Set<number>();
  const cut = new Set<number>();
  const key = (from: number, to: number): number => from * (dispatcher + 1) + to;
  const isCut = (from: number, to: number): boolean => cut.has(key(from, to));
  for (;;) {
    const now: Graph = targets.size === 0 ? graph : {
      root: dispatcher,
      successors: [...graph.successors.map((list, node) => [...new Set(list.map((s) => isCut(node, s) ? dispatcher : s))]), [graph.root, ...[...targets].filter((t) => t !== graph.root)]],
    };
    const order = analyse(now);
    const before = cut.size;
    for (const node of order.sequence) {
      for (const s of now.successors[node]!) {
        if (order.number[s]! > order.number[node]! || dominates(s, node, order)) continue;
        cut.add(key(node, s));
        targets.add(s);
      }
    }
    if (cut.size === before) return { ...now, dispatcher: targets.size === 0 ? -1 : dispatcher, targets: [...targets].filter((t) => t !== graph.root), cut: isCut };
  }
}

/**
 * Structured code for a reducible graph: loops where edges lead back, labelled blocks where paths meet, everything else
 * nested where it is reached (N. Ramsey: Beyond Relooper, ICFP 2022).
 */
export function structure(graph: Graph, emit: NodeEmitter): Statement[] {
  const order = analyse(graph);
  const { number, sequence, dominator } = order;
  const forwardIn = new Int32Array(number.length);
  const headers = new Set<number>();
  for (const node of sequence) {
    for (const s of graph.successors[node]!) {
      if (number[s]! <= number[node]!) headers.add(s);
      else forwardIn[s]!++;
    }
  }
  const merges = (node: number): number[] => sequence.filter((c) => c !== graph.root && dominator[c] === node && forwardIn[c]! > 1);

  const tree = (node: number): Statement[] => {
    // Latest in order first: it must be the outermost block, for the others may jump to it.
    const inner = within(node, merges(node).reverse());
    return headers.has(node) ? [labeled(`L${node}`, forever(inner))] : inner;
  };
  const within = (node: number, rest: readonly number[]): Statement[] => {
    const [merge, ...others] = rest;
    if (merge === undefined) return emit(node, (target) => jump(node, target));
    return [labeled(`B${merge}`, { type: "BlockStatement", body: within(node, others), start: 0, end: 0 }), ...tree(merge)];
  };
  const jump = (from: number, to: number): Statement[] => {
    if (number[to]! <= number[from]!) return [continueTo(`L${to}`)];
    return forwardIn[to]! > 1 ? [breakTo(`B${to}`)] : tree(to);
  };
  return tree(graph.root);
}
