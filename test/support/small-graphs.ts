/** Small models that together use every part of the language, and what two graphs leave behind, compared. */
import { expect } from "vitest";
import { checkSource } from "../../compiler/2-check/check.ts";
import { buildGraph } from "../../compiler/3-graph/build.ts";
import type { Graph } from "../../compiler/3-graph/ir.ts";
import { verifyGraph } from "../../compiler/3-graph/verify.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { interpret, type Numbers } from "./interpret.ts";
import { numbersFor } from "./slopes.ts";

const sizes = "vocab 24 context 16 width 16 layers 2 heads 2";

/** Each stands for a family of models, and for the passes that treat it in a way of its own. */
export const smallModels = {
  gpt: modelOf(`model gpt {
    ${sizes}
    embed token + position
    layer { x += attention(layernorm(x), bias: true) x += mlp(layernorm(x), bias: true) }
    output linear(layernorm(x), tied: true)
  }`),
  llama: modelOf(`model llama {
    ${sizes} kv_heads 1
    embed token
    layer {
      x += attention(rmsnorm(x), rope: rope(theta: 10000), qk_norm: rmsnorm())
      x += swiglu(rmsnorm(x), hidden: 48)
    }
    output linear(rmsnorm(x))
  }`),
  mixture: modelOf(`model mixture {
    ${sizes}
    embed token
    layer { x += attention(rmsnorm(x)) x += experts(rmsnorm(x), count: 4, hidden: 16) }
    output linear(rmsnorm(x))
  }`),
  banded: modelOf(`model banded {
    vocab 24 context 512 width 16 layers 2 alternate dense, banded heads 2 band 16
    embed token
    layer { x += attention(rmsnorm(x), rope: rope()) x += mlp(rmsnorm(x), activation: relu2) }
    output linear(rmsnorm(x))
  }`),
} as const satisfies Record<string, Model>;
export type SmallModel = keyof typeof smallModels;
export const smallNames = Object.keys(smallModels) as readonly SmallModel[];

function modelOf(source: string): Model {
  const { models, diagnostics } = checkSource(source);
  if (!models[0] || diagnostics.length > 0) throw new Error(diagnostics.map((d) => d.text).join("; "));
  return models[0];
}

/** The graph of an entry as it is built, before any pass. */
export function graphOf(name: SmallModel, entry: "train" | "evaluate" | "prefill" | "decode"): Graph {
  const rows = { prefill: 8, decode: 1 };
  const spec =
    entry === "train" || entry === "evaluate"
      ? { entry, batch: 2, context: 16 }
      : { entry, rows: rows[entry] };
  return buildGraph(smallModels[name], spec);
}

/** Inputs and parameters of a graph; a run is one span that begins at position 0, and all rows are live. */
export function givenFor(graph: Graph): Numbers {
  const given = numbersFor(graph, { tokens: 24, targets: 24 });
  const rows = graph.context;
  const run = {
    positions: Array.from({ length: rows }, (_, r) => r),
    spans: [0, 0, 0, rows],
    rows: [rows],
  };
  for (const [name, values] of Object.entries(run))
    if (graph.values.has(name)) given.set(name, [Float64Array.from(values)]);
  return given;
}

/** Both graphs keep the laws, and leave the same outputs, gradients and caches behind. */
export function expectSame(before: Graph, after: Graph, tolerance = 1e-9): void {
  verifyGraph(after, "the pass");
  const given = givenFor(before);
  const [was, is] = [interpret(before, given), interpret(after, given)];
  const leaves = [...after.values.values()].filter(
    ({ storage, members }) => ["output", "gradient", "cache"].includes(storage) && !members,
  );
  expect(leaves.length).toBeGreaterThan(0);
  for (const { name } of leaves)
    for (const [slice, values] of is.get(name)!.entries())
      values.forEach((value, i) => {
        const wanted = was.get(name)![slice]![i]!;
        const off = Math.abs(value - wanted) / (1 + Math.abs(wanted));
        expect(off, `${name}[${slice}][${i}]: ${value}, not ${wanted}`).toBeLessThan(tolerance);
      });
}

/** The operations of a graph, in their order. */
export const opsOf = (graph: Graph): readonly string[] =>
  graph.sections.flatMap((s) => s.nodes.map((n) => n.op));
