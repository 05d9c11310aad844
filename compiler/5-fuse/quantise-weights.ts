/**
 * Stores weights in fewer bits (module `infer` alone): matrices of products and the token table become rows
 * of words, [out, words].
 *
 *   matmul(a, w)   bf16        →  matmul_quantised(a, w′)
 *                  q8_0, q4_0  →  q = quantise_rows(a);  matmul_integer(q, w′)
 *                  – of many rows, where numerics are `float`:  matmul_quantised(a, w′)
 *   embed(table)               →  embed_quantised(table′)
 *
 * An op says by which other one it is replaced (`quantised`, ops/kit/replacements.ts). Products that read the
 * same rows share their integers. Vectors and position tables stay in f32, because they are small and are
 * read element by element. Routers of experts stay, too, as in llama.cpp: a rounded logit may send a token to
 * another expert.
 */
import { nodeOf } from "../3-graph/node.ts";
import { refShape, whole, type Graph, type Node, type Ref, type Value } from "../3-graph/ir.ts";
import type { QuantisedFormat, Weights } from "../../runtime/contract/memory-formats.ts";
import type { Numerics } from "../../runtime/contract/manifest.ts";
import { weightFormatOf } from "../../runtime/contract/memory-formats.ts";
import { isInteger, weightWords, type IntegerFormat } from "../../runtime/contract/weight-rows.ts";
import { opOf } from "../ops/index.ts";
import { activationWords } from "../ops/matmul/quantised/activation-rows.ts";

export function quantiseWeights(graph: Graph, weights: Weights, numerics: Numerics = "consistent"): Graph {
  const values = new Map(graph.values);
  const sections = graph.sections.map((s) => {
    const exact = exactValues(s.nodes);
    const known = new Set<string>(); // rows of integers that an earlier node has made
    const nodes = s.nodes.flatMap((node) =>
      Object.values(node.outs).some((ref) => exact.has(ref.value))
        ? [node]
        : quantised(graph, values, node, { weights, numerics }, known).map(accepted),
    );
    return { ...s, nodes };
  });
  return { ...graph, values, sections };
}

/** Without the inputs that the op has not: one that knows no dead rows computes all. */
function accepted(node: Node): Node {
  const known = new Set(opOf(node.op).tensors.map((t) => t.name));
  return { ...node, ins: Object.fromEntries(Object.entries(node.ins).filter(([name]) => known.has(name))) };
}

/** What some node wants computed with weights as they are. */
const exactValues = (nodes: readonly Node[]): ReadonlySet<string> =>
  new Set(
    nodes.flatMap((node) => {
      const { exact = [] } = opOf(node.op);
      return exact.map((input) => node.ins[input]!.value);
    }),
  );

interface Formats {
  readonly weights: Weights;
  readonly numerics: Numerics;
}

function quantised(
  graph: Graph,
  values: Map<string, Value>,
  node: Node,
  { weights, numerics }: Formats,
  known: Set<string>,
): readonly Node[] {
  const { quantised: how } = opOf(node.op);
  const value = how && graph.values.get(node.ins[how.weights]!.value);
  if (!how || value?.storage !== "parameter") return [node];
  const format = weightFormatOf(weights, value.name);
  if (format === "f32") return [node];
  const [first, second] = value.shape.slice(-2) as [number, number];
  const K = how.transposed ? first : second;
  values.set(value.name, inWords(value, format, how.transposed));
  const attrs = { ...node.attrs, format };
  const { integers } = how;
  const rows = integers && node.ins[integers.of]!;
  const many = rows && refShape(graph, rows)[0]! > integers.most;
  if (!rows || !isInteger(format) || (many && numerics === "float")) return [{ ...node, op: how.by, attrs }];
  const q = integersOf(graph, values, rows, format, K);
  const product: Node = { ...node, op: integers.by, ins: { ...node.ins, [integers.of]: q }, attrs };
  if (known.has(q.value)) return [product];
  known.add(q.value);
  return [nodeOf("quantise_rows", { a: rows, live: node.ins["live"] }, { out: q }, { format }), product];
}

/** A matrix, or a stack of them, as rows of words. */
function inWords(value: Value, format: QuantisedFormat, transposed: boolean): Value {
  const { shape } = value;
  const [first, second] = shape.slice(-2) as [number, number];
  const [rows, K] = transposed ? [second, first] : [first, second];
  return {
    ...value,
    dtype: "i32",
    shape: [...shape.slice(0, -2), rows, weightWords(format, K)],
    quantised: { format, shape, transposed },
  };
}

/** The rows as integers: one value for each format, which has its own order of them. */
function integersOf(
  graph: Graph,
  values: Map<string, Value>,
  rows: Ref,
  format: IntegerFormat,
  K: number,
): Ref {
  const name = `${rows.value}.${format}`;
  const shape = [refShape(graph, rows)[0]!, activationWords(format, K)];
  values.set(name, { name, shape, dtype: "i32", storage: "activation", slices: 1 });
  return whole(name);
}
