/**
 * What decoding reads is read in segments: an op of a few rows over a large operand becomes two nodes, one
 * over S parts of it and one that adds the parts' results. See ops/matmul/matmul_split.ts and
 * ops/attention/attention_split.ts.
 *
 *   matmul(a, b, …), b of short rows      →  sums = matmul_split(a, b);  matmul_sum(sums, …)
 *   attention_cached(qkv, …), one row     →  mixed, top, sums = attention_split(qkv, …);  attention_merge(mixed, top, sums)
 */
import { refShape, whole, type Graph, type Node, type Ref, type Value } from "../3-graph/ir.ts";
import { MAX_WORKERS } from "../../runtime/contract/control.ts";
import { usesFewRows } from "../ops/matmul/gemm/cache-blocks.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";

/** As many parts as there can be workers: each reads one segment. */
const PARTS = MAX_WORKERS;
/** Below this a second barrier costs more than short pieces do. */
const LEAST_BYTES = 256 * 1024;
/** Longer rows are long enough in pieces. */
const LONGEST_ROW_BYTES = 64 * 1024;

export function splitFewRows(graph: Graph, leastBytes = LEAST_BYTES): Graph {
  const values = new Map(graph.values);
  const partial = (name: string, shape: readonly number[]): Ref => {
    values.set(name, { name, shape, dtype: "f32", storage: "activation", slices: 1 } satisfies Value);
    return whole(name);
  };
  const product = (node: Node): readonly Node[] => {
    const { a, b, ...rest } = node.ins;
    const [M] = refShape(graph, a!);
    const [K, N] = refShape(graph, b!);
    if (!usesFewRows("nn", M!) || K! * N! * 4 < leastBytes || N! * 4 > LONGEST_ROW_BYTES) return [node];
    const sums = partial(`${node.outs["out"]!.value}.sums`, [PARTS, M!, N!]);
    return [
      { op: "matmul_split", ins: { a: a!, b: b! }, outs: { sums }, attrs: {} },
      { ...node, op: "matmul_sum", ins: { sums, ...rest } },
    ];
  };
  const attention = (node: Node): readonly Node[] => {
    const { out, ...caches } = node.outs;
    const [R] = refShape(graph, node.ins["qkv"]!);
    const keys = refShape(graph, node.ins["keys"]!);
    const [, , E] = refShape(graph, node.ins["values"]!);
    if (R !== 1 || tensorBytes(keys) < leastBytes) return [node];
    const heads = node.attrs["heads"] as number;
    const name = out!.value;
    const parts = {
      mixed: partial(`${name}.parts`, [PARTS, heads, E!]),
      top: partial(`${name}.top`, [PARTS, heads]),
      sums: partial(`${name}.sums`, [PARTS, heads]),
    };
    return [
      { ...node, op: "attention_split", outs: { ...parts, ...caches } },
      {
        op: "attention_merge",
        ins: parts,
        outs: { out: out! },
        attrs: { head_dim: node.attrs["head_dim"]! },
      },
    ];
  };
  const split = (node: Node): readonly Node[] =>
    node.op === "matmul" ? product(node) : node.op === "attention_cached" ? attention(node) : [node];
  const sections = graph.sections.map((s) => ({ ...s, nodes: s.nodes.flatMap(split) }));
  return { ...graph, values, sections };
}
