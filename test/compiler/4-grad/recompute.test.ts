/** `train { recompute layers }` as a graph: what is kept of the layers, what their backward makes again. */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { planModule } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { Graph } from "../../../compiler/3-graph/ir.ts";
import { isRecomputed } from "../../../compiler/4-grad/recompute.ts";
import { planTraining, settingsOf } from "../../../compiler/planner/plan.ts";
import { costsOf } from "../../../compiler/planner/costs.ts";
import { acceleratorNamed } from "../../../compiler/planner/tables/hardware.ts";
import type { Model } from "../../../runtime/contract/model.ts";

const layerOf = {
  gpt: "x += attention(layernorm(x))  x += mlp(layernorm(x))",
  llama: "x += attention(rmsnorm(x), rope: rope(), qk_norm: rmsnorm())  x += swiglu(rmsnorm(x), hidden: 64)",
  mixture: "x += attention(rmsnorm(x), window: 5)  x += experts(rmsnorm(x), count: 4, top: 2, hidden: 48)",
} as const;

const modelOf = (layer: string, train: string, more = ""): Model => {
  const { models, diagnostics } = checkSource(`model m { vocab 60  context 32  width 32  layers 6  heads 2
    embed token + position  layer { ${layer} }  output linear(layernorm(x))
    tokenizer characters  train { batch 2  ${train} } ${more} }`);
  expect(diagnostics).toEqual([]);
  return models[0]!;
};

function graphOf(model: Model, options: CompileOptions = {}): Graph {
  const plan = planModule(model, "train", { targets: ["simd"], verify: true, ...options });
  return [...plan.programs.values()][0]!.find((p) => p.graph.entry === "train")!.graph;
}

/** Activations of which there is one per layer. */
const kept = (graph: Graph): string[] =>
  [...graph.values.values()].filter((v) => v.storage === "activation" && v.slices > 1).map((v) => v.name);

const bytes = (model: Model): number => planModule(model, "train", { targets: ["simd"] }).placement.bytes;

describe.each(Object.entries(layerOf))("a layer of %s", (_, layer) => {
  const without = modelOf(layer, "recompute none");
  const again = modelOf(layer, "recompute layers");

  test("keeps its input alone", () => {
    expect(kept(graphOf(without)).length).toBeGreaterThan(5);
    expect(kept(graphOf(again))).toEqual(["x"]);
    expect(bytes(again)).toBeLessThan(bytes(without));
  });

  test("is as much code for 48 layers", () => {
    const calls = (model: Model): number =>
      graphOf(model).sections.reduce((sum, s) => sum + s.nodes.length, 0);
    expect(calls({ ...again, sizes: { ...again.sizes, layers: 48 } })).toBe(calls(again));
  });

  test("hands on what its backward does not make again", () => {
    const graph = graphOf(again);
    const backward = graph.sections.find((s) => s.role === "layer" && s.of !== undefined)!;
    const made = new Set(backward.nodes.flatMap((n) => Object.values(n.outs).map((r) => r.value)));
    const copies = [...graph.values.values()].filter(isRecomputed);
    expect(copies.length).toBeGreaterThan(5);
    for (const { name } of copies) expect(made).toContain(name);
    // the forward's last product makes x, which is the next layer's input
    expect(copies.map((v) => v.of)).not.toContain("x");
  });
});

test("the forward leaves out what only the backward would read", () => {
  const outs = (graph: Graph): string[] =>
    graph.sections
      .find((s) => s.name === "layer")!
      .nodes.flatMap((n) => Object.keys(n.outs))
      .filter((name) => name !== "out");
  expect(outs(graphOf(modelOf(layerOf.gpt, "")))).toEqual(["mean", "rstd", "lse", "mean", "rstd", "bend"]);
  expect(outs(graphOf(modelOf(layerOf.gpt, "recompute layers")))).toEqual([]);
});

test("adapters on a frozen base are computed again with it", () => {
  const graph = graphOf(modelOf(layerOf.llama, "recompute layers"), {
    lora: { rank: 4, alpha: 8, on: ["all"] },
    weights: "q8_0",
    packed: true,
  });
  expect(kept(graph)).toEqual(["x"]);
});

test("a stage does as training does, or as its block says", () => {
  const recomputeOf = (train: string, sft: string): string | undefined =>
    modelOf(layerOf.gpt, train, `sft { steps 1  ${sft} }`).sft!.train.recompute;
  expect(recomputeOf("", "")).toBeUndefined();
  expect(recomputeOf("recompute layers", "")).toBe("layers");
  expect(recomputeOf("recompute layers", "recompute none")).toBeUndefined();
  expect(recomputeOf("", "recompute layers")).toBe("layers");
});

test("a plan recomputes as the spec trains, unless it says otherwise", () => {
  const settings = (train: string, said: object = {}) => {
    const costs = costsOf(modelOf(layerOf.gpt, train));
    const plan = settingsOf(costs, { card: acceleratorNamed("h100")!, devices: 1, micro: 1, ...said });
    if ("together" in plan) throw new Error("one device has no batch that is uneven");
    return planTraining(costs, plan).settings.recompute;
  };
  expect(settings("")).toBe("selective");
  expect(settings("recompute layers")).toBe("full");
  expect(settings("recompute layers", { recompute: "none" })).toBe("none");
});
