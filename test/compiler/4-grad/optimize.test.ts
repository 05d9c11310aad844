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

  test("adamw8 keeps moments of large matrices in codes, and those of all others in f32", () => {
    const [wide] = checkSource(
      shippedSpec("tiny").replace("width 16", "width 64").replace("steps 100", "steps 100  optimizer adamw8"),
    ).models;
    const grown = buildGraph(wide!, { entry: "train", batch, context });
    const graph = addOptimizer(differentiate(grown), wide!.train.optimizer);
    verifyGraph(graph, "optimize");
    const inCodes = [...graph.values.values()].filter((v) => v.storage === "moment1" && v.dtype === "i32");
    // of two layers: 64 × 192, 64 × 64, 64 × 128, 128 × 64; the table has 32 × 64 numbers
    expect(inCodes.map((v) => [v.of, v.shape, v.slices])).toEqual([
      ["layers.attention.qkv.weight", [49, 64], 2],
      ["layers.attention.out.weight", [17, 64], 2],
      ["layers.mlp.up.weight", [33, 64], 2],
      ["layers.mlp.down.weight", [33, 64], 2],
    ]);
    expect(members(graph, "gradients").slice(0, 4)).toEqual(inCodes.map((v) => `${v.of}.grad`));
    expect(members(graph, "parameters.matrices")).toEqual([
      "token_embedding.weight",
      "position_embedding.weight",
    ]);
    expect(graph.sections.at(-1)!.nodes.map((n) => n.op)).toEqual([
      "grad_norm",
      "grad_norm_total",
      ...inCodes.map(() => "adamw8"),
      "adamw",
      "adamw",
    ]);
  });

  test("of nothing is a mistake of whoever asks for it", () => {
    expect(() => updated(() => false)).toThrow("no parameter to train");
  });
});
