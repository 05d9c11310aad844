/**
 * What a model costs, read off its graph: how many numbers multiply a token, what its attention sees, and
 * which tensors a training step keeps for the backward. Everything is for one token, so that a plan
 * multiplies it by whatever it runs on. The graph is built with one row, which has all shapes of a token.
 */
import type { Model } from "../../runtime/contract/model.ts";
import { parameterCount, activeParameters, layerParts } from "../2-check/parameters.ts";
import { buildGraph } from "../3-graph/build.ts";
import type { Graph, Node, Section } from "../3-graph/ir.ts";
import type { OpName } from "../ops/index.ts";

/** Attention of `layers` layers that are alike. */
export interface AttentionCost {
  readonly name: string;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly causal: boolean;
  /** How many positions a query sees at most. Absent: all. */
  readonly window?: number;
}

/** A tensor that one layer's backward reads, as PyTorch keeps it: matrices in 2 bytes, sums in 4. */
export interface SavedTensor {
  readonly name: string;
  /** Of one token in one layer. */
  readonly bytes: number;
  /** Made element by element from others, so that a compiler computes it again rather than keep it. */
  readonly isCheap: boolean;
  /** The residual stream: the layer's input, or a sum. */
  readonly isSum: boolean;
}

export interface ModelCosts {
  readonly model: Model;
  /** All of them, embeddings included: the N of 6 · N · D. */
  readonly parameters: number;
  readonly activeParameters: number;
  /**
   * Numbers that multiply a token: matrices, the output's too, of experts as many as a token is sent to.
   * Neither tables that are looked up in, nor norms and biases.
   */
  readonly multiplying: number;
  readonly attentions: readonly AttentionCost[];
  /** Of one layer, in the order in which they are made. */
  readonly saved: readonly SavedTensor[];
  /** A layer's input: all that is kept where the rest is computed again. */
  readonly inputBytes: number;
  /** What attention gives, and its statistics; and what the layer's products give, all of them. */
  readonly attendedBytes: number;
  readonly productBytes: number;
}

/** Bytes of a number of an activation, and of a row's statistics. */
const ACTIVATION_BYTES = 2;
const STATISTIC_BYTES = 4;

export function costsOf(model: Model): ModelCosts {
  const graph = buildGraph(model, { entry: "train", batch: 1, context: 1 });
  const layer = graph.sections.find((s) => s.role === "layer");
  return {
    model,
    parameters: parameterCount(model),
    activeParameters: activeParameters(model),
    multiplying: graph.sections.reduce((sum, s) => sum + s.times * multiplying(graph, s), 0),
    attentions: attentionsOf(model),
    saved: layer ? savedOf(graph, layer) : [],
    inputBytes: ACTIVATION_BYTES * model.sizes.width,
    attendedBytes: layer ? madeBy(graph, layer, (op) => op === "attention") : 0,
    productBytes: layer ? madeBy(graph, layer, (op) => products[op] !== undefined) : 0,
  };
}

/** Which input of a product is its weight, and which its rows. */
const products: Partial<Record<OpName, { readonly rows: string; readonly weight: string }>> = {
  matmul: { rows: "a", weight: "b" },
  matmul_nt: { rows: "a", weight: "b" },
  grouped_matmul: { rows: "a", weight: "b" },
  row_dot: { rows: "x", weight: "w" },
};

/** Multiplications of the section's products for one token. A mixture's have a row for each chosen expert. */
function multiplying(graph: Graph, section: Section): number {
  return section.nodes.reduce((sum, node) => {
    const product = products[node.op];
    if (!product) return sum;
    const [rows, weight] = [shapeOf(graph, node, product.rows), shapeOf(graph, node, product.weight)];
    const each = node.op === "grouped_matmul" ? weight.slice(1) : weight;
    return sum + (rows[0] ?? 1) * each.reduce((a, b) => a * b, 1);
  }, 0);
}

const shapeOf = (graph: Graph, node: Node, input: string): readonly number[] =>
  graph.values.get(node.ins[input]!.value)!.shape;

/** What automatic differentiation keeps of an operation: which inputs, which outputs, and extra tensors. */
interface Kept {
  readonly ins?: readonly string[];
  readonly outs?: readonly string[];
  /** As large as this input: f(gate), which the product of f(gate) and up keeps beside both. */
  readonly like?: string;
}

/**
 * THE table of what PyTorch keeps: the arguments that an operation's derivative reads. What is not named
 * keeps nothing: a sum, a bias, a rotation by constants.
 */
const kept: Partial<Record<OpName, Kept>> = {
  matmul: { ins: ["a"] },
  matmul_nt: { ins: ["a"] },
  grouped_matmul: { ins: ["a"] },
  layernorm: { ins: ["x"] },
  rmsnorm: { ins: ["x"] },
  qk_norm: { ins: ["x"] },
  attention: { ins: ["qkv"], outs: ["out", "lse"] },
  activate: { ins: ["x"] },
  gated: { ins: ["gate", "up"], like: "gate" },
  route: { ins: ["logits"], outs: ["weights", "choice"] },
  from_slots: { ins: ["x"] },
};

const cheap: ReadonlySet<OpName> = new Set(["layernorm", "rmsnorm", "activate", "gated"]);

/** Each tensor once, whoever keeps it. */
function savedOf(graph: Graph, layer: Section): SavedTensor[] {
  const makers = new Map(layer.nodes.flatMap((n) => Object.values(n.outs).map((ref) => [ref.value, n.op])));
  const saved = new Map<string, SavedTensor>();
  const keep = (name: string, bytes: number, isCheap: boolean, isSum = false): void =>
    void saved.set(name, { name, bytes, isCheap, isSum });
  for (const node of layer.nodes) {
    const { ins = [], outs = [], like } = kept[node.op] ?? {};
    const values = [...ins.map((name) => node.ins[name]), ...outs.map((name) => node.outs[name])];
    for (const ref of values) {
      if (!ref) continue;
      const maker = makers.get(ref.value);
      const isSum = maker === undefined || maker === "add";
      keep(ref.value, bytesOf(graph, ref.value), maker !== undefined && cheap.has(maker), isSum);
    }
    if (like) keep(`${node.outs["out"]!.value}: f(gate)`, bytesOf(graph, node.ins[like]!.value), true);
  }
  return [...saved.values()];
}

/** Bytes of all that these operations give. */
const madeBy = (graph: Graph, { nodes }: Section, ops: (op: OpName) => boolean): number =>
  nodes
    .filter((node) => ops(node.op))
    .flatMap((node) => Object.values(node.outs))
    .reduce((sum, ref) => sum + bytesOf(graph, ref.value), 0);

/** Sums of a row (a softmax's logarithm, one for each head) stay in 4 bytes, and so do whole numbers. */
function bytesOf(graph: Graph, name: string): number {
  const { shape, dtype } = graph.values.get(name)!;
  const isStatistic = dtype === "i32" || name.endsWith(".lse");
  return shape.reduce((a, b) => a * b, 1) * (isStatistic ? STATISTIC_BYTES : ACTIVATION_BYTES);
}

function attentionsOf(model: Model): AttentionCost[] {
  const { layers } = model.sizes;
  const kinds = model.pattern ?? ["banded" as const];
  return layerParts(model).flatMap((part) => {
    if (part.part !== "attention") return [];
    const { name, heads, kvHeads, headDim, causal, window } = part;
    const all = { name, heads, kvHeads, headDim, causal };
    const banded = Array.from({ length: layers }, (_, i) => kinds[i % kinds.length] === "banded");
    const narrow = window === undefined ? 0 : banded.filter(Boolean).length;
    return [
      ...(narrow < layers ? [{ ...all, layers: layers - narrow }] : []),
      ...(narrow > 0 && window !== undefined ? [{ ...all, layers: narrow, window }] : []),
    ];
  });
}
