/**
 * Weights in fewer bits (module `infer` alone): matrices of products and the token table are kept as rows of
 * words, [out, words].
 *
 *   matmul(a, w)   many rows            →  matmul_quantised(a, w′)
 *                  few rows, bf16       →  matmul_quantised(a, w′)
 *                  few rows, q8_0 q4_0  →  q = quantise_rows(a);  matmul_integer(q, w′)      q once for all products that read a
 *   grouped_matmul(a, w, starts)        →  grouped_quantised or, with q, grouped_integer: by the same rule, in slots of experts
 *   embed(table)                        →  embed_quantised(table′)
 *
 * Vectors and position tables stay in f32: they are small, and read element by element. So do routers of
 * experts (as in llama.cpp): a rounded logit may send a token to another expert.
 */
import { refShape, whole, type Graph, type Node, type Value } from "../3-graph/ir.ts";
import { weightFormatOf, type Weights } from "../../runtime/contract/memory-formats.ts";
import { usesFewRows } from "../ops/matmul/gemm/cache-blocks.ts";
import { FEW_SLOTS } from "../ops/experts/grouped-panels.ts";
import { isInteger, weightWords } from "../../runtime/contract/weight-rows.ts";
import { activationWords } from "../ops/matmul/quantised/layout.ts";

/**
 * Node → its argument that is a matrix of weights, [in, out] (`transposed`: rows of words are its columns) or
 * rows already.
 */
const weightOf: Readonly<Record<string, { readonly argument: string; readonly transposed: boolean }>> = {
  matmul: { argument: "b", transposed: true },
  matmul_nt: { argument: "b", transposed: false },
  grouped_matmul: { argument: "b", transposed: true }, // [experts, in, out]
  embed: { argument: "table", transposed: false },
};

export function quantiseWeights(graph: Graph, weights: Weights): Graph {
  const values = new Map(graph.values);
  const sections = graph.sections.map((s) => {
    const integers = new Set<string>();
    const logits = new Set(s.nodes.filter((n) => n.op === "route").map((n) => n.ins["logits"]!.value));
    return {
      ...s,
      nodes: s.nodes.flatMap((node) =>
        logits.has(node.outs["out"]?.value ?? "")
          ? [node]
          : quantised(graph, values, node, weights, integers),
      ),
    };
  });
  return { ...graph, values, sections };
}

function quantised(
  graph: Graph,
  values: Map<string, Value>,
  node: Node,
  weights: Weights,
  integers: Set<string>,
): readonly Node[] {
  const place = weightOf[node.op];
  const weight = place && node.ins[place.argument];
  const value = weight && graph.values.get(weight.value);
  const grouped = node.op === "grouped_matmul";
  if (!place || value?.storage !== "parameter" || value.shape.length !== (grouped ? 3 : 2)) return [node];
  const format = weightFormatOf(weights, value.name);
  if (format === "f32") return [node];
  const { shape } = value;
  const [first, second] = shape.slice(-2) as [number, number];
  const [rows, K] = place.transposed ? [second, first] : [first, second];
  const words = [...shape.slice(0, -2), rows, weightWords(format, K)];
  values.set(value.name, {
    ...value,
    dtype: "i32",
    shape: words,
    quantised: { format, shape, transposed: place.transposed },
  });
  const attrs = { ...node.attrs, format };
  if (node.op === "embed") return [{ ...node, op: "embed_quantised", attrs }];
  const a = node.ins["a"]!;
  const M = refShape(graph, a)[0]!;
  const few = grouped ? M <= FEW_SLOTS : usesFewRows("nt", M);
  if (!few || !isInteger(format))
    return [{ ...node, op: grouped ? "grouped_quantised" : "matmul_quantised", attrs }];
  const name = `${a.value}.${format}`;
  const known = integers.has(name);
  const q = whole(name); // each format has its own order of integers
  integers.add(name);
  const product: Node = {
    ...node,
    op: grouped ? "grouped_integer" : "matmul_integer",
    ins: { ...node.ins, a: q },
    attrs,
  };
  if (known) return [product];
  values.set(q.value, {
    name: q.value,
    shape: [M, activationWords(format, K)],
    dtype: "i32",
    storage: "activation",
    slices: 1,
  });
  return [{ op: "quantise_rows", ins: { a }, outs: { out: q }, attrs: { format } }, product];
}
