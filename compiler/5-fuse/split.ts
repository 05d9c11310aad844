/**
 * Products of a few rows (decoding) with matrices of short rows become two nodes, partial sums over stretches of b's rows and their
 * sum: see ops/matmul_split.ts.
 *
 *   matmul(a, b, …)  →  sums = matmul_split(a, b);  matmul_sum(sums, …)
 */
import { refShape, whole, type Graph, type Node, type Value } from "../3-graph/ir.ts";
import { MAX_WORKERS } from "../control.ts";
import { usesFewRows } from "../ops/gemm/shape.ts";

/** As many parts as there can be workers: each reads one stretch. */
const PARTS = MAX_WORKERS;
/** Below this a second barrier costs more than short pieces do. */
const LEAST_BYTES = 256 * 1024;
/** Longer rows are long enough in pieces. */
const LONGEST_ROW_BYTES = 64 * 1024;

export function splitFewRows(graph: Graph, leastBytes = LEAST_BYTES): Graph {
  const values = new Map(graph.values);
  const split = (node: Node): readonly Node[] => {
    if (node.op !== "matmul") return [node];
    const { a, b, ...rest } = node.ins, [M] = refShape(graph, a!), [K, N] = refShape(graph, b!);
    if (!usesFewRows("nn", M!) || K! * N! * 4 < leastBytes || N! * 4 > LONGEST_ROW_BYTES) return [node];
    const name = `${node.outs["out"]!.value}.sums`;
    const sums: Value = { name, shape: [PARTS, M!, N!], dtype: "f32", storage: "activation", slices: 1 };
    values.set(name, sums);
    return [
      { op: "matmul_split", ins: { a: a!, b: b! }, outs: { sums: whole(name) }, attrs: {} },
      { ...node, op: "matmul_sum", ins: { sums: whole(name), ...rest } },
    ];
  };
  const sections = graph.sections.map((s) => ({ ...s, nodes: s.nodes.flatMap(split) }));
  return { ...graph, values, sections };
}
