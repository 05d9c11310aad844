/**
 * Decoding reads large operands for a single row. Here an op of few rows over a large operand becomes two
 * nodes, one that computes S pieces of it and one that puts the pieces' results together, so that each worker
 * reads one piece of memory (ops/matmul/matmul_split.ts, ops/attention/attention_split.ts). A product whose
 * number of rows is known at run time alone has both: few rows in pieces, many whole, with the same bits.
 *
 *   matmul(a, b, …), b of short rows      →  sums = matmul_split(a, b);  matmul_sum(sums, …)
 *   – with live, many rows                →  sums = matmul_split(a, b, live);  matmul_sum(sums, a, b, live,
 *   …)
 *   attention_cached(qkv, …), one row     →  attended, top, sums = attention_split(qkv, …);
 *                                            attention_merge(attended, top, sums)
 *
 * An op says by which two it is replaced, and where that is worth it: `split`, ops/kit/replacements.ts.
 */
import { refShape, whole, type Graph, type Node, type Ref, type Value } from "../3-graph/ir.ts";
import { opOf, type OpName } from "../ops/index.ts";
import { unify } from "../ops/kit/signature.ts";

/**
 * Always so many parts, however many workers there are: their results are then summed in one order. With more
 * workers than parts, some have nothing to do meanwhile.
 */
const PARTS = 8;
/** Below this a second barrier costs more than short pieces do. */
const LEAST_BYTES = 256 * 1024;

export function splitFewRows(graph: Graph, leastBytes = LEAST_BYTES): Graph {
  const values = new Map(graph.values);
  const sections = graph.sections.map((s) => ({
    ...s,
    nodes: s.nodes.flatMap((node) => split(graph, values, node, leastBytes)),
  }));
  return { ...graph, values, sections };
}

function split(graph: Graph, values: Map<string, Value>, node: Node, leastBytes: number): readonly Node[] {
  const op = opOf(node.op);
  const { split: how } = op;
  if (!how) return [node];
  const tensors = Object.entries({ ...node.ins, ...node.outs });
  const d = unify(op, Object.fromEntries(tensors.map(([name, ref]) => [name, refShape(graph, ref)])));
  if (!how.isWorthIt(d, leastBytes, (input) => node.ins[input] !== undefined)) return [node];
  const partial = ([argument, shape]: readonly [string, readonly number[]]): [string, Ref] => {
    const name = `${node.outs["out"]!.value}.${argument}`;
    values.set(name, { name, shape, dtype: "f32", storage: "activation", slices: 1 });
    return [argument, whole(name)];
  };
  const between = how.between(d, { ...op.attrs, ...node.attrs }, PARTS);
  const partials = Object.fromEntries(Object.entries(between).map(partial));
  return [
    asNode(how.parts, { ...node, outs: { ...node.outs, ...partials } }),
    asNode(how.merge, { ...node, ins: { ...without(node.ins, how.without?.(d) ?? []), ...partials } }),
  ];
}

/** A node of this op, with those of the tensors and attributes that it has. */
function asNode(name: OpName, { ins, outs, attrs }: Node): Node {
  const { tensors, attrs: defaults } = opOf(name);
  const named = (output: boolean): string[] => tensors.filter((t) => t.output === output).map((t) => t.name);
  return {
    op: name,
    ins: only(ins, named(false)),
    outs: only(outs, named(true)),
    attrs: only(attrs, Object.keys(defaults)),
  };
}

const without = <T>(named: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(named).filter(([n]) => !names.includes(n)));
const only = <T>(named: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(names.filter((n) => Object.hasOwn(named, n)).map((n) => [n, named[n]!]));
