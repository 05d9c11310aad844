/**
 * Stores weights in fewer bits: matrices of products and the token table become rows of words, [out, words].
 *
 *   matmul(a, w)   bf16        →  matmul_quantised(a, w′)
 *                  q8_0, q4_0  →  q = quantise_rows(a);  matmul_integer(q, w′)
 *                  – of many rows, where numerics are `float`:  matmul_quantised(a, w′)
 *   embed(table)               →  embed_quantised(table′)
 *
 * An op says by which other one it is replaced (`quantised`, ops/kit/replacements.ts). Products that read the
 * same rows share their integers. Vectors and position tables stay in f32, because they are small and are
 * read element by element. Routers of experts stay, too, as in llama.cpp: a rounded logit may send a token to
 * another expert. Adapters stay: they are thin, and what was learnt.
 *
 * In a module that trains, these are the matrices that are not trained, and rows stay f32, so that gradients
 * are those of the loss (DECISIONS.md). The product that hands a cotangent back sums the other way:
 *
 *   matmul_nt(d_out, w)        →  matmul_quantised_dx(d_out, w′)
 */
import { nodeOf } from "../3-graph/node.ts";
import { isTrained, refShape, whole, type Graph, type Node, type Ref, type Value } from "../3-graph/ir.ts";
import type { QuantisedFormat, WeightFormat, Weights } from "../../runtime/contract/memory-formats.ts";
import type { Numerics } from "../../runtime/contract/manifest.ts";
import { weightFormatOf } from "../../runtime/contract/memory-formats.ts";
import { isAdapter } from "../../runtime/contract/parameter-names.ts";
import { isInteger, weightWords, type IntegerFormat } from "../../runtime/contract/weight-rows.ts";
import { opOf } from "../ops/index.ts";
import { activationWords } from "../ops/matmul/quantised/activation-rows.ts";

export interface HowQuantised {
  /** Default: consistent. */
  readonly numerics?: Numerics | undefined;
  /** For a module that trains. Default: false. */
  readonly training?: boolean;
}

export function quantiseWeights(graph: Graph, weights: Weights, how: HowQuantised = {}): Graph {
  const values = new Map(graph.values);
  const sections = graph.sections.map((s) => {
    const exact = exactValues(s.nodes);
    const known = new Set<string>(); // rows of integers that an earlier node has made
    const nodes = s.nodes.flatMap((node) =>
      Object.values(node.outs).some((ref) => exact.has(ref.value))
        ? [node]
        : quantised(graph, values, node, { ...how, weights }, known).map(accepted),
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

type Formats = HowQuantised & { readonly weights: Weights };

function quantised(
  graph: Graph,
  values: Map<string, Value>,
  node: Node,
  formats: Formats,
  known: Set<string>,
): readonly Node[] {
  const { quantised: how } = opOf(node.op);
  const value = how && values.get(node.ins[how.weights]!.value);
  if (!how || value?.storage !== "parameter") return [node];
  const { quantised: before } = value; // by the forward, where this is the backward
  const format = before?.format ?? formatOf(value, how, formats);
  if (format === "f32") return [node];
  const attrs = { ...node.attrs, format };
  if (before && before.transposed !== how.transposed) return [{ ...node, op: how.across!, attrs }];
  const [first, second] = graph.values.get(value.name)!.shape.slice(-2) as [number, number];
  const K = how.transposed ? first : second;
  values.set(value.name, before ? value : inWords(value, format, how.transposed));
  const rows = how.integers && node.ins[how.integers.of]!;
  if (!rows || !isInteger(format) || staysFloat(graph, rows, how.integers!.most, formats))
    return [{ ...node, op: how.by, attrs }];
  const q = integersOf(graph, values, rows, format, K);
  const { by, of } = how.integers!;
  const product: Node = { ...node, op: by, ins: { ...node.ins, [of]: q }, attrs };
  if (known.has(q.value)) return [product];
  known.add(q.value);
  return [nodeOf("quantise_rows", { a: rows, live: node.ins["live"] }, { out: q }, { format }), product];
}

/** How a parameter is kept that this op is the first to read. */
function formatOf(
  value: Value,
  { isForwardOnly }: { readonly isForwardOnly?: true },
  { weights, training }: Formats,
): WeightFormat {
  if (isAdapter(value.name) || (training && (isTrained(value) || isForwardOnly))) return "f32";
  return weightFormatOf(weights, value.name);
}

const staysFloat = (graph: Graph, rows: Ref, most: number, { numerics, training }: Formats): boolean =>
  training === true || (numerics === "float" && refShape(graph, rows)[0]! > most);

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

/** The head may read rows in blocks (blocks.ts) that a layer reads as a whole. */
function integersName(values: ReadonlyMap<string, Value>, name: string, shape: readonly number[]): string {
  const before = values.get(name);
  return before && `${before.shape}` !== `${shape}` ? `${name}.${shape[0]!}` : name;
}

/** The rows as integers: one value for each format, which has its own order of them. */
function integersOf(
  graph: Graph,
  values: Map<string, Value>,
  rows: Ref,
  format: IntegerFormat,
  K: number,
): Ref {
  const shape = [refShape(graph, rows)[0]!, activationWords(format, K)];
  const name = integersName(values, `${rows.value}.${format}`, shape);
  values.set(name, { name, shape, dtype: "i32", storage: "activation", slices: 1 });
  return whole(name);
}
