/** The update: what its regions hold, in which order, and that it leaves alone what is not trained. */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { freeze } from "../../../compiler/3-graph/freeze.ts";
import type { Graph } from "../../../compiler/3-graph/ir.ts";
import { verifyGraph } from "../../../compiler/3-graph/verify.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { addOptimizer } from "../../../compiler/4-grad/optimize.ts";
import { tensorBytes } from "../../../runtime/contract/tensor-layout.ts";
import { shippedSpec } from "../../support/paths.ts";

const model = checkSource(shippedSpec("tiny")).models[0]!;
const { batch, context } = model.train;
const start = buildGraph(model, { entry: "train", batch, context });

function updated(trains: (name: string) => boolean): Graph {
  const graph = addOptimizer(differentiate(freeze(start, trains)));
  verifyGraph(graph, "optimize");
  return graph;
}
const members = (graph: Graph, region: string): readonly string[] => graph.values.get(region)?.members ?? [];
const parameters = [...start.values.values()].filter((v) => v.storage === "parameter");

describe("the update", () => {
  test("takes matrices with weight decay, then vectors without, in one region each", () => {
    const graph = updated(() => true);
    const matrices = parameters.filter((p) => p.shape.length >= 2).map((p) => p.name);
    const vectors = parameters.filter((p) => p.shape.length < 2).map((p) => p.name);
    expect(vectors.length).toBeGreaterThan(0);
    expect(members(graph, "parameters.matrices")).toEqual(matrices);
    expect(members(graph, "parameters.vectors")).toEqual(vectors);
    expect(members(graph, "gradients")).toEqual([...matrices, ...vectors].map((name) => `${name}.grad`));
    const update = graph.sections.at(-1)!;
    expect(update.role).toBe("update");
    expect(update.nodes.map((n) => [n.op, n.attrs["decay"]])).toEqual([
      ["grad_norm", undefined],
      ["grad_norm_total", undefined],
      ["adamw", true],
      ["adamw", false],
    ]);
  });

  test("a region has a line of 16 floats for every 64 bytes of its members", () => {
    const graph = updated(() => true);
    for (const region of [...graph.values.values()].filter((v) => v.members)) {
      const bytes = region.members!.map((name) => {
        const { shape, slices } = graph.values.get(name)!;
        return slices * tensorBytes(shape);
      });
      expect(tensorBytes(region.shape), region.name).toBe(bytes.reduce((a, b) => a + b, 0));
    }
  });

  test("of matrices alone needs no kernel for vectors, and knows nothing of what is not trained", () => {
    const graph = updated((name) => name.endsWith("qkv.weight"));
    expect(members(graph, "gradients")).toEqual(["layers.attention.qkv.weight.grad"]);
    expect(graph.sections.at(-1)!.nodes.map((n) => n.op)).toEqual(["grad_norm", "grad_norm_total", "adamw"]);
    const state = [...graph.values.values()].filter((v) => v.of !== undefined).map((v) => v.name);
    expect(state).toEqual(
      ["grad", "moment1", "moment2"].map((kind) => `layers.attention.qkv.weight.${kind}`),
    );
  });

  test("of nothing is a mistake of whoever asks for it", () => {
    expect(() => updated(() => false)).toThrow("no parameter to train");
  });
});
